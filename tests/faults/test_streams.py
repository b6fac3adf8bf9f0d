"""Few descriptors, closed, full and broken streams."""

from __future__ import annotations

import os
import resource
from functools import partial

import pytest

from tests.faults.conftest import Scale
from tests.faults.judges import BAD, Tally, ended, judge_answer, judge_sign_in, judge_text
from tests.faults.test_disks import goes_on
from tests.faults.world import FaultWorld

#: Fewer, and Python itself does not start.
FEWEST = 8


def few_descriptors(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def without(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def test_few_descriptors(bench: FaultWorld, scale: Scale, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    for number in range(FEWEST, 32, 1 if scale.full else 8):
        for cold in (True, False):
            if cold:
                home.expire()
            done = ended(home.ask(preexec_fn=partial(few_descriptors, number)), tally)
            tally.count("limits")
            judge_answer(done, home, tally)
            if not judge_sign_in(home, tally):
                home.sign_in()
        goes_on(home, tally)
    tally.holds()


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams(bench: FaultWorld, tally: Tally, closed: tuple[int, ...]) -> None:
    home = bench.home("ada")
    home.sign_in()
    for cold in (True, False):
        if cold:
            home.expire()
        done = ended(home.ask(preexec_fn=partial(without, *closed)), tally)
        tally.count("closed streams")
        if 1 in closed:
            if done.code == 0 or done.out:
                tally.violation(BAD, f"with stdout closed: {done}")
        elif not judge_answer(done, home, tally):
            tally.violation(BAD, f"with {closed} closed: {done}")
        if not judge_sign_in(home, tally):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()


_COMMANDS = (("credential-process",), ("export",), ("token",), ("status",), ("whoami",), ("explain",))


@pytest.mark.parametrize("words", _COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written(bench: FaultWorld, tally: Tally, words: tuple[str, ...]) -> None:
    """A command that could not print what it was asked for does not say that all went well."""
    home = bench.home("ada")
    home.sign_in()
    with open("/dev/full", "wb") as full:
        done = ended(home.start(*words, stdout=full), tally)
    tally.count("full outputs")
    if done.code == 0:
        tally.violation(BAD, f"{words} to a full disk: exit 0")
    closed = ended(home.start(*words, preexec_fn=partial(without, 1)), tally)
    tally.count("closed outputs")
    if closed.code == 0:
        tally.violation(BAD, f"{words} with stdout closed: exit 0")
    reader, writer = os.pipe()
    os.close(reader)
    broken = ended(home.start(*words, stdout=writer), tally)
    os.close(writer)
    tally.count("broken pipes")
    for one in (done, closed, broken):
        text = one.err.decode(errors="replace")
        judge_text(text, tally)
        if "Traceback" in text or "Exception" in text:
            tally.violation(BAD, f"{words}: {text[-300:]}")
    tally.holds()
