"""One sign-in of an application: its record, its token, and the fetcher of its credentials."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from ..cache.credentials import CredentialCache
from ..cache.sessions import Session, Sessions, drop_old_marks, end_sign_in
from ..config.settings import Settings
from ..credentials import FederatedCredentials, FetchResult
from ..errors import CognitoFederationError, ConfigurationError, NotSignedInError, StorageError, TemporaryError
from ..events import Event, Events
from ..fetcher import CredentialFetcher
from ..identity_pool.client import Clients, IdentityPool, session_of_shared_models
from ..identity_providers import IdentityProvider
from ..login_token import Login, LoginToken
from ..login_tokens.base import RefreshContext
from .arguments import resolved_provider
from .token_provider import ApplicationTokenProvider, Record, Records, Refreshers, is_of_one_sign_in

if TYPE_CHECKING:
    from .._util.concurrency import Clock
    from ..cache.base import Store
    from ..login_tokens.session import Refresher
    from ..user_pool import UserPool, UserPoolTokens

logger = logging.getLogger(__name__)

#: Ways to call Cognito that one process keeps at once: pools' regions, endpoints, and variables that change.
_MOST_SHARED = 8
#: Variables that botocore reads beside AWS_* and *_PROXY; and those that our unsigned calls do not depend on.
_OTHERS = ("HOME", "USERPROFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class Context:
    """The common part of all sign-ins of one `CognitoFederation`.

    Attributes:
        settings: pool, role, flow, endpoint.
        store: stores everything.
        clock: the clock.
        events: the application's subscriptions.
        handler_of: returns the refresh handler of a provider, or None.
        user_pool: the user pool that the federation signs in to, or None.
        handle: see `Records`.
    """

    settings: Settings
    store: Store
    clock: Clock
    events: Events
    handler_of: Callable[[str], Callable[..., Any] | None]
    user_pool: UserPool | None
    handle: str = ""

    def clients(self) -> Clients:
        """The clients for the calls to Cognito and STS, as the variables of now have them."""
        return shared_clients(self.settings, os.environ)

    @property
    def records(self) -> Records:
        return Records(self.settings, self.store, self.handle)


def shared_clients(settings: Settings, environ: Mapping[str, str]) -> Clients:
    """The clients that all federations of this process with the same endpoints have in common.

    An application makes a federation for each of its users, and one client costs what a hundred calls do: 190 ms and
    8 MB, measured with botocore 1.44. What the variables say of endpoints, proxies and certificates is part of the key.
    """
    variables = tuple([(name, environ.get(name)) for name in sorted(filter(_shapes_calls, environ))])
    return _shared(settings.identity_pool_id, settings.region_name, settings.endpoint_url, variables)


@lru_cache(maxsize=_MOST_SHARED)
def _shared(
    pool: str | None, region_name: str | None, endpoint_url: str | None, variables: tuple[tuple[str, str | None], ...]
) -> Clients:
    settings = Settings(pool, region_name=region_name, endpoint_url=endpoint_url)
    return Clients(settings, session_of_shared_models, repeats=True)


@lru_cache(maxsize=1024)
def _shapes_calls(variable: str) -> bool:
    if variable in _KEYS:
        return False
    return variable.startswith("AWS_") or variable.lower().endswith("_proxy") or variable in _OTHERS


class CurrentSignIn(Protocol):
    """The interface of the signed-in user, for a sign-in by an application or by a profile."""

    pool: IdentityPool

    @property
    def is_guest(self) -> bool: ...

    def verify(self, *, new_token: bool = False) -> FederatedCredentials: ...

    def fetch(self, min_remaining: float = 0.0) -> FetchResult: ...

    def is_of(self, other: CurrentSignIn) -> bool: ...

    def login(self) -> Login: ...

    def login_of(self, provider: IdentityProvider, token: LoginToken) -> Login: ...

    def info(self) -> Mapping[str, Any]: ...

    def user_id(self) -> str | None: ...

    def is_current(self) -> bool: ...

    def clear_current(self) -> None: ...

    def forget(self) -> Session | None: ...

    def revoke(self, session: Session | None) -> Exception | None: ...

    def emit(self, event: Event) -> None: ...


class SignIn:
    """A sign-in. Each process that finds it in the store makes a new object, without any read or call.

    Attributes:
        record: the facts about it.
        tokens: those of a user pool, with the access token for the account operations; None if another process signed
            in.
        announced: whether its events reach the application: only after it has succeeded.
    """

    def __init__(self, record: Record, context: Context, *, announced: bool = True) -> None:
        self.record = record
        self.announced = announced
        self.tokens: UserPoolTokens | None = None
        self._just_stored: LoginToken | None = None
        self._context = context
        if record.by_user_pool:
            # The key is the token's iss, so that it holds in every partition and on emulators.
            provider = IdentityProvider("user-pool", "oidc", record.provider)
        else:
            provider = resolved_provider(record.provider)
        #: Whether the token is the pool's own (GetOpenIdTokenForDeveloperIdentity).
        self._is_developer = provider.kind == "developer"
        fixed = None if self._is_developer else record.fixed_identity_id
        self._settings = context.settings.changed(
            provider=provider,
            session=record.scope_name,
            identity_id=fixed,
            profile=None,
            guest=context.handle,
        )
        self._sessions = Sessions(self._settings, context.store, leave_nothing=True)
        self.pool = IdentityPool(self._settings, context.clients(), context.clock, store=context.store)
        self._source = None if provider.kind == "guest" else self._made_source()
        self._fetcher = CredentialFetcher(
            self._settings,
            source=self._source,
            pool=self.pool,
            cache=CredentialCache(self._settings, context.store, context.clock),
            clock=context.clock,
            # Its token was exchanged when the user signed in, and what renews it answers for that same user.
            answers_by_claims=True,
            events=Events(to=self.emit),
        )

    def _made_source(self) -> ApplicationTokenProvider:
        return ApplicationTokenProvider(
            self.record,
            self._sessions,
            self._context.store,
            renewers=Refreshers(lambda: self._context.handler_of(self.record.provider), self._pool_renewal()),
            clock=self._context.clock,
            emit=self.emit,
        )

    def _pool_renewal(self) -> Refresher | None:
        if not self.record.by_user_pool:
            return None
        pool = self._context.user_pool
        if pool is None:
            return None
        from ..login_tokens.session import user_pool_refresher

        return user_pool_refresher(lambda: pool, username=self.record.username, renewed=self._renewed_at_pool)

    def _renewed_at_pool(self, tokens: UserPoolTokens) -> None:
        self.tokens = tokens

    def emit(self, event: Event) -> None:
        """Emit an event, as one of this sign-in."""
        if self.announced and self._context.events.is_heard(event.name):
            user = deepcopy(dict(self.record.user))
            identity_id = event.identity_id or self.record.identity_id
            self._context.events.emit(replace(event, provider=self.record.provider, identity_id=identity_id, user=user))

    def begin(self, token: LoginToken | None, *, refresh_token: str | None, device_key: str | None) -> None:
        """Store the token of a new sign-in.

        Raises:
            StorageError: it cannot be stored.
        """
        if token is None:
            return
        subject = token.claims.get("sub")
        session = Session(
            sign_in_id=self.record.sign_in_id,
            subject=subject if isinstance(subject, str) and subject else None,
            user={name: value for name, value in self.record.user.items() if isinstance(value, str)},
            login_token=token.value,
            token_expires_at=token.expires_at,
            refresh_token=refresh_token,
            device_key=device_key,
            signed_in_at=self._context.clock.now(),
            sign_out_epoch=self._sessions.sign_out_epoch(),
        )
        self._sessions.write(session)
        self._just_stored = self._source.just_stored(session, token) if self._source is not None else None

    def verify(self, *, new_token: bool = False) -> FederatedCredentials:
        """Exchange the token now, whatever is cached: before that, a new token proves nothing about its user.

        Args:
            new_token: renew the token first, although it has not expired.

        Raises:
            CognitoFederationError: it was refused, or cannot be exchanged now.
        """
        token, self._just_stored = self._just_stored, None
        credentials = self._fetcher.fetch_fresh(token=None if new_token else token, new_token=new_token)
        self.store_identity(credentials)
        return credentials

    def is_of(self, other: CurrentSignIn) -> bool:
        """Return whether another sign-in is this one, or a later one of the same user."""
        if not isinstance(other, SignIn):
            return False
        same_user = self.user_id() is not None and self.user_id() == other.user_id()
        return self.record.sign_in_id == other.record.sign_in_id or same_user

    def fetch(self, min_remaining: float = 0.0) -> FetchResult:
        """Return credentials, renewed if needed or if they are not valid for so many seconds.

        Raises:
            CognitoFederationError: no credentials are available.
        """
        before = self._developer_identity()
        try:
            result = self._fetcher.fetch(min_remaining=min_remaining)
        except TemporaryError:
            if before == self._developer_identity():
                raise
            # The refresh handler moved a developer's user to another identity, for which nothing is cached.
            result = self._fetcher.fetch(min_remaining=min_remaining)
            changed = result.credentials.user_id
            self.emit(Event("identity-changed", identity_id=changed, previous_identity_id=before))
        self.store_identity(result.credentials)
        return result

    def _developer_identity(self) -> str | None:
        if not self._is_developer:
            return None
        session = self._sessions.read()
        token = session.token() if session else None
        return str(token.claims.get("sub")) if token else None

    def store_identity(self, credentials: FederatedCredentials) -> None:
        """Store the identity in Cognito's answer, for callers that make no call."""
        if (credentials.identity_id, credentials.subject) == (self.record.identity_id, self.record.subject):
            return
        self.record = replace(self.record, identity_id=credentials.identity_id, subject=credentials.subject)
        if self._source is not None:
            self._source.identity_id = credentials.identity_id
        records = self._context.records
        current = records.read()
        if current is not None and current.sign_in_id == self.record.sign_in_id:
            try:
                records.write(self.record)
            except StorageError as error:
                self._context.store.warn(error.line)

    def login(self) -> Login:
        """Return the present login, renewed if needed.

        Raises:
            CognitoFederationError: it cannot be renewed, or the user is a guest.
        """
        login = self._fetcher.login()
        if login is None:
            raise NotSignedInError("Guests have no login", remedy="Call federated_sign_in with a provider's token")
        return login

    def pool_tokens(self) -> UserPoolTokens:
        """Return the user pool's tokens, renewed if they have expired or this process has none.

        Raises:
            CognitoFederationError: they cannot be renewed.
        """
        assert self._source is not None, "a sign-in to a user pool is no guest's"
        token = self._source.fetch(RefreshContext())
        if self.tokens is None or self.tokens.id_token != token.value:
            # An earlier process signed in, or another one renewed: the stored session has no access token.
            token = self._source.fetch(RefreshContext(attempt=2))
        if self.tokens is None or self.tokens.id_token != token.value:
            raise TemporaryError("Another process has just renewed this sign-in", remedy="Try again")
        return self.tokens

    def login_of(self, provider: IdentityProvider, token: LoginToken) -> Login:
        """Return the login that another provider's token stands for at the same pool."""
        return Login.of(token, replace(self._settings, provider=provider))

    def info(self) -> Mapping[str, Any]:
        """Return the stored sign-in without a renewal."""
        session = self._sessions.read()
        return {
            "provider": self.record.provider,
            "token": session.login_token if session else None,
            "expires_at": session.token_expires_at if session else None,
            "identity_id": self.record.identity_id or self.record.fixed_identity_id,
            "user": deepcopy(dict(self.record.user)),
        }

    def user_id(self) -> str | None:
        """Return the identity ID, or without an identity pool what STS calls the user; None before the first answer."""
        return self.record.identity_id or self.record.fixed_identity_id or self.record.subject

    @property
    def is_guest(self) -> bool:
        return self._source is None

    def is_current(self) -> bool:
        """Return whether neither a sign-out nor another sign-in happened since."""
        record = self._context.records.read()
        return record is not None and record.sign_in_id == self.record.sign_in_id

    def discard(self) -> None:
        """Delete the token of a sign-in that did not succeed."""
        with suppress(StorageError):
            self._sessions.delete()

    def clear_current(self) -> None:
        """End the sign-in for other processes.

        Raises:
            StorageError: the record could not be removed.
        """
        self._context.records.delete()

    def forget(self) -> Session | None:
        """Delete token and credentials; running renewals are invalid from now on.

        Returns:
            The stored session, for a revocation.

        Raises:
            StorageError: something could not be removed.
        """
        session = self._sessions.read()
        end_sign_in(self._context.store, self._settings.scope)
        self._sessions.delete()
        with suppress(StorageError):
            drop_old_marks(self._context.store, is_of_one_sign_in)
        return session

    def revoke(self, session: Session | None) -> Exception | None:
        """Revoke what the provider can revoke; a failure is returned, because a sign-out goes on in any case."""
        try:
            if self.record.by_user_pool:
                self._revoke_at_pool(session)
            else:
                revoke = getattr(self._context.handler_of(self.record.provider), "revoke", None)
                if callable(revoke):
                    revoke()
        except CognitoFederationError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the application's handler must not stop a sign-out
            logger.warning("A refresh handler could not revoke its token (%s)", type(error).__name__)
            return TemporaryError(f"The refresh handler could not revoke its token ({type(error).__name__})")
        return None

    def _revoke_at_pool(self, session: Session | None) -> None:
        pool = self._context.user_pool
        if session is None or session.refresh_token is None:
            return
        if pool is None:
            raise ConfigurationError(
                "This federation has no user pool to revoke at", remedy="Pass user_pool=UserPool(…)"
            )
        from ..login_tokens.session import pool_tokens

        pool.revoke(pool_tokens(session, self.record.username))
