"""The grants by which the demo's provider issues a token for another of its tokens.

Token exchange (RFC 8693), and on-behalf-of as at Entra ID (RFC 7523). The subject token is verified as the provider's
own; its audience may be any client, because it was issued to whatever called the service that exchanges it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jwt

from .signing import SigningKey

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TYPE = "urn:ietf:params:oauth:token-type:"
_TAKEN = frozenset({f"{_TYPE}access_token", f"{_TYPE}id_token", f"{_TYPE}jwt"})
_SECONDS = 600


class GrantRefused(Exception):
    """A refusal of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.document = {"error": error, "error_description": description}


def exchanged(
    parameters: Mapping[str, Any],
    *,
    keys: Iterable[SigningKey],
    issuer: str,
    client_id: str,
    now: float,
    issue: Callable[..., str],
) -> dict[str, Any]:
    """Return the answer to a request of one of the two grants.

    Raises:
        GrantRefused: the client, the subject token, or what is asked for it is not taken.
    """
    if parameters.get("client_id") != client_id:
        raise GrantRefused("invalid_client", "this provider does not know the client")
    if parameters["grant_type"] == JWT_BEARER:
        return _on_behalf_of(parameters, keys, issuer, now, issue)
    subject = _subject(parameters.get("subject_token"), keys, issuer, now, refusal="invalid_request")
    if parameters.get("subject_token_type") not in _TAKEN:
        raise GrantRefused("invalid_request", "subject_token_type is missing or unknown")
    wanted = parameters.get("requested_token_type", f"{_TYPE}access_token")
    if wanted not in _TAKEN:
        raise GrantRefused("invalid_request", "requested_token_type is unknown")
    if parameters.get("audience", client_id) != client_id:
        raise GrantRefused("invalid_target", "this provider issues no token for the audience")
    is_access_token = wanted == f"{_TYPE}access_token"
    return {
        "access_token": issue(subject, lifetime=_SECONDS),
        "issued_token_type": wanted,
        "token_type": "Bearer" if is_access_token else "N_A",
        "expires_in": _SECONDS,
    }


def _on_behalf_of(
    parameters: Mapping[str, Any], keys: Iterable[SigningKey], issuer: str, now: float, issue: Callable[..., str]
) -> dict[str, Any]:
    if parameters.get("requested_token_use") != "on_behalf_of":
        raise GrantRefused("invalid_request", "requested_token_use is not on_behalf_of")
    subject = _subject(parameters.get("assertion"), keys, issuer, now, refusal="invalid_grant")
    token = issue(subject, lifetime=_SECONDS)
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": _SECONDS}
    return {**answer, "id_token": token} if "openid" in str(parameters.get("scope", "")).split() else answer


def _subject(token: Any, keys: Iterable[SigningKey], issuer: str, now: float, *, refusal: str) -> str:
    for key in keys:
        try:
            claims = jwt.decode(
                str(token),
                key.private.public_key(),
                algorithms=["RS256", "RS384", "RS512"],
                issuer=issuer,
                options={"require": ["iss", "sub", "exp"], "verify_aud": False, "verify_exp": False},
            )
        except jwt.PyJWTError:
            continue
        if float(claims["exp"]) <= now:
            raise GrantRefused(refusal, "the subject token has expired")
        return str(claims["sub"])
    raise GrantRefused(refusal, "the subject token is not one of this provider")
