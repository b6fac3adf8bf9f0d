"""Tokens that ECR and CodeArtifact issue: what is asked, what a refusal means, and that no answer shows a secret."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation.config.registries import registry_in
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.credentials import FederatedCredentials
from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    TemporaryError,
)
from botocore_cognito_federation.identity_pool.client import Clients, session_of_shared_models
from botocore_cognito_federation.serve.issued_tokens import Caller, codeartifact_token, ecr_token

pytestmark = pytest.mark.thorough

SESSION_TOKEN = "the-session-token-of-a-person"
EXPIRES = 1_900_000_000.0


def caller(*, authenticated: bool = True) -> Caller:
    now = time.time()
    credentials = FederatedCredentials(
        "ASIAEXAMPLEEXAMPLE00", "secret/+key", SESSION_TOKEN, now + 3600, now, "1-2", authenticated=authenticated
    )
    settings = Settings(None, role_arn="arn:aws:iam::1:role/x", region_name="eu-west-1")
    return Caller(credentials, Clients(settings, session_of_shared_models), "dev")


Answers = Callable[..., list[Request]]


@pytest.fixture
def service(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Make every service of AWS answer alike; returns the requests that come."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", httpserver.url_for(""))

    def answer(members: dict[str, Any], *, status: int = 200, code: str = "") -> list[Request]:
        asked: list[Request] = []

        def handle(request: Request) -> Response:
            asked.append(request)
            headers = {"x-amzn-ErrorType": code} if code else {}
            body = {**({"__type": code} if code else {}), **members}
            return Response(json.dumps(body), status, headers, content_type="application/x-amz-json-1.1")

        httpserver.expect_request("/").respond_with_handler(handle)
        httpserver.expect_request("/v1/authorization-token").respond_with_handler(handle)
        return asked

    return answer


def password(text: str) -> dict[str, Any]:
    return {"authorizationToken": base64.b64encode(text.encode()).decode(), "expiresAt": EXPIRES}


def test_the_password_of_ecr_is_what_stands_behind_its_user(service: Answers) -> None:
    asked = service({"authorizationData": [password("AWS:a:b")]})
    token = ecr_token(caller(), "eu-central-1")
    assert (token.value, token.expires_at) == ("a:b", EXPIRES)
    assert "/eu-central-1/ecr/aws4_request" in asked[0].headers["Authorization"]
    assert json.loads(asked[0].data) == {}


def test_the_public_registry_has_an_api_of_its_own(service: Answers) -> None:
    asked = service({"authorizationData": password("AWS:public")})
    registry = registry_in("https://public.ecr.aws/")
    assert registry is not None
    assert ecr_token(caller(), registry.region, registry).value == "public"
    assert "/us-east-1/ecr-public/aws4_request" in asked[0].headers["Authorization"]


def test_codeartifact_is_asked_as_the_options_say(service: Answers) -> None:
    asked = service({"authorizationToken": "ey.token", "expiration": EXPIRES})
    token = codeartifact_token(caller(), "eu-west-1", "corp", owner="123456789012", seconds=0)
    codeartifact_token(caller(), "eu-west-1", "corp")
    assert (token.value, token.expires_at) == ("ey.token", EXPIRES)
    given = [dict(request.args) for request in asked]
    assert given == [{"domain": "corp", "domain-owner": "123456789012", "duration": "0"}, {"domain": "corp"}]


def _of_public(who: Caller, region: str) -> object:
    return ecr_token(who, region, registry_in("public.ecr.aws"))


SAID = "User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: "
GRANT = '{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}'
REFUSALS: list[tuple[str, int, str, type[CognitoFederationError], str]] = [
    (
        "AccessDeniedException",
        400,
        f"{SAID}ecr:GetAuthorizationToken on resource: * because no identity-based policy allows it",
        FederationRefusedError,
        f"The role of profile dev does not allow ecr:GetAuthorizationToken. Add this statement to its policy: {GRANT}",
    ),
    (
        "AccessDeniedException",
        403,
        f"{SAID}sts:GetServiceBearerToken on resource: arn:aws:sts::1:x because no identity-based policy allows it",
        FederationRefusedError,
        '{"Effect": "Allow", "Action": "sts:GetServiceBearerToken", "Resource": "arn:aws:sts::1:x"}',
    ),
    (
        "AccessDeniedException",
        400,
        f"{SAID}ecr:GetAuthorizationToken on resource: * with an explicit deny in a service control policy",
        FederationRefusedError,
        "A Deny statement in the service control policy has to be lifted",
    ),
    (
        "AccessDeniedException",
        400,
        f"{SAID}ecr:GetAuthorizationToken because no session policy allows the ecr:GetAuthorizationToken action",
        FederationRefusedError,
        "The session policy of profile dev does not allow ecr:GetAuthorizationToken. Guests of the enhanced flow",
    ),
    ("UnrecognizedClientException", 400, "The security token is invalid.", ConfigurationError, "does not know"),
    ("ThrottlingException", 400, "Rate exceeded", TemporaryError, "gives no token now (ThrottlingException)"),
    ("InternalFailure", 500, "<html>", TemporaryError, "gives no token now (HTTP 500). Try again"),
    ("InvalidSignatureException", 403, f"x-amz-security-token:{SESSION_TOKEN}", FederationRefusedError, "token:…"),
]


@pytest.mark.parametrize(("code", "status", "text", "error", "said"), REFUSALS, ids=lambda value: str(value)[:30])
def test_a_refusal_says_what_fixes_it_and_shows_no_secret(
    service: Answers, code: str, status: int, text: str, error: type[CognitoFederationError], said: str
) -> None:
    service({"message": text}, status=status, code=code)
    with pytest.raises(error) as caught:
        ecr_token(caller(authenticated=False), "eu-west-1")
    assert said in caught.value.line
    assert SESSION_TOKEN not in caught.value.line


def test_a_domain_that_is_not_there_is_named_with_its_region(service: Answers) -> None:
    service({"message": "Domain not found"}, status=404, code="ResourceNotFoundException")
    with pytest.raises(ConfigurationError, match=r"no domain corp of 123456789012 in eu-west-1\. Correct --domain"):
        codeartifact_token(caller(), "eu-west-1", "corp", owner="123456789012")


@pytest.mark.parametrize("ask", [ecr_token, lambda who, at: codeartifact_token(who, at, "corp"), _of_public])
def test_an_endpoint_that_may_not_be_spoken_to_is_named(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[Caller, str], object]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ecr.example")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL, where calls to"):
        ask(caller(), "us-east-1")


@pytest.mark.parametrize("data", [{}, {"authorizationData": []}, {"authorizationData": [password("Bob:x")]}])
def test_an_answer_without_a_password_is_not_the_service(service: Answers, data: dict[str, Any]) -> None:
    service(data)
    with pytest.raises(TemporaryError, match="answered, but not as Amazon ECR does"):
        ecr_token(caller(), "eu-west-1")
