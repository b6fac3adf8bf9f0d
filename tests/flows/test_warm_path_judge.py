"""The judge of what the warm path costs: which figures fail beside those of ``benchmarks/baseline.json``."""

from __future__ import annotations

import pytest

from benchmarks import baseline, warm_path
from benchmarks.baseline import Measured


def judged(version: str, ratio: float | None, *more: str, counting: bool = True) -> list[str]:
    now = Measured(None if ratio is None else {"instructions": ratio}, {"line": [*warm_path.OWN_MODULES, *more]})
    return baseline.failures(version, now, counting=counting)


def test_a_ratio_that_grew_fails_and_one_that_is_the_same_does_not() -> None:
    for version, ratio in baseline.ratios().items():
        assert judged(version, ratio) == []
        assert "it was" in judged(version, ratio + baseline.tolerance() + 0.001)[0]


def test_a_python_without_a_row_is_held_to_the_worst_one() -> None:
    worst = max(baseline.ratios().values())
    assert "3.99" not in baseline.ratios()
    assert judged("3.99", worst) == []
    assert "has no row" in judged("3.99", worst + baseline.tolerance() + 0.001)[0]


def test_the_limit_of_the_design_holds_whatever_is_cached() -> None:
    assert "limit" in judged(next(iter(baseline.ratios())), 1.06)[0]


def test_an_import_more_fails_and_one_less_is_noticed() -> None:
    assert "json" in judged("3.11", 0.9, "json")[0]
    assert baseline.failures("3.11", Measured({"line": 0.7}, {"line": warm_path.OWN_MODULES[:-1]}), counting=True)


@pytest.mark.parametrize(("way", "limit"), [("line", 0.80), ("check", 2.0)])
def test_each_way_to_start_it_is_held_to_its_own_rows_and_limit(way: str, limit: float) -> None:
    recorded = baseline.ratios(way)
    assert recorded.keys() == baseline.ratios().keys()
    assert max(recorded.values()) <= limit
    for version, ratio in recorded.items():
        assert baseline.failures(version, Measured({way: ratio}, {}), counting=True) == []
        worse = Measured({way: ratio + baseline.tolerance() + 0.001}, {})
        assert "it was" in baseline.failures(version, worse, counting=True)[0]
    assert "limit" in baseline.failures("3.11", Measured({way: limit + 0.01}, {}), counting=True)[0]


def test_without_valgrind_the_machine_that_promised_to_count_fails() -> None:
    assert "valgrind" in judged("3.11", None)[0]
    assert judged("3.11", None, counting=False) == []
