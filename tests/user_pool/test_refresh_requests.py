"""The requests for a renewal of a user pool's tokens, and the meaning of refusals."""

from __future__ import annotations

from typing import Any

import pytest

from botocore_cognito_federation.errors import SignInRequiredError, TemporaryError, TokenRefreshError
from botocore_cognito_federation.user_pool import Device, RefreshTokenReusedError, UserPoolTokens
from botocore_cognito_federation.user_pool.api import make_user_pool_client

from . import wire as w

pytestmark = pytest.mark.thorough


def test_a_refresh_without_rotation_retains_the_refresh_token_and_the_device(wire: w.Wire) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [w.tokens(RefreshToken=None)]
    device = Device("eu-west-1_0a1b", "-Group", "pw")
    old = UserPoolTokens(w.token(exp=1), "old.access", "refresh-token-1", 1, "ada-real", device)
    new = wire.pool(client_secret=w.SECRET).refresh(old)
    assert (new.refresh_token, new.device, new.expires_at) == ("refresh-token-1", device, w.NOW + 3600)
    assert wire.asked == [
        (
            "GetTokensFromRefreshToken",
            {
                "ClientId": w.CLIENT,
                "ClientSecret": w.SECRET,
                "RefreshToken": "refresh-token-1",
                "DeviceKey": device.key,
            },
        )
    ]


def test_a_rotated_refresh_token_replaces_the_old_one(wire: w.Wire) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [w.tokens(RefreshToken="refresh-token-2")]
    assert wire.pool().refresh(w.TOKENS).refresh_token == "refresh-token-2"


@pytest.mark.parametrize(
    "unknown",
    [
        w.error("UnknownOperationException"),
        w.error("CognitoLocal#Unsupported", "Cognito Local unsupported feature: GetTokensFromRefreshToken", 500),
        w.error("InvalidAction", "", 404),
        w.error("InternalFailure", "not yet implemented", 501),
    ],
)
def test_an_endpoint_without_the_operation_is_asked_by_refresh_token_auth(wire: w.Wire, unknown: w.Answer) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [unknown]
    wire.answers["InitiateAuth"] = [w.tokens(RefreshToken=None)]
    old = UserPoolTokens(w.token(), "a", "refresh-token-1", 1, "ada-real", Device("eu-west-1_0a", "-G"))
    wire.pool(client_secret=w.SECRET, client_metadata={"d": "1"}).refresh(old)
    assert wire.asked[-1] == (
        "InitiateAuth",
        {
            "AuthFlow": "REFRESH_TOKEN_AUTH",
            "ClientId": w.CLIENT,
            "AuthParameters": {
                "REFRESH_TOKEN": "refresh-token-1",
                "SECRET_HASH": w.secret_hash("ada-real"),
                "DEVICE_KEY": "eu-west-1_0a",
            },
            "ClientMetadata": {"d": "1"},
        },
    )


def test_a_botocore_without_the_operation_uses_refresh_token_auth(wire: w.Wire) -> None:
    class OldClient:
        def __init__(self, **options: Any) -> None:
            self.initiate_auth = make_user_pool_client(**options).initiate_auth

    wire.answers["InitiateAuth"] = [w.tokens(RefreshToken=None)]
    wire.pool(client_factory=OldClient).refresh(w.TOKENS)
    assert wire.operations == ["InitiateAuth"]


@pytest.mark.parametrize(
    "definitive",
    [
        w.error("NotAuthorizedException", "Refresh Token has been revoked"),
        w.error("NotAuthorizedException", "Refresh Token has expired"),
        w.error("NotAuthorizedException", "Invalid Refresh Token"),
        w.error("RefreshTokenReuseException", "Refresh token reuse detected"),
        w.error("NotAuthorizedException", "Refresh token has been invalidated by rotation"),
    ],
)
def test_a_definitive_refusal_of_a_refresh_asks_for_a_sign_in_and_tries_nothing_else(
    wire: w.Wire, definitive: w.Answer
) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [definitive]
    with pytest.raises(SignInRequiredError):
        wire.pool().refresh(w.TOKENS)
    assert wire.operations == ["GetTokensFromRefreshToken"]


@pytest.mark.parametrize(
    "reused",
    [
        w.error("RefreshTokenReuseException", "Refresh token reuse detected"),
        w.error("NotAuthorizedException", "Refresh token has been invalidated by rotation"),
    ],
)
def test_a_reused_refresh_token_is_recognised_so_that_the_store_is_read_again(wire: w.Wire, reused: w.Answer) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [reused]
    with pytest.raises(RefreshTokenReusedError):
        wire.pool().refresh(w.TOKENS)


@pytest.mark.parametrize(
    "transient",
    [w.error("InternalErrorException", "", 500), w.error("TooManyRequestsException", "Rate exceeded"), {}],
)
def test_a_transient_failure_of_a_refresh_is_temporary_and_never_a_sign_in(wire: w.Wire, transient: w.Answer) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [transient]
    with pytest.raises(TemporaryError):
        wire.pool().refresh(w.TOKENS)
    assert set(wire.operations) == {"GetTokensFromRefreshToken"}


def test_an_unknown_refusal_does_not_end_the_sign_in(wire: w.Wire) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [w.error("NotAuthorizedException", "Something new")]
    with pytest.raises(TokenRefreshError, match="Something new"):
        wire.pool().refresh(w.TOKENS)


def test_a_refresh_that_answers_another_user_is_refused(wire: w.Wire) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [w.tokens(IdToken=w.token(sub="sub-of-eve"))]
    with pytest.raises(TokenRefreshError, match="another user"):
        wire.pool().refresh(w.TOKENS)


def test_throttling_is_retried_by_the_client_although_it_comes_as_http_400(wire: w.Wire) -> None:
    wire.answers["GetTokensFromRefreshToken"] = [w.error("TooManyRequestsException", "Rate exceeded"), w.tokens()]
    assert wire.pool().refresh(w.TOKENS).refresh_token
    assert len(wire.asked) == 2
