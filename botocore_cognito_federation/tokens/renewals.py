"""How a session is renewed at its provider: by an OpenID Connect refresh grant, or by a user pool's own operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..keeping.sessions import Session
from ..login_token import unverified_claims
from .session import KeepRefreshToken, Renewal, Renewed, SessionEnded

if TYPE_CHECKING:
    from ..oidc.party import RelyingParty
    from ..user_pool import UserPool


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


def user_pool_renewal(pool_of: Callable[[], UserPool]) -> Renewal:
    """The renewal of a sign-in by password at a user pool (GetTokensFromRefreshToken)."""

    def renew(session: Session, keep: KeepRefreshToken) -> Renewed:
        from ..errors import SignInRequiredError, TokenRefreshError
        from ..user_pool import Device, UserPoolTokens

        tokens = UserPoolTokens(
            id_token=session.login_token or "",
            access_token="",
            refresh_token=session.refresh_token or "",
            expires_at=session.token_expires_at or 0.0,
            username=session.user.get("username", ""),
            device=Device(session.device_key, "") if session.device_key else None,
        )
        try:
            renewed = pool_of().refresh(tokens, persist=keep)
        except SignInRequiredError as ended:
            # The pool says this of a refresh token that has expired, was revoked, or was rotated by somebody else.
            raise SessionEnded(ended.what) from None
        subject = (unverified_claims(renewed.id_token) or {}).get("sub")
        if session.subject is not None and subject != session.subject:
            raise TokenRefreshError("The user pool answered with another user's token")
        return Renewed(renewed.id_token, renewed.expires_at, renewed.refresh_token)

    return renew
