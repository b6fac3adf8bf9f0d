"""Who is signed in: an application's user, whose login token a refresh handler renews, or the user of a profile."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..cache.base import SESSIONS, cache_key, current_epoch
from ..cache.sessions import Session, Sessions, end_sign_in
from ..credentials import FetchResult
from ..errors import (
    ChangedMeanwhileError,
    CognitoFederationError,
    ConfigurationError,
    NotSignedInError,
    SignInRequiredError,
    StorageError,
    TokenRefreshError,
)
from ..events import Event, Events
from ..factory import identity_pool_for
from ..fetcher import CredentialFetcher
from ..identity_providers import IdentityProvider
from ..login_token import Login, LoginToken
from ..login_tokens.base import RefreshContext
from ..login_tokens.handler import HandlerTokenProvider
from ..login_tokens.session import Refresher, RefreshTokenExpired, RefreshTokenProvider
from .arguments import user_mapping

if TYPE_CHECKING:
    from .._util.concurrency import Clock
    from ..cache.base import Store
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials
    from .sign_in import CurrentSignIn

_SCOPE = re.compile(r"session application [0-9a-f]{32}")


@dataclass(frozen=True)
class Record:
    """One sign-in of an application.

    Attributes:
        sign_in_id: random, new at each sign-in.
        provider: the provider as the application named it, ``user-pool`` and the key of a pool included.
        user: what the application said about the user, or the claims that name one.
        identity_id: the identity so far; None before the first exchange, and without an identity pool.
        fixed_identity_id: the identity the application gave; None where Cognito is asked (GetId).
        subject: without an identity pool, the user as STS names them.
        by_user_pool: whether the federation signed in to its user pool itself.
        username: the user's name in that pool.
    """

    sign_in_id: str
    provider: str
    user: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity_id: str | None = None
    fixed_identity_id: str | None = None
    subject: str | None = None
    by_user_pool: bool = False
    username: str = ""

    @property
    def scope_name(self) -> str:
        """The name under which this sign-in is stored, and forgotten by its sign-out."""
        return f"application {self.sign_in_id}"


@lru_cache(maxsize=64)
def _record_key(pool: str, endpoint_url: str | None, handle: str) -> str:
    parts = {"what": "application", "pool": pool, "endpoint": endpoint_url}
    return cache_key({**parts, "handle": handle} if handle else parts)


def is_of_one_sign_in(scope: str) -> bool:
    """Whether a scope is that of an application's sign-in, which never comes again."""
    return _SCOPE.fullmatch(scope) is not None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


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
        return _record_key(self.settings.place, self.settings.endpoint_url, self.handle)

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
            subject=_text(document.get("subject")),
            by_user_pool=document.get("by_user_pool") is True,
            username=_text(document.get("username")) or "",
        )

    def write(self, record: Record) -> None:
        """Make a sign-in the current one.

        Raises:
            StorageError: it could not be stored.
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
                "subject": record.subject,
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
        sessions, store: where its token is stored.
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
        self._emit = emit
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

    def just_stored(self, session: Session, token: LoginToken) -> LoginToken | None:
        """The token of a session that was stored a moment ago, as `fetch` returns it; None if it is to be renewed."""
        if not self._is_fresh(session, token):
            return None
        return self._of_this_sign_in(replace(token, owner=session.sign_in_id))

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
        except ChangedMeanwhileError:
            raise
        except CognitoFederationError as error:
            self._emit(Event("token-refresh-failure", error=error))
            raise
        self._emit(Event("token-refresh", expires_at=token.expires_at))
        return token

    def _ended(self, ended: RefreshTokenExpired) -> SignInRequiredError:
        error = super()._ended(ended)
        self._emit(Event("token-refresh-failure", error=error))
        return error

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
        renewed = replace(session, login_token=token.value, token_expires_at=token.expires_at)
        try:
            self._sessions.write(renewed)
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
        handler = f"The refresh handler of {self._record.provider}"
        if token.expires_at is not None and self._clock() >= token.expires_at + _SKEW:
            raise TokenRefreshError(f"{handler} returned a token that has expired", remedy="Let it return a new token")
        if self._is_developer:
            claimed = token.claims.get("sub")
            if isinstance(claimed, str) and token.identity_id not in (None, claimed, self.identity_id):
                raise TokenRefreshError(f"{handler} returned an identity_id that is not its token's")
            return
        subject = token.claims.get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError(
                f"{handler} returned another user's token", remedy="Sign that user in with federated_sign_in instead"
            )
        fixed = self._record.fixed_identity_id
        if fixed is not None and token.identity_id not in (None, fixed):
            raise TokenRefreshError(f"{handler} returned another identity_id than the one signed in with")

    def _remedy(self, error: CognitoFederationError | None) -> str:
        again = "sign_in" if self._record.by_user_pool else "federated_sign_in"
        if error is None or not error.remedy:
            return f"Call {again} again"
        data = error.sign_in_again
        return f"Call {again} again{data.then}" if data is not None else error.remedy

    def _sign_in(self, what: str) -> SignInRequiredError:
        return SignInRequiredError(what, remedy=self._remedy(None))


class ProfileSignIn:
    """The user who is signed in under a profile at present."""

    def __init__(self, settings: Settings, store: Store, fetcher: CredentialFetcher, events: Events) -> None:
        self._settings = settings
        self._store = store
        self._fetcher = fetcher
        self._events = events
        self._sessions = Sessions(settings, store)
        self._sign_out_epoch = current_epoch(store, settings.scope)
        self.pool = identity_pool_for(settings)

    @property
    def is_guest(self) -> bool:
        return self._settings.is_guest

    def verify(self, *, new_token: bool = False) -> FederatedCredentials:
        """Exchange the present login, whatever is cached; with `new_token` its token is renewed first."""
        return self._fetcher.fetch_fresh(new_token=new_token)

    def is_of(self, other: CurrentSignIn) -> bool:
        """Return True: the command line decides about the user of a profile, who is told apart by the fetcher."""
        return True

    def fetch(self, min_remaining: float = 0.0) -> FetchResult:
        """Return credentials, renewed if needed or if they are not valid for so many seconds."""
        return self._fetcher.fetch(min_remaining=min_remaining)

    def login(self) -> Login:
        """Return the present login."""
        login = self._fetcher.login()
        if login is None:
            raise NotSignedInError("Guests have no login")
        return login

    def login_of(self, provider: IdentityProvider, token: LoginToken) -> Login:
        """Return the login that another provider's token stands for at the same pool."""
        return Login.of(token, replace(self._settings, provider=provider))

    def info(self) -> Mapping[str, Any]:
        """Return the cached login token, or the one that its source returns now."""
        session = self._sessions.read()
        token = session.token() if session is not None else None
        if token is None and not self.is_guest:
            token = self.login().token
        named: Mapping[str, Any] = session.user if session is not None else user_mapping(None, token)
        provider = self._settings.provider
        return {
            "provider": provider.name if provider is not None else token.issuer if token is not None else None,
            "token": token.value if token is not None else None,
            "expires_at": token.expires_at if token is not None else None,
            "identity_id": self._fetcher.credentials().identity_id,
            "user": dict(named),
        }

    def user_id(self) -> str | None:
        """Return the identity ID, or without an identity pool what STS calls the user."""
        return self._fetcher.credentials().user_id

    def is_current(self) -> bool:
        """Return whether no sign-out happened since."""
        return current_epoch(self._store, self._settings.scope) == self._sign_out_epoch

    def clear_current(self) -> None:
        """Do nothing: a profile has no record in addition to its session."""

    def forget(self) -> Session | None:
        """Delete session and credentials."""
        from ..sign_in.logout import take_away

        end_sign_in(self._store, self._settings.scope)
        return take_away(self._sessions, self._store)

    def revoke(self, session: Session | None) -> Exception | None:
        """Revoke the session's refresh token at its provider, if there is one."""
        if session is None or session.refresh_token is None:
            return None
        from ..sign_in.logout import revoke_session

        revocation = revoke_session(self._settings, self._store, os.environ, session.refresh_token)
        return None if revocation.revoked else CognitoFederationError(revocation.reason)

    def emit(self, event: Event) -> None:
        """Emit an event, as one of this profile."""
        provider = self._settings.provider
        self._events.emit(replace(event, provider=provider.name if provider is not None else None))
