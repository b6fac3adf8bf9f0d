"""A thread lock that a forked child finds open: a lock held by another thread at the fork would stay held for ever."""

from __future__ import annotations

import os
import threading


class ForkSafeLock:
    """A mutual exclusion between the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()

    def acquire(self, timeout: float) -> bool:
        """Take the lock within `timeout` seconds (0 does not wait); says whether it was taken."""
        return self._own().acquire(timeout=max(timeout, 0)) if timeout > 0 else self._own().acquire(blocking=False)

    def release(self) -> None:
        """Give the lock back; nothing, in a child that was forked while its parent held it."""
        if os.getpid() == self._process:
            self._lock.release()

    def _own(self) -> threading.Lock:
        process = os.getpid()
        if process != self._process:
            self._lock, self._process = threading.Lock(), process
        return self._lock
