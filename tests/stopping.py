"""Stopping a child process at a point of its way: killed, held, or with a system call that fails."""

from __future__ import annotations

import os
from pathlib import Path

_HOOKS = Path(__file__).with_name("hooks")
_ROOT = Path(__file__).resolve().parents[1]

#: Every point there is. ``name@N`` is the Nth time; ``sessions.replaced`` is a write of that kind that is done.
POINTS = frozenset(
    {
        "lock.taken",
        "token.obtained",
        "exchange.done",
        "credentials.kept",
        "write.begun",
        "write.written",
        "write.replaced",
        "sessions.replaced",
    }
)


def stop(point: str, action: str) -> dict[str, str]:
    """The variables of a child that is to stop.

    Args:
        point: one of `POINTS`, with or without ``@N``.
        action: ``kill`` (SIGKILL to itself), ``hold=PATH`` (wait until PATH exists), or the name of an errno, such as
            ``ENOSPC``, that the system call fails with from then on.
    """
    assert point.partition("@")[0] in POINTS, point
    return {"PYTHONPATH": f"{_HOOKS}{os.pathsep}{_ROOT}", "TESTS_STOP_AT": f"{point}:{action}"}
