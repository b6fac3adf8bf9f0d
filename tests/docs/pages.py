"""Reading the pages of documentation: code blocks, tables, words, command lines."""

from __future__ import annotations

import re
from pathlib import Path

import click

from botocore_cognito_federation.cli import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the fenced code blocks of a language, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def rows(page: Path) -> list[list[str]]:
    """Return the rows of all tables, cell by cell."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def names(page: Path, pattern: str) -> set[str]:
    """Return every word of a page that matches a pattern."""
    return set(re.findall(pattern, page.read_text(encoding="utf-8")))


def command_line() -> click.Group:
    """Return the program with all its commands."""
    found = [value for value in vars(app).values() if isinstance(value, click.Group)]
    assert len(found) == 1
    return found[0]


def unknown_in(words: list[str]) -> list[str]:
    """Return the parts of a command line that do not exist: its command, or its options."""
    command: click.Command = command_line()
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return words[:1]
        command, words = found, words[1:]
    if "--" in words:
        words = words[: words.index("--")]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and word not in known]
