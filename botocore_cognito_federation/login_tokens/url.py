"""Login tokens by HTTP: from a configured URL, and from the token endpoints of platforms.

Each is one GET without credentials of this package; the platform identifies its caller by a header, a job token or the
machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from .._util.urls import LOCALHOST, is_link_local
from ..errors import ConfigurationError, TokenRefreshError
from ..login_token import LoginToken, decoded, parse_output
from .base import (
    Binding,
    LoginTokenProvider,
    Now,
    RefreshContext,
    SourceContext,
    SourceDeclaration,
)

if TYPE_CHECKING:
    from .._util.http import HttpAnswer, HttpClient
    from ..config.settings import Settings

#: The metadata services use these addresses without TLS: a packet to them does not leave the machine's host.
METADATA_ADDRESS = "169.254.169.254"
_GCP_HOST = "metadata.google.internal"
GCP_ADDRESSES = frozenset({_GCP_HOST, METADATA_ADDRESS})


@dataclass(frozen=True)
class PlatformRequest:
    """A request for a platform's token.

    Attributes:
        url: the URL; it holds no secret.
        headers: the request headers.
        token_field: the JSON field of the token; None if the answer is the bare token.
        plain_http_hosts: hosts that may be asked without TLS, and never through a proxy.
        answer_header: a header that only the real service sets; None if it has none.
        remedy: what to check if it refuses.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_field: str | None = None
    plain_http_hosts: frozenset[str] = frozenset()
    answer_header: tuple[str, str] | None = None
    remedy: str = ""


def with_parameter(url: str, name: str, value: str) -> str:
    """Return `url` with one more query parameter."""
    separator = "" if url.endswith(("?", "&")) else "&" if urlsplit(url).query else "?"
    return f"{url}{separator}{name}={quote(value, safe='')}"


def github_actions(environ: Mapping[str, str], audience: str | None) -> PlatformRequest:
    """Request an ID token for the job from GitHub's or Forgejo's runner; it is valid for minutes only.

    Source: GitHub, "OpenID Connect reference", requesting the JWT using environment variables.
    """
    url, token = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"), environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not token:
        raise ConfigurationError(
            "cognito_token_url = github-actions finds no ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN",
            remedy="Give the job 'permissions: id-token: write'; steps in containers need both variables passed on",
        )
    return PlatformRequest(
        with_parameter(url, "audience", audience) if audience else url,
        {"Authorization": f"bearer {token}"},
        "value",
        remedy="Check the job's 'permissions: id-token: write'",
    )


def gcp(environ: Mapping[str, str], audience: str | None) -> PlatformRequest:
    """Request an ID token of the machine's service account from the metadata server of Google Cloud.

    ``GCE_METADATA_HOST`` overrides its address, as in Google's own libraries. Source: Google Cloud, "Verify VM
    identity".
    """
    host = environ.get("GCE_METADATA_HOST") or _GCP_HOST
    query = urlencode({"audience": audience or "", "format": "full"})
    return PlatformRequest(
        f"http://{host}/computeMetadata/v1/instance/service-accounts/default/identity?{query}",
        {"Metadata-Flavor": "Google"},
        plain_http_hosts=GCP_ADDRESSES,
        answer_header=("metadata-flavor", "Google"),
        remedy="Check that the machine has a service account",
    )


def azure(environ: Mapping[str, str], audience: str | None) -> PlatformRequest:
    """Request a managed identity's token from Azure: App Service, Functions and Container Apps, or else a VM.

    ``AZURE_CLIENT_ID`` chooses a user-assigned identity, as in Azure's own libraries. Sources: Azure, "How to use
    managed identities for App Service", REST endpoint reference; "How to use managed identities on a VM".
    """
    parameters = {"resource": audience or ""}
    if environ.get("AZURE_CLIENT_ID"):
        parameters["client_id"] = environ["AZURE_CLIENT_ID"]
    remedy = "Check that this machine or app has a managed identity, and that cognito_token_audience is its resource"
    endpoint, secret = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
    if endpoint and secret:
        url = f"{endpoint}?{urlencode({'api-version': '2019-08-01', **parameters})}"
        return PlatformRequest(
            url, {"X-IDENTITY-HEADER": secret}, "access_token", plain_http_hosts=_given_hosts(url), remedy=remedy
        )
    if endpoint:
        raise ConfigurationError(
            "cognito_token_url = azure finds IDENTITY_ENDPOINT without IDENTITY_HEADER, as on Azure Arc, which asks"
            " for a file only its agent's group may read",
            remedy="Use cognito_token_command with the Azure CLI there",
        )
    return PlatformRequest(
        f"http://{METADATA_ADDRESS}/metadata/identity/oauth2/token?"
        f"{urlencode({'api-version': '2018-02-01', **parameters})}",
        {"Metadata": "true"},
        "access_token",
        plain_http_hosts=frozenset({METADATA_ADDRESS}),
        remedy=remedy,
    )


def _given_hosts(url: str) -> frozenset[str]:
    """Return the host of an endpoint that Azure gives its own containers, if it is link-local or ``localhost``.

    App Service gives a link-local one, Container Apps and Functions give ``http://localhost:PORT``.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return frozenset()
    return frozenset({host}) if is_link_local(host) or host == LOCALHOST else frozenset()


#: Name -> the function that makes its request.
PLATFORMS: Mapping[str, Callable[[Mapping[str, str], str | None], PlatformRequest]] = {
    "github-actions": github_actions,
    "gcp": gcp,
    "azure": azure,
}


#: RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

ClientMaker = Callable[[frozenset[str]], "HttpClient"]


class UrlTokenProvider:
    """``cognito_token_url``.

    Args:
        url: the URL, or the name of a platform.
        audience: sent as the query parameter ``audience``, or as the one that the platform names.
        field: the JSON field of the token; None for the platform's own, or the usual ones.
        headers_env: name of the variable that holds request headers; see `headers_in`.
        environ: the process environment, read at each request.
        clock: returns seconds since the epoch.
        ca_bundle: see `HttpClient`.
        client: makes the HTTP client for a set of link-local hosts.
    """

    def __init__(
        self,
        url: str,
        *,
        audience: str | None,
        field: str | None,
        headers_env: str | None,
        environ: Mapping[str, str],
        clock: Now,
        ca_bundle: str | None = None,
        client: ClientMaker | None = None,
    ) -> None:
        self._url = url
        self._audience = audience
        self._field = field
        self._headers_env = headers_env
        self._environ = environ
        self._clock = clock
        self._ca_bundle = ca_bundle
        self._client = client or self._default_client

    @property
    def description(self) -> str:
        # The path or query of a URL may hold a secret; its host may not.
        where = self._url if self._url in PLATFORMS else self._url.partition("://")[2].partition("/")[0]
        return f"cognito_token_url {where.partition('?')[0]}"

    def fetch(self, context: RefreshContext) -> LoginToken:
        request = self._request()
        answer = self._client(request.plain_http_hosts).get(request.url, headers=request.headers)
        self._require_token_answer(answer, request)
        text = decoded(answer.body, source=self.description)
        field = self._field or request.token_field
        return parse_output(text, source=self.description, field=field, now=self._clock())

    def _request(self) -> PlatformRequest:
        platform = PLATFORMS.get(self._url)
        if platform is not None:
            return platform(self._environ, self._audience)
        url = with_parameter(self._url, "audience", self._audience) if self._audience else self._url
        remedy = f"Check the headers in {self._headers_env}" if self._headers_env else "Set cognito_token_headers_env"
        return PlatformRequest(url, self._headers(), remedy=remedy)

    def _headers(self) -> Mapping[str, str]:
        if self._headers_env is None:
            return {}
        text = self._environ.get(self._headers_env)
        if not text:
            raise ConfigurationError(
                f"Variable {self._headers_env} (cognito_token_headers_env) is not set",
                remedy="Set it to request headers, one 'Name: value' a line or a JSON object",
            )
        return headers_in(text, f"Variable {self._headers_env} (cognito_token_headers_env)")

    def _require_token_answer(self, answer: HttpAnswer, request: PlatformRequest) -> None:
        if answer.status != 200:
            raise TokenRefreshError(f"{self.description} answered {answer.status}", remedy=request.remedy)
        if request.answer_header is not None:
            name, value = request.answer_header
            if answer.headers.get(name) != value:
                raise TokenRefreshError(
                    f"What answers for {self.description} is not that service (no {name} header)",
                    remedy="This machine is not on that platform, or a proxy answered instead",
                )

    def _default_client(self, plain_http_hosts: frozenset[str]) -> HttpClient:
        from .._util.http import HttpClient

        return HttpClient(self._ca_bundle, plain_http_hosts, environ=self._environ)


def headers_in(text: str, source: str) -> dict[str, str]:
    """Return the request headers in a text: one ``Name: value`` a line, or a JSON object of strings.

    Raises:
        ConfigurationError: it is neither; the text is not quoted, because it holds secrets.
    """
    pairs = _json_pairs(text) if text.lstrip().startswith("{") else _line_pairs(text)
    if pairs is None:
        raise ConfigurationError(f"{source} is neither 'Name: value' lines nor a JSON object of strings")
    headers = {}
    for name, value in pairs:
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"{source} holds a line whose part before the colon is not a header name")
        if not value or not value.isascii() or not value.isprintable():
            raise ConfigurationError(f"{source} holds no plain text for the header {name}")
        headers[name] = value
    return headers


def _json_pairs(text: str) -> list[tuple[str, str]] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        return None
    return list(value.items())


def _line_pairs(text: str) -> list[tuple[str, str]] | None:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not all(":" in line for line in lines):
        return None
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def _opening(name: str | None) -> Callable[[Settings, SourceContext], LoginTokenProvider]:
    def open_source(settings: Settings, context: SourceContext) -> LoginTokenProvider:
        url = name or settings.token_url
        assert url is not None, "selected by its key"
        return UrlTokenProvider(
            url,
            audience=settings.token_audience,
            field=settings.token_field,
            headers_env=settings.token_headers_env,
            environ=context.environ,
            clock=context.clock.now,
            ca_bundle=settings.ca_bundle,
        )

    return open_source


def _remedy(settings: Settings) -> str:
    return "Make the token source return a new token"


def _headers_variable(settings: Settings) -> tuple[Binding, ...]:
    return (Binding("variable", settings.token_headers_env),) if settings.token_headers_env else ()


def _url_stands_in_the_file(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether the configuration file holds the URL: the caller may have chosen one from a variable or a flag."""
    return settings.origin("token_url").layer in ("profile", "session")


def _platform(
    name: str,
    variables: tuple[str, ...],
    address_is_fixed: bool | Callable[[Settings, Mapping[str, str]], bool],
    required: Mapping[str, str] | None = None,
) -> SourceDeclaration:
    return SourceDeclaration(
        "token_source",
        _opening(name),
        _remedy,
        name=name,
        is_token_url=True,
        options=("token_audience", "token_field"),
        required=required or {},
        bindings=lambda settings: tuple(Binding("variable", variable) for variable in variables),
        address_is_fixed=address_is_fixed,
        asks_server=True,
    )


URL = SourceDeclaration(
    "token_url",
    _opening(None),
    _remedy,
    options=("token_audience", "token_field", "token_headers_env"),
    bindings=_headers_variable,
    address_is_fixed=_url_stands_in_the_file,
    asks_server=True,
)
GITHUB_ACTIONS = _platform("github-actions", ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"), False)
GCP = _platform(
    "gcp",
    ("GCE_METADATA_HOST",),
    lambda settings, environ: environ.get("GCE_METADATA_HOST", "") in ("", *GCP_ADDRESSES),
    {"token_audience": "the audience of the token"},
)
AZURE = _platform(
    "azure",
    ("AZURE_CLIENT_ID", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
    lambda settings, environ: not environ.get("IDENTITY_ENDPOINT"),
    {"token_audience": "the resource of the token"},
)
