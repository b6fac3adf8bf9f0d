from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.identity_providers import Endpoints, resolve
from botocore_cognito_federation.oidc.client import Client, OIDCClient, TokenAnswer
from botocore_cognito_federation.oidc.tokens import (
    GrantEndedError,
    NoIdTokenError,
    exchange_code,
    exchange_for_long_lived,
    refresh_grant,
    refresh_tokens,
    revoke,
)
from tests.oidc.fake_provider import FakeProvider, refusal

SECRET = "canary-refresh-token"


def test_a_renewal_gives_a_verified_answer_and_says_that_the_refresh_token_rotated(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    stored: list[TokenAnswer] = []
    found = refresh_tokens(oidc_client, SECRET, subject="user-1", persist=stored.append)
    assert (found.refresh_token, found.rotated, found.subject) == ("the-refresh-token", True, "user-1")
    assert (stored[0].refresh_token, stored[0].rotated) == ("the-refresh-token", True)
    assert provider.asked[-1][1] == {"grant_type": "refresh_token", "refresh_token": SECRET, "client_id": "client-1"}
    assert "the-" not in repr(found) + repr(stored)


@pytest.mark.parametrize("sent_back", [None, SECRET])
def test_without_a_new_refresh_token_the_old_one_is_retained(
    provider: FakeProvider, oidc_client: OIDCClient, sent_back: str | None
) -> None:
    provider.token_changes["refresh_token"] = sent_back
    found = refresh_tokens(oidc_client, SECRET)
    assert (found.refresh_token, found.rotated) == (SECRET, False)


def test_the_rotated_token_is_handed_over_before_anything_is_verified(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    stored: list[TokenAnswer] = []
    provider.claim_changes["iss"] = "https://evil.example"
    with pytest.raises(TokenRefreshError, match="issued by"):
        refresh_tokens(oidc_client, SECRET, persist=stored.append)
    assert stored[0].refresh_token == "the-refresh-token"


def test_a_store_that_fails_ends_the_renewal_before_the_token_is_used(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    def fail(answer: TokenAnswer) -> None:
        raise OSError("read-only")

    with pytest.raises(OSError, match="read-only"):
        refresh_tokens(oidc_client, SECRET, persist=fail)
    assert provider.jwks_fetches == 0


def test_another_subject_than_before_is_refused(oidc_client: OIDCClient) -> None:
    with pytest.raises(TokenRefreshError, match="another user"):
        refresh_tokens(oidc_client, SECRET, subject="user-2")


def test_a_renewal_without_an_id_token_asks_for_sign_in_and_carries_the_new_refresh_token(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    provider.token_changes["id_token"] = None
    with pytest.raises(NoIdTokenError, match="without an ID token") as caught:
        refresh_tokens(oidc_client, SECRET)
    assert isinstance(caught.value, SignInRequiredError)
    assert caught.value.answer.refresh_token == "the-refresh-token"
    assert "offline_access" in caught.value.remedy
    assert "the-refresh-token" not in str(caught.value) + repr(caught.value.answer)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (lambda: refusal("invalid_grant"), GrantEndedError),
        (lambda: refusal("invalid_grant", 403), GrantEndedError),
        (lambda: refusal("interaction_required"), SignInRequiredError),
        (lambda: Response("", status=400), SignInRequiredError),
        (lambda: Response("<html>", status=400), SignInRequiredError),
        (lambda: refusal("invalid_client", 401), ConfigurationError),
        (lambda: refusal("unauthorized_client"), ConfigurationError),
        (lambda: Response("", status=401), ConfigurationError),
        (lambda: refusal("temporarily_unavailable"), TemporaryError),
        (lambda: refusal("server_error", 500), TemporaryError),
        (lambda: Response("", status=429), TemporaryError),
        (lambda: Response("", status=503), TemporaryError),
        (lambda: refusal("invalid_scope"), TokenRefreshError),
        (lambda: Response("<html>", status=403), TokenRefreshError),
        (lambda: Response("<html>", status=200), TokenRefreshError),
        (lambda: Response("{}", status=200), TokenRefreshError),
        (lambda: Response("", status=302, headers={"Location": "https://evil.example/"}), ConfigurationError),
    ],
)
def test_a_refused_renewal_is_sorted_and_only_invalid_grant_ends_the_grant(
    provider: FakeProvider,
    oidc_client: OIDCClient,
    response: Callable[[], Response],
    error: type[CognitoFederationError],
) -> None:
    provider.token_responses.append(response())
    with pytest.raises(error) as caught:
        refresh_grant(oidc_client, oidc_client.metadata(), SECRET)
    assert isinstance(caught.value, GrantEndedError) == (error is GrantEndedError)
    assert SECRET not in str(caught.value)


def test_an_error_description_that_quotes_the_token_is_not_quoted_on(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    provider.token_responses.append(refusal("invalid_grant", error_description=f"token {SECRET} was used before"))
    with pytest.raises(GrantEndedError, match=r"invalid_grant: token … was used before"):
        refresh_grant(oidc_client, oidc_client.metadata(), SECRET)


@pytest.mark.parametrize(
    ("methods", "basic"),
    [(None, True), (["client_secret_basic", "client_secret_post"], True), (["client_secret_post"], False)],
)
def test_a_confidential_client_authenticates_as_the_provider_wants(
    provider: FakeProvider, make_client: Callable[..., OIDCClient], methods: list[str] | None, basic: bool
) -> None:
    provider.discovery_changes["token_endpoint_auth_methods_supported"] = methods
    oidc_client = make_client(provider.issuer, "client:1", "s3 cr&t")
    refresh_grant(oidc_client, oidc_client.metadata(), SECRET)
    asked = provider.asked[-1][1]
    if basic:
        assert base64.b64decode(asked["Authorization"].removeprefix("Basic ")) == b"client%3A1:s3+cr%26t"
        assert "client_secret" not in asked
    else:
        assert (asked["client_id"], asked["client_secret"]) == ("client:1", "s3 cr&t")
    assert "s3 cr&t" not in repr(oidc_client)


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_request"])
def test_a_refused_code_is_a_failed_sign_in(provider: FakeProvider, oidc_client: OIDCClient, error: str) -> None:
    provider.token_responses.append(refusal(error, error_description="bad the-verifier"))
    with pytest.raises(SignInFailedError, match=rf"refused the sign-in \({error}: bad …\)"):
        exchange_code(oidc_client, oidc_client.metadata(), code="c", code_verifier="the-verifier", redirect_uri="r")


@pytest.mark.parametrize(
    ("expires_in", "known"),
    [(600, True), ("600", True), (600.5, True), (None, False), (True, False), (-1, False), ("x", False), ([], False)],
)
def test_expires_in_is_taken_as_number_or_digits(
    provider: FakeProvider, oidc_client: OIDCClient, expires_in: Any, known: bool
) -> None:
    provider.token_changes["expires_in"] = expires_in
    answer = refresh_grant(oidc_client, oidc_client.metadata(), SECRET)
    assert (answer.expires_at is not None) == known


def test_revocation_says_whether_it_worked_and_never_raises(
    provider: FakeProvider, make_client: Callable[..., OIDCClient], httpserver: HTTPServer
) -> None:
    assert revoke(make_client(provider.issuer), SECRET).reason.endswith("has no revocation endpoint")
    provider.discovery_changes["revocation_endpoint"] = f"{provider.issuer}/revoke"
    httpserver.expect_oneshot_request("/revoke", method="POST").respond_with_data("")
    httpserver.expect_oneshot_request("/revoke").respond_with_json({"error": "unsupported_token_type"}, 400)
    httpserver.expect_oneshot_request("/revoke").respond_with_data("", 503)
    oidc_client = make_client(provider.issuer)
    assert revoke(oidc_client, SECRET).revoked
    assert "unsupported_token_type" in revoke(oidc_client, SECRET).reason
    assert "503" in revoke(oidc_client, SECRET).reason
    assert not revoke(make_client("https://127.0.0.1:9"), SECRET).revoked


@pytest.fixture
def table_client(httpserver: HTTPServer) -> Callable[..., OIDCClient]:
    """Facebook or Amazon, with the endpoints of the table on this machine."""

    def make(name: str, secret: str | None = None) -> OIDCClient:
        from dataclasses import replace

        url = httpserver.url_for
        provider = resolve(name)
        assert provider.endpoints is not None
        local = Endpoints(url("/authorize"), url("/token"), url("/me"), provider.endpoints.user_id_field)
        return OIDCClient(replace(provider, endpoints=local), Client("app", secret))

    return make


def respond(httpserver: HTTPServer, *answers: dict[str, Any], status: int = 200) -> None:
    for answer in answers:
        httpserver.expect_ordered_request("/token", method="POST").respond_with_data(
            json.dumps(answer), status, content_type="application/json"
        )


def test_facebook_exchanges_for_a_long_lived_token_that_later_renews_itself(
    httpserver: HTTPServer, table_client: Callable[..., OIDCClient]
) -> None:
    oidc_client = table_client("facebook", "app-secret")
    respond(httpserver, {"access_token": "long", "expires_in": 5183944}, {"access_token": "longer"})
    answer = exchange_for_long_lived(oidc_client, oidc_client.metadata(), TokenAnswer(access_token="short"))
    assert (answer.access_token, answer.refresh_token) == ("long", "long")
    form = httpserver.log[0][0].form.to_dict()
    assert form == {
        "grant_type": "fb_exchange_token",
        "fb_exchange_token": "short",
        "client_id": "app",
        "client_secret": "app-secret",
    }
    renewed = refresh_tokens(oidc_client, "long", subject="1")
    assert (renewed.login_token, renewed.refresh_token, renewed.rotated) == ("longer", "longer", True)


def test_facebook_without_the_app_secret_retains_its_short_token(table_client: Callable[..., OIDCClient]) -> None:
    oidc_client = table_client("facebook")
    short = TokenAnswer(access_token="short")
    assert exchange_for_long_lived(oidc_client, oidc_client.metadata(), short) is short


def test_facebooks_own_shape_of_an_expired_token_ends_the_grant(
    httpserver: HTTPServer, table_client: Callable[..., OIDCClient]
) -> None:
    oidc_client = table_client("facebook", "app-secret")
    respond(httpserver, {"error": {"message": "expired", "type": "OAuthException", "code": 190}}, status=400)
    with pytest.raises(GrantEndedError, match="190: expired"):
        refresh_grant(oidc_client, oidc_client.metadata(), "long")


def test_amazon_gives_access_tokens_and_retains_its_refresh_token(
    httpserver: HTTPServer, table_client: Callable[..., OIDCClient]
) -> None:
    respond(httpserver, {"access_token": "Atza|x", "expires_in": 3600})
    found = refresh_tokens(table_client("amazon"), "Atzr|y", subject="amzn1.account.A")
    assert (found.login_token, found.refresh_token, found.id_token) == ("Atza|x", "Atzr|y", None)
    assert (found.subject, found.issuer) == ("amzn1.account.A", None)
