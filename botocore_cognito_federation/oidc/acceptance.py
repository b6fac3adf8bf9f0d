"""From a raw token answer to one that may be used: the token Cognito takes is there, verified, and the right user's."""

from __future__ import annotations

import logging
from typing import Any

from ..errors import CognitoFederationError, SignInFailedError
from ..messages import SIGN_IN_AGAIN
from .discovery import ProviderMetadata
from .id_token import Expectation, KeySet, verify_id_token
from .party import RelyingParty, SignInAnswer, TokenAnswer
from .token_endpoint import NoIdTokenError

logger = logging.getLogger(__name__)


def accept_answer(
    party: RelyingParty,
    metadata: ProviderMetadata,
    answer: TokenAnswer,
    *,
    nonce: str | None = None,
    subject: str | None = None,
    renewal: bool = False,
    error: type[CognitoFederationError] = SignInFailedError,
) -> SignInAnswer:
    """Verify `answer`.

    Args:
        nonce: of the authorization request, None where there was none.
        subject: the user who signed in, where the answer renews a session.
        renewal: the answer came from a refresh grant.
        error: what to raise for a token that does not hold.

    Raises:
        NoIdTokenError: a renewal without an ID token; it carries `answer`.
        error: no token Cognito takes, or one that does not hold.
        TemporaryError: the signing keys cannot be fetched now.
    """
    if party.provider.token_kind == "access_token":
        return _accept_access_token(party, metadata, answer, subject, error)
    if answer.id_token is None:
        raise _without_id_token(party, answer, renewal, error)
    assert metadata.jwks_uri is not None, "discovery refuses an OpenID provider without keys"
    claims = verify_id_token(
        answer.id_token,
        KeySet(party.http, party.documents, metadata.jwks_uri),
        Expectation(metadata.issuers, party.client.client_id, nonce, subject, answer.access_token),
        now=party.clock.now(),
        error=error,
    )
    return _made(party, answer, float(claims["exp"]), claims, str(claims["iss"]))


def _accept_access_token(
    party: RelyingParty,
    metadata: ProviderMetadata,
    answer: TokenAnswer,
    subject: str | None,
    error: type[CognitoFederationError],
) -> SignInAnswer:
    if answer.access_token is None:
        raise error(f"{party.provider.name} gave no access token", remedy=SIGN_IN_AGAIN)
    claims = {"sub": subject} if subject is not None else _user_info(party, metadata, answer.access_token)
    return _made(party, answer, answer.expires_at, claims, None)


def _made(
    party: RelyingParty, answer: TokenAnswer, expires_at: float | None, claims: dict[str, Any], issuer: str | None
) -> SignInAnswer:
    return SignInAnswer(
        token_kind=party.provider.token_kind,
        id_token=answer.id_token,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=expires_at,
        claims=claims,
        issuer=issuer,
        rotated=answer.rotated,
    )


def _user_info(party: RelyingParty, metadata: ProviderMetadata, access_token: str) -> dict[str, Any]:
    """Who signed in, for the greeting and the stores; a sign-in without it is still one."""
    endpoints = party.provider.endpoints
    if metadata.userinfo_endpoint is None or endpoints is None:
        return {}
    try:
        answer = party.http.get(metadata.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"})
        body = answer.json_object() if answer.status == 200 else {}
    except CognitoFederationError as failure:
        logger.debug("no user info from %s: %s", party.provider.name, failure.what)
        return {}
    found = {"sub": body.get(endpoints.user_id_field), "name": body.get("name"), "email": body.get("email")}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _without_id_token(
    party: RelyingParty, answer: TokenAnswer, renewal: bool, error: type[CognitoFederationError]
) -> CognitoFederationError:
    if renewal:
        return NoIdTokenError(
            f"{party.provider.name} renewed the session without an ID token, which is what Cognito takes",
            remedy=f"{SIGN_IN_AGAIN}. To be spared that, {party.provider.refresh_remedy}",
            answer=answer,
        )
    return error(
        f"{party.provider.name} gave no ID token, which is what Cognito takes",
        remedy="Put openid into cognito_scopes, and allow OpenID Connect for this client at the provider",
    )
