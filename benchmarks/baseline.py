"""What CI holds the warm path to: instructions against a bare interpreter, and the import list. Never time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from . import warm_path
from .laboratory import Laboratory
from .measuring import can_count

FILE = Path(__file__).with_name("baseline.json")
#: The limit of the product, whatever was measured before.
LIMIT = 1.05


def measured(laboratory: Laboratory) -> dict[str, Any]:
    """The figures of this machine's Python; the ratio is None where valgrind is missing."""
    return {
        "instructions": round(warm_path.instruction_ratio(laboratory), 4) if can_count() else None,
        "imports": warm_path.extra_imports(laboratory),
    }


def write(laboratory: Laboratory) -> None:
    """Keep the figures of this version of Python; those of others stay.

    Raises:
        SystemExit: valgrind is missing.
    """
    if not can_count():
        raise SystemExit("valgrind is not installed; on Debian: apt-get install valgrind")
    kept = _kept()
    kept["python"] = dict(sorted({**kept["python"], _python(): measured(laboratory)}.items()))
    FILE.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def check(laboratory: Laboratory, *, counting: bool) -> list[str]:
    """What is worse than it was, a sentence each.

    Args:
        counting: whether a machine without valgrind is a failure too.
    """
    now, kept = measured(laboratory), _kept()
    before, tolerance = kept["python"].get(_python()), kept["tolerance"]
    failures = []
    extra = [name for name in now["imports"] if name not in warm_path.OWN_MODULES]
    if extra:
        failures.append(f"a warm credential-process imports {', '.join(extra)}")
    ratio = now["instructions"]
    if ratio is None:
        return [*failures, "valgrind is not installed: instructions were not counted"] if counting else failures
    if ratio > LIMIT:
        failures.append(f"a warm credential-process takes {ratio} x the instructions of a bare Python; limit {LIMIT}")
    if before is not None and ratio > before["instructions"] + tolerance:
        failures.append(f"a warm credential-process took {before['instructions']} x a bare Python, now {ratio}")
    return failures


def _kept() -> dict[str, Any]:
    if not FILE.exists():
        return {"tolerance": 0.01, "python": {}}
    kept: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return kept


def _python() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
