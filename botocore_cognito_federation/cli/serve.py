"""``serve``: the container-credentials endpoint on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading

import click

from ..assembly import federation_for
from ..config.loader import load_settings
from ..config.settings import Settings
from ..serve.child import SHADOWS, default_profile_has_credentials, region_variables
from ..serve.endpoint import Endpoint
from .export import FORMATS, formatted
from .options import profile_option


@click.command("serve")
@profile_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default is one that the system chooses.")
@click.option(
    "--format",
    "style",
    type=click.Choice([name for name in FORMATS if name != "process"]),
    default="env",
    show_default=True,
    help="How the variables are printed.",
)
def command(profile: str | None, port: int, style: str) -> int:
    """Serve credentials to every SDK on this machine that is given the printed variables."""
    settings = load_settings(profile)
    with Endpoint(federation_for(settings), port=port) as endpoint:
        endpoint.credentials()
        stopping = _stop_on_sigterm()
        click.echo(formatted(endpoint.variables() | region_variables(settings.region_name), style))
        sys.stdout.flush()
        for line in _in_the_way(settings):
            click.echo(f"warning: {line}", err=True)
        if sys.stderr.isatty():
            click.echo(
                f"Serving {settings.profile or 'default'} on 127.0.0.1:{endpoint.port}; Ctrl-C ends it", err=True
            )
        return _wait(stopping)


def _wait(stopping: threading.Event) -> int:
    try:
        while not stopping.wait(0.5):
            """Short waits: on Windows Ctrl-C is only seen between them."""
    except KeyboardInterrupt:
        return 130  # caught here, because click would print an empty line
    return 0


def _stop_on_sigterm() -> threading.Event:
    """What a service manager sends; Ctrl-C stays a KeyboardInterrupt."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    return stopping


def _in_the_way(settings: Settings) -> list[str]:
    from botocore.session import Session

    ours = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
    found = [
        f"{name} is set here; where it is set too, SDKs use it before the endpoint. Unset it there"
        for name in SHADOWS
        if name not in ours and os.environ.get(name)
    ]
    if (settings.profile or "default") != "default" and default_profile_has_credentials(Session()):
        found.append("[default] in the AWS configuration has credentials, which SDKs use before the endpoint")
    return found
