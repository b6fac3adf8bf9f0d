"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def profile_option(function: F) -> F:
    """``--profile``; without it botocore's own order applies."""
    return click.option("--profile", metavar="NAME", help="The profile; default is AWS_PROFILE, then default.")(
        function
    )


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)
