"""``exec``: run a program with credentials in its environment, or beside an endpoint that renews them."""

from __future__ import annotations

import os
import sys
import time

import click

from ..assembly import federation_for
from ..config.loader import load_settings
from ..config.settings import Settings
from ..errors import ConfigurationError
from ..messages import span
from ..serve.child import (
    base_environment,
    credential_variables,
    default_profile_has_credentials,
    launch_failure,
    region_variables,
    replace_by,
    run_beside,
)
from ..serve.endpoint import Endpoint
from .options import profile_option


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@profile_option
@click.option("--server", is_flag=True, help="Stay, and let the program renew its credentials.")
@click.argument("words", metavar="[--] [CMD [ARG]...]", nargs=-1, type=click.UNPROCESSED)
def command(profile: str | None, server: bool, words: tuple[str, ...]) -> int:
    """Run a program with AWS credentials; without CMD a shell."""
    settings = load_settings(profile)
    argv = list(words) or [_shell()]
    if not words and _on_terminal():
        click.echo(f"Starting {argv[0]} with credentials of {settings.profile or 'default'}; leave it to end", err=True)
    try:
        return _with_endpoint(settings, argv) if server else _with_variables(settings, argv)
    except OSError as error:
        code, reason = launch_failure(error)
        click.echo(f"{argv[0]} cannot be started: {reason}", err=True)
        return code


def _with_variables(settings: Settings, argv: list[str]) -> int:
    credentials = federation_for(settings).credentials()
    if _on_terminal():
        left = span(credentials.expires_at - time.time())
        click.echo(f"The credentials live for {left}; with --server they are renewed", err=True)
    environment = base_environment(os.environ) | credential_variables(credentials, settings.region_name)
    return replace_by(argv, environment)


def _with_endpoint(settings: Settings, argv: list[str]) -> int:
    refuse_other_default_credentials(settings)
    endpoint = Endpoint(federation_for(settings))
    # Somebody who has to sign in learns it here, and not from the program's SDK.
    endpoint.credentials()
    variables = endpoint.variables() | region_variables(settings.region_name)
    with endpoint:
        return run_beside(argv, base_environment(os.environ) | variables)


def refuse_other_default_credentials(settings: Settings) -> None:
    """A program that is given an endpoint has no profile, so ``[default]`` comes first in every SDK's chain.

    Raises:
        ConfigurationError: the program would silently use other credentials.
    """
    from botocore.session import Session

    if (settings.profile or "default") != "default" and default_profile_has_credentials(Session()):
        raise ConfigurationError(
            "[default] in the AWS configuration has credentials, which every SDK uses before an endpoint",
            remedy="Give that profile a name, or run exec without --server",
        )


def _shell() -> str:
    if os.name == "nt":
        return os.environ.get("COMSPEC") or "cmd.exe"
    return os.environ.get("SHELL") or "/bin/sh"


def _on_terminal() -> bool:
    return sys.stderr.isatty()
