"""The world's clock: real time plus an offset that tests and walkthroughs change."""

from __future__ import annotations

import time
from collections.abc import Callable


class WorldClock:
    """Seconds since the epoch as this world sees them.

    Everything that can expire here (login tokens, identity-pool tokens, AWS credentials, the ``Date`` header) uses this
    clock, so a change of `offset` ages all of it at once.
    """

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self.offset = 0.0

    def now(self) -> float:
        """Current time, seconds since the epoch."""
        return self._base() + self.offset
