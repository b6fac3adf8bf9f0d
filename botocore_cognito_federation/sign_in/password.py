"""Sign-in to a user pool on a terminal: what the pool asks, in words, and the person's answers to it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

from ..cache.sessions import Session
from ..errors import ConfigurationError, SignInFailedError
from ..login_token import unverified_claims
from ..messages import printable
from ..user_pool import (
    Challenge,
    ChallengeOverError,
    CodeMismatchError,
    FlowNotEnabledError,
    NewPasswordRefusedError,
    PasskeyRefusedError,
    PasswordResetRequiredError,
    SecurityKey,
    UserNotConfirmedError,
    UserPool,
    UserPoolTokens,
    WrongPasswordError,
)
from ..user_pool.models import checked_username
from .terminal import Questions

#: How often a wrong answer may be followed by another one.
TRIES = 3

_CODES = frozenset({"SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP", "SMS_OTP"})
_FACTORS = {
    "SMS_MFA": "a code by SMS",
    "SMS_OTP": "a code by SMS",
    "SOFTWARE_TOKEN_MFA": "the code of an authenticator application",
    "EMAIL_OTP": "a code by e-mail",
    "EMAIL_MFA": "a code by e-mail",
    "PASSWORD_SRP": "a password",
    "PASSWORD": "a password",
    "WEB_AUTHN": "a passkey, on a security key at this machine",
}
#: Lets the person choose among what the pool offers.
_CHOICE = "choice"
_APPLICATION = "SOFTWARE_TOKEN_MFA"
#: Parameters of a custom challenge that are the protocol's, not the question's.
_NOT_ASKED = frozenset({"USERNAME", "USER_ID_FOR_SRP"})
_LONGEST = 300

Found = UserPoolTokens | Challenge
T = TypeVar("T")


def answered(pool: UserPool, challenge: Challenge, ask: Questions) -> Found:
    """What the pool says to the person's answer.

    Raises:
        SignInFailedError: the answer was wrong too often, or nobody can give it here.
        ChallengeOverError: the sign-in has to begin again.
    """
    if challenge.name in _CODES:
        return with_code(ask, _code_wording(challenge), challenge.name == _APPLICATION, _confirming(pool, challenge))
    if challenge.name == "SELECT_MFA_TYPE":
        ask.say("The user pool asks for a second factor:")
        return pool.confirm_sign_in(challenge, _chosen(challenge.choices, ask))
    if challenge.name == "SELECT_CHALLENGE":
        return pool.confirm_sign_in(challenge, _chosen_challenge(challenge, ask))
    if challenge.name in ("PASSWORD", "PASSWORD_SRP"):
        return pool.confirm_sign_in(challenge, _password(challenge.username, ask))
    if challenge.name == "WEB_AUTHN":
        return pool.use_passkey(challenge, security_key(ask))
    if challenge.name == "MFA_SETUP":
        return _with_new_application(pool, challenge, ask)
    if challenge.name == "NEW_PASSWORD_REQUIRED":
        return _with_new_password(pool, challenge, ask)
    if challenge.name == "CUSTOM_CHALLENGE":
        return _with_custom_answer(pool, challenge, ask)
    raise SignInFailedError(
        f"The user pool asks for {printable(challenge.name, 60)}, which cannot be answered here",
        remedy="Set cognito_grant = auth-code to sign in on its pages",
    )


def security_key(ask: Questions) -> SecurityKey:
    """The security key at this machine; the person is told to touch it, and asked for its PIN."""
    return SecurityKey(tell=ask.say, ask_pin=lambda text: ask.question(text, secret=True))


def _confirming(pool: UserPool, challenge: Challenge) -> Callable[[str], Found]:
    return lambda code: pool.confirm_sign_in(challenge, code)


def with_code(ask: Questions, wording: str, by_application: bool, answer: Callable[[str], T]) -> T:
    """What the pool says to a code, which may be typed again after a mistake.

    Args:
        wording: the question.
        by_application: whether an authenticator application shows it: then it has six digits.
        answer: gives the code to the pool.

    Raises:
        SignInFailedError: no code was typed, or it was wrong too often.
    """
    for left in reversed(range(TRIES)):
        code = re.sub(r"[\s-]", "", ask.question(wording))
        if not code or (by_application and not re.fullmatch(r"[0-9]{6}", code)):
            ask.say("That is not a code: a code has six digits" if by_application else "That is not a code")
            continue
        try:
            return answer(code)
        except CodeMismatchError as wrong:
            if not left:
                raise
            ask.say(f"{wrong.what[:1].upper()}{wrong.what[1:]}")
    raise SignInFailedError("No code was typed", remedy="Sign in again")


def _code_wording(challenge: Challenge) -> str:
    if challenge.name == _APPLICATION:
        device = challenge.parameters.get("FRIENDLY_DEVICE_NAME")
        return f"The code your authenticator application shows{f' ({printable(device, 60)})' if device else ''}"
    medium = "by e-mail" if challenge.name == "EMAIL_OTP" else "by SMS"
    destination = challenge.parameters.get("CODE_DELIVERY_DESTINATION")
    return f"The code sent {medium}{f' to {printable(destination, 80)}' if destination else ''}"


def _chosen_challenge(challenge: Challenge, ask: Questions) -> str:
    """Return the way to sign in that the person chooses; a password is offered once, and proved without sending it."""
    offered = challenge.choices
    if "PASSWORD_SRP" in offered:
        offered = tuple(kind for kind in offered if kind != "PASSWORD")
    if len(offered) == 1:
        return offered[0]
    ask.say("The user pool lets you choose how to sign in:")
    return _chosen(offered, ask)


def _chosen(choices: tuple[str, ...], ask: Questions) -> str:
    if not choices:
        raise SignInFailedError(
            "The user pool wants something to be chosen, and offers nothing",
            remedy="Update botocore: an old one does not read what it offers",
        )
    for number, kind in enumerate(choices, 1):
        ask.say(f"  {number}  {_FACTORS.get(kind, printable(kind, 60))}")
    for _ in range(TRIES):
        typed = ask.question(f"Which one (1 to {len(choices)})").strip()
        if typed in choices:
            return typed
        if re.fullmatch(r"[1-9][0-9]?", typed) and int(typed) <= len(choices):
            return choices[int(typed) - 1]
        ask.say("That is none of them")
    raise SignInFailedError("Nothing was chosen", remedy="Sign in again")


def _with_new_application(pool: UserPool, challenge: Challenge, ask: Questions) -> Found:
    if challenge.choices and _APPLICATION not in challenge.choices:
        kinds = ", ".join(_FACTORS.get(kind, printable(kind, 60)) for kind in challenge.choices)
        raise SignInFailedError(
            f"The user pool wants a second factor to be set up that cannot be set up here: {kinds}",
            remedy="Ask the administrator of the user pool to set it up",
        )
    ready = pool.set_up_totp(challenge)
    asked = "The user pool asks for an authenticator application. Add this secret to yours"
    show_secret(ask, asked, ready.totp_secret, ready.otpauth_uri(pool.user_pool_id))
    return with_code(ask, "The code it shows", True, _confirming(pool, ready))


def show_secret(ask: Questions, asked: str, secret: str, uri: str) -> None:
    """Show the secret of an authenticator application to the person, and to nothing else.

    Args:
        asked: what is to be done with it.
        secret: the secret.
        uri: the same as a link.
    """
    ask.reveal(f"{asked}, by hand or as a link:\n\n  {printable(secret, _LONGEST)}\n  {printable(uri, 2 * _LONGEST)}\n")


def _with_new_password(pool: UserPool, challenge: Challenge, ask: Questions) -> Found:
    ask.say("The user pool wants a password of your own")
    attributes: dict[str, str] = {}

    def use(new: str) -> Found:
        for name in challenge.required_attributes:
            attributes[name] = attributes.get(name) or ask.question(printable(name, 60))
        return pool.complete_new_password(challenge, new, attributes)

    return with_new_password(ask, use)


def with_new_password(ask: Questions, use: Callable[[str], T]) -> T:
    """What the pool says to a new password, which is typed twice, and another one if the pool refuses it.

    Args:
        use: gives the password to the pool.

    Raises:
        SignInFailedError: it was not typed the same way twice, or refused too often.
    """
    for left in reversed(range(TRIES)):
        new = ask.question("New password", secret=True)
        if ask.question("The same again", secret=True) != new:
            ask.say("The two differ")
            continue
        try:
            return use(new)
        except NewPasswordRefusedError as refused:
            if not left:
                raise
            ask.say(f"{refused.what[:1].upper()}{refused.what[1:]}")
    raise SignInFailedError("The new password was not typed the same way twice", remedy="Sign in again")


def _with_custom_answer(pool: UserPool, challenge: Challenge, ask: Questions) -> Found:
    for name, value in challenge.parameters.items():
        if name not in _NOT_ASKED:
            ask.say(f"{printable(name, 60)}: {printable(value, _LONGEST)}")
    # Only the pool's trigger knows whether the answer is a secret, so it is treated as one.
    return pool.send_custom_challenge_answer(challenge, ask.question("Answer", secret=True))


#: Answers one sign-in may take; each pool asks two or three things.
_MOST_ANSWERS = 12
_SHOWN = ("name", "email", "preferred_username")
#: The command for what has to happen before a sign-in; it takes the same profile.
_FIRST: Mapping[type[SignInFailedError], str] = {
    PasswordResetRequiredError: "user-pool forgot-password",
    UserNotConfirmedError: "user-pool confirm-sign-up",
}


def sign_in_to_user_pool(
    pool: UserPool, username: str | None, ask: Questions, preferred: str | None = None
) -> UserPoolTokens:
    """Sign in, answering whatever the pool asks.

    A wrong password may be typed twice more. A challenge that was answered too late begins the sign-in again; after a
    passkey that could not be used, the person may choose another way.

    Args:
        username: `cognito_username`; None to ask for it.
        preferred: `cognito_preferred_challenge`; None for a password.

    Raises:
        SignInFailedError: the pool refused, or asks something that cannot be answered here.
        ConfigurationError, TemporaryError: see `UserPool.sign_in`.
    """
    for left in reversed(range(TRIES)):
        try:
            return _conversation(pool, username, ask, preferred)
        except (WrongPasswordError, ChallengeOverError, PasskeyRefusedError) as refused:
            if not left:
                raise
            if isinstance(refused, PasskeyRefusedError):
                preferred = _CHOICE
            ask.say(f"{refused.what[:1].upper()}{refused.what[1:]}. Once more:")
        except (PasswordResetRequiredError, UserNotConfirmedError) as refused:
            # The remedies of these two are calls in Python; the person at the terminal has none.
            command = f"cognito-federation {_FIRST[type(refused)]}"
            raise type(refused)(refused.what, remedy=f"Run, with the same profile: {command}") from None
    raise AssertionError("the last try returns or raises")


def session_of_tokens(tokens: UserPoolTokens, *, signed_in_at: float, sign_out_epoch: str) -> Session:
    """The session that a user pool's tokens begin."""
    claims = unverified_claims(tokens.id_token) or {}
    user = {name: str(claims[name]) for name in _SHOWN if isinstance(claims.get(name), str) and claims[name].strip()}
    subject = claims.get("sub")
    return Session(
        sign_in_id=secrets.token_hex(16),
        subject=subject if isinstance(subject, str) else None,
        user={**user, "username": tokens.username},
        login_token=tokens.id_token,
        token_expires_at=tokens.expires_at,
        refresh_token=tokens.refresh_token or None,
        signed_in_at=signed_in_at,
        sign_out_epoch=sign_out_epoch,
        device_key=tokens.device_key,
    )


def _conversation(pool: UserPool, username: str | None, ask: Questions, preferred: str | None) -> UserPoolTokens:
    name = username or typed_name(ask)
    found = _begun(pool, name, ask, preferred)
    for _ in range(_MOST_ANSWERS):
        if isinstance(found, UserPoolTokens):
            return found
        found = answered(pool, found, ask)
    raise SignInFailedError("The user pool does not stop asking", remedy="Sign in again")


def typed_name(ask: Questions) -> str:
    """The user name that is typed.

    Raises:
        SignInFailedError: none was.
    """
    for _ in range(TRIES):
        try:
            return checked_username(ask.question("User name").strip())
        except ConfigurationError as wrong:
            ask.say(wrong.what)
    raise SignInFailedError("No user name was typed", remedy="Sign in again, or set cognito_username")


def _password(name: str, ask: Questions) -> str:
    return ask.question(f"Password of {printable(name, 128)}", secret=True)


def _begun(pool: UserPool, name: str, ask: Questions, preferred: str | None) -> Found:
    """Begin with the preferred challenge, or else with a password."""
    if preferred == _CHOICE:
        return pool.sign_in(name, auth_flow="USER_AUTH")
    if preferred in ("PASSWORD", "PASSWORD_SRP"):
        return pool.sign_in(name, _password(name, ask), preferred_challenge=preferred)
    if preferred is not None:
        return pool.sign_in(name, preferred_challenge=preferred)
    return _by_password(pool, name, _password(name, ask))


def _by_password(pool: UserPool, name: str, password: str) -> Found:
    """Begin by SRP, in the first of the flows that the app client allows."""
    first = None
    for flow in ("USER_SRP_AUTH", "CUSTOM_AUTH", "USER_AUTH"):
        try:
            return pool.sign_in(name, password, auth_flow=flow)
        except FlowNotEnabledError as refused:
            first = first or refused
    assert first is not None
    raise first
