"""What providers and AWS answer."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from botocore_cognito_federation._util.http import HttpClient
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.client import Client, OIDCClient
from botocore_cognito_federation.oidc.discovery import MemoryDocuments
from botocore_cognito_federation.oidc.flows import authorize_device
from botocore_cognito_federation.oidc.tokens import refresh_tokens
from tests.fuzz.conftest import SECRET, Answers, judged
from tests.fuzz.shapes import ODD_TEXT, RAW, altered, documents
from tests.home import Home
from tests.oidc.fake_provider import CLIENT_ID, SigningKey

_DISCOVERY = "/.well-known/openid-configuration"
_STATUS = st.sampled_from([200, 200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503, 599])
_KEY = SigningKey.rsa("1")
_CLAIMS: dict[str, Any] = {"iss": "", "aud": CLIENT_ID, "sub": "ada", "iat": 0, "exp": 0, "email": "ada@example.com"}
_TOKENS: dict[str, Any] = {
    "access_token": SECRET,
    "id_token": "",
    "refresh_token": SECRET,
    "expires_in": 600,
    "token_type": "Bearer",
    "error": SECRET,
    "error_description": f"the token {SECRET} is no good",
}
_DEVICE: dict[str, Any] = {
    "device_code": SECRET,
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://idp.example/activate",
    "verification_uri_complete": "https://idp.example/activate?code=1",
    "expires_in": 600,
    "interval": 5,
}


def discovery(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "device_authorization_endpoint": f"{issuer}/device",
        "scopes_supported": ["openid"],
        "token_endpoint_auth_methods_supported": ["none"],
    }


def good_tokens(issuer: str, **claims: Any) -> dict[str, Any]:
    now = int(time.time())
    token = _KEY.sign({**_CLAIMS, "iss": issuer, "iat": now, "exp": now + 600, **claims})
    tokens = {name: value for name, value in _TOKENS.items() if not name.startswith("error")}
    return {**tokens, "id_token": token}


@pytest.fixture
def provider(answers: Answers) -> Answers:
    """All right, until a case spoils it."""
    answers.bodies.clear()
    answers.put(_DISCOVERY, json.dumps(discovery(answers.url)).encode())
    answers.put("/jwks", json.dumps({"keys": [_KEY.jwk()]}).encode())
    answers.put("/token", json.dumps(good_tokens(answers.url)).encode())
    return answers


def party(answers: Answers) -> OIDCClient:
    return OIDCClient(
        provider=resolve(answers.url.removeprefix("http://"), issuer=answers.url),
        client=Client(CLIENT_ID, None),
        http=HttpClient(),
        documents=MemoryDocuments(),
    )


def refresh(answers: Answers) -> object:
    return refresh_tokens(party(answers), SECRET, subject="ada")


def test_a_good_refresh_is_taken(provider: Answers) -> None:
    """The cases below begin from one that works."""
    assert judged("token answers", lambda: refresh(provider)) is not None


@given(st.data(), _STATUS)
def test_discovery_documents(provider: Answers, data: st.DataObject, status: int) -> None:
    provider.put(_DISCOVERY, data.draw(documents(discovery(provider.url))), status=status)
    judged("discovery documents", lambda: refresh(provider))
    provider.put(_DISCOVERY, json.dumps(discovery(provider.url)).encode())


@given(
    documents({"keys": [_KEY.jwk()]}) | altered(_KEY.jwk()).map(lambda key: json.dumps({"keys": [key]}).encode()),
    _STATUS,
)
def test_key_sets(provider: Answers, body: bytes, status: int) -> None:
    provider.put("/jwks", body, status=status)
    judged("key sets", lambda: refresh(provider))
    provider.put("/jwks", json.dumps({"keys": [_KEY.jwk()]}).encode())


@given(documents(_TOKENS), _STATUS)
@example(json.dumps({"error": SECRET}).encode(), 400)
@example(json.dumps({"error": "A\x1b[31mB"}).encode(), 400)
@example(json.dumps({"error": "x" * 3000}).encode(), 400)
def test_token_answers(provider: Answers, body: bytes, status: int) -> None:
    provider.put("/token", body, status=status)
    judged("token answers", lambda: refresh(provider))


@given(altered(_CLAIMS), st.one_of(st.none(), ODD_TEXT))
def test_id_tokens(provider: Answers, claims: dict[str, Any], instead: str | None) -> None:
    tokens = good_tokens(provider.url)
    try:
        tokens["id_token"] = _KEY.sign(claims) if instead is None else instead
    except (TypeError, ValueError):  # PyJWT signs no such claims
        return
    provider.put("/token", json.dumps(tokens).encode("utf-8", "surrogatepass"))
    result = judged("ID tokens", lambda: refresh(provider))
    assert result is None, "claims of no issuer were taken"


@given(documents(_DEVICE), _STATUS)
def test_device_answers(provider: Answers, body: bytes, status: int) -> None:
    provider.put("/device", body, status=status)
    one = party(provider)
    judged("device answers", lambda: authorize_device(one, one.metadata()))


@pytest.fixture
def pool(answers: Answers, inside: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Profiles whose identity pool, or STS, is the server of answers."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", answers.url)
    inside.profile("fuzzed", cognito_endpoint_url=answers.url, cognito_token_file=str(inside.token))
    return inside


_AWS_ERROR = st.fixed_dictionaries(
    {"__type": st.one_of(st.sampled_from(["NotAuthorizedException", "ResourceNotFoundException"]), ODD_TEXT)},
    optional={"message": ODD_TEXT, "Message": ODD_TEXT, "IdentityId": ODD_TEXT, "Credentials": ODD_TEXT},
)
_IDENTITY = {"IdentityId": "eu-west-1:11111111-2222-3333-4444-555555555555"}
_KEYS = {"AccessKeyId": "ASIA", "SecretKey": SECRET, "SessionToken": SECRET, "Expiration": 1_900_000_000}


@given(
    _AWS_ERROR.map(lambda error: json.dumps(error).encode("utf-8", "surrogatepass"))
    | RAW
    | altered({**_IDENTITY, "Credentials": _KEYS}).map(lambda document: json.dumps(document).encode())
    | altered(_KEYS).map(lambda keys: json.dumps({**_IDENTITY, "Credentials": keys}).encode()),
    _STATUS,
)
@example(json.dumps({**_IDENTITY, "Credentials": {**_KEYS, "Expiration": 6.77680361916768e16}}).encode(), 200)
def test_answers_of_aws(pool: Home, answers: Answers, body: bytes, status: int) -> None:
    answers.bodies.clear()
    answers.put("/", body, status=status, kind="application/x-amz-json-1.1")
    judged("answers of AWS", lambda: pool.federation("fuzzed").fetch_fresh())
