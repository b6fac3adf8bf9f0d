"""What commands print: lines for people, JSON, and data for programs."""

from __future__ import annotations

import json

import click

from ..errors import CognitoFederationError
from ..messages import shown_line


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line for people; whatever is in it, it stays one line and moves no cursor."""
    _print(shown_line(text), err=err)


def print_heading(text: str) -> None:
    """Print one line for people in bold."""
    _print(click.style(shown_line(text), bold=True))


def print_json(value: object) -> None:
    """Print a document as JSON: lossless, with everything escaped that is not a printable character."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    _print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def print_data(text: str) -> None:
    """Print lines for a program, letter by letter.

    Raises:
        CognitoFederationError: a terminal would not show them as they are, so that they can be no token or setting.
    """
    if not all(line.isprintable() for line in text.split("\n")):
        raise CognitoFederationError(
            "What should be printed holds control characters", remedy="Run: cognito-federation doctor"
        )
    _print(text)


def _print(text: str, *, err: bool = False) -> None:
    click.echo(text, err=err)
