from __future__ import annotations

import pickle
import socket
from typing import Any

import pytest

from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.user_pool import (
    ChallengeOverError,
    CodeMismatchError,
    FlowNotEnabledError,
    PasswordResetRequiredError,
    RefreshTokenReusedError,
    UserNotConfirmedError,
    UserPool,
    WrongPasswordError,
)
from botocore_cognito_federation.user_pool.errors import RULES, Refusal, explain

from . import wire as w

DENIED = "NotAuthorizedException"


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (DENIED, "Incorrect username or password.", WrongPasswordError),
        (DENIED, "Password attempts exceeded", SignInFailedError),
        (DENIED, "User is disabled.", SignInFailedError),
        (DENIED, "Refresh Token has expired", SignInRequiredError),
        (DENIED, "Refresh Token has been revoked", SignInRequiredError),
        (DENIED, "Access Token has been revoked", SignInRequiredError),
        (DENIED, "Invalid session for the user, session is expired.", ChallengeOverError),
        (DENIED, "Invalid session for the user, session can only be used once.", ChallengeOverError),
        (DENIED, "Client abc is configured with secret but SECRET_HASH was not received", ConfigurationError),
        (DENIED, "Unable to verify secret hash for client abc", ConfigurationError),
        ("CodeMismatchException", "Invalid code or auth state for the user.", CodeMismatchError),
        ("UserNotConfirmedException", "User is not confirmed.", UserNotConfirmedError),
        ("PasswordResetRequiredException", "Password reset required for the user", PasswordResetRequiredError),
        ("RefreshTokenReuseException", "Refresh token reuse detected", RefreshTokenReusedError),
        ("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled for this client", FlowNotEnabledError),
        ("InvalidParameterException", "USER_SRP_AUTH is not enabled for the client.", FlowNotEnabledError),
        ("ResourceNotFoundException", "User pool client abc does not exist.", ConfigurationError),
        ("UserLambdaValidationException", "PreSignUp failed with error no.", SignInFailedError),
        ("TooManyRequestsException", "Too many requests", TemporaryError),
        ("LimitExceededException", "Attempt limit exceeded, please try after some time.", TemporaryError),
        ("ThrottlingException", "Rate exceeded", TemporaryError),
        ("ForbiddenException", "Request not allowed due to WAF block.", SignInFailedError),
        ("SomethingNewException", "news", SignInFailedError),
        ("", "", SignInFailedError),
    ],
)
def test_a_refusal_becomes_the_class_that_says_what_to_do(
    code: str, message: str, error: type[CognitoFederationError]
) -> None:
    assert type(explain(Refusal("InitiateAuth", code, message, 400))) is error


def test_the_words_are_matched_whatever_their_case_and_quotes() -> None:
    refusal = Refusal("InitiateAuth", DENIED, "INCORRECT USERNAME OR PASSWORD", 400)
    assert "password is wrong" in str(explain(refusal))


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_an_unknown_error_with_a_transient_status_is_temporary(status: int) -> None:
    assert isinstance(explain(Refusal("SignUp", "Weird", "x", status)), TemporaryError)


@pytest.mark.parametrize("operation", ["GetTokensFromRefreshToken", "InitiateAuth:REFRESH_TOKEN_AUTH"])
def test_an_unknown_refusal_of_a_refresh_does_not_ask_for_a_sign_in(operation: str) -> None:
    assert type(explain(Refusal(operation, DENIED, "Something new", 400))) is TokenRefreshError
    assert type(explain(Refusal(operation, "NewException", "Something new", 400))) is TokenRefreshError


def test_a_wrong_password_is_not_taken_for_a_refused_refresh() -> None:
    assert type(explain(Refusal("InitiateAuth", DENIED, "Something new", 400))) is SignInFailedError


def test_every_rule_can_be_reached() -> None:
    for rule in RULES:
        for operation in rule.operations or ("InitiateAuth",):
            found = explain(Refusal(operation, rule.code, f"x {rule.part} x", 400))
            assert isinstance(found, rule.error), rule
            assert str(found).startswith(rule.what), rule
            assert rule.what[0].isupper(), rule


def test_the_services_words_are_quoted_short_on_one_line_and_without_control_characters() -> None:
    message = "PreSignUp failed\nwith \x1b[31merror " + "x" * 2000
    text = str(explain(Refusal("SignUp", "UserLambdaValidationException", message, 400)))
    assert "PreSignUp failed with [31merror xxx" in text
    assert len(text) < 400


def test_a_secret_the_service_quotes_is_not_in_the_error() -> None:
    message = "Value 'hunter22' at 'password' failed; also hunter22-and-more"
    text = str(explain(Refusal("SignUp", "InvalidParameterException", message, 400), ["hunter22", "hunter22-and-more"]))
    assert "hunter22" not in text
    assert "Value '…' at 'password' failed; also …" in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}-{rule.part}")
def test_every_error_survives_a_pickle(rule: Any) -> None:
    error = rule.error(rule.what, remedy=rule.remedy)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_an_endpoint_without_a_listener_is_temporary() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        pool = UserPool(w.POOL, w.CLIENT, endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(TemporaryError, match="cannot be reached"):
            pool.forgot_password("ada")


def test_a_page_that_is_not_the_service_is_temporary(wire: w.Wire) -> None:
    wire.answers["ChangePassword"] = [b"<html>captive portal</html>"]
    with pytest.raises(TemporaryError, match="answered, but not as the user pool does"):
        wire.pool().change_password("a.b.c", "old", "new")


def test_a_profile_that_does_not_exist_is_a_configuration_error(wire: w.Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="nobody"):
        wire.pool(session=None).forgot_password("ada")
