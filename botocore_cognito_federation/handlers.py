"""Refresh handlers ready to use, for `CognitoFederation.refresh_handlers`.

    CognitoFederation(pool, refresh_handlers={"google": handlers.google(client_id, refresh_token, secret)})

Each function here returns a handler: something to call for a new login token. Those of identity providers spend a
refresh token, keep its rotation, and have ``revoke``, which a sign-out calls. Nothing is imported or opened before a
handler is called.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import clears_frames

if TYPE_CHECKING:
    from .application.token_provider import GrantHandler, KeepRotated
    from .login_tokens.base import LoginTokenProvider

__all__ = ["amazon", "facebook", "google", "oidc", "token_command", "token_env", "token_file", "token_url"]

Handler = Callable[[], Mapping[str, Any]]


@clears_frames
def oidc(
    issuer: str,
    client_id: str,
    refresh_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    on_rotation: KeepRotated | None = None,
) -> GrantHandler:
    """New ID tokens of any OpenID Connect provider (Auth0, Okta, Keycloak, Entra, …) by its refresh token.

    Args:
        issuer: the provider's domain or issuer URL.
        client_id: the application's client.
        refresh_token: from the sign-in, or a function that gives the newest one kept.
        client_secret: of a confidential client.
        on_rotation: called with each new refresh token before the ID token beside it is used. Where the provider
            rotates them, only the newest works: an application that outlives this process keeps it there.
    """
    from .application.token_provider import GrantHandler

    return GrantHandler(issuer, client_id, refresh_token, client_secret, on_rotation=on_rotation)


@clears_frames
def google(
    client_id: str,
    refresh_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    on_rotation: KeepRotated | None = None,
) -> GrantHandler:
    """New Google ID tokens; the refresh token comes from a sign-in with ``access_type=offline``."""
    return oidc("google", client_id, refresh_token, client_secret, on_rotation=on_rotation)


@clears_frames
def amazon(
    client_id: str,
    refresh_token: str | Callable[[], str],
    client_secret: str | None = None,
    *,
    on_rotation: KeepRotated | None = None,
) -> GrantHandler:
    """New access tokens of Login with Amazon."""
    return oidc("amazon", client_id, refresh_token, client_secret, on_rotation=on_rotation)


@clears_frames
def facebook(
    client_id: str,
    access_token: str | Callable[[], str],
    client_secret: str,
    *,
    on_rotation: KeepRotated | None = None,
) -> GrantHandler:
    """Long-lived Facebook access tokens (``fb_exchange_token``): each is exchanged for the next while it lives."""
    return oidc("facebook", client_id, access_token, client_secret, on_rotation=on_rotation)


def token_file(path: str, *, field: str | None = None) -> Handler:
    """The token in a file that something else keeps fresh, such as a Kubernetes volume.

    Args:
        field: the JSON field that holds it, where the file holds JSON.
    """

    def source() -> LoginTokenProvider:
        from .login_tokens.local import FileTokenProvider

        return FileTokenProvider(path, field=field, clock=time.time)

    return partial(_fetched, source)


def token_env(name: str, *, field: str | None = None) -> Handler:
    """The token in an environment variable."""

    def source() -> LoginTokenProvider:
        from .login_tokens.local import EnvironmentTokenProvider

        return EnvironmentTokenProvider(name, field=field, environ=os.environ, clock=time.time)

    return partial(_fetched, source)


def token_command(command: str, *, field: str | None = None) -> Handler:
    """What a command prints; it is split into words as a shell does, and run without one."""

    def source() -> LoginTokenProvider:
        from .login_tokens.local import CommandTokenProvider

        return CommandTokenProvider(command, field=field, environ=lambda: os.environ, clock=time.time)

    return partial(_fetched, source)


def token_url(
    url: str, *, audience: str | None = None, field: str | None = None, headers_env: str | None = None
) -> Handler:
    """What a GET answers, or a platform's own token by its name: ``github-actions``, ``gcp``, ``azure``.

    Args:
        audience: whom the token is for.
        headers_env: name of the variable that holds request headers.
    """

    def source() -> LoginTokenProvider:
        from .login_tokens.url import UrlTokenProvider

        return UrlTokenProvider(
            url, audience=audience, field=field, headers_env=headers_env, environ=os.environ, clock=time.time
        )

    return partial(_fetched, source)


def _fetched(source: Callable[[], LoginTokenProvider]) -> Mapping[str, Any]:
    from .login_tokens.base import RefreshContext

    token = source().fetch(RefreshContext())
    return {"token": token.value, "expires_at": token.expires_at, "identity_id": token.identity_id}
