from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from botocore_cognito_federation._util.http import MAXIMUM_BODY, HttpAnswer, HttpClient
from botocore_cognito_federation.errors import ConfigurationError, TemporaryError
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.authorization import effective_scopes
from botocore_cognito_federation.oidc.client import Client, OIDCClient
from botocore_cognito_federation.oidc.discovery import CachedDocument, MemoryDocuments, discover, document, lifetime
from tests.oidc.fake_provider import FakeProvider

NOW = 1_800_000_000.0


def test_the_metadata_holds_what_the_document_says(provider: FakeProvider, oidc_client: OIDCClient) -> None:
    found = oidc_client.metadata()
    assert found.issuer == provider.issuer
    assert found.token_endpoint == f"{provider.issuer}/token"
    assert found.scopes_supported == frozenset({"openid", "email", "profile"})
    assert found.answers_with_iss
    assert effective_scopes(oidc_client, found) == ("openid", "email", "profile")


@pytest.mark.parametrize("change", ["/", "/x", "x", ".evil.example"])
def test_a_document_of_another_issuer_is_refused_whichever_server_sends_it(
    provider: FakeProvider, oidc_client: OIDCClient, change: str
) -> None:
    provider.discovery_changes["issuer"] = "https://evil.example" if change == "/" else provider.issuer + change
    with pytest.raises(ConfigurationError, match="names another issuer"):
        oidc_client.metadata()


def test_one_trailing_slash_is_adopted_from_the_document(provider: FakeProvider, oidc_client: OIDCClient) -> None:
    provider.discovery_changes["issuer"] = provider.issuer + "/"
    assert oidc_client.metadata().issuer == provider.issuer + "/"
    assert oidc_client.metadata().issuers == (provider.issuer + "/",)
    provider.discovery_changes["issuer"] = provider.issuer + "//"
    with pytest.raises(ConfigurationError):
        replace(oidc_client, documents=MemoryDocuments()).metadata()


def test_a_configured_issuer_must_match_to_the_letter(provider: FakeProvider, oidc_client: OIDCClient) -> None:
    provider.discovery_changes["issuer"] = provider.issuer + "/"
    exact = replace(oidc_client, provider=resolve("corp.example.com", issuer=provider.issuer))
    with pytest.raises(ConfigurationError, match=r"set cognito_issuer = http://127\.0\.0\.1:\d+/"):
        exact.metadata()


@pytest.mark.parametrize(
    "name",
    [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "revocation_endpoint",
        "device_authorization_endpoint",
        "some_future_endpoint",
    ],
)
@pytest.mark.parametrize("value", ["http://login.example.com/x", "ftp://127.0.0.1/", "/relative", 7, ["x"]])
def test_every_endpoint_that_a_document_names_is_held_to_the_http_policy(
    provider: FakeProvider, oidc_client: OIDCClient, name: str, value: object
) -> None:
    provider.discovery_changes[name] = value
    with pytest.raises(ConfigurationError, match=name):
        oidc_client.metadata()


class Published(HttpClient):
    """Answers every request with one discovery document."""

    document: dict[str, Any]

    def request(self, method: str, url: str, **_: Any) -> HttpAnswer:
        return HttpAnswer("h", 200, {}, json.dumps(self.document).encode())

    def for_issuer(self, issuer: str | None) -> HttpClient:
        return self


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "device_authorization_endpoint", "some_endpoint"])
@pytest.mark.parametrize(
    ("issuer", "endpoint", "says"),
    [
        ("https://sso.example.com", "http://127.0.0.1:9200/_delete", "on this machine, and the issuer is not"),
        ("https://sso.example.com", "https://127.0.0.1:9200/_delete", "on this machine, and the issuer is not"),
        ("https://sso.example.com", "https://localhost/x", "on this machine, and the issuer is not"),
        ("https://sso.example.com", "http://[::1]/x", "on this machine, and the issuer is not"),
        ("https://sso.example.com", "http://localhost/x", "localhost"),
        ("http://127.0.0.1:3000", "http://localhost:3000/x", r"Write http://127\.0\.0\.1:3000"),
        ("https://sso.example.com", "https://169.254.169.254/x", "link-local"),
        ("http://127.0.0.1:3000", "http://169.254.169.254/x", "link-local"),
        ("http://localhost:3000", "https://[fe80::1]/x", "link-local"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:9200/x", None),
        ("http://127.0.0.1:3000", "https://sso.example.com/x", None),
        ("http://localhost:3000", "http://localhost:9200/x", None),
        ("http://localhost:3000", "http://127.0.0.1:9200/x", None),
    ],
)
def test_only_an_issuer_on_this_machine_names_endpoints_on_it_and_none_names_a_link_local_one(
    name: str, issuer: str, endpoint: str, says: str | None
) -> None:
    endpoints = {each: f"{issuer}/{each}" for each in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    http = Published()
    object.__setattr__(http, "document", {"issuer": issuer, **endpoints, name: endpoint})
    oidc_client = OIDCClient(resolve(issuer), Client("c"), http)
    if says is None:
        oidc_client.metadata()
        return
    with pytest.raises(ConfigurationError, match=rf"(?s){name}.*{says}"):
        oidc_client.metadata()


def test_an_issuer_that_calls_itself_localhost_is_found_by_that_name(
    provider: FakeProvider, httpserver: HTTPServer
) -> None:
    provider.issuer = f"http://localhost:{httpserver.port}"
    oidc_client = OIDCClient(resolve(provider.issuer), Client("c"))
    assert oidc_client.metadata().token_endpoint == f"{provider.issuer}/token"
    assert resolve(provider.issuer).login_key == f"localhost:{httpserver.port}"


def test_a_document_that_is_suddenly_too_large_takes_away_nothing_that_the_last_one_allows(
    httpserver: HTTPServer,
) -> None:
    url = httpserver.url_for("/document")
    httpserver.expect_oneshot_request("/document").respond_with_json({"issuer": "i"})
    httpserver.expect_request("/document").respond_with_data(b" " * (MAXIMUM_BODY + 1))
    http, cache = HttpClient(), MemoryDocuments()
    value, first = document(http, cache, url, now=NOW)
    assert document(http, cache, url, now=first.fresh_until + 10) == (value, first)


@pytest.mark.parametrize("name", ["issuer", "token_endpoint", "jwks_uri"])
def test_a_document_without_what_is_needed_is_refused(
    provider: FakeProvider, oidc_client: OIDCClient, name: str
) -> None:
    provider.discovery_changes[name] = None
    with pytest.raises(ConfigurationError):
        oidc_client.metadata()


def test_no_document_is_a_configuration_error_and_a_broken_server_a_temporary_one(
    httpserver: HTTPServer, make_client: Callable[..., OIDCClient]
) -> None:
    with pytest.raises(TemporaryError):
        make_client(httpserver.url_for("/nothing-here")).metadata()  # pytest-httpserver answers 500
    httpserver.expect_request("/op/.well-known/openid-configuration").respond_with_data("no", 404)
    with pytest.raises(ConfigurationError, match="issuer must be exact"):
        make_client(httpserver.url_for("/op")).metadata()


@pytest.mark.parametrize("provider_name", ["facebook", "amazon"])
def test_providers_without_discovery_come_from_the_table(provider_name: str) -> None:
    found = discover(HttpClient(), resolve(provider_name), MemoryDocuments(), now=NOW)
    assert found.issuer is None
    assert found.token_endpoint.startswith("https://")
    assert found.token_endpoint_auth_methods == ("client_secret_post",)


@pytest.mark.parametrize("provider_name", ["apple", "guest", "twitter"])
def test_there_is_no_metadata_where_sign_in_is_impossible(
    make_client: Callable[..., OIDCClient], provider_name: str
) -> None:
    with pytest.raises(ConfigurationError, match="no interactive sign-in"):
        make_client(provider_name).metadata()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 3600),
        ({"cache-control": "public, max-age=300"}, 300),
        ({"cache-control": "max-age=300", "age": "100"}, 200),
        ({"cache-control": "max-age=99999999"}, 86400),
        ({"cache-control": "no-store, max-age=300"}, 60),
        ({"cache-control": "max-age=0"}, 60),
        ({"cache-control": "max-age=x"}, 60),
        ({"expires": "0"}, 60),
        ({"expires": "Fri, 15 Jan 2027 08:10:00 GMT"}, 600),
    ],
)
def test_a_document_stays_fresh_for_as_long_as_http_says(headers: dict[str, str], seconds: float) -> None:
    assert lifetime(HttpAnswer("h", 200, headers, b""), NOW) == seconds


def test_a_fresh_document_is_not_fetched_again_and_a_stale_damaged_or_future_one_is(httpserver: HTTPServer) -> None:
    url = httpserver.url_for("/doc")
    httpserver.expect_request("/doc").respond_with_json({"a": 1}, headers={"Cache-Control": "max-age=100"})
    cache = MemoryDocuments()

    def fetches(now: float) -> int:
        before = len(httpserver.log)
        assert document(HttpClient(), cache, url, now=now)[0] == {"a": 1}
        return len(httpserver.log) - before

    assert [fetches(NOW), fetches(NOW + 99), fetches(NOW + 100), fetches(NOW)] == [1, 0, 1, 1]
    cache.put(CachedDocument(url, '{"a":', NOW, NOW + 100))
    assert fetches(NOW) == 1


@pytest.mark.parametrize(("status", "body"), [(503, "busy"), (404, ""), (200, "<html>a proxy's page</html>")])
def test_a_stale_document_is_used_for_a_day_while_no_other_is_available(
    httpserver: HTTPServer, status: int, body: str
) -> None:
    url = httpserver.url_for("/document").replace("localhost", "127.0.0.1")
    httpserver.expect_oneshot_request("/document").respond_with_json({"issuer": "i"})
    httpserver.expect_request("/document").respond_with_data(body, status=status)
    http, cache = HttpClient(), MemoryDocuments()
    value, first = document(http, cache, url, now=NOW)
    assert document(http, cache, url, now=first.fresh_until + 10) == (value, first)
    with pytest.raises((ConfigurationError, TemporaryError)):
        document(http, cache, url, now=first.fresh_until + 10, not_before=NOW)
    with pytest.raises((ConfigurationError, TemporaryError)):
        document(http, cache, url, now=first.fresh_until + 86_401)
