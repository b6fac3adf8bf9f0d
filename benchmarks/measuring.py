"""How a whole process is measured: alternating runs, callgrind, peak memory, imports."""

from __future__ import annotations

import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Command = Sequence[str]

# In a child as small as what it measures: Linux counts a parent's memory to what it starts, up to the exec.
_PEAK = """
import os, sys
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(status, usage.ru_maxrss)
"""


class Unmeasurable(Exception):
    """A command did not run as it should; its figure would mean nothing."""


@dataclass(frozen=True)
class Spread:
    """A median with the quarters of its runs on both sides."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, low, high)


@dataclass(frozen=True)
class Ratio:
    """What a command costs over what the reference costs. On a busy machine only `cpu` means something."""

    wall: Spread
    cpu: Spread


@dataclass(frozen=True)
class _Cost:
    wall: float
    cpu: float


def ratios_to(
    reference: Command,
    commands: Mapping[str, Command],
    environment: Mapping[str, str],
    rounds: int,
    before: Callable[[], None] = lambda: None,
) -> dict[str, Ratio]:
    """Seconds of each command over those of the reference, paired within a round.

    Args:
        before: called before each round.

    Raises:
        Unmeasurable: a command fails.
    """
    names: list[str | None] = [None, *commands]
    command_of: dict[str | None, Command] = {None: reference}
    command_of.update(commands)
    for command in command_of.values():
        _cost(command, environment)  # files in the page cache, byte code written
    found: dict[str, list[_Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        before()
        random.shuffle(names)
        costs = {name: _cost(command_of[name], environment) for name in names}
        floor = costs[None]
        for name, ratios in found.items():
            ratios.append(_Cost(costs[name].wall / floor.wall, costs[name].cpu / floor.cpu))
    return {
        name: Ratio(Spread.of([at.wall for at in ratios]), Spread.of([at.cpu for at in ratios]))
        for name, ratios in found.items()
    }


def _cost(command: Command, environment: Mapping[str, str]) -> _Cost:
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], list(command), dict(environment), file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if status:
        raise Unmeasurable(f"{' '.join(command)} ended with status {status}")
    return _Cost(seconds, usage.ru_utime + usage.ru_stime)


def can_count() -> bool:
    return shutil.which("valgrind") is not None


def instructions(command: Command, environment: Mapping[str, str]) -> int:
    """Instructions of the process as callgrind counts them; the same to about 0.1 % each time.

    Raises:
        Unmeasurable: valgrind or the command fails.
    """
    with tempfile.NamedTemporaryFile() as out:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}"]
        found = subprocess.run(
            [*valgrind, *command],
            env={**environment, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    counted = re.search(r"Collected : (\d+)", found.stderr)
    if found.returncode or not counted:
        raise Unmeasurable(f"callgrind of {' '.join(command)}: {found.stderr[-300:]}")
    return int(counted[1])


def peak_mib(python: str, command: Command, environment: Mapping[str, str]) -> float:
    """Peak resident memory, the median of three runs; `python` starts the small parent."""
    peaks = []
    for _ in range(3):
        told = subprocess.run(
            [python, "-I", "-S", "-c", _PEAK, *command], env=dict(environment), capture_output=True, text=True
        )
        status, kib = map(int, told.stdout.split())
        if status:
            raise Unmeasurable(f"{' '.join(command)} ended with status {status}")
        peaks.append(kib / 1024)
    return statistics.median(peaks)


def imports(command: Command, environment: Mapping[str, str]) -> list[str]:
    """The modules that the process imports, sorted. `command` starts with the interpreter."""
    python, *rest = command
    told = subprocess.run(
        [python, "-X", "importtime", *rest], env=dict(environment), capture_output=True, text=True, timeout=120
    )
    if told.returncode:
        raise Unmeasurable(f"{' '.join(command)} ended with {told.returncode}")
    return sorted(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", told.stderr, re.MULTILINE))
