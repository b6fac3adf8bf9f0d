"""Which sign-in is the current one of an application, and what is known of it beside its token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..cache.base import SESSIONS, Store, key_of
from ..identity_providers import IdentityProvider
from .arguments import resolved_provider

if TYPE_CHECKING:
    from ..config.settings import Settings

_SCOPE = re.compile(r"session application [0-9a-f]{32}")


@dataclass(frozen=True)
class Record:
    """One sign-in of an application.

    Attributes:
        sign_in_id: random, new at each sign-in.
        provider: the provider as the application named it, ``user-pool`` and the key of a pool included.
        user: what the application said about the user, or the claims that name one.
        identity_id: the identity so far; None before the first exchange.
        fixed_identity_id: the identity the application gave; None where Cognito is asked (GetId).
        by_user_pool: whether the federation signed in to its user pool itself.
        username: the user's name in that pool.
    """

    sign_in_id: str
    provider: str
    user: Mapping[str, Any] = field(default_factory=dict, repr=False)
    identity_id: str | None = None
    fixed_identity_id: str | None = None
    by_user_pool: bool = False
    username: str = ""

    @property
    def identity_provider(self) -> IdentityProvider:
        """The provider whose login the token is.

        Raises:
            ConfigurationError: the record names none that can be.
        """
        if self.by_user_pool:
            # The key is the token's iss, so that it holds in every partition and on emulators.
            return IdentityProvider("user-pool", "oidc", self.provider)
        return resolved_provider(self.provider)

    @property
    def is_developer(self) -> bool:
        """Whether the token is the pool's own (GetOpenIdTokenForDeveloperIdentity)."""
        return self.identity_provider.kind == "developer"

    @property
    def scope_name(self) -> str:
        """The name under which this sign-in is kept, and forgotten by its sign-out."""
        return f"application {self.sign_in_id}"


def is_of_one_sign_in(scope: str) -> bool:
    """Whether a scope is that of an application's sign-in, which never comes again."""
    return _SCOPE.fullmatch(scope) is not None


class Records:
    """The current sign-in of one pool, in a store."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._key = key_of(
            {"what": "application", "pool": settings.identity_pool_id, "endpoint": settings.endpoint_url}
        )

    def read(self) -> Record | None:
        """The current sign-in; None where nobody is signed in, or the document is damaged (damage is a miss)."""
        document = self._store.read(SESSIONS, self._key) or {}
        sign_in_id, provider, user = (document.get(name) for name in ("sign_in_id", "provider", "user"))
        if not isinstance(sign_in_id, str) or not isinstance(provider, str) or not isinstance(user, dict):
            return None
        return Record(
            sign_in_id=sign_in_id,
            provider=provider,
            user=user,
            identity_id=_text(document.get("identity_id")),
            fixed_identity_id=_text(document.get("fixed_identity_id")),
            by_user_pool=document.get("by_user_pool") is True,
            username=_text(document.get("username")) or "",
        )

    def write(self, record: Record) -> None:
        """Make a sign-in the current one.

        Raises:
            StorageError: it could not be kept.
        """
        self._store.write(
            SESSIONS,
            self._key,
            {
                "application": True,
                "sign_in_id": record.sign_in_id,
                "provider": record.provider,
                "user": dict(record.user),
                "identity_id": record.identity_id,
                "fixed_identity_id": record.fixed_identity_id,
                "by_user_pool": record.by_user_pool,
                "username": record.username,
            },
        )

    def delete(self) -> None:
        """Nobody is signed in any more.

        Raises:
            StorageError: the document is there and could not be removed.
        """
        self._store.delete(SESSIONS, self._key)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
