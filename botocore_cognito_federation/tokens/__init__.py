"""Refresh handlers: where a login token comes from. One source a file, all with the same contract."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from .base import Binding, Clock, RefreshContext, TokenSource

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["Binding", "RefreshContext", "TokenSource", "token_binding", "token_source"]


def token_binding(settings: Settings) -> Binding | None:
    """What a ready-to-print answer of a configuration depends on; None when a token must be asked for each time."""
    if settings.token_file is not None:
        from .file import path_of

        return Binding("file", path_of(settings.token_file))
    if settings.token_env is not None:
        return Binding("variable", settings.token_env)
    return None


def token_source(settings: Settings, *, environ: Mapping[str, str], clock: Clock) -> TokenSource | None:
    """The token source that a configuration names; None for guests, who have no login.

    Raises:
        ConfigurationError: the configuration names none that a process without a person can use.
    """
    if settings.is_guest:
        return None
    if settings.token_file is not None:
        from .file import FileTokenSource

        return FileTokenSource(settings.token_file, field=settings.token_field, clock=clock)
    if settings.token_env is not None:
        from .environment import EnvironmentTokenSource

        return EnvironmentTokenSource(settings.token_env, field=settings.token_field, environ=environ, clock=clock)
    if settings.token_command is not None:
        from ..profile_chain import environment_for_children
        from .command import CommandTokenSource

        children = partial(environment_for_children, environ, settings.profile)
        return CommandTokenSource(settings.token_command, field=settings.token_field, environ=children, clock=clock)
    from ..errors import SignInRequiredError

    raise SignInRequiredError(f"Nobody is signed in to {settings.scope}")
