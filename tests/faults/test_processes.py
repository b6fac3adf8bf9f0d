"""Processes that are stopped, forked and spawned while a renewal is under way."""

from __future__ import annotations

import random
import signal
import threading
import time

import pytest

from tests.faults.conftest import Scale
from tests.faults.injectors import seen_refresh
from tests.faults.judges import BAD, HANG, LIMIT, Tally, ended, judge_answer, judge_failure, judge_sign_in
from tests.faults.test_disks import goes_on
from tests.faults.world import FaultWorld

#: Forks, or spawns, while a thread makes the first renewal of the process; prints how each child ended.
_PARENT = """
import multiprocessing, sys, threading, time, warnings
warnings.simplefilter("ignore")
import boto3
from botocore_cognito_federation import install

def key(profile):
    return boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials().access_key

def child(profile, answers):
    install()
    answers.put(key(profile))

if __name__ == "__main__":
    profile, way, wait, children = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    context = multiprocessing.get_context(way)
    install()
    answers = context.SimpleQueue()
    first = threading.Thread(target=key, args=(profile,))
    first.start()
    started = []
    for _ in range(children):
        time.sleep(wait)
        process = context.Process(target=child, args=(profile, answers))
        process.start()
        started.append(process)
    first.join()
    deadline = time.monotonic() + 40
    for process in started:
        process.join(max(0, deadline - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            print("hang")
        elif process.exitcode:
            print("failed", process.exitcode)
        else:
            print(answers.get())
"""


def test_renewals_stopped_and_continued(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    for _ in range(scale(2, 50)):
        home.expire()
        holder = home.ask()
        time.sleep(dice.uniform(0, 0.8))
        holder.send_signal(signal.SIGSTOP)
        others = [home.ask() for _ in range(3)]
        time.sleep(0.5)
        holder.send_signal(signal.SIGCONT)
        tally.count("stops")
        for process in (holder, *others):
            done = ended(process, tally)
            if not judge_answer(done, home, tally):
                tally.violation(BAD, f"after a stop: {done}")
        if not judge_sign_in(home, tally):
            home.sign_in()
    tally.holds()


def test_renewals_that_stay_stopped(bench: FaultWorld, scale: Scale, tally: Tally) -> None:
    """Those who wait end within the limit and name the process that holds them up; afterwards all goes on.

    The stopped process has sent a refresh token, and continues when the time of its request is over: what came back
    meanwhile is not looked at, so that the sign-in may be lost.
    """
    if not scale.full:
        pytest.skip("takes a helper's whole time; part of the full bench")
    home = bench.home("ada")
    home.sign_in()
    for _ in range(scale(1, 5)):
        home.expire()
        seen = threading.Event()
        home.issuer.on_request = seen_refresh(seen)
        bench.provider.behave(wait_before=1)
        holder = home.ask()
        assert seen.wait(30)
        holder.send_signal(signal.SIGSTOP)
        bench.provider.behave(wait_before=0)
        began = time.monotonic()
        waiting = [home.ask() for _ in range(2)]
        for process in waiting:
            done = ended(process, tally, began)
            judge_failure(done, tally)
            if done.seconds > LIMIT + 3:
                tally.violation(HANG, f"{done.seconds:.0f} s behind a stopped process")
            if str(holder.pid) not in done.err.decode():
                tally.violation(BAD, f"the stopped process {holder.pid} is not named: {done.err!r}")
        holder.send_signal(signal.SIGCONT)
        tally.count("stops")
        ended(holder, tally, time.monotonic())
        if not judge_sign_in(home, tally, unavoidable=True):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()


def test_children_forked_and_spawned_during_a_renewal(
    bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally
) -> None:
    home = bench.home("ada")
    home.sign_in()
    program = home.path / "parent.py"
    program.write_text(_PARENT)
    for _ in range(scale(4, 100)):
        home.expire()
        way = dice.choice(["fork", "fork", "fork", "spawn", "forkserver"])
        children = 5 if way == "fork" else 2
        words = (home.user, way, f"{dice.uniform(0, 0.15):.3f}", str(children))
        done = ended(home.python(str(program), *words), tally)
        lines = done.out.decode().split("\n")[:-1]
        tally.count("children", children)
        if done.code or b"Error" in done.err or len(lines) != children:
            tally.violation(BAD, f"{way}: exit {done.code}, {lines}, {done.err[-300:]!r}")
        for line in lines:
            if line == "hang":
                tally.violation(HANG, f"a child by {way}")
            elif home.world.owner(line) != home.identity:
                tally.violation(BAD, f"a child by {way}: {line}")
        if not judge_sign_in(home, tally):
            home.sign_in()
    tally.holds()


def test_many_children_forked_before_the_first_renewal(bench: FaultWorld, scale: Scale, tally: Tally) -> None:
    """A prefork server: the master makes the client, the workers ask."""
    home = bench.home("ada")
    home.sign_in()
    program = """
import os, sys, boto3
from botocore_cognito_federation import install
install()
credentials = boto3.Session(profile_name=sys.argv[1]).get_credentials()
workers = []
for _ in range(int(sys.argv[2])):
    worker = os.fork()
    if worker == 0:
        os.write(1, (credentials.get_frozen_credentials().access_key + chr(10)).encode())
        os._exit(0)
    workers.append(worker)
sys.exit(any(os.waitpid(worker, 0)[1] for worker in workers))
"""
    for _ in range(scale(1, 20)):
        home.expire()
        bench.newly_issued()
        done = ended(home.python("-c", program, home.user, "12"), tally)
        tally.count("children", 12)
        keys = set(done.out.decode().split())
        if done.code or done.err or keys != set(bench.newly_issued()) or len(keys) != 1:
            tally.violation(BAD, f"{done.code}, {len(keys)} keys, {done.err[-300:]!r}")
        judge_sign_in(home, tally)
    tally.holds()
