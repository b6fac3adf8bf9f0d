"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..config.loader import load_session_settings, load_settings
from ..config.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def profile_option(function: F) -> F:
    """``--profile``; without it botocore's own order applies."""
    return click.option("--profile", metavar="NAME", help="The profile; default is AWS_PROFILE, then default.")(
        function
    )


def session_option(function: F) -> F:
    """``--session``, for what concerns a sign-in that several profiles share."""
    return click.option("--session", metavar="NAME", help="The [cognito-session] instead of a profile.")(function)


def chosen_settings(profile: str | None, session: str | None) -> Settings:
    """The settings that ``--profile`` and ``--session`` name.

    Raises:
        ConfigurationError: there is no such profile or session, or it is wrong.
        click.UsageError: both are given.
    """
    if profile is not None and session is not None:
        raise click.UsageError("--profile and --session exclude each other")
    return load_settings(profile) if session is None else load_session_settings(session)


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
