"""Calls of the cognito-idp service: the client, made unsigned on first use, and the errors for its refusals."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from .._util.concurrency import ForkSafeLock
from ..errors import CognitoFederationError, ConfigurationError, SignInFailedError, TemporaryError, TokenRefreshError
from ..identity_pool.aws import Answer, ask
from ..identity_pool.client import make_client
from ..identity_pool.failures import ErrorAnswer
from ..identity_providers import user_pool_issuer
from .errors import Refusal, explain
from .models import CodeDelivery, Device, UserPoolTokens, checked_endpoint_url, claims

if TYPE_CHECKING:
    from .._util.http import HttpClient
    from ..oidc.discovery import DocumentCache

_METHODS = {
    "AssociateSoftwareToken": "associate_software_token",
    "ChangePassword": "change_password",
    "CompleteWebAuthnRegistration": "complete_web_authn_registration",
    "ConfirmDevice": "confirm_device",
    "ConfirmForgotPassword": "confirm_forgot_password",
    "ConfirmSignUp": "confirm_sign_up",
    "DeleteUser": "delete_user",
    "DeleteUserAttributes": "delete_user_attributes",
    "ForgetDevice": "forget_device",
    "DeleteWebAuthnCredential": "delete_web_authn_credential",
    "ForgotPassword": "forgot_password",
    "GetUser": "get_user",
    "GetUserAuthFactors": "get_user_auth_factors",
    "GetTokensFromRefreshToken": "get_tokens_from_refresh_token",
    "GetUserAttributeVerificationCode": "get_user_attribute_verification_code",
    "GlobalSignOut": "global_sign_out",
    "InitiateAuth": "initiate_auth",
    "ListDevices": "list_devices",
    "ListWebAuthnCredentials": "list_web_authn_credentials",
    "ResendConfirmationCode": "resend_confirmation_code",
    "RespondToAuthChallenge": "respond_to_auth_challenge",
    "RevokeToken": "revoke_token",
    "SetUserMFAPreference": "set_user_mfa_preference",
    "SignUp": "sign_up",
    "StartWebAuthnRegistration": "start_web_authn_registration",
    "UpdateDeviceStatus": "update_device_status",
    "UpdateUserAttributes": "update_user_attributes",
    "VerifySoftwareToken": "verify_software_token",
    "VerifyUserAttribute": "verify_user_attribute",
}
# Every other string in a request counts as a secret when a message of the service is quoted.
_OPEN = frozenset(
    {"AttributeName", "AuthFlow", "CHALLENGE_NAME", "ChallengeName", "ClientId", "DEVICE_KEY", "DeviceKey", "Name"}
    | {
        "CredentialId",
        "PREFERRED_CHALLENGE",
        "TIMESTAMP",
        "USERNAME",
        "Username",
        "DeviceRememberedStatus",
        "DeviceName",
        "FriendlyDeviceName",
    }
)


class ClientFactory(Protocol):
    """Makes the cognito-idp client."""

    def __call__(self, *, session: Any, region_name: str, endpoint_url: str | None) -> Any: ...


def make_user_pool_client(*, session: Any, region_name: str, endpoint_url: str | None) -> Any:
    """Make an unsigned cognito-idp client: these operations take no AWS credentials, so botocore looks for none."""
    if session is None:
        from botocore.session import Session

        session = Session()
    return make_client(session, "cognito-idp", region_name=region_name, endpoint_url=endpoint_url)


@dataclass(frozen=True)
class AppClient:
    """An app client and its user pool."""

    user_pool_id: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None

    @property
    def region(self) -> str:
        return self.user_pool_id.split("_", 1)[0]

    @property
    def srp_group(self) -> str:
        return self.user_pool_id.split("_", 1)[1]

    def secret_hash(self, username: str) -> str | None:
        """Return SECRET_HASH for a user: base64(HMAC-SHA256(secret, username + client id)); None without a secret."""
        if self.client_secret is None:
            return None
        digest = hmac.digest(self.client_secret.encode(), (username + self.client_id).encode(), "sha256")
        return base64.b64encode(digest).decode()

    def hashed(self, username: str, key: str = "SECRET_HASH") -> dict[str, str]:
        """Return the hash as a request field; an empty mapping without a secret."""
        value = self.secret_hash(username)
        return {} if value is None else {key: value}


class Api:
    """The operations of one user pool; several threads may use one object."""

    def __init__(self, app: AppClient, session: Any, client_factory: ClientFactory) -> None:
        self.app = app
        self._session = session
        self._factory = client_factory
        self._client: Any = None
        self._lock = ForkSafeLock()

    def knows(self, operation: str) -> bool:
        """Return whether the installed botocore has the operation (GetTokensFromRefreshToken came in 2025)."""
        return hasattr(self._ready_client(), _METHODS[operation])

    @property
    def endpoint_url(self) -> str | None:
        """Return the URL of the endpoint, which botocore may take from the environment or the configuration file."""
        found = getattr(getattr(self._ready_client(), "meta", None), "endpoint_url", None)
        return found if isinstance(found, str) else self.app.endpoint_url

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call one operation and return its answer.

        Raises:
            CognitoFederationError: the service refused; `errors.explain` chooses the class and the text.
        """
        answer = self.attempt(operation, request, lambda refusal: False)
        return answer if answer is not None else {}

    def attempt(
        self, operation: str, request: Mapping[str, Any], expected: Callable[[Refusal], bool]
    ) -> dict[str, Any] | None:
        """Call an operation; return None for a refusal that the caller expects and handles."""
        method = getattr(self._ready_client(), _METHODS[operation], None)
        if method is None:
            raise ConfigurationError(
                f"the installed botocore does not know {operation}", remedy="Update botocore: pip install -U botocore"
            )
        outcome = ask(method, request, whom="the user pool", secrets=_secrets(request))
        if isinstance(outcome, Answer):
            return dict(outcome.body)
        refusal = _refusal(operation, request, outcome)
        if expected(refusal):
            return None
        raise explain(refusal)

    def _ready_client(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        app = self.app
        client = self._factory(session=self._session, region_name=app.region, endpoint_url=app.endpoint_url)
        # A client that the application made must follow the same rule.
        checked_endpoint_url(getattr(getattr(client, "meta", None), "endpoint_url", None))
        return client


def _refusal(operation: str, request: Mapping[str, Any], error: ErrorAnswer) -> Refusal:
    flow, challenge = request.get("AuthFlow"), request.get("ChallengeName")
    name = f"{operation}:{flow}" if flow == "REFRESH_TOKEN_AUTH" else operation
    if challenge == "WEB_AUTHN":
        name = f"{operation}:{challenge}"
    return Refusal(name, error.code, error.message, error.status)


def _secrets(value: object, key: str = "") -> list[str]:
    """Yield the strings of a request that no error may show; replacing shorter ones would only garble the text."""
    if isinstance(value, Mapping):
        return list(_flat(_secrets(item, str(name)) for name, item in value.items()))
    if isinstance(value, list):
        return list(_flat(_secrets(item, key) for item in value))
    return [value] if isinstance(value, str) and len(value) >= 4 and key not in _OPEN else []


def _flat(lists: Iterator[list[str]]) -> Iterator[str]:
    for entries in lists:
        yield from entries


#: A claim may be any number that JSON can express; this is the highest that is still a time in seconds.
_NO_TIME_FROM = 1e12


def member(answer: Mapping[str, Any], key: str, operation: str) -> Any:
    """Return a key that the answer must have.

    botocore parses a truncated body as an empty answer without an error, so HTTP 200 alone proves nothing.
    """
    value = answer.get(key)
    if not value:
        raise TemporaryError(f"{operation}: the answer of the user pool lacks {key}", remedy="Try again")
    return value


def signed_in(
    app: AppClient, result: Mapping[str, Any], *, now: float, username: str, device: Device | None
) -> UserPoolTokens:
    """Return the tokens of a sign-in.

    Raises:
        TemporaryError: a token is missing.
        SignInFailedError: the ID token is not this pool's, or not for this app client.
    """
    return _tokens(app, result, member(result, "RefreshToken", "sign-in"), now, username, device, SignInFailedError)


def refreshed(app: AppClient, result: Mapping[str, Any], old: UserPoolTokens, now: float) -> UserPoolTokens:
    """Return the tokens of a refresh; without rotation the answer has no refresh token and the old one stays valid.

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
    names = (claims(access_token).get("username"), body.get("cognito:username"))
    end = body.get("exp")
    is_time = isinstance(end, int | float) and not isinstance(end, bool) and 0 <= end < _NO_TIME_FROM
    return UserPoolTokens(
        id_token=id_token,
        access_token=access_token,
        refresh_token=str(refresh_token),
        expires_at=float(end) if is_time else now + float(result.get("ExpiresIn") or 0),  # type: ignore[arg-type]
        username=next((name for name in names if isinstance(name, str) and name), username),
        device=device,
    )


def _check_origin(app: AppClient, body: Mapping[str, Any], wrong: type[CognitoFederationError]) -> None:
    """Check the pool and the client that an ID token names; `IdTokenVerifier` checks its signature."""
    issuer, audience = body.get("iss"), body.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not isinstance(issuer, str) or not issuer.endswith(f"/{app.user_pool_id}"):
        raise wrong(f"what answered gave an ID token that is not of the user pool {app.user_pool_id}")
    if app.client_id not in audiences:
        raise wrong(f"what answered gave an ID token that is not for the app client {app.client_id}")


def delivery(details: object) -> CodeDelivery | None:
    """Return CodeDeliveryDetails, or None if the answer has none."""
    if not isinstance(details, Mapping):
        return None
    return CodeDelivery(
        destination=str(details.get("Destination", "")),
        medium=str(details.get("DeliveryMedium", "")),
        attribute=str(details.get("AttributeName", "")),
    )


Verify = Callable[[UserPoolTokens, type[CognitoFederationError]], None]
"""Raises the given error unless the ID token is the pool's."""

_AWS_DOMAINS = r"amazonaws\.(com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.(com\.cn|eu)"


class IdTokenVerifier:
    """Verifies the ID tokens of one app client (a `Verify`); fetches nothing before the first token.

    Args:
        api: the calls of the user pool.
        clock: returns seconds since the epoch.
        issuer: the exact value of `iss`, if it is not the issuer that AWS gives the pool; https, or http on loopback.
        http: fetches the keys.
        documents: caches the keys between tokens; by default for the lifetime of this object.
    """

    def __init__(
        self,
        api: Api,
        clock: Callable[[], float],
        *,
        issuer: str | None,
        http: HttpClient | None,
        documents: DocumentCache | None,
    ) -> None:
        self._api = api
        self._clock = clock
        self._issuer = issuer
        self._http = http
        self._documents = documents

    def __call__(self, tokens: UserPoolTokens, error: type[CognitoFederationError]) -> None:
        """Verify signature, `iss`, `aud` and times.

        Raises:
            error: the token is not this pool's, not for this app client, or not valid now.
            TemporaryError: the keys cannot be fetched now.
        """
        app = self._api.app
        if self._issuer is None and not is_aws_endpoint(self._api.endpoint_url, app.region):
            return
        from .._util.http import HttpClient
        from ..oidc.discovery import MemoryDocuments
        from ..oidc.id_token import Expectation, KeySet, verify_id_token

        issuers = (self._issuer,) if self._issuer is not None else aws_issuers(app.user_pool_id)
        named = claims(tokens.id_token).get("iss")
        issuer = next((each for each in issuers if each == named), issuers[0])
        if self._documents is None:
            self._documents = MemoryDocuments()
        http = (self._http or HttpClient()).for_issuer(issuer)
        keys = KeySet(http, self._documents, f"{issuer}/.well-known/jwks.json")
        verified = verify_id_token(
            tokens.id_token, keys, Expectation((issuer,), app.client_id), now=self._clock(), error=error
        )
        if verified.get("token_use") != "id":
            raise error("The user pool gave another token in place of the ID token (token_use)")


def aws_issuers(user_pool_id: str) -> tuple[str, str]:
    """Return the `iss` values of a pool on AWS: the original issuer, and the one of IssuerConfiguration UPDATED.

    Raises:
        ConfigurationError: the text is not a user pool ID.
    """
    original = user_pool_issuer(user_pool_id)
    return original, original.replace("https://cognito-idp.", "https://issuer-cognito-idp.", 1)


def is_aws_endpoint(url: str | None, region: str) -> bool:
    """Return whether a cognito-idp endpoint is one of AWS's public ones; an unknown endpoint counts as one."""
    if url is None:
        return True
    host = urlsplit(url).hostname or ""
    return re.fullmatch(rf"cognito-idp(-fips)?\.{re.escape(region)}\.({_AWS_DOMAINS})", host) is not None
