"""RSA signing keys and the tokens made with them, good ones and deliberately bad ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from .. import ConfigurationError

Flaw = Literal[
    "expired",
    "not-yet-valid",
    "wrong-audience",
    "wrong-issuer",
    "no-audience",
    "no-subject",
    "other-key",
    "unknown-kid",
    "tampered",
    "alg-none",
    "hs256",
]
FLAWS: tuple[str, ...] = get_args(Flaw)


@dataclass(frozen=True)
class SigningKey:
    """An RSA key with its key ID; a repr never shows the private half."""

    kid: str
    private: RSAPrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(secrets.token_hex(8), generate_private_key(public_exponent=65537, key_size=2048))

    def jwk(self, algorithm: str = "RS256") -> dict[str, Any]:
        """Return the public half as a JWKS entry (RFC 7517)."""
        entry: dict[str, Any] = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": "RSA", "n": entry["n"], "e": entry["e"], "kid": self.kid, "use": "sig", "alg": algorithm}

    def sign(self, claims: Mapping[str, Any], *, algorithm: str = "RS256", kid: str | None = None) -> str:
        return jwt.encode(dict(claims), self.private, algorithm, headers={"kid": kid or self.kid})

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _segment(value: object) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def sign_with_flaw(key: SigningKey, claims: Mapping[str, Any], flaw: Flaw | None, algorithm: str = "RS256") -> str:
    """Return a token with these claims and, on request, one defect.

    Raises:
        ConfigurationError: `flaw` is not one of `FLAWS`.
    """
    if flaw is not None and flaw not in FLAWS:
        raise ConfigurationError(f"there is no flaw with the name {flaw!r}", remedy=f"One of: {', '.join(FLAWS)}")
    damaged = _with_claim_flaw(dict(claims), flaw)
    if flaw == "other-key":
        return SigningKey.generate().sign(damaged, algorithm=algorithm, kid=key.kid)
    if flaw == "unknown-kid":
        return SigningKey.generate().sign(damaged, algorithm=algorithm)
    if flaw == "alg-none":
        return f"{_segment({'alg': 'none', 'typ': 'JWT', 'kid': key.kid})}.{_segment(damaged)}."
    if flaw == "hs256":
        return _keyed_with_the_public_key(key, damaged)
    token = key.sign(damaged, algorithm=algorithm)
    return _with_another_subject(token, damaged) if flaw == "tampered" else token


def _with_claim_flaw(claims: dict[str, Any], flaw: Flaw | None) -> dict[str, Any]:
    issued, expires = claims.get("iat", 0), claims.get("exp", 0)
    if flaw == "expired":
        claims.update(iat=issued - 7200, exp=issued - 3600)
    elif flaw == "not-yet-valid":
        claims.update(nbf=issued + 3600, exp=expires + 3600)
    elif flaw == "wrong-audience":
        claims["aud"] = "somebody-elses-client"
    elif flaw == "wrong-issuer":
        claims["iss"] = "https://issuer.invalid"
    elif flaw == "no-audience":
        claims.pop("aud", None)
    elif flaw == "no-subject":
        claims.pop("sub", None)
    return claims


def _keyed_with_the_public_key(key: SigningKey, claims: dict[str, Any]) -> str:
    """Return a token with the attack of RFC 8725 section 2.1: HMAC with the public key, for verifiers that trust
    ``alg``."""
    signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT', 'kid': key.kid})}.{_segment(claims)}"
    return f"{signed}.{base64url(hmac.new(key.public_pem(), signed.encode(), hashlib.sha256).digest())}"


def _with_another_subject(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_segment({**claims, 'sub': 'mallory'})}.{signature}"
