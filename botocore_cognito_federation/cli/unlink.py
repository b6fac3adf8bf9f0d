"""``unlink``: takes a linked sign-in off the identity, after a ``--yes``."""

from __future__ import annotations

import os

import click

from .._fast_path import cache_directory
from ..assembly import linking_for
from ..cache.answers import forget_answers
from ..config.loader import load_settings
from .link import sessions_to_link
from .options import profile_option


@click.command("unlink")
@profile_option
@click.option("--session", "name", required=True, metavar="NAME", help="The linked session.")
@click.option("--yes", is_flag=True, help="Do it: its user becomes somebody new.")
def command(profile: str | None, name: str, yes: bool) -> None:
    """Take a linked session off the profile's identity."""
    settings = load_settings(profile)
    sessions_to_link(settings, (name,))
    if not yes:
        raise click.UsageError(
            f"This takes the user of session {name} off the identity; signed in alone, that user is somebody new to the"
            " identity pool. Run it again with --yes to do it."
        )
    key = linking_for(settings).unlink(name)
    forget_answers(cache_directory(os.environ))
    click.echo(f"Unlinked {key} (session {name}) from {settings.scope}", err=True)
