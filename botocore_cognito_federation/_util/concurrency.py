"""Threads and forks: what another thread holds at the fork would stay held in the child for ever.

A lock of ours is one that the child finds open. The locks of Python's imports are not ours: a module that another
thread was importing can never be imported in the child, so a fork waits a moment for the first renewal, which imports.
"""

from __future__ import annotations

import contextvars
import os
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..errors import TokenRefreshError


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


class ForkGuard:
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


@dataclass(eq=False)
class _Refresh:
    marker: Hashable
    ended: threading.Event = field(default_factory=threading.Event)


_renewals: contextvars.ContextVar[tuple[_Refresh, ...]] = contextvars.ContextVar("renewals", default=())


@contextmanager
def refreshing(marker: Hashable) -> Iterator[None]:
    """While the block runs, `is_refreshing(marker)` holds for it and for all that it calls, awaits or starts."""
    renewal = _Refresh(marker)
    outer = _renewals.set((*_renewals.get(), renewal))
    try:
        yield
    finally:
        renewal.ended.set()
        _renewals.reset(outer)


def is_refreshing(marker: Hashable) -> bool:
    """Whether whoever asks was called, directly or not, by the renewal of `marker` and that has not ended."""
    return any(renewal.marker == marker for renewal in _current())


def refuse_reentry(marker: Hashable, what: str) -> None:
    """Stop before waiting for a renewal that waits for us.

    Args:
        marker: what is about to be renewed or waited for.
        what: its name, for the message.

    Raises:
        TokenRefreshError: the caller is part of that renewal.
    """
    if is_refreshing(marker):
        raise asks_for_itself(what)


def asks_for_itself(what: str) -> TokenRefreshError:
    """The error for what cannot get its answer, because it waits for itself."""
    return TokenRefreshError(
        f"{what} asks for the very credentials that it was called for",
        remedy="Let it use another profile, or none, to get its token",
    )


def _current() -> tuple[_Refresh, ...]:
    return tuple(renewal for renewal in _renewals.get() if not renewal.ended.is_set())


T = TypeVar("T")

#: Seconds a keyring may take: enough to type a password, and a helper ends within its own 50.
LIMIT = 30.0

#: Windows does not end a wait for Ctrl-C before its time.
_SLICE = 0.25


class BackendTimeoutError(Exception):
    """The keyring has not answered in time.

    Attributes:
        limit: the time, in seconds.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(f"no answer within {limit:g} seconds")
        self.limit = limit


class TimeLimit:
    """Makes calls, one thread each.

    Args:
        limit: seconds a call may take.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._left_behind: threading.Thread | None = None

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises.

        Raises:
            NoAnswer: it has done neither in time, or an earlier call still waits.
        """
        if self._left_behind is not None and self._left_behind.is_alive():
            raise BackendTimeoutError(self._limit)
        answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
        thread = threading.Thread(target=_answer, args=(call, answers), name="cognito-federation-keyring", daemon=True)
        thread.start()
        try:
            result, failure = self._wait(answers)
        except BaseException:
            self._left_behind = thread
            raise
        if failure is not None:
            raise failure
        return result  # type: ignore[return-value]  # what `call` returned

    def _wait(
        self, answers: queue.SimpleQueue[tuple[T | None, BaseException | None]]
    ) -> tuple[T | None, BaseException | None]:
        deadline = time.monotonic() + self._limit
        while (left := deadline - time.monotonic()) > 0:
            try:
                return answers.get(timeout=min(left, _SLICE))
            except queue.Empty:
                continue
        raise BackendTimeoutError(self._limit)


def _answer(call: Callable[[], T], answers: queue.SimpleQueue[tuple[T | None, BaseException | None]]) -> None:
    try:
        answers.put((call(), None))
    except BaseException as failure:  # noqa: BLE001 - it is raised where somebody waits for it
        answers.put((None, failure))


class DeadlineExceeded(Exception):
    """The call has not ended in time.

    Attributes:
        worker: the thread that still makes the call, and whose result nobody will get.
    """

    def __init__(self, worker: threading.Thread) -> None:
        super().__init__(f"{worker.name} did not end in time")
        self.worker = worker


class _Outcome(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self.done = False
        self.result: T | None = None
        self.failure: BaseException | None = None

    def settle(self) -> None:
        try:
            self.result = self._call()
        except BaseException as failure:  # noqa: BLE001 - raised in the waiting thread
            self.failure = failure
        self.done = True


def call_within(
    limit: float, call: Callable[[], T], *, name: str, monotonic: Callable[[], float] = time.monotonic
) -> T:
    """Call a function in a thread of its own and wait for it, at most `limit` seconds.

    Nothing can end a thread that waits in a library. One whose time is over is left behind; it is a daemon, so that it
    keeps no process alive. It runs in a copy of the caller's context variables.

    Args:
        limit: seconds.
        name: of the thread.
        monotonic: a clock in seconds.

    Returns:
        What `call` returned.

    Raises:
        DeadlineExceeded: it has not returned in time.
        BaseException: whatever `call` raised.
    """
    outcome = _Outcome(call)
    context = contextvars.copy_context()
    worker = threading.Thread(target=context.run, args=(outcome.settle,), name=name, daemon=True)
    deadline = monotonic() + limit
    worker.start()
    while worker.is_alive() and (left := deadline - monotonic()) > 0:
        worker.join(min(left, _SLICE))
    if not outcome.done:
        raise DeadlineExceeded(worker)
    if outcome.failure is not None:
        raise outcome.failure
    return outcome.result  # type: ignore[return-value]  # what `call` returned
