"""OpenID Connect Discovery: the provider's own description of its endpoints, checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._util.http import HttpClient, check_url
from ..errors import ConfigurationError
from ..identity_providers import IdentityProvider
from ..messages import printable
from .documents import DocumentCache, document

_PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class ProviderMetadata:
    """What a sign-in needs to know about a provider (OpenID Connect Discovery, section 3; RFC 8414, section 2).

    Attributes:
        issuer: exactly what `iss` must be; None for OAuth 2.0 providers without ID tokens.
        issuers: every `iss` an ID token may carry: `issuer` and the provider's known aliases.
        scopes_supported: None where the document does not say.
        answers_with_iss: RFC 9207: an authorization response without `iss` is refused.
        fresh_until: epoch seconds until which the document need not be fetched again.
    """

    token_endpoint: str
    authorization_endpoint: str | None = None
    issuer: str | None = None
    issuers: tuple[str, ...] = ()
    jwks_uri: str | None = None
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    scopes_supported: frozenset[str] | None = None
    token_endpoint_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    answers_with_iss: bool = False
    fresh_until: float = 0.0


def discover(http: HttpClient, provider: IdentityProvider, cache: DocumentCache, *, now: float) -> ProviderMetadata:
    """The metadata of `provider`: from its table entry, or from its discovery document.

    Raises:
        ConfigurationError: nobody can sign in there, the document names another issuer, or an endpoint of it is off
            the rails of `http.check_url`.
        TemporaryError: the provider cannot be asked now.
    """
    if provider.endpoints is not None:
        return ProviderMetadata(
            authorization_endpoint=provider.endpoints.authorization,
            token_endpoint=provider.endpoints.token,
            userinfo_endpoint=provider.endpoints.user_info,
            token_endpoint_auth_methods=("client_secret_post",),
            fresh_until=float("inf"),
        )
    if provider.issuer is None:
        raise ConfigurationError(f"There is no sign-in with {provider.name}", remedy=provider.no_sign_in_reason)
    url = provider.issuer.removesuffix("/") + _PATH
    value, fetched = document(http, cache, url, now=now)
    issuer = _checked_issuer(value, provider)
    _check_endpoints(value)
    return ProviderMetadata(
        issuer=issuer,
        issuers=(issuer, *provider.issuer_aliases),
        authorization_endpoint=_text(value, "authorization_endpoint"),
        token_endpoint=_required(value, "token_endpoint", url),
        jwks_uri=_required(value, "jwks_uri", url),
        device_authorization_endpoint=_text(value, "device_authorization_endpoint"),
        revocation_endpoint=_text(value, "revocation_endpoint"),
        userinfo_endpoint=_text(value, "userinfo_endpoint"),
        scopes_supported=_texts(value, "scopes_supported"),
        token_endpoint_auth_methods=tuple(
            sorted(_texts(value, "token_endpoint_auth_methods_supported") or {"client_secret_basic"})
        ),
        answers_with_iss=value.get("authorization_response_iss_parameter_supported") is True,
        fresh_until=fetched.fresh_until,
    )


def _checked_issuer(value: Mapping[str, Any], provider: IdentityProvider) -> str:
    """Discovery, section 4.3: the issuer must be identical, or any provider could speak for any other.

    NOTE: one trailing slash is forgiven where the issuer was derived from a domain: Auth0's ends in one, and nobody
    writes it into `cognito_provider`. From then on the document's spelling is the exact one.
    """
    expected, found = provider.issuer, value.get("issuer")
    if not isinstance(found, str) or expected is None:
        raise ConfigurationError(f"The discovery document of {provider.name} names no issuer")
    same = found == expected
    if not same and not provider.issuer_is_exact:
        same = found.removesuffix("/") == expected.removesuffix("/")
    if not same:
        raise ConfigurationError(
            f"The discovery document of {expected} names another issuer: {printable(found, 200)}",
            remedy=f"If that is the right one, set cognito_issuer = {printable(found, 200)}",
        )
    return found


def _check_endpoints(value: Mapping[str, Any]) -> None:
    for name, endpoint in value.items():
        if (name.endswith("_endpoint") or name == "jwks_uri") and endpoint is not None:
            check_url(endpoint, whose=f"the {printable(name, 60)} of the discovery document")


def _text(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found else None


def _texts(value: Mapping[str, Any], name: str) -> frozenset[str] | None:
    found = value.get(name)
    return frozenset(item for item in found if isinstance(item, str)) if isinstance(found, list) else None


def _required(value: Mapping[str, Any], name: str, url: str) -> str:
    found = _text(value, name)
    if found is None:
        raise ConfigurationError(f"The discovery document at {url} has no {name}")
    return found
