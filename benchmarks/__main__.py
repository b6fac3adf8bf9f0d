"""``python -m benchmarks [table | check | baseline]``."""

from __future__ import annotations

import argparse
import sys

from tests.clients.rooms import promised

from . import baseline, burst, in_process, rows, warm_path
from .laboratory import Laboratory, opened
from .measuring import Unmeasurable


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["table", "check", "baseline"], default="table")
    what = parser.parse_args().what
    with opened() as laboratory:
        if what == "check":
            failures = baseline.check(laboratory, counting=promised())
            sys.stderr.writelines(f"{failure}\n" for failure in failures)
            return 1 if failures else 0
        if what == "baseline":
            baseline.write(laboratory)
            return 0
        found, failures = _table(laboratory)
    sys.stdout.write(rows.text(found))
    sys.stderr.writelines(f"{failure}\n" for failure in failures)
    return 1 if failures else 0


def _table(laboratory: Laboratory) -> tuple[list[rows.Row], list[str]]:
    """All rows that could be measured, and why others could not. A missed limit is shown, not judged: time is noisy."""
    found: list[rows.Row] = []
    failures = []
    for measure in (warm_path.rows, in_process.rows, burst.rows):
        try:
            found += measure(laboratory)
        except Unmeasurable as failure:
            failures.append(str(failure))
    return found, failures


if __name__ == "__main__":
    sys.exit(main())
