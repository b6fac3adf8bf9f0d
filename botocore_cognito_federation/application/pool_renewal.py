"""Renewing a federation's own sign-in to a Cognito user pool: GetTokensFromRefreshToken, rotation kept before use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import SignInRequiredError, TokenRefreshError
from ..login_token import unverified_claims
from ..tokens.session import KeepRefreshToken, Renewal, Renewed, SessionEnded
from ..user_pool import Device, UserPoolTokens

if TYPE_CHECKING:
    from ..keeping.sessions import Session
    from ..user_pool import UserPool


def user_pool_renewal(pool: UserPool, username: str, renewed: Callable[[UserPoolTokens], None]) -> Renewal:
    """The renewal of a sign-in to a user pool.

    Args:
        username: the user's name in the pool.
        renewed: told of the new tokens, whose access token is good for the account operations.
    """

    def renew(session: Session, keep: KeepRefreshToken) -> Renewed:
        try:
            tokens = pool.refresh(pool_tokens(session, username), persist=keep)
        except SignInRequiredError as ended:
            raise SessionEnded(ended.what) from None
        subject = (unverified_claims(tokens.id_token) or {}).get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError("The user pool answered the refresh with another user's tokens")
        renewed(tokens)
        return Renewed(tokens.id_token, tokens.expires_at, tokens.refresh_token)

    return renew


def pool_tokens(session: Session, username: str) -> UserPoolTokens:
    """What is kept of a sign-in, in the form in which the user pool takes it; without an access token."""
    return UserPoolTokens(
        id_token=session.login_token or "",
        access_token="",
        refresh_token=session.refresh_token or "",
        expires_at=session.token_expires_at or 0.0,
        username=username,
        device=Device(session.device_key, "") if session.device_key else None,
    )
