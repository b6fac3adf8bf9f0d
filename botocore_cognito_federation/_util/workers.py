"""Threads for the blocking work of programs on asyncio.

Not `asyncio.to_thread`: its few threads may all be waiting for what another of them does, and `asyncio.run` waits for
them at its end, up to the time limit of a refresh handler that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import ConfigurationError
from .concurrency import ForkSafeLock

T = TypeVar("T")

#: Threads at once. More make a crowd quicker, and the event loop waits longer for its turn among them.
_MOST = 48
#: Seconds after which a thread without work ends.
_IDLE = 5.0


class Workers:
    """Threads that start when there is work for them and end when there has been none for a while.

    Args:
        most: how many there are at once; further work waits for its turn.
        idle: seconds after which a thread without work ends.
    """

    def __init__(self, most: int = _MOST, idle: float = _IDLE) -> None:
        self._most, self._idle = most, idle
        self._turns = ForkSafeLock()
        self.forget()

    def forget(self) -> None:
        """Forget the threads, which a forked process does not have."""
        self._process = os.getpid()
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = self._unfinished = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Have something done in a thread; it must not raise."""
        with self._turns:
            if self._process != os.getpid():  # a fork in C, which calls no hook
                self.forget()
            self._waiting.put(work)
            self._unfinished += 1
            if self._threads >= min(self._unfinished, self._most):
                return
            self._threads += 1
        threading.Thread(target=self._run, name="cognito-federation worker", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                work = self._waiting.get(timeout=self._idle)
            except queue.Empty:
                with self._turns:
                    if self._waiting.empty():
                        self._threads -= 1
                        return
                continue
            work()
            del work  # It refers to the caller's objects.
            with self._turns:
                self._unfinished -= 1


_workers = Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.forget)


async def in_thread(function: Callable[[], T]) -> T:
    """Call `function` in a thread with the caller's context variables, and return its result.

    Cancelling the task that waits for it does not stop it: a new refresh token is stored in any case.

    Raises:
        ConfigurationError: the event loop is not asyncio's.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "In process, only asyncio is supported",
            remedy="Under trio, use credential_process in the profile",
        ) from None
    answer: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def publish(value: T | None, failure: BaseException | None) -> None:
        if answer.cancelled():
            return
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(value)  # type: ignore[arg-type]  # T itself may be Optional

    def work() -> None:
        value, failure = None, None
        try:
            value = context.run(function)
        except BaseException as error:  # noqa: BLE001 - raised in the task that awaits it
            failure = error
        with contextlib.suppress(RuntimeError):  # The loop has been closed meanwhile.
            loop.call_soon_threadsafe(publish, value, failure)

    _workers.submit(work)
    return await answer
