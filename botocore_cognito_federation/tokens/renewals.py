"""How a session is renewed at its provider: by an OpenID Connect refresh grant, or by a user pool's own operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..cache.sessions import Session
from ..login_token import unverified_claims
from .session import KeepRefreshToken, Renewal, Renewed, SessionEnded

if TYPE_CHECKING:
    from ..oidc.party import RelyingParty
    from ..user_pool import UserPool, UserPoolTokens


def oidc_renewal(party_of: Callable[[], RelyingParty]) -> Renewal:
    """The renewal of an OpenID Connect or OAuth 2.0 session by its refresh token (RFC 6749, section 6)."""

    def renew(session: Session, keep: KeepRefreshToken) -> Renewed:
        from ..oidc.renewal import refresh_tokens
        from ..oidc.token_endpoint import GrantEndedError

        try:
            answer = refresh_tokens(
                party_of(),
                session.refresh_token or "",
                subject=session.subject,
                persist=lambda raw: keep(raw.refresh_token),
            )
        except GrantEndedError as ended:
            raise SessionEnded(ended.what) from None
        return Renewed(answer.login_token, answer.expires_at, answer.refresh_token)

    return renew


def user_pool_renewal(
    pool_of: Callable[[], UserPool],
    *,
    username: str | None = None,
    renewed: Callable[[UserPoolTokens], None] | None = None,
) -> Renewal:
    """The renewal of a sign-in by password at a user pool (GetTokensFromRefreshToken).

    Args:
        pool_of: makes the user pool.
        username: the user's name in the pool; default is the one the session keeps.
        renewed: told of the new tokens, whose access token is good for the account operations.
    """

    def renew(session: Session, keep: KeepRefreshToken) -> Renewed:
        from ..errors import SignInRequiredError, TokenRefreshError

        try:
            tokens = pool_of().refresh(pool_tokens(session, username), persist=keep)
        except SignInRequiredError as ended:
            # The pool says this of a refresh token that has expired, was revoked, or was rotated by somebody else.
            raise SessionEnded(ended.what) from None
        subject = (unverified_claims(tokens.id_token) or {}).get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError("The user pool answered the refresh with another user's tokens")
        if renewed is not None:
            renewed(tokens)
        return Renewed(tokens.id_token, tokens.expires_at, tokens.refresh_token)

    return renew


def pool_tokens(session: Session, username: str | None = None) -> UserPoolTokens:
    """What is kept of a sign-in, in the form in which the user pool takes it; without an access token."""
    from ..user_pool import Device, UserPoolTokens

    return UserPoolTokens(
        id_token=session.login_token or "",
        access_token="",
        refresh_token=session.refresh_token or "",
        expires_at=session.token_expires_at or 0.0,
        username=session.user.get("username", "") if username is None else username,
        device=Device(session.device_key, "") if session.device_key else None,
    )
