"""The OpenID Connect client of a configuration, and what a sign-in or a renewal gives back."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from .._util.concurrency import Clock
from .._util.http import HttpAnswer, HttpClient
from .._util.processes import TIME_LIMIT, environment_for_children, run_for_output
from ..cache.base import SECRETS, Store, cache_key
from ..cache.sessions import Session
from ..errors import ConfigurationError
from ..identity_providers import IdentityProvider, TokenKind
from ..login_token import POOL_ALGORITHMS, ROLE_ALGORITHMS, decoded
from ..messages import LONGEST_CODE, masked, printable
from .client_authentication import Client, ClientKey, read_text
from .discovery import DocumentCache, MemoryDocuments, ProviderMetadata, StoredDocuments, discover

if TYPE_CHECKING:
    from ..config.settings import Settings

#: The claims by which a session names its user.
_SHOWN = ("name", "email", "preferred_username")


@dataclass(frozen=True)
class OIDCClient:
    """The settings and tools for requests to one provider.

    Attributes:
        http: makes requests; see `provider_http`.
        scopes: as configured; None for the provider's default, limited to those in the discovery document.
        authorization_parameters: `cognito_auth_params`.
        documents: the cache of discovery and JWKS documents.
        algorithms: the signatures of ID tokens that whoever exchanges them takes, with their hashes.
    """

    provider: IdentityProvider
    client: Client
    http: HttpClient = field(default_factory=HttpClient)
    scopes: tuple[str, ...] | None = None
    authorization_parameters: tuple[tuple[str, str], ...] = ()
    documents: DocumentCache = field(default_factory=MemoryDocuments, repr=False)
    clock: Clock = field(default_factory=Clock, repr=False)
    algorithms: Mapping[str, str] = field(default_factory=lambda: POOL_ALGORITHMS)

    @cached_property
    def provider_http(self) -> HttpClient:
        """Makes the requests to the provider itself."""
        return self.http.for_issuer(self.provider.issuer)

    def metadata(self) -> ProviderMetadata:
        """See `discovery.discover`."""
        if self.provider.no_sign_in_reason:
            raise ConfigurationError(
                f"There is no interactive sign-in with {self.provider.name}", remedy=self.provider.no_sign_in_reason
            )
        return discover(self.provider_http, self.provider, self.documents, now=self.clock.now())


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
class AuthenticationResult:
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

    @cached_property
    def user_label(self) -> str:
        """The user for display: name and address as far as the provider named them, or the subject; safe for a
        terminal.
        """
        name = _claim(self.claims, "name") or _claim(self.claims, "preferred_username")
        name = name or _claim(self.claims, "cognito:username")
        address = _claim(self.claims, "email")
        if name and address and name != address:
            return f"{name} ({address})"
        return name or address or _claim(self.claims, "sub") or "an unnamed user"

    def session(self, *, signed_in_at: float, sign_out_epoch: str) -> Session:
        """The session that this sign-in begins.

        Args:
            signed_in_at: seconds since the epoch.
            sign_out_epoch: in which the sign-in began.
        """
        shown = {name: self.claims.get(name) for name in _SHOWN}
        user = {name: value for name, value in shown.items() if isinstance(value, str) and value.strip()}
        return Session(
            sign_in_id=secrets.token_hex(16),
            subject=self.subject,
            user=user,
            login_token=self.login_token,
            token_expires_at=self.expires_at,
            refresh_token=self.refresh_token,
            signed_in_at=signed_in_at,
            sign_out_epoch=sign_out_epoch,
        )


def _claim(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return printable(value, 100) or None


def oidc_client(
    settings: Settings, store: Store, environ: Mapping[str, str] | None = None, *, clock: Clock | None = None
) -> OIDCClient:
    """Return the OpenID Connect client of a configuration, without contacting the provider.

    Args:
        settings: the configuration.
        store: where the client's secret and the provider's documents are stored.
        environ: the process environment.
        clock: the clock; default is the real one.

    Raises:
        ConfigurationError: the provider or client ID is missing, or the client secret is not available.
    """
    variables = os.environ if environ is None else environ
    provider = settings.provider
    if provider is None:
        raise ConfigurationError(
            "The configuration does not say who signs people in", remedy="Add cognito_provider to its [cognito-session]"
        )
    if settings.client_id is None:
        raise ConfigurationError(
            f"Signing in with {provider.name} needs an OAuth client ID", remedy="Add cognito_client_id = CLIENT_ID"
        )
    if settings.redirect_ports:
        provider = replace(provider, redirect_ports=settings.redirect_ports)
    return OIDCClient(
        provider=provider,
        client=_client(settings, store, variables),
        http=HttpClient(ca_bundle=settings.ca_bundle, environ=variables),
        scopes=settings.scopes or None,
        authorization_parameters=settings.auth_params,
        documents=StoredDocuments(store),
        clock=clock or Clock(),
        algorithms=POOL_ALGORITHMS if settings.identity_pool_id is not None else ROLE_ALGORITHMS,
    )


def _client(settings: Settings, store: Store, environ: Mapping[str, str]) -> Client:
    assert settings.client_id is not None, "checked by the caller"
    name = "cognito_client_assertion_key_file"
    if settings.client_assertion_key_file is not None:
        path = settings.client_assertion_key_file
        return Client(settings.client_id, key=ClientKey(lambda: read_text(path, name), name))
    if settings.client_assertion_key_command is not None:
        name, command = "cognito_client_assertion_key_command", settings.client_assertion_key_command
        children = environment_for_children(environ, settings.profile)

        def printed() -> str:
            raw = run_for_output(command, name=name, environ=children, time_limit=TIME_LIMIT)
            return decoded(raw, source=f"The output of {name}")

        return Client(settings.client_id, key=ClientKey(printed, name))
    if settings.client_certificate is not None:
        return Client(settings.client_id, certificate=settings.client_certificate)
    return Client(settings.client_id, client_secret(settings, store, environ))


def client_secret(settings: Settings, store: Store, environ: Mapping[str, str]) -> str | None:
    """Return the OAuth client's secret from its configured source; None for a public client.

    Raises:
        ConfigurationError: the variable is not set, or the command cannot be started.
        TokenRefreshError, TemporaryError: the command failed.
    """
    if settings.client_secret_env is not None:
        secret = environ.get(settings.client_secret_env, "").strip()
        if not secret:
            raise ConfigurationError(
                f"Variable {settings.client_secret_env} (cognito_client_secret_env) is not set",
                remedy=f"Set {settings.client_secret_env} to the OAuth client's secret",
            )
        return secret
    if settings.client_secret_command is not None:
        name = "cognito_client_secret_command"
        children = environment_for_children(environ, settings.profile)
        raw = run_for_output(settings.client_secret_command, name=name, environ=children, time_limit=TIME_LIMIT)
        return decoded(raw, source=f"The output of {name}").strip() or None
    document = store.read(SECRETS, secret_key(settings))
    stored = document.get("client_secret") if document else None
    return stored if isinstance(stored, str) and stored else None


def secret_key(settings: Settings) -> str:
    """Return the key under which ``configure --client-secret-stdin`` stores the client's secret."""
    return cache_key({"what": "client secret", "scope": settings.scope, "client": settings.client_id})


# A description may quote what was sent, and a code, token or assertion is a long run of these characters.
_SHORTEST_IN_CODE = 8
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_\-.~+/=|%]{40,}")


@dataclass(frozen=True)
class ProviderError:
    """An OAuth error answer.

    Attributes:
        code: the provider's error code (`invalid_grant`), empty where there was none.
        description: its description, without anything that looks like a token, at most 200 characters.
    """

    code: str
    description: str = ""

    def __str__(self) -> str:
        code = self.code or "no error code"
        return f"{code}: {self.description}" if self.description else code


def provider_error(code: object, description: object, *, secrets: Iterable[str | None] = ()) -> ProviderError:
    """Clean an error of a provider.

    Args:
        secrets: values that were sent to the provider and must not be shown.
    """
    sent = tuple(secrets)
    text = _TOKEN_LIKE.sub("…", masked(description, sent))
    # A short one may stand in the name of an error by chance, and the name decides what is done.
    name = masked(code, (each for each in sent if each and len(each) >= _SHORTEST_IN_CODE))
    return ProviderError(_TOKEN_LIKE.sub("…", printable(name, LONGEST_CODE)), printable(text, 200))


def error_in(answer: HttpAnswer, *, secrets: Iterable[str | None] = ()) -> ProviderError:
    """The error of a token, device or revocation endpoint; Facebook nests its own shape in `error`."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ProviderError("")
    if not isinstance(body, dict):
        return ProviderError("")
    error = body.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        return provider_error(
            str(code) if code is not None else error.get("type"), error.get("message"), secrets=secrets
        )
    return provider_error(error, body.get("error_description"), secrets=secrets)


@dataclass(frozen=True)
class SignInPrompt:
    """One thing for the user to do.

    Attributes:
        kind: ``browser``: the answer comes to this machine; ``paste``: the redirected URL is to be pasted;
            ``device``: `user_code` is to be entered at `url`, on any device.
        url: to open; for ``browser`` the start page of this machine, because the sign-in belongs to the browser that
            fetches it. Not a secret for the terminal, but not for argv either.
        complete_url: `url` with the code filled in (RFC 8628, section 3.3.1), where the provider has one.
        browser_opened: a browser has been told to open it.
        expires_in: seconds until the sign-in gives up.
        again: what was pasted before held no answer; the address is the same.
        stalled: why a browser sign-in that was announced before does not get on: ``unopened``: no browser has fetched
            the address; ``unanswered``: one has, and nothing came back. Empty for an announcement.
        helps: what to do when it is ``unanswered``.
        has_device_codes: whether the provider offers a sign-in by device code too.
    """

    kind: Literal["browser", "paste", "device"]
    url: str = field(repr=False)
    user_code: str | None = field(default=None, repr=False)
    complete_url: str | None = field(default=None, repr=False)
    browser_opened: bool = False
    expires_in: float = 0.0
    again: bool = False
    stalled: Literal["", "unopened", "unanswered"] = ""
    helps: str = ""
    has_device_codes: bool = False


#: Seconds a user has for a sign-in.
DEFAULT_TIMEOUT = 300.0
#: The last word on a verified answer: persists it, or raises to fail the sign-in.
Accept = Callable[[AuthenticationResult], None]
Announce = Callable[[SignInPrompt], None]
