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
        ratio: instructions of a warm ``credential-process`` over those of the bare interpreter; None without valgrind.
        imports: what it imports and the bare interpreter does not.
    """

    ratio: float | None
    imports: list[str]


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
        ratio = round(warm_path.instruction_ratio(place), 4) if can_count() else None
        return Measured(ratio, warm_path.extra_imports(place))


def write() -> Iterator[str]:
    """Keep the figures of every Python here, a line each; those of others stay.

    Raises:
        SystemExit: valgrind is missing.
    """
    if not can_count():
        raise SystemExit(_NO_VALGRIND)
    for version, path in interpreters().items():
        now, rows = measured(path), ratios()
        kept = dict(sorted({**rows, version: now.ratio}.items(), key=lambda row: int(row[0].partition(".")[2])))
        FILE.write_text(json.dumps({"tolerance": tolerance(), "instructions": kept}, indent=2) + "\n", encoding="utf-8")
        yield f"Python {version}: {now.ratio} x the instructions of a bare interpreter"


def failures(version: str, now: Measured, *, counting: bool) -> list[str]:
    """What is worse than it was, a sentence each.

    A Python without a row of its own is held to the worst row there is.

    Args:
        version: of the Python, such as ``3.11``.
        now: its figures.
        counting: whether a machine without valgrind is a failure too.
    """
    found = []
    if now.imports != warm_path.OWN_MODULES:
        found.append(f"Python {version}: a warm credential-process imports {', '.join(now.imports)}")
    if now.ratio is None:
        return [*found, _NO_VALGRIND] if counting else found
    limit, kept = CATALOGUE["warm.instructions"].limit, ratios()
    assert limit is not None
    what = f"Python {version}: a warm credential-process takes {now.ratio} x the instructions of a bare interpreter"
    if now.ratio > limit:
        found.append(f"{what}; the limit is {limit}")
    if version in kept and now.ratio > kept[version] + tolerance():
        found.append(f"{what}; it was {kept[version]}")
    if version not in kept and now.ratio > max(kept.values()) + tolerance():
        found.append(f"{what}; {FILE.name} has no row for it, and the worst one is {max(kept.values())}")
    return found


def ratios() -> Mapping[str, float]:
    """The kept ratios by version of Python."""
    found: Mapping[str, float] = _kept()["instructions"]
    return found


def tolerance() -> float:
    """How much more than kept is no failure: another build of the same Python."""
    return float(_kept()["tolerance"])


def _kept() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))
