"""``python -m benchmarks [table | check | baseline]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.clients.installer import Unavailable, promised

from . import baseline, burst, in_process, outlets, page, rows, warm_path
from .laboratory import Laboratory, opened
from .measuring import Unmeasurable

_GROUPS: dict[str, Callable[[Laboratory], list[rows.Row]]] = {
    "warm": warm_path.against_bare,
    "cold": warm_path.cold,
    "peers": warm_path.against_peers,
    "activated": warm_path.activated,
    "growing": warm_path.growing,
    "native": in_process.rows,
    "burst": burst.rows,
    "outlets": outlets.rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["table", "check", "baseline"], default="table")
    parser.add_argument("--group", action="append", choices=list(_GROUPS), help="only these rows of the table")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md; for the whole table only")
    chosen = parser.parse_args()
    if chosen.write and (chosen.group or chosen.what != "table"):
        parser.error("--write goes with the whole table")
    if chosen.what == "check":
        return _check()
    if chosen.what == "baseline":
        for line in baseline.write():
            sys.stdout.write(f"{line}\n")
        return 0
    with opened() as laboratory:
        found, complete = _table(laboratory, chosen.group or list(_GROUPS))
        if chosen.write and complete:
            page.write(laboratory, found)
    return 0 if complete else 1


def _check() -> int:
    failures: list[str] = []
    for version, path in baseline.interpreters().items():
        try:
            failures += baseline.failures(version, baseline.measured(path), counting=promised())
        except (Unavailable, Unmeasurable) as reason:
            failures.append(f"Python {version}: {reason}")
    sys.stderr.writelines(f"{failure}\n" for failure in failures)
    return 1 if failures else 0


def _table(laboratory: Laboratory, groups: list[str]) -> tuple[list[rows.Row], bool]:
    """Each group as soon as it is measured. A missed limit is shown, not judged: time is noisy."""
    found: list[rows.Row] = []
    complete = True
    for group in groups:
        try:
            measured = _GROUPS[group](laboratory)
        except Unmeasurable as failure:
            complete = False
            sys.stderr.write(f"{group}: {failure}\n")
            continue
        sys.stdout.write(f"{rows.text(measured)}\n")
        sys.stdout.flush()
        found += measured
    return found, complete


if __name__ == "__main__":
    sys.exit(main())
