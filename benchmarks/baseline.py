"""What CI holds the warm path to, on every Python there is: instructions against a bare interpreter, and the imports.

Never time. A count differs between builds of Python, the ratio to a bare interpreter of the same build hardly does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import laboratory, warm_path
from .measuring import can_count
from .rows import CATALOGUE

FILE = Path(__file__).with_name("baseline.json")
_MINORS = range(10, 16)
_NO_VALGRIND = "valgrind is not installed; on Debian: apt-get install valgrind"


@dataclass(frozen=True)
class Measured:
    """The figures of one Python.

    Attributes:
        ratios: instructions over those of the bare interpreter, by the names of `warm_path.ways` and ``cold``; None
            without valgrind.
        imports: what each of them imports and the bare interpreter does not.
    """

    ratios: Mapping[str, float] | None
    imports: Mapping[str, list[str]]


def interpreters() -> dict[str, str]:
    """Each version of Python on the path that runs, and where it is."""
    found = {}
    for minor in _MINORS:
        # In each folder: what comes first may be a stand-in of a version manager that has no such version chosen.
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = shutil.which(f"python3.{minor}", path=folder)
            if path and _runs(path, minor):
                found[f"3.{minor}"] = path
                break
    return found


def _runs(path: str, minor: int) -> bool:
    told = subprocess.run([path, "-c", "import sys, venv; print(sys.version_info[1])"], capture_output=True, text=True)
    return told.returncode == 0 and told.stdout.strip() == str(minor)


def measured(interpreter: str) -> Measured:
    """The figures of a Python.

    Raises:
        Unavailable, Unmeasurable: they cannot be had.
    """
    with laboratory.opened(interpreter) as place:
        imported = warm_path.extra_imports(place)
        if not can_count():
            return Measured(None, imported)
        counted = {**warm_path.instruction_ratios(place), "cold": warm_path.cold_instruction_ratio(place)}
        return Measured({way: round(ratio, 4) for way, ratio in counted.items()}, imported)


def write() -> Iterator[str]:
    """Keep the figures of every Python here, a line each; those of others stay.

    Raises:
        SystemExit: valgrind is missing.
    """
    if not can_count():
        raise SystemExit(_NO_VALGRIND)
    for version, path in interpreters().items():
        now = measured(path).ratios
        assert now is not None
        kept = {way: {**ratios(way), version: ratio} for way, ratio in now.items()}
        document = {"tolerance": tolerance(), **{way: _by_version(rows) for way, rows in kept.items()}}
        FILE.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        yield f"Python {version}, x the instructions of a bare interpreter: {now}"


def _by_version(rows: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(rows.items(), key=lambda row: int(row[0].partition(".")[2])))


#: The line of the catalogue that limits each of `warm_path.ways`, and what that is.
_WAYS = {
    "instructions": ("warm.instructions", "a warm credential-process"),
    "line": ("line.instructions", "a warm credential-process by the line of configure"),
    "check": ("check.instructions", "status --check"),
    "cold": ("cold.instructions", "a cold credential-process by the line of configure"),
}


def failures(version: str, now: Measured, *, counting: bool) -> list[str]:
    """What is worse than it was, a sentence each.

    A Python without a row of its own is held to the worst row there is.

    Args:
        version: of the Python, such as ``3.11``.
        now: its figures.
        counting: whether a machine without valgrind is a failure too.
    """
    found = [
        f"Python {version}: {_WAYS[way][1]} imports {', '.join(imported)}"
        for way, imported in now.imports.items()
        if imported != warm_path.OWN_MODULES
    ]
    if now.ratios is None:
        return [*found, _NO_VALGRIND] if counting else found
    return found + [failure for way, ratio in now.ratios.items() for failure in _grown(version, way, ratio)]


def _grown(version: str, way: str, ratio: float) -> Iterator[str]:
    key, name = _WAYS[way]
    limit, kept = CATALOGUE[key].limit, ratios(way)
    assert limit is not None
    what = f"Python {version}: {name} takes {ratio} x the instructions of a bare interpreter"
    if ratio > limit:
        yield f"{what}; the limit is {limit}"
    allowed = tolerance() * max(1.0, ratio)  # a share of what is many times the interpreter
    if version in kept and ratio > kept[version] + allowed:
        yield f"{what}; it was {kept[version]}"
    if version not in kept and ratio > max(kept.values()) + allowed:
        yield f"{what}; {FILE.name} has no row for it, and the worst one is {max(kept.values())}"


def ratios(way: str = "instructions") -> Mapping[str, float]:
    """The kept ratios by version of Python, of one of `warm_path.ways`."""
    found: Mapping[str, float] = _kept().get(way, {})
    return found


def tolerance() -> float:
    """How much more than kept is no failure: another build of the same Python."""
    return float(_kept()["tolerance"])


def _kept() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))
