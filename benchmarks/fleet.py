"""``python -m benchmarks.fleet [simulation | processes]``: thousands of simulated hosts, and some real ones.

The simulation has the product's own pauses, turns and limits, and the quotas of Cognito; only time and the network are
made up. The real run starts processes in several homes with one sign-in, and counts what they asked of the provider and
of the demo's Cognito. Rounds in which hosts and engines are killed are in ``tests/faults/test_fleets.py``.
"""

from __future__ import annotations

import heapq
import random
import sys
import tempfile
import time
import types
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from botocore_cognito_federation.cache import base
from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.cli.credential_process import HELPER_TIME
from botocore_cognito_federation.fetcher import FOR_THE_ANSWER
from botocore_cognito_federation.identity_pool.aws import ATTEMPTS, FULL, Patience
from botocore_cognito_federation.identity_pool.client import PER_SECOND

#: Requests a second of an account in a region
#: (https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html).
QUOTAS = {"get_id": 25.0, "get_credentials_for_identity": 200.0}
#: Seconds of a request and its answer.
_ROUND_TRIP = 0.05
#: How Kubernetes starts a program again that has failed.
_FIRST_RESTART, _LONGEST_RESTART = 10.0, 300.0


@dataclass
class Bucket:
    """A quota: tokens for one second, refilled all the time."""

    rate: float
    tokens: float = 0.0
    at: float = 0.0
    refused: int = 0

    def takes(self, now: float) -> bool:
        self.tokens, self.at = min(self.rate, self.tokens + (now - self.at) * self.rate), now
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        return True


@dataclass
class Outcome:
    """What came of a crowd.

    Attributes:
        waits: seconds from a host's start until it had credentials.
        failures: programs that ended with an error.
        requests: the most requests of one program.
        refused: requests that were throttled.
        last: when the last host had credentials, in seconds from the beginning.
    """

    waits: list[float] = field(default_factory=list)
    failures: int = 0
    requests: int = 0
    refused: int = 0
    last: float = 0.0

    def line(self, name: str) -> str:
        waits = sorted(self.waits)
        share = [waits[min(len(waits) - 1, int(len(waits) * part))] for part in (0.5, 0.99)]
        return (
            f"| {name} | {share[0]:.1f} s | {share[1]:.1f} s | {self.last:.0f} s | {self.failures} | {self.requests} |"
            f" {self.refused} |"
        )


class Fleet:
    """Hosts that start within some seconds, each with a user of its own.

    Args:
        hosts: how many.
        spread: the seconds within which they start.
        patience: for how many seconds a program waits; that of a helper ends by itself.
        one_store: whether all hosts have one shared cache.
        known: whether the identity IDs are in it already.
        seed: of the random numbers.
    """

    def __init__(
        self,
        *,
        hosts: int = 10_000,
        spread: float = 60.0,
        patience: float = HELPER_TIME - FOR_THE_ANSWER,
        one_store: bool = False,
        known: bool = False,
        seed: int = 1,
    ) -> None:
        self._random = random.Random(seed)
        self._patience, self._known = patience, known
        self._now = 0.0
        self._quotas = {name: Bucket(rate, rate) for name, rate in QUOTAS.items()}
        shared = MemoryStore()
        self._stores = [shared if one_store else MemoryStore() for _ in range(hosts)]
        self._starts = [self._random.uniform(0, spread) for _ in range(hosts)]
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Let all hosts start, and start again until they have credentials."""
        events = [(start, number, self._host(number)) for number, start in enumerate(self._starts)]
        heapq.heapify(events)
        with mock.patch.object(base, "time", types.SimpleNamespace(time=lambda: self._now)):
            while events:
                self._now, number, host = heapq.heappop(events)
                pause = next(host, None)
                if pause is not None:
                    heapq.heappush(events, (self._now + pause, number, host))
        self.outcome.refused = sum(quota.refused for quota in self._quotas.values())
        return self.outcome

    def _host(self, number: int) -> Generator[float, None, None]:
        """One host: its program is started again for as long as it fails."""
        restart, has_id = _FIRST_RESTART, self._known
        while True:
            patience, requests = Patience(self._patience, lambda: self._now), [0]
            for operation in QUOTAS:
                if operation == "get_id" and has_id:
                    continue
                done = yield from self._call(number, operation, patience, requests)
                self.outcome.requests = max(self.outcome.requests, requests[0])
                if not done:
                    break
                has_id = True
            else:
                self.outcome.waits.append(self._now - self._starts[number])
                self.outcome.last = max(self.outcome.last, self._now)
                return
            self.outcome.failures += 1
            yield restart
            restart = min(2 * restart, _LONGEST_RESTART)

    def _call(
        self, number: int, operation: str, patience: Patience, requests: list[int]
    ) -> Generator[float, None, bool]:
        """One operation, as `identity_pool.aws.call` makes it."""
        throttled = False
        while True:
            yield from self._turn(number, operation, patience, throttled)
            for attempt in range(ATTEMPTS):
                requests[0] += 1
                if self._quotas[operation].takes(self._now):
                    yield _ROUND_TRIP
                    return True
                if attempt + 1 < ATTEMPTS:
                    yield self._random.random() * 2**attempt  # botocore's standard mode
            throttled = True
            pause = patience.next_pause(self._random.random())
            if pause is None:
                return False
            yield pause

    def _turn(self, number: int, operation: str, patience: Patience, throttled: bool) -> Generator[float, None, None]:
        interval = 1 / PER_SECOND[operation]
        while patience.left > 0:
            seconds = self._stores[number].turn(operation, interval, most=patience.left, begin=throttled)
            if seconds is not None:
                yield seconds
                return
            yield min(patience.left, FULL * (0.5 + self._random.random()))


def simulated() -> list[str]:
    """Return the table of the simulation."""
    cases = {
        "helpers, each machine for itself": Fleet(),
        "helpers, one shared cache": Fleet(one_store=True),
        "native programs with 600 s, each machine for itself": Fleet(patience=600.0),
        "native programs with 600 s, one shared cache": Fleet(patience=600.0, one_store=True),
        "helpers, identity IDs known": Fleet(one_store=True, known=True),
    }
    columns = ("half after", "99 of 100 after", "the last at", "errors", "most requests of a program", "throttled")
    head = ["| 10,000 hosts start within 60 s | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return head + [fleet.run().line(name) for name, fleet in cases.items()]


def processes(homes: int = 4, each: int = 16) -> list[str]:
    """Return the counts of a real run: a user signs in, and then new hosts ask for credentials all at once.

    The hosts have credentials on one Redis and sign-ins on one PostgreSQL. Nothing else is stored when they start: the
    login token has expired, the Redis is empty, and so are the homes.
    """
    from tests.faults import fleets
    from tests.faults.world import running

    with tempfile.TemporaryDirectory() as place, running(Path(place)) as world:
        fleet = fleets.redis_and_postgres(world, {"ada": homes})
        try:
            fleet.sign_in("ada")
            fleet.expire(random.Random(1), new_hosts=1.0)
            fleet.forget_identities()
            world.aws.reset_journal()
            began = time.monotonic()
            hosts = fleet.hosts["ada"]
            started = [host.ask() for _ in range(each) for host in hosts]
            printed = {process.communicate()[0] for process in started}
            took = time.monotonic() - began
            counts = {"refresh": world.provider.grants()[fleet.grants["ada"]]["serial"]}
            counts |= {name: len(world.aws.calls(name)) for name in ("GetId", "GetCredentialsForIdentity")}
        finally:
            fleet.end()
    asked = ", ".join(f"{count} {name}" for name, count in counts.items())
    return [f"{homes} homes with {each} processes each: {asked}, {len(printed)} answer, {took:.1f} s"]


def main() -> int:
    what = sys.argv[1:] or ["simulation", "processes"]
    for name, lines in (("simulation", simulated), ("processes", processes)):
        if name in what:
            sys.stdout.write("\n".join(lines()) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
