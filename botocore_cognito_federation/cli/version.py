"""``version``."""

from __future__ import annotations

import platform

import click

from .._version import __version__


@click.command("version")
def command() -> None:
    """Print the version."""
    import botocore

    click.echo(
        f"cognito-federation {__version__} (Python {platform.python_version()}, botocore {botocore.__version__})"
    )
