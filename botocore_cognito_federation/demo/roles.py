"""The choice of the role in the enhanced flow: CustomRoleArn, the token's own roles, or the pool's default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import refusals
from .pools import Pool
from .token_verification import VerifiedLogin


def choose_role(pool: Pool, verified: Sequence[VerifiedLogin], authenticated: bool, custom_role: str | None) -> str:
    """Return the role ARN, by the rules of "Using role-based access control" in the Cognito Developer Guide.

    Raises:
        Refusal: the custom role is not this login's, the choice is ambiguous and denied, or the pool has no role.
    """
    if custom_role is not None:
        allowed = set(pool.custom_roles).union(*(token_roles(one.claims) for one in verified))
        if not authenticated or custom_role not in allowed:
            raise refusals.custom_role_denied(custom_role)
        return custom_role
    if authenticated and verified and (rules := _rules(pool, verified[0].login.provider)) is not None:
        if (chosen := next(filter(None, (_ruled(rule, verified[0].claims) for rule in rules)), "")) != "":
            return chosen
        if pool.deny_ambiguous:
            raise refusals.ambiguous_role(verified[0].login.provider)
    elif authenticated and pool.token_roles and verified:
        mapped = _mapped_role(verified[0].claims)
        if mapped:
            return mapped
        if pool.deny_ambiguous:
            raise refusals.ambiguous_role(verified[0].login.provider)
    role = pool.authenticated_role if authenticated else pool.guest_role
    if not role:
        raise refusals.pool_configuration()
    return role


def token_roles(claims: dict[str, Any]) -> list[str]:
    """Return the ``cognito:roles`` claim as a list of ARNs."""
    roles = claims.get("cognito:roles", [])
    entries = roles if isinstance(roles, list) else [roles]
    return [entry for entry in entries if isinstance(entry, str)]


def _mapped_role(claims: dict[str, Any]) -> str:
    preferred = claims.get("cognito:preferred_role")
    if isinstance(preferred, str) and preferred:
        return preferred
    roles = token_roles(claims)
    return roles[0] if len(roles) == 1 else ""


def _rules(pool: Pool, provider: str) -> list[dict[str, Any]] | None:
    """Return the rules for the users of a provider; None if none choose their role."""
    for name, mapping in pool.role_mappings.items():
        own = name == provider or name.startswith(f"{provider}:") or name.endswith(f":oidc-provider/{provider}")
        if own and mapping.get("Type") == "Rules":
            return list(mapping["RulesConfiguration"]["Rules"])
    return None


def _ruled(rule: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return the role of a rule; empty if the token does not fulfil it (API reference, "MappingRule")."""
    claim, wanted = claims.get(rule["Claim"]), str(rule["Value"])
    if claim is None:
        return ""
    value = str(claim)
    fulfilled = {
        "Equals": value == wanted,
        "Contains": wanted in value,
        "StartsWith": value.startswith(wanted),
        "NotEqual": value != wanted,
    }
    return str(rule["RoleARN"]) if fulfilled[rule["MatchType"]] else ""
