"""``docs/performance.md`` has each measured line with its present limit, and explains missed limits."""

from __future__ import annotations

import re

import pytest

from benchmarks import baseline, page, server
from benchmarks.rows import CATALOGUE, Row, markdown

from .pages import ROOT, rows

pytestmark = pytest.mark.thorough

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


def test_every_missed_limit_has_its_reason_below_the_table() -> None:
    words = " ".join(PAGE.read_text(encoding="utf-8").split())
    shown = {(row[0], row[1]): row[5] for row in rows(PAGE) if len(row) == 6}
    for line in CATALOGUE.values():
        if shown[line.what, line.unit] == "MISSED":
            assert line.reason, line
            assert re.search(rf"\* {re.escape(f'{line.what}, {line.unit}')}: [0-9.]+\. {re.escape(line.reason)}", words)


def test_a_page_that_is_written_says_why_a_limit_is_missed_and_nothing_of_one_that_is_met() -> None:
    key = "activated.instructions"
    line = CATALOGUE[key]
    text = page.missed([Row(key, 1.0528), Row("warm.peak", 8.5)])
    assert max(map(len, text.splitlines())) <= 120
    assert f"{line.what}, {line.unit}: 1.053. {line.reason}" in " ".join(text.split())
    assert CATALOGUE["warm.peak"].what not in text
    assert page.missed([Row(key, 1.04)]) == ""


def test_a_page_that_is_written_says_that_a_reason_is_not_known() -> None:
    assert not CATALOGUE["warm.peak"].reason
    assert "The reason is not known" in page.missed([Row("warm.peak", 11)])


def test_the_page_shows_the_pythons_of_the_baseline() -> None:
    shown = {row[0]: row[1:] for row in rows(PAGE) if len(row) == 3}
    line = baseline.ratios("line")
    for version, ratio in baseline.ratios().items():
        assert shown[version] == [f"{ratio:.3f}", f"{line[version]:.3f}"]


def test_exactly_one_is_not_met_by_none() -> None:
    assert Row("burst.refreshes", 1, spread=(1, 1)).met
    assert not Row("burst.refreshes", 1, spread=(0, 1)).met
    assert not Row("burst.refreshes", 2, spread=(1, 2)).met
    assert Row("burst.refreshes").met is None


def test_the_page_has_every_way_to_serve_many_users_and_no_call_was_signed_for_another() -> None:
    shown = {row[0]: row for row in rows(PAGE) if len(row) == len(server.COLUMNS) + 1}
    for name, users in server.WAYS.values():
        row = dict(zip(server.COLUMNS, shown[name][1:], strict=True))
        assert (row["users"], row["wrong"]) == (f"{users:,}", "0")
    assert dict(zip(server.COLUMNS, shown[server.WAYS["one"][0]][1:], strict=True))["clients"] == "1"


def test_the_section_on_servers_is_found_whole_and_none_where_there_is_none() -> None:
    section = f"{server.BEGIN}\n\nwords\n\n{server.END}"
    assert server.section(f"# Title\n\n{section}\n") == section
    assert server.section("# Title\n") == ""
