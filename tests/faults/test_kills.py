"""SIGKILL at random moments: whatever a process was doing, the next one goes on.

One of `AFRESH` processes is started as an SDK starts it, and may be killed while Python starts or imports; the others
are forked with all of that behind them (`prefork.py`). A moment is drawn from a time somewhat longer than the command
takes, so that every step of it is hit.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Scale
from tests.faults.judges import BAD, LOST, Tally, ended, judge_answer, judge_sign_in
from tests.faults.world import FaultHome, FaultWorld, Process

#: One of so many processes is a fresh interpreter.
AFRESH = 4
LEFT = "refresh tokens left on disk"


def killed(process: Process, after: float, tally: Tally) -> None:
    """Kill a process after so many seconds, if it is still running."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    process.kill()
    tally.count("kills", process.wait() == -signal.SIGKILL)


def until_killed(tally: Tally, number: int) -> Iterator[bool]:
    """Rounds until so many processes were killed; each says whether its process is to be started afresh."""
    for turn in range(4 * number):
        if tally.done["kills"] >= number:
            break
        before = tally.done["kills"]
        afresh = turn % AFRESH == 0
        yield afresh
        tally.count("kills of fresh interpreters", afresh and tally.done["kills"] > before)


def usual_seconds(home: FaultHome, tally: Tally, *, afresh: bool = True, warm: bool = False) -> float:
    """How long a renewal, or a ready answer, takes here when nothing disturbs it."""
    if not warm:
        home.expire()
    done = ended(home.ask() if afresh else home.fork_ask(), tally)
    assert judge_answer(done, home, tally), done
    return done.seconds


def tokens_on_disk(home: FaultHome) -> list[Path]:
    return [path for path in home.path.rglob("*") if path.is_file() and b"refresh-" in path.read_bytes()]


@pytest.mark.parametrize("where", ["files", "keyring"])
def test_renewals_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally, where: str) -> None:
    home = bench.home("ada")
    if where == "keyring":
        pytest.importorskip("keyring", reason="the extra keyring is not installed")
        home.use_keyring()
    home.sign_in()
    longest = {afresh: 1.2 * usual_seconds(home, tally, afresh=afresh) for afresh in (True, False)}
    for afresh in until_killed(tally, scale(6, 300 if where == "files" else 200)):
        home.expire()
        process: Process = home.ask() if afresh else home.fork_ask()
        killed(process, dice.uniform(0, longest[afresh]), tally)
        done = ended(process, tally)
        judge_answer(done, home, tally)
        if not judge_sign_in(home, tally, unavoidable=done.code < 0):
            home.sign_in()
        after = ended(home.ask() if afresh else home.fork_ask(), tally)
        if not judge_answer(after, home, tally):
            tally.violation(BAD, f"after a kill: {after}")
    tally.holds()


def test_answers_of_the_warm_path_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    ended(home.ask(), tally)
    longest = {afresh: 1.2 * usual_seconds(home, tally, afresh=afresh, warm=True) for afresh in (True, False)}
    for afresh in until_killed(tally, scale(10, 150)):
        process: Process = home.ask() if afresh else home.fork_ask()
        killed(process, dice.uniform(0, longest[afresh]), tally)
        judge_answer(ended(process, tally), home, tally)
    judge_sign_in(home, tally)
    tally.holds()


def test_sign_ins_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    longest = {}
    for afresh in (True, False):
        began = time.monotonic()
        home.sign_in(afresh=afresh)
        longest[afresh] = 1.2 * (time.monotonic() - began)
    for afresh in until_killed(tally, scale(4, 200)):
        process = home.start_login(afresh=afresh)
        killed(process, dice.uniform(0, longest[afresh]), tally)
        ended(process, tally)
        judge_sign_in(home, tally)
        done = ended(home.fork_ask(), tally)
        if not judge_answer(done, home, tally):
            tally.violation(LOST, f"after a killed sign-in: {done}")
            home.sign_in()
    tally.holds()


def test_sign_outs_killed(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    longest = {}
    for afresh in (True, False):
        home.sign_in()
        began = time.monotonic()
        assert home.sign_out(afresh=afresh).wait(60) == 0
        longest[afresh] = 1.2 * (time.monotonic() - began)
    for afresh in until_killed(tally, scale(3, 150)):
        home.sign_in()
        process = home.sign_out(afresh=afresh)
        killed(process, dice.uniform(0, longest[afresh]), tally)
        ended(process, tally)
        done = ended(home.sign_out(afresh=False), tally)
        if done.code:
            tally.violation(BAD, f"a sign-out after a killed one: {done}")
        if found := tokens_on_disk(home):
            tally.violation(LEFT, f"after a sign-out: {[path.name for path in found]}")
        done = ended(home.fork_ask(), tally)
        if done.code != 3:
            tally.violation(BAD, f"after a sign-out: {done}")
    tally.holds()


def test_writes_of_a_session_killed_leave_no_token_behind(bench: FaultWorld, tally: Tally) -> None:
    """What a killed write leaves is a temporary file with a refresh token in it; a sign-out takes it along."""
    home = bench.home("ada")
    home.sign_in()
    (session,) = (home.cache / "sessions").glob("*.json")
    torn = session.with_name(f"{session.name}.tmp-123-abcdefgh")
    torn.touch(0o600)
    torn.write_bytes(session.read_bytes()[:-9])
    tally.count("torn writes")
    ended(home.start("logout"), tally)
    if found := tokens_on_disk(home):
        tally.violation(LEFT, f"after a sign-out: {[path.name for path in found]}")
    tally.holds()
