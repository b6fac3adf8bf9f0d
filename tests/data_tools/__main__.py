"""``python -m tests.data_tools``: run the page's lines, print its table, fail if a line does not do what it says."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone

from . import page
from .matrix import run
from .programs import PROGRAMS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.data_tools", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table and the date into the page")
    parser.add_argument("--only", action="append", default=[], choices=PROGRAMS)
    chosen = parser.parse_args()
    if chosen.write and chosen.only:
        parser.error("--write is for a whole run")
    results = run(chosen.only or PROGRAMS, lambda line, text: print(f"{line.program}: {text}", file=sys.stderr))
    rows = [row for result in results.values() for row in result.rows]
    sys.stdout.write(page.text_of(rows))
    failed = any(result.failures for result in results.values())
    if chosen.write and not failed:
        page.write(rows, datetime.now(timezone.utc).date())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
