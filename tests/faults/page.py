"""The figures as a table, at the end of a run and in docs/reliability.md."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from tests.faults.judges import Tally

BEGIN = "<!-- figures: written by tox -e faults -- --full --write -->"
END = "<!-- end of figures -->"


def table(tallies: Iterable[Tally]) -> str:
    """What was tried and what went wrong, a family a row."""
    rows = ["| what was tried | how often | how processes ended | went wrong |", "|---|---|---|---|"]
    for tally in tallies:
        done = ", ".join(f"{number:,} {what}" for what, number in tally.done.items())
        ends = ", ".join(f"{number:,} × {_end(code)}" for code, number in sorted(tally.ends.items()))
        wrong = ", ".join(f"{len(found):,} {kind}" for kind, found in sorted(tally.wrong.items())) or "0"
        rows.append(f"| {tally.family} | {'; '.join([done, *tally.remarks])} | {ends} | {wrong} |")
    return "\n".join(rows)


def write(path: Path, tallies: Iterable[Tally], *, seed: int, minutes: float) -> None:
    """Put the figures of a full run in place of the ones on the page."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    date = time.strftime("%Y-%m-%d", time.gmtime())
    head = f"Measured on {date} in {minutes:.0f} minutes with seed {seed}."
    path.write_text(f"{before}{BEGIN}\n\n{head}\n\n{table(tallies)}\n\n{END}{after}")


def _end(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"
