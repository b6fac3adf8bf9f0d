"""The tokens of user pools: ID and access tokens signed with two keys, refresh tokens, and their revocation."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..clock import WorldClock
from ..jwt_parsing import NotAJwt, parse_jwt
from . import refusals
from .records import AppClient, User, UserPool

SCOPE = "aws.cognito.signin.user.admin"


@dataclass(frozen=True)
class SignedIn:
    """One sign-in: what its refresh token stands for."""

    pool_id: str
    client_id: str
    username: str
    sub: str
    auth_time: float
    expires_at: float
    origin_jti: str = field(default_factory=lambda: str(uuid.uuid4()))
    device_key: str = ""
    rotated_at: float | None = None


class TokenService:
    """Issues, verifies and revokes the tokens of every pool."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._refresh: dict[str, SignedIn] = {}
        self._revoked: set[str] = set()

    def sign_in(self, pool: UserPool, client: AppClient, user: User, device_key: str = "") -> dict[str, Any]:
        """Return the AuthenticationResult of a new sign-in."""
        now = self._clock.now()
        made = SignedIn(
            pool.pool_id, client.client_id, user.username, user.sub, now, now + client.refresh_seconds,
            device_key=device_key,
        )  # fmt: skip
        return {**self._issued(pool, client, user, made), "RefreshToken": self._store(made)}

    def refresh(self, pool: UserPool, client: AppClient, token: str, device_key: str) -> dict[str, Any]:
        """Return the AuthenticationResult of a refresh; with rotation it has a new refresh token.

        Raises:
            Refusal: the token is unknown, used, expired or revoked, another client's, or lacks its device.
        """
        known = self._refresh.get(token)
        now = self._clock.now()
        if known is None or known.pool_id != pool.pool_id or known.client_id != client.client_id:
            raise refusals.token_invalid("Refresh")
        user = pool.users.get(known.username)
        if user is None or user.sub != known.sub:
            raise refusals.token_invalid("Refresh")
        if known.origin_jti in self._revoked:
            raise refusals.token_revoked("Refresh")
        if now >= known.expires_at:
            raise refusals.token_expired("Refresh")
        if known.device_key != device_key or (device_key and device_key not in user.devices):
            raise refusals.token_invalid("Refresh")
        if known.rotated_at is not None and now >= known.rotated_at + client.grace_seconds:
            raise refusals.refresh_token_reused()
        if not user.enabled:
            raise refusals.disabled()
        result = self._issued(pool, client, user, known)
        if client.rotates:
            self._refresh[token] = replace(known, rotated_at=known.rotated_at or now)
            result["RefreshToken"] = self._store(replace(known, rotated_at=None))
        return result

    def username_of(self, token: str) -> str:
        """Return the user of a refresh token; empty if it is unknown."""
        known = self._refresh.get(token)
        return known.username if known is not None else ""

    def revoke(self, client: AppClient, token: str) -> None:
        """Revoke a sign-in by its refresh token; an unknown one is no error."""
        known = self._refresh.get(token)
        if known is not None and known.client_id == client.client_id:
            self._revoked.add(known.origin_jti)

    def revoke_user(self, pool: UserPool, user: User) -> None:
        """Revoke every sign-in of a user (GlobalSignOut)."""
        signed_in = (
            known for known in self._refresh.values() if (known.pool_id, known.sub) == (pool.pool_id, user.sub)
        )
        self._revoked.update(known.origin_jti for known in signed_in)

    def check_access_token(self, pools: Mapping[str, UserPool], token: str) -> tuple[UserPool, dict[str, Any]]:
        """Return the pool and the claims of an access token.

        Raises:
            Refusal: it is not one of a pool of this world, has expired, or was revoked.
        """
        try:
            parsed = parse_jwt(token)
        except NotAJwt:
            raise refusals.token_invalid("Access") from None
        pool = next((pool for pool in pools.values() if pool.issuer == parsed.claims.get("iss")), None)
        if pool is None or parsed.claims.get("token_use") != "access" or parsed.header.get("alg") != "RS256":
            raise refusals.token_invalid("Access")
        if not parsed.signature_holds(pool.keys.access.private.public_key()):
            raise refusals.token_invalid("Access")
        if self._clock.now() >= parsed.claims["exp"]:
            raise refusals.token_expired("Access")
        if parsed.claims["origin_jti"] in self._revoked:
            raise refusals.token_revoked("Access")
        if SCOPE not in str(parsed.claims.get("scope", "")).split():
            raise refusals.token_invalid("Access")
        return pool, parsed.claims

    def _store(self, sign_in: SignedIn) -> str:
        token = f"eyJjdHkiOiJKV1QifQ.{secrets.token_urlsafe(96)}"
        self._refresh[token] = sign_in
        return token

    def _issued(self, pool: UserPool, client: AppClient, user: User, sign_in: SignedIn) -> dict[str, Any]:
        now = int(self._clock.now())
        common: dict[str, Any] = {
            "sub": user.sub,
            "iss": pool.issuer,
            "origin_jti": sign_in.origin_jti,
            "event_id": str(uuid.uuid4()),
            "auth_time": int(sign_in.auth_time),
            "exp": now + client.token_seconds,
            "iat": now,
        }
        if user.groups:
            common["cognito:groups"] = list(user.groups)
        access = {
            **common,
            "client_id": client.client_id,
            "token_use": "access",
            "scope": SCOPE,
            "username": user.username,
            "jti": str(uuid.uuid4()),
        }
        if sign_in.device_key:
            access["device_key"] = sign_in.device_key
        identity: dict[str, Any] = {
            **common,
            **user.attributes,
            "aud": client.client_id,
            "token_use": "id",
            "cognito:username": user.username,
            "jti": str(uuid.uuid4()),
        }
        for name in ("email", "phone_number"):
            if name in user.attributes:
                identity[f"{name}_verified"] = name in user.verified
        return {
            "AccessToken": pool.keys.access.sign(access),
            "IdToken": pool.keys.identity.sign(identity),
            "ExpiresIn": client.token_seconds,
            "TokenType": "Bearer",
        }
