"""Which response key each challenge takes, and what is looked at before an answer is sent."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConfigurationError
from . import checks
from .model import Challenge

CODE_KEYS = {
    "SMS_MFA": "SMS_MFA_CODE",
    "SOFTWARE_TOKEN_MFA": "SOFTWARE_TOKEN_MFA_CODE",
    "EMAIL_OTP": "EMAIL_OTP_CODE",
    "SMS_OTP": "SMS_OTP_CODE",
}
_ELSEWHERE = {
    "NEW_PASSWORD_REQUIRED": "complete_new_password",
    "CUSTOM_CHALLENGE": "send_custom_challenge_answer",
}
# The API's prose says EMAIL_MFA where its enumeration says EMAIL_OTP; either spelling is taken, the pool's is sent.
_SAME = {"EMAIL_MFA": "EMAIL_OTP", "EMAIL_OTP": "EMAIL_MFA"}


def expect_any(challenge: object) -> None:
    """Refuse what is no challenge at all."""
    if not isinstance(challenge, Challenge):
        raise ConfigurationError(f"the challenge must be what sign_in returned, not {type(challenge).__name__}")


def expect(challenge: Challenge, *names: str) -> None:
    """Refuse a challenge that this answer is not for, and say which method takes it."""
    expect_any(challenge)
    if challenge.name not in names:
        method = _ELSEWHERE.get(
            challenge.name, "confirm_sign_in" if challenge.name in _CONFIRMED else "answer_challenge"
        )
        raise ConfigurationError(f"the challenge is {challenge.name}", remedy=f"Answer it with {method}")


_CONFIRMED = (*CODE_KEYS, "SELECT_MFA_TYPE", "MFA_SETUP")


def confirmation(challenge: Challenge, answer: str) -> dict[str, str]:
    """The responses of a code or of the choice of a second factor."""
    expect(challenge, *CODE_KEYS, "SELECT_MFA_TYPE")
    if challenge.name == "SELECT_MFA_TYPE":
        return {"ANSWER": _chosen(challenge, answer)}
    return {CODE_KEYS[challenge.name]: checks.code(answer)}


def _chosen(challenge: Challenge, answer: str) -> str:
    kind = checks.text("answer", answer, 64, spaces=False)
    if not challenge.choices or kind in challenge.choices:
        return kind
    if _SAME.get(kind) in challenge.choices:
        return _SAME[kind]
    raise ConfigurationError("this kind of MFA is not offered", remedy=f"Choose one of {', '.join(challenge.choices)}")


def new_password(challenge: Challenge, password: str, attributes: Mapping[str, str] | None) -> dict[str, str]:
    """NEW_PASSWORD and a ``userAttributes.`` entry for each attribute."""
    expect(challenge, "NEW_PASSWORD_REQUIRED")
    given = {entry["Name"]: entry["Value"] for entry in checks.attributes(attributes)}
    missing = [name for name in challenge.required_attributes if name not in given]
    if missing:
        raise ConfigurationError(
            f"the user pool wants attributes: {', '.join(missing)}", remedy="Pass them in attributes"
        )
    named = {f"userAttributes.{name}": value for name, value in given.items()}
    return {"NEW_PASSWORD": checks.password(password, "new_password"), **named}
