"""`CognitoFederation`: an application signs in its users and gets AWS credentials that are renewed automatically."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex
from weakref import WeakSet

from .._util.concurrency import ForkSafeLock, refreshing, refuse_reentry
from ..cache.base import DOCUMENTS, MemoryStore, cache_key
from ..credentials import FederatedCredentials
from ..errors import CognitoFederationError, ConfigurationError, NotSignedInError, StorageError
from ..events import Event, Events
from ..factory import fetcher_for, store_for, system_clock
from ..login_token import LoginToken
from ..messages import login_command
from .arguments import (
    Expiry,
    RefreshHandler,
    RefreshHandlers,
    base_settings,
    check_without_pool,
    login_token,
    resolved_provider,
    user_mapping,
)
from .linked_logins import LinkedLogins
from .sign_in import Context, CurrentSignIn, SignIn
from .signed_in import SignedIn
from .token_provider import Record
from .user_pool_sign_in import UserPoolSignIn

if TYPE_CHECKING:
    from .._util.concurrency import Clock
    from ..botocore_plugin.shared import ApplicationCredentials
    from ..cache.base import Store
    from ..cache.shared import SharedStore
    from ..config.settings import Settings
    from ..fetcher import CredentialFetcher
    from ..user_pool import Challenge, UserPool, UserPoolTokens
    from .token_provider import ProfileSignIn

logger = logging.getLogger(__name__)


class CognitoFederation(UserPoolSignIn, SignedIn, LinkedLogins):
    """One user at a time, signed in to a Cognito identity pool. Uses no network or disk before the first sign-in.

    Threads may share it. An application with many users at once makes one for each, with ``cache="memory"``.

    Args:
        identity_pool_id: ``REGION:GUID``; None with ``flow="web-identity"``.
        region_name: the region of the sessions it makes; by default the pool's, and without one that of the variables.
        refresh_handlers: provider -> function that returns a new login token; see `refresh_handlers`.
        user_pool: the user pool for `sign_in`.
        cache: ``memory`` (default); ``file`` or ``keyring`` store the sign-in and its credentials for later processes
            of this user of the machine. `RedisCache`, `PostgresCache` and `DynamoDBCache` store
            them for other hosts too.
        role_arn: the role to request from the pool (CustomRoleArn); with the other flows the role to assume.
        flow: ``enhanced``, ``basic`` (GetOpenIdToken and AssumeRoleWithWebIdentity), or ``web-identity``
            (AssumeRoleWithWebIdentity with the login token, without an identity pool).
        account_id: the AWS account of the pool.
        endpoint_url: the endpoint of cognito-identity, if it is not AWS's.
        assume_role_arn: a further role, assumed with the pool's credentials; the arguments below are for its session.
        assume_role_session_name: the name of the session, as CloudTrail shows it; by default derived from the user.
        assume_role_duration_seconds: its lifetime in seconds, 900 to 3600; by default an hour.
        assume_role_external_id: the external ID that the role's trust policy asks for.
        assume_role_policy: a session policy, as JSON or as a mapping.
        assume_role_policy_arns: ARNs of managed session policies.
        assume_role_tags: session tags by their names.
        assume_role_source_identity: the source identity, which later roles in a chain have too.
        duration_seconds: the lifetime of the credentials in seconds, 900 to 43200; not with ``enhanced``.
        role_session_name: the name of the role session; not with ``enhanced``.
        refresh_window: the remaining seconds below which credentials are renewed.
        retry_seconds: how long a caller without usable credentials waits while Cognito throttles.
        clock: the clock; by default the real one.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        identity_pool_id: str | None,
        *,
        region_name: str | None = None,
        refresh_handlers: Mapping[str, RefreshHandler] | None = None,
        user_pool: UserPool | None = None,
        cache: str | SharedStore = "memory",
        role_arn: str | None = None,
        flow: str = "enhanced",
        account_id: str | None = None,
        endpoint_url: str | None = None,
        assume_role_arn: str | None = None,
        assume_role_session_name: str | None = None,
        assume_role_duration_seconds: int | None = None,
        assume_role_external_id: str | None = None,
        assume_role_policy: str | Mapping[str, Any] | None = None,
        assume_role_policy_arns: Iterable[str] | None = None,
        assume_role_tags: Mapping[str, str] | None = None,
        assume_role_source_identity: str | None = None,
        duration_seconds: int | None = None,
        role_session_name: str | None = None,
        refresh_window: int | None = None,
        retry_seconds: int = 45,
        clock: Clock | None = None,
    ) -> None:
        settings = base_settings(
            identity_pool_id,
            region_name=region_name,
            cache=cache if isinstance(cache, str) else "memory",
            role_arn=role_arn,
            flow=flow,
            account_id=account_id,
            endpoint_url=endpoint_url,
            assume_role_arn=assume_role_arn,
            assume_role_session_name=assume_role_session_name,
            assume_role_duration_seconds=assume_role_duration_seconds,
            assume_role_external_id=assume_role_external_id,
            assume_role_policy=assume_role_policy,
            assume_role_policy_arns=assume_role_policy_arns,
            assume_role_tags=assume_role_tags,
            assume_role_source_identity=assume_role_source_identity,
            duration_seconds=duration_seconds,
            role_session_name=role_session_name,
            refresh_window=refresh_window,
            retry_seconds=retry_seconds,
        )
        if isinstance(user_pool, str):
            raise ConfigurationError("user_pool is a str", remedy=f"Pass UserPool({user_pool!r}, client_id)")
        # A separate object, unlike that of the profiles of a process: each federation has its own user.
        store = _store_of(cache, settings)
        self._use(settings, RefreshHandlers(refresh_handlers), user_pool, store, clock or system_clock())

    def _use(
        self,
        settings: Settings,
        handlers: RefreshHandlers,
        user_pool: UserPool | None,
        store: Store,
        clock: Clock,
        handle: str = "",
    ) -> None:
        self._settings, self._handlers, self._user_pool = settings, handlers, user_pool
        self._store, self._clock, self._handle = store, clock, handle
        self._events = Events()
        self._turns = ForkSafeLock()
        self._sign_in: SignIn | None = None
        self._shared: ApplicationCredentials | None = None
        self._bound = WeakSet()
        self._latest = None

    @classmethod
    def from_profile(cls, profile: str | None = None) -> CognitoFederation:
        """Return the federation of a profile in ``~/.aws/config``, with the same stores as the command line.

        Args:
            profile: its name; by default botocore's own choice.

        Raises:
            ConfigurationError: there is no such profile, or it is wrong.
        """
        return ProfileFederation(profile)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.place!r})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} holds a sign-in and cannot be pickled or copied; send the profile's name and call"
            " CognitoFederation.from_profile there, or send current_credentials(), which are not renewed there"
        )

    @property
    def refresh_handlers(self) -> RefreshHandlers:
        """Provider -> refresh handler, which is called when a login token has to be renewed.

        A handler returns a token, or a mapping with ``token``, ``expires_at`` and ``identity_id``. It gets ``context=``
        (provider, identity ID, previous expiry, attempt) if it has a parameter of that name, may be a coroutine
        function, and has 60 s. Network errors, 5xx, throttling and `TemporaryError` are retried for about 13 s if no
        credentials are usable; `NonRetryableError` and programming errors are raised at once.
        """
        return self._handlers

    @property
    def handle(self) -> str:
        """The name under which `FederatedUsers.resume` finds this user again, in any process with the same cache.

        It is a secret: who has it acts for this user. A web application stores it in the user's own session.

        Raises:
            ConfigurationError: the federation was not made by `FederatedUsers`.
        """
        if not self._handle:
            raise ConfigurationError(f"{self!r} is of one user", remedy="Make it by FederatedUsers(…).federation()")
        return self._handle

    # --- signing in -------------------------------------------------------------------------------------------------

    def federated_sign_in(
        self,
        provider: str,
        token: str | None = None,
        *,
        expires_at: Expiry = None,
        identity_id: str | None = None,
        user: Mapping[str, Any] | None = None,
    ) -> FederatedCredentials:
        """Exchange a provider's token for AWS credentials immediately.

        Args:
            provider: ``google``, ``facebook``, ``amazon``, ``apple``, ``developer``, an OIDC domain or issuer URL, or
                the ARN of a SAML provider; ``guest`` takes no token and is the only way to get unauthenticated access.
            token: the ID token; for Facebook and Amazon the access token; for ``developer`` the token from
                GetOpenIdTokenForDeveloperIdentity.
            expires_at: when it expires: seconds or milliseconds since 1970, or an aware datetime. The earlier of this
                and the token's own ``exp`` counts.
            identity_id: the identity to act for; required with ``developer``.
            user: the user information that `current_authenticated_user` returns.

        Returns:
            The AWS credentials.

        Raises:
            ConfigurationError: an argument is wrong (no call was made), or the federation is signed in through its user
                pool, which federates by itself.
            InvalidTokenError: the token is none (no call was made).
            FederationRefusedError: Cognito refused the token, the identity or the role.
            TemporaryError: the same call may succeed later.
        """
        with self._telling_of_failure(provider):
            self._refuse_over_user_pool()
            resolved = resolved_provider(provider)
            check_without_pool(self._settings, resolved, identity_id)
            now = self._clock.now()
            checked = login_token(resolved, token, expires_at=expires_at, identity_id=identity_id, now=now)
            record = Record(
                sign_in_id=secrets.token_hex(16),
                provider=provider.strip(),
                user=user_mapping(user, checked),
                fixed_identity_id=identity_id,
            )
            return self._begun(record, checked)

    def _federated(self, ask: Callable[[UserPool], UserPoolTokens | Challenge]) -> FederatedCredentials | Challenge:
        with self._telling_of_failure("user-pool"):
            if self._user_pool is None:
                raise ConfigurationError(
                    "This federation has no user pool to sign in to",
                    remedy="Pass user_pool=UserPool(…), or call federated_sign_in with a provider's token",
                )
            from ..user_pool import Challenge, UserPoolTokens

            answer = ask(self._user_pool)
            if isinstance(answer, Challenge):
                return answer
            if not isinstance(answer, UserPoolTokens):
                raise ConfigurationError(
                    f"A {type(answer).__name__} is not a sign-in to a user pool",
                    remedy="Pass the tokens or the challenge that the user pool answered",
                )
            token = LoginToken.of(answer.id_token, expires_at=answer.expires_at)
            record = Record(
                sign_in_id=secrets.token_hex(16),
                provider=answer.login_key,
                user={"username": answer.username, **user_mapping(None, token)},
                by_user_pool=True,
                username=answer.username,
            )
            return self._begun(record, token, pool_tokens=answer)

    def user_pool_tokens(self) -> UserPoolTokens:
        """Return the tokens of the sign-in to the user pool, renewed if needed; the account operations take them.

        Access tokens are not stored. A process that finds the sign-in of an earlier one therefore renews them first.

        Returns:
            The tokens.

        Raises:
            NotSignedInError: the user is not signed in through the user pool.
            SignInRequiredError: the user pool has ended the sign-in.
            TemporaryError: they cannot be renewed now.
        """
        sign_in = self._current()
        if not isinstance(sign_in, SignIn) or not sign_in.record.by_user_pool:
            raise NotSignedInError("Not signed in through the user pool", remedy="Call sign_in first")
        with self._events.held(), refreshing(self, "The refresh handler"):
            return sign_in.pool_tokens()

    def _refuse_over_user_pool(self) -> None:
        record = self._context().records.read()
        if record is not None and record.by_user_pool:
            raise ConfigurationError(
                "Signed in through the user pool, which federates by itself",
                remedy="Call sign_out before federated_sign_in",
            )

    def _begun(
        self, record: Record, token: LoginToken | None, *, pool_tokens: UserPoolTokens | None = None
    ) -> FederatedCredentials:
        refuse_reentry(self, "The refresh handler")
        self._store_in_memory_if_needed()
        sign_in = SignIn(record, self._context(), announced=False)
        sign_in.tokens = pool_tokens
        sign_in.begin(
            token,
            refresh_token=pool_tokens.refresh_token if pool_tokens else None,
            device_key=pool_tokens.device_key if pool_tokens else None,
        )
        try:
            with refreshing(self):
                credentials = sign_in.verify()
        except BaseException:
            sign_in.discard()
            raise
        self._replace_sign_in(sign_in)
        sign_in.announced = True
        sign_in.emit(Event("sign-in", expires_at=credentials.expires_at))
        return credentials

    def _replace_sign_in(self, sign_in: SignIn) -> None:
        with self._turns:
            records = self._context().records
            before = records.read()
            records.write(sign_in.record)
            self._sign_in = sign_in
        self._forget_shared()
        if before is not None and before.sign_in_id != sign_in.record.sign_in_id:
            with suppress(CognitoFederationError):
                SignIn(before, self._context(), announced=False).forget()

    def _store_in_memory_if_needed(self) -> None:
        """Store in memory if needed: an unwritable place costs later processes the sign-in, not this one."""
        if isinstance(self._store, MemoryStore):
            return
        try:
            self._store.write(DOCUMENTS, cache_key({"what": "writable"}), {})
        except StorageError as error:
            logger.warning("The sign-in is stored in memory only: %s", error.line)
            self._store = MemoryStore()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _context(self) -> Context:
        return Context(
            settings=self._settings,
            store=self._store,
            clock=self._clock,
            events=self._events,
            handler_of=self._handlers.get,
            user_pool=self._user_pool,
            handle=self._handle,
        )

    def _current(self) -> CurrentSignIn:
        """Return the present sign-in, which another process may have made or ended."""
        context = self._context()
        record = context.records.read()
        mine = self._sign_in
        if record is None:
            raise NotSignedInError("Not signed in", remedy=self._how_to_sign_in)
        if mine is None:
            with self._turns:
                if self._sign_in is None:
                    self._sign_in = SignIn(record, context)
                mine = self._sign_in
        if mine.record.sign_in_id != record.sign_in_id:
            raise NotSignedInError(
                "Another user has signed in with the same cache in the meantime",
                remedy="Sign in again, or use cache='memory'",
            )
        return mine

    def _let_go(self) -> None:
        self._sign_in = None

    def _guest_becomes(self, provider: str, token: str, expires_at: Expiry) -> CurrentSignIn:
        self.federated_sign_in(provider, token, expires_at=expires_at)
        return self._current()

    @contextmanager
    def _telling_of_failure(self, provider: str) -> Iterator[None]:
        try:
            yield
        except CognitoFederationError as error:
            name = provider if isinstance(provider, str) else None
            self._events.emit(Event("sign-in-failure", provider=name, error=error))
            raise


def _store_of(cache: str | SharedStore, settings: Settings) -> Store:
    """Return the store of an application.

    Raises:
        ConfigurationError: it is neither a name nor a store.
    """
    if cache == "memory":
        return MemoryStore()
    if isinstance(cache, str):
        return store_for(settings, os.environ)
    from ..cache.shared import SharedStore

    if not isinstance(cache, SharedStore):
        raise ConfigurationError(
            f"cache is neither a name nor a shared cache but {type(cache).__name__}",
            remedy="Pass memory, file, keyring, RedisCache(…), PostgresCache(…) or DynamoDBCache(…)",
        )
    return cache


class ProfileFederation(CognitoFederation):
    """The federation of a profile. The command line signs in; everything else is like in `CognitoFederation`.

    Args:
        profile: its name; None for botocore's own choice.

    Raises:
        ConfigurationError: there is no such profile, or it is wrong.
    """

    def __init__(self, profile: str | None) -> None:
        from ..config.profiles import load_settings

        settings = load_settings(profile)
        own = replace(settings, region_name=settings.region_name or settings.pool_region)
        self._use(own, RefreshHandlers(None), None, store_for(settings, os.environ), system_clock())
        self._profile_settings = settings
        self._made: CredentialFetcher | None = None

    def __repr__(self) -> str:
        return f"CognitoFederation.from_profile({self._profile_settings.profile or 'default'!r})"

    def federated_sign_in(
        self,
        provider: str,
        token: str | None = None,
        *,
        expires_at: Expiry = None,
        identity_id: str | None = None,
        user: Mapping[str, Any] | None = None,
    ) -> FederatedCredentials:
        """Refuse: the profile itself says how its user signs in.

        Raises:
            ConfigurationError: always.
        """
        raise self._not_here()

    def _federated(self, ask: Callable[[UserPool], UserPoolTokens | Challenge]) -> FederatedCredentials | Challenge:
        raise self._not_here()

    @property
    def _how_to_sign_in(self) -> str:
        if self._profile_settings.is_guest:
            return "Set cognito_provider to the provider of the profile's users"
        return f"Run: {login_command(self._profile_settings)}"

    def _not_here(self) -> ConfigurationError:
        return ConfigurationError(f"{self!r} signs in as its profile says", remedy=self._how_to_sign_in)

    def _current(self) -> ProfileSignIn:
        from .token_provider import ProfileSignIn

        if self._made is None:
            from ..botocore_plugin.provider import session_of_other_profile

            inner = Events(to=self._events.emit)
            self._made = fetcher_for(
                self._profile_settings, store=self._store, events=inner, open_session=session_of_other_profile
            )
        return ProfileSignIn(self._profile_settings, self._store, self._made, self._events)

    def link(self, provider: str, token: str, *, expires_at: Expiry = None) -> str:
        """Link a login as in `CognitoFederation`; a guest's profile cannot become a user's.

        Raises:
            ConfigurationError: the profile is a guest's.
        """
        if self._profile_settings.is_guest:
            raise self._not_here()
        return super().link(provider, token, expires_at=expires_at)

    def _let_go(self) -> None:
        # The credentials so far must not be used any more.
        self._made = None
