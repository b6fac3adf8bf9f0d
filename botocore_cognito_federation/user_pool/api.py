"""One call to the cognito-idp service: the client, made late and unsigned, and what a refusal becomes."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from .._util.concurrency import ForkSafeLock
from ..errors import CognitoFederationError, SignInFailedError, TemporaryError, TokenRefreshError
from ..identity_pool.aws import Answer, ask
from ..identity_pool.client import make_client
from ..identity_pool.failures import ErrorAnswer
from ..identity_providers import user_pool_issuer
from . import checks
from .errors import Refusal, explain
from .models import CodeDelivery, Device, UserPoolTokens, claims

if TYPE_CHECKING:
    from .._util.http import HttpClient
    from ..oidc.discovery import DocumentCache

_METHODS = {
    "AssociateSoftwareToken": "associate_software_token",
    "ChangePassword": "change_password",
    "ConfirmDevice": "confirm_device",
    "ConfirmForgotPassword": "confirm_forgot_password",
    "ConfirmSignUp": "confirm_sign_up",
    "ForgotPassword": "forgot_password",
    "GetTokensFromRefreshToken": "get_tokens_from_refresh_token",
    "GetUserAttributeVerificationCode": "get_user_attribute_verification_code",
    "GlobalSignOut": "global_sign_out",
    "InitiateAuth": "initiate_auth",
    "ResendConfirmationCode": "resend_confirmation_code",
    "RespondToAuthChallenge": "respond_to_auth_challenge",
    "RevokeToken": "revoke_token",
    "SignUp": "sign_up",
    "UpdateDeviceStatus": "update_device_status",
    "UpdateUserAttributes": "update_user_attributes",
    "VerifySoftwareToken": "verify_software_token",
    "VerifyUserAttribute": "verify_user_attribute",
}
# Everything else in a request counts as a secret when the service's words are quoted.
_OPEN = frozenset(
    {"AttributeName", "AuthFlow", "CHALLENGE_NAME", "ChallengeName", "ClientId", "DEVICE_KEY", "DeviceKey", "Name"}
    | {"TIMESTAMP", "USERNAME", "Username", "DeviceRememberedStatus", "DeviceName", "FriendlyDeviceName"}
)


class ClientFactory(Protocol):
    """Makes the cognito-idp client."""

    def __call__(self, *, session: Any, region_name: str, endpoint_url: str | None) -> Any: ...


def make_user_pool_client(*, session: Any, region_name: str, endpoint_url: str | None) -> Any:
    """Make an unsigned cognito-idp client: these operations take no AWS credentials, so none are looked for."""
    if session is None:
        from botocore.session import Session

        session = Session()
    return make_client(session, "cognito-idp", region_name=region_name, endpoint_url=endpoint_url)


@dataclass(frozen=True)
class AppClient:
    """Which pool, which app client, where."""

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
        """SECRET_HASH for a user: base64(HMAC-SHA256(secret, username + client id)); None without a secret."""
        if self.client_secret is None:
            return None
        digest = hmac.digest(self.client_secret.encode(), (username + self.client_id).encode(), "sha256")
        return base64.b64encode(digest).decode()

    def hashed(self, username: str, key: str = "SECRET_HASH") -> dict[str, str]:
        """The hash as a request field, or nothing."""
        value = self.secret_hash(username)
        return {} if value is None else {key: value}


class Api:
    """The operations of one user pool; may be used by several threads."""

    def __init__(self, app: AppClient, session: Any, client_factory: ClientFactory) -> None:
        self.app = app
        self._session = session
        self._factory = client_factory
        self._client: Any = None
        self._lock = ForkSafeLock()

    def knows(self, operation: str) -> bool:
        """Whether the installed botocore has the operation (GetTokensFromRefreshToken came in 2025)."""
        return hasattr(self._ready_client(), _METHODS[operation])

    @property
    def endpoint_url(self) -> str | None:
        """Where the calls go: botocore also takes an endpoint from the environment and the config file."""
        found = getattr(getattr(self._ready_client(), "meta", None), "endpoint_url", None)
        return found if isinstance(found, str) else self.app.endpoint_url

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one operation.

        Raises:
            CognitoFederationError: the class and the text `diagnosis` has for the refusal.
        """
        answer = self.attempt(operation, request, lambda refusal: False)
        return answer if answer is not None else {}

    def attempt(
        self, operation: str, request: Mapping[str, Any], expected: Callable[[Refusal], bool]
    ) -> dict[str, Any] | None:
        """As `call`, but None for a refusal that the caller expects and knows what to do about."""
        method = getattr(self._ready_client(), _METHODS[operation])
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
        # A client that the application has made is held to the same rule.
        checks.endpoint_url(getattr(getattr(client, "meta", None), "endpoint_url", None))
        return client


def _refusal(operation: str, request: Mapping[str, Any], error: ErrorAnswer) -> Refusal:
    flow = request.get("AuthFlow")
    name = f"{operation}:{flow}" if flow == "REFRESH_TOKEN_AUTH" else operation
    return Refusal(name, error.code, error.message, error.status)


def _secrets(value: object, key: str = "") -> list[str]:
    """The strings of a request that no error may show; under four characters they would only riddle the text."""
    if isinstance(value, Mapping):
        return list(_flat(_secrets(item, str(name)) for name, item in value.items()))
    if isinstance(value, list):
        return list(_flat(_secrets(item, key) for item in value))
    return [value] if isinstance(value, str) and len(value) >= 4 and key not in _OPEN else []


def _flat(lists: Iterator[list[str]]) -> Iterator[str]:
    for entries in lists:
        yield from entries


#: A claim may be any number that JSON can write; seconds since the epoch are not that many.
_NO_TIME_FROM = 1e12


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


Verify = Callable[[UserPoolTokens, type[CognitoFederationError]], None]
"""Raises the error given unless the ID token is the pool's."""

_AWS_DOMAINS = r"amazonaws\.(com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.(com\.cn|eu)"


class IdTokenVerifier:
    """A `Verify` for one app client; nothing is fetched before the first token.

    Args:
        issuer: exactly what `iss` must be, where it is not the one AWS gives the pool; https, or http on loopback.
        http: fetches the keys.
        documents: where the keys wait between tokens; default is for the life of this object.
        clock: seconds since the epoch.
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
            error: it is not this pool's token, not for this app client, or not valid now.
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
    """What a pool on AWS may write into `iss`: the issuer of old, and the one of IssuerConfiguration UPDATED.

    Raises:
        ConfigurationError: it is no user pool's id.
    """
    original = user_pool_issuer(user_pool_id)
    return original, original.replace("https://cognito-idp.", "https://issuer-cognito-idp.", 1)


def is_aws_endpoint(url: str | None, region: str) -> bool:
    """Whether a cognito-idp endpoint is one of AWS's public ones; one nobody knows counts as such."""
    if url is None:
        return True
    host = urlsplit(url).hostname or ""
    return re.fullmatch(rf"cognito-idp(-fips)?\.{re.escape(region)}\.({_AWS_DOMAINS})", host) is not None
