"""Ctrl-C, SIGTERM and SIGHUP at every moment of a renewal: the process ends, and the sign-in goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import pytest

from tests.faults.conftest import Scale
from tests.faults.judges import EXIT_CODES, Tally, ended, judge_answer, judge_failure, judge_sign_in
from tests.faults.test_disks import goes_on
from tests.faults.test_kills import usual_seconds
from tests.faults.world import FaultHome, FaultWorld

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What a process may end with that was told to end: by the signal, or as Python and shells report it.
_ENDS = EXIT_CODES | {1, *(128 + number for number in SIGNALS)}
_NATIVE = """
import sys
import boto3
from botocore_cognito_federation import install
install()
try:
    boto3.Session(profile_name=sys.argv[1]).get_credentials().get_frozen_credentials()
except KeyboardInterrupt:
    sys.exit(130)
"""


def at_moment(home: FaultHome, moment: str, process: list[subprocess.Popen[bytes]], number: int) -> None:
    """Have a signal sent when the refresh token passes on its way to the provider, or its successor on its way back."""

    def send(request: bytes) -> None:
        if request.startswith(b"POST /token"):
            process[0].send_signal(number)
            time.sleep(0.05)  # the signal is delivered before the answer is

    if moment == "request":
        home.issuer.on_request = send
    else:
        home.issuer.on_answer = send


@pytest.mark.parametrize("program", ["helper", "native"])
@pytest.mark.parametrize("moment", ["request", "answer", "random"])
def test_signals_during_a_renewal(
    bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally, moment: str, program: str
) -> None:
    home = bench.home("ada")
    home.sign_in()
    longest = 1.2 * usual_seconds(home, tally) if moment == "random" else 0.0
    for round_number in range(scale(3, 60)):
        number = SIGNALS[round_number % 3]
        home.expire()
        started: list[subprocess.Popen[bytes]] = []
        if moment != "random":
            at_moment(home, moment, started, number)
        started.append(home.ask() if program == "helper" else home.python("-c", _NATIVE, home.user))
        if moment == "random":
            time.sleep(dice.uniform(0, longest))
            started[0].send_signal(number)
        done = ended(started[0], tally)
        home.issuer.on_request = home.issuer.on_answer = None
        tally.count("signals")
        if program == "helper" and done.code == 0:
            judge_answer(done, home, tally)
        elif program == "helper" and done.code > 0 and moment != "random":
            judge_failure(done, tally, _ENDS)
        if not judge_sign_in(home, tally):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()
