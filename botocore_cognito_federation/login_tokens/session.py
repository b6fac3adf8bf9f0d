"""The login token of a stored sign-in, renewed with its refresh token.

A refresh token may be good for one use only. So it is spent by one process at a time, which has just proved that it
can write the store, and what comes back is kept before anything else happens to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ..cache.sessions import Session, Sessions, held_for_too_long
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    TokenRefreshError,
)
from ..login_token import LoginToken, unverified_claims
from ..messages import SIGN_IN_AGAIN, login_command
from .base import (
    CachedTokenProvider,
    Now,
    RefreshContext,
    RetryingCachedTokenProvider,
    SourceContext,
    SourceDeclaration,
)

if TYPE_CHECKING:
    from ..cache.base import Store
    from ..cache.sessions import Sessions
    from ..config.settings import Settings
    from ..oidc.client import OIDCClient
    from ..user_pool import UserPool, UserPoolTokens

logger = logging.getLogger(__name__)

#: Seconds before its expiry at which a login token is renewed, unless a third of its life is less.
_EARLY = 120.0
#: Seconds to wait for whoever renews the same session.
_LOCK_TIMEOUT = 45.0


@dataclass(frozen=True)
class RefreshedTokens:
    """What a renewal brought, verified.

    Attributes:
        login_token: the token Cognito takes.
        expires_at: when it expires, seconds since the epoch.
        refresh_token: what renews it from now on.
    """

    login_token: str
    expires_at: float | None
    refresh_token: str | None


#: Keeps a refresh token that has just come, before anything that came with it is looked at.
KeepRefreshToken = Callable[[str | None], None]


class RefreshTokenExpired(Exception):
    """The provider's definitive word that a refresh token will never be taken again; its text goes to the user."""


class Refresher(Protocol):
    """How the sessions of one kind of provider are renewed."""

    def __call__(self, session: Session, keep: KeepRefreshToken) -> RefreshedTokens:
        """Spend the session's refresh token.

        Raises:
            RefreshTokenExpired: it is good for nothing any more.
            SignInRequiredError: the provider wants to see the user.
            TemporaryError: the provider cannot be asked now.
            CognitoFederationError: anything else.
        """
        ...


class RefreshTokenProvider(CachedTokenProvider):
    """The token source of an interactive sign-in.

    Args:
        sessions: where the session is kept.
        store: gives the session's lock.
        renewal: makes what renews the session, on first need.
        login: the command that signs in, for remedies.
        clock: seconds since the epoch.
    """

    def __init__(
        self, sessions: Sessions, store: Store, *, refresher: Callable[[], Refresher], login: str, clock: Now
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._renewal = refresher
        self._login = login
        self._clock = clock

    @property
    def description(self) -> str:
        return "the session"

    def cached_token(self) -> LoginToken:
        """The last token whatever its age: enough to say whose credentials are asked for.

        Raises:
            SignInRequiredError: nobody is signed in.
        """
        session = self._session()
        return session.token() or self.fetch(RefreshContext())

    def fetch(self, context: RefreshContext) -> LoginToken:
        session = self._session()
        token = session.token()
        is_wanted = context.attempt == 1 and not context.force
        if token is not None and is_wanted and self._is_fresh(session, token):
            return token
        try:
            with self._store.lock(f"session-{self._sessions.key}", timeout=_LOCK_TIMEOUT) as taken:
                if not taken:
                    raise held_for_too_long(self._store, self._sessions.key, _LOCK_TIMEOUT)
                return self._next_token(context, None if is_wanted else token)
        except (TemporaryError, StorageError) as error:
            if token is not None and is_wanted and self._is_alive(token):
                self._session()  # whoever signed out meanwhile meant this token too
                logger.debug("The session could not be renewed (%s); its token is still valid", error.line)
                return token
            raise

    def _next_token(self, context: RefreshContext, unwanted: LoginToken | None) -> LoginToken:
        """With the lock held: what another process has renewed meanwhile, or a renewal of our own."""
        session = self._session()
        token = session.token()
        if token is not None and self._is_fresh(session, token) and (unwanted is None or token.value != unwanted.value):
            return token
        try:
            return self._renewed(session, context)
        except RefreshTokenExpired as ended:
            newer = self._sessions.read()
            if newer is not None and newer.refresh_token and newer.refresh_token != session.refresh_token:
                # Somebody who shares the store but not the lock, on another machine, was quicker.
                return self._renewed_once_more(newer, context)
            if newer is not None:
                # The token that ran out still says whose credentials live on; one that Cognito refused says nothing.
                told = None if context.attempt > 1 else newer.login_token
                self._sessions.write(replace(newer, refresh_token=None, login_token=told))
            raise self._sign_in(str(ended)) from None

    def _renewed_once_more(self, session: Session, context: RefreshContext) -> LoginToken:
        try:
            return self._renewed(session, context)
        except RefreshTokenExpired as ended:
            raise self._sign_in(str(ended)) from None

    def _renewed(self, session: Session, context: RefreshContext) -> LoginToken:
        if session.refresh_token is None:
            token = session.token()
            if token is not None and self._is_alive(token):
                return token
            raise self._sign_in(f"The session of {session.who} has ended, and there is no refresh token to renew it")
        # The proof that what comes back can be kept, and the space for it: a full or read-only home must not burn the
        # session, which may be another host's too.
        with self._sessions.reserved(session) as write:
            kept = self._spent(session, write)
            write(kept)
        if self._sessions.read() is None:
            # Signing out wins over a renewal in flight; whoever signed out waits for our lock and revokes what came.
            raise self._sign_in(f"{session.who} signed out meanwhile")
        logger.debug("Renewed the session of %s", session.who)
        token = kept.token()
        assert token is not None, "a renewal brings a token"
        return token

    def _spent(self, session: Session, write: Callable[[Session], None]) -> Session:
        """Spend the refresh token; the session that comes of it, whose own refresh token is on disk already."""

        def keep(refresh_token: str | None) -> None:
            write(replace(session, refresh_token=refresh_token or session.refresh_token))

        try:
            renewed = self._renewal()(session, keep)
        except SignInRequiredError as error:
            raise SignInRequiredError(error.what, remedy=self._remedy(error)) from None
        except TokenRefreshError as error:
            raise type(error)(error.what, remedy=error.remedy and self._remedy(error)) from None
        return replace(
            session,
            login_token=renewed.login_token,
            token_expires_at=renewed.expires_at,
            refresh_token=renewed.refresh_token or session.refresh_token,
        )

    def _session(self) -> Session:
        session = self._sessions.read()
        if session is None:
            raise self._sign_in("Not signed in")
        if session.login_token is None and session.refresh_token is None:
            raise self._sign_in(f"The identity provider has ended the session of {session.who}")
        return session

    def _sign_in(self, what: str) -> SignInRequiredError:
        return SignInRequiredError(what, remedy=self._remedy(None))

    def _remedy(self, error: CognitoFederationError | None) -> str:
        """The remedy of an error, with the command that signs in for this configuration."""
        if error is None or not error.remedy:
            return SIGN_IN_AGAIN.by(self._login)
        return error.sign_in_again.by(self._login) if error.sign_in_again is not None else error.remedy

    def _is_fresh(self, session: Session, token: LoginToken) -> bool:
        if token.expires_at is None:
            return True
        issued = token.claims.get("iat")
        life = token.expires_at - (float(issued) if isinstance(issued, int | float) else session.signed_in_at)
        return self._clock() < token.expires_at - min(_EARLY, max(life, 0) / 3)

    def _is_alive(self, token: LoginToken) -> bool:
        return token.expires_at is None or self._clock() < token.expires_at


def _open(settings: Settings, context: SourceContext) -> CachedTokenProvider:
    from ..cache.sessions import Sessions

    provider, store, environ = settings.provider, context.store, context.environ
    if provider is not None and provider.no_sign_in_reason:
        raise ConfigurationError(
            f"There is no interactive sign-in with {provider.name}", remedy=provider.no_sign_in_reason
        )

    def party() -> OIDCClient:
        from ..oidc.client import oidc_client

        return oidc_client(settings, store, environ)

    def pool() -> UserPool:
        from ..user_pool import user_pool_of

        return user_pool_of(settings, store, environ)

    def refresher() -> Refresher:

        return user_pool_refresher(pool) if settings.signs_in_by_password else oidc_refresher(party)

    provider_of_session = RefreshTokenProvider(
        Sessions(settings, store),
        store,
        refresher=refresher,
        login=login_command(settings),
        clock=context.clock.now,
    )
    return RetryingCachedTokenProvider(provider_of_session, context.clock)


def _remedy(settings: Settings) -> str:
    return f"Run: {login_command(settings)}"


#: People sign in. Its tokens were verified where they were obtained. Nothing is bound: a sign-out and a sign-in of
#: another user change the mark of sign-outs, to which every answer is bound.
SIGN_IN = SourceDeclaration("", _open, _remedy, knows_user=True, address_is_fixed=True)
#: Guests have no login, and so no token that could be good for nothing.
GUEST = SourceDeclaration("", lambda settings, context: None, _remedy, knows_user=True, address_is_fixed=True)


def oidc_refresher(party_of: Callable[[], OIDCClient]) -> Refresher:
    """The renewal of an OpenID Connect or OAuth 2.0 session by its refresh token (RFC 6749, section 6)."""

    def renew(session: Session, keep: KeepRefreshToken) -> RefreshedTokens:
        from ..oidc.tokens import GrantEndedError, refresh_tokens

        try:
            answer = refresh_tokens(
                party_of(),
                session.refresh_token or "",
                subject=session.subject,
                persist=lambda raw: keep(raw.refresh_token),
            )
        except GrantEndedError as ended:
            raise RefreshTokenExpired(ended.what) from None
        return RefreshedTokens(answer.login_token, answer.expires_at, answer.refresh_token)

    return renew


def user_pool_refresher(
    pool_of: Callable[[], UserPool],
    *,
    username: str | None = None,
    renewed: Callable[[UserPoolTokens], None] | None = None,
) -> Refresher:
    """The renewal of a sign-in by password at a user pool (GetTokensFromRefreshToken).

    Args:
        pool_of: makes the user pool.
        username: the user's name in the pool; default is the one the session keeps.
        renewed: told of the new tokens, whose access token is good for the account operations.
    """

    def renew(session: Session, keep: KeepRefreshToken) -> RefreshedTokens:
        from ..errors import SignInRequiredError, TokenRefreshError

        try:
            tokens = pool_of().refresh(pool_tokens(session, username), persist=keep)
        except SignInRequiredError as ended:
            # The pool says this of a refresh token that has expired, was revoked, or was rotated by somebody else.
            raise RefreshTokenExpired(ended.what) from None
        subject = (unverified_claims(tokens.id_token) or {}).get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError("The user pool answered the refresh with another user's tokens")
        if renewed is not None:
            renewed(tokens)
        return RefreshedTokens(tokens.id_token, tokens.expires_at, tokens.refresh_token)

    return renew


def pool_tokens(session: Session, username: str | None = None) -> UserPoolTokens:
    """What is kept of a sign-in, in the form in which the user pool takes it; without an access token."""
    from ..user_pool import Device, UserPoolTokens

    return UserPoolTokens(
        id_token=session.login_token or "",
        access_token="",
        refresh_token=session.refresh_token or "",
        expires_at=session.token_expires_at or 0.0,
        username=session.user.get("username", "") if username is None else username,
        device=Device(session.device_key, "") if session.device_key else None,
    )
