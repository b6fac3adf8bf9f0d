"""The journal of calls and the faults for the next calls; all servers of a world share both."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .. import ConfigurationError
from .records import Call


class Journal:
    """Every call that reached the world, in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def calls(self, operation: str | None = None) -> list[Call]:
        """Return all calls, or those of one operation."""
        with self._lock:
            return [call for call in self._calls if operation in (None, call.operation)]

    def reset(self) -> None:
        with self._lock:
            self._calls.clear()


@dataclass(frozen=True)
class Fault:
    """A fault in the next `times` calls of `operation`: an API operation, a service, or ``*`` for any call.

    The call is not carried out when `code`, `status` or `close` is given: the fault is the answer. With `truncate`,
    `empty_body` and `missing_keys` it is carried out and its HTTP 200 answer is damaged. `delay` seconds pass first;
    alone, it only makes the call slow.

    Attributes:
        code, message: an AWS error in the protocol of the call; status defaults to 400.
        status: alone, a bare HTTP status with an HTML page, like the answer of a proxy or load balancer.
        close: the connection ends without an answer.
        truncate: half of the body, with the Content-Length of that half.
        missing_keys: keys left out of the answer, dots for nesting (``Credentials.SecretKey``).
    """

    operation: str
    times: int = 1
    status: int | None = None
    code: str = ""
    message: str = ""
    delay: float = 0.0
    close: bool = False
    truncate: bool = False
    empty_body: bool = False
    missing_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.times, self.delay, self.status or 500)
        if not all(isinstance(number, (int, float)) and number >= 0 for number in numbers):
            raise ConfigurationError("the times, delay and status of a fault must be numbers from 0")
        if not 100 <= (self.status or 500) <= 599:
            raise ConfigurationError(f"{self.status} is not an HTTP status", remedy="Give one from 100 to 599.")

    @property
    def replaces_the_answer(self) -> bool:
        return bool(self.close or self.code or self.status)

    @property
    def damages_the_answer(self) -> bool:
        return bool(self.truncate or self.empty_body or self.missing_keys)


class FaultBook:
    """The pending faults; each applies to as many calls as it says, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.stopping = threading.Event()

    def add(self, fault: Fault) -> None:
        if fault.times > 0:
            with self._lock:
                self._waiting.append(fault)

    def take(self, operations: Iterable[str]) -> Fault | None:
        """Return the fault for this call, if one is pending; its delay has passed when this returns."""
        names = {*operations, "*"}
        with self._lock:
            found = next((i for i, fault in enumerate(self._waiting) if fault.operation in names), None)
            if found is None:
                return None
            fault = self._waiting[found]
            if fault.times > 1:
                self._waiting[found] = replace(fault, times=fault.times - 1)
            else:
                del self._waiting[found]
        if fault.delay:
            self.stopping.wait(fault.delay)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
