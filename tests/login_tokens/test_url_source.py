"""``cognito_token_url``: the requests and their headers, and that a hostile or broken server can do no harm."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from botocore_cognito_federation._util.http import HttpClient
from botocore_cognito_federation._util.urls import check_request
from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.login_tokens.base import RefreshContext
from botocore_cognito_federation.login_tokens.url import METADATA_ADDRESS, PLATFORMS, UrlTokenProvider, headers_in
from tests.login_tokens.metadata_server import MetadataServer

pytestmark = pytest.mark.thorough

SECRET = "sesame-8f2c"


def source(url: str, environ: Mapping[str, str] | None = None, **options: Any) -> UrlTokenProvider:
    defaults: dict[str, Any] = {"audience": None, "field": None, "headers_env": None, "clock": lambda: 1_800_000_000.0}
    return UrlTokenProvider(url, environ=environ or {}, **{**defaults, **options})


def impatient(hosts: frozenset[str]) -> HttpClient:
    return HttpClient(plain_http_hosts=hosts, environ={}, connect_timeout=0.5, total_timeout=0.5)


def github(metadata: MetadataServer) -> dict[str, str]:
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://{metadata.host}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET,
    }


def query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query, strict_parsing=True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("opaque-token\n", None),
        ('{"token": "opaque-token"}', None),
        ('{"value": "opaque-token"}', None),
        ('{"data": {"jwt": "opaque-token"}}', "data.jwt"),
    ],
)
def test_the_token_is_read_from_text_or_json(metadata: MetadataServer, body: str, field: str | None) -> None:
    metadata.says(body)
    token = source(f"http://{metadata.host}/t", field=field).fetch(RefreshContext())
    assert token.value == "opaque-token"


def test_headers_come_from_the_variable_and_the_audience_is_a_parameter(metadata: MetadataServer) -> None:
    metadata.says("opaque-token")
    environ = {"HEADERS": f"Authorization: Bearer {SECRET}\nX-Colour: blue: green"}
    source(f"http://{metadata.host}/t?a=b", environ, headers_env="HEADERS", audience="api://x?y&z").fetch(
        RefreshContext()
    )
    (seen,) = metadata.seen
    assert query(seen.path) == {"a": ["b"], "audience": ["api://x?y&z"]}
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["x-colour"] == "blue: green"


def test_the_endpoint_on_localhost_that_azure_gives_its_containers_is_asked(metadata: MetadataServer) -> None:
    metadata.says(json.dumps({"access_token": "opaque-token"}))
    port = metadata.host.rpartition(":")[2]
    environ = {"IDENTITY_ENDPOINT": f"http://localhost:{port}/msi/token", "IDENTITY_HEADER": SECRET}
    assert source("azure", environ, audience="x").fetch(RefreshContext()).value == "opaque-token"
    assert metadata.seen[0].headers["host"] == f"localhost:{port}"


def test_headers_may_be_json_and_are_read_anew_each_time(metadata: MetadataServer) -> None:
    metadata.says("opaque-token")
    environ = {"HEADERS": json.dumps({"X-Key": "first"})}
    url = source(f"http://{metadata.host}/t", environ, headers_env="HEADERS")
    url.fetch(RefreshContext())
    environ["HEADERS"] = json.dumps({"X-Key": "second"})
    url.fetch(RefreshContext())
    assert [seen.headers["x-key"] for seen in metadata.seen] == ["first", "second"]


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"X-Key {SECRET}",
        f"X Key: {SECRET}",
        f": {SECRET}",
        "X-Key:",
        f"X-Key: {SECRET}é",
        f"X-Key: {SECRET}\x00",
        f'{{"X-Key": ["{SECRET}"]}}',
        f'{{"X-Key": "{SECRET}\\r\\nX-Other: 1"}}',
        f'{{"X-Key: {SECRET}',
        "{" * 100_000,
    ],
)
def test_headers_that_are_none_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        headers_in(text, "Variable HEADERS")
    assert SECRET not in str(caught.value)


def test_a_variable_of_headers_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Variable HEADERS"):
        source("https://token.example/t", headers_env="HEADERS").fetch(RefreshContext())


def test_github_actions_is_asked_with_the_jobs_token_and_the_audience(metadata: MetadataServer) -> None:
    metadata.says('{"count": 1, "value": "job-token"}')
    token = source("github-actions", github(metadata), audience="my pool").fetch(RefreshContext())
    (seen,) = metadata.seen
    assert token.value == "job-token"
    assert query(seen.path) == {"api-version": ["2.0"], "audience": ["my pool"]}
    assert seen.headers["authorization"] == f"bearer {SECRET}"


def test_github_actions_outside_a_job_with_the_permission_says_which_permission() -> None:
    with pytest.raises(ConfigurationError, match="id-token: write"):
        source("github-actions", {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"}).fetch(RefreshContext())


def test_gcp_is_asked_as_googles_own_libraries_ask(metadata: MetadataServer) -> None:
    metadata.says("gcp-token", Metadata_Flavor="Google")
    token = source("gcp", {"GCE_METADATA_HOST": metadata.host}, audience="my-pool").fetch(RefreshContext())
    (seen,) = metadata.seen
    assert token.value == "gcp-token"
    assert urlsplit(seen.path).path == "/computeMetadata/v1/instance/service-accounts/default/identity"
    assert query(seen.path) == {"audience": ["my-pool"], "format": ["full"]}
    assert seen.headers["metadata-flavor"] == "Google"


def test_what_is_not_googles_metadata_server_is_not_believed(metadata: MetadataServer) -> None:
    metadata.says("<html>Hotel login</html>")
    with pytest.raises(TokenRefreshError, match="not that service"):
        source("gcp", {"GCE_METADATA_HOST": metadata.host}, audience="x").fetch(RefreshContext())


def test_azure_app_service_is_asked_at_its_own_endpoint(metadata: MetadataServer) -> None:
    metadata.says('{"access_token": "azure-token", "expires_on": "1800003600", "token_type": "Bearer"}')
    environ = {
        "IDENTITY_ENDPOINT": f"http://{metadata.host}/msi/token",
        "IDENTITY_HEADER": SECRET,
        "AZURE_CLIENT_ID": "11111111-2222",
    }
    token = source("azure", environ, audience="api://pool").fetch(RefreshContext())
    (seen,) = metadata.seen
    assert token.value == "azure-token"
    assert query(seen.path) == {
        "api-version": ["2019-08-01"],
        "resource": ["api://pool"],
        "client_id": ["11111111-2222"],
    }
    assert seen.headers["x-identity-header"] == SECRET


def test_azure_arc_is_named_as_what_it_is() -> None:
    with pytest.raises(ConfigurationError, match="Azure Arc"):
        source("azure", {"IDENTITY_ENDPOINT": "http://localhost:40342/x"}, audience="x").fetch(RefreshContext())


def test_the_metadata_services_of_machines_are_asked_without_tls_and_without_proxy() -> None:
    azure = PLATFORMS["azure"]({}, "api://pool")
    assert azure.url.startswith(f"http://{METADATA_ADDRESS}/metadata/identity/oauth2/token?api-version=2018-02-01&")
    assert azure.headers == {"Metadata": "true"}
    google = PLATFORMS["gcp"]({}, "x")
    assert google.url.startswith("http://metadata.google.internal/computeMetadata/")
    for request in (azure, google):
        assert check_request(request.url, plain_http_hosts=request.plain_http_hosts)[1]


def test_a_link_local_endpoint_of_app_service_is_allowed_and_a_distant_one_is_not() -> None:
    near = PLATFORMS["azure"]({"IDENTITY_ENDPOINT": "http://169.254.130.7:8081/msi", "IDENTITY_HEADER": "h"}, "x")
    far = PLATFORMS["azure"]({"IDENTITY_ENDPOINT": "http://198.51.100.7:8081/msi", "IDENTITY_HEADER": "h"}, "x")
    assert near.plain_http_hosts == {"169.254.130.7"}
    assert far.plain_http_hosts == frozenset()


@pytest.mark.parametrize(
    "environ",
    [
        {"IDENTITY_ENDPOINT": "http://198.51.100.7/msi", "IDENTITY_HEADER": SECRET},
        {"IDENTITY_ENDPOINT": "file:///etc/passwd", "IDENTITY_HEADER": SECRET},
        {"IDENTITY_ENDPOINT": "http://169.254.169.254@evil.example/", "IDENTITY_HEADER": SECRET},
        {"IDENTITY_ENDPOINT": "http://169.254.169.254.evil.example/", "IDENTITY_HEADER": SECRET},
    ],
    ids=["far", "file", "user name", "longer name"],
)
def test_a_secret_header_never_goes_out_in_the_clear(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        source("azure", environ, audience="x").fetch(RefreshContext())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("host", ["198.51.100.7", "metadata.google.internal.evil.example", "x@169.254.169.254"])
def test_the_gcp_host_cannot_be_moved_off_the_machine(host: str) -> None:
    with pytest.raises(ConfigurationError):
        source("gcp", {"GCE_METADATA_HOST": host}, audience="x").fetch(RefreshContext())


def every_source(metadata: MetadataServer) -> list[UrlTokenProvider]:
    app_service = {"IDENTITY_ENDPOINT": f"http://{metadata.host}/msi", "IDENTITY_HEADER": SECRET}
    options: dict[str, Any] = {"audience": "x", "client": impatient}
    return [
        source(f"http://{metadata.host}/t", {"H": f"X-Key: {SECRET}"}, headers_env="H", **options),
        source("github-actions", github(metadata), **options),
        source("gcp", {"GCE_METADATA_HOST": metadata.host}, **options),
        source("azure", app_service, **options),
    ]


def refusals(metadata: MetadataServer) -> list[CognitoFederationError]:
    errors = []
    for one in every_source(metadata):
        with pytest.raises(CognitoFederationError) as caught:
            one.fetch(RefreshContext())
        assert SECRET not in str(caught.value)
        errors.append(caught.value)
    return errors


@pytest.mark.parametrize("way", ["hangs", "trickles"])
def test_a_server_that_never_answers_is_given_up_as_temporary(metadata: MetadataServer, way: str) -> None:
    getattr(metadata, way)()
    assert {type(error) for error in refusals(metadata)} == {TemporaryError}


def test_a_redirect_is_not_followed(metadata: MetadataServer) -> None:
    with MetadataServer() as elsewhere:
        elsewhere.says("stolen")
        metadata.says("", 302, Location=f"http://{elsewhere.host}/")
        for error in refusals(metadata):
            assert isinstance(error, ConfigurationError)
            assert "redirect" in str(error)
        assert elsewhere.seen == []


def test_a_gigabyte_is_not_read(metadata: MetadataServer) -> None:
    metadata.floods()
    for error in refusals(metadata):
        assert isinstance(error, TokenRefreshError)
    # Four readers; only the data in the sockets' buffers has left the server.
    assert metadata.sent < 100 * (1 << 20)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 204, 418])
def test_a_refusal_names_its_status_and_what_to_check(metadata: MetadataServer, status: int) -> None:
    metadata.says(f"no, {SECRET}" if status != 204 else "", status, Metadata_Flavor="Google")
    for error in refusals(metadata):
        assert isinstance(error, TokenRefreshError)
        assert f"answered {status}" in str(error)
        assert error.remedy


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_temporary(metadata: MetadataServer, status: int) -> None:
    metadata.says(SECRET, status)
    assert all(isinstance(error, TemporaryError) for error in refusals(metadata))


@pytest.mark.parametrize(
    "body", ["", "   ", "{}", '{"value": 5, "access_token": 5}', '{"a": [1', "<html>x y</html>", "{" * 50_000, "a b"]
)
def test_nonsense_is_no_token(metadata: MetadataServer, body: str) -> None:
    metadata.says(body, Metadata_Flavor="Google")
    for error in refusals(metadata):
        assert isinstance(error, TokenRefreshError)


def test_binary_data_is_no_token(metadata: MetadataServer) -> None:
    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Metadata-Flavor", "Google")
        request.end_headers()
        request.wfile.write(b"\xff\xfe\x00")

    metadata.answer = answer
    for error in refusals(metadata):
        assert isinstance(error, TokenRefreshError)


def test_a_closed_port_is_temporary() -> None:
    with MetadataServer() as gone:
        pass
    for error in refusals(gone):
        assert isinstance(error, TemporaryError)


def test_neither_path_nor_secret_of_a_url_is_in_its_description_or_the_log(
    metadata: MetadataServer, caplog: pytest.LogCaptureFixture
) -> None:
    metadata.says(SECRET)
    hidden = source(f"http://{metadata.host}/t", {"H": f"X-Key: {SECRET}"}, headers_env="H")
    with caplog.at_level(logging.DEBUG):
        hidden.fetch(RefreshContext())
    assert hidden.description == f"cognito_token_url {metadata.host}"
    assert SECRET not in caplog.text
    assert SECRET not in repr(PLATFORMS["github-actions"](github(metadata), None))


def test_a_netrc_entry_is_not_used(metadata: MetadataServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    metadata.says("token")
    source(f"http://{metadata.host}/t").fetch(RefreshContext())
    assert "authorization" not in metadata.seen[0].headers


def test_a_proxy_never_sees_a_metadata_request(metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with MetadataServer() as proxy:
        proxy.says("from the proxy", Metadata_Flavor="Google")
        metadata.says("direct", Metadata_Flavor="Google")
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        token = source("gcp", {"GCE_METADATA_HOST": metadata.host}, audience="x").fetch(RefreshContext())
        assert token.value == "direct"
        assert proxy.seen == []
