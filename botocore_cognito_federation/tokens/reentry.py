"""What is being renewed on whose behalf: so that code we call cannot wait for the renewal that waits for it.

A refresh handler is other people's code. When it asks for the very credentials it was called for, through whatever
object, from its own thread, a task, or a thread it starts, both would wait for each other. Tasks and
`asyncio.to_thread` inherit context variables; threads do not, so threads started by a handler are marked when they
start.
"""

from __future__ import annotations

import contextvars
import functools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import TokenRefreshError

T = TypeVar("T")


@dataclass(eq=False)
class _Renewal:
    marker: Hashable
    ended: threading.Event = field(default_factory=threading.Event)


_renewals: contextvars.ContextVar[tuple[_Renewal, ...]] = contextvars.ContextVar("renewals", default=())
_started_by: weakref.WeakKeyDictionary[threading.Thread, tuple[_Renewal, ...]] = weakref.WeakKeyDictionary()
_watching = threading.Lock()


@contextmanager
def renewing(marker: Hashable) -> Iterator[None]:
    """While the block runs, `is_renewing(marker)` holds for it and for all that it calls, awaits or starts."""
    renewal = _Renewal(marker)
    outer = _renewals.set((*_renewals.get(), renewal))
    try:
        yield
    finally:
        renewal.ended.set()
        _renewals.reset(outer)


def is_renewing(marker: Hashable) -> bool:
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
    if is_renewing(marker):
        raise TokenRefreshError(
            f"{what} asks for the very credentials that it was called for",
            remedy="Let it use another profile, or none, to get its token",
        )


def run_marked(function: Callable[[], T]) -> T:
    """Call `function`; threads that it starts belong to the renewals around it as it does itself."""
    _watch_thread_starts()
    return function()


def _current() -> tuple[_Renewal, ...]:
    mine = (*_renewals.get(), *_started_by.get(threading.current_thread(), ()))
    return tuple(renewal for renewal in mine if not renewal.ended.is_set())


def _watch_thread_starts() -> None:
    """Let `threading.Thread.start` note on whose behalf a thread is started; once, with the first handler.

    NOTE: nothing else tells who started a thread: before Python 3.12 no audit event is raised, a profile function
    slows all that a handler does, and context variables are inherited by threads only from 3.14 on, and not by
    default. The wrapper stays, because taking it out would undo what other tools put around it meanwhile.
    """
    with _watching:
        start = threading.Thread.start
        if getattr(start, "_notes_renewals", False):
            return

        @functools.wraps(start)
        def noting_start(self: threading.Thread) -> None:
            if current := _current():
                _started_by[self] = current
            start(self)

        noting_start._notes_renewals = True  # type: ignore[attr-defined]  # how the second call finds the first
        threading.Thread.start = noting_start  # type: ignore[method-assign]  # see above
