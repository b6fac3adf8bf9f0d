"""Verification of login tokens of external providers: discovery, JWKS, RSA signature, issuer, audience, expiry."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from . import refusals
from .clock import WorldClock
from .identities import Login
from .jwt_parsing import NotAJwt, ParsedJwt, PublicKey, audiences, number_claim, parse_jwt

Fetch = Callable[[str], Any]

# RFC 7523 section 3 suggests a few minutes of grace; Cognito documents five for "not before" but was seen to refuse a
# token 271 s after its exp (aws-amplify/aws-sdk-ios#2570), so exp has none here.
NOT_BEFORE_GRACE = 300.0
#: The end of the year 9999, beyond which there is no date.
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True)
class VerifiedLogin:
    """A login whose token is valid: the user, and the claims of the token."""

    login: Login
    claims: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class _Provider:
    issuer: str
    client_ids: frozenset[str]


@dataclass(frozen=True)
class _OpaqueToken:
    subject: str
    expires_at: float | None


def login_key(issuer: str) -> str:
    """Return the ``Logins`` key of an issuer: without its scheme and without one trailing slash."""
    return issuer.partition("://")[2].removesuffix("/")


def fetch_json(url: str) -> Any:
    """GET a JSON document, never through a proxy, at most 1 MiB in 5 s.

    Raises:
        OSError, ValueError: the document is not available or not JSON.
    """
    if not url.startswith(("https://", "http://127.0.0.1:", "http://[::1]:", "http://localhost:")):
        raise ValueError("a provider must use https, or http on this machine")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return json.loads(answer.read(1 << 20))


class ProviderKeys:
    """The public keys in each issuer's JWKS, fetched when an unknown key ID is used."""

    def __init__(self, fetch: Fetch = fetch_json) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, dict[str, PublicKey]] = {}

    def verifies(self, issuer: str, token: ParsedJwt) -> bool:
        """Return whether a key that `issuer` publishes made the token's signature."""
        with self._lock:
            key = self._keys.get(issuer, {}).get(token.kid)
        if key is None:
            published = self._published(issuer)
            with self._lock:
                self._keys[issuer] = published
            key = published.get(token.kid)
        return key is not None and token.signature_holds(key)

    def forget(self) -> None:
        with self._lock:
            self._keys.clear()

    def _published(self, issuer: str) -> dict[str, PublicKey]:
        try:
            metadata = self._fetch(issuer.removesuffix("/") + "/.well-known/openid-configuration")
            if metadata["issuer"] != issuer:
                return {}
            entries = self._fetch(metadata["jwks_uri"])["keys"]
            return {str(entry.get("kid", "")): key for entry in entries if (key := _public_key(entry)) is not None}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, urllib.error.URLError):
            return {}


def _public_key(entry: Any) -> PublicKey | None:
    """Return the verification key of a JWKS entry; None for other key types, private keys and keys for encryption."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kind = str(entry.get("kty"))
    members, algorithms = _MEMBERS.get(kind, ((), ()))
    if kind not in _MEMBERS or entry.get("alg") not in (None, *algorithms):
        return None
    try:
        # Only what makes a public key: the private members of an entry are left out.
        key = PyJWK({"kty": entry["kty"], **{name: entry[name] for name in members}}).key
    except (PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None
    return key if isinstance(key, RSAPublicKey | EllipticCurvePublicKey) else None


#: The members of a public key by its type (RFC 7518, section 6), and the algorithms for it.
_MEMBERS = {
    "RSA": (("n", "e"), ("RS256", "RS384", "RS512")),
    "EC": (("crv", "x", "y"), ("ES256", "ES384", "ES512")),
}


class LoginVerifier:
    """The providers that an account trusts; finds the user of a token."""

    def __init__(self, clock: WorldClock, keys: ProviderKeys) -> None:
        self._clock = clock
        self._keys = keys
        self._lock = threading.Lock()
        self._providers: dict[str, _Provider] = {}
        self._opaque_providers: set[str] = {"graph.facebook.com", "www.amazon.com"}
        self._opaque: dict[tuple[str, str], _OpaqueToken] = {}
        self._detached: set[str] = set()

    def trust(self, issuer: str, client_ids: Iterable[str]) -> str:
        """Trust an OpenID issuer for these client IDs; return its ``Logins`` key."""
        key = login_key(issuer)
        with self._lock:
            self._providers[key] = _Provider(issuer, frozenset(client_ids))
            self._detached.discard(key)
        return key

    def detach(self, key: str) -> None:
        """Remove this provider from every pool."""
        with self._lock:
            self._detached.add(key)

    def attach(self, key: str) -> None:
        with self._lock:
            self._detached.discard(key)

    def register_opaque(self, key: str, token: str, subject: str, expires_at: float | None) -> None:
        """Register an access token of a provider whose tokens are opaque (Facebook, Login with Amazon)."""
        with self._lock:
            self._opaque_providers.add(key)
            self._opaque[key, token] = _OpaqueToken(subject, expires_at)

    def verify(self, key: str, token: str, client_ids: frozenset[str] | None = None) -> VerifiedLogin:
        """Return the user of a token that was sent under this ``Logins`` key.

        Args:
            client_ids: those of the pool's own provider of this key; None for a provider that the world trusts.

        Raises:
            Refusal: Cognito's own message about what is wrong with it.
        """
        with self._lock:
            provider = None if key in self._detached else self._providers.get(key)
            opaque = key in self._opaque_providers and key not in self._detached
        if opaque:
            return self._verify_opaque(key, token)
        parsed = self._parsed_for(key, token)
        if client_ids is not None:
            provider = _Provider(parsed.claims["iss"], client_ids)
        if provider is None:
            raise refusals.unsupported_provider()
        self._check(provider, parsed)
        return VerifiedLogin(Login(key, _subject(parsed)), parsed.claims)

    def clients_of_issuer(self, issuer: str) -> frozenset[str] | None:
        """Return, for STS, the client IDs of an issuer that the world trusts; None for another one."""
        with self._lock:
            provider = self._providers.get(login_key(issuer))
        return provider.client_ids if provider and provider.issuer == issuer else None

    def signature_verifies(self, issuer: str, parsed: ParsedJwt) -> bool:
        return self._keys.verifies(issuer, parsed)

    def opaque_subject(self, key: str, token: str) -> str:
        """Return, for STS, the user of an access token.

        Raises:
            Refusal: the provider does not know the token, or it has expired.
        """
        with self._lock:
            known = self._opaque.get((key, token))
        if known is None:
            raise refusals.sts_rejected()
        if known.expires_at is not None and self._clock.now() >= known.expires_at:
            raise refusals.sts_token_expired(self._clock.now(), known.expires_at)
        return known.subject

    def _verify_opaque(self, key: str, token: str) -> VerifiedLogin:
        with self._lock:
            known = self._opaque.get((key, token))
        if known is None:
            raise refusals.invalid_login_token()
        if known.expires_at is not None and self._clock.now() >= known.expires_at:
            raise refusals.opaque_token_expired()
        return VerifiedLogin(Login(key, known.subject), {})

    @staticmethod
    def _parsed_for(key: str, token: str) -> ParsedJwt:
        try:
            parsed = parse_jwt(token)
        except NotAJwt:
            raise refusals.not_an_identity_token() from None
        issuer = parsed.claims.get("iss")
        # Cognito compares before it checks whether it supports the provider: keys with a scheme, a trailing slash or a
        # misspelt pool ID get this message (amazon-archives/amazon-cognito-identity-js#40, #391, #407).
        if not isinstance(issuer, str) or login_key(issuer) != key:
            raise refusals.issuer_mismatch()
        return parsed

    def _check(self, provider: _Provider, parsed: ParsedJwt) -> None:
        if parsed.claims["iss"] != provider.issuer:
            raise refusals.issuer_mismatch()
        if not (parsed.is_rsa and self._keys.verifies(provider.issuer, parsed)):
            raise refusals.unverifiable_token()
        self._check_times(parsed.claims)
        named = audiences(parsed.claims)
        if not named:
            raise refusals.missing_claim("aud")
        # "if azp is present it is compared with the client ids, otherwise aud" (Cognito Developer Guide, OIDC)
        candidates = [parsed.claims["azp"]] if "azp" in parsed.claims else named
        if not any(isinstance(entry, str) and entry in provider.client_ids for entry in candidates):
            raise refusals.unsupported_provider()

    def _check_times(self, claims: dict[str, Any]) -> None:
        now, expires_at = self._clock.now(), number_claim(claims, "exp")
        if expires_at is None:
            raise refusals.missing_claim("exp")
        if now >= expires_at:
            raise refusals.token_expired(now, expires_at)
        if expires_at > _LAST_SECOND:
            raise refusals.invalid_login_token()  # own choice of the message: milliseconds, most likely
        not_before = number_claim(claims, "nbf")
        if "nbf" in claims and (not_before is None or not_before > now + NOT_BEFORE_GRACE):
            raise refusals.invalid_login_token()


def _subject(parsed: ParsedJwt) -> str:
    subject = parsed.claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise refusals.missing_claim("sub")
    return subject
