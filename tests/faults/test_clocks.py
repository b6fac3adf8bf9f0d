"""Clocks that jump during a renewal, forwards and backwards, by a second and by decades."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Scale
from tests.faults.judges import Tally, ended, judge_answer, judge_sign_in
from tests.faults.test_disks import goes_on
from tests.faults.world import FaultWorld
from tests.servers.moved_clock import MovedClock

_DAY = 86_400.0
JUMPS = (1.0, 90.0, 3600.0, _DAY, 400 * _DAY, 9000 * _DAY)


@pytest.fixture
def slow_provider(bench: FaultWorld) -> Iterator[FaultWorld]:
    bench.provider.behave(wait_before=0.2)
    yield bench


def test_jumps_during_a_renewal(slow_provider: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = slow_provider.home("ada")
    home.sign_in()
    clock = MovedClock(home.path / "clock")
    cases = [jump * sign for jump in JUMPS for sign in (1, -1)]
    for jump in dice.sample(cases * 10, scale(4, 120)):
        home.expire()
        seen = threading.Event()
        home.issuer.on_request = lambda request, seen=seen: (  # type: ignore[misc]  # one of each round
            seen.set() if request.startswith(b"POST /token") else None
        )
        process = home.ask(variables=clock.environment())
        seen.wait(30)
        clock.advance(jump)
        tally.count("jumps")
        judge_answer(ended(process, tally), home, tally, moved_clock=True)
        clock.advance(-jump)
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
    clock = MovedClock(home.path / "clock")
    for _ in range(scale(3, 80)):
        jump = dice.choice(JUMPS) * dice.choice((1, -1))
        home.expire(token=dice.random() < 0.5)
        clock.advance(jump)
        judge_answer(ended(home.ask(variables=clock.environment()), tally), home, tally, moved_clock=True)
        clock.advance(-jump)
        tally.count("jumps")
        if not judge_sign_in(home, tally):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()
