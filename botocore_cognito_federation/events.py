"""What an application may be told: sign-ins, renewals and their failures. Never a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """

    name: str
    provider: str | None = None
    identity_id: str | None = None
    user: Mapping[str, Any] = field(default_factory=dict)
    expires_at: float | None = None
    error: Exception | None = None


Callback = Callable[[Event], object]


class Events:
    """Hands events to whoever subscribed."""

    def __init__(self) -> None:
        self._callbacks: dict[str, tuple[Callback, ...]] = {}

    def on(self, name: str, callback: Callback) -> Callable[[], None]:
        """Subscribe to the events of a name.

        Returns:
            A function that ends the subscription; calling it again does nothing.

        Raises:
            ValueError: there is no such event.
        """
        if name not in NAMES:
            raise ValueError(f"there is no event {name!r}; the names are {', '.join(sorted(NAMES))}")
        entry = _Once(callback)
        self._callbacks[name] = (*self._callbacks.get(name, ()), entry)

        def unsubscribe() -> None:
            self._callbacks[name] = tuple(other for other in self._callbacks.get(name, ()) if other is not entry)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Tell every subscriber; what a subscriber raises is logged and stops nothing."""
        for callback in self._callbacks.get(event.name, ()):
            try:
                callback(event)
            except Exception:  # an application's listener must not stop a renewal
                logger.exception("A listener of the event %r failed", event.name)


class _Once:
    """One subscription; the same function may be subscribed twice."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    def __call__(self, event: Event) -> object:
        return self._callback(event)
