"""The credentials, identity IDs and failures of one configuration, whatever store they are in.

Those who fetch credentials see entries, one for each user and role, and no keys, documents or locks. Where the store
cannot be written, what was fetched is cached in this process.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .._util.concurrency import in_turn
from ..credentials import FederatedCredentials
from ..errors import CognitoFederationError, StorageError
from ..messages import display_name
from .base import (
    CREDENTIALS,
    IDENTITIES,
    Store,
    cache_key,
    credentials_key,
    current_epoch,
    identity_key,
    sign_in_epoch,
    sign_in_part,
)
from .failures import Failure, FailureCache, time_in

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..identity_pool.aws import Clock
    from ..identity_pool.client import Login

#: Tokens of one user that cached credentials answer to at the same time; the oldest are exchanged anew.
_MOST_TOKENS = 16
#: Damage is a miss: what could not be an identity ID is not sent to Cognito.
_IDENTITY_ID = re.compile(r"[\w-]{1,30}:[0-9a-f-]{1,50}", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """The place of one user's credentials in the cache.

    Attributes:
        key: the key of the credentials.
        user: a digest of the user; empty where only the identity pool can say who it is.
        token: digest of the token that the cached credentials must have been exchanged for; None where its claims are
            believed.
    """

    key: str
    user: str = ""
    token: str | None = None


@dataclass(frozen=True)
class _Unwritten:
    credentials: FederatedCredentials
    sign_out_epoch: str
    tokens: Mapping[str, float]


@dataclass(eq=False, repr=False)
class CredentialCache:
    """The cache of one configuration.

    Args:
        settings: the configuration.
        store: where everything is stored.
        clock: the clock.
    """

    settings: Settings
    store: Store
    clock: Clock
    _unwritten: dict[str, _Unwritten] = field(default_factory=dict, init=False)

    @cached_property
    def _failures(self) -> FailureCache:
        return FailureCache(self.store, now=self.clock.now, random=self.clock.random)

    def entry(self, login: Login | None, *, claims_are_believed: bool = True) -> Entry:
        """The entry of a login; that of the guest without one."""
        token = None if claims_are_believed or login is None else login.token.digest
        return Entry(credentials_key(self.settings, login), user_fingerprint(login), token)

    def is_of(self, entry: Entry, login: Login) -> bool:
        """Whether an entry is that of a login."""
        return entry.key == credentials_key(self.settings, login)

    def sign_out_epoch(self) -> str:
        """What changes with each sign-out, and each time credentials are forgotten."""
        return current_epoch(self.store, self.settings.scope)

    def has_signed_out_since(self, sign_out_epoch: str) -> bool:
        """Whether a sign-out has ended this epoch. To forget only the credentials is no sign-out."""
        return sign_in_part(sign_out_epoch) != sign_in_epoch(self.store, self.settings.scope)

    def get(self, entry: Entry) -> FederatedCredentials | None:
        """The credentials of an entry that no sign-out has made invalid, whatever their age."""
        document = self.store.read(CREDENTIALS, entry.key)
        stored = here = None
        if document and self._is_current(document) and entry.token in (None, *_tokens_in(document)):
            stored = FederatedCredentials.from_document(document)
        unwritten = self._unwritten.get(entry.key)
        if unwritten and unwritten.sign_out_epoch == self.sign_out_epoch() and entry.token in (None, *unwritten.tokens):
            here = unwritten.credentials
        if stored is None or here is None:
            return stored or here
        return max(stored, here, key=lambda credentials: credentials.expires_at)

    def put(self, entry: Entry, credentials: FederatedCredentials, login: Login | None, sign_out_epoch: str) -> None:
        """Store credentials, and forget the failures before them.

        A sign-out that came meanwhile has forgotten what there was; nothing secret is to be left after it either.

        Args:
            entry: their place.
            credentials: the credentials.
            login: the login whose token was exchanged for them.
            sign_out_epoch: the epoch in which fetching them began.
        """
        key = entry.key
        tokens = self._exchanged_tokens(key, credentials, login, sign_out_epoch)
        document = {
            **credentials.document(),
            "tokens": tokens,
            "scope": self.settings.scope,
            "generation": sign_out_epoch,
            "profile": self.settings.profile,
            "pool": self.settings.identity_pool_id,
            "provider": login.key if login else "guest",
            "who": _name_of(login),
        }
        try:
            self.store.write(CREDENTIALS, key, document)
            self._unwritten.pop(key, None)
            if sign_out_epoch != self.sign_out_epoch():
                self.store.delete(CREDENTIALS, key)
        except StorageError as error:
            # A read-only or full place still works, once per process.
            self._unwritten[key] = _Unwritten(credentials, sign_out_epoch, tokens)
            self.store.warn(error.line)
        self._failures.forget(key)

    @contextmanager
    def lock(self, entry: Entry, *, timeout: float) -> Iterator[bool]:
        """Hold the right to renew an entry; the context gives whether it was had within `timeout` seconds."""
        with in_turn(entry.key, timeout) as has_turn, contextlib.ExitStack() as stack:
            taken = has_turn
            if has_turn:
                with contextlib.suppress(StorageError):  # no place for a lock: the threads still take turns
                    taken = stack.enter_context(self.store.lock(entry.key, timeout=timeout))
            yield taken

    def holder(self, entry: Entry) -> str:
        """Name the process that holds the lock of an entry, for a sentence."""
        return self.store.holder(entry.key)

    def failure(self, entry: Entry) -> Failure | None:
        """The last failure to renew an entry, however old."""
        return self._failures.get(entry.key, token=entry.token)

    def put_failure(
        self, entry: Entry, error: CognitoFederationError, *, served_until: float | None, took: float
    ) -> Failure:
        """Remember a failure to renew an entry; see `FailureCache.put`."""
        return self._failures.put(entry.key, error, served_until=served_until, took=took, token=entry.token)

    def identity_id(self, login: Login | None) -> str | None:
        """The identity ID of a login."""
        document = self.store.read(IDENTITIES, identity_key(self.settings, login))
        identity_id = document.get("identity_id") if document else None
        return identity_id if isinstance(identity_id, str) and _IDENTITY_ID.fullmatch(identity_id) else None

    def put_identity_id(self, login: Login | None, identity_id: str) -> None:
        """Store the identity ID of a login; one that cannot be stored is looked up again."""
        document = {
            "identity_id": identity_id,
            "pool": self.settings.identity_pool_id,
            "scope": self.settings.scope,
        }
        with contextlib.suppress(StorageError):
            self.store.write(IDENTITIES, identity_key(self.settings, login), document)

    def forget_identity_id(self, login: Login | None) -> None:
        """Forget an identity ID that Cognito no longer takes."""
        with contextlib.suppress(StorageError):
            self.store.delete(IDENTITIES, identity_key(self.settings, login))

    def warn(self, text: str) -> None:
        """Remember something worth a word for ``status`` and ``doctor``; never raises."""
        self.store.warn(text)

    def _exchanged_tokens(
        self, key: str, credentials: FederatedCredentials, login: Login | None, sign_out_epoch: str
    ) -> dict[str, float]:
        """The tokens that the credentials of a key answer to, now that `login` was exchanged too.

        A token that was exchanged before is one of them only if it has not expired: it could have been exchanged for
        these credentials as well. One that has expired must not open what a later token brought.
        """
        if login is None:
            return {}
        document, unwritten = self.store.read(CREDENTIALS, key), self._unwritten.get(key)
        before = _tokens_in(document) if document and self._is_current(document) else {}
        here = unwritten.tokens if unwritten and unwritten.sign_out_epoch == sign_out_epoch else {}
        # Nothing says when an opaque token ends; it is exchanged again once the credentials that it brought are gone.
        end = login.token.expires_at if login.token.expires_at is not None else credentials.expires_at
        others = {digest: life for digest, life in {**before, **here}.items() if life > credentials.issued_at}
        others.pop(login.token.digest, None)
        return {login.token.digest: end, **dict(list(others.items())[: _MOST_TOKENS - 1])}

    def _is_current(self, document: Mapping[str, Any]) -> bool:
        """Whether no sign-out came since the renewal that wrote the document began."""
        return document.get("generation") == current_epoch(self.store, str(document.get("scope")))


def user_fingerprint(login: Login | None) -> str:
    """A digest of the user of a login; empty for an opaque token, which names nobody and whose next one differs."""
    if login is None or not login.token.claims.get("sub"):
        return ""
    return cache_key({"what": "who", "login": login.key, "subject": login.token.subject})


def _tokens_in(document: Mapping[str, Any]) -> dict[str, float]:
    """The exchanged tokens in a document of credentials; one from an earlier version has none."""
    tokens = document.get("tokens")
    found = tokens.items() if isinstance(tokens, dict) else ()
    return {digest: end for digest, value in found if (end := time_in(value)) is not None}


def _name_of(login: Login | None) -> str:
    """Who it is, as a person would say it; no secret."""
    claims = login.token.claims if login else {}
    return display_name(map(claims.get, ("email", "preferred_username", "name", "sub")))
