"""Clocks that jump during a renewal, forwards and backwards, by a second and by decades."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from tests.faults.conftest import Scale
from tests.faults.injectors import JUMPING_CLOCK, seen_refresh
from tests.faults.judges import Tally, ended, judge_answer, judge_sign_in
from tests.faults.test_disks import goes_on
from tests.faults.world import FaultHome, FaultWorld

_DAY = 86_400.0
JUMPS = (1.0, 90.0, 3600.0, _DAY, 400 * _DAY, 9000 * _DAY)


def jump_to(jump: float, home: FaultHome) -> Path:
    """The file that makes the clock of the home's next process jump; there is none yet."""
    path = home.path / "jump"
    path.unlink(missing_ok=True)
    path.with_suffix(".ready").write_text(str(jump))
    return path


def test_jumps_during_a_renewal(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    bench.provider.behave(wait_before=0.2)
    cases = [jump * sign for jump in JUMPS for sign in (1, -1)]
    for jump in dice.sample(cases * 10, scale(4, 120)):
        home.expire()
        file, seen = jump_to(jump, home), threading.Event()
        home.issuer.on_request = seen_refresh(seen)
        process = home.python("-c", JUMPING_CLOCK, str(file), "credential-process", "--profile", home.user)
        seen.wait(30)
        file.with_suffix(".ready").rename(file)
        tally.count("jumps")
        judge_answer(ended(process, tally), home, tally, moved_clock=True)
        if not judge_sign_in(home, tally):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()


def test_clocks_that_are_wrong_between_two_calls(
    bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally
) -> None:
    """What is stored under a wrong clock neither serves dead credentials nor hides good ones under the right clock."""
    home = bench.home("ada")
    home.sign_in()
    for _ in range(scale(3, 80)):
        home.expire(token=dice.random() < 0.5)
        file = jump_to(dice.choice(JUMPS) * dice.choice((1, -1)), home)
        file.with_suffix(".ready").rename(file)
        process = home.python("-c", JUMPING_CLOCK, str(file), "credential-process", "--profile", home.user)
        judge_answer(ended(process, tally), home, tally, moved_clock=True)
        tally.count("jumps")
        if not judge_sign_in(home, tally):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()
