"""Signing in to a user pool by user name and password: what is asked, in the order the pool asks it.

The password itself is never sent (SRP, `user_pool.srp`), and nothing typed here is kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

from ..errors import SignInFailedError
from ..login_token import unverified_claims
from ..sessions import Session
from ..user_pool import Challenge, CodeMismatchError, UserPool, UserPoolTokens

#: Answers one sign-in may take; each pool asks two or three things.
_MOST_ANSWERS = 12
_CODE_TRIES = 3
_CODES = frozenset({"SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP", "SMS_OTP"})
_SHOWN = ("name", "email", "preferred_username")


class Questions(Protocol):
    """Who answers."""

    def say(self, text: str) -> None: ...

    def question(self, text: str, *, secret: bool = False) -> str:
        """The answer to a question; not shown while it is typed where it is secret."""
        ...


def sign_in_with_password(pool: UserPool, username: str | None, ask: Questions) -> UserPoolTokens:
    """Sign in, answering whatever the pool asks.

    Args:
        username: `cognito_username`; None to ask for it.

    Raises:
        SignInFailedError: the pool refused, or asks something that cannot be answered here.
        ConfigurationError, TemporaryError: see `UserPool.sign_in`.
    """
    name = username or ask.question("User name")
    found: UserPoolTokens | Challenge = pool.sign_in(name, ask.question(f"Password of {name}", secret=True))
    for _ in range(_MOST_ANSWERS):
        if isinstance(found, UserPoolTokens):
            return found
        found = _answered(pool, found, ask)
    raise SignInFailedError("The user pool asks on and on", remedy="Sign in again")


def session_of_tokens(tokens: UserPoolTokens, *, signed_in_at: float, generation: str) -> Session:
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
        generation=generation,
        device_key=tokens.device_key,
    )


def _answered(pool: UserPool, challenge: Challenge, ask: Questions) -> UserPoolTokens | Challenge:
    if challenge.name in _CODES:
        return _with_code(ask, _code_wording(challenge), lambda code: pool.confirm_sign_in(challenge, code))
    if challenge.name == "SELECT_MFA_TYPE":
        return pool.confirm_sign_in(challenge, ask.question(f"Which of {', '.join(challenge.choices)}"))
    if challenge.name == "MFA_SETUP":
        ready = pool.set_up_totp(challenge)
        ask.say(f"Add this secret to your authenticator application: {ready.totp_secret}")
        return _with_code(ask, "The code it shows", lambda code: pool.confirm_sign_in(ready, code))
    if challenge.name == "NEW_PASSWORD_REQUIRED":
        return _with_new_password(pool, challenge, ask)
    if challenge.name == "CUSTOM_CHALLENGE":
        asked = challenge.parameters.get("question") or challenge.parameters.get("message") or "Answer"
        return pool.send_custom_challenge_answer(challenge, ask.question(asked))
    raise SignInFailedError(
        f"The user pool asks for {challenge.name}, which cannot be answered here",
        remedy="Set cognito_grant = auth-code to sign in on its pages",
    )


def _with_code(
    ask: Questions, wording: str, answer: Callable[[str], UserPoolTokens | Challenge]
) -> UserPoolTokens | Challenge:
    for left in reversed(range(_CODE_TRIES)):
        try:
            return answer(ask.question(wording).replace(" ", ""))
        except CodeMismatchError as wrong:
            if not left:
                raise
            ask.say(wrong.what)
    raise AssertionError("the last try returns or raises")


def _code_wording(challenge: Challenge) -> str:
    destination = challenge.parameters.get("CODE_DELIVERY_DESTINATION")
    if challenge.name == "SOFTWARE_TOKEN_MFA":
        return "The code your authenticator application shows"
    return f"The code sent to {destination}" if destination else "The code you were sent"


def _with_new_password(pool: UserPool, challenge: Challenge, ask: Questions) -> UserPoolTokens | Challenge:
    ask.say("The user pool wants a password of your own")
    new = ask.question("New password", secret=True)
    if ask.question("The same again", secret=True) != new:
        raise SignInFailedError("The two passwords differ", remedy="Sign in again")
    attributes = {name: ask.question(name) for name in challenge.required_attributes}
    return pool.complete_new_password(challenge, new, attributes)
