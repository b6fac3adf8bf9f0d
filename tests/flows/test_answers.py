"""Every command that fetches credentials also caches the response for the helper that is started next."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from botocore_cognito_federation._fast_path import CacheQuery, still_bound
from botocore_cognito_federation.cache.answers import AnswerWriter
from botocore_cognito_federation.config.settings import Settings
from tests.conftest import Home

COMMANDS = {
    "export": ("export", "--profile", "demo"),
    "exec": ("exec", "--profile", "demo", "--", sys.executable, "-c", "pass"),
    "exec --server": ("exec", "--server", "--profile", "demo", "--", sys.executable, "-c", "pass"),
}


@pytest.mark.parametrize("command", ["export", pytest.param("exec", marks=pytest.mark.thorough), "exec --server"])
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


def test_a_token_file_written_twice_within_one_step_of_its_times_has_two_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may read the token between the two; its response is of the first."""
    token, step, real = tmp_path / "token", 10**7, os.stat

    def coarse(path: str, **more: bool) -> SimpleNamespace:
        """What Linux before 6.13 says: its times are those of the last tick."""
        found = real(path, **more)
        names = [name for name in dir(found) if name.startswith("st_")]
        ticks = {name: getattr(found, f"{name}_ns") // step * step for name in ("st_mtime", "st_ctime")}
        seconds = {name: ns / 10**9 for name, ns in ticks.items()} | {f"{name}_ns": ns for name, ns in ticks.items()}
        return SimpleNamespace(**{**{name: getattr(found, name) for name in names}, **seconds})

    monkeypatch.setattr(os, "stat", coarse)
    monkeypatch.setenv("COGNITO_FEDERATION_CACHE_DIR", str(tmp_path / "cache"))
    settings = Settings("eu-west-1:11111111-2222-3333-4444-555555555555", profile="p")
    answers = AnswerWriter(CacheQuery("p", os.environ), settings, lambda: (("file", str(token)),))
    while time.time_ns() % step > step // 10:
        pass
    token.write_text("of-ada")
    state = answers.begin()
    token.write_text("of-bob")
    assert state
    assert not still_bound(state)
