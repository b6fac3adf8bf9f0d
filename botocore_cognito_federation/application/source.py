"""The token source of an application's sign-in: the token it was given, renewed by its refresh handler.

Keeping, locks and the rules of freshness are those of every sign-in that lives on (`tokens.session`); what differs is
who renews: the application's handler, or the user pool the federation signed in to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import CognitoFederationError, ConfigurationError, SignInRequiredError, StorageError, TokenRefreshError
from ..events import Event
from ..login_token import LoginToken
from ..login_tokens.base import RefreshContext
from ..login_tokens.handler import HandlerTokenSource
from ..login_tokens.session import Renewal, SessionTokenSource
from .records import Record

if TYPE_CHECKING:
    from ..cache.base import Store
    from ..cache.sessions import Session, Sessions
    from ..identity_pool.aws import Patience

#: Seconds after its expiry for which a token nobody can renew is still tried: clocks differ, and Cognito's counts.
_SKEW = 300.0

Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Renewers:
    """Who renews the tokens of a sign-in.

    Attributes:
        handler: gives the provider's refresh handler of now, or None.
        user_pool: renews the sign-in to a user pool; None where there is none.
    """

    handler: Callable[[], Callable[..., Any] | None]
    user_pool: Renewal | None = None


class ApplicationTokenSource(SessionTokenSource):
    """The token source of one sign-in.

    Args:
        record: the sign-in.
        sessions, store: where its token is kept.
        renewers: who renews it.
        patience: clock, sleep and dice.
        tell: emits an event of this sign-in.
    """

    def __init__(
        self,
        record: Record,
        sessions: Sessions,
        store: Store,
        *,
        renewers: Renewers,
        patience: Patience,
        tell: Tell,
    ) -> None:
        super().__init__(sessions, store, renewal=self._pool_renewal, login="", clock=patience.now)
        self._record = record
        self._renewers = renewers
        self._patience = patience
        self._tell = tell
        self._called: HandlerTokenSource | None = None
        self._called_function: Callable[..., Any] | None = None
        self.identity_id = record.identity_id

    @property
    def description(self) -> str:
        return f"the sign-in with {self._record.provider}"

    def last_known(self) -> LoginToken:
        return self._of_this_sign_in(super().last_known())

    def fetch(self, context: RefreshContext) -> LoginToken:
        return self._of_this_sign_in(super().fetch(context))

    def _of_this_sign_in(self, token: LoginToken) -> LoginToken:
        """A developer's token is for one identity, which its claims name; other identities are Cognito's to say."""
        if not self._record.is_developer:
            return replace(token, identity_id=None)
        claimed = token.claims.get("sub")
        return replace(
            token, identity_id=claimed if isinstance(claimed, str) and claimed else self._record.fixed_identity_id
        )

    def _pool_renewal(self) -> Renewal:
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
            # The handler can be asked again: a place that cannot be written costs a call, not the credentials.
            self._store.note(error.line)
        return replace(token, owner=session.sign_in_id)

    def _source_of(self, handler: Callable[..., Any]) -> HandlerTokenSource:
        if self._called is None or self._called_function is not handler:
            self._called_function = handler
            self._called = HandlerTokenSource(
                handler,
                name=f"The refresh handler of {self._record.provider}",
                clock=self._patience.now,
                sleep=self._patience.sleep,
                dice=self._patience.dice,
            )
        return self._called

    def _check(self, token: LoginToken, session: Session) -> None:
        who = f"The refresh handler of {self._record.provider}"
        if token.expires_at is not None and self._clock() >= token.expires_at + _SKEW:
            raise TokenRefreshError(f"{who} returned a token that has expired", remedy="Let it return a new token")
        if self._record.is_developer:
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

    def _remedy(self, general: str) -> str:
        again = "sign_in" if self._record.by_user_pool else "federated_sign_in"
        return general.replace("cognito-federation login", again) or f"Call {again} again"

    def _sign_in(self, what: str) -> SignInRequiredError:
        return SignInRequiredError(what, remedy=self._remedy(""))
