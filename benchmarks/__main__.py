"""``python -m benchmarks [table | check | baseline]``."""

from __future__ import annotations

import argparse
import sys

from tests.clients.rooms import promised

from . import baseline, burst, in_process, rows, warm_path
from .laboratory import opened


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
        found = [*warm_path.rows(laboratory), *in_process.rows(laboratory), *burst.rows(laboratory)]
        sys.stdout.write(rows.text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
