"""The simulation of a fleet on the product's own pauses and turns, with fewer hosts than its benchmark has."""

from __future__ import annotations

import pytest

from benchmarks.fleet import QUOTAS, Fleet

HOSTS = 1000
#: Seconds that the quota of GetId takes for all of them.
_BEST = HOSTS / QUOTAS["get_id"]


@pytest.mark.thorough
def test_native_programs_that_can_wait_all_get_credentials_at_the_speed_of_the_quota() -> None:
    outcome = Fleet(hosts=HOSTS, spread=6.0, patience=600.0, one_store=True).run()
    assert (len(outcome.waits), outcome.failures) == (HOSTS, 0)
    assert outcome.last < 1.1 * _BEST + 6
    assert outcome.requests < 20


@pytest.mark.thorough
def test_with_known_identity_ids_nobody_waits() -> None:
    outcome = Fleet(hosts=HOSTS, spread=6.0, one_store=True, known=True).run()
    assert max(outcome.waits) < 1
    assert outcome.refused == 0


@pytest.mark.thorough
def test_helpers_give_up_when_their_time_is_over_after_a_bounded_number_of_requests() -> None:
    outcome = Fleet(hosts=4 * HOSTS, spread=6.0).run()
    assert outcome.failures > 0
    assert outcome.requests < 100
