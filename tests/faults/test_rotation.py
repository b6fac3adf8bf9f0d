"""Many processes need one renewal at once: one of them spends the refresh token, once, and all have its answer.

In some rounds (`AFRESH`) all processes are started as an SDK starts them. In the others they are forked from a parent
that has imported everything (`prefork.py`), and come to the lock closer together.
"""

from __future__ import annotations

import random

import pytest

from tests.faults.conftest import Scale
from tests.faults.judges import BAD, DOUBLE, Tally, ended, judge_answer, judge_sign_in
from tests.faults.world import FaultWorld, serial_of

#: One of so many rounds is of fresh interpreters; with a keyring each of these has to import everything.
AFRESH = {"files": 5, "keyring": 20}


@pytest.mark.parametrize("where", ["files", "keyring"])
def test_rounds_of_rotation(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally, where: str) -> None:
    home = bench.home("ada")
    if where == "keyring":
        pytest.importorskip("keyring", reason="the extra keyring is not installed")
        home.use_keyring()
    home.sign_in()
    for turn in range(scale(2, 500)):
        home.expire()
        before, asked = serial_of(home.refresh_token), dice.randint(8, 32 if scale.full else 12)
        bench.newly_issued()
        afresh = turn % AFRESH[where] == 0
        processes = [home.ask() if afresh else home.fork_ask() for _ in range(asked)]
        done = [ended(process, tally) for process in processes]
        issued = bench.newly_issued()
        tally.count("rounds")
        tally.count("rounds of fresh interpreters", afresh)
        for one in done:
            if not judge_answer(one, home, tally):
                tally.violation(BAD, f"in a round of {asked}: {one}")
        if len(issued) != 1:
            tally.violation(DOUBLE, f"{len(issued)} exchanges in a round of {asked}")
        if not judge_sign_in(home, tally):
            home.sign_in()
        elif serial_of(home.refresh_token) != before + 1:
            tally.violation(DOUBLE, f"{serial_of(home.refresh_token) - before} renewals in a round of {asked}")
    tally.holds()
