"""Ready-made refresh handlers for `CognitoFederation.refresh_handlers`.

    CognitoFederation(pool, refresh_handlers={"google": handlers.google(client_id, refresh_token, secret)})

Each function here returns a handler: a callable that returns a new login token. The handlers of identity providers use
a refresh token, store its rotation, and have a ``revoke`` method, which a sign-out calls. Nothing is imported or opened
before a handler is called.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ._util.concurrency import ForkSafeLock
from .errors import (
    ClearsFrames,
    NonRetryableError,
    SignInRequiredError,
    TemporaryError,
    clears_frames,
)
from .identity_providers import TOKEN_TYPES, IdentityProvider
from .login_tokens.base import RefreshContext

if TYPE_CHECKING:
    from .login_tokens.base import LoginTokenProvider
    from .oidc.client import OIDCClient, TokenAnswer
    from .oidc.exchange import ExchangeRequest

__all__ = [
    "amazon",
    "facebook",
    "google",
    "oidc",
    "on_behalf_of",
    "token_command",
    "token_env",
    "token_exchange",
    "token_file",
    "token_url",
]

Handler = Callable[[], Mapping[str, Any]]


@clears_frames
def oidc(
    issuer: str,
    client_id: str,
    refresh_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    on_rotation: StoreRotated | None = None,
) -> GrantHandler:
    """Get new ID tokens of any OpenID Connect provider (Auth0, Okta, Keycloak, Entra, …) with its refresh token.

    Args:
        issuer: the provider's domain or issuer URL.
        client_id: the application's client ID.
        refresh_token: the refresh token of the sign-in, or a function that returns the newest one.
        client_secret: the client secret, for a confidential client.
        on_rotation: called with each new refresh token before the ID token that came with it is used. If the provider
            rotates refresh tokens, only the newest one works: an application must store it if it wants to use it after
            this process ends.
    """

    return GrantHandler(issuer, client_id, refresh_token, client_secret, on_rotation=on_rotation)


@clears_frames
def google(
    client_id: str,
    refresh_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    on_rotation: StoreRotated | None = None,
) -> GrantHandler:
    """Get new Google ID tokens; the refresh token comes from a sign-in with ``access_type=offline``.

    Args:
        client_id: the application's client ID.
        refresh_token: the refresh token of the sign-in, or a function that returns the newest one.
        client_secret: the client secret.
        on_rotation: see `oidc`.
    """
    return oidc("google", client_id, refresh_token, client_secret, on_rotation=on_rotation)


@clears_frames
def amazon(
    client_id: str,
    refresh_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    on_rotation: StoreRotated | None = None,
) -> GrantHandler:
    """Get new access tokens of Login with Amazon.

    Args:
        client_id: the application's client ID.
        refresh_token: the refresh token of the sign-in, or a function that returns the newest one.
        client_secret: the client secret.
        on_rotation: see `oidc`.
    """
    return oidc("amazon", client_id, refresh_token, client_secret, on_rotation=on_rotation)


@clears_frames
def facebook(
    client_id: str,
    access_token: str | Callable[[], str],
    client_secret: str,
    *,
    on_rotation: StoreRotated | None = None,
) -> GrantHandler:
    """Get long-lived Facebook access tokens (``fb_exchange_token``): each is exchanged for the next before it expires.

    Args:
        client_id: the Facebook app's ID.
        access_token: an access token of the user, or a function that returns the newest one.
        client_secret: the Facebook app's secret.
        on_rotation: called with each new access token; see `oidc`.
    """
    return oidc("facebook", client_id, access_token, client_secret, on_rotation=on_rotation)


@clears_frames
def token_exchange(
    issuer: str,
    client_id: str,
    subject_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    audience: str | None = None,
    subject_token_type: str = "access_token",
    requested_token_type: str | None = None,
    scopes: Sequence[str] = (),
) -> ExchangeHandler:
    """Exchange the token with which a user called this service for a login token of the user (RFC 8693).

    Args:
        issuer: the provider's domain or issuer URL.
        client_id: this service's client ID.
        subject_token: the user's token, or a function that returns the newest one.
        client_secret: this service's client secret.
        audience: the client that the login token is for, if it is not this service's.
        subject_token_type: ``access_token``, ``id_token``, ``jwt``, another name of RFC 8693, or a URI.
        requested_token_type: the same of the login token; by default an ID token, where Cognito takes one.
        scopes: the scopes to ask for.
    """
    client = _client_maker(issuer, client_id, client_secret, scopes)

    def request(token: str) -> ExchangeRequest:
        from .oidc.exchange import ExchangeRequest

        wanted = requested_token_type and TOKEN_TYPES.get(requested_token_type, requested_token_type)
        return ExchangeRequest(token, TOKEN_TYPES.get(subject_token_type, subject_token_type), wanted, audience)

    return ExchangeHandler(f"token_exchange({issuer!r}, {client_id!r})", subject_token, client, request)


@clears_frames
def on_behalf_of(
    issuer: str,
    client_id: str,
    assertion: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    scopes: Sequence[str] = (),
) -> ExchangeHandler:
    """Get a login token for the user whose access token called this service, from Entra ID (on-behalf-of).

    Args:
        issuer: the tenant's issuer URL.
        client_id: this service's client ID.
        assertion: the user's access token for this service, or a function that returns the newest one.
        client_secret: this service's client secret.
        scopes: the scopes to ask for; ``openid`` is added.
    """
    client = _client_maker(issuer, client_id, client_secret, scopes)

    def request(token: str) -> ExchangeRequest:
        from .oidc.exchange import ExchangeRequest

        return ExchangeRequest(token, on_behalf_of=True)

    return ExchangeHandler(f"on_behalf_of({issuer!r}, {client_id!r})", assertion, client, request)


def _client_maker(
    issuer: str, client_id: str, client_secret: str | None, scopes: Sequence[str]
) -> Callable[[], OIDCClient]:
    from .application.arguments import resolved_provider

    provider = resolved_provider(issuer)

    @cache
    def client() -> OIDCClient:
        from .oidc.client import OIDCClient
        from .oidc.client_authentication import Client

        return OIDCClient(provider, Client(client_id, client_secret), scopes=tuple(scopes) or None)

    return client


class ExchangeHandler(ClearsFrames):
    """Returns a login token for another token of the user; made by `token_exchange` and `on_behalf_of`.

    Args:
        name: for its repr; holds no secret.
        subject: the user's token, or a function that returns the newest one.
        client: makes the client of the provider.
        request: makes the request for the user's token.
    """

    def __init__(
        self,
        name: str,
        subject: str | Callable[[], str],
        client: Callable[[], OIDCClient],
        request: Callable[[str], ExchangeRequest],
    ) -> None:
        self._name = name
        self._subject = subject
        self._client = client
        self._request = request

    def __repr__(self) -> str:
        return f"<handlers.{self._name}>"

    def __call__(self) -> Mapping[str, Any]:
        """Return a new login token.

        Raises:
            NonRetryableError: the provider wants to see the user again.
            CognitoFederationError: any other failure; see `oidc.exchange.exchange_token`.
        """
        from .oidc.exchange import exchange_token

        subject = self._subject() if callable(self._subject) else self._subject
        try:
            found = exchange_token(self._client(), self._request(subject))
        except SignInRequiredError as ended:
            raise NonRetryableError(ended.what, remedy=ended.remedy) from None
        return {"token": found.login_token, "expires_at": found.expires_at}


def token_file(path: str, *, field: str | None = None) -> Handler:
    """Read the token from a file that another program keeps up to date, such as a Kubernetes volume.

    Args:
        path: the path of the file.
        field: the JSON field of the token, if the file holds JSON.
    """

    def source() -> LoginTokenProvider:
        from .login_tokens.local import FileTokenProvider

        return FileTokenProvider(path, field=field, clock=time.time)

    return partial(_fetched, source)


def token_env(name: str, *, field: str | None = None) -> Handler:
    """Read the token from an environment variable.

    Args:
        name: the name of the variable.
        field: the JSON field of the token, if the variable holds JSON.
    """

    def source() -> LoginTokenProvider:
        from .login_tokens.local import EnvironmentTokenProvider

        return EnvironmentTokenProvider(name, field=field, environ=os.environ, clock=time.time)

    return partial(_fetched, source)


def token_command(command: str, *, field: str | None = None) -> Handler:
    """Read the token from the output of a command, which is split like in a shell but run without one.

    Args:
        command: the command line.
        field: the JSON field of the token, if the command prints JSON.
    """

    def source() -> LoginTokenProvider:
        from .login_tokens.local import CommandTokenProvider

        return CommandTokenProvider(command, field=field, environ=lambda: os.environ, clock=time.time)

    return partial(_fetched, source)


def token_url(
    url: str, *, audience: str | None = None, field: str | None = None, headers_env: str | None = None
) -> Handler:
    """Get the token from a URL, or from a platform by its name: ``github-actions``, ``gcp`` or ``azure``.

    Args:
        url: the URL or the name of the platform.
        audience: the audience that the token is for.
        field: the JSON field of the token, if the answer is JSON.
        headers_env: the name of the variable that holds request headers.
    """

    def source() -> LoginTokenProvider:
        from .login_tokens.url import UrlTokenProvider

        return UrlTokenProvider(
            url, audience=audience, field=field, headers_env=headers_env, environ=os.environ, clock=time.time
        )

    return partial(_fetched, source)


def _fetched(source: Callable[[], LoginTokenProvider]) -> Mapping[str, Any]:
    token = source().fetch(RefreshContext())
    return {"token": token.value, "expires_at": token.expires_at, "identity_id": token.identity_id}


StoreRotated = Callable[[str], object]


class GrantHandler(ClearsFrames):
    """Returns new login tokens of one user at one provider, as long as the provider renews them.

    Args:
        provider: an alias, a domain, an issuer URL, or an `IdentityProvider`.
        client_id: the client ID of the application.
        refresh_token: the refresh token (for Facebook the access token), or a function that returns the newest one.
        client_secret: the client secret of the application.
        on_rotation: called with each new refresh token before anything that came with it is used.

    Raises:
        ConfigurationError: the provider is malformed.
    """

    def __init__(
        self,
        provider: str | IdentityProvider,
        client_id: str,
        refresh_token: str | Callable[[], str],
        client_secret: str | None = None,
        *,
        on_rotation: StoreRotated | None = None,
    ) -> None:
        from .application.arguments import resolved_provider

        self._provider = provider if isinstance(provider, IdentityProvider) else resolved_provider(provider)
        self._client_id = client_id
        self._client_secret = client_secret
        self._first = refresh_token
        self._rotated: str | None = None
        self._on_rotation = on_rotation
        self._turns = ForkSafeLock()
        self._made: OIDCClient | None = None

    def __repr__(self) -> str:
        return f"GrantHandler({self._provider.name!r}, {self._client_id!r})"

    def __call__(self) -> Mapping[str, Any]:
        """Return a new login token.

        Raises:
            NonRetryableError: the provider has ended the grant; the user has to sign in again.
            TemporaryError: the provider cannot be reached now.
            CognitoFederationError: any other failure.
        """
        from .oidc.tokens import refresh_tokens

        with self._turns:
            try:
                answer = refresh_tokens(self._oidc_client(), self._newest(), persist=self._store_refresh_token)
            except TemporaryError:
                raise
            except SignInRequiredError as ended:
                raise NonRetryableError(ended.what, remedy="Ask the user to sign in with the provider again") from None
        return {"token": answer.login_token, "expires_at": answer.expires_at}

    def revoke(self) -> None:
        """Revoke the refresh token, if the provider supports it (RFC 7009).

        Raises:
            TemporaryError: it was not revoked; the error says why.
        """
        from .oidc.tokens import revoke

        revocation = revoke(self._oidc_client(), self._newest())
        if not revocation.revoked:
            raise TemporaryError(f"The refresh token was not revoked: {revocation.reason}")

    def _newest(self) -> str:
        if callable(self._first):
            return self._first()
        return self._rotated or self._first

    def _store_refresh_token(self, answer: TokenAnswer) -> None:
        if answer.refresh_token is None or answer.refresh_token == self._newest():
            return
        self._rotated = answer.refresh_token
        if self._on_rotation is not None:
            self._on_rotation(answer.refresh_token)

    def _oidc_client(self) -> OIDCClient:
        if self._made is None:
            from .oidc.client import OIDCClient
            from .oidc.client_authentication import Client

            self._made = OIDCClient(self._provider, Client(self._client_id, self._client_secret))
        return self._made
