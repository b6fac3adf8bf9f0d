"""A line of the table, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure.

    Attributes:
        what: what was measured.
        unit: the unit, or what it is a ratio to.
        value: None where it could not be measured here.
        limit: the most it may be; None for a figure that stands there to be compared with.
        spread: the quarters on both sides of the median.
    """

    what: str
    unit: str
    value: float | None = None
    limit: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool | None:
        return None if self.value is None or self.limit is None else self.value <= self.limit


def text(rows: Sequence[Row]) -> str:
    lines = [("what", "unit", "measured", "quarters", "at most", "")]
    lines += [
        (
            row.what,
            row.unit,
            "-" if row.value is None else _figure(row.value),
            "" if row.spread is None else "..".join(map(_figure, row.spread)),
            "" if row.limit is None else _figure(row.limit),
            {True: "met", False: "MISSED", None: ""}[row.met],
        )
        for row in rows
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in padded) + "\n"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2f}"
