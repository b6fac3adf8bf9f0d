"""One token for another: token exchange (RFC 8693), and the on-behalf-of grant of Entra ID (RFC 7523).

A service that was called with a user's token gets the login token of that user without asking the user for anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .._util.http import HttpAnswer
from ..errors import CognitoFederationError, ConfigurationError, SignInRequiredError, TokenRefreshError
from ..identity_providers import TOKEN_TYPES
from .authorization import effective_scopes
from .client import AuthenticationResult, OIDCClient, ProviderError, TokenAnswer, error_in
from .discovery import ProviderMetadata
from .tokens import post, raise_for_client, secrets_of, text_of_token, token_answer, validate_response

_NEEDS_THE_USER = frozenset({"interaction_required", "login_required", "consent_required"})
_CLIENT_MAY_NOT = frozenset({"unsupported_grant_type", "unauthorized_client", "access_denied"})
_NEW_TOKEN = "Hand in a newly issued token; see that it is of the kind, and for the client, that the provider expects"


@dataclass(frozen=True)
class ExchangeRequest:
    """A token to be exchanged.

    Attributes:
        subject_token: the token of the user.
        subject_token_type: its kind; see `identity_providers.TOKEN_TYPES`.
        requested_token_type: the kind to ask for; None for the one that Cognito takes from this provider.
        audience: the client or service that the new token is to be for; None for the client that asks.
        on_behalf_of: use the grant of Entra ID, which knows neither kinds nor audiences.
    """

    subject_token: str = field(repr=False)
    subject_token_type: str = TOKEN_TYPES["access_token"]
    requested_token_type: str | None = None
    audience: str | None = None
    on_behalf_of: bool = False


def exchange_token(oidc: OIDCClient, request: ExchangeRequest) -> AuthenticationResult:
    """Exchange a user's token for the token that Cognito takes, and verify that one.

    Raises:
        ConfigurationError: the provider has no such grant, or does not take the client, the audience or the scopes.
        SignInRequiredError: the provider wants the user to sign in again.
        TokenRefreshError: it does not take the token, or gave none that holds.
        TemporaryError: it cannot be asked now.
    """
    metadata = oidc.metadata()
    wanted = request.requested_token_type or TOKEN_TYPES[oidc.provider.token_kind]
    form = _on_behalf_of(oidc, metadata, request) if request.on_behalf_of else _token_exchange(oidc, request, wanted)
    answer = post(oidc, metadata, metadata.token_endpoint, form)
    if answer.status != 200:
        # The token is in another field of each grant, and no description may quote it.
        raise _refused(error_in(answer, secrets=[request.subject_token, *secrets_of(oidc.client, form)]), answer, oidc)
    tokens = token_answer(oidc, answer, error=TokenRefreshError)
    if not request.on_behalf_of:
        tokens = _issued(oidc, answer, tokens, wanted)
    return validate_response(oidc, metadata, tokens, audience=request.audience, error=TokenRefreshError)


def _token_exchange(oidc: OIDCClient, request: ExchangeRequest, wanted: str) -> dict[str, str]:
    """RFC 8693, section 2.1; the scope `openid` is what some providers make an ID token for."""
    scopes = oidc.scopes or (("openid",) if wanted == TOKEN_TYPES["id_token"] else ())
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": request.subject_token,
        "subject_token_type": request.subject_token_type,
        "requested_token_type": wanted,
        "audience": request.audience or "",
        "scope": " ".join(scopes),
    }
    return {name: value for name, value in form.items() if value}


def _on_behalf_of(oidc: OIDCClient, metadata: ProviderMetadata, request: ExchangeRequest) -> dict[str, str]:
    """Source: Microsoft identity platform, "OAuth 2.0 On-Behalf-Of flow"; an ID token comes with the scope `openid`.

    A refresh token would be of no use: the next exchange has a token of the user again.
    """
    scopes = effective_scopes(oidc, metadata)
    if oidc.scopes is None:
        scopes = tuple(scope for scope in scopes if scope != "offline_access")
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": request.subject_token,
        "requested_token_use": "on_behalf_of",
        "scope": " ".join(scopes),
    }


def _issued(oidc: OIDCClient, answer: HttpAnswer, tokens: TokenAnswer, wanted: str) -> TokenAnswer:
    """Find the token for Cognito: `access_token` holds the issued one, of whatever kind (RFC 8693, section 2.2.1)."""
    body = answer.json_object(error=TokenRefreshError)
    if oidc.provider.token_kind == "access_token":
        return tokens
    kind = body.get("issued_token_type")
    if kind in (wanted, TOKEN_TYPES["id_token"], TOKEN_TYPES["jwt"]):
        return replace(tokens, id_token=text_of_token(body, "access_token"), access_token=None)
    if tokens.id_token is not None:
        return tokens
    named = str(kind).rpartition(":")[2] if kind else "that it does not name"
    raise TokenRefreshError(
        f"{answer.host} issued a token of the kind {named} instead of the one asked for",
        remedy="Ask for the kind that it issues as a JWT (cognito_requested_token_type)",
    )


def _refused(error: ProviderError, answer: HttpAnswer, oidc: OIDCClient) -> CognitoFederationError:
    """Sort a refusal (RFC 8693, section 2.2.2): the user's token, the user, the request, or the client."""
    said = error if error.code else f"HTTP {answer.status}, no error code"
    if error.code in _NEEDS_THE_USER:
        return SignInRequiredError(
            f"{answer.host} wants to see the user before it exchanges the token ({said})",
            remedy="Let the user sign in again where the token comes from",
        )
    if error.code in _CLIENT_MAY_NOT:
        return ConfigurationError(
            f"{answer.host} does not let this client exchange tokens ({said})",
            remedy="Allow the grant for the client at the provider, or use another token source",
        )
    if error.code == "invalid_target":
        return ConfigurationError(
            f"{answer.host} issues no token for this audience ({said})",
            remedy="Correct the audience (cognito_token_audience), or allow it for the client at the provider",
        )
    if error.code == "invalid_scope":
        return ConfigurationError(
            f"{answer.host} does not grant the scopes ({said})", remedy="Correct the scopes (cognito_scopes)"
        )
    raise_for_client(error, answer, oidc.client)
    return TokenRefreshError(f"{answer.host} did not exchange the token ({said})", remedy=_NEW_TOKEN)
