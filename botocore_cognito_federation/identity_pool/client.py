"""Token -> identity ID -> credentials: the operations of a Cognito identity pool.

This module knows how to turn a login token into credentials. It knows nothing of caches, locks or where tokens come
from. Credentials come by the enhanced flow (GetId, GetCredentialsForIdentity) or the basic one (GetId,
GetOpenIdToken, AssumeRoleWithWebIdentity); a further role may be assumed with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, TokenRefreshError
from ..login_token import LoginToken
from ..messages import SettingNames, of_an_application
from .aws import Answer, Clock, call
from .errors import SKEW_WORTH_A_WORD, CallContext

if TYPE_CHECKING:
    from ..config.settings import Settings
    from .aws import Clients

#: What mends a useless login token where an application signs its users in itself.
NEW_TOKEN_OF_AN_APPLICATION = "Sign in again with a new login token"


@dataclass(frozen=True)
class LinkedLogin:
    """A login that was linked to another.

    Attributes:
        key: the provider name Cognito knows.
        subject: whose login it is, as `LoginToken.subject` says it.
        token: the login token; None while there is none to send.
    """

    key: str
    subject: str
    token: LoginToken | None = None


@dataclass(frozen=True)
class Login:
    """Whoever is signed in: an entry of a Logins map, and those that were linked to it.

    Attributes:
        key: the provider name Cognito knows, such as ``accounts.google.com``.
        token: the login token.
        linked: further logins of the same identity.
    """

    key: str
    token: LoginToken
    linked: tuple[LinkedLogin, ...] = ()

    @classmethod
    def of(cls, token: LoginToken, settings: Settings) -> Login:
        """The login a token makes under a configuration.

        Raises:
            TokenRefreshError: the token is not a JWT where the provider needs one, or its key cannot be known.
        """
        provider = settings.provider
        if (provider is None or provider.token_kind == "id_token") and not token.claims:
            raise TokenRefreshError(
                "The login token is not a JWT, which identity pools take from OpenID Connect providers",
                remedy="Send the provider's ID token; for Facebook or Amazon access tokens set"
                f" {SettingNames.of(settings):provider}",
            )
        key = provider.login_key if provider is not None else None
        if key is None:
            # Nobody configured a provider, or it is a developer token, whose key differs by partition.
            if token.issuer is None:
                raise TokenRefreshError("The login token has no iss claim", remedy="Set cognito_login_key")
            from ..identity_providers import MAXIMUM_LOGIN_KEY, derive_login_key

            key = derive_login_key(token.issuer)
            if len(key) > MAXIMUM_LOGIN_KEY:
                raise TokenRefreshError(
                    f"The login token's issuer makes a Logins key of {len(key):,} characters; Cognito takes"
                    f" {MAXIMUM_LOGIN_KEY}",
                    remedy="Set cognito_login_key to the name that the identity pool has for the provider",
                )
        return cls(key, token)


def fixed_identity(settings: Settings, login: Login | None) -> str | None:
    """The identity ID that the configuration or the login names; None where GetId is to say it.

    Raises:
        ConfigurationError: a developer's login names none; GetId knows nothing of those.
    """
    fixed = settings.identity_id or (login.token.identity_id if login else None)
    if fixed is None and login is not None and settings.provider is not None and settings.provider.name == "developer":
        raise ConfigurationError(
            "The developer login came without an identity ID",
            remedy=f"Let its source return identity_id with the token, or set {SettingNames.of(settings):identity_id}",
        )
    return fixed


@dataclass(frozen=True)
class Exchanged:
    """What an exchange gave.

    Attributes:
        credentials: the credentials, with the identity ID the service answered (which may differ from the one asked
            for: Cognito merges identities, and the answer then counts).
        clock_ahead: seconds this machine's clock is ahead of AWS's, where that is worth a word.
    """

    credentials: FederatedCredentials
    clock_ahead: float | None


@dataclass(frozen=True, repr=False)
class IdentityPool:
    """The identity pool of one configuration.

    Args:
        settings: the configuration.
        clients: makes the clients of AWS.
        clock: the clock.
        new_token: what a person does when the login token is good for nothing.
    """

    settings: Settings
    clients: Clients
    clock: Clock
    new_token: str = NEW_TOKEN_OF_AN_APPLICATION

    def get_id(self, login: Login | None) -> str:
        """The identity ID of a login (GetId); a new guest identity when there is none.

        Raises:
            FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
        """
        arguments: dict[str, Any] = {"IdentityPoolId": self.settings.identity_pool_id, **_logins(login)}
        if self.settings.account_id:
            arguments["AccountId"] = self.settings.account_id
        answer = self._call(self.clients.cognito_identity().get_id, arguments, ("IdentityId",), login, "")
        return str(answer.body["IdentityId"])

    def exchange(self, identity_id: str, login: Login | None) -> Exchanged:
        """Credentials for an identity, by the configured flow and with the configured roles.

        Raises:
            FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
        """
        if self.settings.flow == "basic":
            exchanged = self._basic(identity_id, login)
        else:
            exchanged = self._enhanced(identity_id, login)
        if self.settings.assume_role_arn is None:
            return exchanged
        further = assume_role(
            exchanged.credentials,
            settings=self.settings,
            clients=self.clients,
            facts=self._facts(login, identity_id),
            clock=self.clock,
        )
        return replace(exchanged, credentials=further)

    def unlink(self, identity_id: str, login: Login, key: str) -> None:
        """Take the login under `key` off an identity (UnlinkIdentity).

        Raises:
            FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
        """
        arguments = {"IdentityId": identity_id, "LoginsToRemove": [key], **_logins(login)}
        self._call(self.clients.cognito_identity().unlink_identity, arguments, (), login, identity_id)

    def _enhanced(self, identity_id: str, login: Login | None) -> Exchanged:
        arguments: dict[str, Any] = {"IdentityId": identity_id, **_logins(login)}
        if self.settings.role_arn:
            arguments["CustomRoleArn"] = self.settings.role_arn
        needs = (
            "IdentityId",
            "Credentials.AccessKeyId",
            "Credentials.SecretKey",
            "Credentials.SessionToken",
            "Credentials.Expiration",
        )
        operation = self.clients.cognito_identity().get_credentials_for_identity
        answer = self._call(operation, arguments, needs, login, identity_id)
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
        return Exchanged(credentials, self._clock_ahead(answer, login))

    def _basic(self, identity_id: str, login: Login | None) -> Exchanged:
        token, adopted = self._open_id_token(identity_id, login)
        facts = self._facts(login, adopted)
        vended, server_time = assume_role_with_web_identity(
            token, settings=self.settings, clients=self.clients, facts=facts, clock=self.clock
        )
        credentials = FederatedCredentials(
            access_key=vended["AccessKeyId"],
            secret_key=vended["SecretAccessKey"],
            token=vended["SessionToken"],
            expires_at=vended["Expiration"].timestamp(),
            issued_at=self.clock.now(),
            identity_id=adopted,
            account_id=self.settings.account_id,
            authenticated=login is not None,
        )
        return Exchanged(credentials, self._clock_ahead(Answer({}, server_time), login))

    def _open_id_token(self, identity_id: str, login: Login | None) -> tuple[str, str]:
        """The identity pool's own token for an identity, and the identity ID it belongs to."""
        if login is not None and login.token.identity_id and login.token.subject == f"sub {login.token.identity_id}":
            # A developer token is the pool's own token already (GetOpenIdTokenForDeveloperIdentity).
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
        facts = self._facts(login, identity_id)
        return call(operation, arguments=arguments, needs=needs, facts=facts, clock=self.clock)

    def _facts(self, login: Login | None, identity_id: str) -> CallContext:
        return CallContext(
            pool=self.settings.identity_pool_id,
            profile="" if of_an_application(self.settings) else self.settings.profile or "default",
            new_token=self.new_token,
            login_key=login.key if login else "",
            claims=login.token.claims if login else {},
            identity_id=identity_id,
            role_arn=self.settings.role_arn or "",
            now=self.clock.now(),
        )

    def _clock_ahead(self, answer: Answer, login: Login | None) -> float | None:
        return clock_skew(replace(self._facts(login, ""), server_time=answer.server_time))


def _logins(login: Login | None) -> dict[str, Any]:
    if login is None:
        return {}
    linked = {other.key: other.token.value for other in login.linked if other.token is not None}
    return {"Logins": {**linked, login.key: login.token.value}}


_NEEDS = (
    "Credentials.AccessKeyId",
    "Credentials.SecretAccessKey",
    "Credentials.SessionToken",
    "Credentials.Expiration",
)
#: Longest WebIdentityToken STS takes; a token that fits a Logins value may be too long here.
_MOST_WEB_IDENTITY = 20_000


def assume_role_with_web_identity(
    token: str, *, settings: Settings, clients: Clients, facts: CallContext, clock: Clock
) -> tuple[Mapping[str, Any], float | None]:
    """The credentials of the basic flow's role (STS AssumeRoleWithWebIdentity), and the answer's ``Date``.

    Args:
        token: the identity pool's own token (GetOpenIdToken).

    Raises:
        FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
    """
    if len(token) > _MOST_WEB_IDENTITY:
        raise ConfigurationError(
            f"The identity pool's token has {len(token):,} characters, STS takes {_MOST_WEB_IDENTITY:,}",
            remedy="Set cognito_flow = enhanced",
        )
    arguments: dict[str, Any] = {
        "RoleArn": settings.role_arn,
        "RoleSessionName": session_name(settings, facts),
        "WebIdentityToken": token,
    }
    if settings.duration_seconds is not None:
        arguments["DurationSeconds"] = settings.duration_seconds
    operation = clients.unsigned_sts().assume_role_with_web_identity
    answer = call(operation, arguments=arguments, needs=_NEEDS, facts=facts, clock=clock)
    return answer.body["Credentials"], answer.server_time


def assume_role(
    credentials: FederatedCredentials, *, settings: Settings, clients: Clients, facts: CallContext, clock: Clock
) -> FederatedCredentials:
    """The credentials of ``cognito_assume_role_arn``, assumed with the pool's (STS AssumeRole; one hour at most).

    Raises:
        FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
    """
    client = clients.sts(access_key=credentials.access_key, secret_key=credentials.secret_key, token=credentials.token)
    arguments = {"RoleArn": settings.assume_role_arn, "RoleSessionName": session_name(settings, facts)}
    answer = call(
        client.assume_role,
        arguments=arguments,
        needs=_NEEDS,
        facts=replace(facts, role_arn=settings.assume_role_arn or ""),
        clock=clock,
    )
    vended = answer.body["Credentials"]
    return replace(
        credentials,
        access_key=vended["AccessKeyId"],
        secret_key=vended["SecretAccessKey"],
        token=vended["SessionToken"],
        expires_at=vended["Expiration"].timestamp(),
    )


def session_name(settings: Settings, facts: CallContext) -> str:
    """The RoleSessionName: the configured one, else who signed in, made of the characters STS takes."""
    if settings.role_session_name:
        return settings.role_session_name
    claims = facts.claims
    who = next((str(claims[name]) for name in ("email", "preferred_username", "sub") if claims.get(name)), "")
    name = re.sub(r"[^A-Za-z0-9_+=,.@-]+", "-", who).strip("-")[:64]
    return name if len(name) >= 2 else "cognito-federation"


def clock_skew(facts: CallContext) -> float | None:
    """How many seconds this machine's clock is ahead of AWS's (negative: behind), where that is worth a word."""
    if facts.server_time is None:
        return None
    ahead = facts.now - facts.server_time
    return ahead if abs(ahead) >= SKEW_WORTH_A_WORD else None
