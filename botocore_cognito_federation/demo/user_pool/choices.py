"""Choice-based sign-in (USER_AUTH): the available first factors, the selection, and one-time codes.

Public reports of tests at the service say: a preferred code is sent at once and has eight digits; a wrong one leaves
the session open, six times in a row at least; a user with a temporary password is offered the password only; a user
who does not exist gets a simulated challenge. The service model says that a password and SRP_A may come with the
selection. The rest, and that a second factor excludes codes and passkeys, is from the developer guide
("Authentication flows").
"""

from __future__ import annotations

import hmac
from typing import Any

from . import passkeys, passwords, refusals
from .records import ATTRIBUTE_OF, MEDIUM_OF, User, UserPool
from .state import Conversation, Directory, Members, ask

_ORDER = ("PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN")


def begin(
    directory: Directory, conversation: Conversation, parameters: dict[str, str], session: str | None
) -> Members | None:
    """Take the AuthParameters of USER_AUTH, or the Session of ConfirmSignUp."""
    if conversation.pool.settings.tier == "LITE":
        raise refusals.tier("USER_AUTH")
    if session:
        _confirmed_before(directory, conversation, session)
        return None
    user = conversation.user
    if user is not None and user.status == "UNCONFIRMED":
        raise refusals.not_confirmed()
    preferred = parameters.get("PREFERRED_CHALLENGE", "")
    if preferred and preferred not in _ORDER:
        raise refusals.choice_not_offered()
    offered = available(conversation)
    if preferred in offered:
        return _start(directory, conversation, preferred, parameters)
    return {**ask(directory, conversation, "SELECT_CHALLENGE", {}), "AvailableChallenges": offered}


def available(conversation: Conversation) -> list[str]:
    """Return the challenges that the user may choose; for a user who does not exist, those of any user."""
    pool, user = conversation.pool, conversation.user
    return [name for name in _ORDER if _offered(pool, user, name)]


def _offered(pool: UserPool, user: User | None, name: str) -> bool:
    factors = pool.settings.first_factors
    if name in ("PASSWORD", "PASSWORD_SRP"):
        return "PASSWORD" in factors and (user is None or user.password is not None)
    if name not in factors:
        return False
    owes_second = pool.settings.mfa == "ON" or (pool.settings.mfa == "OPTIONAL" and user is not None and user.mfa)
    if owes_second and not (name == "WEB_AUTHN" and pool.settings.passkey_is_multi_factor):
        return False  # a second factor follows a password only
    if user is None:
        return name == "EMAIL_OTP"
    if user.status == "FORCE_CHANGE_PASSWORD":
        return False
    if name == "WEB_AUTHN":
        return bool(user.passkeys and pool.settings.relying_party)
    return ATTRIBUTE_OF[MEDIUM_OF[name]] in user.verified


def _start(directory: Directory, conversation: Conversation, name: str, parameters: dict[str, str]) -> Members | None:
    """Start a chosen challenge; a password or SRP_A that came along answers it at once."""
    if name == "PASSWORD" and parameters.get("PASSWORD"):
        passwords.check(directory, conversation, parameters)
        return None
    if name == "PASSWORD_SRP" and parameters.get("SRP_A"):
        return passwords.begin_srp(directory, conversation, parameters)
    if name == "WEB_AUTHN":
        return {**passkeys.begin(directory, conversation), "AvailableChallenges": available(conversation)}
    if name in MEDIUM_OF:
        code, shown = directory.send_code(
            conversation.pool, conversation.user, conversation.name, MEDIUM_OF[name], name
        )
        conversation.data["code"] = code
        delivery = {"CODE_DELIVERY_DELIVERY_MEDIUM": MEDIUM_OF[name], "CODE_DELIVERY_DESTINATION": shown}
        return {**ask(directory, conversation, name, delivery), "AvailableChallenges": available(conversation)}
    return {**ask(directory, conversation, name, {}), "AvailableChallenges": available(conversation)}


def _select(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members | None:
    chosen = responses.get("ANSWER", "")
    if not chosen:
        raise refusals.missing_parameter("ANSWER")
    if chosen not in available(conversation):
        raise refusals.choice_not_offered()
    return _start(directory, conversation, chosen, responses)


def _password(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> None:
    passwords.check(directory, conversation, responses)


def _password_srp(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members | None:
    return passwords.begin_srp(directory, conversation, responses)


def _one_time_code(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> None:
    """Check the code of EMAIL_OTP, SMS_OTP or SMS_MFA.

    A wrong first factor leaves the session open, without a limit but its lifetime. A wrong second factor counts towards
    the lockout of the user.
    """
    name = conversation.challenge
    given = responses.get(f"{name}_CODE", "")
    if not given:
        raise refusals.missing_parameter(f"{name}_CODE")
    if conversation.user is None or not hmac.compare_digest(conversation.data["code"].encode(), given.encode()):
        if conversation.factors:
            directory.note_failure(conversation.user)
        raise refusals.sign_in_code_mismatch()
    conversation.factors.append(name)


def _confirmed_before(directory: Directory, conversation: Conversation, session: str) -> None:
    """Sign in a user who has just confirmed the account, with the Session of ConfirmSignUp."""
    confirmed = directory.sessions.take(session, conversation.client)
    if confirmed.challenge != CONFIRMED or confirmed.user is not conversation.user:
        raise refusals.session_invalid()
    conversation.factors.append("EMAIL_OTP")


#: What the sessions of SignUp and ConfirmSignUp wait for; no answer to a challenge has these names.
SIGNED_UP, CONFIRMED = "SignUp", "ConfirmSignUp"

ANSWERS: dict[str, Any] = {
    "SELECT_CHALLENGE": _select,
    "PASSWORD": _password,
    "PASSWORD_SRP": _password_srp,
    "EMAIL_OTP": _one_time_code,
    "SMS_OTP": _one_time_code,
    "SMS_MFA": _one_time_code,
}
