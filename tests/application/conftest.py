"""A clock that tests control, and federations with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation import CognitoFederation
from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.events import NAMES, Event


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world: World) -> None:
    (tmp_path / "home").mkdir()
    for name, value in world.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


@dataclass
class Time:
    """A clock that is a given time ahead of the real one, and a sleep that only advances it."""

    world: World
    ahead: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return time.time() + self.ahead

    def pass_by(self, seconds: float) -> None:
        self.ahead += seconds
        self.world.clock_offset = self.ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def library_clock(self) -> Clock:
        return Clock(sleep=self.sleep, random=lambda: 0.5, now=self.now)


@pytest.fixture
def clock(world: World) -> Time:
    return Time(world)


Maker = Callable[..., CognitoFederation]


@pytest.fixture
def make(world: World, clock: Time) -> Maker:
    def made(pool: str | None = None, **options: Any) -> CognitoFederation:
        return CognitoFederation(pool or world.pool_id, clock=clock.library_clock, **options)

    return made


@pytest.fixture
def told() -> Callable[[CognitoFederation], list[Event]]:
    """Subscribes to all events and returns the list that collects them."""

    def listening(federation: CognitoFederation) -> list[Event]:
        events: list[Event] = []
        for name in NAMES:
            federation.on(name, events.append)
        return events

    return listening
