"""Strict parsing of a JWT, before anything in it is trusted (RFC 7515 section 3.1, RFC 8725)."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey
_RSA = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
}
_ELLIPTIC = {
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "ES384": ECAlgorithm(ECAlgorithm.SHA384),
    "ES512": ECAlgorithm(ECAlgorithm.SHA512),
}


class NotAJwt(ValueError):
    """The text does not consist of three canonical base64url segments with JSON objects in the first two."""


@dataclass(frozen=True)
class ParsedJwt:
    """A well-formed token; nothing in it is verified yet."""

    header: dict[str, Any] = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        return str(self.header.get("kid", ""))

    @property
    def is_rsa(self) -> bool:
        """Whether it says that it is signed with RSASSA-PKCS1-v1_5, the only kind that identity pools take."""
        return str(self.header.get("alg")) in _RSA

    def signature_holds(self, key: PublicKey) -> bool:
        """Return whether `key` made the signature with RSASSA-PKCS1-v1_5 or ECDSA; any other algorithm is invalid."""
        algorithm = self.header.get("alg")
        if not isinstance(algorithm, str) or "crit" in self.header:
            return False  # RFC 7515 section 4.1.11: extensions that are not understood make it invalid
        if isinstance(key, RSAPublicKey):
            return algorithm in _RSA and bool(_RSA[algorithm].verify(self.signed, key, self.signature))
        return algorithm in _ELLIPTIC and bool(_ELLIPTIC[algorithm].verify(self.signed, key, self.signature))


def parse_jwt(token: str) -> ParsedJwt:
    """Parse a compact JWT.

    Each segment must be the one canonical base64url spelling of its bytes: otherwise the unused bits of a
    signature's last character would let a changed token pass as the same one.

    Raises:
        NotAJwt: the form is wrong in any way.
    """
    segments = token.split(".")
    if len(segments) != 3:
        raise NotAJwt("not three segments")
    header, claims, signature = (_decoded(segment) for segment in segments)
    return ParsedJwt(_object(header), _object(claims), token.rpartition(".")[0].encode("ascii"), signature)


def number_claim(claims: dict[str, Any], name: str) -> float | None:
    """Return a NumericDate claim (RFC 7519 section 2) in seconds; None if it is absent or not a finite number."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def audiences(claims: dict[str, Any]) -> list[str]:
    """Return the ``aud`` claim as a list; empty if it is absent or holds no string."""
    value = claims.get("aud")
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, str) and entry]


def _decoded(segment: str) -> bytes:
    try:
        data = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NotAJwt("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != segment:
        raise NotAJwt("not canonical base64url")
    return data


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise NotAJwt("not JSON") from None
    if not isinstance(value, dict):
        raise NotAJwt("not a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
