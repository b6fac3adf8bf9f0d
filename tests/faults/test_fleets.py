"""Hosts of a fleet renew one sign-in, while hosts and engines are killed at random moments.

In half of the rounds the provider is strict: a process that is killed between the rotation of the refresh token and its
write loses the sign-in, which no client can prevent; such rounds are counted. In the others the provider answers the
previous refresh token until the new one is used, and then no sign-in may be lost at all.

Who used a refresh token is known to the provider by the process at the other end of the connection. A token may be
used again only if the process that used it first was killed.
"""

from __future__ import annotations

import dataclasses
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.cache import engines
from tests.faults import fleets
from tests.faults.conftest import Scale
from tests.faults.fleets import Fleet
from tests.faults.judges import BAD, DOUBLE, FALSE_ERROR, LOST, SHOWN, Ended, Tally, ended, judge_answer
from tests.faults.prefork import Prefork
from tests.faults.world import FaultHome, FaultWorld, Process, serial_of

pytestmark = pytest.mark.skipif(not fleets.AVAILABLE, reason="no redis-server or no PostgreSQL, or not Linux")
#: Hosts of each user.
USERS = {"ada": 3, "grace": 2}
#: In one round of so many, one process of each user is a fresh interpreter.
AFRESH = 10
#: Seconds for which an engine is away at most; it takes some time to start.
_AWAY = 1.5
_CUT_OFF = "cut off between the provider's rotation and its storing"


@pytest.fixture
def fleet(bench: FaultWorld, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    with Prefork(fleets.SHORTER) as prefork:
        folder = bench.folder / request.param.replace(" ", "-")
        found = fleets.KINDS[request.param](dataclasses.replace(bench, folder=folder, prefork=prefork), USERS)
        bench.provider.behave(names_users=1)
        for user in found.hosts:
            found.sign_in(user)
        yield found
        bench.provider.behave(names_users=0, grace=0)
        found.end()


@pytest.mark.parametrize("fleet", list(fleets.KINDS), indirect=True)
def test_fleets_killed(fleet: Fleet, scale: Scale, dice: random.Random, tally: Tally) -> None:
    usual, first = _usual_seconds(fleet, dice, tally), min(fleet.grants.values())
    for number in range(scale(2, 170)):
        afresh = number % AFRESH == 1
        tally.count("rounds of kills")
        tally.count("rounds with fresh interpreters", afresh)
        seconds = Round(fleet, dice, tally, grace=number % 2 == 0).play(1.2 * usual, afresh=afresh)
        if seconds is not None:  # The machine may be busier than it was, or less.
            usual = (usual + seconds) / 2
    users = [user for grant in fleet.world.provider.grants()[first:] for user in grant["users"]]
    assert sum(user > 0 for user in users) > len(users) / 2, "the provider does not know who asks"
    issued = fleet.world.provider.issued()
    if found := fleet.secrets_in_engines(issued):
        tally.violation(SHOWN, f"{len(found)} in an engine: {found[:3]}")
    tally.count("secrets looked for in the engines", len(issued) + len(fleet.handed_out))
    tally.holds()


def _usual_seconds(fleet: Fleet, dice: random.Random, tally: Tally) -> float:
    """Return how long all hosts take here when nothing disturbs them."""
    fleet.expire(dice)
    began = time.monotonic()
    for host, process in fleet.start_all():
        done = ended(process, tally)
        assert judge_answer(done, host, tally), done
    return time.monotonic() - began


@dataclass
class Round:
    """One round.

    Attributes:
        grace: whether the provider takes a refresh token again.
        killed: the processes that were killed, by user.
        outage: an engine was away.
    """

    fleet: Fleet
    dice: random.Random
    tally: Tally
    grace: bool
    killed: dict[str, set[int]] = field(default_factory=dict)
    outage: bool = False

    def play(self, longest: float, *, afresh: bool) -> float | None:
        """Play it; return how long the processes took if nothing disturbed them."""
        fleet, dice, provider = self.fleet, self.dice, self.fleet.world.provider
        provider.behave(grace=float(self.grace), wait_before=dice.uniform(0, 0.1), wait_after=dice.uniform(0, 0.4))
        fleet.expire(dice)
        again = {user: len(provider.grants()[number]["used_before"]) for user, number in fleet.grants.items()}
        began = time.monotonic()
        started = fleet.start_all(afresh=afresh)
        processes = [process for _, process in started]
        engine = dice.choice([None, None, *fleet.servers])
        taking_away = self._take_away(engine, began + dice.uniform(0, longest), dice.uniform(0, _AWAY), processes)
        victims = dice.sample(processes, dice.randint(0, 3))
        for process, moment in zip(victims, sorted(dice.uniform(0, longest) for _ in victims), strict=True):
            _wait(began + moment, processes)
            process.kill()
        done = [(host, process, ended(process, self.tally, began)) for host, process in started]
        seconds = time.monotonic() - began
        taking_away.join()
        for host, process, one in done:
            if one.code == -signal.SIGKILL:
                self.tally.count("kills")
                self.killed.setdefault(host.user, set()).add(process.pid)
        failed = [(host, one) for host, _, one in done if not self._answered(host, one)]
        for user in fleet.hosts:
            self._judge(user, again[user], [one for host, one in failed if host.user == user and one.code >= 0])
        fleet.world.newly_issued()
        return None if self.outage or self.killed or afresh else seconds

    def _take_away(
        self, engine: engines.Server | None, moment: float, seconds: float, processes: list[Process]
    ) -> threading.Thread:
        """Kill an engine at a moment, and start it again some seconds later."""

        def work() -> None:
            if engine is not None and _wait(moment, processes):
                self.outage = True
                self.tally.count("kills of engines")
                engine.kill()
                time.sleep(seconds)
                engine.start()

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def _answered(self, host: FaultHome, done: Ended) -> bool:
        answered = judge_answer(done, host, self.tally)
        if answered:
            self.fleet.note_secrets(done.out)
        return answered

    def _judge(self, user: str, again_before: int, failures: list[Ended]) -> None:
        """Start one more process, and judge what the provider and the engine have then."""
        host = self.dice.choice(self.fleet.hosts[user])
        last = ended(self.fleet.start(host, afresh=False), self.tally)
        works = self._answered(host, last)
        killed = self.killed.get(user, set())
        grant = self.fleet.world.provider.grants()[self.fleet.grants[user]]
        again = grant["used_before"][again_before:]
        if any(process not in killed and (process or not killed) for process in again):
            self.tally.violation(DOUBLE, f"{again} used refresh tokens of {user} before, and {killed} were killed")
        self.tally.count("refresh tokens used again after a kill", len(again))
        token = self.fleet.refresh_token(user)
        whole = bool(token) and not grant["ended"] and serial_of(token) == grant["serial"]
        is_cut_off = not whole and bool(again) and not self.grace
        self.tally.count(_CUT_OFF, is_cut_off)
        if not whole and not is_cut_off:
            self.tally.violation(LOST, f"{token!r} is stored, and the provider has {grant}; {failures} {last}")
        elif not works and not is_cut_off:
            self.tally.violation(BAD, f"after a round: {last}")
        for one in failures:
            if one.code in (7, 8) and self.outage:
                self.tally.count("errors while an engine was away")
            elif not (one.code == 3 and is_cut_off):
                self.tally.violation(FALSE_ERROR, f"{one}")
        if not whole:
            self.fleet.sign_in(user)


def _wait(moment: float, processes: list[Process]) -> bool:
    """Wait until a moment; return whether it came before all processes had ended."""
    while time.monotonic() < moment:
        if all(_has_ended(process) for process in processes):
            return False
        time.sleep(0.005)
    return True


def _has_ended(process: Process) -> bool:
    return (process.poll() if isinstance(process, subprocess.Popen) else process.returncode) is not None
