"""Finish what a signal must not split: a refresh token that was sent is lost until its successor is stored.

The work runs in a thread of its own. Python runs signal handlers in the main thread only, so what they raise
(`KeyboardInterrupt` above all) ends the waiting and not the work; it is raised once the work is done. SIGTERM and
SIGHUP end a process without asking Python; while the main thread waits, they are held too.

NOTE: SIGTERM ends a program at once where another thread than the main one does the work and the program has no handler
for it: only the main thread may set one. `hold_signals` does so for the processes that are our own.
"""

from __future__ import annotations

import contextvars
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Generic, TypeVar

from ..errors import TemporaryError
from .concurrency import short_waits

T = TypeVar("T")

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
#: What ends a process, as far as this platform has it.
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
#: Seconds a signal is held at most: those of one request, and some to store what it brings.
_LONGEST = 40.0
#: Short waits: on Windows Ctrl-C is only seen between them.
_PAUSE = 0.25

_under_way: set[_Work[object]] = set()


class _Work(Generic[T]):
    """A function and its outcome, in a thread that the end of the interpreter waits for."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._outcome: tuple[T] | None = None
        self._failure: BaseException | None = None
        self._begun = False
        self._done = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="cognito-federation uninterrupted", daemon=False
        )

    def _run(self) -> None:
        try:
            self._outcome = (self._function(),)
        except BaseException as failure:  # noqa: BLE001 - raised where the outcome is asked for
            self._failure = failure
        finally:
            self._done.set()

    def finish(self) -> None:
        """Do the work once, and return when it is done."""
        if not self._begun:
            self._begun = True
            try:
                self._thread.start()
            except RuntimeError:  # at the end of the interpreter no thread starts any more
                self._run()
        while not self._done.wait(_PAUSE) and self._thread.is_alive():
            """A child that a signal handler forks has no such thread."""

    def wait(self, seconds: float) -> None:
        """Wait for work that another thread began, so long at most."""
        for pause in short_waits(seconds):
            if self._done.wait(pause):
                break

    def result(self) -> T:
        """The outcome.

        Raises:
            BaseException: what the function raised.
            TemporaryError: this process was forked meanwhile, and the work is its parent's.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self._outcome is None:
            raise TemporaryError("The process that this one was forked from renews these credentials")
        return self._outcome[0]


def uninterrupted(function: Callable[[], T]) -> T:
    """Call a function that runs to its end whatever signals come, and act on the signals then.

    Args:
        function: has time limits of its own. It is called in another thread, with the caller's context variables.

    Raises:
        BaseException: what the function raises, or what a signal handler raised meanwhile.
    """
    work = _Work(function)
    interruption: BaseException | None = None
    _under_way.add(work)  # type: ignore[arg-type]  # only waited for
    try:
        with _signals_held():
            while True:
                try:
                    work.finish()
                    break
                except BaseException as raised:  # noqa: BLE001 - raised again below
                    interruption = raised
    finally:
        _under_way.discard(work)
    if interruption is not None:
        raise interruption
    return work.result()


def wait_for_work(seconds: float = _LONGEST) -> None:
    """Wait until no work of `uninterrupted` is under way in any thread, before the process is ended.

    Args:
        seconds: the longest time to wait for each.
    """
    for work in tuple(_under_way):
        work.wait(seconds)


def hold_signals() -> None:
    """Let this whole process end by a signal only when no work of `uninterrupted` is under way, in any thread.

    For processes that are our own: a program's handlers are its own affair. To be called in the main thread.
    """
    for number in _SIGNALS:
        before = signal.getsignal(number)
        if before in _DEFAULTS:
            signal.signal(number, _Ending(before))


_Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class _Ending:
    """A signal handler that ends the process as the one before it does, once no work is under way.

    Args:
        before: the handler it stands in for.
        act: called right before the end.
    """

    def __init__(self, before: _Handler, act: Callable[[], None] | None = None) -> None:
        self.before = before
        self._act = act

    def __call__(self, number: int, frame: FrameType | None) -> None:
        wait_for_work()
        if self._act is not None:
            self._act()
        signal.signal(number, self.before)
        signal.raise_signal(number)


def _ends_at_once(handler: object) -> bool:
    """Whether a handler ends the process without raising anything that the program could catch."""
    return handler == signal.SIG_DFL or (isinstance(handler, _Ending) and handler.before == signal.SIG_DFL)


@contextmanager
def calling_before_the_end(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` before a signal ends this process, where it would do so without a word to Python.

    Signals that a program handles or ignores are left alone, and so is a process that comes here in another thread
    than its main one. Ctrl-C raises KeyboardInterrupt, which the caller's own cleaning up sees.
    """
    handlers: dict[int, _Ending] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            before: _Handler = signal.getsignal(number)
            if _ends_at_once(before):
                handlers[number] = _Ending(before, act)
                signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number, handler in handlers.items():
            before = handler.before
            if signal.getsignal(number) is handler:
                signal.signal(number, before)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Delay the signals that would end this process; handlers that a program has set run as usual."""
    came: list[int] = []
    before: dict[int, _Handler] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if handler in _DEFAULTS:
                    with suppress(ValueError):  # not the main interpreter
                        before[number] = handler
                        signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError):
                signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
