"""``export``: credentials for a shell, a file or another tool."""

from __future__ import annotations

import json
import re
import shlex

import click

from ..assembly import federation_for
from ..config.loader import load_settings
from ..errors import ConfigurationError
from ..serve.child import credential_variables
from .options import profile_option

FORMATS = ("process", "env", "env-no-export", "fish", "powershell", "windows-cmd", "dotenv")
_QUOTE_OF_FISH, _ESCAPED_IN_FISH = re.compile(r"([\\'])"), r"\\\1"
#: PowerShell ends a text at a typographic quotation mark too.
_QUOTE_OF_POWERSHELL, _DOUBLED = re.compile("(['\u2018\u2019\u201a\u201b])"), r"\1\1"
#: No quoting keeps these: the last one where delayed expansion is on.
_SPECIAL_IN_CMD = '"%!'
#: What readers of such files (docker, systemd, Node.js, python-dotenv) take alike without quotes, and with them.
_BARE_IN_DOTENV = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
_NOT_IN_DOTENV = re.compile(r"['\"`$\\\x00-\x1f]")


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
        return f"{name}={_dotenv(name, value)}"
    if style == "fish":
        return f"set -gx {name} '{re.sub(_QUOTE_OF_FISH, _ESCAPED_IN_FISH, value)}'"
    if style == "powershell":
        return f"$Env:{name} = '{re.sub(_QUOTE_OF_POWERSHELL, _DOUBLED, value)}'"
    if any(letter in value for letter in _SPECIAL_IN_CMD):
        raise ConfigurationError(f"{name} cannot be written for cmd.exe", remedy="Use --format powershell")
    return f'set "{name}={value}"'


def _dotenv(name: str, value: str) -> str:
    if _BARE_IN_DOTENV.fullmatch(value):
        return value
    if _NOT_IN_DOTENV.search(value):
        raise ConfigurationError(
            f"{name} holds a character that readers of dotenv files take in different ways",
            remedy="Use another --format",
        )
    return f"'{value}'"


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
