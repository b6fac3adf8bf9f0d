"""The login token of an application's sign-in, and the choice of the refresh handler that renews it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._util.concurrency import ForkSafeLock
from ..errors import (
    ClearsFrames,
    CognitoFederationError,
    ConfigurationError,
    NonRetryableError,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    TokenRefreshError,
)
from ..events import Event
from ..identity_providers import IdentityProvider
from ..login_token import LoginToken
from ..login_tokens.base import RefreshContext
from ..login_tokens.handler import HandlerTokenProvider
from ..login_tokens.session import Refresher, RefreshTokenProvider
from .arguments import resolved_provider

if TYPE_CHECKING:
    from ..cache.base import Store
    from ..cache.sessions import Record, Session, Sessions
    from ..identity_pool.aws import Clock
    from ..oidc.client import OIDCClient, TokenAnswer

#: Seconds after its expiry for which a token nobody can renew is still tried: clocks differ, and Cognito's counts.
_SKEW = 300.0

Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Refreshers:
    """The code that renews the tokens of a sign-in.

    Attributes:
        handler: returns the provider's present refresh handler, or None.
        user_pool: renews the sign-in to a user pool; None if there is none.
    """

    handler: Callable[[], Callable[..., Any] | None]
    user_pool: Refresher | None = None


class ApplicationTokenProvider(RefreshTokenProvider):
    """The token source of one sign-in.

    Args:
        record: the sign-in.
        sessions, store: where its token is kept.
        renewers: who renews it.
        clock: the clock.
        tell: emits an event of this sign-in.
    """

    def __init__(
        self,
        record: Record,
        sessions: Sessions,
        store: Store,
        *,
        renewers: Refreshers,
        clock: Clock,
        emit: Emit,
    ) -> None:
        super().__init__(sessions, store, refresher=self._pool_renewal, login="", clock=clock.now)
        self._record = record
        self._renewers = renewers
        self._timing = clock
        self._tell = emit
        self._called: HandlerTokenProvider | None = None
        self._called_function: Callable[..., Any] | None = None
        self.identity_id = record.identity_id
        provider = sessions.settings.provider
        self._is_developer = provider is not None and provider.kind == "developer"

    @property
    def description(self) -> str:
        return f"the sign-in with {self._record.provider}"

    def cached_token(self) -> LoginToken:
        return self._of_this_sign_in(super().cached_token())

    def fetch(self, context: RefreshContext) -> LoginToken:
        return self._of_this_sign_in(super().fetch(context))

    def _of_this_sign_in(self, token: LoginToken) -> LoginToken:
        """A developer's token is for one identity, which its claims name; other identities are Cognito's to say."""
        if not self._is_developer:
            return replace(token, identity_id=None)
        claimed = token.claims.get("sub")
        return replace(
            token, identity_id=claimed if isinstance(claimed, str) and claimed else self._record.fixed_identity_id
        )

    def _pool_renewal(self) -> Refresher:
        if self._renewers.user_pool is None:
            raise ConfigurationError(
                "The sign-in is one to a user pool, and this federation has none to renew it at",
                remedy="Pass user_pool=UserPool(…)",
            )
        return self._renewers.user_pool

    def _renewed(self, session: Session, context: RefreshContext) -> LoginToken:
        try:
            if self._record.by_user_pool:
                token = super()._renewed(session, context)
            else:
                handler = self._renewers.handler()
                if handler is None:
                    return self._without_handler(session, context)
                token = self._from_handler(handler, session, context)
        except CognitoFederationError as error:
            self._tell(Event("token-refresh-failure", error=error))
            raise
        self._tell(Event("token-refresh", expires_at=token.expires_at))
        return token

    def _without_handler(self, session: Session, context: RefreshContext) -> LoginToken:
        token = session.token()
        if token is not None:
            end = token.expires_at
            if context.attempt > 1 or end is None or self._clock() < end + _SKEW:
                return token
        raise self._sign_in(f"The login token of {self._record.provider} has expired, and there is no refresh handler")

    def _from_handler(self, handler: Callable[..., Any], session: Session, context: RefreshContext) -> LoginToken:
        old = session.token()
        asked = replace(
            context,
            provider=self._record.provider,
            identity_id=self.identity_id or self._record.fixed_identity_id,
            previous_expires_at=old.expires_at if old is not None else None,
        )
        token = self._source_of(handler).fetch(replace(asked, attempt=1))
        self._check(token, session)
        kept = replace(session, login_token=token.value, token_expires_at=token.expires_at)
        try:
            self._sessions.write(kept)
        except StorageError as error:
            # The handler can be called again: a place that cannot be written costs a call, not the credentials.
            self._store.warn(error.line)
        return replace(token, owner=session.sign_in_id)

    def _source_of(self, handler: Callable[..., Any]) -> HandlerTokenProvider:
        if self._called is None or self._called_function is not handler:
            self._called_function = handler
            self._called = HandlerTokenProvider(
                handler,
                name=f"The refresh handler of {self._record.provider}",
                clock=self._timing.now,
                sleep=self._timing.sleep,
                random=self._timing.random,
            )
        return self._called

    def _check(self, token: LoginToken, session: Session) -> None:
        who = f"The refresh handler of {self._record.provider}"
        if token.expires_at is not None and self._clock() >= token.expires_at + _SKEW:
            raise TokenRefreshError(f"{who} returned a token that has expired", remedy="Let it return a new token")
        if self._is_developer:
            claimed = token.claims.get("sub")
            if isinstance(claimed, str) and token.identity_id not in (None, claimed, self.identity_id):
                raise TokenRefreshError(f"{who} returned an identity_id that is not its token's")
            return
        subject = token.claims.get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError(
                f"{who} returned another user's token", remedy="Sign that user in with federated_sign_in instead"
            )
        fixed = self._record.fixed_identity_id
        if fixed is not None and token.identity_id not in (None, fixed):
            raise TokenRefreshError(f"{who} returned another identity_id than the one signed in with")

    def _remedy(self, error: CognitoFederationError | None) -> str:
        again = "sign_in" if self._record.by_user_pool else "federated_sign_in"
        if error is None or not error.remedy:
            return f"Call {again} again"
        data = error.sign_in_again
        return f"Call {again} again{data.then}" if data is not None else error.remedy

    def _sign_in(self, what: str) -> SignInRequiredError:
        return SignInRequiredError(what, remedy=self._remedy(None))


StoreRotated = Callable[[str], object]


class GrantHandler(ClearsFrames):
    """Returns new login tokens of one user at one provider, as long as the provider renews them.

    Args:
        provider: an alias, a domain, an issuer URL, or an `IdentityProvider`.
        client_id: the client ID of the application.
        refresh_token: the refresh token (for Facebook the access token), or a function that returns the newest one.
        client_secret: the client secret of the application.
        on_rotation: called with each new refresh token before anything that came with it is used.

    Raises:
        ConfigurationError: the provider is malformed.
    """

    def __init__(
        self,
        provider: str | IdentityProvider,
        client_id: str,
        refresh_token: str | Callable[[], str],
        client_secret: str | None = None,
        *,
        on_rotation: StoreRotated | None = None,
    ) -> None:
        self._provider = provider if isinstance(provider, IdentityProvider) else resolved_provider(provider)
        self._client_id = client_id
        self._client_secret = client_secret
        self._first = refresh_token
        self._rotated: str | None = None
        self._on_rotation = on_rotation
        self._turns = ForkSafeLock()
        self._made: OIDCClient | None = None

    def __repr__(self) -> str:
        return f"GrantHandler({self._provider.name!r}, {self._client_id!r})"

    def __call__(self) -> Mapping[str, Any]:
        """Return a new login token.

        Raises:
            NonRetryableError: the provider has ended the grant; the user has to sign in again.
            TemporaryError: the provider cannot be reached now.
            CognitoFederationError: any other failure.
        """
        from ..oidc.tokens import refresh_tokens

        with self._turns:
            try:
                answer = refresh_tokens(self._oidc_client(), self._newest(), persist=self._keep)
            except TemporaryError:
                raise
            except SignInRequiredError as ended:
                raise NonRetryableError(ended.what, remedy="Ask the user to sign in with the provider again") from None
        return {"token": answer.login_token, "expires_at": answer.expires_at}

    def revoke(self) -> None:
        """Revoke the refresh token, if the provider supports it (RFC 7009).

        Raises:
            TemporaryError: it was not revoked; the error says why.
        """
        from ..oidc.tokens import revoke

        revocation = revoke(self._oidc_client(), self._newest())
        if not revocation.revoked:
            raise TemporaryError(f"The refresh token was not revoked: {revocation.reason}")

    def _newest(self) -> str:
        if callable(self._first):
            return self._first()
        return self._rotated or self._first

    def _keep(self, answer: TokenAnswer) -> None:
        if answer.refresh_token is None or answer.refresh_token == self._newest():
            return
        self._rotated = answer.refresh_token
        if self._on_rotation is not None:
            self._on_rotation(answer.refresh_token)

    def _oidc_client(self) -> OIDCClient:
        if self._made is None:
            from ..oidc.client import Client, OIDCClient

            self._made = OIDCClient(self._provider, Client(self._client_id, self._client_secret))
        return self._made
