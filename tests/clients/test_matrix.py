"""The matrix as tests, one for each row."""

from __future__ import annotations

import pytest

from .catalogue import CLIENTS
from .installer import promised
from .matrix import run
from .model import Mark, Row

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return {row.client.name: row for row in run()}


@pytest.mark.parametrize("name", [client.name for client in CLIENTS])
def test_the_client_works_in_every_way_it_has(rows: dict[str, Row], name: str) -> None:
    outcomes = rows[name].outcomes
    failed = {column.value: outcome.reason for column, outcome in outcomes.items() if outcome.mark is Mark.FAILED}
    assert not failed
    missing = {outcome.reason for outcome in outcomes.values() if outcome.mark is Mark.MISSING}
    if missing and promised():
        pytest.fail(f"{name}: {'; '.join(missing)}")
    if missing:
        pytest.skip(f"{name}: {'; '.join(missing)}")


def test_every_reason_why_a_client_cannot_is_given(rows: dict[str, Row]) -> None:
    for row in rows.values():
        for outcome in row.outcomes.values():
            assert (outcome.mark is Mark.OK) == (outcome.reason == "")
