"""The sessions of signed-in users in a store: how one is read, written, replaced by the next, and ended."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import ChangedMeanwhileError, SignInFailedError, StorageError
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
        login_token: the token Cognito takes; None between a rotation that was stored and the answer's verification.
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
    def user_name(self) -> str:
        """The user for a sentence: address or name, else the subject."""
        return display_name([*map(self.user.get, ("email", "name", "username")), self.subject]) or "an unnamed user"

    @property
    def label(self) -> str:
        """Whom to greet: the name, and the address where there is one."""
        name, address = display_name([self.user.get("name")]) or self.user_name, display_name([self.user.get("email")])
        return f"{name} ({address})" if address and address != name else name

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Session | None:
        """The session in a stored document, or None where the document is damaged (damage is a miss)."""
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
        store: where sessions are stored.
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
        """Store a session.

        Raises:
            StorageError: it could not be stored.
        """
        self.store.write(SESSIONS, self.key, self._document(session))
        self._leave_nothing_after_a_sign_out(session)

    @contextmanager
    def reserved(self, session: Session) -> Iterator[Callable[[Session], None]]:
        """Prove that a successor of a session can be stored, and hold the space for it; the context gives its writer.

        Raises:
            StorageError: it could not be stored.
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


#: Seconds to wait for a renewal of the session that is about to be replaced.
_LOCK_TIMEOUT = 45.0


class SessionWriter:
    """Stores the session of one sign-in, if its user may replace the one before.

    Args:
        settings: whose sign-in it is.
        store: where the session is stored.
        force: another user may replace the one signed in so far.
        now: returns seconds since the epoch.

    Attributes:
        session: the session once it is stored.
        replaced: the session that it replaced: another user's, or an earlier one of the same user.
        not_stored: the session that could not be stored, or may not be; its refresh token is to be revoked.
    """

    def __init__(self, settings: Settings, store: Store, *, force: bool, now: Callable[[], float]) -> None:
        self._settings = settings
        self._store = store
        self._force = force
        self._now = now
        self._sessions = Sessions(settings, store)
        self._sign_out_epoch = self._sessions.sign_out_epoch()
        self.session: Session | None = None
        self.replaced: Session | None = None
        self.not_stored: Session | None = None

    @property
    def sign_out_epoch(self) -> str:
        """The sign-out epoch in which the sign-in began."""
        return self._sign_out_epoch

    def write(self, session: Session, label: str) -> None:
        """Store a session, before the user is told that the sign-in worked.

        Args:
            session: the session of the new sign-in.
            label: names the user in a refusal.

        Raises:
            SignInFailedError: another user is signed in, or the user signed out meanwhile.
            StorageError: the session cannot be stored.
        """
        self.not_stored = session
        self._replace_previous(session, label)
        self.not_stored = None
        self._forget_failures()

    def _replace_previous(self, session: Session, label: str) -> None:
        # A renewal of the old session must not write over the new one.
        with self._sessions.lock(_LOCK_TIMEOUT) as taken:
            if not taken:
                raise held_for_too_long(self._store, self._sessions.key, _LOCK_TIMEOUT)
            if self._sessions.sign_out_epoch() != self._sign_out_epoch:
                raise SignInFailedError("The user signed out during this sign-in", remedy="Sign in again")
            before = self._sessions.read()
            if before is not None and before.subject is not None and before.subject == session.subject:
                if session.refresh_token is None:
                    # Some providers give a refresh token at the first consent only, and that one still works.
                    session = replace(session, refresh_token=before.refresh_token)
                elif before.refresh_token != session.refresh_token:
                    self.replaced = before
            else:
                self._end_previous(before, session, label)
                session = replace(session, sign_out_epoch=self._sessions.sign_out_epoch())
            self._sessions.write(session)
        self.session = session

    def _forget_failures(self) -> None:
        """Failures from before the sign-in do not count any more, nor the pauses after them."""
        with contextlib.suppress(StorageError):
            for key, _ in list(self._store.documents(FAILURES)):
                self._store.delete(FAILURES, key)

    def _end_previous(self, before: Session | None, session: Session, label: str) -> None:
        """End what is stored for a user who is not known to be the one who has just signed in."""
        if before is not None and (before.subject, session.subject) != (None, None):
            self._refuse_or_replace(before, label)
        elif before is not None or any(
            document.get("scope") == self._settings.scope for _, document in self._store.documents(CREDENTIALS)
        ):
            # The user of the cached credentials is unknown: the provider names none, or the previous session was lost.
            end_sign_in(self._store, self._settings.scope)

    def _refuse_or_replace(self, before: Session, label: str) -> None:
        has_ended = before.refresh_token is None and not _is_usable(before, self._now())
        if not has_ended and not self._force:
            raise SignInFailedError(
                f"{label} signed in, but {before.user_name} is signed in here ({self._settings.scope})",
                remedy="To replace that sign-in, add --force; to use both, give each user a separate [cognito-session]",
            )
        # A new epoch: no cached response of the previous user is printed any more.
        end_sign_in(self._store, self._settings.scope)
        self.replaced = before


def _is_usable(session: Session, now: float) -> bool:
    token = session.token()
    return token is not None and (token.expires_at is None or now < token.expires_at)


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
