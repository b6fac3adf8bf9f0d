"""Roles from STS: the role of a token, the pool's own or the provider's, and a further role, for credentials."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._util.concurrency import Clock
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, SettingNames
from ..messages import printable
from .aws import Answer, call
from .errors import CallContext

if TYPE_CHECKING:
    from ..config.settings import Settings
    from .client import Clients

_NEEDS = (
    "Credentials.AccessKeyId",
    "Credentials.SecretAccessKey",
    "Credentials.SessionToken",
    "Credentials.Expiration",
)
#: Longest WebIdentityToken that STS takes; a token that fits a Logins value may be too long here.
_MOST_WEB_IDENTITY = 20_000
#: Characters of a user's name as STS answers it (SubjectFromWebIdentityToken).
_LONGEST_SUBJECT = 255


def assume_role_with_web_identity(
    token: str,
    *,
    provider_id: str | None,
    settings: Settings,
    clients: Clients,
    facts: CallContext,
    clock: Clock,
) -> Answer:
    """Return the session of ``cognito_role_arn`` for a token (STS AssumeRoleWithWebIdentity).

    Args:
        token: the identity pool's own token (GetOpenIdToken), or without a pool the login token.
        provider_id: the provider of an OAuth 2.0 access token; None for tokens that name their issuer.

    Raises:
        FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
    """
    if len(token) > _MOST_WEB_IDENTITY:
        raise _too_long(len(token), settings)
    arguments: dict[str, Any] = {
        "RoleArn": settings.role_arn,
        "RoleSessionName": session_name(settings, facts),
        "WebIdentityToken": token,
    }
    if settings.duration_seconds is not None:
        arguments["DurationSeconds"] = settings.duration_seconds
    if provider_id is not None:
        arguments["ProviderId"] = provider_id
    operation = clients.unsigned_sts().assume_role_with_web_identity
    return call(operation, arguments=arguments, needs=_NEEDS, facts=lambda: facts, clock=clock)


def _too_long(characters: int, settings: Settings) -> ConfigurationError:
    whose = "login token" if settings.identity_pool_id is None else "identity pool's token"
    pool = "" if settings.identity_pool_id else f" and {SettingNames.of(settings):identity_pool_id}"
    return ConfigurationError(
        f"The {whose} has {characters:,} characters, STS takes {_MOST_WEB_IDENTITY:,}",
        remedy=f"Set {SettingNames.of(settings):flow} = enhanced{pool}",
    )


def subject_in(answer: Answer, facts: CallContext) -> str:
    """Return the user whom STS found in a login token, in characters that may be shown."""
    named = answer.body.get("SubjectFromWebIdentityToken") or facts.claims.get("sub")
    return printable(named, _LONGEST_SUBJECT) or "unknown"


def assume_role(
    credentials: FederatedCredentials, *, settings: Settings, clients: Clients, facts: CallContext, clock: Clock
) -> FederatedCredentials:
    """Assume ``cognito_assume_role_arn`` with the pool's credentials (STS AssumeRole, role chaining).

    Raises:
        FederationRefusedError, TemporaryError, ConfigurationError: see `aws.call`.
    """
    client = clients.sts(access_key=credentials.access_key, secret_key=credentials.secret_key, token=credentials.token)
    given = frozenset(name for name in _OPTIONS if getattr(settings, name))
    answer = call(
        client.assume_role,
        arguments=_further_arguments(settings, facts),
        needs=_NEEDS,
        facts=lambda: replace(facts, role_arn=settings.assume_role_arn or "", further_role=given | {"assume_role_arn"}),
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


#: Option of the further role -> member of AssumeRole's input; tags and policy ARNs have shapes of their own.
_OPTIONS = {
    "assume_role_duration_seconds": "DurationSeconds",
    "assume_role_external_id": "ExternalId",
    "assume_role_policy": "Policy",
    "assume_role_policy_arns": "PolicyArns",
    "assume_role_tags": "Tags",
    "assume_role_source_identity": "SourceIdentity",
}


def _further_arguments(settings: Settings, facts: CallContext) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "RoleArn": settings.assume_role_arn,
        "RoleSessionName": settings.assume_role_session_name or session_name(settings, facts),
    }
    for name, member in _OPTIONS.items():
        value = getattr(settings, name)
        if member == "PolicyArns":
            value = [{"arn": arn} for arn in value]
        elif member == "Tags":
            value = [{"Key": key, "Value": text} for key, text in value]
        if value:
            arguments[member] = value
    return arguments


def session_name(settings: Settings, facts: CallContext) -> str:
    """Return the RoleSessionName: the configured one, or else the user, in the characters that STS allows."""
    if settings.role_session_name:
        return settings.role_session_name
    claims = facts.claims
    user = next((str(claims[name]) for name in ("email", "preferred_username", "sub") if claims.get(name)), "")
    name = re.sub(r"[^A-Za-z0-9_+=,.@-]+", "-", user).strip("-")[:64]
    return name if len(name) >= 2 else "cognito-federation"
