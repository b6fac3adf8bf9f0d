"""The requests of each step of a sign-in."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError, TemporaryError
from botocore_cognito_federation.user_pool import Challenge, CodeMismatchError, UserPoolTokens, login_key

from . import wire as w
from .srp_pool import SrpPool

pytestmark = pytest.mark.thorough


def test_srp_sign_in_proves_the_password_without_sending_it(wire: w.Wire) -> None:
    SrpPool(wire)
    tokens = wire.pool().sign_in("ada@example.com", "right password")
    assert isinstance(tokens, UserPoolTokens)
    assert wire.operations == ["InitiateAuth", "RespondToAuthChallenge"]
    assert "right password" not in str(wire.asked)


def test_srp_sign_in_sends_exactly_these_fields(wire: w.Wire) -> None:
    SrpPool(wire)
    wire.pool().sign_in("ada@example.com", "right password")
    first, second = (body for _, body in wire.asked)
    assert set(first) == {"AuthFlow", "ClientId", "AuthParameters"}
    assert first["AuthFlow"] == "USER_SRP_AUTH"
    assert first["ClientId"] == w.CLIENT
    assert set(first["AuthParameters"]) == {"USERNAME", "SRP_A"}
    assert first["AuthParameters"]["USERNAME"] == "ada@example.com"
    assert set(second) == {"ClientId", "ChallengeName", "ChallengeResponses"}
    assert second["ChallengeName"] == "PASSWORD_VERIFIER"
    responses = second["ChallengeResponses"]
    assert responses.pop("PASSWORD_CLAIM_SIGNATURE")
    assert responses == {
        "USERNAME": "ada-real",
        "PASSWORD_CLAIM_SECRET_BLOCK": "c2VjcmV0IGJsb2Nr",
        "TIMESTAMP": "Thu Jul 2 14:00:05 UTC 2026",
    }


def test_the_tokens_say_who_until_when_and_under_which_login_key(wire: w.Wire) -> None:
    SrpPool(wire)
    tokens = wire.pool().sign_in("ada@example.com", "right password")
    assert isinstance(tokens, UserPoolTokens)
    assert tokens.username == "ada-real"
    assert tokens.expires_at == w.NOW + 3600
    assert tokens.refresh_token == "refresh-token-1"
    assert tokens.device is None
    assert tokens.login_key == f"cognito-idp.eu-west-1.amazonaws.com/{w.POOL}"


def test_a_wrong_password_is_a_failed_sign_in(wire: w.Wire) -> None:
    SrpPool(wire)
    with pytest.raises(SignInFailedError, match="user name or the password is wrong"):
        wire.pool().sign_in("ada", "wrong password")


def test_the_calls_are_unsigned_and_name_this_library(wire: w.Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    SrpPool(wire)
    wire.pool(session=None).sign_in("ada", "right password")
    assert all("Authorization" not in headers for headers in wire.headers)
    assert all("lib/botocore-cognito-federation#" in headers["User-Agent"] for headers in wire.headers)


def test_no_aws_credentials_are_even_looked_for(wire: w.Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a credential provider that would be recursive."""
    session = botocore.session.Session()
    monkeypatch.setattr(session, "get_credentials", lambda: pytest.fail("credentials were looked for"))
    SrpPool(wire)
    assert wire.pool(session=session).sign_in("ada", "right password")


def test_with_a_client_secret_each_step_has_the_hash_of_its_own_username(wire: w.Wire) -> None:
    SrpPool(wire)
    wire.pool(client_secret=w.SECRET).sign_in("ada@example.com", "right password")
    first, second = (body for _, body in wire.asked)
    assert first["AuthParameters"]["SECRET_HASH"] == w.secret_hash("ada@example.com")
    assert second["ChallengeResponses"]["SECRET_HASH"] == w.secret_hash("ada-real")


@pytest.mark.parametrize(
    ("default", "given", "validation", "first", "later"),
    [
        (None, None, None, None, None),
        ({"d": "1"}, None, None, {"d": "1"}, {"d": "1"}),
        ({"d": "1"}, {"m": "2"}, None, {"m": "2"}, {"m": "2"}),
        ({"d": "1"}, {}, None, None, None),
        (None, {"m": "2"}, {"v": "3"}, {"v": "3"}, {"m": "2"}),
        ({"d": "1"}, None, {"v": "3"}, {"v": "3"}, {"d": "1"}),
        (None, {"m": "2"}, {}, {"m": "2"}, {"m": "2"}),
    ],
)
def test_validation_data_or_else_client_metadata_reaches_initiate_auth_and_client_metadata_every_answer(
    wire: w.Wire, default: Any, given: Any, validation: Any, first: Any, later: Any
) -> None:
    SrpPool(wire)
    pool = wire.pool(client_metadata=default)
    pool.sign_in("ada", "right password", validation_data=validation, client_metadata=given)
    assert [body.get("ClientMetadata") for _, body in wire.asked] == [first, later]


@pytest.mark.parametrize("argument", ["client_metadata", "validation_data"])
@pytest.mark.parametrize("wrong", [{"a": 1}, {1: "a"}, {"a": None}, ["a"], "a", {"a": {"b": "c"}}])
def test_metadata_that_is_not_strings_is_refused_before_any_call(wire: w.Wire, argument: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        wire.pool().sign_in("ada", "right password", **{argument: wrong})
    assert wire.asked == []


def test_user_password_auth_sends_the_password_once(wire: w.Wire) -> None:
    wire.answers["InitiateAuth"] = [w.tokens()]
    wire.pool(client_secret=w.SECRET).sign_in("ada", "right password", auth_flow="USER_PASSWORD_AUTH")
    assert wire.asked == [
        (
            "InitiateAuth",
            {
                "AuthFlow": "USER_PASSWORD_AUTH",
                "ClientId": w.CLIENT,
                "AuthParameters": {
                    "USERNAME": "ada",
                    "PASSWORD": "right password",
                    "SECRET_HASH": w.secret_hash("ada"),
                },
            },
        )
    ]


def test_custom_auth_without_a_password_asks_only_the_triggers(wire: w.Wire) -> None:
    wire.answers["InitiateAuth"] = [w.challenge("CUSTOM_CHALLENGE", USERNAME="ada-real", question="7*6")]
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    pool = wire.pool()
    asked = pool.sign_in("ada", auth_flow="CUSTOM_AUTH", client_metadata={"m": "1"})
    assert isinstance(asked, Challenge)
    assert asked.parameters["question"] == "7*6"
    assert isinstance(pool.send_custom_challenge_answer(asked, "42", client_metadata={"m": "2"}), UserPoolTokens)
    first, second = (body for _, body in wire.asked)
    assert first["AuthParameters"] == {"USERNAME": "ada"}
    assert first["ClientMetadata"] == {"m": "1"}
    assert second == {
        "ClientId": w.CLIENT,
        "ChallengeName": "CUSTOM_CHALLENGE",
        "Session": asked.session,
        "ChallengeResponses": {"USERNAME": "ada-real", "ANSWER": "42"},
        "ClientMetadata": {"m": "2"},
    }


def test_custom_auth_with_a_password_begins_with_srp(wire: w.Wire) -> None:
    pool = SrpPool(wire, then=w.challenge("CUSTOM_CHALLENGE", USERNAME="ada-real"))
    asked = wire.pool().sign_in("ada", "right password", auth_flow="CUSTOM_AUTH")
    assert isinstance(asked, Challenge)
    assert wire.asked[0][1]["AuthParameters"] == {"USERNAME": "ada", "CHALLENGE_NAME": "SRP_A", "SRP_A": pool.srp_a}
    assert wire.asked[1][1]["ChallengeName"] == "PASSWORD_VERIFIER"


@pytest.mark.parametrize(("flow", "password"), [("MAGIC", "x"), ("USER_SRP_AUTH", None), ("", "x")])
def test_a_flow_that_cannot_work_is_refused_before_any_call(wire: w.Wire, flow: str, password: str | None) -> None:
    with pytest.raises(ConfigurationError):
        wire.pool().sign_in("ada", password, auth_flow=flow)
    assert wire.asked == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SMS_MFA", "SMS_MFA_CODE"),
        ("SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA_CODE"),
        ("EMAIL_OTP", "EMAIL_OTP_CODE"),
        ("SMS_OTP", "SMS_OTP_CODE"),
    ],
)
def test_a_second_factor_is_answered_under_its_own_key(wire: w.Wire, name: str, key: str) -> None:
    SrpPool(wire, then=w.challenge(name, CODE_DELIVERY_DESTINATION="a***"))
    pool = wire.pool(client_secret=w.SECRET, client_metadata={"d": "1"})
    asked = pool.sign_in("ada", "right password")
    assert isinstance(asked, Challenge)
    assert asked.name == name
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    assert isinstance(pool.confirm_sign_in(asked, "123456"), UserPoolTokens)
    assert wire.asked[-1][1] == {
        "ClientId": w.CLIENT,
        "ChallengeName": name,
        "Session": asked.session,
        "ChallengeResponses": {"USERNAME": "ada-real", "SECRET_HASH": w.secret_hash("ada-real"), key: "123456"},
        "ClientMetadata": {"d": "1"},
    }


def test_a_wrong_code_may_be_answered_again_on_the_same_challenge(wire: w.Wire) -> None:
    SrpPool(wire, then=w.challenge("SMS_MFA"))
    pool = wire.pool()
    asked = pool.sign_in("ada", "right password")
    assert isinstance(asked, Challenge)
    wire.answers["RespondToAuthChallenge"] = [
        w.error("CodeMismatchException", "Invalid code or auth state for the user."),
        w.tokens(),
    ]
    with pytest.raises(CodeMismatchError):
        pool.confirm_sign_in(asked, "000000")
    assert isinstance(pool.confirm_sign_in(asked, "123456"), UserPoolTokens)


@pytest.mark.parametrize(
    ("offered", "chosen", "sent"),
    [
        ('["SMS_MFA","SOFTWARE_TOKEN_MFA"]', "SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA"),
        ('["SMS_MFA","EMAIL_OTP"]', "EMAIL_MFA", "EMAIL_OTP"),
        ('["SMS_MFA","EMAIL_MFA"]', "EMAIL_OTP", "EMAIL_MFA"),
        ("not json", "EMAIL_OTP", "EMAIL_OTP"),
    ],
)
def test_the_kind_of_mfa_is_chosen_by_answer(wire: w.Wire, offered: str, chosen: str, sent: str) -> None:
    wire.answers["RespondToAuthChallenge"] = [w.challenge("SOFTWARE_TOKEN_MFA", session="t" * 30)]
    asked = Challenge("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": offered}, "s" * 30, "ada-real")
    following = wire.pool().confirm_sign_in(asked, chosen)
    assert isinstance(following, Challenge)
    assert (following.name, following.session, following.username) == ("SOFTWARE_TOKEN_MFA", "t" * 30, "ada-real")
    assert wire.asked[-1][1]["ChallengeResponses"] == {"USERNAME": "ada-real", "ANSWER": sent}


def test_a_kind_of_mfa_that_is_not_offered_is_refused_before_any_call(wire: w.Wire) -> None:
    asked = Challenge("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": '["SMS_MFA"]'}, "s" * 30, "ada-real")
    with pytest.raises(ConfigurationError, match="SMS_MFA"):
        wire.pool().confirm_sign_in(asked, "SOFTWARE_TOKEN_MFA")
    assert wire.asked == []


def test_a_new_password_goes_with_the_required_attributes(wire: w.Wire) -> None:
    parameters = {"requiredAttributes": '["userAttributes.given_name"]', "USER_ID_FOR_SRP": "ada-real"}
    SrpPool(wire, then=w.challenge("NEW_PASSWORD_REQUIRED", **parameters))
    pool = wire.pool()
    asked = pool.sign_in("ada", "right password")
    assert isinstance(asked, Challenge)
    assert asked.required_attributes == ("given_name",)
    with pytest.raises(ConfigurationError, match="given_name"):
        pool.complete_new_password(asked, "new password")
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    pool.complete_new_password(asked, "new password", {"given_name": "Ada"}, client_metadata={"m": "1"})
    assert wire.asked[-1][1] == {
        "ClientId": w.CLIENT,
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "Session": asked.session,
        "ChallengeResponses": {
            "USERNAME": "ada-real",
            "NEW_PASSWORD": "new password",
            "userAttributes.given_name": "Ada",
        },
        "ClientMetadata": {"m": "1"},
    }


def test_mfa_setup_associates_verifies_and_goes_on_with_the_new_session(wire: w.Wire) -> None:
    wire.answers["AssociateSoftwareToken"] = [{"SecretCode": "JBSWY3DPEHPK3PXP", "Session": "2" * 30}]
    wire.answers["VerifySoftwareToken"] = [{"Status": "SUCCESS", "Session": "3" * 30}]
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    asked = Challenge("MFA_SETUP", {"MFAS_CAN_SETUP": '["SOFTWARE_TOKEN_MFA"]'}, "1" * 30, "ada-real")
    pool = wire.pool()
    setup = pool.set_up_totp(asked)
    assert setup.totp_secret == "JBSWY3DPEHPK3PXP"
    assert setup.otpauth_uri("My Pool") == (
        "otpauth://totp/My%20Pool%3Aada-real?secret=JBSWY3DPEHPK3PXP&issuer=My%20Pool"
    )
    assert isinstance(pool.confirm_sign_in(setup, "123456"), UserPoolTokens)
    assert wire.asked == [
        ("AssociateSoftwareToken", {"Session": "1" * 30}),
        ("VerifySoftwareToken", {"Session": "2" * 30, "UserCode": "123456"}),
        (
            "RespondToAuthChallenge",
            {
                "ClientId": w.CLIENT,
                "ChallengeName": "MFA_SETUP",
                "Session": "3" * 30,
                "ChallengeResponses": {"USERNAME": "ada-real"},
            },
        ),
    ]


def test_mfa_setup_is_not_confirmed_before_a_secret_was_set_up(wire: w.Wire) -> None:
    with pytest.raises(ConfigurationError, match="set_up_totp"):
        wire.pool().confirm_sign_in(Challenge("MFA_SETUP", {}, "1" * 30, "ada"), "123456")
    assert wire.asked == []


def test_a_code_the_authenticator_did_not_make_is_a_code_mismatch(wire: w.Wire) -> None:
    setup = Challenge("MFA_SETUP", {}, "1" * 30, "ada", totp_secret="JBSWY3DP")
    wire.answers["VerifySoftwareToken"] = [
        w.error("EnableSoftwareTokenMFAException", "Code mismatch"),
        {"Status": "ERROR"},
    ]
    for _ in range(2):
        with pytest.raises(CodeMismatchError):
            wire.pool().confirm_sign_in(setup, "123456")


def test_any_other_challenge_can_be_answered_with_the_apis_own_names(wire: w.Wire) -> None:
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    asked = Challenge("WEB_AUTHN", {}, "s" * 30, "ada-real")
    wire.pool(client_secret=w.SECRET).answer_challenge(asked, {"CREDENTIAL": "{}"})
    responses = wire.asked[-1][1]["ChallengeResponses"]
    assert responses == {"USERNAME": "ada-real", "SECRET_HASH": w.secret_hash("ada-real"), "CREDENTIAL": "{}"}


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("NEW_PASSWORD_REQUIRED", "complete_new_password"),
        ("CUSTOM_CHALLENGE", "send_custom_challenge_answer"),
        ("ANOTHER_CHALLENGE", "answer_challenge"),
    ],
)
def test_an_answer_to_another_kind_of_challenge_names_the_right_method(wire: w.Wire, name: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        wire.pool().confirm_sign_in(Challenge(name, {}, "s" * 30, "ada"), "123456")
    assert wire.asked == []


def test_a_server_that_asks_for_the_password_endlessly_is_left(wire: w.Wire) -> None:
    pool = SrpPool(wire)
    wire.answers["RespondToAuthChallenge"] = lambda body: pool.initiate({"AuthParameters": {"SRP_A": pool.srp_a}})
    with pytest.raises(SignInFailedError, match="again and again"):
        wire.pool().sign_in("ada", "right password")
    assert len(wire.asked) < 12


@pytest.mark.parametrize("lacking", ["IdToken", "AccessToken", "RefreshToken"])
def test_an_answer_without_a_token_is_a_failure(wire: w.Wire, lacking: str) -> None:
    SrpPool(wire, then=w.tokens(**{lacking: None}))
    with pytest.raises(TemporaryError, match=lacking):
        wire.pool().sign_in("ada", "right password")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ChallengeNa'])
def test_an_answer_that_was_cut_short_is_a_failure(wire: w.Wire, body: bytes) -> None:
    wire.answers["InitiateAuth"] = [body]
    with pytest.raises(TemporaryError):
        wire.pool().sign_in("ada", "right password")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other"},
        {"iss": "https://evil.example/eu-west-1_AbCdEf123x"},
        {"aud": "another-client"},
        {"aud": ["another", "client"]},
        {"iss": None},
    ],
)
def test_an_id_token_of_another_pool_or_client_is_refused(wire: w.Wire, claims: dict[str, Any]) -> None:
    SrpPool(wire, then=w.tokens(IdToken=w.token(**claims)))
    with pytest.raises(SignInFailedError, match="is not"):
        wire.pool().sign_in("ada", "right password")


def test_an_id_token_that_is_no_jwt_is_refused(wire: w.Wire) -> None:
    SrpPool(wire, then=w.tokens(IdToken="opaque"))
    with pytest.raises(SignInFailedError):
        wire.pool().sign_in("ada", "right password")


def test_the_login_key_is_the_issuer_in_every_partition() -> None:
    issuer = "cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_Ab"
    assert login_key(w.token(iss=f"https://{issuer}")) == issuer


@pytest.mark.parametrize("token", ["opaque", "a.b.c", w.token("access"), w.token(iss=None), ""])
def test_there_is_no_login_key_in_what_is_not_an_id_token(token: str) -> None:
    with pytest.raises(SignInFailedError):
        login_key(token)
