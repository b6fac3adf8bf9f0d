"""Rows about 64 processes at once, with nothing cached and with an answer ready."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time

from .laboratory import Laboratory
from .measuring import Unmeasurable
from .rows import Row

_PROCESSES, _REPEATS = 64, 5
_OVERHEAD = 1.15


def rows(laboratory: Laboratory) -> list[Row]:
    """Cold burst over (one cold call + 1.15 warm bursts), and how often the world was asked."""
    shares, asked = [], {"GetId": 0, "GetCredentialsForIdentity": 0}
    for _ in range(_REPEATS):
        _forget(laboratory)
        one = _seconds(laboratory, 1)
        warm = _seconds(laboratory, _PROCESSES)
        _forget(laboratory)
        laboratory.world.reset_journal()
        cold = _seconds(laboratory, _PROCESSES)
        shares.append(cold / (one + _OVERHEAD * warm))
        for operation in asked:
            asked[operation] = max(asked[operation], len(laboratory.world.calls(operation)))
    low, median, high = statistics.quantiles(shares, n=4, method="inclusive")
    what = f"{_PROCESSES} processes cold at once"
    share = Row(what, f"wall x (one cold + {_OVERHEAD} warm bursts)", median, 1.0, spread=(low, high))
    return [share, *(Row(what, f"calls of {operation}", count, 1) for operation, count in asked.items())]


def _forget(laboratory: Laboratory) -> None:
    shutil.rmtree(laboratory.cache, ignore_errors=True)


def _seconds(laboratory: Laboratory, processes: int) -> float:
    start = time.perf_counter()
    running = [
        subprocess.Popen(laboratory.helper, env=laboratory.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(processes)
    ]
    outputs = [process.communicate() for process in running]
    seconds = time.perf_counter() - start
    answers = {output for output, _ in outputs}
    if len(answers) != 1 or any(process.returncode for process in running):
        errors = b" ".join({error for _, error in outputs})
        raise Unmeasurable(f"{processes} processes did not get one answer: {errors[:300]!r}")
    return seconds
