"""One line a person types or pastes, with a time limit and however long it is.

A terminal in its usual mode cuts a pasted line at 4,095 characters on Linux and 1,023 on macOS (MAX_CANON, POSIX
General Terminal Interface), and the redirects of some providers are longer. So the line mode is off meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_MOST = 100_000
_ERASE = (b"\x7f", b"\x08")


def typed_line(descriptor: int, timeout: float) -> str:
    """A line from a terminal or a pipe; empty at the end of the input, or when the time is over.

    Args:
        timeout: seconds.
    """
    if sys.platform == "win32":
        return _line_by_thread(timeout)
    with _without_line_mode(descriptor):
        return _line(descriptor, time.monotonic() + timeout)


def _line(descriptor: int, deadline: float) -> str:
    line = bytearray()
    while len(line) < _MOST and (left := deadline - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        # A byte at a time: what follows the line belongs to whoever reads next.
        byte = os.read(descriptor, 1)
        if byte in (b"", b"\x04"):
            break
        if byte in (b"\n", b"\r"):
            if line.strip():
                return line.decode("utf-8", "replace")
            line.clear()
            continue
        if byte in _ERASE:
            del line[-1:]
        else:
            line += byte
    else:
        return ""
    return line.decode("utf-8", "replace") if line.strip() else ""


@contextmanager
def _without_line_mode(descriptor: int) -> Iterator[None]:
    if not os.isatty(descriptor):
        yield
        return
    import termios

    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~termios.ICANON  # Ctrl-C still interrupts, and what is typed is still shown
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _line_by_thread(timeout: float) -> str:
    """Windows cannot wait for a console with a limit; the thread that does ends with the process."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(sys.stdin.readline()), daemon=True).start()
    try:
        return lines.get(timeout=timeout).strip()
    except queue.Empty:
        return ""
