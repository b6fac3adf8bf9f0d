"""Calls with a time limit: they are made in threads, because nothing can end a call that waits in a library.

A thread that has made its call waits a moment for the next one, because starting a thread is a good part of what a
request costs. It does not wait for long: Python warns a program that forks while it has threads.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Seconds a keyring may take: enough to type a password, and a helper ends within its own 50.
LIMIT = 30.0

#: Windows does not end a wait for Ctrl-C before its time.
_SLICE = 0.25

#: Seconds after which a thread without a call ends.
_IDLE = 0.05


def short_waits(limit: float, monotonic: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """Yield the seconds of short waits, until `limit` seconds have been waited in all.

    While a process is stopped or its machine sleeps it does not wait: what it waits for may have come in the meantime.
    So the next wait follows, whatever the clock says.

    Args:
        limit: seconds.
        monotonic: a clock in seconds.
    """
    left = limit
    while left > 0:
        began = monotonic()
        yield min(left, _SLICE)
        left -= min(monotonic() - began, 4 * _SLICE)


class TimedCall(Generic[T]):
    """A call that a thread makes and for which another waits.

    Attributes:
        name: what the thread is called meanwhile.
    """

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self.name = name
        self._call = call
        self._context = contextvars.copy_context()
        self._process = os.getpid()
        self._under_way = threading.Lock()
        self._under_way.acquire()
        self._result: T | None = None
        self._failure: BaseException | None = None

    def is_running(self) -> bool:
        """Whether it has neither returned nor raised; in a child, nobody makes the calls of its parent."""
        return self._under_way.locked() and self._process == os.getpid()

    def make(self) -> None:
        """Make the call, in the context variables of the thread that waits."""
        try:
            self._result = self._context.run(self._call)
        except BaseException as failure:  # noqa: BLE001 - raised in the waiting thread
            self._failure = failure

    def end(self) -> None:
        """Let the waiting thread go on."""
        self._under_way.release()

    def outcome(self, limit: float, monotonic: Callable[[], float] = time.monotonic) -> T:
        """What the call returned or raised, at most `limit` seconds later.

        Raises:
            DeadlineExceeded: it has done neither in time.
        """
        for pause in short_waits(limit, monotonic):
            if self._under_way.acquire(timeout=pause):
                self._under_way.release()
                break
        else:
            raise DeadlineExceeded(self)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return self._result  # type: ignore[return-value]  # what the call returned


class DeadlineExceeded(Exception):
    """The call has not ended in time.

    Attributes:
        call: the call, which a thread still makes, and whose result nobody will get.
    """

    def __init__(self, call: TimedCall[Any]) -> None:
        super().__init__(f"{call.name} did not end in time")
        self.call = call


class _Thread:
    """A thread that makes one call after another."""

    def __init__(self) -> None:
        self._has_a_call = threading.Lock()
        self._has_a_call.acquire()
        self._next: TimedCall[Any] | None = None

    def give(self, call: TimedCall[Any]) -> None:
        self._next = call
        self._has_a_call.release()

    def start(self, call: TimedCall[Any]) -> None:
        self.give(call)
        threading.Thread(target=self._run, name=call.name, daemon=True).start()  # It keeps no process alive.

    def _run(self) -> None:
        me = threading.current_thread()
        while self._has_a_call.acquire(timeout=_IDLE) or self._is_needed():
            call, self._next = self._next, None
            if call is None:
                continue
            me.name = call.name
            call.make()
            _idle.append(self)  # Before the other thread goes on: its next call finds this thread.
            call.end()
            del call  # It refers to the caller's objects.

    def _is_needed(self) -> bool:
        """Whether somebody has taken this thread from those without a call, and is about to give it one."""
        try:
            _idle.remove(self)
        except ValueError:
            return True
        return False


#: Threads without a call; the last one is taken first, so that the others may end.
_idle: list[_Thread] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # A child has none of them.


def _begun(call: Callable[[], T], name: str) -> TimedCall[T]:
    timed = TimedCall(call, name)
    try:
        _idle.pop().give(timed)
    except IndexError:
        _Thread().start(timed)
    return timed


def call_within(
    limit: float, call: Callable[[], T], *, name: str, monotonic: Callable[[], float] = time.monotonic
) -> T:
    """Call a function in another thread and wait for it, at most `limit` seconds.

    A thread whose time is over is left behind with its call. The function runs in a copy of the caller's context
    variables.

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
    return _begun(call, name).outcome(limit, monotonic)


class BackendTimeoutError(Exception):
    """The keyring has not answered in time.

    Attributes:
        limit: the time, in seconds.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(f"no answer within {limit:g} seconds")
        self.limit = limit


class TimeLimit:
    """Makes calls with one time limit, and none while an earlier one still waits.

    Args:
        limit: seconds a call may take.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._left_behind: TimedCall[Any] | None = None

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises.

        Raises:
            BackendTimeoutError: it has done neither in time, or an earlier call still waits.
        """
        if self._left_behind is not None and self._left_behind.is_running():
            raise BackendTimeoutError(self._limit)
        timed = _begun(call, "cognito-federation-keyring")
        try:
            return timed.outcome(self._limit)
        except DeadlineExceeded:
            raise BackendTimeoutError(self._limit) from None
        finally:
            if timed.is_running():  # also after Ctrl-C
                self._left_behind = timed
