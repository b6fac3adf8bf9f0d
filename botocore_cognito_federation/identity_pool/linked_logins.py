"""Linked logins: several sign-ins that are one identity, because somebody said so.

Cognito links logins that are sent together, and merges the identities they had; that cannot be undone, only unlinked
into a new identity. So another login is sent along only once `link` has been asked for, for exactly these two users:
what was linked is marked in the store, by login key and subject, and a login whose user has changed is left out.
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

#: Opens another ``[cognito-session]`` for the same identity pool: its settings, and what fetches its login token (None
#: for guests, who have none).
SessionOpener = Callable[[str], "tuple[Settings, Callable[[], LoginToken] | None]"]


class LinkedLogins:
    """The logins that go with a configuration's own.

    Args:
        settings: the configuration; its `logins` are the names of further sessions.
        store: where links are marked.
        open_session: opens such a session.
    """

    def __init__(self, settings: Settings, store: Store, open_session: SessionOpener) -> None:
        self._settings = settings
        self._store = store
        self._open_session = open_session

    def marked(self, login: Login) -> Login:
        """The login with all that is linked to it, without their tokens: enough to know its credentials by."""
        return replace(login, linked=self._marks(login)) if self._settings.logins else login

    def joined(self, login: Login) -> Login:
        """The login with all that is linked to it, and the tokens of those that are signed in.

        One that is not is left out: the identity is the same without it.
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
        """The login of another session.

        Raises:
            CognitoFederationError: nobody is signed in to it, or its token cannot be had.
        """
        settings, fetch = self._open_session(name)
        if fetch is None:
            raise ConfigurationError(f"Session {name} in cognito_logins is for guests, who have no login to link")
        return Login.of(fetch(), settings)

    def login_key_of(self, name: str) -> str:
        """The login key of another session; its token is asked only where the configuration does not say it."""
        provider = self._open_session(name)[0].provider
        key = provider.login_key if provider is not None else None
        return key or self.login_of(name).key

    def link(self, login: Login, identity_id: str, other: Login, pool: IdentityPool) -> str:
        """Link two logins for good, and mark it; answers the identity that both are from now on.

        Raises:
            ConfigurationError: `other` has nothing to know its user by.
            FederationRefusedError: Cognito refuses, as it does where either is linked to a third already.
            StorageError: the link is made, but could not be marked; do it again.
        """
        if other.key == login.key:
            raise ConfigurationError(
                f"Both logins are of {login.key}; an identity has one of each provider",
                remedy="Link a session of another provider",
            )
        if other.token.subject.startswith("digest "):
            raise ConfigurationError(
                f"A token of {other.key} from a file, a variable or a command does not say whose it is",
                remedy="Sign in to that session with cognito-federation login",
            )
        marks = [mark for mark in self._marks(login) if mark.key != other.key]
        mark = LinkedLogin(other.key, other.token.subject, other.token)
        answered = pool.exchange(identity_id, replace(login, linked=(mark,))).credentials.identity_id
        self._write(login, [*marks, mark])
        self._remember(login, answered)
        return answered

    def unlink(self, login: Login, identity_id: str, key: str, pool: IdentityPool) -> None:
        """Take the login under `key` off the identity; its user is somebody new from then on.

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
        self._remember(login, identity_id)

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

    def _remember(self, login: Login, identity_id: str) -> None:
        key = identity_key(self._settings, self.marked(login))
        self._store.write(IDENTITIES, key, {"identity_id": identity_id, "pool": self._settings.identity_pool_id})
