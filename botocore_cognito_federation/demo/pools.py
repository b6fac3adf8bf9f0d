"""The configuration of an identity pool, and the pools of a world."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import refusals


@dataclass(frozen=True)
class Pool:
    """One identity pool.

    Attributes:
        allow_guests: AllowUnauthenticatedIdentities.
        allow_classic: AllowClassicFlow.
        authenticated_role, guest_role: role ARNs; empty if not set.
        custom_roles: role ARNs that a caller may name as CustomRoleArn, in addition to the token's ``cognito:roles``.
        token_roles: role mapping of type Token: ``cognito:preferred_role`` or the only one of ``cognito:roles``.
        deny_ambiguous: AmbiguousRoleResolution=Deny, for tokens that do not name one role.
        developer_provider: DeveloperProviderName; empty if there is none.
        described: the members with which an administrator made the pool; empty for one of the world's own, which trusts
            every provider of the world.
        principal_tags: the principal tag map of each provider.
        role_mappings: RoleMappings of SetIdentityPoolRoles.
    """

    pool_id: str
    allow_guests: bool = False
    allow_classic: bool = False
    authenticated_role: str = ""
    guest_role: str = ""
    custom_roles: frozenset[str] = frozenset()
    token_roles: bool = False
    deny_ambiguous: bool = False
    developer_provider: str = ""
    described: Mapping[str, Any] = field(default_factory=dict)
    principal_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    role_mappings: Mapping[str, Any] = field(default_factory=dict)

    def with_description(self, described: Mapping[str, Any]) -> Pool:
        """Return the pool as an administrator describes it."""
        return replace(
            self,
            described=dict(described),
            allow_guests=bool(described["AllowUnauthenticatedIdentities"]),
            # Left out it means yes: pools of the CLI and the SDKs take the classic flow (aws/aws-cli#7652).
            allow_classic=bool(described.get("AllowClassicFlow", True)),
            developer_provider=str(described.get("DeveloperProviderName", "")),
        )

    def with_roles(self, roles: Mapping[str, str], mappings: Mapping[str, Any]) -> Pool:
        """Return the pool with these roles and no others."""
        token = [one for one in mappings.values() if isinstance(one, dict) and one.get("Type") == "Token"]
        return replace(
            self,
            authenticated_role=roles.get("authenticated", ""),
            guest_role=roles.get("unauthenticated", ""),
            role_mappings=dict(mappings),
            token_roles=bool(token),
            deny_ambiguous=any(one.get("AmbiguousRoleResolution") == "Deny" for one in mappings.values()),
        )

    def with_tags(self, provider: str, mapped: Mapping[str, Any]) -> Pool:
        """Return the pool with this principal tag map for one provider."""
        return replace(self, principal_tags={**self.principal_tags, provider: mapped})

    def tags(self, provider: str) -> bool:
        """Return whether sessions of this provider's users are tagged."""
        mapped = self.principal_tags.get(provider, {})
        return bool(mapped.get("UseDefaults") or mapped.get("PrincipalTags"))


def new_pool_id(region: str) -> str:
    return f"{region}:{uuid.uuid4()}"


class Pools:
    """The pools by ID."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, Pool] = {}

    def add(self, pool: Pool) -> str:
        with self._lock:
            self._pools[pool.pool_id] = pool
        return pool.pool_id

    def replace(self, pool: Pool) -> Pool:
        self.add(pool)
        return pool

    def remove(self, pool_id: str) -> None:
        with self._lock:
            self._pools.pop(pool_id, None)

    def all(self) -> list[Pool]:
        with self._lock:
            return list(self._pools.values())

    def get(self, pool_id: str) -> Pool:
        """Return the pool with this ID.

        Raises:
            Refusal: ``IdentityPool '…' not found.``
        """
        with self._lock:
            pool = self._pools.get(pool_id)
        if pool is None:
            raise refusals.pool_not_found(pool_id)
        return pool
