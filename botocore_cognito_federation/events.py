"""What an application may be told: sign-ins, renewals and their failures. Never a secret."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import CognitoFederationError, reworded

logger = logging.getLogger(__name__)

NAMES = frozenset(
    {
        "sign-in",
        "sign-in-failure",
        "sign-out",
        "token-refresh",
        "token-refresh-failure",
        "credentials-refresh",
        "credentials-refresh-failure",
        "identity-changed",
    }
)


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        name: one of `NAMES`.
        provider: the provider's name or Logins key, if known.
        identity_id: the identity concerned, if known.
        user: what the application said about the user, or the claims that name one.
        expires_at: when what was renewed expires, seconds since the epoch.
        error: what went wrong, for the failures.
        previous_identity_id: of ``identity-changed``, the identity before; what is kept under it has to be moved.
    """

    name: str
    provider: str | None = None
    identity_id: str | None = None
    user: Mapping[str, Any] = field(default_factory=dict)
    expires_at: float | None = None
    error: Exception | None = None
    previous_identity_id: str | None = None


Callback = Callable[[Event], object]


class Events:
    """Hands events to whoever subscribed.

    Those of a renewal are told once it is over (`held`): a listener may then ask the federation for credentials, or
    sign in again, and one that takes its time holds no lock that others wait for.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, list[_Once]] = {name: [] for name in NAMES}
        self._here = _OfThisThread()

    def on(self, name: str, callback: Callback) -> Callable[[], None]:
        """Subscribe to the events of a name.

        Returns:
            A function that ends the subscription; calling it again does nothing.

        Raises:
            ValueError: there is no such event.
            TypeError: the callback cannot be called.
        """
        if name not in NAMES:
            raise ValueError(f"there is no event {name!r}; the names are {', '.join(sorted(NAMES))}")
        if not callable(callback):
            raise TypeError(f"the callback of {name} is a {type(callback).__name__}, which cannot be called")
        entry = _Once(callback)
        self._callbacks[name].append(entry)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._callbacks[name].remove(entry)

        return unsubscribe

    @contextmanager
    def held(self) -> Iterator[None]:
        """What this thread emits in the block is told after it, in order."""
        if self._here.waiting is not None:
            yield
            return
        waiting = self._here.waiting = deque()
        try:
            yield
        finally:
            self._here.waiting = None
            for event in waiting:
                self.emit(event)

    def emit(self, event: Event) -> None:
        """Tell every subscriber; what a subscriber raises is logged and stops nothing.

        An error is told by its words: the frames of the one that is on its way still hold what was handed to them.

        Listeners are not told of what one of them causes under the same name: asking again after a failure would
        otherwise never end.
        """
        if isinstance(event.error, CognitoFederationError) and event.error.__traceback__ is not None:
            event = replace(event, error=reworded(event.error))
        if self._here.waiting is not None:
            self._here.waiting.append(event)
        elif event.name not in self._here.told:
            self._here.told.add(event.name)
            try:
                self._tell(event)
            finally:
                self._here.told.discard(event.name)

    def _tell(self, event: Event) -> None:
        for callback in tuple(self._callbacks[event.name]):
            try:
                callback(event)
            except Exception:  # an application's listener must not stop a renewal
                logger.exception("A listener of the event %r failed", event.name)


class _OfThisThread(threading.local):
    """What one thread is about to tell, and the names of the events it is telling."""

    def __init__(self) -> None:
        self.waiting: deque[Event] | None = None
        self.told: set[str] = set()


class _Once:
    """One subscription; the same function may be subscribed twice."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    def __call__(self, event: Event) -> object:
        return self._callback(event)
