"""Verification of ID tokens before anything relies on them (OpenID Connect Core, sections 3.1.3.7 and 12.2).

Cognito verifies again; doing it first gives an early and exact message, and catches what Cognito cannot see: a token
for another sign-in, or for another user.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from .._util.http import HttpClient
from ..errors import CognitoFederationError, SignInFailedError
from ..messages import SIGN_IN_AGAIN, printable
from .discovery import DocumentCache, document

EXPIRY_LEEWAY = 60.0
CLOCK_SKEW = 300.0
REFETCH_INTERVAL = 60.0

_ACCEPTED = {"RS256": "sha256", "RS384": "sha384", "RS512": "sha512"}
_VERIFIED_THEN_REFUSED = frozenset({"ES256", "ES384", "ES512", "ES256K", "PS256", "PS384", "PS512", "EdDSA"})
_KEY_TYPE = {"R": "RSA", "P": "RSA", "E": "EC"}


@dataclass(frozen=True)
class Expectation:
    """What an ID token must say.

    Attributes:
        issuers: the accepted values of `iss`, exact.
        nonce: of the authorization request; None where there was none (device code, refresh).
        subject: the user who must be the same as before, on refresh.
        access_token: the one that came along, for `at_hash`.
    """

    issuers: tuple[str, ...]
    client_id: str
    nonce: str | None = field(default=None, repr=False)
    subject: str | None = None
    access_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class KeySet:
    """The provider's signing keys, fetched when first needed and again when a token names an unknown one."""

    http: HttpClient
    cache: DocumentCache = field(repr=False)
    jwks_uri: str

    def candidates(self, key_id: str | None, algorithm: str, *, now: float, anew: bool = False) -> list[jwt.PyJWK]:
        """The keys a token with this header may be signed with; empty if there is none.

        Args:
            anew: what was cached did not do: fetch again, but at most once in 60 seconds, so that tokens with
                invented key IDs cannot turn us against the provider.
        """
        not_before = now - REFETCH_INTERVAL if anew else None
        value, _ = document(self.http, self.cache, self.jwks_uri, now=now, not_before=not_before)
        return _matching(value, key_id, algorithm)


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
    if algorithm not in _ACCEPTED:
        raise error(
            f"The ID token is signed with {algorithm}, and identity pools take RSA (RS256, RS384, RS512) only",
            remedy="Set the ID token signing algorithm of the client to RS256 at the identity provider",
        )
    _check_origin(claims, expected, error)
    _check_times(claims, now, error)
    _check_binding(claims, expected, algorithm, error)
    return claims


def _header(token: str, error: type[CognitoFederationError]) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.exceptions.PyJWTError:
        raise error(
            "The provider's ID token is not a JSON Web Token", remedy="An identity pool needs a signed, unencrypted one"
        ) from None
    algorithm = header.get("alg")
    if algorithm not in _ACCEPTED and algorithm not in _VERIFIED_THEN_REFUSED:
        # "none" and HS*: the first proves nothing, the second could be made by anybody who knows the public key.
        raise error(
            f"The ID token is signed with {printable(str(algorithm), 20)!r}, which proves nothing about its origin",
            remedy="Set the ID token signing algorithm of the client to RS256 at the identity provider",
        )
    if "crit" in header:
        raise error("The ID token demands extensions (crit) that are not understood")  # RFC 7515, section 4.1.11
    return header


def _verified_claims(
    token: str, header: Mapping[str, Any], keys: KeySet, now: float, error: type[CognitoFederationError]
) -> dict[str, Any]:
    key_id, algorithm = header.get("kid"), str(header["alg"])
    if not isinstance(key_id, str):
        key_id = None
    # The second round is for keys that rotated since the cached document, under a new `kid` or under none at all.
    for anew in (False, True):
        candidates = keys.candidates(key_id, algorithm, now=now, anew=anew)
        for key in candidates:
            claims = _signed_claims(token, key, algorithm)
            if claims is not None:
                return claims
    if not candidates:
        raise error(
            "The ID token is signed with a key that the provider does not publish",
            remedy="Sign in again in a minute; a key that was just rotated is published late",
        )
    raise error("The signature of the ID token is not the provider's", remedy="Sign in again; report it if it recurs")


def _signed_claims(token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any] | None:
    try:
        claims = json.loads(jwt.PyJWS().decode(token, key=key.key, algorithms=[algorithm]))
    except (jwt.exceptions.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _matching(jwks: Mapping[str, Any], key_id: str | None, algorithm: str) -> list[jwt.PyJWK]:
    found = []
    entries = jwks.get("keys")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        if key_id is not None and entry.get("kid") != key_id:
            continue
        wanted = "OKP" if algorithm == "EdDSA" else _KEY_TYPE[algorithm[0]]
        if entry.get("kty") != wanted or entry.get("alg", algorithm) != algorithm:
            continue
        try:
            found.append(jwt.PyJWK(entry, algorithm=algorithm))
        except (jwt.exceptions.PyJWTError, ValueError, TypeError, KeyError):
            continue
    return found


def _check_origin(claims: Mapping[str, Any], expected: Expectation, error: type[CognitoFederationError]) -> None:
    issuer = claims.get("iss")
    if issuer not in expected.issuers:
        raise error(
            f"The ID token was issued by {printable(str(issuer), 200)}, not by {expected.issuers[0]}",
            remedy="Set cognito_issuer to the issuer of this provider, exactly as its tokens spell it",
        )
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise error("The ID token is for another client", remedy="Check cognito_client_id")
    if "azp" in claims and claims["azp"] != expected.client_id:
        raise error("The ID token was requested by another client (azp)", remedy="Check cognito_client_id")


def _check_times(claims: Mapping[str, Any], now: float, error: type[CognitoFederationError]) -> None:
    clock = "Check the clock of this machine"
    expiry, issued = _time(claims, "exp", error), _time(claims, "iat", error)
    if now >= expiry + EXPIRY_LEEWAY:
        raise error(f"The ID token expired {now - expiry:.0f} seconds ago", remedy=clock)
    if issued > now + CLOCK_SKEW:
        raise error(f"The ID token was issued {issued - now:.0f} seconds in the future", remedy=clock)
    if "nbf" in claims and _time(claims, "nbf", error) > now + CLOCK_SKEW:
        raise error("The ID token is not valid yet", remedy=clock)


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
        digest = hashlib.new(_ACCEPTED[algorithm], expected.access_token.encode()).digest()
        half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
        if not _equal(claims["at_hash"], half):
            raise error("The ID token does not belong to the access token beside it (at_hash)", remedy=SIGN_IN_AGAIN)


def _equal(found: object, wanted: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "replace"), wanted.encode())
