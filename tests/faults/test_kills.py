"""SIGKILL at random moments: whatever a process was doing, the next one goes on."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Scale
from tests.faults.judges import BAD, LOST, Tally, ended, judge_answer, judge_sign_in
from tests.faults.world import FaultWorld, Home

LEFT = "refresh tokens left on disk"


def killed(process: subprocess.Popen[bytes], after: float, tally: Tally) -> bool:
    """Kill a process after so many seconds; whether it was still running."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        tally.count("kills")
        return True
    return False


def usual_seconds(home: Home, tally: Tally) -> float:
    """How long a renewal takes here when nothing disturbs it."""
    home.expire()
    done = ended(home.ask(), tally)
    assert judge_answer(done, home, tally), done
    return done.seconds


def tokens_on_disk(home: Home) -> list[Path]:
    return [path for path in home.path.rglob("*") if path.is_file() and b"refresh-" in path.read_bytes()]


@pytest.mark.parametrize("where", ["files", "keyring"])
def test_renewals_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally, where: str) -> None:
    home = bench.home("ada")
    if where == "keyring":
        pytest.importorskip("keyring", reason="the extra keyring is not installed")
        home.use_keyring()
    home.sign_in()
    longest = 1.2 * usual_seconds(home, tally)
    for _ in range(scale(6, 300)):
        home.expire()
        process = home.ask()
        killed(process, dice.uniform(0, longest), tally)
        done = ended(process, tally)
        judge_answer(done, home, tally)
        if not judge_sign_in(home, tally, unavoidable=done.code < 0):
            home.sign_in()
        after = ended(home.ask(), tally)
        if not judge_answer(after, home, tally):
            tally.violation(BAD, f"after a kill: {after}")
    tally.holds()


def test_answers_of_the_warm_path_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    ended(home.ask(), tally)
    for _ in range(scale(10, 100)):
        process = home.ask()
        killed(process, dice.uniform(0, 0.08), tally)
        judge_answer(ended(process, tally), home, tally)
    judge_sign_in(home, tally)
    tally.holds()


def test_sign_ins_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    began = time.monotonic()
    home.sign_in()
    longest = 1.2 * (time.monotonic() - began)
    for _ in range(scale(4, 200)):
        process = home.start_login()
        killed(process, dice.uniform(0, longest), tally)
        ended(process, tally)
        judge_sign_in(home, tally)
        done = ended(home.ask(), tally)
        if not judge_answer(done, home, tally):
            tally.violation(LOST, f"after a killed sign-in: {done}")
            home.sign_in()
    tally.holds()


def test_sign_outs_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    began = time.monotonic()
    assert home.start("logout").wait(60) == 0
    longest = 1.2 * (time.monotonic() - began)
    for _ in range(scale(3, 100)):
        home.sign_in()
        process = home.start("logout")
        killed(process, dice.uniform(0, longest), tally)
        ended(process, tally)
        done = ended(home.start("logout"), tally)
        if done.code:
            tally.violation(BAD, f"a sign-out after a killed one: {done}")
        if found := tokens_on_disk(home):
            tally.violation(LEFT, f"after a sign-out: {[path.name for path in found]}")
        done = ended(home.ask(), tally)
        if done.code != 3:
            tally.violation(BAD, f"after a sign-out: {done}")
    tally.holds()


def test_writes_of_a_session_killed_leave_no_token_behind(bench: FaultWorld, tally: Tally) -> None:
    """What a killed write leaves is a temporary file with a refresh token in it; a sign-out takes it along."""
    home = bench.home("ada")
    home.sign_in()
    (session,) = (home.path / ".aws" / "cognito-federation" / "sessions").glob("*.json")
    torn = session.with_name(f"{session.name}.tmp-123-abcdefgh")
    torn.touch(0o600)
    torn.write_bytes(session.read_bytes()[:-9])
    tally.count("torn writes")
    ended(home.start("logout"), tally)
    if found := tokens_on_disk(home):
        tally.violation(LEFT, f"after a sign-out: {[path.name for path in found]}")
    tally.holds()
