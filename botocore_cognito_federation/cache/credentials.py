"""The credentials, identity IDs and failures of one configuration, in any store.

Callers see entries, one for each user and role, and no keys, documents or locks. If the store cannot be written,
credentials are cached in this process.

A cached failure must not last longer than its cause. While credentials are usable, it prevents further attempts. After
that it applies only to callers that asked before the attempt ended, and so waited for it: a crowd makes one attempt. A
caller that asks later may find the service healthy again, so it makes the next attempt, or waits for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from .. import errors
from .._util.concurrency import in_turn
from ..credentials import (
    FederatedCredentials,
    document_of,
    exchanged_tokens,
    identity_document,
    identity_in,
    time_in,
    tokens_in,
)
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    NonRetryableError,
    Retry,
    StorageError,
)
from .base import (
    CREDENTIALS,
    FAILURES,
    IDENTITIES,
    Entry,
    Store,
    credentials_key,
    current_epoch,
    read_current,
    sign_in_part,
)

if TYPE_CHECKING:
    from .._util.concurrency import Clock
    from ..config.settings import Settings
    from ..login_token import Login


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
        store: stores everything.
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
        return Entry.of(self.settings, login, claims_are_believed=claims_are_believed)

    def is_of(self, entry: Entry, login: Login) -> bool:
        """Return whether an entry belongs to a login."""
        return entry.key == credentials_key(self.settings, login)

    def sign_out_epoch(self) -> str:
        """The epoch, which changes with each sign-out, and each time credentials are cleared."""
        return current_epoch(self.store, self.settings.scope)

    def get(self, entry: Entry) -> FederatedCredentials | None:
        """The credentials of an entry that no sign-out has made invalid, whatever their age."""
        document = read_current(self.store, CREDENTIALS, entry.key)
        stored = here = None
        if document and entry.token in (None, *tokens_in(document)):
            stored = FederatedCredentials.from_document(document)
        unwritten = self._unwritten.get(entry.key)
        if unwritten and unwritten.sign_out_epoch == self.sign_out_epoch() and entry.token in (None, *unwritten.tokens):
            here = unwritten.credentials
        if stored is None or here is None:
            return stored or here
        return max(stored, here, key=lambda credentials: credentials.expires_at)

    def put(self, entry: Entry, credentials: FederatedCredentials, login: Login | None, sign_out_epoch: str) -> bool:
        """Store credentials, and forget the failures before them.

        A sign-out that came meanwhile has forgotten what there was; nothing secret is to be left after it either.

        Args:
            entry: their place.
            credentials: the credentials.
            login: the login whose token was exchanged for them.
            sign_out_epoch: the epoch in which fetching them began.

        Returns:
            Whether a sign-out came meanwhile. To forget only the credentials is no sign-out.
        """
        key, unwritten = entry.key, self._unwritten.get(entry.key)
        here = unwritten.tokens if unwritten and unwritten.sign_out_epoch == sign_out_epoch else {}
        before = tokens_in(read_current(self.store, CREDENTIALS, key) or {})
        tokens = exchanged_tokens({**before, **here}, credentials, login)
        document = document_of(credentials, tokens, self.settings, login, sign_out_epoch)
        try:
            self.store.write(CREDENTIALS, key, document)
            self._unwritten.pop(key, None)
        except StorageError as error:
            # A read-only or full place still works, once per process.
            self._unwritten[key] = _Unwritten(credentials, sign_out_epoch, tokens)
            self.store.warn(error.line)
        self._failures.forget(key)
        # The last look, as late as it can be: a sign-out wins until the credentials are returned.
        now = self.sign_out_epoch()
        if now == sign_out_epoch:
            return False
        try:
            self.store.delete(CREDENTIALS, key)
        except StorageError as error:
            self.store.warn(error.line)
        return sign_in_part(now) != sign_in_part(sign_out_epoch)

    @contextmanager
    def lock(self, entry: Entry, *, timeout: float) -> Iterator[bool]:
        """Hold the lock for renewing an entry; yields whether it was taken within `timeout` seconds."""
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
        """Return the last failure to renew an entry, of any age."""
        return self._failures.get(entry.key, token=entry.token)

    def put_failure(self, entry: Entry, error: CognitoFederationError, *, usable_until: float | None) -> Failure:
        """Cache a failure to renew an entry; see `FailureCache.put`."""
        return self._failures.put(entry.key, error, usable_until=usable_until, token=entry.token)

    def identity_id(self, entry: Entry) -> str | None:
        """The identity ID of an entry."""
        return identity_in(self.store.read(IDENTITIES, entry.identity_key))

    def put_identity_id(self, entry: Entry, identity_id: str) -> None:
        """Store the identity ID of an entry; one that cannot be stored is looked up again."""
        with contextlib.suppress(StorageError):
            self.store.write(IDENTITIES, entry.identity_key, identity_document(identity_id, self.settings))

    def forget_identity_id(self, entry: Entry) -> None:
        """Forget an identity ID that Cognito no longer takes."""
        with contextlib.suppress(StorageError):
            self.store.delete(IDENTITIES, entry.identity_key)

    def warn(self, text: str) -> None:
        """Remember something worth a word for ``status`` and ``doctor``; never raises."""
        self.store.warn(text)


#: Seconds for which a renewal is not retried while credentials are usable, plus or minus a quarter.
RETRY_DELAY = 30.0
_LONGEST_JITTER = 1.25
_CLASSES: dict[str, type[CognitoFederationError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, CognitoFederationError)
}


@dataclass(frozen=True)
class Failure:
    """A cached failure.

    Attributes:
        at: its time, seconds since the epoch.
        retry_at: the time until which no process retries while credentials are usable.
        error: the error that was raised.
        keeps_valid_credentials: whether usable credentials are returned in spite of it.
        token: a digest of the only token that it concerns; None if it concerns the user.
    """

    at: float
    retry_at: float
    error: CognitoFederationError
    keeps_valid_credentials: bool
    token: str | None = None

    @classmethod
    def of(cls, error: CognitoFederationError, *, at: float, rest: float = 0.0, token: str | None = None) -> Failure:
        return cls(at, at + rest, error, _keeps_valid_credentials(error), token)

    def concerns(self, asked_at: float, now: float, *, has_valid_credentials: bool) -> bool:
        """Return whether a caller that asked at `asked_at` gets this failure.

        This is so if the failed attempt ended after the caller asked. While there are usable credentials, callers do
        not retry before `retry_at` either.

        Args:
            has_valid_credentials: whether there are credentials that are usable meanwhile.
        """
        if not self.at <= now + 1:
            return False
        retry_at = min(self.retry_at, self.at + RETRY_DELAY * _LONGEST_JITTER)
        return self.at >= asked_at or (has_valid_credentials and now < retry_at)


class FailureCache:
    """Failures by credentials key, in the store, or in this process if nothing can be written."""

    def __init__(self, store: Store, *, now: Callable[[], float], random: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._random = random
        self._here: dict[str, Failure] = {}

    def put(
        self,
        key: str,
        error: CognitoFederationError,
        *,
        usable_until: float | None,
        token: str | None = None,
    ) -> Failure:
        """Cache a failure; it prevents later attempts only while credentials are usable in spite of it.

        Args:
            key: the key of the credentials that could not be fetched.
            error: the reason.
            usable_until: until when credentials are returned in spite of it; None if there are none.
            token: a digest of the only token that it concerns; None if it concerns the user.
        """
        now, rest = self._now(), 0.0
        if usable_until is not None and now < usable_until and _keeps_valid_credentials(error):
            rest = min(RETRY_DELAY * (_LONGEST_JITTER - self._random() / 2), usable_until - now)
        failure = Failure.of(error, at=now, rest=rest, token=token)
        self._here[key] = failure
        with contextlib.suppress(StorageError):
            self._store.write(
                FAILURES,
                key,
                {
                    "at": failure.at,
                    "retry_at": failure.retry_at,
                    "class": _public_class(error).__name__,
                    "what": error.what,
                    "remedy": error.remedy,
                    "keeps_valid_credentials": failure.keeps_valid_credentials,
                    "token": token,
                },
            )
            # Stored for all processes: a process that fixes the cause and clears it there clears it here too.
            del self._here[key]
        return failure

    def get(self, key: str, *, token: str | None = None) -> Failure | None:
        """Return the last failure under a key, of any age, if it concerns this token or, without one, the user."""
        failure = self._last(key)
        return failure if failure is not None and failure.token == token else None

    def _last(self, key: str) -> Failure | None:
        stored = self._store.read(FAILURES, key)
        here = self._here.get(key)
        if stored is None:
            return here
        at, retry_at, name = time_in(stored.get("at")), time_in(stored.get("retry_at")), stored.get("class")
        if at is None or retry_at is None or not isinstance(name, str) or name not in _CLASSES:
            return here
        error = _CLASSES[name](str(stored.get("what", "")), remedy=str(stored.get("remedy", "")))
        token = stored.get("token")
        keeps_valid_credentials = stored.get("keeps_valid_credentials") is True
        return Failure(at, retry_at, error, keeps_valid_credentials, token if isinstance(token, str) else None)

    def forget(self, key: str) -> None:
        """Remove the failures under a key after a success."""
        self._here.pop(key, None)
        with contextlib.suppress(StorageError):
            self._store.delete(FAILURES, key)


def _keeps_valid_credentials(error: CognitoFederationError) -> bool:
    """Return whether usable credentials stay usable after this failure.

    They do if it says nothing about them: the network, a lock, a token that is not available or has expired. They do
    not if the configuration is wrong, if Cognito or STS refuse this very identity or role, or if a refresh handler says
    that a retry is useless.
    """
    if isinstance(error, FederationRefusedError):
        return error.retry is Retry.TOKEN
    return not isinstance(error, ConfigurationError | NonRetryableError)


def _public_class(error: CognitoFederationError) -> type[CognitoFederationError]:
    return next(cls for cls in type(error).__mro__ if cls.__name__ in _CLASSES and _CLASSES[cls.__name__] is cls)
