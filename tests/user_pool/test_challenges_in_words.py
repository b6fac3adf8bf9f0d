"""The challenges of a user pool as questions to the user, and the handling of the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.sign_in.notebook import CellScreen
from botocore_cognito_federation.sign_in.password import answered, sign_in_to_user_pool
from botocore_cognito_federation.user_pool import (
    Challenge,
    ChallengeOverError,
    PasswordResetRequiredError,
    UserPoolTokens,
)

from . import wire as w

LATE = w.error("NotAuthorizedException", "Invalid session for the user, session is expired.")


@dataclass
class Person:
    """Types these answers in order."""

    answers: list[str]
    asked: list[tuple[str, bool]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.told.append(text)

    reveal = say

    def question(self, text: str, *, secret: bool = False) -> str:
        self.asked.append((text, secret))
        return self.answers.pop(0)


def challenge(name: str, **parameters: str) -> Challenge:
    return Challenge(name, parameters, "s" * 30, "ada-real")


def responses(wire: w.Wire) -> dict[str, Any]:
    sent: dict[str, Any] = wire.asked[-1][1]["ChallengeResponses"]
    return sent


@pytest.mark.parametrize(
    ("name", "asked", "key"),
    [
        ("SMS_MFA", "The code sent by SMS to +***99", "SMS_MFA_CODE"),
        ("SMS_OTP", "The code sent by SMS to +***99", "SMS_OTP_CODE"),
        ("EMAIL_OTP", "The code sent by e-mail to +***99", "EMAIL_OTP_CODE"),
        ("SOFTWARE_TOKEN_MFA", "The code your authenticator application shows", "SOFTWARE_TOKEN_MFA_CODE"),
    ],
)
def test_each_kind_of_code_is_asked_with_its_way_and_place(wire: w.Wire, name: str, asked: str, key: str) -> None:
    wire.answers["RespondToAuthChallenge"] = [w.error("CodeMismatchException", "Invalid code"), w.tokens()]
    person = Person(["000 000", "123 456"])
    assert isinstance(
        answered(wire.pool(), challenge(name, CODE_DELIVERY_DESTINATION="+***99"), person), UserPoolTokens
    )
    assert person.asked == [(asked, False)] * 2
    assert person.told == ["The code is wrong"]
    assert responses(wire)[key] == "123456"


def test_a_code_that_is_wrong_three_times_ends_the_sign_in(wire: w.Wire) -> None:
    wire.answers["RespondToAuthChallenge"] = [w.error("CodeMismatchException", "Invalid code")]
    with pytest.raises(SignInFailedError, match="code is wrong"):
        answered(wire.pool(), challenge("SMS_MFA"), Person(["000000"] * 3))


def test_a_second_factor_is_chosen_by_its_number(wire: w.Wire) -> None:
    wire.answers["RespondToAuthChallenge"] = [w.challenge("EMAIL_OTP")]
    asked = challenge("SELECT_MFA_TYPE", MFAS_CAN_CHOOSE='["SMS_MFA","EMAIL_OTP"]')
    person = Person(["3", "2"])
    assert isinstance(answered(wire.pool(), asked, person), Challenge)
    assert person.told[1:] == ["  1  a code by SMS", "  2  a code by e-mail", "That is none of them"]
    assert responses(wire)["ANSWER"] == "EMAIL_OTP"


def test_a_new_application_gets_its_secret_by_hand_and_as_a_link(wire: w.Wire) -> None:
    wire.answers["AssociateSoftwareToken"] = [{"SecretCode": "JBSWY3DPEHPK3PXP", "Session": "2" * 30}]
    wire.answers["VerifySoftwareToken"] = [{"Status": "SUCCESS", "Session": "3" * 30}]
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    person = Person(["123456"])
    asked = challenge("MFA_SETUP", MFAS_CAN_SETUP='["SOFTWARE_TOKEN_MFA"]')
    assert isinstance(answered(wire.pool(), asked, person), UserPoolTokens)
    assert "  JBSWY3DPEHPK3PXP\n" in person.told[0]
    assert f"otpauth://totp/{w.POOL}%3Aada-real?secret=JBSWY3DPEHPK3PXP&issuer={w.POOL}" in person.told[0]


def test_a_notebook_does_not_store_the_secret_of_a_new_application(wire: w.Wire) -> None:
    wire.answers["AssociateSoftwareToken"] = [{"SecretCode": "JBSWY3DPEHPK3PXP", "Session": "2" * 30}]
    shown: list[Any] = []
    cell = CellScreen(shown.append)
    with pytest.raises(SignInFailedError, match="in a terminal"), cell.dialogue(60) as ask:
        answered(wire.pool(), challenge("MFA_SETUP"), ask)
    assert "JBSWY3DPEHPK3PXP" not in repr(shown)


def test_a_new_password_the_policy_refuses_is_asked_again_and_attributes_once(wire: w.Wire) -> None:
    refused = w.error("InvalidPasswordException", "Password did not conform with policy: Password not long enough")
    wire.answers["RespondToAuthChallenge"] = [refused, w.tokens()]
    person = Person(["short", "short", "Ada", "Long-Horse-12", "Long-Horse-12"])
    asked = challenge("NEW_PASSWORD_REQUIRED", requiredAttributes='["userAttributes.given_name"]')
    assert isinstance(answered(wire.pool(), asked, person), UserPoolTokens)
    assert "not long enough" in person.told[-1]
    assert [secret for _, secret in person.asked] == [True, True, False, True, True]
    assert responses(wire)["NEW_PASSWORD"] == "Long-Horse-12"
    assert responses(wire)["userAttributes.given_name"] == "Ada"


def test_a_custom_challenge_is_shown_without_what_would_move_the_cursor(wire: w.Wire) -> None:
    wire.answers["RespondToAuthChallenge"] = [w.tokens()]
    person = Person(["42"])
    answered(wire.pool(), challenge("CUSTOM_CHALLENGE", USERNAME="ada", question="\x1b[2J7*6"), person)
    assert person.told == ["question: [2J7*6"]
    assert person.asked == [("Answer", True)]


def test_an_unknown_challenge_names_the_other_way(wire: w.Wire) -> None:
    with pytest.raises(SignInFailedError, match="cognito_grant = auth-code"):
        answered(wire.pool(), challenge("PAPER_MAIL"), Person([]))


def test_a_challenge_answered_too_late_begins_the_sign_in_again(wire: w.Wire) -> None:
    """The first answers act as the pool's side of SRP: it asks for the code at once."""
    wire.answers["InitiateAuth"] = [w.challenge("SMS_MFA")]
    wire.answers["RespondToAuthChallenge"] = [LATE, w.tokens()]
    person = Person(["password", "123456", "password", "654321"])
    assert sign_in_to_user_pool(wire.pool(), "ada", person).username == "ada-real"
    assert person.told == ["The challenge was answered too late. Once more:"]
    assert [secret for _, secret in person.asked] == [True, False, True, False]


def test_a_challenge_that_is_always_too_late_is_given_up(wire: w.Wire) -> None:
    wire.answers["InitiateAuth"] = [w.challenge("SMS_MFA")]
    wire.answers["RespondToAuthChallenge"] = [LATE]
    with pytest.raises(ChallengeOverError):
        sign_in_to_user_pool(wire.pool(), "ada", Person(["password", "123456"] * 3))


def test_a_password_to_be_reset_is_explained_to_the_user(wire: w.Wire) -> None:
    wire.answers["InitiateAuth"] = [w.error("PasswordResetRequiredException", "Password reset required for the user")]
    with pytest.raises(PasswordResetRequiredError, match="cognito-federation user-pool forgot-password") as caught:
        sign_in_to_user_pool(wire.pool(), "ada", Person(["password"]))
    assert "forgot_password" not in str(caught.value)
