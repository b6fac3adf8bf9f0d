"""JSON documents that providers publish (discovery, JWKS), cached for as long as HTTP says they are fresh."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from .._util.http import HttpAnswer, HttpClient
from .._util.urls import check_urls_of_issuer
from ..cache.base import DOCUMENTS, Store, cache_key
from ..errors import CognitoFederationError, ConfigurationError, StorageError
from ..identity_providers import IdentityProvider
from ..messages import printable

DEFAULT_LIFETIME = 3600.0
"""Seconds a document without a lifetime of its own is cached."""

MINIMUM_LIFETIME = 60.0
"""Also where the server says no-store: these are public, and a burst of processes must not become a burst there."""

MAXIMUM_LIFETIME = 86400.0

#: Seconds for which a document is good enough after that, as long as no other can be had.
STALE_IF_ERROR = 86400.0


@dataclass(frozen=True)
class CachedDocument:
    """One document as fetched.

    Attributes:
        url: where it came from; the key of the cache.
        text: the JSON text, public by nature.
        fetched_at: epoch seconds.
        fresh_until: epoch seconds; afterwards it is fetched again.
    """

    url: str
    text: str = field(repr=False)
    fetched_at: float
    fresh_until: float

    def value(self) -> dict[str, Any] | None:
        """The JSON object, None where the text is damaged."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class DocumentCache(Protocol):
    """Where documents wait between processes; a cache that loses everything is a correct one."""

    def get(self, url: str) -> CachedDocument | None: ...

    def put(self, document: CachedDocument) -> None: ...


class MemoryDocuments:
    """A cache for the life of a process."""

    def __init__(self) -> None:
        self._documents: dict[str, CachedDocument] = {}

    def get(self, url: str) -> CachedDocument | None:
        return self._documents.get(url)

    def put(self, document: CachedDocument) -> None:
        self._documents[document.url] = document


class StoredDocuments:
    """Discovery and JWKS documents in a store, for as long as HTTP says they are fresh."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, url: str) -> CachedDocument | None:
        cached = self._store.read(DOCUMENTS, _key(url))
        if cached is None or cached.get("url") != url:
            return None
        text, fetched_at, fresh_until = cached.get("text"), cached.get("fetched_at"), cached.get("fresh_until")
        if (
            not isinstance(text, str)
            or not isinstance(fetched_at, int | float)
            or not isinstance(fresh_until, int | float)
        ):
            return None
        return CachedDocument(url, text, float(fetched_at), float(fresh_until))

    def put(self, document: CachedDocument) -> None:
        content = {
            "url": document.url,
            "text": document.text,
            "fetched_at": document.fetched_at,
            "fresh_until": document.fresh_until,
        }
        with contextlib.suppress(StorageError):  # public documents; without a cache they are fetched again
            self._store.write(DOCUMENTS, _key(document.url), content)


@functools.cache
def _key(url: str) -> str:
    return cache_key({"url": url})


def document(
    http: HttpClient, cache: DocumentCache, url: str, *, now: float, not_before: float | None = None
) -> tuple[dict[str, Any], CachedDocument]:
    """The document at `url`, from the cache while fresh, and for a day longer while its server gives no other.

    Args:
        now: epoch seconds.
        not_before: a cached document fetched at or before this is not good enough.

    Raises:
        ConfigurationError: the server has no such document.
        TemporaryError: the server cannot be asked now.
        TokenRefreshError: it answered with far too much, or compressed.
    """
    cached = cache.get(url)
    # A document "from the future" is one of a clock that has been set back since: a miss.
    recent = cached is not None and (not_before is None or cached.fetched_at > not_before)
    if cached is not None and recent and cached.fetched_at <= now < cached.fresh_until:
        value = cached.value()
        if value is not None:
            return value, cached
    try:
        return _fetched(http, cache, url, now)
    except CognitoFederationError:
        # RFC 5861, section 4: what answers wrongly for a while takes no renewal away that the last answer allows.
        value = cached.value() if cached is not None and recent else None
        if cached is None or value is None or not cached.fetched_at <= now < cached.fresh_until + STALE_IF_ERROR:
            raise
        return value, cached


def _fetched(http: HttpClient, cache: DocumentCache, url: str, now: float) -> tuple[dict[str, Any], CachedDocument]:
    answer = http.get(url)
    if answer.status != 200:
        raise ConfigurationError(
            f"{answer.host} has no document at {url} (HTTP {answer.status})",
            remedy="Check cognito_provider and cognito_issuer: the issuer must be exact, path included",
        )
    value = answer.json_object(error=ConfigurationError)
    fetched = CachedDocument(url, json.dumps(value), now, now + lifetime(answer, now))
    cache.put(fetched)
    return value, fetched


def lifetime(answer: HttpAnswer, now: float) -> float:
    """Seconds `answer` stays fresh (RFC 9111, section 4.2.1), between a minute and a day."""
    directives = _cache_control(answer.headers)
    if "no-store" in directives or "no-cache" in directives:
        return MINIMUM_LIFETIME
    age = _seconds(answer.headers.get("age"), 0.0)
    if "max-age" in directives:
        life = _seconds(directives["max-age"], 0.0) - age
    elif "expires" in answer.headers:
        life = _until(answer.headers["expires"], now) - age
    else:
        life = DEFAULT_LIFETIME
    return min(max(life, MINIMUM_LIFETIME), MAXIMUM_LIFETIME)


def _cache_control(headers: Mapping[str, str]) -> dict[str, str]:
    directives = {}
    for part in headers.get("cache-control", "").split(","):
        name, _, value = part.strip().partition("=")
        directives[name.lower()] = value.strip('" ')
    return directives


def _seconds(text: str | None, default: float) -> float:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else default


def _until(text: str, now: float) -> float:
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0  # RFC 9111, section 5.3: an invalid date, "0" above all, means already expired


_PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class ProviderMetadata:
    """What a sign-in needs to know about a provider (OpenID Connect Discovery, section 3; RFC 8414, section 2).

    Attributes:
        issuer: exactly what `iss` must be; None for OAuth 2.0 providers without ID tokens.
        issuers: every `iss` an ID token may carry: `issuer` and the provider's known aliases.
        scopes_supported: None where the document does not say.
        names_auth_methods: whether the document itself says which authentication methods there are.
        token_endpoint_auth_algorithms: those for client assertions; None where the document does not say.
        mtls_endpoints: an endpoint -> the one to use with a client certificate (RFC 8705, section 5).
        prompts_supported: `prompt` values (OpenID Connect Initiating User Registration, section 4); None where the
            document does not say.
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
    prompts_supported: frozenset[str] | None = None
    token_endpoint_auth_methods: tuple[str, ...] = ("client_secret_basic",)
    names_auth_methods: bool = False
    token_endpoint_auth_algorithms: frozenset[str] | None = None
    mtls_endpoints: Mapping[str, str] = field(default_factory=dict)
    answers_with_iss: bool = False
    fresh_until: float = 0.0


def discover(http: HttpClient, provider: IdentityProvider, cache: DocumentCache, *, now: float) -> ProviderMetadata:
    """The metadata of `provider`: from its table entry, or from its discovery document.

    Raises:
        ConfigurationError: nobody can sign in there, the document names another issuer, or an endpoint of it is off
            the rule of `_util.urls`.
        TemporaryError: the provider cannot be asked now.
    """
    if provider.endpoints is not None:
        return ProviderMetadata(
            authorization_endpoint=provider.endpoints.authorization,
            token_endpoint=provider.endpoints.token,
            userinfo_endpoint=provider.endpoints.user_info,
            token_endpoint_auth_methods=("client_secret_post",),
            names_auth_methods=True,
            fresh_until=float("inf"),
        )
    if provider.issuer is None:
        raise ConfigurationError(f"There is no sign-in with {provider.name}", remedy=provider.no_sign_in_reason)
    url = provider.issuer.removesuffix("/") + _PATH
    http = http.for_issuer(provider.issuer)
    value, fetched = document(http, cache, url, now=now)
    try:
        return _metadata_in(value, fetched, provider)
    except ConfigurationError:
        if fetched.fetched_at >= now:
            raise
        # It is cached, and its owner may have corrected it since.
        value, fetched = document(http, cache, url, now=now, not_before=fetched.fetched_at)
        return _metadata_in(value, fetched, provider)


def _metadata_in(value: Mapping[str, Any], fetched: CachedDocument, provider: IdentityProvider) -> ProviderMetadata:
    """Read a provider's discovery document.

    Raises:
        ConfigurationError: it is another issuer's, or an endpoint of it may not be spoken to.
    """
    url = fetched.url
    issuer = _checked_issuer(value, provider)
    # Also those that are never used.
    endpoints = [(name, url) for name, url in value.items() if name.endswith("_endpoint") or name == "jwks_uri"]
    aliases = value.get("mtls_endpoint_aliases")
    endpoints += [*aliases.items()] if isinstance(aliases, Mapping) else []
    named = [(printable(name, 60), url) for name, url in endpoints if url is not None]
    check_urls_of_issuer(issuer, named, whose=f"the discovery document of {issuer}")
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
        prompts_supported=_texts(value, "prompt_values_supported"),
        token_endpoint_auth_methods=tuple(
            sorted(_texts(value, "token_endpoint_auth_methods_supported") or {"client_secret_basic"})
        ),
        names_auth_methods=_texts(value, "token_endpoint_auth_methods_supported") is not None,
        token_endpoint_auth_algorithms=_texts(value, "token_endpoint_auth_signing_alg_values_supported"),
        mtls_endpoints=_mtls_endpoints(value),
        answers_with_iss=value.get("authorization_response_iss_parameter_supported") is True,
        fresh_until=fetched.fresh_until,
    )


def _mtls_endpoints(value: Mapping[str, Any]) -> dict[str, str]:
    """Endpoint -> the one for connections with a client certificate, where it is another (RFC 8705, section 5)."""
    aliases = value.get("mtls_endpoint_aliases")
    found: dict[str, str] = {}
    if not isinstance(aliases, Mapping):
        return found
    for name in aliases:
        usual, alias = _text(value, name), _text(aliases, name)
        if usual is not None and alias is not None:
            found[usual] = alias
    return found


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


def _text(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found else None


def _texts(value: Mapping[str, Any], name: str) -> frozenset[str] | None:
    found = value.get(name)
    return frozenset(item for item in found if isinstance(item, str)) if isinstance(found, list) else None


def _required(value: Mapping[str, Any], name: str, url: str) -> str:
    found = _text(value, name)
    if found is None:
        raise ConfigurationError(
            f"The discovery document at {url} has no {name}",
            remedy="Set cognito_issuer to the issuer whose document has it, or report it to the provider",
        )
    return found
