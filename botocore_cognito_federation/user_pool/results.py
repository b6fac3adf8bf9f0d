"""From an AuthenticationResult to tokens: what must be in it, and whose it must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import CognitoFederationError, SignInFailedError, TemporaryError, TokenRefreshError
from .api import AppClient
from .model import CodeDelivery, Device, UserPoolTokens, claims


def member(answer: Mapping[str, Any], key: str, operation: str) -> Any:
    """A key the answer must have.

    botocore reads a truncated body as an empty answer without an error, so HTTP 200 alone proves nothing.
    """
    value = answer.get(key)
    if not value:
        raise TemporaryError(f"{operation}: the answer of the user pool lacks {key}", remedy="Try again")
    return value


def signed_in(
    app: AppClient, result: Mapping[str, Any], *, now: float, username: str, device: Device | None
) -> UserPoolTokens:
    """The tokens of a sign-in.

    Raises:
        TemporaryError: a token is missing.
        SignInFailedError: the ID token is not this pool's, or not for this app client.
    """
    return _tokens(app, result, member(result, "RefreshToken", "sign-in"), now, username, device, SignInFailedError)


def refreshed(app: AppClient, result: Mapping[str, Any], old: UserPoolTokens, now: float) -> UserPoolTokens:
    """The tokens of a refresh; without rotation the answer has no refresh token and the old one stays.

    Raises:
        TemporaryError: a token is missing.
        TokenRefreshError: the ID token is not this pool's, or it is another user's (OpenID Connect Core 12.2: `sub`
            must not change).
    """
    refresh_token = result.get("RefreshToken") or old.refresh_token
    new = _tokens(app, result, refresh_token, now, old.username, old.device, TokenRefreshError)
    before, after = claims(old.id_token).get("sub"), claims(new.id_token).get("sub")
    if before is not None and before != after:
        raise TokenRefreshError("the user pool answered the refresh with another user's tokens")
    return new


def _tokens(
    app: AppClient,
    result: Mapping[str, Any],
    refresh_token: str,
    now: float,
    username: str,
    device: Device | None,
    wrong: type[CognitoFederationError],
) -> UserPoolTokens:
    id_token = str(member(result, "IdToken", "sign-in"))
    access_token = str(member(result, "AccessToken", "sign-in"))
    body = claims(id_token)
    _check_origin(app, body, wrong)
    name = claims(access_token).get("username") or body.get("cognito:username") or username
    end = body.get("exp")
    lifetime = result.get("ExpiresIn") or 0
    return UserPoolTokens(
        id_token=id_token,
        access_token=access_token,
        refresh_token=str(refresh_token),
        expires_at=float(end) if isinstance(end, int | float) else now + float(lifetime),
        username=str(name),
        device=device,
    )


def _check_origin(app: AppClient, body: Mapping[str, Any], wrong: type[CognitoFederationError]) -> None:
    """The pool and the client an ID token names; `verification` looks at its signature."""
    issuer, audience = body.get("iss"), body.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not isinstance(issuer, str) or not issuer.endswith(f"/{app.user_pool_id}"):
        raise wrong(f"what answered gave an ID token that is not of the user pool {app.user_pool_id}")
    if app.client_id not in audiences:
        raise wrong(f"what answered gave an ID token that is not for the app client {app.client_id}")


def delivery(details: object) -> CodeDelivery | None:
    """CodeDeliveryDetails, where the answer has any."""
    if not isinstance(details, Mapping):
        return None
    return CodeDelivery(
        destination=str(details.get("Destination", "")),
        medium=str(details.get("DeliveryMedium", "")),
        attribute=str(details.get("AttributeName", "")),
    )
