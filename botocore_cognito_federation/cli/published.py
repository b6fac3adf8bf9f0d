"""``configure --publish`` and ``configure --from``: profiles that an administrator hands out, and that users take."""

from __future__ import annotations

import os
import sys

import click

from .._util.http import HttpClient
from ..cache.file import FileStore
from ..config.configure import Files, signs_people_in, write_changes
from ..config.loader import read_config
from ..config.profiles import load_settings
from ..config.publication import Merge, merge, published_text, read_publication, remember
from ..factory import default_directory
from ..messages import shell_command, shown_line
from .app import print_data, print_line


def publish(profile: str) -> None:
    """Print a profile for others; what belongs to this machine is named on stderr.

    Raises:
        ConfigurationError: see `published_text`.
    """
    text, left_out = published_text(profile, Files.of(os.environ))
    print_data(text)
    if left_out:
        print_line(f"Left out, because they are of this machine: {', '.join(left_out)}", err=True)


def take(source: str, executable: str | None, *, is_agreed: bool) -> None:
    """Bring the profiles of a published file into the user's own configuration, once the user has agreed.

    Args:
        source: the path of a file, or an https URL.
        executable: see `helper_command`.
        is_agreed: the user has agreed already, with ``--yes``.

    Raises:
        CognitoFederationError: see `read_publication`, `merge` and `write_changes`.
    """
    files, store = Files.of(os.environ), FileStore(default_directory(os.environ))
    found = merge(read_publication(source, HttpClient()), files, store, executable)
    for line in found.lines(read_config(files.config)):
        print_line(shown_line(line), err=True)
    if not any(found.changes.values()):
        remember(found, store)
        print_line(f"Nothing to change in {files.config}", err=True)
        return
    if not is_agreed:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise click.UsageError(f"Nothing was written. To write this into {files.config}, add --yes")
        click.confirm(f"Write this into {files.config}?", abort=True, err=True)
    write_changes(found, files, store)
    remember(found, store)
    print_line(f"Wrote it. Profiles: {', '.join(found.profiles)}", err=True)
    _say_what_is_next(found)


def _say_what_is_next(found: Merge) -> None:
    """Name one command for each sign-in of the profiles."""
    said = set()
    for profile in found.profiles:
        settings = load_settings(profile)
        if signs_people_in(settings) and settings.scope not in said:
            said.add(settings.scope)
            print_line(f"Then run: {shell_command('cognito-federation', 'login', '--profile', profile)}", err=True)
