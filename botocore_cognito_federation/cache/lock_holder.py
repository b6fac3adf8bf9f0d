"""Who holds a lock, in words for those who wait for it; whether it is held is never concluded from them."""

from __future__ import annotations

import os
import sys
import time

#: Who holds a lock, where the process that does cannot be named.
UNKNOWN_HOLDER = "Another process"


def lock_holder() -> bytes:
    """Describe this process for those who wait for its lock: PID, start, time, program.

    It is for messages only; whether a lock is held is never concluded from it.
    """
    name = os.path.basename(next(iter(getattr(sys, "argv", ())), ""))  # an embedded Python may have none
    program = "".join(filter(str.isprintable, name))[:60]
    return f"{os.getpid()} {_start_of(os.getpid())} {time.time():.0f} {program or 'python'}".encode(errors="replace")


def holder_words(content: bytes) -> str:
    """Name the process that `lock_holder` described, if it still runs: "Process 12 (app.py; …)"."""
    try:
        pid, start, since, program = content.decode(errors="replace").split(" ", 3)
        if _start_of(int(pid)) != start:
            return UNKNOWN_HOLDER
        held = max(0, round(time.time() - float(since)))
    except (ValueError, OverflowError):
        return UNKNOWN_HOLDER
    program = "".join(filter(str.isprintable, program))[:60]
    return f"Process {pid} ({program}; it took the lock {held} s ago)"


def _start_of(pid: int) -> str:
    """When a process started, in ticks since the machine did (proc(5), field 22); ``-`` where no one tells."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return "gone" if os.path.exists("/proc/self/stat") else "-"
