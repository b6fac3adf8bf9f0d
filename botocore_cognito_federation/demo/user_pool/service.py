"""The service of the user pools: the table of its operations, and the documents under each pool's issuer."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from typing import Any

from ... import ConfigurationError
from ..records import UserPoolFacts
from ..refusals import Refusal
from ..token_verification import login_key
from . import accounts, devices, passkeys, second_factors, self_service, shapes, sign_in
from .records import AppClient, PoolSettings, User
from .state import Directory, Members, Operation

#: Each operation and the function that carries it out. Another module adds its own here.
OPERATIONS: dict[str, Operation] = {
    **sign_in.OPERATIONS,
    **accounts.OPERATIONS,
    **second_factors.OPERATIONS,
    **devices.OPERATIONS,
    **passkeys.OPERATIONS,
    **self_service.OPERATIONS,
}
#: The flows of an app client that is given none.
ALL_FLOWS = ("USER_SRP_AUTH", "USER_PASSWORD_AUTH", "USER_AUTH", "CUSTOM_AUTH")
TARGET = "AWSCognitoIdentityProviderService."


class UserPoolService:
    """Carries out the operations of the user pools, one at a time."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    def call(self, operation: str, request: dict[str, Any]) -> Members:
        """Carry out one operation.

        Raises:
            Refusal: the service's error.
        """
        function = OPERATIONS.get(operation)
        if function is None:
            raise Refusal("UnknownOperationException", "")
        shapes.check(operation, request)
        with self.directory.lock:
            return function(self.directory, request)

    def add_pool(self, options: Mapping[str, Any]) -> UserPoolFacts:
        """Add a pool with one app client; see `driving.DrivenWorld.add_user_pool`.

        Raises:
            ConfigurationError: an option is unknown.
        """
        settings = {name: _frozen(value) for name, value in options.items()}
        secret = secrets.token_hex(26) if settings.pop("secret", False) else ""
        flows = frozenset(settings.pop("flows", ALL_FLOWS))
        of_client = {f.name for f in dataclasses.fields(AppClient)} & settings.keys()
        chosen = {name: settings.pop(name) for name in of_client}
        unknown = settings.keys() - {f.name for f in dataclasses.fields(PoolSettings)}
        if unknown:
            raise ConfigurationError(f"a user pool has no option {', '.join(sorted(unknown))}")
        pool = self.directory.add_pool(PoolSettings(**settings))
        client = AppClient(secrets.token_hex(13), flows, secret, **chosen)
        pool.clients[client.client_id] = client
        return UserPoolFacts(pool.pool_id, client.client_id, secret, pool.issuer, login_key(pool.issuer))

    def add_user(
        self, user_pool_id: str, username: str, password: str, temporary: bool, attributes: Mapping[str, str]
    ) -> str:
        """Add a confirmed user; see `driving.DrivenWorld.add_user`.

        Raises:
            ConfigurationError: there is no such pool, or the pool refuses the user.
        """
        directory = self.directory
        pool = directory.pools.get(user_pool_id)
        if pool is None:
            raise ConfigurationError(f"there is no user pool {user_pool_id}")
        try:
            user: User = accounts.new_user(directory, pool, username, dict(attributes))
        except Refusal as refusal:
            raise ConfigurationError(refusal.message) from None
        user.verified = {"email", "phone_number"} & attributes.keys() | {*pool.settings.username_attributes}
        user.status = "FORCE_CHANGE_PASSWORD" if temporary else "CONFIRMED"
        if password:
            pool.set_password(user, password)
        if temporary:
            user.password_expires_at = directory.clock.now() + 7 * 86400
        with directory.lock:
            pool.users[user.username] = user
        return user.sub

    def document(self, path: str) -> dict[str, Any] | None:
        """Return what a pool publishes at a path: its keys or its discovery document; None if it is neither."""
        pool_id, _, name = path.strip("/").partition("/")
        pool = self.directory.pools.get(pool_id)
        if pool is None or name not in (".well-known/jwks.json", ".well-known/openid-configuration"):
            return None
        if name.endswith("jwks.json"):
            return {"keys": [pool.keys.identity.jwk(), pool.keys.access.jwk()]}
        return {
            "issuer": pool.issuer,
            "jwks_uri": f"{pool.issuer}/.well-known/jwks.json",
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


def _frozen(value: Any) -> Any:
    """Return a list as a tuple: settings also come as JSON."""
    return tuple(value) if isinstance(value, list) else value
