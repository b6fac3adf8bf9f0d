"""The configuration of an identity pool, and the pools of a world."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass

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
