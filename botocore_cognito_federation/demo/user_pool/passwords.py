"""The first factor of USER_SRP_AUTH, USER_PASSWORD_AUTH and CUSTOM_AUTH, and NEW_PASSWORD_REQUIRED."""

from __future__ import annotations

import hashlib
import json
import secrets

from . import refusals
from .srp import Handshake, Verifier
from .state import Conversation, Directory, Members, ask


def begin(directory: Directory, conversation: Conversation, parameters: dict[str, str]) -> Members | None:
    """Take the AuthParameters of one of the three flows."""
    if conversation.flow == "USER_PASSWORD_AUTH":
        check(directory, conversation, parameters)
        return None
    if conversation.flow == "USER_SRP_AUTH":
        return begin_srp(directory, conversation, parameters)
    if parameters.get("SRP_A"):
        if parameters.get("CHALLENGE_NAME") != "SRP_A":
            raise refusals.missing_parameter("CHALLENGE_NAME")
        conversation.data["handshake"] = Handshake.begin(verifier_of(conversation), parameters["SRP_A"])
    conversation.data["steps"] = list(conversation.pool.settings.custom_auth)
    return _next_custom_step(directory, conversation)


def check(directory: Directory, conversation: Conversation, parameters: dict[str, str]) -> None:
    """Check a plain password.

    Raises:
        Refusal: it is missing or wrong.
    """
    if not parameters.get("PASSWORD"):
        raise refusals.missing_parameter("PASSWORD")
    user = conversation.user
    _require(directory, conversation, verifier_of(conversation).accepts(parameters["PASSWORD"]))
    if user is not None and user.password_expires_at is not None:
        _check_temporary(directory, user.password_expires_at)


def begin_srp(directory: Directory, conversation: Conversation, parameters: dict[str, str]) -> Members:
    if not parameters.get("SRP_A"):
        raise refusals.missing_parameter("SRP_A")
    conversation.data["handshake"] = Handshake.begin(verifier_of(conversation), parameters["SRP_A"])
    return _ask_for_proof(directory, conversation)


def verifier_of(conversation: Conversation) -> Verifier:
    """Return the user's verifier; for a user without one a made-up one, whose salt stays the same."""
    if conversation.user is not None and conversation.user.password is not None:
        return conversation.user.password
    seed = hashlib.sha256(f"{conversation.pool.pool_id}{conversation.name}".encode()).digest()[:16]
    salt = int.from_bytes(seed, "big")
    return Verifier.of_password(conversation.pool.group, conversation.name, secrets.token_hex(), salt)


def ask_for_new(directory: Directory, conversation: Conversation) -> Members:
    """Ask for the new password of a user who has a temporary one."""
    user, settings = conversation.user, conversation.pool.settings
    assert user is not None
    missing = [f"userAttributes.{name}" for name in settings.required_attributes if name not in user.attributes]
    parameters = {
        "requiredAttributes": json.dumps(missing),
        "userAttributes": json.dumps({p["Name"]: p["Value"] for p in user.attribute_list() if p["Name"] != "sub"}),
    }
    return ask(directory, conversation, "NEW_PASSWORD_REQUIRED", parameters)


def _ask_for_proof(directory: Directory, conversation: Conversation) -> Members:
    handshake: Handshake = conversation.data["handshake"]
    name = {"USERNAME": conversation.name, "USER_ID_FOR_SRP": conversation.name}
    parameters = {**handshake.parameters(), **name}
    if conversation.flow != "USER_SRP_AUTH":
        return ask(directory, conversation, "PASSWORD_VERIFIER", parameters)
    # This flow has no Session: its state is in the secret block, and pycognito sends no Session back.
    conversation.challenge = "PASSWORD_VERIFIER"
    directory.sessions.open(conversation, handshake.block)
    return {"ChallengeName": "PASSWORD_VERIFIER", "ChallengeParameters": parameters}


def _proved(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members | None:
    handshake: Handshake = conversation.data["handshake"]
    _require(directory, conversation, handshake.accepts(responses))
    user = conversation.user
    if user is not None and user.password_expires_at is not None:
        _check_temporary(directory, user.password_expires_at)
    return _next_custom_step(directory, conversation) if conversation.flow == "CUSTOM_AUTH" else None


def _require(directory: Directory, conversation: Conversation, right: bool) -> None:
    if not right or conversation.user is None or conversation.user.password is None:
        directory.note_failure(conversation.user)
        raise refusals.wrong_password()
    conversation.factors.append("PASSWORD")


def _check_temporary(directory: Directory, expires_at: float) -> None:
    if directory.clock.now() >= expires_at:
        raise refusals.temporary_password_expired()


def _next_custom_step(directory: Directory, conversation: Conversation) -> Members | None:
    """Do what the pool's triggers want next."""
    steps: list[str] = conversation.data["steps"]
    if not steps:
        return None
    step = steps.pop(0)
    if step == "PASSWORD_VERIFIER":
        if "handshake" not in conversation.data:
            raise refusals.missing_parameter("SRP_A")
        return _ask_for_proof(directory, conversation)
    question, _, conversation.data["answer"] = step.rpartition("=")
    parameters = {"USERNAME": conversation.name, "question": question}
    return ask(directory, conversation, "CUSTOM_CHALLENGE", parameters)


def _custom_answer(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members | None:
    if not responses.get("ANSWER"):
        raise refusals.missing_parameter("ANSWER")
    if responses["ANSWER"] != conversation.data["answer"] or conversation.user is None:
        raise refusals.wrong_password()
    conversation.factors.append("CUSTOM")
    return _next_custom_step(directory, conversation)


def _new_password(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members | None:
    user, pool = conversation.user, conversation.pool
    assert user is not None
    if not responses.get("NEW_PASSWORD"):
        raise refusals.missing_parameter("NEW_PASSWORD")
    given = {
        name.removeprefix("userAttributes."): value
        for name, value in responses.items()
        if name.startswith("userAttributes.")
    }
    for name in pool.settings.required_attributes:
        if name in user.attributes and name in given:
            raise refusals.required_attribute_set(name)
        if not (user.attributes.get(name) or given.get(name)):
            raise refusals.missing_attribute(name)
    pool.check_password(responses["NEW_PASSWORD"])
    pool.set_password(user, responses["NEW_PASSWORD"])
    user.attributes.update(given)
    user.status = "CONFIRMED"
    return None


ANSWERS = {
    "PASSWORD_VERIFIER": _proved,
    "CUSTOM_CHALLENGE": _custom_answer,
    "NEW_PASSWORD_REQUIRED": _new_password,
}
