"""The requests to Cognito, field by field: Logins keys in each partition, the role, and no request without a token."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation import (
    CognitoFederation,
    FederationRefusedError,
    InvalidTokenError,
    NotSignedInError,
)
from tests.application.conftest import Time

GUID = "11111111-2222-3333-4444-555555555555"


def jwt(issuer: str, sub: str = "ada", lifetime: float = 7200) -> str:
    """A JWT that is not verified here: the tests check the requests, not the answers."""
    parts = {"alg": "RS256"}, {"iss": issuer, "sub": sub, "exp": int(time.time() + lifetime)}, "signature"
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


class Pool:
    """An identity pool that accepts every request and records it."""

    def __init__(self, server: HTTPServer, clock: Time) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.clock = clock
        self.endpoint_url = server.url_for("").rstrip("/")
        self.refuse_from = 1_000_000
        server.expect_request("/").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        operation = request.headers["X-Amz-Target"].split(".")[1]
        self.asked.append((operation, request.get_json(force=True)))
        if len(self.asked) >= self.refuse_from:
            refusal = {"__type": "NotAuthorizedException", "message": "Token is not from a supported provider"}
            return Response(json.dumps(refusal), 400, content_type="application/x-amz-json-1.1")
        keys = {"AccessKeyId": "ASIA", "SecretKey": "s", "SessionToken": "t", "Expiration": self.clock.now() + 3600}
        answer = {"IdentityId": f"eu-west-1:{GUID}", "Credentials": keys}
        return Response(json.dumps(answer), content_type="application/x-amz-json-1.1")

    def federation(self, region: str = "eu-west-1", **options: Any) -> CognitoFederation:
        return CognitoFederation(
            f"{region}:{GUID}", endpoint_url=self.endpoint_url, clock=self.clock.library_clock, **options
        )


@pytest.fixture
def pool(httpserver: HTTPServer, clock: Time) -> Pool:
    return Pool(httpserver, clock)


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("google", "accounts.google.com"),
        ("https://accounts.google.com", "accounts.google.com"),
        ("apple", "appleid.apple.com"),
        ("corp.example.com", "corp.example.com"),
        ("https://corp.example.com/", "corp.example.com"),
        ("https://corp.example.com/tenant/v2.0", "corp.example.com/tenant/v2.0"),
        ("cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab", "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab"),
    ],
)
def test_a_provider_goes_under_its_logins_key_in_every_spelling(pool: Pool, provider: str, key: str) -> None:
    token = jwt(f"https://{key}")
    pool.federation().federated_sign_in(provider, token)
    assert [operation for operation, _ in pool.asked] == ["GetId", "GetCredentialsForIdentity"]
    assert [body["Logins"] for _, body in pool.asked] == [{key: token}] * 2


@pytest.mark.parametrize(("alias", "key"), [("facebook", "graph.facebook.com"), ("amazon", "www.amazon.com")])
def test_access_tokens_go_under_their_providers_key(pool: Pool, alias: str, key: str) -> None:
    pool.federation().federated_sign_in(alias, "an-opaque-token")
    assert [body["Logins"] for _, body in pool.asked] == [{key: "an-opaque-token"}] * 2


def test_an_opaque_token_of_an_openid_provider_is_refused_before_any_call_and_says_which_to_pass(pool: Pool) -> None:
    with pytest.raises(InvalidTokenError, match=r"not a JWT.*ID token"):
        pool.federation().federated_sign_in("corp.example.com", "an-opaque-token")
    assert pool.asked == []


@pytest.mark.parametrize(
    ("region", "key"),
    [
        ("eu-west-1", "cognito-identity.amazonaws.com"),
        ("cn-north-1", "cognito-identity.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "cognito-identity-us-gov.amazonaws.com"),
    ],
)
@pytest.mark.parametrize("by_name", [True, False])
def test_a_developer_token_goes_under_the_key_of_its_own_partition(
    pool: Pool, region: str, key: str, by_name: bool
) -> None:
    identity_id = f"{region}:{GUID}"
    token = jwt(f"https://{key}", sub=identity_id)
    pool.federation(region).federated_sign_in("developer" if by_name else key, token, identity_id=identity_id)
    assert pool.asked == [("GetCredentialsForIdentity", {"IdentityId": identity_id, "Logins": {key: token}})]


def test_the_custom_role_goes_with_every_exchange(pool: Pool, clock: Time) -> None:
    role = "arn:aws:iam::111122223333:role/Chosen"
    federation = pool.federation(role_arn=role)
    federation.federated_sign_in("corp.example.com", jwt("https://corp.example.com"))
    clock.ahead = 3000
    federation.current_credentials()
    exchanges = [body for operation, body in pool.asked if operation == "GetCredentialsForIdentity"]
    assert [body["CustomRoleArn"] for body in exchanges] == [role, role]


def test_no_call_for_a_guest_is_ever_made_for_a_user_whose_renewal_is_refused(pool: Pool, clock: Time) -> None:
    federation = pool.federation()
    federation.federated_sign_in("corp.example.com", jwt("https://corp.example.com"))
    pool.refuse_from = 0
    clock.ahead = 3500
    for _ in range(3):
        with pytest.raises(FederationRefusedError):
            federation.current_credentials()
        clock.ahead += 40
    assert all(body["Logins"] for _, body in pool.asked)


def test_an_application_that_wants_no_guests_makes_no_call_while_the_user_is_not_signed_in(pool: Pool) -> None:
    federation = pool.federation()
    client = federation.session().client("s3")
    for ask in (federation.current_credentials, federation.federated_info, client.list_buckets):
        with pytest.raises(NotSignedInError, match="Not signed in"):
            ask()
    assert pool.asked == []
