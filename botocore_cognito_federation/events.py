"""Events for applications: sign-ins, renewals and their failures. Never a secret."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from .errors import CognitoFederationError, ConfigurationError, reworded

logger = logging.getLogger(__name__)

EventName = Literal[
    "sign-in",
    "sign-in-failure",
    "sign-out",
    "token-refresh",
    "token-refresh-failure",
    "credentials-refresh",
    "credentials-refresh-failure",
    "identity-changed",
]
NAMES: tuple[EventName, ...] = get_args(EventName)


@dataclass(frozen=True)
class Event:
    """An event that an application may handle.

    Attributes:
        name: one of `NAMES`.
        provider: the provider's name or Logins key, if it is known.
        identity_id: the identity concerned, if it is known.
        user: the user information that the application gave, or the claims that name the user.
        expires_at: when the new credentials or the new token expire, seconds since the epoch.
        error: the failure, for events that report one.
        previous_identity_id: of ``identity-changed``, the identity before; data stored under it has to be moved.
    """

    name: EventName
    provider: str | None = None
    identity_id: str | None = None
    user: Mapping[str, Any] = field(default_factory=dict)
    expires_at: float | None = None
    error: Exception | None = None
    previous_identity_id: str | None = None


Callback = Callable[[Event], object]


class Events:
    """Passes events to subscribers.

    The events of a renewal are emitted after it (`held`): a listener may then ask the federation for credentials or
    sign in again, and a slow listener holds no lock.

    Args:
        to: gets every event, before the subscribers.
    """

    def __init__(self, to: Callback | None = None) -> None:
        self._to = to
        self._callbacks: dict[str, list[_Once]] = {name: [] for name in NAMES}
        self._here = _OfThisThread()

    def on(self, name: EventName, callback: Callback) -> Callable[[], None]:
        """Subscribe to an event.

        Args:
            name: one of `NAMES`.
            callback: called with each `Event` of that name.

        Returns:
            A function that ends the subscription; calling it again does nothing.

        Raises:
            ConfigurationError: there is no such event, or the callback is not callable.
        """
        if name not in NAMES:
            raise ConfigurationError(f"There is no event {name!r}", remedy=f"The names are {', '.join(sorted(NAMES))}")
        if not callable(callback):
            raise ConfigurationError(f"The callback of {name} is a {type(callback).__name__}, which cannot be called")
        entry = _Once(callback)
        self._callbacks[name].append(entry)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._callbacks[name].remove(entry)

        return unsubscribe

    def is_heard(self, name: EventName) -> bool:
        """Return whether an event of this name has a listener, or may have one by the time it is emitted."""
        return self._to is not None or bool(self._callbacks[name]) or self._here.waiting is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay the events that this thread emits in the block until after it; their order stays."""
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
        """Call every subscriber; an exception of a subscriber is logged and has no other effect.

        An error is passed on as a new object: the frames of the one being raised still hold their arguments.

        A listener is not called for an event of the same name that it causes itself: repeating a call after each
        failure would never end.
        """
        if isinstance(event.error, CognitoFederationError) and event.error.__traceback__ is not None:
            event = replace(event, error=reworded(event.error))
        if self._here.waiting is not None:
            self._here.waiting.append(event)
        elif event.name not in self._here.announced:
            self._here.announced.add(event.name)
            try:
                self._call_listeners(event)
            finally:
                self._here.announced.discard(event.name)

    def _call_listeners(self, event: Event) -> None:
        first = () if self._to is None else (self._to,)
        for callback in (*first, *self._callbacks[event.name]):
            try:
                callback(event)
            except Exception:  # An application's listener must not stop a renewal.
                logger.exception("A listener of the event %r failed", event.name)


class _OfThisThread(threading.local):
    """The events that one thread has yet to emit, and the names of those that it is emitting."""

    def __init__(self) -> None:
        self.waiting: deque[Event] | None = None
        self.announced: set[str] = set()


class _Once:
    """One subscription; a function may be subscribed more than once."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    def __call__(self, event: Event) -> object:
        return self._callback(event)
