"""Every command that fetches credentials also caches the response for the helper that is started next."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import Home

COMMANDS = {
    "export": ("export", "--profile", "demo"),
    "exec": ("exec", "--profile", "demo", "--", sys.executable, "-c", "pass"),
    "exec --server": ("exec", "--server", "--profile", "demo", "--", sys.executable, "-c", "pass"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_helper_that_is_started_after_another_command_finds_the_answer(home: Home, command: str) -> None:
    done = home.run(*COMMANDS[command])
    assert done.code == 0, done
    assert len(home.answers()) == 1
    for path in home.documents("credentials"):
        path.unlink()  # what is printed now can only be the cached response
    assert home.ask().key
    assert home.spent == (1, 1)


def test_a_command_stores_no_answer_where_the_token_comes_from_a_command(home: Home) -> None:
    home.profile("asked", cognito_token_command=f"cat {home.token}")
    assert home.run("export", "--profile", "asked").code == 0
    assert home.answers() == []
