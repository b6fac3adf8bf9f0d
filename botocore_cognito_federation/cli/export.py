"""``export``: credentials for a shell, a file or another tool."""

from __future__ import annotations

import json
import shlex

import click

from ..assembly import federation_for
from ..errors import ConfigurationError
from ..outlets.child_environment import credential_variables
from ..settings import load_settings
from .options import profile_option

FORMATS = ("process", "env", "env-no-export", "fish", "powershell", "windows-cmd", "dotenv")


def formatted(variables: dict[str, str], style: str) -> str:
    """Variables as lines that a shell evaluates.

    Raises:
        ConfigurationError: a value that cannot stand in the format.
    """
    return "\n".join(_line(name, value, style) for name, value in variables.items())


def _line(name: str, value: str, style: str) -> str:
    if "\n" in value or "\r" in value:
        raise ConfigurationError(f"{name} holds a line break and cannot be exported")
    if style == "env":
        return f"export {name}={shlex.quote(value)}"
    if style == "env-no-export":
        return f"{name}={shlex.quote(value)}"
    if style == "dotenv":
        return f'{name}="{_escaped(value, chr(92) + chr(34))}"'
    if style == "fish":
        return f"set -gx {name} '{_escaped(value, chr(92) + chr(39))}'"
    if style == "powershell":
        return f"$Env:{name} = '{value.replace(chr(39), chr(39) * 2)}'"
    if '"' in value or "%" in value:
        raise ConfigurationError(f"{name} cannot be written for cmd.exe", remedy="Use --format powershell")
    return f'set "{name}={value}"'


def _escaped(value: str, letters: str) -> str:
    return "".join("\\" + letter if letter in letters else letter for letter in value)


@click.command("export")
@profile_option
@click.option("--format", "style", type=click.Choice(FORMATS), default="process", show_default=True)
def command(profile: str | None, style: str) -> None:
    """Print credentials for a shell: eval "$(cognito-federation export --format env)"."""
    settings = load_settings(profile)
    credentials = federation_for(settings).credentials()
    if style == "process":
        click.echo(json.dumps(credentials.process_document(), indent=2))
    else:
        click.echo(formatted(credential_variables(credentials, settings.region_name), style))
