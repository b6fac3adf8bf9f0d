"""Disks that are full, read-only or broken: the sign-in is not spent where its successor cannot be stored."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.faults.conftest import Scale
from tests.faults.injectors import (
    CALLS,
    ERRNOS,
    FAILING_CALLS,
    QuotaDisk,
    SmallDisk,
    require_namespaces,
    require_quotas,
)
from tests.faults.judges import BAD, Tally, ended, judge_answer, judge_sign_in
from tests.faults.world import FaultHome, FaultWorld


def goes_on(home: FaultHome, tally: Tally) -> None:
    """With a good disk again, the next process answers."""
    done = ended(home.fork_ask(), tally)
    if not judge_answer(done, home, tally):
        tally.violation(BAD, f"with a good disk again: {done}")


def test_system_calls_that_fail(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    home = bench.home("ada")
    home.sign_in()
    cases = list(itertools.product(ERRNOS, CALLS, range(scale(4, 16))))
    for name, call, passes in dice.sample(cases, scale(8, len(cases))):
        home.expire()
        directory = str(home.cache)
        words = (str(ERRNOS[name]), call, str(passes), directory, "credential-process", "--profile", home.user)
        done = ended(home.python("-c", FAILING_CALLS, *words), tally)
        tally.count("failing calls")
        judge_answer(done, home, tally)
        # A disk may break between the provider's rotation and its storing, too; then the person is told.
        if not judge_sign_in(home, tally, unavoidable=done.code == 8):
            home.sign_in()
        goes_on(home, tally)
    tally.holds()


@pytest.mark.parametrize("fresh", [False, True], ids=["signed in before", "nothing else stored"])
def test_disks_with_few_free_blocks(bench: FaultWorld, scale: Scale, tally: Tally, fresh: bool) -> None:
    require_namespaces()
    home = bench.home("ada")
    directory = home.cache
    directory.mkdir(mode=0o700)
    with SmallDisk(directory, 64) as disk:
        home.prefix = disk.prefix
        home.seen_from_here = disk.seen_from_here
        home.sign_in()
        for free in range(scale(3, 12)):
            home.expire()
            if fresh:
                for folder in ("documents", "notes"):
                    for path in (disk.seen_from_here / folder).glob("*"):
                        path.unlink()
            with disk.filled(free):
                done = ended(home.ask(), tally)
                tally.count("disks")
                judge_answer(done, home, tally)
            if not judge_sign_in(home, tally):
                home.sign_in()
            goes_on(home, tally)
    tally.holds()


def test_disks_with_a_quota(bench: FaultWorld, scale: Scale, dice: random.Random, tally: Tally) -> None:
    """A quota of btrfs, from what is in use to some files more, step by step."""
    require_quotas()
    home = bench.home("ada")
    directory = home.cache
    directory.mkdir(mode=0o700)
    with QuotaDisk(directory, home.path / "disk") as disk:
        home.prefix = disk.prefix
        home.seen_from_here = disk.seen_from_here
        home.sign_in()
        for step in range(0, 24, 1 if scale.full else 8):
            for _ in range(scale(1, 5)):
                home.expire()
                with disk.limited(16 + 8 * step):
                    done = ended(home.ask(), tally)
                    tally.count("quotas")
                    judge_answer(done, home, tally)
                if not judge_sign_in(home, tally):
                    home.sign_in()
                goes_on(home, tally)
    tally.holds()


def test_disks_that_are_read_only(bench: FaultWorld, scale: Scale, tally: Tally) -> None:
    require_namespaces()
    home = bench.home("ada")
    directory = home.cache
    directory.mkdir(mode=0o700)
    with SmallDisk(directory, 64) as disk:
        home.prefix = disk.prefix
        home.seen_from_here = disk.seen_from_here
        home.sign_in()
        for with_token in [False, True] * scale(1, 10):
            home.expire(token=with_token)
            with disk.read_only():
                done = ended(home.ask(), tally)
                tally.count("disks")
                judge_answer(done, home, tally)
                if with_token and done.code != 8:
                    tally.violation(BAD, f"a renewal on a read-only disk: {done}")
            judge_sign_in(home, tally)
            goes_on(home, tally)
    tally.holds()
