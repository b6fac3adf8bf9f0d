"""Judges a row: what fails, what it says, what `doctor` says, and whether the remedy helps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.home import Result

from . import remedies
from .model import DOCTOR, ByHand, Dash, Literal, SetUp
from .place import Place

COLUMNS = ("first line", "remedy", "doctor")


@dataclass(frozen=True)
class Verdict:
    """What came of a row: for each column ``ok``, ``-``, or what was wrong."""

    columns: dict[str, str]

    @property
    def failures(self) -> dict[str, str]:
        return {name: text for name, text in self.columns.items() if text not in ("ok", "-")}


def score_lines(verdicts: Iterable[Any]) -> list[str]:
    """One line a column: how many rows hold in it, of those that it applies to."""
    rows = list(verdicts)
    cells = {name: [row[name] for row in rows if row[name] != "-"] for name in COLUMNS if rows}
    return [f"set-ups, {name}: {cells[name].count('ok')} of {len(cells[name])}" for name in cells]


def judge(row: SetUp, place: Place) -> Verdict:
    """Furnish a row's home, look at each column, and apply the remedy."""
    place.furnish(row)
    columns = {}
    failed = place.run(row.command)
    line = last_line(failed)
    columns["first line"] = _first(row, failed, line)
    examined, findings = Result(0, "", ""), ""
    if not isinstance(row.doctor, Dash):
        examined = place.run(DOCTOR)
        findings = findings_of(examined)
    columns["doctor"] = _doctor(row, findings)
    columns["remedy"] = _remedied(row, place, line, findings)
    return Verdict({name: columns[name] for name in COLUMNS})


def _first(row: SetUp, failed: Result, line: str) -> str:
    if isinstance(row.says, Dash):
        return "-"
    if failed.code == 0:
        return f"it does not fail: {failed.out[-300:]}"
    if "Traceback" in failed.err and "python" not in row.command[0]:
        return failed.err[-600:]
    return "ok" if re.search(row.says, line) else f"{row.says!r} is not in: {line}"


def _doctor(row: SetUp, findings: str) -> str:
    if isinstance(row.doctor, Dash):
        return "-"
    wanted = row.doctor if row.doctor is not None else row.says
    assert isinstance(wanted, str), f"{row.name} needs a text for doctor"
    return "ok" if re.search(wanted, findings) else f"{wanted!r} is not in: {findings}"


def _remedied(row: SetUp, place: Place, line: str, findings: str) -> str:
    remedy = row.remedy
    if isinstance(remedy, Dash):
        return "-"
    text = findings if remedy.of_doctor else line
    try:
        if isinstance(remedy, ByHand):
            if not re.search(remedy.says, text):
                return f"{remedy.says!r} is not in: {text}"
            remedy.act(place)
        else:
            _apply_literally(remedy, text, row, place)
    except (remedies.NotUnderstood, OSError, ValueError) as error:
        return f"cannot be applied: {type(error).__name__} {error}"
    again = place.run(row.works or row.command)
    if again.code != 0:
        return f"it does not help: {last_line(again) or again.out[-600:]}"
    return "ok"


def _apply_literally(remedy: Literal, text: str, row: SetUp, place: Place) -> None:
    if not remedy.of_doctor:
        return remedies.apply(text, place, remedy.values)
    wanted = row.doctor if isinstance(row.doctor, str) else row.says
    lines = text.splitlines()
    # The finding that names the cause comes first; where it is only shown as an effect, the error above it has the way.
    named = [each for each in lines if isinstance(wanted, str) and re.search(wanted, each)]
    for line in (*named, *(each for each in lines if each.startswith("ERROR"))):
        try:
            return remedies.apply(re.sub(r"^\S+ +[\w ]+?: ", "", line), place, remedy.values)
        except remedies.NotUnderstood:
            continue
    raise remedies.NotUnderstood(text)


def last_line(done: Result) -> str:
    """The line by which a command says why it failed."""
    lines = [line for line in done.err.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def findings_of(done: Result) -> str:
    """What `doctor` printed besides what is in order."""
    lines = [line for line in (done.out + done.err).splitlines() if line.strip() and not line.startswith("ok ")]
    return "\n".join(lines)
