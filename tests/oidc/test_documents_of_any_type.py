"""Every member of every document of a provider may have any type: the result is correct, or an error message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError, SignInFailedError
from botocore_cognito_federation.identity_providers import Endpoints, resolve
from botocore_cognito_federation.oidc.authorization import effective_scopes
from botocore_cognito_federation.oidc.client import Client, OIDCClient, TokenAnswer
from botocore_cognito_federation.oidc.discovery import MemoryDocuments
from botocore_cognito_federation.oidc.flows import authorize_device
from botocore_cognito_federation.oidc.tokens import refresh_tokens, validate_response
from tests.oidc.fake_provider import FakeProvider

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("\ud800")
    | st.just("\x1b["),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
ANY_TYPE = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DISCOVERY = [
    *("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "device_authorization_endpoint"),
    *("revocation_endpoint", "userinfo_endpoint", "scopes_supported", "token_endpoint_auth_methods_supported"),
    *("authorization_response_iss_parameter_supported", "prompt_values_supported", "some_endpoint"),
]


def in_words(call: Callable[[], Any], *kinds: type[CognitoFederationError]) -> None:
    said = ""
    try:
        call()
    except kinds or CognitoFederationError as error:
        said = error.line
    assert said.isprintable()
    assert len(said) < 900


@ANY_TYPE
@given(st.sampled_from(DISCOVERY), JSON)
def test_discovery(provider: FakeProvider, oidc_client: OIDCClient, member: str, value: object) -> None:
    provider.discovery_changes = {member: value}
    asking = replace(oidc_client, documents=MemoryDocuments())
    in_words(lambda: effective_scopes(asking, asking.metadata()), ConfigurationError)


@pytest.mark.thorough
@ANY_TYPE
@given(
    st.sampled_from(["id_token", "access_token", "refresh_token", "expires_in", "token_type", "scope", "error"]), JSON
)
def test_the_token_endpoint(provider: FakeProvider, oidc_client: OIDCClient, member: str, value: object) -> None:
    provider.token_changes = {member: value}
    in_words(lambda: refresh_tokens(oidc_client, "spent", subject="user-1", persist=lambda _: None))


@pytest.mark.thorough
@ANY_TYPE
@given(st.sampled_from(["error", "error_description", "error_uri"]), JSON, st.sampled_from([400, 401, 403]))
def test_an_error_of_the_token_endpoint(
    provider: FakeProvider, oidc_client: OIDCClient, member: str, value: object, status: int
) -> None:
    body = json.dumps({"error": "invalid_request", member: value})
    provider.token_responses = [Response(body, status=status, content_type="application/json")]
    in_words(lambda: refresh_tokens(oidc_client, "spent", subject="user-1", persist=lambda _: None))


@ANY_TYPE
@given(
    st.sampled_from(
        ["device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"]
    ),
    JSON,
)
def test_the_device_endpoint(httpserver: HTTPServer, oidc_client: OIDCClient, member: str, value: object) -> None:
    answer = {"device_code": "d", "user_code": "u", "verification_uri": "https://sso.example.com/", member: value}
    httpserver.clear()
    httpserver.expect_request("/device").respond_with_json(answer)
    metadata = replace(oidc_client, provider=resolve("facebook")).metadata()
    metadata = replace(metadata, device_authorization_endpoint=httpserver.url_for("/device"))
    in_words(lambda: authorize_device(oidc_client, metadata), SignInFailedError)


@ANY_TYPE
@given(st.sampled_from(["id", "name", "email"]), JSON)
def test_user_info(httpserver: HTTPServer, member: str, value: object) -> None:
    httpserver.clear()
    httpserver.expect_request("/me").respond_with_json({"id": "1", "name": "Ada", "email": "a@b.c", member: value})
    url = httpserver.url_for("/me")
    endpoints = Endpoints(url, url, url, "id")
    oidc_client = OIDCClient(replace(resolve("facebook"), endpoints=endpoints), Client("c"))
    found = validate_response(oidc_client, oidc_client.metadata(), TokenAnswer(access_token="opaque"))
    assert found.user_label.isprintable()
    assert all(isinstance(claim, str) for claim in found.claims.values())


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'"x"', b"{", b"\xff\xfe{\x00}\x00", b"[" * 100_000])
def test_a_body_that_is_no_object_is_the_providers_fault(
    httpserver: HTTPServer, provider: FakeProvider, oidc_client: OIDCClient, body: bytes
) -> None:
    provider.token_responses = [Response(body, content_type="application/json")]
    with pytest.raises(CognitoFederationError) as caught:
        refresh_tokens(oidc_client, "spent", subject="user-1", persist=lambda _: None)
    assert caught.value.exit_code == 5
