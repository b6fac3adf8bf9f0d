"""The table of commands compared with the files, the help of each, and the completion."""

from __future__ import annotations

import importlib
import pkgutil

import click
import pytest
from click.testing import CliRunner

from botocore_cognito_federation import cli
from botocore_cognito_federation.cli import app as module

APP = module.app
CONTEXT = click.Context(APP)
NAMES = APP.list_commands(CONTEXT)


def command(name: str) -> click.Command:
    found = APP.get_command(CONTEXT, name)
    assert found is not None
    return found


def with_subcommands(name: str) -> list[tuple[str, ...]]:
    found = command(name)
    return [(name,), *((name, sub) for sub in (found.commands if isinstance(found, click.Group) else ()))]


def test_a_command_stands_once_and_an_unknown_one_is_none() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert APP.get_command(CONTEXT, "logn") is None


@pytest.mark.parametrize("name", NAMES)
def test_the_command_of_a_module_has_the_name_under_which_it_stands(name: str) -> None:
    assert command(name).name == name


def test_every_module_with_a_command_stands_in_the_table() -> None:
    modules = [importlib.import_module(f"{cli.__name__}.{found.name}") for found in pkgutil.iter_modules(cli.__path__)]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, click.Command)}
    below = {sub for group in found if isinstance(group, click.Group) for sub in group.commands.values()}
    assert {value.name for value in found - below - {APP}} == set(NAMES)


def test_the_help_lists_every_command_with_its_line() -> None:
    shown = CliRunner().invoke(APP, ["--help"], terminal_width=200)
    assert shown.exit_code == 0
    lines = [line.split(maxsplit=1) for line in shown.output.partition("Commands:")[2].splitlines() if line]
    assert [line[0] for line in lines] == NAMES
    assert all(len(line) == 2 and line[1].endswith(".") for line in lines)


@pytest.mark.parametrize("words", [words for name in NAMES for words in with_subcommands(name)], ids=" ".join)
def test_every_command_says_what_it_does_and_what_each_option_is_for(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(APP, [*words, "--help"])
    assert shown.exit_code == 0, shown.output
    found = command(words[0])
    for word in words[1:]:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    assert (found.help or "").strip()
    silent = [option.opts[0] for option in found.params if isinstance(option, click.Option) and not option.help]
    assert silent == []
