"""The figures: as a table at the end of a run, in figures.json beside this file, and on docs/reliability.md.

A run with ``--full --write`` replaces the figures of the families that it ran, each as soon as it has ended, and leaves
the others. So the bench may be run in parts, which may run at the same time.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
STORED = Path(__file__).with_name("figures.json")
BEGIN = "<!-- figures: written by tox -e faults -- --full --write -->"
END = "<!-- end of figures -->"


@dataclass
class Figures:
    """What one family was tried with, and how that ended.

    Attributes:
        family: in words.
        place: the order on the page.
        done: what was tried, and how often.
        ends: how processes ended, and how many; a signal is negative.
        wrong: violations, by kind.
        remarks: what the page says besides.
        date: of the measurement; `code` is the date of the commit that was measured.
        seconds: how long it took.
        load: the average number of processes that wanted to run, at the end.
        machine: cores, system and Python.
    """

    family: str
    place: list[int]
    done: dict[str, int]
    ends: dict[str, int]
    wrong: dict[str, int]
    remarks: list[str]
    seed: int
    seconds: float
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d", time.gmtime()))
    code: str = field(default_factory=lambda: _date_of_code())
    load: float = field(default_factory=lambda: round(os.getloadavg()[2], 1))
    machine: str = field(
        default_factory=lambda: (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
            f"{platform.python_implementation()} {platform.python_version()}"
        )
    )


def table(rows: Iterable[Figures]) -> str:
    """What was tried and what went wrong, a family a row."""
    lines = ["| what was tried | how often | how processes ended | went wrong |", "|---|---|---|---|"]
    for row in rows:
        counted = sorted(row.done.items(), key=lambda count: count[0] == "processes")
        done = ", ".join(f"{number:,} {what}" for what, number in counted if number)
        ends = ", ".join(f"{number:,} × {_end(code)}" for code, number in _by_code(row.ends))
        wrong = ", ".join(f"{number:,} {kind}" for kind, number in sorted(row.wrong.items())) or "0"
        lines.append(f"| {row.family} | {'; '.join([done, *row.remarks])} | {ends} | {wrong} |")
    return "\n".join(lines)


def store(row: Figures, path: Path = STORED) -> None:
    """Put the figures of one family in place of its earlier ones."""
    with FileLock(Path(tempfile.gettempdir()) / "fault-bench-figures.lock"):
        rows = {found.family: found for found in stored(path)} | {row.family: row}
        ordered = sorted(rows.values(), key=lambda each: each.place)
        path.write_text(json.dumps([asdict(each) for each in ordered], indent=1, ensure_ascii=False) + "\n")


def stored(path: Path = STORED) -> list[Figures]:
    return [Figures(**row) for row in json.loads(path.read_text())] if path.exists() else []


def write(rows: list[Figures], page: Path = PAGE) -> None:
    """Put these figures on the page in place of the ones there."""
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update(row.wrong)
    minutes = sum(row.seconds for row in rows) / 60
    loads = sorted(row.load for row in rows)
    head = (
        f"Measured on {_several(row.date for row in rows)} with the code of {_several(row.code for row in rows)} on a "
        f"machine with {_several(row.machine for row in rows)}; the families took {minutes:.0f} minutes together. "
        f"The load of the machine was {loads[0]:g} to {loads[-1]:g}. Seeds: {_several(str(row.seed) for row in rows)}. "
        f"In all {_sum(rows, 'processes'):,} processes, {_sum(rows, 'kills'):,} kills and {_sum(rows, 'rounds'):,} "
        f"rounds of rotation; {sum(totals.values()) or 'nothing'} went wrong."
    )
    between(page, BEGIN, END, f"{textwrap.fill(head, 118)}\n\n{table(rows)}")


def between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands on a page between two marks."""
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


def _sum(rows: Iterable[Figures], what: str) -> int:
    return sum(row.done.get(what, 0) for row in rows)


def _several(words: Iterable[str]) -> str:
    return " and ".join(sorted(set(words)))


def _by_code(ends: dict[str, int]) -> list[tuple[int, int]]:
    return sorted((int(code), number) for code, number in ends.items())


def _end(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"


def _date_of_code() -> str:
    words = ["git", "-C", str(ROOT), "log", "-1", "--format=%cs"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "no commit"
