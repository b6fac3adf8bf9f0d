"""Stops a child process at a point: it is killed, it waits, or a system call fails."""

from __future__ import annotations

import os
from pathlib import Path

_HOOKS = Path(__file__).with_name("hooks")
_ROOT = Path(__file__).resolve().parents[1]

#: All points. ``name@N`` is the Nth time; ``sessions.replaced`` is the end of a write of that kind.
POINTS = frozenset(
    {
        "lock.taken",
        "token.obtained",
        "exchange.done",
        "credentials.stored",
        "write.begun",
        "write.written",
        "write.replaced",
        "sessions.replaced",
    }
)


def stop(point: str, action: str) -> dict[str, str]:
    """Return the variables of a child that has to stop.

    Args:
        point: one of `POINTS`, with or without ``@N``.
        action: ``kill`` (SIGKILL to itself), ``hold=PATH`` (wait until PATH exists), or the name of an errno, such as
            ``ENOSPC``, with which the system call fails from then on.
    """
    assert point.partition("@")[0] in POINTS, point
    return {"PYTHONPATH": f"{_HOOKS}{os.pathsep}{_ROOT}", "TESTS_STOP_AT": f"{point}:{action}"}
