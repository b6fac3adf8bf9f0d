"""Who we are to an identity provider, and what a sign-in or a renewal gives back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._util.http import HttpClient
from ..errors import ConfigurationError
from ..identity_providers import IdentityProvider, TokenKind
from ..messages import printable
from .discovery import ProviderMetadata, discover
from .documents import DocumentCache, MemoryDocuments


@dataclass(frozen=True)
class Clock:
    """Time, handed in. `now`: epoch seconds; `monotonic` and `sleep`: seconds."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Client:
    """The OAuth client registered at the provider; one without a secret is a public client (RFC 6749, section 2.1)."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RelyingParty:
    """Everything a conversation with one provider needs.

    Attributes:
        scopes: as configured; None for the provider's default, cut to what discovery advertises.
        authorization_parameters: `cognito_auth_params`.
        documents: the cache of discovery and JWKS documents.
    """

    provider: IdentityProvider
    client: Client
    http: HttpClient = field(default_factory=HttpClient)
    scopes: tuple[str, ...] | None = None
    authorization_parameters: tuple[tuple[str, str], ...] = ()
    documents: DocumentCache = field(default_factory=MemoryDocuments, repr=False)
    clock: Clock = field(default_factory=Clock, repr=False)

    def metadata(self) -> ProviderMetadata:
        """See `discovery.discover`."""
        if self.provider.no_sign_in_reason:
            raise ConfigurationError(
                f"There is no interactive sign-in with {self.provider.name}", remedy=self.provider.no_sign_in_reason
            )
        return discover(self.http, self.provider, self.documents, now=self.clock.now())

    def effective_scopes(self, metadata: ProviderMetadata) -> tuple[str, ...]:
        """The scopes to ask for. Configured ones are taken as they are, but an ID token needs `openid`."""
        if self.scopes is not None:
            needs_openid = self.provider.token_kind == "id_token" and "openid" not in self.scopes
            return ("openid", *self.scopes) if needs_openid else self.scopes
        known = metadata.scopes_supported
        return tuple(s for s in self.provider.scopes if known is None or s in known or s == "openid")


@dataclass(frozen=True)
class TokenAnswer:
    """The token endpoint's answer, not yet verified (RFC 6749, section 5.1).

    Attributes:
        expires_at: epoch seconds at which the access token ends, None where the answer does not say.
        rotated: the answer brought a refresh token other than the one sent.
    """

    id_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    rotated: bool = False


@dataclass(frozen=True)
class SignInAnswer:
    """A verified sign-in or renewal. `repr` shows no token and no claim.

    Attributes:
        token_kind: which of the tokens Cognito takes; see `login_token`.
        expires_at: epoch seconds at which that token ends; None for one that does not say.
        claims: of the verified ID token, or `sub`, `name` and `email` from the user info of an OAuth 2.0 provider.
        issuer: `iss` of the ID token, None for an OAuth 2.0 provider.
        rotated: `refresh_token` replaces the one that was sent.
    """

    token_kind: TokenKind
    id_token: str | None = field(repr=False)
    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float | None
    claims: Mapping[str, Any] = field(repr=False)
    issuer: str | None
    rotated: bool = False

    @property
    def login_token(self) -> str:
        """The token for the `Logins` map."""
        token = self.id_token if self.token_kind == "id_token" else self.access_token
        assert token, "a sign-in answer is only made with the token Cognito takes"
        return token

    @property
    def subject(self) -> str | None:
        """The user's identifier at the provider."""
        subject = self.claims.get("sub")
        return subject if isinstance(subject, str) else None

    @property
    def user_label(self) -> str:
        """Whom to greet: name and address as far as the provider told them, else the subject; safe for a terminal."""
        name = _claim(self.claims, "name") or _claim(self.claims, "preferred_username")
        name = name or _claim(self.claims, "cognito:username")
        address = _claim(self.claims, "email")
        if name and address and name != address:
            return f"{name} ({address})"
        return name or address or _claim(self.claims, "sub") or "an unnamed user"


def _claim(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return printable(value, 100) or None if isinstance(value, str) else None
