"""Refresh handlers: where a login token comes from. One source a file, all with the same contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ..messages import login_command
from .base import Binding, LoginTokenProvider, Now, RefreshContext

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from ..cache.base import Store
    from ..config.settings import Settings
    from ..identity_pool.aws import Clients, Clock
    from ..oidc.client import OIDCClient
    from ..user_pool import UserPool

__all__ = ["Binding", "LoginTokenProvider", "RefreshContext", "login_token_provider", "token_bindings"]


def token_bindings(settings: Settings) -> tuple[Binding, ...] | None:
    """What a ready-to-print answer of a configuration depends on; None when a token must be asked for each time.

    A sign-in needs no binding of its own: the generation of its scope, to which every answer is bound, changes with
    each sign-out and with each sign-in of somebody else. Linked logins have generations of their own, so none is kept.
    """
    if settings.logins:
        return None
    if settings.token_file is not None:
        from .local import path_of, variables_of

        variables = (Binding("variable", name) for name in variables_of(settings.token_file))
        return (Binding("file", path_of(settings.token_file)), *variables)
    if settings.token_env is not None:
        return (Binding("variable", settings.token_env),)
    asks_each_time = settings.token_command or settings.token_url or settings.refresh_handler or settings.developer_user
    return None if asks_each_time and settings.identity_id is None else ()


def login_token_provider(
    settings: Settings,
    *,
    store: Store,
    environ: Mapping[str, str],
    patience: Clock,
    clients: Clients,
    credentials_of: Callable[[str], ReadOnlyCredentials],
) -> LoginTokenProvider | None:
    """The token source that a configuration names; None for guests, who have no login.

    Args:
        credentials_of: gives the credentials of another profile, where the configuration names one.

    Raises:
        ConfigurationError: the configuration names none, or a handler that cannot be imported.
    """
    clock = patience.now
    if settings.is_guest:
        return None
    if settings.token_file is not None:
        from .local import FileTokenProvider

        return FileTokenProvider(settings.token_file, field=settings.token_field, clock=clock)
    if settings.token_env is not None:
        from .local import EnvironmentTokenProvider

        return EnvironmentTokenProvider(settings.token_env, field=settings.token_field, environ=environ, clock=clock)
    if settings.token_command is not None:
        from .._util.subprocess import environment_for_children
        from .local import CommandTokenProvider

        children = partial(environment_for_children, environ, settings.profile)
        return CommandTokenProvider(settings.token_command, field=settings.token_field, environ=children, clock=clock)
    if settings.token_url is not None:
        from .url import UrlTokenProvider

        return UrlTokenProvider.of(settings, environ=environ, clock=clock)
    if settings.refresh_handler is not None:
        return _handler_source(settings, settings.refresh_handler, patience)
    if settings.developer_user is not None:
        from .developer import DeveloperTokenProvider

        return DeveloperTokenProvider(settings, clients=clients, patience=patience, credentials_of=credentials_of)
    return _sign_in_source(settings, store, environ, clock)


def _handler_source(settings: Settings, named: str, patience: Clock) -> LoginTokenProvider:
    from .handler import HandlerTokenProvider, imported_handler

    return HandlerTokenProvider(
        imported_handler(named),
        name=f"cognito_refresh_handler {named} of {settings.scope}",
        clock=patience.now,
        sleep=patience.sleep,
        dice=patience.dice,
    )


def _sign_in_source(settings: Settings, store: Store, environ: Mapping[str, str], clock: Now) -> LoginTokenProvider:
    from ..cache.sessions import Sessions
    from ..errors import ConfigurationError
    from .session import Refresher, RefreshTokenProvider, oidc_refresher, user_pool_refresher

    provider = settings.provider
    if provider is not None and provider.no_sign_in_reason:
        raise ConfigurationError(
            f"There is no interactive sign-in with {provider.name}", remedy=provider.no_sign_in_reason
        )

    def party() -> OIDCClient:
        from ..oidc.client import oidc_client

        return oidc_client(settings, store, environ)

    def pool() -> UserPool:
        from ..oidc.client import user_pool

        return user_pool(settings, store, environ)

    def refresher() -> Refresher:
        return user_pool_refresher(pool) if settings.signs_in_by_password else oidc_refresher(party)

    return RefreshTokenProvider(
        Sessions(settings, store),
        store,
        refresher=refresher,
        login=login_command(settings),
        clock=clock,
    )
