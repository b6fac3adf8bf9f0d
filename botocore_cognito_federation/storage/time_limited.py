"""Calls to a keyring with a limit: one that waits to be unlocked waits for a person, who may not be there.

Nothing can end a thread that waits in a library, and no keyring takes a limit of its own. So each call has a thread to
itself, which is left behind when its time is over; it is a daemon, so that no process stays for it. While one is left
behind, nobody asks again: each question might show another prompt, and none would be answered sooner. When it has come
back, because somebody unlocked the keyring, the next call goes through.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds a keyring may take: enough to type a password, and a helper ends within its own 50.
LIMIT = 30.0

#: Windows does not end a wait for Ctrl-C before its time.
_SLICE = 0.25


class NoAnswer(Exception):
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
            raise NoAnswer(self._limit)
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
        raise NoAnswer(self._limit)


def _answer(call: Callable[[], T], answers: queue.SimpleQueue[tuple[T | None, BaseException | None]]) -> None:
    try:
        answers.put((call(), None))
    except BaseException as failure:  # noqa: BLE001 - it is raised where somebody waits for it
        answers.put((None, failure))
