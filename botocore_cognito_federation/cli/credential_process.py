"""``credential-process`` as a command: with options that `__main__` leaves to the command line, or a log."""

from __future__ import annotations

import os

import click

from .._fast_path import Question
from ..long_way import answer_and_end
from .options import profile_option


@click.command("credential-process")
@profile_option
def command(profile: str | None) -> None:
    """Print credentials as SDKs ask for them in credential_process."""
    answer_and_end(Question(profile, dict(os.environ)))
