"""The tokens an identity pool itself issues (GetOpenIdToken and GetOpenIdTokenForDeveloperIdentity): RS512 JWTs,
created and verified."""

from __future__ import annotations

import secrets
from typing import Any

from . import refusals
from .clock import WorldClock
from .identities import Identity
from .jwt_parsing import NotAJwt, ParsedJwt, number_claim, parse_jwt
from .moto_account import MotoAccount
from .signing import SigningKey

BASIC_TOKEN_SECONDS = 600


class PoolTokens:
    """Issues and verifies identity-pool tokens under one key of the world."""

    def __init__(self, key: SigningKey, clock: WorldClock, account: MotoAccount) -> None:
        self._key = key
        self._clock = clock
        self._account_id = account.account_id
        self.partition = account.partition

    def issue(self, identity: Identity, amr: list[str], lifetime: float = BASIC_TOKEN_SECONDS) -> str:
        """Return a token for this identity: aud is the pool, sub the identity, amr the kind of sign-in."""
        now = int(self._clock.now())
        region = identity.pool_id.partition(":")[0]
        claims: dict[str, Any] = {
            "iss": self.partition.issuer,
            "sub": identity.identity_id,
            "aud": identity.pool_id,
            "amr": amr,
            "iat": now,
            "exp": now + int(lifetime),
            "jti": secrets.token_hex(8),
            f"{self.partition.issuer}/identity-pool-arn": self.partition.arn(
                f"cognito-identity:{region}:{self._account_id}:identitypool/{identity.pool_id}"
            ),
        }
        return self._key.sign(claims, algorithm="RS512")

    def is_one(self, token: str) -> bool:
        """Return whether this looks like a pool's token (without its signature)."""
        try:
            return parse_jwt(token).claims.get("iss") == self.partition.issuer
        except NotAJwt:
            return False

    def holds(self, parsed: ParsedJwt) -> bool:
        """Return whether this world signed it, with the algorithm of identity pools."""
        return parsed.header.get("alg") == "RS512" and parsed.signature_holds(self._key.private.public_key())

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token sent as the login of the pool's own name (`Partition.pool_name`).

        Raises:
            Refusal: the token is not an identity pool's, not this world's, or it has expired.
        """
        try:
            parsed = parse_jwt(token)
        except NotAJwt:
            raise refusals.not_a_cognito_token() from None
        if parsed.claims.get("iss") != self.partition.issuer:
            raise refusals.not_a_cognito_token()
        if not self.holds(parsed):
            raise refusals.unverifiable_token()
        now, expires_at = self._clock.now(), number_claim(parsed.claims, "exp")
        if expires_at is None or now >= expires_at:
            raise refusals.token_expired(now, expires_at or 0)
        return parsed.claims
