"""The token endpoint: every grant, with the provider's answer sorted into what it means for us."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from .._util.http import HttpAnswer
from .._util.processes import uninterrupted
from ..errors import (
    SIGN_IN_AGAIN,
    CognitoFederationError,
    ConfigurationError,
    SignInAgain,
    SignInFailedError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from .client import DEFAULT_TIMEOUT, AuthenticationResult, OIDCClient, ProviderError, TokenAnswer, error_in
from .client_authentication import Client, audiences, authentication
from .discovery import ProviderMetadata
from .id_token import Expectation, KeySet, verify_id_token

_SECRET_FIELDS = frozenset(
    {"code", "code_verifier", "refresh_token", "client_secret", "device_code", "fb_exchange_token", "token"}
)
_CLIENT_IS_WRONG = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
_ASKS_FOR_A_PERSON = frozenset({"interaction_required", "login_required", "consent_required"})
_FACEBOOK_TOKEN_IS_OVER = frozenset({"102", "190", "463", "467"})


class GrantEndedError(SignInRequiredError):
    """The provider's definitive word: this refresh token will never be taken again (`invalid_grant`).

    Attributes:
        error_code: the provider's code.
    """

    def __init__(self, what: str, *, remedy: str | SignInAgain = "", error_code: str = "invalid_grant") -> None:
        super().__init__(what, remedy=remedy)
        self.error_code = error_code


class NoIdTokenError(SignInRequiredError):
    """The refresh worked, but brought no ID token (OpenID Connect Core, section 12.2, lets a provider leave it out).

    Attributes:
        answer: what it brought; its refresh token may have rotated and must be stored all the same.
    """

    def __init__(self, what: str, *, remedy: str | SignInAgain = "", answer: TokenAnswer | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.answer = answer if answer is not None else TokenAnswer()


def exchange_code(
    oidc: OIDCClient, metadata: ProviderMetadata, *, code: str, code_verifier: str, redirect_uri: str
) -> TokenAnswer:
    """Spend an authorization code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

    Raises:
        SignInFailedError: the provider refused the code.
        ConfigurationError: it refused the client.
        TemporaryError: it cannot be asked now.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
    }
    answer = post(oidc, metadata, metadata.token_endpoint, form)
    if answer.status != 200:
        error = error_in(answer, secrets=secrets_of(oidc.client, form))
        raise_for_client(error, answer, oidc.client)
        raise SignInFailedError(f"{answer.host} refused the sign-in ({_named(error, answer)})", remedy=SIGN_IN_AGAIN)
    return token_answer(oidc, answer, error=SignInFailedError)


def refresh_grant(oidc: OIDCClient, metadata: ProviderMetadata, refresh_token: str) -> TokenAnswer:
    """Spend a refresh token (RFC 6749, section 6); nothing in the answer is verified yet.

    The answer's `refresh_token` is always the one to keep: the new one, or the old where none came.

    Raises:
        GrantEndedError: the provider will never take this refresh token again.
        SignInRequiredError: it wants to see the user, without saying that the token is dead.
        ConfigurationError: it refused the client.
        TemporaryError: it cannot be asked now.
        TokenRefreshError: anything else.
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if oidc.provider.long_lived_exchange:
        form = {"grant_type": "fb_exchange_token", "fb_exchange_token": refresh_token}
    answer = post(oidc, metadata, metadata.token_endpoint, form)
    if answer.status != 200:
        _raise_refused_refresh(error_in(answer, secrets=secrets_of(oidc.client, form)), answer, oidc.client)
    return token_answer(oidc, answer, error=TokenRefreshError, sent=refresh_token)


def exchange_for_long_lived(oidc: OIDCClient, metadata: ProviderMetadata, answer: TokenAnswer) -> TokenAnswer:
    """Facebook's exchange of an hour's token for one of about 60 days, which needs the app secret.

    The long-lived token renews itself while it is valid, so it is its own refresh token. Without a secret the answer
    stays as it is.
    """
    if not oidc.provider.long_lived_exchange or oidc.client.client_secret is None or answer.access_token is None:
        return answer
    return refresh_grant(oidc, metadata, answer.access_token)


def post(oidc: OIDCClient, metadata: ProviderMetadata, url: str, form: Mapping[str, str]) -> HttpAnswer:
    """POST `form` with the client's authentication; see `client_authentication`."""
    if _is_public(oidc.client):
        return oidc.provider_http.post_form(url, {**form, "client_id": oidc.client.client_id})
    first, *others = audiences(oidc.client, metadata, url)
    answer = _posted(oidc, metadata, url, form, first)
    for audience in others:
        if answer.status not in (400, 401) or error_in(answer).code != "invalid_client":
            break
        answer = _posted(oidc, metadata, url, form, audience)
    return answer


def _is_public(client: Client) -> bool:
    """Return whether a client proves nothing, and only names itself (RFC 6749, sections 2.1 and 3.2.1)."""
    return client.client_secret is None and client.key is None and client.certificate is None


def _posted(
    oidc: OIDCClient, metadata: ProviderMetadata, url: str, form: Mapping[str, str], audience: str
) -> HttpAnswer:
    proof = authentication(oidc.client, metadata, audience=audience, now=oidc.clock.now())
    http = oidc.provider_http
    if proof.certificate is not None:
        http, url = replace(http, client_certificate=proof.certificate), metadata.mtls_endpoints.get(url, url)
    return http.post_form(url, {**form, **proof.fields}, headers=proof.headers)


def secrets_of(client: Client, form: Mapping[str, str]) -> list[str | None]:
    """What of a request must not be quoted back by an error description."""
    return [client.client_secret, *(value for name, value in form.items() if name in _SECRET_FIELDS)]


def token_answer(
    oidc: OIDCClient, answer: HttpAnswer, *, error: type[CognitoFederationError], sent: str | None = None
) -> TokenAnswer:
    """Read a successful answer.

    Args:
        sent: the refresh token that was spent; it stays where no other came.
    """
    body = answer.json_object(error=error)
    now = oidc.clock.now()
    life = _lifetime(body.get("expires_in"))
    access, new = text_of_token(body, "access_token"), text_of_token(body, "refresh_token")
    if oidc.provider.long_lived_exchange and sent is not None:
        new = access
    if access is None and text_of_token(body, "id_token") is None:
        raise error(f"{answer.host} answered without any token", remedy=SIGN_IN_AGAIN)
    return TokenAnswer(
        id_token=text_of_token(body, "id_token"),
        access_token=access,
        refresh_token=new or sent,
        expires_at=None if life is None else now + life,
        rotated=sent is not None and new is not None and new != sent,
    )


def text_of_token(body: Mapping[str, Any], name: str) -> str | None:
    """Read a token of an answer; None where it is not there, or is no text that can be sent on."""
    value = body.get(name)
    return value if isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() else None


def _lifetime(value: object) -> float | None:
    """`expires_in` is a number, but some providers write it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e10:
        return None
    return float(value)


def _named(error: ProviderError, answer: HttpAnswer) -> str:
    return str(error) if error.code else f"HTTP {answer.status}, no error code"


def raise_for_client(error: ProviderError, answer: HttpAnswer, client: Client) -> None:
    """Raise if the provider does not take the client, or is not available.

    Raises:
        ConfigurationError: it does not take the client.
        TemporaryError: it is not available.
    """
    shares_no_secret = client.key is not None or client.certificate is not None
    wants_one = re.search("client.?secret", error.description, re.IGNORECASE)  # Google says it with invalid_request
    if wants_one and not shares_no_secret:
        raise ConfigurationError(
            f"{answer.host} wants the secret of this client ({_named(error, answer)})",
            remedy="Set cognito_client_secret_env = VARIABLE, or store the secret with: cognito-federation configure"
            " --client-secret-stdin",
        )
    if error.code in _CLIENT_IS_WRONG or (answer.status == 401 and not error.code):
        raise ConfigurationError(
            f"{answer.host} does not take this client ({_named(error, answer)})",
            remedy=client.remedy,
        )
    if error.code in ("temporarily_unavailable", "server_error"):
        raise TemporaryError(f"{answer.host} is not available ({error})", remedy="Try again later")


def _raise_refused_refresh(error: ProviderError, answer: HttpAnswer, client: Client) -> None:
    """Sort a refused refresh; only `invalid_grant` is the end of the grant, every other word may be a passing one."""
    if error.code == "invalid_grant" or error.code in _FACEBOOK_TOKEN_IS_OVER:
        raise GrantEndedError(
            f"{answer.host} has ended this session ({error})",
            remedy=SIGN_IN_AGAIN,
            error_code=error.code or "invalid_grant",
        )
    raise_for_client(error, answer, client)
    # glewlwyd answers a spent refresh token with 400 and an empty body, and so may anything between us and the
    # provider: enough to ask for a sign-in, not to forget the session.
    if error.code in _ASKS_FOR_A_PERSON or (answer.status == 400 and not error.code):
        raise SignInRequiredError(
            f"{answer.host} did not renew the session ({_named(error, answer)})", remedy=SIGN_IN_AGAIN
        )
    raise TokenRefreshError(f"{answer.host} did not renew the session ({_named(error, answer)})", remedy=SIGN_IN_AGAIN)


logger = logging.getLogger(__name__)


def validate_response(
    oidc: OIDCClient,
    metadata: ProviderMetadata,
    answer: TokenAnswer,
    *,
    nonce: str | None = None,
    subject: str | None = None,
    audience: str | None = None,
    renewal: bool = False,
    error: type[CognitoFederationError] = SignInFailedError,
) -> AuthenticationResult:
    """Verify `answer`.

    Args:
        nonce: of the authorization request, None where there was none.
        subject: the user who signed in, where the answer renews a session.
        audience: the client that the token is for, where it is another one than asks.
        renewal: the answer came from a refresh grant.
        error: what to raise for a token that does not hold.

    Raises:
        NoIdTokenError: a renewal without an ID token; it carries `answer`.
        error: no token Cognito takes, or one that does not hold.
        TemporaryError: the signing keys cannot be fetched now.
    """
    if oidc.provider.token_kind == "access_token":
        return _accept_access_token(oidc, metadata, answer, subject, error)
    if answer.id_token is None:
        raise _without_id_token(oidc, answer, renewal, error)
    assert metadata.jwks_uri is not None, "discovery refuses an OpenID provider without keys"
    claims = verify_id_token(
        answer.id_token,
        KeySet(oidc.provider_http, oidc.documents, metadata.jwks_uri),
        Expectation(
            metadata.issuers,
            oidc.client.client_id,
            audience,
            nonce,
            subject,
            answer.access_token,
            oidc.algorithms,
        ),
        now=oidc.clock.now(),
        error=error,
    )
    return _made(oidc, answer, float(claims["exp"]), claims, str(claims["iss"]))


def _accept_access_token(
    oidc: OIDCClient,
    metadata: ProviderMetadata,
    answer: TokenAnswer,
    subject: str | None,
    error: type[CognitoFederationError],
) -> AuthenticationResult:
    if answer.access_token is None:
        raise error(f"{oidc.provider.name} gave no access token", remedy=SIGN_IN_AGAIN)
    claims = {"sub": subject} if subject is not None else _user_info(oidc, metadata, answer.access_token)
    return _made(oidc, answer, answer.expires_at, claims, None)


def _made(
    oidc: OIDCClient, answer: TokenAnswer, expires_at: float | None, claims: dict[str, Any], issuer: str | None
) -> AuthenticationResult:
    return AuthenticationResult(
        token_kind=oidc.provider.token_kind,
        id_token=answer.id_token,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=expires_at,
        claims=claims,
        issuer=issuer,
        rotated=answer.rotated,
    )


def _user_info(oidc: OIDCClient, metadata: ProviderMetadata, access_token: str) -> dict[str, Any]:
    """Return the user's claims, for display and the stores; a sign-in without them is still valid."""
    endpoints = oidc.provider.endpoints
    if metadata.userinfo_endpoint is None or endpoints is None:
        return {}
    try:
        answer = oidc.provider_http.get(metadata.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"})
        body = answer.json_object() if answer.status == 200 else {}
    except CognitoFederationError as failure:
        logger.debug("no user info from %s: %s", oidc.provider.name, failure.what)
        return {}
    found = {"sub": body.get(endpoints.user_id_field), "name": body.get("name"), "email": body.get("email")}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _without_id_token(
    oidc: OIDCClient, answer: TokenAnswer, renewal: bool, error: type[CognitoFederationError]
) -> CognitoFederationError:
    if renewal:
        return NoIdTokenError(
            f"{oidc.provider.name} renewed the session without an ID token, which is what Cognito takes",
            remedy=SignInAgain(f". To be spared that, {oidc.provider.refresh_remedy}"),
            answer=answer,
        )
    return error(
        f"{oidc.provider.name} gave no ID token, which is what Cognito takes",
        remedy="Put openid into cognito_scopes, and allow OpenID Connect for this client at the provider",
    )


@dataclass(frozen=True)
class Revocation:
    """Whether the provider has revoked a token; `reason` says why not."""

    revoked: bool
    reason: str = ""


def refresh_tokens(
    oidc: OIDCClient,
    refresh_token: str,
    *,
    subject: str | None = None,
    persist: Callable[[TokenAnswer], None] | None = None,
) -> AuthenticationResult:
    """Renew a session.

    Args:
        subject: `sub` of the user who signed in; any other is refused (OpenID Connect Core, section 12.2).
        persist: called with the raw answer before anything in it is verified or used. Where the provider rotates
            refresh tokens, `answer.refresh_token` is from here on the only one that works, so it must be on disk
            before anything else can fail. What it raises ends the renewal.

    Raises:
        GrantEndedError: sign-in is needed, and the old refresh token may be forgotten.
        NoIdTokenError: sign-in is needed; `answer` holds the refresh token to keep.
        SignInRequiredError, ConfigurationError, TemporaryError, TokenRefreshError: see `refresh_tokens`.
    """
    metadata = oidc.metadata()

    def spend() -> TokenAnswer:
        answer = refresh_grant(oidc, metadata, refresh_token)
        if persist is not None:
            persist(answer)
        return answer

    answer = uninterrupted(spend)
    return validate_response(oidc, metadata, answer, subject=subject, renewal=True, error=TokenRefreshError)


def revoke(oidc: OIDCClient, refresh_token: str) -> Revocation:
    """Revoke a refresh token, and with it the grant, where the provider can (RFC 7009).

    Never raises for what the provider or the network does: whoever signs out forgets the token in any case.
    """
    try:
        metadata = oidc.metadata()
        if metadata.revocation_endpoint is None:
            return Revocation(False, f"{oidc.provider.name} has no revocation endpoint")
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        answer = post(oidc, metadata, metadata.revocation_endpoint, form)
    except CognitoFederationError as failure:
        return Revocation(False, failure.what)
    if answer.status == 200:
        return Revocation(True)
    error = error_in(answer, secrets=secrets_of(oidc.client, form))
    return Revocation(False, f"{answer.host} answered {answer.status} ({error})")


#: Seconds between polls where the provider names none (RFC 8628, section 3.2).
DEFAULT_INTERVAL = 5.0


@dataclass(frozen=True)
class DeviceAuthorization:
    """The provider's answer to a device authorization request (RFC 8628, section 3.2); times in seconds."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    verification_uri: str
    verification_uri_complete: str | None = field(repr=False)
    expires_in: float
    interval: float


def device_authorization_in(answer: HttpAnswer) -> DeviceAuthorization:
    body = answer.json_object(error=SignInFailedError)
    device_code = text_of_token(body, "device_code")
    user_code = body.get("user_code")
    # Google calls it verification_url, the name in the drafts of RFC 8628.
    uri = body.get("verification_uri", body.get("verification_url"))
    usable = isinstance(user_code, str) and user_code.isprintable() and 0 < len(user_code) <= 64
    if device_code is None or not usable or not _is_showable(uri):
        raise SignInFailedError(f"{answer.host} answered without a usable device code", remedy="Sign in another way")
    complete = body.get("verification_uri_complete")
    return DeviceAuthorization(
        device_code=device_code,
        user_code=str(user_code),
        verification_uri=str(uri),
        verification_uri_complete=complete if _is_showable(complete) else None,
        expires_in=_seconds(body, "expires_in", DEFAULT_TIMEOUT),
        interval=_seconds(body, "interval", DEFAULT_INTERVAL),
    )


def _is_showable(url: object) -> bool:
    """Whether a URL may be shown, and perhaps made clickable: http or https, nothing a terminal would act on."""
    if not isinstance(url, str) or len(url) > 2000 or any(not "!" <= c <= "~" for c in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _seconds(body: Mapping[str, Any], name: str, default: float) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        return default
    return float(value)
