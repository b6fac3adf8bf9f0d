"""Signing in to a user pool by user name and password: what is asked, in the order the pool asks it.

The password itself is never sent (SRP, `user_pool.srp`), and nothing typed here is kept: a sign-in that has to begin
again asks for it again.
"""

from __future__ import annotations

import secrets

from ..cache.sessions import Session
from ..errors import ConfigurationError, SignInFailedError
from ..login_token import unverified_claims
from ..messages import printable
from ..user_pool import (
    Challenge,
    ChallengeOverError,
    FlowNotEnabledError,
    PasswordResetRequiredError,
    UserNotConfirmedError,
    UserPool,
    UserPoolTokens,
    WrongPasswordError,
)
from ..user_pool.checks import username as checked_username
from .challenges import TRIES, answered
from .dialogue import Questions

#: Answers one sign-in may take; each pool asks two or three things.
_MOST_ANSWERS = 12
_SHOWN = ("name", "email", "preferred_username")
_PAGES = "set cognito_grant = auth-code and do it on the user pool's pages, or ask its administrator"


def sign_in_with_password(pool: UserPool, username: str | None, ask: Questions) -> UserPoolTokens:
    """Sign in, answering whatever the pool asks.

    A wrong password may be typed twice more. A challenge that was answered too late begins the sign-in again.

    Args:
        username: `cognito_username`; None to ask for it.

    Raises:
        SignInFailedError: the pool refused, or asks something that cannot be answered here.
        ConfigurationError, TemporaryError: see `UserPool.sign_in`.
    """
    for left in reversed(range(TRIES)):
        try:
            return _conversation(pool, username, ask)
        except (WrongPasswordError, ChallengeOverError) as refused:
            if not left:
                raise
            ask.say(f"{refused.what[:1].upper()}{refused.what[1:]}. Once more:")
        except (PasswordResetRequiredError, UserNotConfirmedError) as refused:
            # The remedies of these two are calls in Python; the person at the terminal has none.
            raise type(refused)(refused.what, remedy=f"To mend that, {_PAGES}") from None
    raise AssertionError("the last try returns or raises")


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


def _conversation(pool: UserPool, username: str | None, ask: Questions) -> UserPoolTokens:
    name = username or _typed_name(ask)
    found = _begun(pool, name, ask.question(f"Password of {printable(name, 128)}", secret=True))
    for _ in range(_MOST_ANSWERS):
        if isinstance(found, UserPoolTokens):
            return found
        found = answered(pool, found, ask)
    raise SignInFailedError("The user pool asks on and on", remedy="Sign in again")


def _typed_name(ask: Questions) -> str:
    for _ in range(TRIES):
        try:
            return checked_username(ask.question("User name").strip())
        except ConfigurationError as wrong:
            ask.say(wrong.what)
    raise SignInFailedError("No user name was typed", remedy="Sign in again, or set cognito_username")


def _begun(pool: UserPool, name: str, password: str) -> UserPoolTokens | Challenge:
    """By SRP; where the app client allows only custom authentication, by SRP and the questions of its triggers."""
    try:
        return pool.sign_in(name, password)
    except FlowNotEnabledError as refused:
        first = refused
    try:
        return pool.sign_in(name, password, auth_flow="CUSTOM_AUTH")
    except FlowNotEnabledError:
        raise first from None
