"""A login token: how it is read from the output of a source, and the login that an identity pool takes.

Nothing here verifies a signature: a token of a sign-in is verified when it is obtained, and Cognito verifies every
token. The claims are read to find the user and the expiry.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config.settings import Settings
    from .errors import TokenRefreshError

#: Longest token that fits a `Logins` value (cognito-identity, IdentityProviderToken).
MOST_CHARACTERS = 50_000

#: The signatures that identity pools take, with their hashes (Cognito Developer Guide, "OIDC providers").
POOL_ALGORITHMS: Mapping[str, str] = {"RS256": "sha256", "RS384": "sha384", "RS512": "sha512"}
#: Those that STS takes without an identity pool (STS, AssumeRoleWithWebIdentity).
ROLE_ALGORITHMS: Mapping[str, str] = {**POOL_ALGORITHMS, "ES256": "sha256", "ES384": "sha384", "ES512": "sha512"}

#: A timestamp above this is in milliseconds: as seconds it would lie in the year 5138.
_MILLISECONDS_FROM = 100_000_000_000

#: No provider issues tokens for longer than ten years, the limit of Cognito's refresh tokens.
_LONGEST_LIFE = 10 * 366 * 86400


def _unusable(what: str, remedy: str = "") -> TokenRefreshError:
    from .errors import TokenRefreshError  # imports botocore, which reading a token must not

    return TokenRefreshError(what, remedy=remedy)


@dataclass(frozen=True)
class LoginToken:
    """One login token.

    Attributes:
        value: the token itself: a JWT, an opaque access token or a SAML assertion.
        expires_at: when it expires, seconds since the epoch; None if that is unknown.
        identity_id: the identity ID that came with it (developer-authenticated identities); None otherwise.
        claims: the unverified claims of a JWT; empty for an opaque token.
        owner: the random ID of the sign-in that an opaque token came from; None if it came from another source.
    """

    value: str = field(repr=False)
    expires_at: float | None = None
    identity_id: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    owner: str | None = None

    @classmethod
    def of(cls, value: str, *, expires_at: float | None = None, identity_id: str | None = None) -> LoginToken:
        """Make a token from its text; of `expires_at` and the JWT's ``exp`` the earlier one counts."""
        claims = unverified_claims(value) or {}
        ends = [end for end in (expires_at, _number(claims.get("exp"))) if end is not None]
        return cls(value, min(ends) if ends else None, identity_id, claims)

    @property
    def subject(self) -> str:
        """The user of the token: the ``sub`` of a JWT, the sign-in of an opaque token, or a digest of the token."""
        sub = self.claims.get("sub")
        if isinstance(sub, str) and sub:
            return f"sub {sub}"
        if self.owner is not None:
            return f"sign-in {self.owner}"
        return f"digest {self.digest}"

    @property
    def digest(self) -> str:
        """A digest that identifies the token and does not reveal it."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    @property
    def issuer(self) -> str | None:
        issuer = self.claims.get("iss")
        return issuer if isinstance(issuer, str) and issuer else None


def decoded(raw: bytes, *, source: str) -> str:
    """Return the text in `raw`, without the byte order mark that some editors put at the start."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(f"{source} holds binary data, not a login token") from None


def checked_text(text: str, source: str) -> str:
    """Return the token in `text` without surrounding white space.

    Args:
        text: the output of a token source.
        source: the name of the source for the message.

    Raises:
        TokenRefreshError: the text is empty, too long for a Logins value, or cannot be a token.
    """
    token = _unwrapped(text.strip())
    if not token:
        raise _unusable(f"{source} is empty", remedy="Let what writes it write the login token")
    if token[0] in "\"'":
        raise _unusable(f"{source} holds the login token in quotes", remedy="Write it without quotes")
    if token[:7].lower() == "bearer ":
        raise _unusable(f"{source} holds Bearer in front of the login token", remedy="Write the token alone")
    if token.startswith("<"):
        raise _unusable(f"{source} holds XML; a SAML response is sent as base64", remedy="Encode it: base64 -w0")
    if len(token) > MOST_CHARACTERS:
        raise _unusable(f"{source} holds {len(token):,} characters; a login token has {MOST_CHARACTERS:,} at most")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _unusable(f"{source} does not hold a bare login token, but text with spaces or binary data")
    return token


def _unwrapped(text: str) -> str:
    """Join the lines of a SAML response: base64 tools break lines, and other login tokens have none (RFC 2045, 6.8)."""
    words = text.split()
    # This prefix is base64 of "<", the first byte of any XML; "PA" to "PP" hold its six bits and the next two.
    if len(words) < 2 or not re.match(r"P[A-P]", words[0]) or not re.fullmatch(r"[A-Za-z0-9+/]+=*", "".join(words)):
        return text
    return "".join(words)


def unverified_claims(token: str) -> Mapping[str, Any] | None:
    """Return the claims of a JWT without verifying its signature, or None if `token` is not a JWT (RFC 7519)."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims = _segment(parts[0]), _segment(parts[1])
    return claims if header is not None else None


def algorithm_of(token: str) -> str:
    """The algorithm by which a JWT says that it is signed; empty where it is none."""
    header = _segment(token.partition(".")[0])
    named = header.get("alg") if header is not None else None
    return named if isinstance(named, str) else ""


def _segment(text: str) -> Mapping[str, Any] | None:
    # Unpadded base64url and UTF-8 (RFC 7515, section 2): identity pools refuse any other encoding.
    if "=" in text or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw.decode("utf-8"))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def expiry_seconds(value: object, *, now: float, name: str = "expires_at") -> float | None:
    """Return an expiry that a handler or an application gave, as seconds since the epoch.

    Takes seconds, milliseconds, an aware datetime, or None. Durations mistaken for a time, dates in the 1970s and dates
    more than ten years ahead are refused by name, because each of them has silently disabled renewal in some program
    (aws-amplify/amplify-js#2549, #6249).

    Args:
        value: the expiry.
        now: seconds since the epoch.
        name: the name of the value for the message.

    Raises:
        TokenRefreshError: the value is none of these.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _unusable(f"{name} is a datetime without a time zone", remedy="Give an aware datetime (UTC)")
        return value.timestamp()
    seconds = _number(value)
    if seconds is None:
        raise _unusable(f"{name} must be a number of seconds or milliseconds since 1970, or an aware datetime")
    if seconds >= _MILLISECONDS_FROM:
        seconds /= 1000
    if seconds < 365 * 86400:
        raise _unusable(
            f"{name} lies in 1970; it must be a time, not a duration", remedy="Give the current time plus the lifetime"
        )
    if seconds > now + _LONGEST_LIFE:
        raise _unusable(
            f"{name} lies more than ten years ahead", remedy="Give seconds since 1970, and a lifetime in seconds"
        )
    return seconds


#: Field names of the token in the JSON that other tools print; this package's own name comes first.
_USUAL_FIELDS = ("token", "id_token", "value")


def parse_output(text: str, *, source: str, field: str | None, now: float) -> LoginToken:
    """Return the login token in the output of a file, variable, command or URL.

    Args:
        text: the whole output.
        source: the name of the source for messages; the output itself is never quoted.
        field: the JSON field that holds the token (dots lead into nested objects); None for the usual ones.
        now: seconds since the epoch.

    Raises:
        TokenRefreshError: it holds no usable token.
    """
    stripped = text.strip()
    if field is None and not stripped.startswith("{"):
        return LoginToken.of(checked_text(text, source))
    try:
        answer = json.loads(stripped)
    except (ValueError, RecursionError):
        raise _unusable(f"{source} does not hold valid JSON") from None
    if not isinstance(answer, dict):
        raise _unusable(f"{source} holds JSON that is not an object")
    token = _lookup(answer, field) if field else _first(answer, _USUAL_FIELDS)
    if not isinstance(token, str):
        wanted = f"field {field!r}" if field else "field 'token'"
        raise _unusable(
            f"{source} holds JSON without a string {wanted}", remedy="Set cognito_token_field to the field of the token"
        )
    identity_id = answer.get("identity_id")
    if identity_id is not None and not isinstance(identity_id, str):
        raise _unusable(f"{source} holds JSON whose identity_id is not a string")
    return LoginToken.of(
        checked_text(token, source),
        expires_at=expiry_seconds(answer.get("expires_at"), now=now, name=f"expires_at of {source}"),
        identity_id=identity_id,
    )


def _first(answer: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((answer[name] for name in names if name in answer), None)


def _lookup(answer: Mapping[str, Any], field: str) -> object:
    if field in answer:
        return answer[field]
    value: object = answer
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


@dataclass(frozen=True)
class LinkedLogin:
    """A login that was linked to another.

    Attributes:
        key: the provider name in Cognito.
        subject: the user of the login; see `LoginToken.subject`.
        token: the login token; None while there is none to send.
    """

    key: str
    subject: str
    token: LoginToken | None = None


@dataclass(frozen=True)
class Login:
    """The signed-in user: an entry of a Logins map, and the logins linked to it.

    Attributes:
        key: the provider name in Cognito, such as ``accounts.google.com``.
        token: the login token.
        linked: further logins of the same identity.
    """

    key: str
    token: LoginToken
    linked: tuple[LinkedLogin, ...] = ()

    @classmethod
    def of(cls, token: LoginToken, settings: Settings) -> Login:
        """Return the login that a token stands for under a configuration.

        Raises:
            TokenRefreshError: the token is not a JWT although the provider needs one, or its key is unknown.
        """
        provider = settings.provider
        if (provider is None or provider.token_kind == "id_token") and not token.claims:
            from .errors import SettingNames

            raise _unusable(
                "The login token is not a JWT, which identity pools take from OpenID Connect providers",
                remedy="Send the provider's ID token; for Facebook or Amazon access tokens set"
                f" {SettingNames.of(settings):provider}",
            )
        key = provider.login_key if provider is not None else None
        if key is None:
            # No provider is configured, or it is a developer token, whose key differs by partition.
            if token.issuer is None:
                raise _unusable("The login token has no iss claim", remedy="Set cognito_login_key")
            from .identity_providers import MAXIMUM_LOGIN_KEY, derive_login_key

            key = derive_login_key(token.issuer)
            if len(key) > MAXIMUM_LOGIN_KEY:
                raise _unusable(
                    f"The login token's issuer makes a Logins key of {len(key):,} characters; Cognito takes"
                    f" {MAXIMUM_LOGIN_KEY}",
                    remedy="Set cognito_login_key to the name that the identity pool has for the provider",
                )
        return cls(key, token)
