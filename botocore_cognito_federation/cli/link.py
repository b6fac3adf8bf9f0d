"""``link``: makes the sign-ins of several sessions one identity, after a ``--yes``."""

from __future__ import annotations

import os

import click

from ..botocore_plugin.install import session_of_other_profile
from ..cache import default_directory
from ..cache.answers import forget_answers
from ..config.loader import load_settings
from ..config.settings import Settings
from ..errors import ConfigurationError
from ..factory import linking_for
from .app import profile_option
from .output import print_line


@click.command("link")
@profile_option
@click.option("--session", "names", multiple=True, metavar="NAME", help="Of cognito_logins; default all of them.")
@click.option("--yes", is_flag=True, help="Do it: linked identities become one for good.")
def link_command(profile: str | None, names: tuple[str, ...], yes: bool) -> None:
    """Link the sessions in cognito_logins to the profile's own sign-in."""
    settings = load_settings(profile)
    chosen = sessions_to_link(settings, names)
    if not yes:
        raise click.UsageError(
            f"This makes the users of session {' and '.join(chosen)} one identity with the user of {settings.scope}."
            " Cognito merges the identities they have, which cannot be undone. Run it again with --yes to do it."
        )
    linking = linking_for(settings, open_session=session_of_other_profile)
    try:
        for name in chosen:
            key, identity_id = linking.link(name)
            print_line(f"Linked {key} (session {name}) to {settings.scope}: identity {identity_id}", err=True)
    finally:
        forget_answers(default_directory(os.environ))


def sessions_to_link(settings: Settings, names: tuple[str, ...]) -> tuple[str, ...]:
    """The sessions that are named, or else all of ``cognito_logins``.

    Raises:
        ConfigurationError: there are none, or one is named that is not among them.
    """
    if not settings.logins:
        raise ConfigurationError(
            f"Profile {settings.profile or 'default'!r} has no cognito_logins",
            remedy="Name there the other [cognito-session] whose user is the same person",
        )
    for name in names:
        if name not in settings.logins:
            raise ConfigurationError(f"Session {name!r} is not in cognito_logins", remedy="Add it there first")
    return names or settings.logins


@click.command("unlink")
@profile_option
@click.option("--session", "name", required=True, metavar="NAME", help="The linked session.")
@click.option("--yes", is_flag=True, help="Do it: its user becomes a new user.")
def unlink_command(profile: str | None, name: str, yes: bool) -> None:
    """Take a linked session off the profile's identity."""
    settings = load_settings(profile)
    sessions_to_link(settings, (name,))
    if not yes:
        raise click.UsageError(
            f"This takes the user of session {name} off the identity; signed in alone, that user is a new one to the"
            " identity pool. Run it again with --yes to do it."
        )
    key = linking_for(settings, open_session=session_of_other_profile).unlink(name)
    forget_answers(default_directory(os.environ))
    print_line(f"Unlinked {key} (session {name}) from {settings.scope}", err=True)
