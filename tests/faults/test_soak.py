"""Minutes of short-lived credentials while faults come and go: a healthy service means an answer."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.faults.conftest import Scale
from tests.faults.injectors import HARMS, Relay
from tests.faults.judges import BAD, FALSE_ERROR, WRONG, Tally, ended, judge_answer, judge_sign_in, judge_text
from tests.faults.test_disks import goes_on
from tests.faults.world import FaultHome, FaultWorld

_CREDENTIAL_SECONDS, _TOKEN_SECONDS = 4, 12
#: Of all calls, how many may fail although nothing was wrong while they ran.
MOST_FALSE_ERRORS = 0.001
#: Asks until stdin ends, and prints a line for each call.
_NATIVE = """
import json, sys, threading, time
import boto3
from botocore_cognito_federation import install
install()
credentials = boto3.Session(profile_name=sys.argv[1]).get_credentials()
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.wait(0.1):
    began, found, error = time.time(), "", ""
    try:
        found = credentials.get_frozen_credentials().access_key
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    print(json.dumps([began, time.time(), found, error]), flush=True)
"""


@dataclass
class Weather:
    """When something was wrong on the way of one home; `None` as an end is now."""

    spells: list[tuple[float, float | None]] = field(default_factory=list)

    @contextlib.contextmanager
    def bad(self, relay: Relay, harm: str) -> Iterator[None]:
        self.spells.append((time.time(), None))
        relay.harm = harm
        yield
        relay.harm = ""
        self.spells[-1] = (self.spells[-1][0], time.time())

    def was_bad(self, began: float, over: float) -> bool:
        return any(start <= over and (end is None or end >= began) for start, end in self.spells)

    def clear_for(self, began: float) -> str:
        """How long nothing had been wrong when a call began, in words."""
        ends = [end for _, end in self.spells if end is not None and end <= began]
        return f"{began - max(ends):.1f} s after a fault" if ends else "before any fault"


class Soak:
    """One user whose programs ask all the time."""

    def __init__(self, home: FaultHome, tally: Tally, dice: random.Random) -> None:
        self.home, self.tally, self.dice = home, tally, dice
        self.weather = Weather()
        self.over = threading.Event()
        self.false_errors: list[str] = []

    def run(self) -> None:
        """Until `over`: change the weather, ask by helper, and let a program ask natively."""
        native = self.home.python("-c", _NATIVE, self.home.user, stdin=-1)
        threads = [threading.Thread(target=target) for target in (self._change_weather, self._ask_by_helper)]
        lines: list[bytes] = []
        assert native.stdout is not None
        reader = threading.Thread(target=lambda: lines.extend(native.stdout))  # type: ignore[arg-type]
        for thread in (*threads, reader):
            thread.start()
        for thread in threads:
            thread.join()
        assert native.stdin is not None
        native.stdin.close()
        native.wait(90)
        reader.join()
        self._judge_native(lines, native.stderr.read().decode() if native.stderr else "")

    def _change_weather(self) -> None:
        while not self.over.wait(self.dice.uniform(0.5, 4)):
            relay = self.dice.choice((self.home.pool, self.home.issuer))
            harm = self.dice.choice([harm for harm in HARMS if harm != "bomb"])
            with self.weather.bad(relay, harm):
                self.over.wait(self.dice.uniform(0.2, 2))
            self.tally.count("faults")

    def _ask_by_helper(self) -> None:
        while not self.over.wait(self.dice.uniform(0, 0.3)):
            began = time.time()
            process = self.home.ask()
            struck = self.dice.random() < 0.05
            if struck:
                time.sleep(self.dice.uniform(0, 0.8))
                process.send_signal(self.dice.choice((signal.SIGINT, signal.SIGTERM)))
                self.tally.count("signals")
            done = ended(process, self.tally)
            self.tally.count("calls")
            if struck and done.code:
                # Python itself, when it is told to end while it starts, shows a traceback of its own.
                judge_text(done.err.decode(errors="replace"), self.tally)
            elif not judge_answer(done, self.home, self.tally):
                self._failed(began, time.time(), f"exit {done.code}: {done.err.decode(errors='replace')}")

    def _judge_native(self, lines: list[bytes], text: str) -> None:
        judge_text(text, self.tally)
        if "Traceback" in text or not lines:
            self.tally.violation(BAD, f"the program ended: {text[-500:]}")
        for line in lines:
            began, over, key, error = json.loads(line)
            self.tally.count("calls")
            if error:
                judge_text(error, self.tally)
                self._failed(began, over, error)
            elif self.home.world.owner(key) != self.home.identity:
                self.tally.violation(WRONG, f"natively: {self.home.world.owner(key)}")

    def _failed(self, began: float, over: float, words: str) -> None:
        if self.weather.was_bad(began, over):
            self.tally.count("errors while a fault lasted")
        else:
            self.false_errors.append(f"{self.weather.clear_for(began)}, {over - began:.1f} s long: {words[:200]}")


def test_soak(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    bench.aws.credential_lifetime = _CREDENTIAL_SECONDS
    bench.provider.behave(id_token_life=_TOKEN_SECONDS)
    soaks = []
    for user in ("ada", "bob"):
        pool, issuer = bench.relays()
        home = bench.home(user, pool=pool, issuer=issuer)
        home.sign_in()
        soaks.append(Soak(home, tally, random.Random(dice.random())))
    threads = [threading.Thread(target=soak.run) for soak in soaks]
    for thread in threads:
        thread.start()
    time.sleep(scale(15, 600))
    for soak in soaks:
        soak.over.set()
    for thread in threads:
        thread.join()
    found = [words for soak in soaks for words in soak.false_errors]
    tally.remarks.append(f"{len(found)} calls ({len(found) / tally.done['calls']:.2%}) with {FALSE_ERROR}")
    if len(found) > MOST_FALSE_ERRORS * tally.done["calls"]:
        for words in found:
            tally.violation(FALSE_ERROR, words)
    for soak in soaks:
        judge_sign_in(soak.home, tally)
        goes_on(soak.home, tally)
    tally.holds()
