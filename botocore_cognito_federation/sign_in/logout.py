"""Signing out: forget first, then tell the provider, and say what cannot be taken back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..cache import default_directory
from ..cache.answers import forget_answers
from ..cache.base import CREDENTIALS, SESSIONS, Store
from ..cache.sessions import Session, Sessions, begin_epoch, end_sign_in
from ..config.settings import Settings
from ..errors import CognitoFederationError, StorageError
from ..oidc.client import oidc_client
from ..oidc.tokens import Revocation, revoke

#: Seconds to wait for a renewal in flight, whose refresh token is the one to revoke.
_LOCK_TIMEOUT = 32.0


@dataclass(frozen=True)
class SignedOut:
    """What a sign-out did.

    Attributes:
        who: who was signed in; None where nobody was.
        revocation: what the provider said; None where it was not asked.
        credentials_until: until when AWS credentials already handed out go on living, seconds since the epoch.
    """

    who: str | None
    revocation: Revocation | None
    credentials_until: float | None


def sign_out(settings: Settings, *, store: Store, environ: Mapping[str, str], revoking: bool = True) -> SignedOut:
    """Forget a sign-in and its AWS credentials, and revoke the refresh token.

    A renewal in flight loses: what it brings belongs to the epoch that ends here. A revocation that fails changes
    nothing about the forgetting.

    Raises:
        StorageError: the store cannot be written, or a keyring cannot be asked: then nothing was revoked, and the next
            sign-out does it.
    """
    sessions = Sessions(settings, store)
    try:
        until = _credentials_until(store, settings.scope)
        before = sessions.read_of_any_epoch()
    except StorageError:
        # A locked keyring gives nothing to revoke; what is in it counts for nothing from now on all the same.
        begin_epoch(store, settings.scope)
        forget_answers(default_directory(environ))
        raise
    end_sign_in(store, settings.scope)
    forget_answers(default_directory(environ))
    # A renewal in flight that finds itself signed out removes the session itself; then the token from before is
    # revoked, and with it the whole grant (RFC 7009, section 2.1).
    session = take_away(sessions, store) or before
    revocation = None
    if revoking and session is not None and session.refresh_token is not None:
        revocation = revoke_session(settings, store, environ, session.refresh_token)
    return SignedOut(session.who if session else None, revocation, until)


def forget_scope(scope: str, *, store: Store, environ: Mapping[str, str]) -> SignedOut:
    """Forget the sign-ins of a scope whose configuration is gone; nobody can be asked to revoke anything.

    Raises:
        StorageError: the store cannot be written.
    """
    until = _credentials_until(store, scope)
    end_sign_in(store, scope)
    forget_answers(default_directory(environ))
    who = None
    for key, document in list(store.documents(SESSIONS)):
        if document.get("scope") == scope:
            session = Session.from_document(document)
            who = session.who if session else who
            store.delete(SESSIONS, key)
    return SignedOut(who, Revocation(False, f"{scope} is no longer in the configuration") if who else None, until)


def take_away(sessions: Sessions, store: Store) -> Session | None:
    """The session, forgotten; with the refresh token that a renewal in flight may just have got."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(StorageError):  # without a place for locks it is forgotten all the same
            stack.enter_context(store.lock(f"session-{sessions.key}", timeout=_LOCK_TIMEOUT))
        session = sessions.read_of_any_epoch()
        sessions.delete()
    return session


def revoke_session(settings: Settings, store: Store, environ: Mapping[str, str], refresh_token: str) -> Revocation:
    """Revoke a refresh token where it came from; what hinders that is in the answer."""
    try:
        if settings.signs_in_by_password:
            from ..user_pool import UserPoolTokens, user_pool_of

            tokens = UserPoolTokens("", "", refresh_token, 0.0, settings.username or "")
            user_pool_of(settings, store, environ).revoke(tokens)
            return Revocation(True)
        party = oidc_client(settings, store, environ)
    except CognitoFederationError as failure:
        return Revocation(False, failure.what)
    return revoke(party, refresh_token)


def _credentials_until(store: Store, scope: str) -> float | None:
    ends = [
        float(document["expires_at"])
        for _, document in store.documents(CREDENTIALS)
        if document.get("scope") == scope and isinstance(document.get("expires_at"), int | float)
    ]
    return max((end for end in ends if end > time.time()), default=None)
