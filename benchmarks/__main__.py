"""``python -m benchmarks [table | check | baseline]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.clients.rooms import promised

from . import baseline, burst, in_process, outlets, rows, warm_path
from .laboratory import Laboratory, opened
from .measuring import Unmeasurable

_GROUPS: dict[str, Callable[[Laboratory], list[rows.Row]]] = {
    "warm": warm_path.against_bare,
    "peers": warm_path.against_peers,
    "activated": warm_path.activated,
    "growing": warm_path.growing,
    "native": in_process.rows,
    "outlets": outlets.rows,
    "burst": burst.rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["table", "check", "baseline"], default="table")
    parser.add_argument("--group", action="append", choices=list(_GROUPS), help="only these rows of the table")
    chosen = parser.parse_args()
    with opened() as laboratory:
        if chosen.what == "check":
            failures = baseline.check(laboratory, counting=promised())
            sys.stderr.writelines(f"{failure}\n" for failure in failures)
            return 1 if failures else 0
        if chosen.what == "baseline":
            baseline.write(laboratory)
            return 0
        return _print_table(laboratory, chosen.group or list(_GROUPS))


def _print_table(laboratory: Laboratory, groups: list[str]) -> int:
    """Each group as soon as it is measured. A missed limit is shown, not judged: time is noisy."""
    failed = False
    for group in groups:
        try:
            sys.stdout.write(rows.text(_GROUPS[group](laboratory)) + "\n")
            sys.stdout.flush()
        except Unmeasurable as failure:
            failed = True
            sys.stderr.write(f"{group}: {failure}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
