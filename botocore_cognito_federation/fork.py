"""Threads and forks: what another thread holds at the fork would stay held in the child for ever.

A lock of ours is one that the child finds open. The locks of Python's imports are not ours: a module that another
thread was importing can never be imported in the child, so a fork waits a moment for the first renewal, which imports.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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


#: Seconds a fork waits for imports under way; those of a renewal take a fraction of one, and its network calls follow.
_PATIENCE_OF_A_FORK = 1.0


class ImportGate:
    """Keeps forks out for a moment while threads do something for the first time, and import what it needs."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside: set[int] = set()
        self._done = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._wait, after_in_parent=self._go_on, after_in_child=self._open_anew)

    @contextmanager
    def first_time(self) -> Iterator[None]:
        """Be inside, unless what is done there has been done in this process before."""
        me = threading.get_ident()
        if self._done or me in self._inside:  # a refresh handler may ask another federation
            yield
            return
        with self._turn:
            self._inside.add(me)
        try:
            yield
            self._done = True
        finally:
            turn = self._turn  # another one in a child that a signal handler forks here
            with turn:
                self._inside.discard(me)
                turn.notify_all()

    def _wait(self) -> None:
        me = {threading.get_ident()}
        self._turn.acquire()
        self._turn.wait_for(lambda: self._inside <= me, timeout=_PATIENCE_OF_A_FORK)

    def _go_on(self) -> None:
        self._turn.release()

    def _open_anew(self) -> None:
        self._turn, self._inside = threading.Condition(), set()
