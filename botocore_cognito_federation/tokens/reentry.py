"""What is being renewed on whose behalf: so that code we call cannot wait for the renewal that waits for it.

A refresh handler is other people's code. When it asks for the very credentials it was called for, through whatever
object, from its own thread or a task, both would wait for each other. Tasks and `asyncio.to_thread` inherit context
variables, and so are stopped at once; a bare thread that a handler starts does not, and meets the time limits of the
locks instead.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import TokenRefreshError


@dataclass(eq=False)
class _Renewal:
    marker: Hashable
    ended: threading.Event = field(default_factory=threading.Event)


_renewals: contextvars.ContextVar[tuple[_Renewal, ...]] = contextvars.ContextVar("renewals", default=())


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
        raise asks_for_itself(what)


def asks_for_itself(what: str) -> TokenRefreshError:
    """The error for what cannot get its answer, because it waits for itself."""
    return TokenRefreshError(
        f"{what} asks for the very credentials that it was called for",
        remedy="Let it use another profile, or none, to get its token",
    )


def _current() -> tuple[_Renewal, ...]:
    return tuple(renewal for renewal in _renewals.get() if not renewal.ended.is_set())
