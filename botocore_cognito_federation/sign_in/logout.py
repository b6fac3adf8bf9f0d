"""Signs a user out: forgets the session and its credentials, then revokes, and says what cannot be taken back."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import identity_providers
from .._fast_path import cache_directory
from .._util.concurrency import BackendTimeoutError, TimeLimit
from ..cache.base import CREDENTIALS, SESSIONS, Store
from ..cache.file import FileStore
from ..cache.sessions import Session, Sessions, begin_epoch, end_sign_in
from ..config.profiles import names_in_configuration
from ..config.settings import Settings
from ..errors import CognitoFederationError, StorageError
from ..oidc.client import oidc_client
from ..oidc.tokens import Revocation, revoke

logger = logging.getLogger(__name__)

#: Seconds for revoking a refresh token that is given up; a person waits for the command to end.
_REVOCATION_TIME = 5.0
#: Seconds to wait for a renewal in flight, whose refresh token is the one to revoke.
_SIGN_OUT_LOCK_TIMEOUT = 32.0


@dataclass(frozen=True)
class SignedOut:
    """What a sign-out did.

    Attributes:
        user_name: the user who was signed in; None if no user was.
        revocation: what the provider said; None where it was not asked.
        credentials_until: until when AWS credentials already handed out stay valid, seconds since the epoch.
    """

    user_name: str | None
    revocation: Revocation | None
    credentials_until: float | None


def _forget_answers(environ: Mapping[str, str]) -> None:
    FileStore(cache_directory(environ)).forget_answers()


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
        _forget_answers(environ)
        raise
    end_sign_in(store, settings.scope)
    _forget_answers(environ)
    # A renewal in flight that finds itself signed out removes the session itself; then the token from before is
    # revoked, and with it the whole grant (RFC 7009, section 2.1).
    session = take_away(sessions, store) or before
    revocation = None
    if revoking and session is not None and session.refresh_token is not None:
        revocation = revoke_session(settings, store, environ, session.refresh_token)
    return SignedOut(session.user_name if session else None, revocation, until)


def forget_scope(
    scope: str, *, store: Store, environ: Mapping[str, str], revoking: bool = True, like: Settings | None = None
) -> list[SignedOut]:
    """Forget every sign-in of a scope, with whatever provider and client it was made, and revoke what can be revoked.

    Args:
        scope: see `Settings.scope`.
        store: where they are.
        environ: the process environment.
        revoking: whether the refresh tokens are revoked.
        like: a configuration for the same network, where there is one.

    Raises:
        StorageError: the store cannot be written.
    """
    found = [(key, document) for key, document in store.documents(SESSIONS) if document.get("scope") == scope]
    until = _credentials_until(store, scope)
    if not found and until is None:
        return []
    end_sign_in(store, scope)
    _forget_answers(environ)
    ended = []
    for key, document in found:
        session = Session.from_document(document)
        store.delete(SESSIONS, key)
        revocation = None
        if revoking and session is not None and session.refresh_token is not None:
            revocation = _revoke_left_over(document, session.refresh_token, store, environ, like)
        ended.append(SignedOut(session.user_name if session else None, revocation, until))
    return ended or [SignedOut(None, None, until)]


def scopes_left_over(settings: Settings, store: Store, environ: Mapping[str, str]) -> list[str]:
    """The scopes besides its own under which an earlier configuration of a profile may have left a sign-in.

    The profile had its keys itself and names a session now, or it names another one and nothing has the first.
    """
    if settings.profile is None:
        return []
    own, sessions = f"profile {settings.profile}", names_in_configuration(environ)[1]
    found = {own} if settings.scope != own else set()
    for _, document in store.documents(SESSIONS):
        kind, _, name = str(document.get("scope")).partition(" ")
        if document.get("profile") == settings.profile and kind == "session" and name not in sessions:
            found.add(f"session {name}")
    return sorted(found - {settings.scope})


def _revoke_left_over(
    document: Mapping[str, Any], refresh_token: str, store: Store, environ: Mapping[str, str], like: Settings | None
) -> Revocation:
    """Revoke the refresh token of a sign-in at the provider, and with the client, that it was made with."""
    made_with = document.get("made_with")
    if not isinstance(made_with, Mapping) or not made_with.get("provider"):
        return Revocation(False, "nothing says any more at which provider it was made")
    texts = {name: value for name, value in made_with.items() if isinstance(value, str)}
    pool = texts.get("user_pool_id")
    try:
        provider = identity_providers.resolve(
            texts["provider"], issuer=texts.get("issuer"), login_key=texts.get("login_key"), user_pool_id=pool
        )
    except CognitoFederationError as refused:
        return Revocation(False, refused.what)
    kind, _, name = str(document.get("scope")).partition(" ")
    settings = Settings(
        like.identity_pool_id if like else "",
        provider=provider,
        client_id=texts.get("client_id"),
        user_pool_id=pool,
        session=name if kind == "session" else None,
        profile=name if kind == "profile" else None,
        ca_bundle=like.ca_bundle if like else None,
        client_secret_env=like.client_secret_env if like else None,
        client_secret_command=like.client_secret_command if like else None,
    )
    return revoke_session(settings, store, environ, refresh_token)


def take_away(sessions: Sessions, store: Store) -> Session | None:
    """The session, forgotten; with the refresh token that a renewal in flight may just have got."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(StorageError):  # without a place for locks it is forgotten all the same
            stack.enter_context(sessions.lock(_SIGN_OUT_LOCK_TIMEOUT))
        session = sessions.read_of_any_epoch()
        sessions.delete()
    return session


def revoke_session(settings: Settings, store: Store, environ: Mapping[str, str], refresh_token: str) -> Revocation:
    """Revoke a refresh token where it came from; what hinders that is in the answer."""
    try:
        if settings.signs_in_to_user_pool:
            from ..user_pool import UserPoolTokens, user_pool_of

            tokens = UserPoolTokens("", "", refresh_token, 0.0, settings.username or "")
            user_pool_of(settings, store, environ).revoke(tokens)
            return Revocation(True)
        oidc = oidc_client(settings, store, environ)
    except CognitoFederationError as failure:
        return Revocation(False, failure.what)
    return revoke(oidc, refresh_token)


def revokes_one_sign_in(settings: Settings) -> bool:
    """Whether revoking an earlier refresh token of a user leaves the one of the new sign-in as it is.

    A Cognito user pool revokes the tokens of one sign-in (API reference, RevokeToken). Others end everything that the
    user has given this client: Google takes the consent away, Auth0 deletes the grant, Keycloak detaches the client
    from the browser's session. There the new sign-in would end with the old one.
    """
    return settings.user_pool_id is not None


def revoke_in_time(settings: Settings, store: Store, environ: Mapping[str, str], session: Session) -> None:
    """Revoke the refresh token of a session that nothing will know of any more, as well as it goes in a moment."""
    token = session.refresh_token
    if token is None:
        return
    try:
        outcome = TimeLimit(_REVOCATION_TIME)(lambda: revoke_session(settings, store, environ, token))
    except BackendTimeoutError:
        logger.debug("The provider has not answered a revocation within %g s", _REVOCATION_TIME)
        return
    logger.debug("Revoked the refresh token of a session that is not stored: %s", outcome)


def _credentials_until(store: Store, scope: str) -> float | None:
    ends = [
        float(document["expires_at"])
        for _, document in store.documents(CREDENTIALS)
        if document.get("scope") == scope and isinstance(document.get("expires_at"), int | float)
    ]
    return max((end for end in ends if end > time.time()), default=None)
