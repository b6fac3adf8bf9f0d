"""Settings -> who we are to the identity provider: the client with its secret, and the documents kept between calls."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ._util.http import HttpClient
from ._util.subprocess import TIME_LIMIT, environment_for_children, run_for_output
from .cache.base import DOCUMENTS, SECRETS, Store, key_of
from .errors import ConfigurationError, StorageError
from .login_token import decoded
from .oidc.documents import CachedDocument
from .oidc.party import Client, RelyingParty

if TYPE_CHECKING:
    from .config.settings import Settings
    from .user_pool import UserPool


def relying_party(settings: Settings, store: Store, environ: Mapping[str, str] | None = None) -> RelyingParty:
    """The party that signs people in for a configuration; nothing is asked of the provider yet.

    Raises:
        ConfigurationError: there is no provider or client ID, or the client's secret cannot be had.
    """
    variables = os.environ if environ is None else environ
    provider = settings.provider
    if provider is None:
        raise ConfigurationError(
            "The configuration does not say who signs people in", remedy="Add cognito_provider to its [cognito-session]"
        )
    if settings.client_id is None:
        raise ConfigurationError(
            f"Signing in with {provider.name} needs an OAuth client ID", remedy="Add cognito_client_id"
        )
    if settings.redirect_ports:
        provider = replace(provider, redirect_ports=settings.redirect_ports)
    return RelyingParty(
        provider=provider,
        client=Client(settings.client_id, client_secret(settings, store, variables)),
        http=HttpClient(ca_bundle=settings.ca_bundle),
        scopes=settings.scopes or None,
        authorization_parameters=settings.auth_params,
        documents=StoredDocuments(store),
    )


def user_pool(settings: Settings, store: Store, environ: Mapping[str, str] | None = None) -> UserPool:
    """The user pool that signs people in by password for a configuration; nothing is asked of it yet.

    Raises:
        ConfigurationError: there is no client ID, or the client's secret cannot be had.
    """
    from botocore.session import Session

    from .user_pool import UserPool

    variables = os.environ if environ is None else environ
    if settings.client_id is None or settings.user_pool_id is None:
        raise ConfigurationError(
            "Signing in to a user pool needs its ID and an app client",
            remedy="Add cognito_user_pool_id and cognito_client_id",
        )
    provider = settings.provider
    return UserPool(
        settings.user_pool_id,
        settings.client_id,
        client_secret=client_secret(settings, store, variables),
        issuer=provider.issuer if provider is not None and provider.issuer_is_exact else None,
        documents=StoredDocuments(store),
        session=Session(profile=settings.profile),
        http=HttpClient(ca_bundle=settings.ca_bundle),
    )


def client_secret(settings: Settings, store: Store, environ: Mapping[str, str]) -> str | None:
    """The OAuth client's secret, from where the configuration says; None for a public client.

    Raises:
        ConfigurationError: the variable is not set, or the command cannot be started.
        TokenRefreshError, TemporaryError: the command failed.
    """
    if settings.client_secret_env is not None:
        secret = environ.get(settings.client_secret_env, "").strip()
        if not secret:
            raise ConfigurationError(
                f"Variable {settings.client_secret_env} (cognito_client_secret_env) is not set",
                remedy=f"Set {settings.client_secret_env} to the OAuth client's secret",
            )
        return secret
    if settings.client_secret_command is not None:
        name = "cognito_client_secret_command"
        children = environment_for_children(environ, settings.profile)
        raw = run_for_output(settings.client_secret_command, name=name, environ=children, time_limit=TIME_LIMIT)
        return decoded(raw, source=f"The output of {name}").strip() or None
    document = store.read(SECRETS, secret_key(settings))
    secret_kept = document.get("client_secret") if document else None
    return secret_kept if isinstance(secret_kept, str) and secret_kept else None


def secret_key(settings: Settings) -> str:
    """Where ``configure --client-secret-stdin`` keeps the client's secret."""
    return key_of({"what": "client secret", "scope": settings.scope, "client": settings.client_id})


class StoredDocuments:
    """Discovery and JWKS documents in a store, for as long as HTTP says they are fresh."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, url: str) -> CachedDocument | None:
        kept = self._store.read(DOCUMENTS, key_of({"url": url}))
        if kept is None or kept.get("url") != url:
            return None
        text, fetched_at, fresh_until = kept.get("text"), kept.get("fetched_at"), kept.get("fresh_until")
        if (
            not isinstance(text, str)
            or not isinstance(fetched_at, int | float)
            or not isinstance(fresh_until, int | float)
        ):
            return None
        return CachedDocument(url, text, float(fetched_at), float(fresh_until))

    def put(self, document: CachedDocument) -> None:
        content = {
            "url": document.url,
            "text": document.text,
            "fetched_at": document.fetched_at,
            "fresh_until": document.fresh_until,
        }
        with contextlib.suppress(StorageError):  # public documents; without a cache they are fetched again
            self._store.write(DOCUMENTS, key_of({"url": document.url}), content)
