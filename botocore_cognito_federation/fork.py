"""A thread lock that a forked child finds open: a lock held by another thread at the fork would stay held for ever."""

from __future__ import annotations

import os
import threading


class ForkSafeLock:
    """A mutual exclusion between the threads of one process."""

    def __init__(self) -> None:
        # By process: setdefault gives all threads of a new child the same lock.
        self._locks = {os.getpid(): threading.Lock()}

    def acquire(self, timeout: float) -> bool:
        """Take the lock within `timeout` seconds (0 does not wait); says whether it was taken."""
        return self._own().acquire(timeout=max(timeout, 0)) if timeout > 0 else self._own().acquire(blocking=False)

    def release(self) -> None:
        """Give the lock back; nothing, in a child that was forked while its parent held it."""
        lock = self._locks.get(os.getpid())
        if lock is not None:
            lock.release()

    def _own(self) -> threading.Lock:
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def __enter__(self) -> ForkSafeLock:
        self._own().acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
