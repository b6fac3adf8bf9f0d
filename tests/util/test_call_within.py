"""A call with a time limit, on a clock of the test."""

from __future__ import annotations

import threading

import pytest

from botocore_cognito_federation._util.concurrency import DeadlineExceeded, call_within


class Clock:
    """Goes on by so many seconds each time it is looked at."""

    def __init__(self, *steps: float) -> None:
        self._steps = iter(steps)
        self._now = 0.0

    def __call__(self) -> float:
        self._now += next(self._steps, 0.0)
        return self._now


def test_the_time_for_which_a_process_was_stopped_does_not_count() -> None:
    resumed = threading.Event()
    clock = Clock(0.0, 3600.0)  # stopped for an hour during the first wait

    def call() -> str:
        assert resumed.wait(30)
        return "an answer"

    threading.Timer(0.3, resumed.set).start()
    assert call_within(30.0, call, name="test", monotonic=clock) == "an answer"


def test_a_call_that_does_not_return_is_given_up_after_its_time() -> None:
    never = threading.Event()
    with pytest.raises(DeadlineExceeded):
        call_within(2.0, never.wait, name="test", monotonic=Clock(*([1.0] * 20)))
    never.set()
