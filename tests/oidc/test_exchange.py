"""Token exchange and on-behalf-of at a token endpoint: what is sent, what is taken, and what a refusal means."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug import Response

from botocore_cognito_federation import handlers
from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    NonRetryableError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.identity_providers import TOKEN_TYPES
from botocore_cognito_federation.oidc.client import OIDCClient
from botocore_cognito_federation.oidc.exchange import ExchangeRequest, exchange_token
from tests.oidc.fake_provider import CLIENT_ID, FakeProvider, refusal

SUBJECT = "the-token-of-the-user-0123456789-0123456789-0123456789"


def issued(provider: FakeProvider, kind: str | None, token_type: str = "N_A", **claims: Any) -> Response:
    """An answer as RFC 8693 has it: the token of any kind is the access token."""
    body = {
        "access_token": provider.key.sign(provider.claims(nonce=None, **claims)),
        "issued_token_type": kind and TOKEN_TYPES.get(kind, kind),
        "token_type": token_type,
        "expires_in": 300,
    }
    return Response(json.dumps(body), content_type="application/json")


def test_the_request_is_that_of_the_standard_and_the_issued_token_is_verified(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    provider.token_responses.append(issued(provider, "id_token"))
    found = exchange_token(oidc_client, ExchangeRequest(SUBJECT))
    assert provider.asked[-1][1] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": SUBJECT,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "requested_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "scope": "openid",
        "client_id": CLIENT_ID,
    }
    assert (found.subject, found.login_token) == ("user-1", found.id_token)
    assert SUBJECT not in repr(ExchangeRequest(SUBJECT))


def test_a_token_for_another_audience_names_that_and_may_name_who_asked(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    request = ExchangeRequest(SUBJECT, requested_token_type=TOKEN_TYPES["jwt"], audience="pool-client")
    for claims in ({"azp": CLIENT_ID}, {"azp": "pool-client"}, {"aud": ["pool-client", CLIENT_ID]}):
        provider.token_responses.append(issued(provider, "jwt", **{"aud": "pool-client", **claims}))
        assert exchange_token(oidc_client, request).subject == "user-1"
    asked = provider.asked[-1][1]
    assert (asked["audience"], asked["requested_token_type"], "scope" in asked) == (
        "pool-client",
        TOKEN_TYPES["jwt"],
        False,
    )


@pytest.mark.parametrize(
    ("claims", "audience", "said"),
    [
        ({"aud": "another"}, None, "another client. Check cognito_client_id"),
        ({"aud": CLIENT_ID}, "pool-client", "another client. Check cognito_token_audience"),
        ({"aud": "pool-client", "azp": "third"}, "pool-client", "azp"),
        ({"azp": []}, None, "azp"),
        ({"iss": "https://elsewhere.example"}, None, "was issued by"),
        ({"exp": 1_000_000_000, "iat": 999_999_999}, None, "expired"),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    provider: FakeProvider, oidc_client: OIDCClient, claims: dict[str, Any], audience: str | None, said: str
) -> None:
    provider.token_responses.append(issued(provider, "id_token", **claims))
    with pytest.raises(TokenRefreshError) as refused:
        exchange_token(oidc_client, ExchangeRequest(SUBJECT, audience=audience))
    assert said in refused.value.line


@pytest.mark.parametrize("kind", ["access_token", None, "urn:example:opaque"])
def test_a_token_of_another_kind_is_not_taken_for_an_id_token_unless_one_came_along(
    provider: FakeProvider, oidc_client: OIDCClient, kind: str | None
) -> None:
    provider.token_responses.append(issued(provider, kind, "Bearer"))
    with pytest.raises(TokenRefreshError, match=r"issued a token of the kind .*cognito_requested_token_type"):
        exchange_token(oidc_client, ExchangeRequest(SUBJECT))
    provider.token_changes = {"issued_token_type": kind, "refresh_token": None}
    provider.nonce = None
    assert exchange_token(oidc_client, ExchangeRequest(SUBJECT)).subject == "user-1"


def test_on_behalf_of_asks_for_an_id_token_and_for_no_refresh_token(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    provider.discovery_changes = {"scopes_supported": ["openid", "email", "offline_access"]}
    assert exchange_token(oidc_client, ExchangeRequest(SUBJECT, on_behalf_of=True)).subject == "user-1"
    assert provider.asked[-1][1] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": SUBJECT,
        "requested_token_use": "on_behalf_of",
        "scope": "openid email",
        "client_id": CLIENT_ID,
    }


def test_on_behalf_of_without_an_id_token_says_which_scope_brings_one(
    provider: FakeProvider, oidc_client: OIDCClient
) -> None:
    provider.token_changes = {"id_token": None}
    with pytest.raises(TokenRefreshError, match="openid"):
        exchange_token(oidc_client, ExchangeRequest(SUBJECT, on_behalf_of=True))


@pytest.mark.parametrize("on_behalf_of", [False, True])
@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (("invalid_grant", 400), TokenRefreshError, "newly issued token"),
        (("invalid_request", 400), TokenRefreshError, "newly issued token"),
        (("interaction_required", 400), SignInRequiredError, "where the token comes from"),
        (("consent_required", 400), SignInRequiredError, "wants to see the user"),
        (("invalid_target", 400), ConfigurationError, "cognito_token_audience"),
        (("invalid_scope", 400), ConfigurationError, "cognito_scopes"),
        (("unsupported_grant_type", 400), ConfigurationError, "does not let this client exchange tokens"),
        (("unauthorized_client", 403), ConfigurationError, "Allow the grant"),
        (("invalid_client", 401), ConfigurationError, "does not take this client"),
        (("temporarily_unavailable", 400), TemporaryError, "not available"),
        (("", 400), TokenRefreshError, "no error code"),
    ],
)
def test_a_refusal_is_the_tokens_the_users_the_configurations_or_passes(
    provider: FakeProvider,
    oidc_client: OIDCClient,
    answer: tuple[str, int],
    error: type[CognitoFederationError],
    said: str,
    on_behalf_of: bool,
) -> None:
    provider.token_responses.append(refusal(answer[0], answer[1], error_description=f"the token {SUBJECT[:30]}"))
    with pytest.raises(error) as refused:
        exchange_token(oidc_client, ExchangeRequest(SUBJECT, on_behalf_of=on_behalf_of))
    assert type(refused.value) is error
    assert said in refused.value.line


def test_no_description_quotes_the_users_token(provider: FakeProvider, oidc_client: OIDCClient) -> None:
    for on_behalf_of in (False, True):
        short = "short-secret"
        provider.token_responses.append(refusal("invalid_grant", error_description=f"assertion {short} is stale"))
        with pytest.raises(TokenRefreshError) as refused:
            exchange_token(oidc_client, ExchangeRequest(short, on_behalf_of=on_behalf_of))
        assert short not in refused.value.line


@pytest.mark.parametrize("make", [handlers.token_exchange, handlers.on_behalf_of])
def test_a_handler_exchanges_the_newest_token_and_shows_no_secret(
    provider: FakeProvider, make: Callable[..., handlers.ExchangeHandler]
) -> None:
    provider.token_changes = {"issued_token_type": TOKEN_TYPES["access_token"]}
    tokens = iter([SUBJECT, "the-next"])
    handler = make(provider.issuer, CLIENT_ID, lambda: next(tokens), "the-secret", scopes=["openid", "groups"])
    for expected in (SUBJECT, "the-next"):
        answer = handler()
        sent = provider.asked[-1][1]
        assert expected in (sent.get("subject_token"), sent.get("assertion"))
        assert (sent["scope"], answer["token"].count(".")) == ("openid groups", 2)
    assert "the-secret" not in repr(handler)
    assert CLIENT_ID in repr(handler)


def test_a_handler_is_not_asked_again_when_the_provider_wants_to_see_the_user(provider: FakeProvider) -> None:
    provider.token_responses.append(refusal("interaction_required"))
    with pytest.raises(NonRetryableError, match="wants to see the user"):
        handlers.on_behalf_of(provider.issuer, CLIENT_ID, SUBJECT)()
