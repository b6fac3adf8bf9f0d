"""Who is signed in: the session of a person, what an application knows of its sign-in, and how both end."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import ChangedMeanwhileError, StorageError
from ..login_token import LoginToken
from ..messages import display_name
from .base import (
    CREDENTIALS,
    EPOCHS,
    EVERYTHING,
    FAILURES,
    SECRETS,
    SESSIONS,
    Store,
    cache_key,
    forgotten_key,
    scope_key,
    sign_in_epoch,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..config.settings import Settings


@dataclass(frozen=True)
class Session:
    """One signed-in person at one identity provider.

    Attributes:
        sign_in_id: random, new at each sign-in; whose credentials an opaque token stands for.
        subject: the user's identifier at the provider, if it has told.
        user: name, address and the like, as far as the provider told them; no secret.
        login_token: the token Cognito takes; None between a rotation that was kept and the answer's verification.
        token_expires_at: when it expires, seconds since the epoch.
        refresh_token: what renews it; None where the provider gave none or has ended the session.
        device_key: of a user pool that tracks devices; a renewal must name it.
        signed_in_at: seconds since the epoch.
        sign_out_epoch: the sign-out epoch in which the sign-in began.
    """

    sign_in_id: str
    subject: str | None
    user: Mapping[str, str]
    login_token: str | None = field(repr=False)
    token_expires_at: float | None
    refresh_token: str | None = field(repr=False)
    signed_in_at: float
    sign_out_epoch: str
    device_key: str | None = field(default=None, repr=False)

    @property
    def who(self) -> str:
        """Whom to name in a sentence."""
        return display_name([*map(self.user.get, ("email", "name", "username")), self.subject]) or "an unnamed user"

    @property
    def label(self) -> str:
        """Whom to greet: the name, and the address where there is one."""
        name, address = display_name([self.user.get("name")]) or self.who, display_name([self.user.get("email")])
        return f"{name} ({address})" if address and address != name else name

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Session | None:
        """The session a store kept, or None where the document is damaged (damage is a miss)."""
        user = document.get("user")
        sign_in_id, sign_out_epoch, signed_in_at = (
            document.get(name) for name in ("sign_in_id", "generation", "signed_in_at")
        )
        if not isinstance(sign_in_id, str) or not isinstance(sign_out_epoch, str) or not isinstance(user, dict):
            return None
        expires_at, signed_in_at = document.get("token_expires_at"), document.get("signed_in_at")
        return cls(
            sign_in_id=sign_in_id,
            subject=_text(document.get("subject")),
            user={str(name): str(value) for name, value in user.items()},
            login_token=_text(document.get("login_token")),
            token_expires_at=float(expires_at) if isinstance(expires_at, int | float) else None,
            refresh_token=_text(document.get("refresh_token")),
            device_key=_text(document.get("device_key")),
            signed_in_at=float(signed_in_at) if isinstance(signed_in_at, int | float) else 0.0,
            sign_out_epoch=sign_out_epoch,
        )

    def token(self) -> LoginToken | None:
        """The login token, whatever its age."""
        if self.login_token is None:
            return None
        token = LoginToken.of(self.login_token, expires_at=self.token_expires_at)
        return replace(token, owner=self.sign_in_id)


@dataclass(eq=False, repr=False)
class Sessions:
    """The session of one configuration, in a store.

    Args:
        settings: the configuration.
        store: where sessions are kept.
        leave_nothing: whether a write that a sign-out overtook is deleted at once. A sign-out that waits for the
            session's lock takes such a write away itself, because it still has to revoke the token in it.
    """

    settings: Settings
    store: Store
    leave_nothing: bool = False

    @cached_property
    def key(self) -> str:
        """The key of the session."""
        return session_key(self.settings)

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        """The lock of whoever renews, replaces or ends the session; the context gives whether it was had in time."""
        return self.store.lock(f"session-{self.key}", timeout=timeout)

    def lock_of_sign_in(self, timeout: float) -> AbstractContextManager[bool]:
        """The same for whoever signs in: there is one sign-in of a scope at a time."""
        return self.store.lock(f"login-{scope_key(self.settings.scope)}", timeout=timeout)

    def read(self) -> Session | None:
        """The session, or None where nobody is signed in; one from before the last sign-out is none."""
        document = self.store.read(SESSIONS, self.key)
        session = Session.from_document(document) if document else None
        return session if session is not None and session.sign_out_epoch == self.sign_out_epoch() else None

    def read_of_any_epoch(self) -> Session | None:
        """The session even if a sign-out has made it invalid: its refresh token is still to be revoked."""
        document = self.store.read(SESSIONS, self.key)
        return Session.from_document(document) if document else None

    def sign_out_epoch(self) -> str:
        return sign_in_epoch(self.store, self.settings.scope)

    def write(self, session: Session) -> None:
        """Keep a session.

        Raises:
            StorageError: it could not be kept.
        """
        self.store.write(SESSIONS, self.key, self._document(session))
        self._leave_nothing_after_a_sign_out(session)

    @contextmanager
    def reserved(self, session: Session) -> Iterator[Callable[[Session], None]]:
        """Prove that a successor of a session can be kept, and hold the space for it; the context gives its writer.

        Raises:
            StorageError: it could not be kept.
            ChangedMeanwhileError: this is not the session any more.
        """
        with self.store.reserved(SESSIONS, self.key, self._document(session)) as write:
            # A lock that was lost between the last look and the reservation went to another process.
            if self.read() != session:
                raise ChangedMeanwhileError(
                    "Another host has changed or ended this sign-in in the meantime", remedy="Try again"
                )

            def write_successor(successor: Session) -> None:
                write(self._document(successor))
                self._leave_nothing_after_a_sign_out(successor)

            yield write_successor

    def _leave_nothing_after_a_sign_out(self, session: Session) -> None:
        if self.leave_nothing and session.sign_out_epoch != self.sign_out_epoch():
            self.delete()

    def _document(self, session: Session) -> dict[str, Any]:
        return {
            "scope": self.settings.scope,
            "sign_in_id": session.sign_in_id,
            "subject": session.subject,
            "user": dict(session.user),
            "login_token": session.login_token,
            "token_expires_at": session.token_expires_at,
            "refresh_token": session.refresh_token,
            "device_key": session.device_key,
            "signed_in_at": session.signed_in_at,
            "generation": session.sign_out_epoch,
            "profile": self.settings.profile,
            "made_with": maker_of(self.settings),
        }

    def delete(self) -> None:
        """Forget the session.

        Raises:
            StorageError: it is there and could not be removed.
        """
        self.store.delete(SESSIONS, self.key)


def held_for_too_long(store: Store, key: str, limit: float) -> StorageError:
    """The error of a process that has waited for the lock of a session."""
    return StorageError(
        f"{store.holder(f'session-{key}')} has held this session for more than {limit:g} s",
        remedy="Try again; if it persists, end that process",
    )


def check_storable(store: Store) -> None:
    """Before anybody is sent to a browser: a full disk or a locked keyring would make the sign-in worthless.

    Raises:
        StorageError: it cannot be stored.
    """
    key = cache_key({"what": "proof that a sign-in can be stored"})
    store.write(SECRETS, key, {"scope": ""})
    store.delete(SECRETS, key)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def session_key(settings: Settings) -> str:
    """The key of a sign-in: its scope, and the provider and client it was made with."""
    provider = settings.provider
    return cache_key(
        {
            "what": "session",
            "scope": settings.scope,
            "provider": (provider.login_key or provider.name) if provider else None,
            "issuer": provider.issuer if provider else None,
            "client": settings.client_id,
        }
    )


def maker_of(settings: Settings) -> dict[str, str | None]:
    """The provider and client of a sign-in: what it takes to revoke it after the configuration has changed."""
    provider = settings.provider
    return {
        "provider": provider.name if provider else None,
        "login_key": provider.login_key if provider else None,
        "issuer": provider.issuer if provider and provider.issuer_is_exact else None,
        "client_id": settings.client_id,
        "user_pool_id": settings.user_pool_id,
    }


_SCOPE = re.compile(r"session application [0-9a-f]{32}")


@dataclass(frozen=True)
class Record:
    """One sign-in of an application.

    Attributes:
        sign_in_id: random, new at each sign-in.
        provider: the provider as the application named it, ``user-pool`` and the key of a pool included.
        user: what the application said about the user, or the claims that name one.
        identity_id: the identity so far; None before the first exchange.
        fixed_identity_id: the identity the application gave; None where Cognito is asked (GetId).
        by_user_pool: whether the federation signed in to its user pool itself.
        username: the user's name in that pool.
    """

    sign_in_id: str
    provider: str
    user: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity_id: str | None = None
    fixed_identity_id: str | None = None
    by_user_pool: bool = False
    username: str = ""

    @property
    def scope_name(self) -> str:
        """The name under which this sign-in is kept, and forgotten by its sign-out."""
        return f"application {self.sign_in_id}"


@lru_cache(maxsize=64)
def _record_key(pool: str, endpoint_url: str | None, handle: str) -> str:
    parts = {"what": "application", "pool": pool, "endpoint": endpoint_url}
    return cache_key({**parts, "handle": handle} if handle else parts)


def is_of_one_sign_in(scope: str) -> bool:
    """Whether a scope is that of an application's sign-in, which never comes again."""
    return _SCOPE.fullmatch(scope) is not None


@dataclass(eq=False, repr=False)
class Records:
    """The current sign-in of an application at one pool, in a store.

    Attributes:
        settings: the pool.
        store: the store.
        handle: which of the many users of one store; empty for an application of one user.
    """

    settings: Settings
    store: Store
    handle: str = ""

    @property
    def _key(self) -> str:
        return _record_key(self.settings.identity_pool_id, self.settings.endpoint_url, self.handle)

    def read(self) -> Record | None:
        """The current sign-in; None where nobody is signed in, or the document is damaged (damage is a miss)."""
        document = self.store.read(SESSIONS, self._key) or {}
        sign_in_id, provider, user = (document.get(name) for name in ("sign_in_id", "provider", "user"))
        if not isinstance(sign_in_id, str) or not isinstance(provider, str) or not isinstance(user, dict):
            return None
        return Record(
            sign_in_id=sign_in_id,
            provider=provider,
            user=user,
            identity_id=_text(document.get("identity_id")),
            fixed_identity_id=_text(document.get("fixed_identity_id")),
            by_user_pool=document.get("by_user_pool") is True,
            username=_text(document.get("username")) or "",
        )

    def write(self, record: Record) -> None:
        """Make a sign-in the current one.

        Raises:
            StorageError: it could not be kept.
        """
        self.store.write(
            SESSIONS,
            self._key,
            {
                "application": True,
                "sign_in_id": record.sign_in_id,
                "provider": record.provider,
                "user": dict(record.user),
                "identity_id": record.identity_id,
                "fixed_identity_id": record.fixed_identity_id,
                "by_user_pool": record.by_user_pool,
                "username": record.username,
            },
        )

    def delete(self) -> None:
        """End the sign-in.

        Raises:
            StorageError: the document is there and could not be removed.
        """
        self.store.delete(SESSIONS, self._key)


#: Seconds after which a renewal that began before a sign-out has ended; its own limits are minutes.
_LONGEST_FLIGHT = 3600.0


def begin_epoch(store: Store, scope: str) -> None:
    """Make everything that was begun in this scope so far invalid: the sign-in and its credentials.

    Raises:
        StorageError: it could not be written; nothing has changed.
    """
    store.write(
        EPOCHS,
        scope_key(scope),
        {"generation": secrets.token_hex(8), "scope": scope, "signed_out_at": time.time()},
    )


def end_sign_in(store: Store, scope: str) -> int:
    """Make a scope's sign-in invalid and forget its AWS credentials; what a renewal in flight brings is invalid too.

    Returns:
        How many sets of credentials were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    begin_epoch(store, scope)
    return forget_credentials(store, scope)


def forget_credentials(store: Store, scope: str = EVERYTHING) -> int:
    """Forget the AWS credentials of a scope; those a renewal in flight is about to keep are invalid too.

    Returns:
        How many entries were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    mark = {"generation": secrets.token_hex(8), "scope": scope, "forgotten_at": time.time()}
    store.write(EPOCHS, forgotten_key(scope), mark)
    forgotten = 0
    for key, document in list(store.documents(CREDENTIALS)):
        if scope in (EVERYTHING, document.get("scope")):
            store.delete(CREDENTIALS, key)
            with contextlib.suppress(StorageError):
                store.delete(FAILURES, key)
            forgotten += 1
    return forgotten


def drop_old_marks(store: Store, passes_once: Callable[[str], bool]) -> None:
    """Remove the marks of sign-outs that no renewal can still be in flight for, so that they do not add up for ever.

    Args:
        passes_once: whether a scope is of one sign-in only, so that it never comes again.

    Raises:
        StorageError: the store cannot be written.
    """
    oldest = time.time() - _LONGEST_FLIGHT
    for key, mark in list(store.documents(EPOCHS)):
        at = mark.get("signed_out_at", mark.get("forgotten_at"))
        if passes_once(str(mark.get("scope"))) and isinstance(at, int | float) and at < oldest:
            store.delete(EPOCHS, key)
