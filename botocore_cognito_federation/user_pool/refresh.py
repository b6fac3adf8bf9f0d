"""Renewing and ending a sign-in: GetTokensFromRefreshToken, RevokeToken, GlobalSignOut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import TokenRefreshError
from . import checks
from .api import Api
from .diagnosis import is_unknown_operation
from .model import UserPoolTokens
from .results import member, refreshed
from .verification import Verify


def refresh(
    api: Api,
    old: UserPoolTokens,
    metadata: Mapping[str, str],
    now: float,
    verify: Verify,
    persist: Callable[[str], None] | None = None,
) -> UserPoolTokens:
    """New tokens for a refresh token; `persist` gets the one to keep before anything else is looked at.

    GetTokensFromRefreshToken serves pools with and without rotation, REFRESH_TOKEN_AUTH only those without, so the
    second is used only where the endpoint or the installed botocore does not have the first.
    """
    checks.token(old.refresh_token, "refresh_token")
    answer = _renewed(api, old, metadata)
    if answer is None:
        answer = api.call("InitiateAuth", _classic(api, old, metadata))
    result = member(answer, "AuthenticationResult", "refresh")
    if persist is not None:
        persist(str(result.get("RefreshToken") or old.refresh_token))
    renewed = refreshed(api.app, result, old, now)
    verify(renewed, TokenRefreshError)
    return renewed


def _renewed(api: Api, old: UserPoolTokens, metadata: Mapping[str, str]) -> dict[str, Any] | None:
    if not api.knows("GetTokensFromRefreshToken"):
        return None
    request: dict[str, Any] = {"RefreshToken": old.refresh_token, "ClientId": api.app.client_id}
    if api.app.client_secret is not None:
        request["ClientSecret"] = api.app.client_secret
    if old.device_key:
        request["DeviceKey"] = old.device_key
    if metadata:
        request["ClientMetadata"] = dict(metadata)
    return api.attempt("GetTokensFromRefreshToken", request, is_unknown_operation)


def _classic(api: Api, old: UserPoolTokens, metadata: Mapping[str, str]) -> dict[str, Any]:
    parameters = {"REFRESH_TOKEN": old.refresh_token, **api.app.hashed(old.username)}
    if old.device_key:
        parameters["DEVICE_KEY"] = old.device_key
    request: dict[str, Any] = {
        "AuthFlow": "REFRESH_TOKEN_AUTH",
        "ClientId": api.app.client_id,
        "AuthParameters": parameters,
    }
    return {**request, "ClientMetadata": dict(metadata)} if metadata else request


def revoke(api: Api, tokens: UserPoolTokens) -> None:
    """RevokeToken: ends the refresh token and what came of it; may be repeated."""
    request = {"Token": checks.token(tokens.refresh_token, "refresh_token"), "ClientId": api.app.client_id}
    if api.app.client_secret is not None:
        request["ClientSecret"] = api.app.client_secret
    api.call("RevokeToken", request)


def sign_out_everywhere(api: Api, tokens: UserPoolTokens) -> None:
    """GlobalSignOut: ends every sign-in of the user."""
    api.call("GlobalSignOut", {"AccessToken": checks.token(tokens.access_token, "access_token")})
