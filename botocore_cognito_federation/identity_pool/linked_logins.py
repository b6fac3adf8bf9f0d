"""Linked logins: several sign-ins that are one identity, because the user asked for it.

Cognito links logins that are sent together, and merges their identities. That cannot be undone; a login can only be
unlinked into a new identity. So another login is sent only after `link` was called for exactly these two users: the
store marks the link by login key and subject, and a login whose user has changed is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..cache.base import IDENTITIES, LINKS, Store, identity_key, links_key
from ..errors import CognitoFederationError, ConfigurationError
from ..login_token import LinkedLogin, Login

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..login_token import LoginToken
    from .client import IdentityPool

logger = logging.getLogger(__name__)

#: Opens another ``[cognito-session]`` for the same identity pool: returns its settings, and the function that fetches
#: its login token (None for guests, who have none).
SessionOpener = Callable[[str], "tuple[Settings, Callable[[], LoginToken] | None]"]


class LinkedLogins:
    """The logins that belong to a configuration's own.

    Args:
        settings: the configuration; its `logins` are the names of further sessions.
        store: marks the links.
        open_session: opens such a session.
    """

    def __init__(self, settings: Settings, store: Store, open_session: SessionOpener) -> None:
        self._settings = settings
        self._store = store
        self._open_session = open_session

    def marked(self, login: Login) -> Login:
        """Return the login with all linked logins, without their tokens: enough to find its cached credentials."""
        return replace(login, linked=self._marks(login)) if self._settings.logins else login

    def joined(self, login: Login) -> Login:
        """Return the login with all logins linked to it, and the tokens of those that are signed in.

        A login that is not signed in is left out: the identity is the same without it.
        """
        marks = self._marks(login) if self._settings.logins else ()
        if not marks:
            return login
        found = {}
        for name in self._settings.logins:
            try:
                other = self.login_of(name)
            except CognitoFederationError as error:
                logger.debug("The linked session %s is left out: %s", name, error.line)
                self._store.warn(f"The linked session {name} was left out: {error.line}")
            else:
                found[other.key, other.token.subject] = other.token
        linked = tuple(replace(mark, token=found.get((mark.key, mark.subject))) for mark in marks)
        return replace(login, linked=linked)

    def login_of(self, name: str) -> Login:
        """Return the login of another session.

        Raises:
            CognitoFederationError: the user is not signed in to it, or its token is not available.
        """
        settings, fetch = self._open_session(name)
        if fetch is None:
            raise ConfigurationError(f"Session {name} in cognito_logins is for guests, who have no login to link")
        return Login.of(fetch(), settings)

    def login_key_of(self, name: str) -> str:
        """Return the login key of another session; its token is fetched only if the configuration lacks the key."""
        provider = self._open_session(name)[0].provider
        key = provider.login_key if provider is not None else None
        return key or self.login_of(name).key

    def link(self, login: Login, identity_id: str, other: Login, pool: IdentityPool) -> str:
        """Link two logins permanently, and mark the link; return the identity that both have from then on.

        Raises:
            ConfigurationError: `other` does not identify its user.
            FederationRefusedError: Cognito refuses, for example because either login is already linked to a third.
            StorageError: the link was made, but could not be marked; call it again.
        """
        if other.key == login.key:
            raise ConfigurationError(
                f"Both logins are of {login.key}; an identity has one of each provider",
                remedy="Link a session of another provider",
            )
        if other.token.subject.startswith("digest "):
            raise ConfigurationError(
                f"A token of {other.key} from a file, a variable or a command does not identify its user",
                remedy="Sign in to that session with cognito-federation login",
            )
        marks = [mark for mark in self._marks(login) if mark.key != other.key]
        mark = LinkedLogin(other.key, other.token.subject, other.token)
        answered = pool.exchange(identity_id, replace(login, linked=(mark,))).credentials.user_id
        self._write(login, [*marks, mark])
        self._store_identity(login, answered)
        return answered

    def unlink(self, login: Login, identity_id: str, key: str, pool: IdentityPool) -> None:
        """Remove the login under `key` from the identity; its user gets a new identity.

        Raises:
            ConfigurationError: no such login was linked here.
            FederationRefusedError: Cognito refuses.
        """
        joined = self.joined(login)
        mark = next((mark for mark in joined.linked if mark.key == key), None)
        if mark is None:
            raise ConfigurationError(
                f"No login of {key} is linked to this one", remedy="Run: cognito-federation link --help"
            )
        pool.unlink(identity_id, replace(login, linked=(mark,)), key)
        self._write(login, [other for other in joined.linked if other.key != key])
        self._store_identity(login, identity_id)

    def _marks(self, login: Login) -> tuple[LinkedLogin, ...]:
        document = self._store.read(LINKS, links_key(self._settings, login))
        entries = document.get("linked") if document else None
        if not isinstance(entries, list):
            return ()
        return tuple(
            LinkedLogin(entry["key"], entry["subject"])
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("key"), str) and isinstance(entry.get("subject"), str)
        )

    def _write(self, login: Login, marks: list[LinkedLogin]) -> None:
        key = links_key(self._settings, login)
        if not marks:
            self._store.delete(LINKS, key)
            return
        entries = [{"key": mark.key, "subject": mark.subject} for mark in marks]
        self._store.write(LINKS, key, {"linked": entries, "provider": login.key, "scope": self._settings.scope})

    def _store_identity(self, login: Login, identity_id: str) -> None:
        key = identity_key(self._settings, self.marked(login))
        self._store.write(IDENTITIES, key, {"identity_id": identity_id, "pool": self._settings.identity_pool_id})
