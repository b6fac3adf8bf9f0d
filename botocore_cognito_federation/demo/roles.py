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
    if authenticated and pool.token_roles and verified:
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
