"""The keys a provider publishes (RFC 7517), each member typed before anything uses it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from ..messages import printable

#: RFC 7518, section 3.3: 2048 bits or more. The upper limit keeps a hostile key from costing minutes.
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 16_384

#: Members that make a key, by its type; no other member is handed on.
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
#: RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1, and RFC 8037.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
#: Padding is not allowed here (RFC 7518, section 2), but some providers write it.
_NUMBER = re.compile(r"[A-Za-z0-9_-]+={0,2}")


@dataclass(frozen=True)
class Candidates:
    """The keys with which a token may be signed.

    Attributes:
        keys: none, where the provider publishes no such key.
        passed_over: why a key that would match was not taken; empty where none was.
    """

    keys: tuple[jwt.PyJWK, ...] = ()
    passed_over: str = ""


def matching_keys(jwks: Mapping[str, Any], key_id: str | None, algorithm: str) -> Candidates:
    """Find the keys with which a token of this header may be signed.

    Keys of another use, type, algorithm or shape are passed over, as RFC 7517, section 5, asks. So is one that proves
    nothing: a short one, or one that is published with its private part.

    Args:
        jwks: the provider's document.
        key_id: the token's ``kid``; None where it has none.
        algorithm: the token's ``alg``.
    """
    entries = jwks.get("keys")
    found: list[jwt.PyJWK] = []
    passed_over = ""
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not _is_for(entry, key_id, algorithm):
            continue
        flaw = _flaw(entry)
        key = None if flaw else _public_key(entry, algorithm)
        if key is not None:
            found.append(key)
        elif flaw:
            named = printable(entry.get("kid"), 60) or "without an ID"
            passed_over = f"The provider's signing key {named} {flaw}"
    return Candidates(tuple(found), passed_over)


def _is_for(entry: Mapping[str, Any], key_id: str | None, algorithm: str) -> bool:
    operations = entry.get("key_ops")
    return (
        entry.get("kty") == _KEY_TYPES.get(algorithm[:2])
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and (key_id is None or entry.get("kid") == key_id)
    )


def _flaw(entry: Mapping[str, Any]) -> str:
    """Why a signature by this key would prove nothing; empty where it would."""
    if _PRIVATE_MEMBERS & entry.keys():
        return "is published with its private part, so anybody can sign with it"
    bits = _bits(entry.get("n")) if entry["kty"] == "RSA" else None
    if bits is not None and not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
        return f"has {bits} bits; {LEAST_RSA_BITS} are the least that prove anything"
    return ""


def _public_key(entry: Mapping[str, Any], algorithm: str) -> jwt.PyJWK | None:
    kind = str(entry["kty"])
    public = {name: entry.get(name) for name in _PUBLIC_MEMBERS[kind]}
    if not all(isinstance(value, str) and _NUMBER.fullmatch(value) for value in public.values()):
        return None
    try:
        # Only what makes a public key: PyJWT takes a key with private members for one that signs.
        return jwt.PyJWK({"kty": kind, **public}, algorithm=algorithm)
    except (jwt.exceptions.PyJWTError, ValueError, TypeError, KeyError):
        return None


def _bits(number: object) -> int | None:
    """The length of a Base64urlUInt; None where it is none, which `_public_key` refuses."""
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        return None
    digits = number.rstrip("=")
    try:
        return int.from_bytes(base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4)), "big").bit_length()
    except ValueError:
        return None
