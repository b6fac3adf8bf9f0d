"""Verification of ID tokens before anything relies on them (OpenID Connect Core, sections 3.1.3.7 and 12.2).

Cognito verifies again; doing it first gives an early and exact message, and catches what Cognito cannot see: a token
for another sign-in, or for another user.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cryptography  # noqa: F401 - PyJWT can be imported without it, and then takes no key
import jwt

from .._util.http import HttpClient
from ..errors import SIGN_IN_AGAIN, CognitoFederationError, SignInFailedError, reworded
from ..login_token import POOL_ALGORITHMS, ROLE_ALGORITHMS
from ..messages import SET_CLOCK, printable, span
from .discovery import DocumentCache, document

EXPIRY_LEEWAY = 60.0
CLOCK_SKEW = 300.0
REFETCH_INTERVAL = 60.0

_VERIFIED_THEN_REFUSED = frozenset({"ES256", "ES384", "ES512", "ES256K", "PS256", "PS384", "PS512", "EdDSA"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Expectation:
    """What an ID token must say.

    Attributes:
        issuers: the accepted values of `iss`, exact.
        client_id: the client that asks, which `azp` names.
        audience: the client that the token is for, if it is another one (RFC 8693, section 2.1).
        nonce: of the authorization request; None where there was none (device code, refresh).
        subject: the user who must be the same as before, on refresh.
        access_token: the one that came along, for `at_hash`.
        algorithms: the signatures that whoever exchanges the token takes, with their hashes.
    """

    issuers: tuple[str, ...]
    client_id: str
    audience: str | None = None
    nonce: str | None = field(default=None, repr=False)
    subject: str | None = None
    access_token: str | None = field(default=None, repr=False)
    algorithms: Mapping[str, str] = field(default_factory=lambda: POOL_ALGORITHMS)


def what_takes(algorithms: Mapping[str, str]) -> str:
    """Return the clause about the signatures that are taken, for a sentence about one that is not."""
    of_pools = algorithms.keys() == POOL_ALGORITHMS.keys()
    return f"{'identity pools take RSA' if of_pools else 'STS takes RSA and ECDSA'} ({', '.join(algorithms)}) only"


@dataclass(frozen=True)
class KeySet:
    """The provider's signing keys, fetched when first needed and again when a token names an unknown one."""

    http: HttpClient
    cache: DocumentCache = field(repr=False)
    jwks_uri: str

    def candidates(self, key_id: str | None, algorithm: str, *, now: float, anew: bool = False) -> Candidates:
        """The keys a token with this header may be signed with.

        Args:
            anew: what was cached did not do: fetch again, but at most once in 60 seconds, so that tokens with
                invented key IDs cannot turn us against the provider.
        """
        not_before = now - REFETCH_INTERVAL if anew else None
        try:
            value, _ = document(self.http, self.cache, self.jwks_uri, now=now, not_before=not_before)
        except CognitoFederationError as error:
            raise reworded(error, what=f"The provider's keys (jwks_uri) cannot be fetched: {error.what}") from None
        return matching_keys(value, key_id, algorithm)


def verify_id_token(
    token: str,
    keys: KeySet,
    expected: Expectation,
    *,
    now: float,
    error: type[CognitoFederationError] = SignInFailedError,
) -> dict[str, Any]:
    """The claims of `token`, once everything about it holds.

    Args:
        now: epoch seconds.
        error: what to raise; a refresh raises another than a sign-in.

    Raises:
        error: the token is malformed, not signed by the provider, for another client, user or sign-in, or not valid
            now. The token itself is never quoted.
        TemporaryError: the keys cannot be fetched now.
    """
    header = _header(token, error)
    algorithm = header["alg"]
    claims = _verified_claims(token, header, keys, now, error)
    if algorithm not in expected.algorithms:
        raise error(
            f"The ID token is signed with {algorithm}, and {what_takes(expected.algorithms)}",
            remedy="Set the ID token signing algorithm of the client to RS256 at the identity provider",
        )
    _check_origin(claims, expected, error)
    _check_times(claims, now, error)
    _check_binding(claims, expected, algorithm, error)
    return claims


def _header(token: str, error: type[CognitoFederationError]) -> dict[str, Any]:
    segments = token.split(".")
    header = _json_object(segments[0]) if len(segments) == 3 and all(map(_BASE64URL.fullmatch, segments)) else None
    if header is None:
        if len(segments) == 3 and not segments[2] and (unsigned := _json_object(segments[0])) is not None:
            raise _proves_nothing(unsigned.get("alg"), error)
        raise error(
            "The provider's ID token is not a JSON Web Token", remedy="An identity pool needs a signed, unencrypted one"
        )
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in {*ROLE_ALGORITHMS, *_VERIFIED_THEN_REFUSED}:
        raise _proves_nothing(algorithm, error)
    if not isinstance(header.get("kid", ""), str):
        raise error("The ID token has a key ID (kid) that is not a string")  # RFC 7515, section 4.1.4
    if "crit" in header:
        raise error("The ID token demands extensions (crit) that are not understood")  # RFC 7515, section 4.1.11
    return header


def _proves_nothing(algorithm: object, error: type[CognitoFederationError]) -> CognitoFederationError:
    """Return the error for "none" and HS*: the first proves nothing, and anyone with the public key can make the
    second.
    """
    named = printable(algorithm, 20) if isinstance(algorithm, str) else type(algorithm).__name__
    return error(
        f"The ID token is signed with {named!r}, which proves nothing about its origin",
        remedy="Set the ID token signing algorithm of the client to RS256 at the identity provider",
    )


def _json_object(segment: str) -> dict[str, Any] | None:
    """The JSON object in a segment of a token, read as strictly as identity pools do (RFC 7515, section 2)."""
    raw = _decoded(segment)
    try:
        value = json.loads(raw.decode("utf-8")) if raw is not None else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(text: object) -> bytes | None:
    """What unpadded base64url stands for; None for everything else."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        return None
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _verified_claims(
    token: str, header: Mapping[str, Any], keys: KeySet, now: float, error: type[CognitoFederationError]
) -> dict[str, Any]:
    key_id, algorithm = header.get("kid"), str(header["alg"])
    # The second round is for keys that rotated since the cached document, under a new `kid` or under none at all.
    for anew in (False, True):
        candidates = keys.candidates(key_id, algorithm, now=now, anew=anew)
        for key in candidates.keys:
            claims = _signed_claims(token, key, algorithm)
            if claims is not None:
                return claims
    if candidates.passed_over and not candidates.keys:
        raise error(candidates.passed_over, remedy="Report it to the provider, who must replace the key")
    if not candidates.keys:
        raise error(
            "The ID token is signed with a key that the provider does not publish",
            remedy="Sign in again in a minute; a key that was just rotated is published late",
        )
    raise error("The signature of the ID token is not the provider's", remedy="Sign in again; report it if it recurs")


def _signed_claims(token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any] | None:
    try:
        jwt.PyJWS().decode(token, key=key.key, algorithms=[algorithm])
    except (jwt.exceptions.PyJWTError, ValueError, TypeError):
        return None
    return _json_object(token.split(".")[1])


def _check_origin(claims: Mapping[str, Any], expected: Expectation, error: type[CognitoFederationError]) -> None:
    issuer = claims.get("iss")
    if issuer not in expected.issuers:
        named = printable(issuer, 200) or type(issuer).__name__
        raise error(
            f"The ID token was issued by {named}, not by {expected.issuers[0]}",
            remedy="Set cognito_issuer to the issuer of this provider, exactly as its tokens spell it",
        )
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or (expected.audience or expected.client_id) not in audiences:
        key = "cognito_client_id" if expected.audience is None else "cognito_token_audience"
        raise error("The ID token is for another client", remedy=f"Check {key}")
    if "azp" in claims and claims["azp"] not in (expected.client_id, expected.audience or expected.client_id):
        raise error("The ID token was requested by another client (azp)", remedy="Check cognito_client_id")


def _check_times(claims: Mapping[str, Any], now: float, error: type[CognitoFederationError]) -> None:
    expiry, issued = _time(claims, "exp", error), _time(claims, "iat", error)
    if now >= expiry + EXPIRY_LEEWAY:
        ago = span(now - expiry)
        raise error(f"The new ID token expired {ago} ago: this machine's clock is ahead", remedy=SET_CLOCK)
    if issued > now + CLOCK_SKEW:
        ahead = span(issued - now)
        raise error(f"The ID token was issued {ahead} in the future: this machine's clock is behind", remedy=SET_CLOCK)
    if "nbf" in claims and _time(claims, "nbf", error) > now + CLOCK_SKEW:
        raise error("The ID token is not valid yet: this machine's clock is behind", remedy=SET_CLOCK)


def _time(claims: Mapping[str, Any], name: str, error: type[CognitoFederationError]) -> float:
    value = claims.get(name)
    # Python's json reads NaN and Infinity, which compare as never expired.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise error(f"The ID token has no usable {name}")
    return float(value)


def _check_binding(
    claims: Mapping[str, Any], expected: Expectation, algorithm: str, error: type[CognitoFederationError]
) -> None:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or not subject.isprintable():
        raise error("The ID token names no user (sub)")
    if expected.subject is not None and subject != expected.subject:
        raise error(
            "The provider renewed the session for another user than the one who signed in", remedy=SIGN_IN_AGAIN
        )
    if expected.nonce is not None and not _equal(claims.get("nonce"), expected.nonce):
        raise error("The ID token belongs to another sign-in (nonce)", remedy=SIGN_IN_AGAIN)
    if "at_hash" in claims and expected.access_token is not None:
        digest = hashlib.new(expected.algorithms[algorithm], expected.access_token.encode()).digest()
        half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
        if not _equal(claims["at_hash"], half):
            raise error(
                "The ID token does not belong to the access token that came with it (at_hash)", remedy=SIGN_IN_AGAIN
            )


def _equal(found: object, wanted: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "replace"), wanted.encode())


#: RFC 7518, section 3.3: 2048 bits or more. The upper limit keeps a hostile key from costing minutes.
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 16_384

#: How many keys are tried for a token that names none: a document of 1 MiB holds thousands, and keys can be made of
#: which each costs milliseconds.
_MOST_CANDIDATES = 32

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
        if len(found) == _MOST_CANDIDATES:
            break
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
