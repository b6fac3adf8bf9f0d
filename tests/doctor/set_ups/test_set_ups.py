"""Every broken set-up of the table: the first failing line names the cause, `doctor` finds it, and the remedy helps.

What does not hold yet is written in `todo.py` with its reason, counts as failed in the score, and has to be taken out
there as soon as it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from . import helper, keys, network, places, pool, shadowing, sign_in, syntax, tokens, versions
from .model import ByHand, Dash, Literal, SetUp
from .place import Place
from .runner import judge
from .todo import TODO

FAMILIES = (syntax, keys, shadowing, helper, sign_in, tokens, pool, network, places, versions)
TABLE = {f"{family.__name__.rpartition('.')[2]}: {row.name}": row for family in FAMILIES for row in family.ROWS}
APPLIED = [name for name, row in TABLE.items() if not isinstance(row.remedy, Dash)]


@pytest.mark.thorough
@pytest.mark.parametrize("name", TABLE)
def test_a_broken_set_up_is_explained_and_its_remedy_helps(
    name: str, place: Place, record_property: Callable[[str, object], None]
) -> None:
    verdict = judge(TABLE[name], place)
    record_property("set-up", verdict.columns)
    expected = TODO.get(name, {})
    assert set(verdict.failures) == set(expected), verdict.failures
    if expected:
        pytest.xfail("; ".join(f"{column}: {reason}" for column, reason in expected.items()))


def test_the_table_has_two_hundred_set_ups_and_each_family_ten() -> None:
    assert len(TABLE) == sum(len(family.ROWS) for family in FAMILIES) >= 200
    assert min(Counter(name.partition(":")[0] for name in TABLE).values()) >= 10
    assert len(APPLIED) >= 150


def test_a_column_that_does_not_apply_has_its_reason() -> None:
    cells: list[Dash | Literal | ByHand | str | None] = []
    for row in TABLE.values():
        cells += [row.says, row.remedy, row.doctor]
        assert not (isinstance(row.says, Dash) and row.doctor is None), row.name
    assert all(cell.reason.count(" ") >= 3 for cell in cells if isinstance(cell, Dash))


def test_what_does_not_hold_yet_is_of_a_row_that_there_is() -> None:
    assert set(TODO) <= set(TABLE)
    assert all(reason for columns in TODO.values() for reason in columns.values())
    assert SetUp
