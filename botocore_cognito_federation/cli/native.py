"""``native``: the activation of a Python environment, on, off, and whether it is at work."""

from __future__ import annotations

import os

import click

from ..botocore_plugin.native import disable, enable, examine
from .options import json_option

_python_option = click.option(
    "--python", metavar="PATH", help="The interpreter of the environment; default is this tool's own."
)


@click.group("native")
def command() -> None:
    """Let every Python session of an environment have the credentials, with no code."""


@command.command("enable")
@_python_option
def enable_command(python: str | None) -> None:
    """From now on botocore in that environment knows profiles with cognito_* keys."""
    place = enable(examine(python, os.environ))
    after = examine(python, os.environ)
    click.echo(f"Wrote {place}", err=True)
    if not after.active:
        raise click.ClickException(f"{after.executable} does not run it; does it start with -S, or another site?")


@command.command("disable")
@_python_option
def disable_command(python: str | None) -> None:
    """Undo enable; does nothing where it is off."""
    environment = examine(python, os.environ)
    removed = disable(environment)
    for place in removed:
        click.echo(f"Removed {place}", err=True)
    if not removed:
        click.echo(f"It is not enabled for {environment.executable}", err=True)


@command.command("status")
@_python_option
@json_option
def status(python: str | None, as_json: bool) -> int:
    """Whether it is at work in that environment; exit code 0 if so, 1 if not."""
    environment = examine(python, os.environ)
    files = environment.files()
    if as_json:
        import json

        document = {
            "python": environment.executable,
            "active": environment.active,
            "files": [str(file) for file in files],
            "package": environment.package,
            "botocore": environment.botocore,
        }
        click.echo(json.dumps(document, indent=2))
        return 0 if environment.active else 1
    if environment.active:
        click.echo(f"active in {environment.executable}: {', '.join(map(str, files))}")
        return 0
    click.echo(f"not active in {environment.executable}")
    if files and environment.package is None:
        click.echo(f"{files[0]} is there and does nothing: the package is not installed", err=True)
    return 1
