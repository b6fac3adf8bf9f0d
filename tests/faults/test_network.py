"""Networks that fail, on the way to the provider and on the way to Cognito."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import Scale
from tests.faults.injectors import HARMS, Relay
from tests.faults.judges import BAD, Tally, ended, judge_answer, judge_sign_in
from tests.faults.world import FaultHome, FaultWorld

#: Those that take a helper its whole time to give up on.
SLOW = ("half-open", "drip")


def harmed(home: FaultHome, relay: Relay, harm: str, tally: Tally, *, token: bool) -> None:
    """Let a renewal, or an exchange, meet one harm; afterwards everything goes on."""
    home.expire(token=token)
    relay.harm = harm
    done = ended(home.ask(), tally)
    relay.harm = ""
    tally.count("harms")
    if judge_answer(done, home, tally):
        tally.violation(BAD, f"{harm} between, and exit 0: {done}")
    goes_on_after(harm, home, tally)


def goes_on_after(harm: str, home: FaultHome, tally: Tally) -> None:
    """Nothing was lost, and the next process answers."""
    if not judge_sign_in(home, tally):
        home.sign_in()
    home.expire(token=False)
    done = ended(home.ask(), tally)
    if not judge_answer(done, home, tally):
        tally.violation(BAD, f"after {harm}: {done}")


@pytest.mark.parametrize("way", ["provider", "pool"])
def test_harms_on_the_way(bench: FaultWorld, scale: Scale, tally: Tally, way: str) -> None:
    harms = [harm for harm in HARMS if scale.full or harm not in SLOW]

    def one(harm: str) -> None:
        for _ in range(scale(1, 5 if harm in SLOW else 20)):
            harmed(home_of[harm], relay_of[harm], harm, tally, token=way == "provider")

    home_of, relay_of = {}, {}
    for harm in harms:
        pool, issuer = bench.relays()
        home_of[harm] = bench.home("ada", pool=pool, issuer=issuer)
        relay_of[harm] = issuer if way == "provider" else pool
        home_of[harm].sign_in()
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(one, harms))
    tally.holds()


@pytest.mark.parametrize("way", ["provider", "pool"])
def test_bursts_of_errors_that_pass(bench: FaultWorld, scale: Scale, tally: Tally, way: str) -> None:
    """A second of 429, 500 or 503 is waited out, or the caller is told to try again."""
    home = bench.home("ada")
    home.sign_in()
    relay = home.issuer if way == "provider" else home.pool
    for harm in ("429", "500", "503") if scale.full else ("503",):
        for _ in range(scale(1, 10)):
            home.expire(token=way == "provider")
            relay.harm = harm
            burst = threading.Timer(1.2, setattr, (relay, "harm", ""))
            burst.start()
            done = ended(home.ask(), tally)
            tally.count("bursts")
            tally.count("waited out", judge_answer(done, home, tally))
            if done.code not in (0, 7):
                tally.violation(BAD, f"{harm} for a second: {done}")
            burst.join()
            goes_on_after(harm, home, tally)
    tally.holds()


def test_tls_that_stalls(bench: FaultWorld, scale: Scale, tally: Tally) -> None:
    """A server that accepts the connection and never says a word of TLS."""
    if not scale.full:
        pytest.skip("takes a helper's whole time; part of the full bench")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stalled = f"https://127.0.0.1:{silent.getsockname()[1]}"
        home = bench.home("ada")
        home.sign_in()
        for keys in ({"cognito_endpoint_url": stalled}, {}):
            home.expire()
            home.configure(**keys)
            done = ended(home.ask(), tally)
            tally.count("stalls")
            if judge_answer(done, home, tally) != (not keys):
                tally.violation(BAD, f"{keys}: {done}")
            judge_sign_in(home, tally)
    tally.holds()
