"""The token endpoints of platforms: what ``cognito_token_url = github-actions``, ``gcp`` or ``azure`` asks for.

Each is one GET without a credential of ours; the platform knows its caller by a header, a job token or the machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from ..errors import ConfigurationError

#: The metadata services answer on these without TLS: a packet to them does not leave the machine's host.
METADATA_ADDRESS = "169.254.169.254"
_GCP_HOST = "metadata.google.internal"


@dataclass(frozen=True)
class PlatformRequest:
    """A request for a platform's token.

    Attributes:
        url: where to; holds no secret.
        headers: to send.
        token_field: the JSON field of the token; None where the answer is the bare token.
        plain_http_hosts: hosts that may be asked without TLS, and never by proxy.
        answer_header: a header that only the true service sets; None where it has none.
        remedy: what to look at when it refuses.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_field: str | None = None
    plain_http_hosts: frozenset[str] = frozenset()
    answer_header: tuple[str, str] | None = None
    remedy: str = ""


def with_parameter(url: str, name: str, value: str) -> str:
    """`url` with one more query parameter."""
    separator = "" if url.endswith(("?", "&")) else "&" if urlsplit(url).query else "?"
    return f"{url}{separator}{name}={quote(value, safe='')}"


def github_actions(environ: Mapping[str, str], audience: str | None) -> PlatformRequest:
    """GitHub's and Forgejo's runners: an ID token for the job, asked for anew each time as it lives minutes.

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
    """The metadata server of Google Cloud: an ID token of the machine's service account.

    ``GCE_METADATA_HOST`` moves it, as in Google's own libraries. Source: Google Cloud, "Verify VM identity".
    """
    host = environ.get("GCE_METADATA_HOST") or _GCP_HOST
    query = urlencode({"audience": audience or "", "format": "full"})
    return PlatformRequest(
        f"http://{host}/computeMetadata/v1/instance/service-accounts/default/identity?{query}",
        {"Metadata-Flavor": "Google"},
        plain_http_hosts=frozenset({_GCP_HOST, METADATA_ADDRESS}),
        answer_header=("metadata-flavor", "Google"),
        remedy="Check that the machine has a service account",
    )


def azure(environ: Mapping[str, str], audience: str | None) -> PlatformRequest:
    """A managed identity of Azure: the endpoint of App Service, Functions and Container Apps, else that of a VM.

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
            url, {"X-IDENTITY-HEADER": secret}, "access_token", plain_http_hosts=_link_local(url), remedy=remedy
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


def _link_local(url: str) -> frozenset[str]:
    """The host of a URL, if it is a literal link-local address: App Service gives such an endpoint to containers."""
    try:
        host = urlsplit(url).hostname or ""
        return frozenset({host}) if ipaddress.ip_address(host).is_link_local else frozenset()
    except ValueError:
        return frozenset()


#: Name -> how its request is made.
PLATFORMS: Mapping[str, Callable[[Mapping[str, str], str | None], PlatformRequest]] = {
    "github-actions": github_actions,
    "gcp": gcp,
    "azure": azure,
}
