"""``docs/performance.md`` has each line that is measured, with its limit of now, and explains what is missed."""

from __future__ import annotations

from benchmarks import baseline
from benchmarks.rows import CATALOGUE, Row, markdown

from .pages import ROOT, rows

PAGE = ROOT / "docs" / "performance.md"


def test_the_page_has_every_line_of_the_catalogue_with_its_limit() -> None:
    limits = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown([]).splitlines()[2:]]
    shown = [row for row in rows(PAGE) if len(row) == len(limits[0])][2:]
    assert [(row[0], row[1], row[4]) for row in shown] == [(row[0], row[1], row[4]) for row in limits]


def test_every_promise_of_the_design_is_measured_on_the_page() -> None:
    shown = {(row[0], row[1]): row for row in rows(PAGE)}
    for line in CATALOGUE.values():
        row = shown[line.what, line.unit]
        if line.limit is not None:
            assert row[5] in ("met", "MISSED"), row


def test_a_missed_limit_is_explained_below_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if "MISSED" in text:
        assert "Where a limit is missed" in text


def test_the_page_shows_the_pythons_of_the_baseline() -> None:
    shown = {row[0]: row[1] for row in rows(PAGE) if len(row) == 2}
    assert {version: f"{ratio:.3f}" for version, ratio in baseline.ratios().items()}.items() <= shown.items()


def test_exactly_one_is_not_met_by_none() -> None:
    assert Row("burst.refreshes", 1, spread=(1, 1)).met
    assert not Row("burst.refreshes", 1, spread=(0, 1)).met
    assert not Row("burst.refreshes", 2, spread=(1, 2)).met
    assert Row("burst.refreshes").met is None
