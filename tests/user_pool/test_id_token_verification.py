"""The ID tokens that a user pool returns over its API are the pool's: signature, issuer, client, times."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.errors import SignInFailedError, TokenRefreshError
from botocore_cognito_federation.user_pool import UserPool, UserPoolTokens
from botocore_cognito_federation.user_pool.api import aws_issuers, is_aws_endpoint

from . import wire as w

_KEY, _OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


@pytest.fixture
def issuer() -> Iterator[str]:
    """A loopback issuer that publishes the pool's key."""
    with HTTPServer(host="127.0.0.1", port=0) as server:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_KEY.public_key())) | {"kid": "1", "alg": "RS256"}
        path = f"/{w.POOL}/.well-known/jwks.json"
        server.expect_request(path).respond_with_json({"keys": [key]})
        yield server.url_for(f"/{w.POOL}")


def signed(issuer: str, key: rsa.RSAPrivateKey = _KEY, **claims: Any) -> str:
    now = int(time.time())
    body = {"iss": issuer, "aud": w.CLIENT, "sub": "sub-of-ada", "token_use": "id", "iat": now, "exp": now + 3600}
    return jwt.encode(body | claims, key, algorithm="RS256", headers={"kid": "1"})


def refreshed(wire: w.Wire, pool: UserPool, token: str) -> UserPoolTokens:
    # A botocore without the first calls the second.
    for operation in ("GetTokensFromRefreshToken", "InitiateAuth"):
        wire.answers[operation] = [w.tokens(IdToken=token, RefreshToken="refresh-token-2")]
    return pool.refresh(UserPoolTokens("", "", "refresh-token-1", 0.0, "ada"))


def at_issuer(wire: w.Wire, issuer: str) -> UserPool:
    return UserPool(w.POOL, w.CLIENT, endpoint_url=wire.url, issuer=issuer, session=w.shared_session())


def test_a_token_signed_with_the_pools_key_is_taken(wire: w.Wire, issuer: str) -> None:
    token = signed(issuer)
    assert refreshed(wire, at_issuer(wire, issuer), token).id_token == token


@pytest.mark.parametrize(
    ("key", "claims", "said"),
    [
        (_OTHER, {}, "signature"),
        (_KEY, {"iss": f"https://cognito-idp.eu-west-1.amazonaws.com/{w.POOL}"}, "issued by"),
        (_KEY, {"exp": int(time.time()) - 3600}, "expired"),
        (_KEY, {"token_use": "access"}, "token_use"),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    wire: w.Wire, issuer: str, key: rsa.RSAPrivateKey, claims: dict[str, Any], said: str
) -> None:
    token = signed(issuer, key, **claims)
    with pytest.raises(TokenRefreshError, match=said) as caught:
        refreshed(wire, at_issuer(wire, issuer), token)
    assert token not in repr(caught.value)


def test_a_rotated_refresh_token_is_stored_before_the_signature_is_checked(wire: w.Wire, issuer: str) -> None:
    for operation in ("GetTokensFromRefreshToken", "InitiateAuth"):
        wire.answers[operation] = [w.tokens(IdToken=signed(issuer, _OTHER), RefreshToken="rotated-2")]
    stored: list[str] = []
    with pytest.raises(TokenRefreshError):
        at_issuer(wire, issuer).refresh(UserPoolTokens("", "", "rotated-1", 0.0, "ada"), persist=stored.append)
    assert stored == ["rotated-2"]


def test_a_sign_in_with_a_forged_token_fails(wire: w.Wire, issuer: str) -> None:
    wire.answers["InitiateAuth"] = [w.tokens(IdToken=signed(issuer, _OTHER))]
    with pytest.raises(SignInFailedError, match="signature"):
        at_issuer(wire, issuer).sign_in("ada", "right password", auth_flow="USER_PASSWORD_AUTH")


def test_at_an_endpoint_that_is_not_aws_nothing_is_requested_from_an_issuer_that_was_not_configured(
    wire: w.Wire,
) -> None:
    assert refreshed(wire, wire.pool(), w.token()).id_token == w.token()


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://cognito-idp.eu-west-1.amazonaws.com", True),
        ("https://cognito-idp-fips.eu-west-1.amazonaws.com", True),
        ("https://cognito-idp.eu-west-1.amazonaws.com.cn", True),
        ("https://cognito-idp.eu-west-1.api.aws", True),
        (None, True),
        ("http://127.0.0.1:4566", False),
        ("https://cognito-idp.eu-west-1.amazonaws.com.example", False),
        ("https://cognito-idp.eu-west-1.localhost.localstack.cloud:4566", False),
        ("https://vpce-1.cognito-idp.eu-west-1.vpce.amazonaws.com", False),
    ],
)
def test_what_counts_as_an_endpoint_of_aws(url: str | None, is_one: bool) -> None:
    assert is_aws_endpoint(url, "eu-west-1") is is_one


def test_both_issuers_that_aws_gives_a_pool_are_known() -> None:
    assert aws_issuers("eu-west-1_A") == (
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
        "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
    )


@pytest.mark.parametrize("number", [0, 1])
def test_on_aws_the_keys_come_from_the_issuer_the_token_names(wire: w.Wire, number: int) -> None:
    """The pool's client claims to use AWS; the keys come from a cache, so that there is no request."""
    from botocore_cognito_federation.oidc.discovery import CachedDocument, MemoryDocuments

    issuer = aws_issuers(w.POOL)[number]
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_KEY.public_key())) | {"kid": "1"}
    documents, now = MemoryDocuments(), time.time()
    url, token = f"{issuer}/.well-known/jwks.json", signed(issuer)
    documents.put(CachedDocument(url, json.dumps({"keys": [key]}), now, now + 3600))

    class AtAws:
        class meta:
            endpoint_url = "https://cognito-idp.eu-west-1.amazonaws.com"

        def get_tokens_from_refresh_token(self, **request: Any) -> dict[str, Any]:
            return {**w.tokens(IdToken=token), "ResponseMetadata": {}}

    def factory(**_: Any) -> Any:
        return AtAws()

    pool = UserPool(w.POOL, w.CLIENT, documents=documents, client_factory=factory)
    assert pool.refresh(UserPoolTokens("", "", "refresh-token-1", 0.0, "ada")).id_token == token
