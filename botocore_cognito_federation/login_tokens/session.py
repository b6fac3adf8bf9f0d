"""The login token of a stored sign-in, renewed with its refresh token.

A refresh token may be valid for one use only. So only one process at a time uses it, after checking that it can write
the store, and the new refresh token is stored before anything else happens to it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ..cache.sessions import Session, Sessions, held_for_too_long
from ..errors import (
    SIGN_IN_AGAIN,
    ChangedMeanwhileError,
    CognitoFederationError,
    ConfigurationError,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    TokenRefreshError,
)
from ..login_token import LoginToken, unverified_claims
from ..messages import login_command
from .base import (
    CachedTokenProvider,
    Now,
    RefreshContext,
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

#: Seconds before its expiry at which a login token is renewed, unless a third of its lifetime is less.
_EARLY = 120.0
#: Seconds to wait for another process that is renewing the same session.
_LOCK_TIMEOUT = 45.0
#: How often a renewal begins anew because another process has changed the session.
_MOST_CHANGES = 3


@dataclass(frozen=True)
class RefreshedTokens:
    """The verified tokens of a renewal.

    Attributes:
        login_token: the token for Cognito.
        expires_at: when it expires, seconds since the epoch.
        refresh_token: the refresh token for the next renewal.
    """

    login_token: str
    expires_at: float | None
    refresh_token: str | None


#: Stores a new refresh token before the rest of the response is validated.
StoreRefreshToken = Callable[[str | None], None]


class RefreshTokenExpired(Exception):
    """The provider's definitive statement that a refresh token is no longer valid; its text is shown to the user."""


class Refresher(Protocol):
    """Renews the sessions of one kind of provider."""

    def __call__(self, session: Session, store_refresh_token: StoreRefreshToken) -> RefreshedTokens:
        """Use the session's refresh token.

        Args:
            session: the session.
            store_refresh_token: called with a new refresh token as soon as it has arrived.

        Raises:
            RefreshTokenExpired: it is no longer valid.
            SignInRequiredError: the provider requires the user to sign in.
            TemporaryError: the provider cannot be reached now.
            CognitoFederationError: any other failure.
        """
        ...


class RefreshTokenProvider(CachedTokenProvider):
    """The token source of an interactive sign-in.

    Args:
        sessions: the stored sessions.
        store: provides the session's lock.
        refresher: makes the function that renews the session, when it is first needed.
        login: the command that signs in, for remedies.
        clock: returns seconds since the epoch.
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
        """Return the last token of any age: it is enough to identify the user.

        Raises:
            SignInRequiredError: the user is not signed in.
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
            if token is not None and is_wanted and self._is_unexpired(token):
                self._session()  # whoever signed out meanwhile meant this token too
                logger.debug("The session could not be renewed (%s); its token is still valid", error.line)
                return token
            raise

    def _next_token(self, context: RefreshContext, unwanted: LoginToken | None) -> LoginToken:
        """With the lock held: what another process has renewed meanwhile, or a renewal of our own."""
        for _ in range(_MOST_CHANGES):
            with contextlib.suppress(ChangedMeanwhileError):  # Only where the lock was lost, or is not shared.
                return self._next_token_of(self._session(), context, unwanted)
        return self._next_token_of(self._session(), context, unwanted)

    def _next_token_of(self, session: Session, context: RefreshContext, unwanted: LoginToken | None) -> LoginToken:
        token = session.token()
        if token is not None and self._is_fresh(session, token) and (unwanted is None or token.value != unwanted.value):
            return token
        try:
            return self._renewed(session, context)
        except RefreshTokenExpired as ended:
            newer = self._sessions.read()
            if newer is not None and newer.refresh_token and newer.refresh_token != session.refresh_token:
                # A process on another machine, which shares the store but not the lock, was faster.
                return self._renewed_once_more(newer, context)
            if newer is not None:
                # The token that ran out still says whose credentials stay valid; one that Cognito refused says nothing.
                usable = None if context.attempt > 1 else newer.login_token
                with self._sessions.reserved(newer) as write:
                    write(replace(newer, refresh_token=None, login_token=usable))
            raise self._ended(ended) from None

    def _renewed_once_more(self, session: Session, context: RefreshContext) -> LoginToken:
        try:
            return self._renewed(session, context)
        except RefreshTokenExpired as ended:
            raise self._ended(ended) from None

    def _renewed(self, session: Session, context: RefreshContext) -> LoginToken:
        if session.refresh_token is None:
            token = session.token()
            if token is not None and self._is_unexpired(token):
                return token
            raise self._sign_in(
                f"The session of {session.user_name} has ended, and there is no refresh token to renew it"
            )
        # The write proves that the new refresh token can be stored, and reserves the space for it: a full or read-only
        # home directory must not use up the session, which another host may share.
        with self._sessions.reserved(session) as write:
            stored = self._spent(session, write)
            write(stored)
        current = self._sessions.read()
        if current is None or current.sign_in_id != session.sign_in_id:
            # A sign-out wins over a renewal in flight: it waits for this lock and revokes the new token.
            raise self._sign_in(f"{session.user_name} signed out meanwhile")
        logger.debug("Renewed the session of %s", session.user_name)
        token = stored.token()
        assert token is not None, "a renewal brings a token"
        return token

    def _spent(self, session: Session, write: Callable[[Session], None]) -> Session:
        """Use the refresh token; return the resulting session, whose refresh token is on disk already."""

        def store_refresh_token(refresh_token: str | None) -> None:
            write(replace(session, refresh_token=refresh_token or session.refresh_token))

        try:
            renewed = self._renewal()(session, store_refresh_token)
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
            raise self._sign_in(f"The identity provider has ended the session of {session.user_name}")
        return session

    def _ended(self, ended: RefreshTokenExpired) -> SignInRequiredError:
        """Return the error for a refresh token that the provider has ended."""
        return self._sign_in(str(ended))

    def _sign_in(self, what: str) -> SignInRequiredError:
        return SignInRequiredError(what, remedy=self._remedy(None))

    def _remedy(self, error: CognitoFederationError | None) -> str:
        """Return the remedy of an error, with the command that signs in for this configuration."""
        if error is None or not error.remedy:
            return SIGN_IN_AGAIN.by(self._login)
        return error.sign_in_again.by(self._login) if error.sign_in_again is not None else error.remedy

    def _is_fresh(self, session: Session, token: LoginToken) -> bool:
        if token.expires_at is None:
            return True
        issued = token.claims.get("iat")
        life = token.expires_at - (float(issued) if isinstance(issued, int | float) else session.signed_in_at)
        return self._clock() < token.expires_at - min(_EARLY, max(life, 0) / 3)

    def _is_unexpired(self, token: LoginToken) -> bool:
        return token.expires_at is None or self._clock() < token.expires_at


def _open(settings: Settings, context: SourceContext) -> RefreshTokenProvider:
    from ..cache.sessions import Sessions

    provider, store, environ = settings.provider, context.store, context.environ
    if provider is not None and provider.no_sign_in_reason:
        raise ConfigurationError(
            f"There is no interactive sign-in with {provider.name}", remedy=provider.no_sign_in_reason
        )

    def client() -> OIDCClient:
        from ..oidc.client import oidc_client

        return oidc_client(settings, store, environ)

    def pool() -> UserPool:
        from ..user_pool import user_pool_of

        return user_pool_of(settings, store, environ)

    def refresher() -> Refresher:

        return user_pool_refresher(pool) if settings.signs_in_to_user_pool else oidc_refresher(client)

    return RefreshTokenProvider(
        Sessions(settings, store),
        store,
        refresher=refresher,
        login=login_command(settings),
        clock=context.clock.now,
    )


def _remedy(settings: Settings) -> str:
    return f"Run: {login_command(settings)}"


#: Interactive sign-ins. Their tokens were verified when they were obtained. There are no bindings: a sign-out and a
#: sign-in of another user change the sign-out epoch, to which every cached response is bound.
SIGN_IN = SourceDeclaration("", _open, _remedy, knows_user=True, address_is_fixed=True, asks_server=True)
#: Guests have no login, and so no token that could be useless.
GUEST = SourceDeclaration("", lambda settings, context: None, _remedy, knows_user=True, address_is_fixed=True)


def oidc_refresher(make_client: Callable[[], OIDCClient]) -> Refresher:
    """Return a function that renews an OpenID Connect or OAuth 2.0 session (RFC 6749, section 6)."""

    def renew(session: Session, store_refresh_token: StoreRefreshToken) -> RefreshedTokens:
        from ..oidc.tokens import GrantEndedError, refresh_tokens

        try:
            answer = refresh_tokens(
                make_client(),
                session.refresh_token or "",
                subject=session.subject,
                persist=lambda raw: store_refresh_token(raw.refresh_token),
            )
        except GrantEndedError as ended:
            raise RefreshTokenExpired(ended.what) from None
        return RefreshedTokens(answer.login_token, answer.expires_at, answer.refresh_token)

    return renew


def user_pool_refresher(
    make_pool: Callable[[], UserPool],
    *,
    username: str | None = None,
    renewed: Callable[[UserPoolTokens], None] | None = None,
) -> Refresher:
    """Return a function that renews a password sign-in at a user pool (GetTokensFromRefreshToken).

    Args:
        make_pool: makes the user pool.
        username: the user's name in the pool; by default the one in the session.
        renewed: called with the new tokens, whose access token is valid for the account operations.
    """

    def renew(session: Session, store_refresh_token: StoreRefreshToken) -> RefreshedTokens:
        from ..errors import SignInRequiredError, TokenRefreshError

        try:
            tokens = make_pool().refresh(pool_tokens(session, username), persist=store_refresh_token)
        except SignInRequiredError as ended:
            # The pool says this of a refresh token that has expired, was revoked, or was rotated by another process.
            raise RefreshTokenExpired(ended.what) from None
        subject = (unverified_claims(tokens.id_token) or {}).get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError("The user pool answered the refresh with another user's tokens")
        if renewed is not None:
            renewed(tokens)
        return RefreshedTokens(tokens.id_token, tokens.expires_at, tokens.refresh_token)

    return renew


def pool_tokens(session: Session, username: str | None = None) -> UserPoolTokens:
    """Return the stored part of a sign-in as the user pool's tokens, without an access token."""
    from ..user_pool import Device, UserPoolTokens

    return UserPoolTokens(
        id_token=session.login_token or "",
        access_token="",
        refresh_token=session.refresh_token or "",
        expires_at=session.token_expires_at or 0.0,
        username=session.user.get("username", "") if username is None else username,
        device=Device(session.device_key, "") if session.device_key else None,
    )
