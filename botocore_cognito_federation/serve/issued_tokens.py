"""Tokens that a service issues for AWS credentials: the password of a registry of ECR, and a token of CodeArtifact.

One call is made for each. The service decides how long the token is valid, which may be longer than the credentials.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config.registries import Registry
from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, TemporaryError
from ..identity_pool.aws import ask
from ..identity_pool.client import Clients
from ..identity_pool.failures import DENIED, UNKNOWN_KEYS, ErrorAnswer, missing_permission, not_the_service
from .signed_tokens import ServiceToken

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials

#: The user name of every password of ECR (ECR GetAuthorizationToken).
USER_OF_ECR = "AWS"


@dataclass(frozen=True, repr=False)
class Caller:
    """Who asks for a token.

    Attributes:
        credentials: sign the call.
        clients: makes the clients of the services.
        profile: its name, for messages.
    """

    credentials: FederatedCredentials
    clients: Clients
    profile: str


def caller_of(settings: Settings, credentials: FederatedCredentials) -> Caller:
    """Return who asks with the credentials of a configuration; endpoints and proxies are those of its profile."""
    from botocore.session import Session

    return Caller(
        credentials, Clients(settings, lambda: Session(profile=settings.profile)), settings.profile or "default"
    )


def ecr_token(caller: Caller, region: str, registry: Registry | None = None) -> ServiceToken:
    """Return the password for the registries of ECR in a region (ECR GetAuthorizationToken).

    Args:
        caller: who asks.
        region: of the registries.
        registry: the one that is meant. Only the public one makes a difference, which has an API of its own.

    Raises:
        FederationRefusedError, TemporaryError, ConfigurationError: the service gives none.
    """
    is_public = registry is not None and registry.is_public
    service = _Service("ecr-public" if is_public else "ecr", "Amazon ECR", region)
    client = service.client(caller)
    body = service.answer(caller, client.get_authorization_token, {})
    found = body.get("authorizationData")
    first = found[0] if isinstance(found, list) and found else found
    data = first if isinstance(first, Mapping) else {}
    try:
        decoded = base64.b64decode(data["authorizationToken"], validate=True).decode("ascii")
    except (KeyError, TypeError, ValueError):
        decoded = ""
    user, _, password = decoded.partition(":")
    if user != USER_OF_ECR:
        password = ""
    return service.token(client, password, data.get("expiresAt"))


def codeartifact_token(
    caller: Caller, region: str, domain: str, *, owner: str | None = None, seconds: int | None = None
) -> ServiceToken:
    """Return a token for the repositories of a domain of CodeArtifact (CodeArtifact GetAuthorizationToken).

    Args:
        caller: who asks.
        region: of the domain.
        domain: its name.
        owner: the account that owns it; None for that of the credentials.
        seconds: for which the token is valid; 0 for as long as the credentials, None for twelve hours.

    Raises:
        FederationRefusedError, TemporaryError, ConfigurationError: the service gives none.
    """
    service = _Service("codeartifact", "AWS CodeArtifact", region, f"domain {domain}{f' of {owner}' if owner else ''}")
    arguments = {"domain": domain, "domainOwner": owner, "durationSeconds": seconds}
    client = service.client(caller)
    given = {name: value for name, value in arguments.items() if value is not None}
    body = service.answer(caller, client.get_authorization_token, given)
    return service.token(client, body.get("authorizationToken"), body.get("expiration"))


@dataclass(frozen=True)
class _Service:
    """A service that issues tokens.

    Attributes:
        name: of the service in botocore, which is the prefix of its actions.
        title: its name in sentences.
        region: where it is asked.
        asked_for: what it may not know.
    """

    name: str
    title: str
    region: str
    asked_for: str = ""

    def client(self, caller: Caller) -> Any:
        return caller.clients.signing(self.name, self.region, caller.credentials)

    def answer(self, caller: Caller, operation: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the call and return its answer, whose members have the types of the service's model."""
        # A refused signature is answered with what should have been signed, the session token among it.
        secrets = (caller.credentials.token, caller.credentials.secret_key)
        answer = ask(operation, arguments, whom=self.title, secrets=secrets)
        if isinstance(answer, ErrorAnswer):
            raise self._refused(answer, caller)
        return answer.body

    def token(self, client: Any, value: object, expires: Any) -> ServiceToken:
        """Return the token in an answer."""
        if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()) or expires is None:
            raise not_the_service(self.title, str(client.meta.endpoint_url))
        return ServiceToken(value, expires.timestamp())

    def _refused(self, answer: ErrorAnswer, caller: Caller) -> CognitoFederationError:
        if answer.code in DENIED:
            return self._denied(answer, caller)
        if answer.code in UNKNOWN_KEYS:
            return ConfigurationError(
                f"{self.title} does not know the credentials of profile {caller.profile} in {self.region}",
                remedy="Name a region of their partition that is enabled in the account",
            )
        if answer.code == "ResourceNotFoundException" and self.asked_for:
            return ConfigurationError(
                f"{self.title} has no {self.asked_for} in {self.region}",
                remedy="Correct --domain, --domain-owner or --region",
            )
        if answer.is_throttling or answer.status >= 500:
            said = answer.code if answer.is_throttling else f"HTTP {answer.status}"
            return TemporaryError(f"{self.title} gives no token now ({said})", remedy="Try again")
        return FederationRefusedError(f"{self.title} refuses to give a token ({answer.code}: {answer.message})")

    def _denied(self, answer: ErrorAnswer, caller: Caller) -> CognitoFederationError:
        missing = missing_permission(answer.message, f"{self.name}:GetAuthorizationToken", policy="its policy")
        if "no session policy allows" in answer.message:
            return FederationRefusedError(
                f"The session policy of profile {caller.profile} does not allow {missing.action}",
                remedy="Add it to cognito_assume_role_policy, or to the session's managed policies"
                if caller.credentials.authenticated
                else "Guests of the enhanced flow cannot have it: sign in, or set cognito_flow = basic",
            )
        what = f"The role of profile {caller.profile} does not allow {missing.action}"
        return FederationRefusedError(what if missing.is_named else f"{what}: {answer.message}", remedy=missing.remedy)
