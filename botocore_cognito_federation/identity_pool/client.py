"""Token -> identity ID -> credentials: the operations of a Cognito identity pool, and the clients that call them.

This module turns a login token into credentials. It knows nothing about caches, locks or the sources of tokens.
Credentials come from the enhanced flow (GetId, GetCredentialsForIdentity), the basic one (GetId, GetOpenIdToken,
AssumeRoleWithWebIdentity), or for the login token itself (AssumeRoleWithWebIdentity), without an identity pool; a
further role may be assumed with them.

Clients are unsigned and nested. A client without ``UNSIGNED`` resolves credentials, which would start the provider that
is using it (boto/botocore#1472).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from botocore.loaders import JSONFileLoader, Loader

from .. import __version__
from .._util.concurrency import Clock
from .._util.urls import UnsafeURLError, is_loopback_url
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, SettingNames
from ..login_token import Login, algorithm_of
from ..messages import SKEW_WORTH_A_WORD, of_an_application
from .aws import (
    ATTEMPTS,
    CONNECT_TIMEOUT,
    NO_TURNS,
    READ_TIMEOUT,
    Answer,
    Turns,
    call,
    limit_answers,
    patience,
)
from .errors import CallContext

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from ..cache.base import Store
    from ..config.settings import Settings

#: Connections of a client; they are opened when needed, and a server's threads share a client.
_CONNECTIONS = 50
#: The remedy for a useless login token if an application signs in its users itself.
NEW_TOKEN_OF_AN_APPLICATION = "Sign in again with a new login token"


def fixed_identity(settings: Settings, login: Login | None) -> str | None:
    """Return the identity ID that the configuration or the login names; None if GetId has to find it.

    Raises:
        ConfigurationError: a developer's login names none; GetId does not know those.
    """
    fixed = settings.identity_id or (login.token.identity_id if login else None)
    if fixed is None and login is not None and settings.provider is not None and settings.provider.name == "developer":
        raise ConfigurationError(
            "The developer login came without an identity ID",
            remedy=f"Make its source return identity_id with the token, or set {SettingNames.of(settings):identity_id}",
        )
    return fixed


@dataclass(frozen=True)
class Exchanged:
    """The result of an exchange.

    Attributes:
        credentials: the credentials, with the identity ID in the answer (which may differ from the requested one:
            Cognito merges identities, and the answer then counts).
        clock_ahead: seconds by which this machine's clock is ahead of AWS's, if that is worth reporting.
    """

    credentials: FederatedCredentials
    clock_ahead: float | None


@dataclass(frozen=True, repr=False)
class IdentityPool:
    """The identity pool of one configuration, or the role that stands in its place.

    Args:
        settings: the configuration.
        clients: makes AWS clients.
        clock: the clock.
        new_token: returns what the user can do if the login token is useless.
        store: where callers take turns who share a quota; by default they do not.
    """

    settings: Settings
    clients: Clients
    clock: Clock
    new_token: Callable[[], str] = lambda: NEW_TOKEN_OF_AN_APPLICATION
    store: Store | None = None

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Let the calls inside wait for so many seconds in all while they are throttled."""
        return patience(seconds)

    def pool_id(self) -> str:
        """Return the ID of the identity pool.

        Raises:
            ConfigurationError: there is none; only an identity pool has identities, and links logins to them.
        """
        if self.settings.identity_pool_id is None:
            names = SettingNames.of(self.settings)
            raise ConfigurationError(
                "Without an identity pool there are no identities to which logins could be linked",
                remedy=f"Set {names:identity_pool_id}, and {names:flow} = enhanced",
            )
        return self.settings.identity_pool_id

    def ahead(self, login: Login | None) -> AbstractContextManager[None]:
        """Inside, `get_id` and `exchange` may find their answers: see `repeated.asked_ahead`."""
        takes_turns = self.store is not None and getattr(self.store, "hosts_share", False)
        if not self.clients.repeats or self.settings.flow != "enhanced" or takes_turns:
            return nullcontext()
        client = self.clients.cognito_identity()
        session = client._endpoint.http_session
        if not getattr(session, "patterns", None):
            return nullcontext()  # the first sign-in
        from .repeated import Call, asked_ahead

        return asked_ahead(
            session,
            Call(client.get_id, "GetId", self._of_get_id(login)),
            lambda identity_id: Call(
                client.get_credentials_for_identity,
                "GetCredentialsForIdentity",
                self._of_enhanced(identity_id, login),
            ),
        )

    def get_id(self, login: Login | None) -> str:
        """Return the identity ID of a login (GetId); for a guest, a new identity.

        Raises:
            FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
        """
        operation = self.clients.cognito_identity().get_id
        answer = self._call(operation, self._of_get_id(login), ("IdentityId",), login, "")
        return str(answer.body["IdentityId"])

    def _of_get_id(self, login: Login | None) -> Mapping[str, Any]:
        account = {"AccountId": self.settings.account_id} if self.settings.account_id else {}
        return {"IdentityPoolId": self.pool_id(), **_logins(login), **account}

    def exchange(self, identity_id: str | None, login: Login | None) -> Exchanged:
        """Return credentials for an identity, with the configured flow and the configured roles.

        Args:
            identity_id: the identity; None without an identity pool.
            login: the login; None for guests.

        Raises:
            FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
        """
        if identity_id is None:
            exchanged = self._without_pool(login)
        elif self.settings.flow == "basic":
            exchanged = self._basic(identity_id, login)
        else:
            exchanged = self._enhanced(identity_id, login)
        if self.settings.assume_role_arn is None:
            return exchanged
        from .sts import assume_role

        further = assume_role(
            exchanged.credentials,
            settings=self.settings,
            clients=self.clients,
            facts=self._facts(login, identity_id or ""),
            clock=self.clock,
        )
        return replace(exchanged, credentials=further)

    def unlink(self, identity_id: str, login: Login, key: str) -> None:
        """Remove the login under `key` from an identity (UnlinkIdentity).

        Raises:
            FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
        """
        arguments = {"IdentityId": identity_id, "LoginsToRemove": [key], **_logins(login)}
        self._call(self.clients.cognito_identity().unlink_identity, arguments, (), login, identity_id)

    def _enhanced(self, identity_id: str, login: Login | None) -> Exchanged:
        needs = (
            "IdentityId",
            "Credentials.AccessKeyId",
            "Credentials.SecretKey",
            "Credentials.SessionToken",
            "Credentials.Expiration",
        )
        operation = self.clients.cognito_identity().get_credentials_for_identity
        answer = self._call(operation, self._of_enhanced(identity_id, login), needs, login, identity_id)
        vended = answer.body["Credentials"]
        credentials = FederatedCredentials(
            access_key=vended["AccessKeyId"],
            secret_key=vended["SecretKey"],
            token=vended["SessionToken"],
            expires_at=vended["Expiration"].timestamp(),
            issued_at=self.clock.now(),
            identity_id=answer.body["IdentityId"],
            account_id=self.settings.account_id,
            authenticated=login is not None,
        )
        return Exchanged(credentials, clock_skew(self.clock.now(), answer.server_time))

    def _of_enhanced(self, identity_id: str, login: Login | None) -> Mapping[str, Any]:
        role = {"CustomRoleArn": self.settings.role_arn} if self.settings.role_arn else {}
        return {"IdentityId": identity_id, **_logins(login), **role}

    def _basic(self, identity_id: str, login: Login | None) -> Exchanged:
        token, adopted = self._open_id_token(identity_id, login)
        answer = self._web_identity(token, self._facts(login, adopted))
        return self._of_role(answer, identity_id=adopted, authenticated=login is not None)

    def _without_pool(self, login: Login | None) -> Exchanged:
        if login is None:
            raise ConfigurationError(
                "Guests need an identity pool", remedy=f"Set {SettingNames.of(self.settings):provider}"
            )
        facts = self._facts(login, "")
        # STS names the issuer of an access token by this; an ID token names its own (AssumeRoleWithWebIdentity).
        is_opaque = self.settings.provider is not None and self.settings.provider.token_kind == "access_token"
        answer = self._web_identity(login.token.value, facts, provider_id=login.key if is_opaque else None)
        from .sts import subject_in

        of_role = self._of_role(answer, subject=subject_in(answer, facts))
        account = (self.settings.assume_role_arn or self.settings.role_arn or "").split(":")[4]
        return replace(
            of_role, credentials=replace(of_role.credentials, account_id=self.settings.account_id or account)
        )

    def _web_identity(self, token: str, facts: CallContext, *, provider_id: str | None = None) -> Answer:
        from .sts import assume_role_with_web_identity

        return assume_role_with_web_identity(
            token,
            provider_id=provider_id,
            settings=self.settings,
            clients=self.clients,
            facts=facts,
            clock=self.clock,
        )

    def _of_role(
        self,
        answer: Answer,
        *,
        identity_id: str | None = None,
        subject: str | None = None,
        authenticated: bool = True,
    ) -> Exchanged:
        vended = answer.body["Credentials"]
        credentials = FederatedCredentials(
            access_key=vended["AccessKeyId"],
            secret_key=vended["SecretAccessKey"],
            token=vended["SessionToken"],
            expires_at=vended["Expiration"].timestamp(),
            issued_at=self.clock.now(),
            identity_id=identity_id,
            account_id=self.settings.account_id,
            authenticated=authenticated,
            subject=subject,
        )
        return Exchanged(credentials, clock_skew(self.clock.now(), answer.server_time))

    def _open_id_token(self, identity_id: str, login: Login | None) -> tuple[str, str]:
        """Return the identity pool's own token for an identity, and the identity ID it belongs to."""
        if login is not None and login.token.identity_id and login.token.subject == f"sub {login.token.identity_id}":
            # A developer token is already a token of the pool (GetOpenIdTokenForDeveloperIdentity).
            return login.token.value, login.token.identity_id
        arguments = {"IdentityId": identity_id, **_logins(login)}
        operation = self.clients.cognito_identity().get_open_id_token
        answer = self._call(operation, arguments, ("IdentityId", "Token"), login, identity_id)
        return str(answer.body["Token"]), str(answer.body["IdentityId"])

    def _call(
        self,
        operation: Any,
        arguments: Mapping[str, Any],
        needs: tuple[str, ...],
        login: Login | None,
        identity_id: str,
    ) -> Answer:
        facts = partial(self._facts, login, identity_id)
        turns = self._turns_of(getattr(operation, "__name__", ""))
        return call(operation, arguments=arguments, needs=needs, facts=facts, clock=self.clock, turns=turns)

    def _turns_of(self, operation: str) -> Turns:
        """The turns of an operation; accounts are told apart by their pools where the configuration names none."""
        store, rate = self.store, PER_SECOND.get(operation)
        if store is None or rate is None:
            return NO_TURNS
        name = f"{operation} {self.settings.account_id or self.settings.identity_pool_id} {self.settings.pool_region}"
        return Turns(
            lambda most, begin: store.turn(name, 1 / rate, most=most, begin=begin),
            is_shared=getattr(store, "hosts_share", False),
        )

    def _facts(self, login: Login | None, identity_id: str) -> CallContext:
        return CallContext(
            pool=self.settings.identity_pool_id or "",
            profile="" if of_an_application(self.settings) else self.settings.profile or "default",
            new_token=self.new_token(),
            login_key=login.key if login else "",
            claims=login.token.claims if login else {},
            algorithm=algorithm_of(login.token.value) if login else "",
            names=SettingNames.of(self.settings),
            signs_in=_signs_in(self.settings),
            identity_id=identity_id,
            role_arn=self.settings.role_arn or "",
            now=self.clock.now(),
        )


def _logins(login: Login | None) -> dict[str, Any]:
    if login is None:
        return {}
    linked = {other.key: other.token.value for other in login.linked if other.token is not None}
    return {"Logins": {**linked, login.key: login.token.value}}


#: Requests a second of an account in a region, a little below the quotas of Cognito (25 and 200).
PER_SECOND = {"get_id": 24.0, "get_credentials_for_identity": 190.0}


def clock_skew(now: float, server_time: float | None) -> float | None:
    """Return the seconds by which this machine's clock is ahead of AWS's (negative: behind), if worth reporting.

    Args:
        now: this machine's time, seconds since the epoch.
        server_time: the ``Date`` of the answer, seconds since the epoch; None if it had none.
    """
    if server_time is None:
        return None
    ahead = now - server_time
    return ahead if abs(ahead) >= SKEW_WORTH_A_WORD else None


@dataclass(eq=False, repr=False)
class Clients:
    """Makes and caches the clients of one configuration.

    Args:
        settings: the configuration.
        session: returns the botocore session whose endpoints, proxies and certificates apply; called only on first use.
            By default it is one of the settings' own profile.
        repeats: whether unsigned calls may be made again without botocore's work (see `repeated`).
    """

    settings: Settings
    session: Callable[[], Session] | None = None
    repeats: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _process: int = field(default_factory=os.getpid, init=False)
    _made: dict[str, Any] = field(default_factory=dict, init=False)

    def cognito_identity(self) -> Any:
        """Return the client for GetId, GetCredentialsForIdentity and GetOpenIdToken, in the region of the pool."""
        return self._made_once(
            "cognito-identity", region_name=self.settings.pool_region, endpoint_url=self.settings.endpoint_url
        )

    def unsigned_sts(self) -> Any:
        """Return the client for AssumeRoleWithWebIdentity."""
        return self._made_once("sts", region_name=self._sts_region)

    def sts(self, *, access_key: str, secret_key: str, token: str) -> Any:
        """Return a client that signs with the given credentials, for AssumeRole."""
        return self._signing("sts", self._sts_region, access_key, secret_key, token)

    def signing_cognito_identity(self, credentials: ReadOnlyCredentials) -> Any:
        """Return a client that signs with the given credentials, for GetOpenIdTokenForDeveloperIdentity."""
        keys = (credentials.access_key, credentials.secret_key, credentials.token)
        return self._signing("cognito-identity", self.settings.pool_region, *keys, self.settings.endpoint_url)

    def signing(self, service: str, region: str, credentials: FederatedCredentials) -> Any:
        """Return a client of another service that signs with the credentials of this configuration."""
        return self._signing(service, region, credentials.access_key, credentials.secret_key, credentials.token)

    def _signing(
        self,
        service: str,
        region: str,
        access_key: str | None,
        secret_key: str | None,
        token: str | None,
        url: str | None = None,
    ) -> Any:
        return make_client(
            self._session(),
            service,
            region_name=region,
            endpoint_url=url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
        )

    def _made_once(self, service: str, **arguments: Any) -> Any:
        if os.getpid() != self._process:
            # A forked child must not share its parent's connections, nor a lock that was held at the time of the fork.
            # The process comes last: another thread that sees the new one must not find the parent's clients.
            self._lock, self._made, self._process = threading.Lock(), {}, os.getpid()
        with self._lock:
            if service not in self._made:
                self._made[service] = make_client(self._session(), service, repeats=self.repeats, **arguments)
            return self._made[service]

    def _session(self) -> Session:
        if self.session is not None:
            return self.session()
        from botocore.session import Session

        return Session(profile=self.settings.profile)

    @property
    def _sts_region(self) -> str:
        return self.settings.region_name or self.settings.pool_region


def make_client(session: Session, service: str, *, repeats: bool = False, **arguments: Any) -> Any:
    """Make a botocore client whose calls have this package's limits, and whose endpoint is allowed.

    Args:
        session: a botocore session, whose endpoint, proxy and certificate settings apply.
        service: such as ``cognito-idp``.
        repeats: see `Clients`.
        arguments: of ``create_client``; without ``aws_access_key_id`` the client is unsigned.

    Raises:
        ConfigurationError: the session's configuration does not lead to a client, or its endpoint is not allowed; the
            message names where the endpoint was set.
    """
    from botocore.config import Config
    from botocore.utils import get_environ_proxies

    config = _limits(signed="aws_access_key_id" in arguments)
    client = _created(session, service, config=config, **arguments)
    url = client.meta.endpoint_url
    try:
        is_here = is_loopback_url(url)
    except UnsafeURLError as flaw:
        raise _unsafe_endpoint(session, service, flaw) from None
    if is_here and (client.meta.config.proxies or get_environ_proxies(url)):
        # A proxy has another loopback than this machine, whatever NO_PROXY says.
        client = _created(session, service, config=config.merge(Config(proxies={})), **arguments)
    return limit_answers(client, url, repeats=repeats)


def _limits(*, signed: bool) -> Config:
    from botocore import UNSIGNED
    from botocore.config import Config

    return Config(
        signature_version=None if signed else UNSIGNED,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_pool_connections=_CONNECTIONS,
        # Cognito throttles with HTTP 400, which botocore's legacy mode never retries.
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra=f"lib/botocore-cognito-federation#{__version__}",
    )


def _unsafe_endpoint(session: Session, service: str, flaw: UnsafeURLError) -> ConfigurationError:
    from .._util.urls import configured_endpoint, unsafe_endpoint

    found = configured_endpoint(session.full_config, session.get_scoped_config(), os.environ, service=service)
    return unsafe_endpoint(service, found.origin if found else f"The endpoint of {service}", flaw)


def _created(session: Session, service: str, **arguments: Any) -> Any:
    from botocore.exceptions import BotoCoreError, DataNotFoundError

    from .._util.installation import explanation

    try:
        return _nested_client(session, service, **arguments)
    except DataNotFoundError as error:
        explained = explanation(error)
        what, remedy = explained or (f"botocore has no data of {service}", "Install botocore again")
        raise ConfigurationError(what, remedy=remedy) from None
    except BotoCoreError as error:
        # For example because the profile's sso_session is missing; the text quotes only names.
        raise ConfigurationError(f"botocore cannot make a client for {service}: {error}") from None
    except ValueError:
        raise ConfigurationError(
            f"botocore cannot make a client for {service}: the endpoint configured for it is not a URL",
            remedy="Correct AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> or endpoint_url",
        ) from None


def _nested_client(session: Session, service: str, **arguments: Any) -> Any:
    try:
        from botocore.utils import create_nested_client  # type: ignore[attr-defined,unused-ignore]  # botocore 1.39.8
    except ImportError:
        return session.create_client(service, **arguments)
    return create_nested_client(session, service, **arguments)


#: Where botocore has the models that it ships.
_ITS_OWN = Loader.BUILTIN_DATA_PATH


def session_of_shared_models() -> Session:
    """A botocore session that takes the models botocore ships from those that were read already in this process."""
    from botocore.session import Session

    session = Session()
    session.get_component("data_loader").file_loader = _Shared()
    return session


class _Shared(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        return _read(file_path) if file_path.startswith(_ITS_OWN) else super().load_file(file_path)


@lru_cache(maxsize=256)
def _read(file_path: str) -> Any:
    return JSONFileLoader().load_file(file_path)


def _signs_in(settings: Settings) -> bool:
    """Whether login tokens come of a sign-in with ``cognito_client_id``, and not from a workload or a developer."""
    workload = (settings.token_file, settings.token_env, settings.token_url, settings.token_source)
    others = (settings.token_command, settings.refresh_handler, settings.developer_user)
    return settings.client_id is not None and not any((*workload, *others))
