"""``python -m tests.clients``: run the matrix, print it, fail if a client has lost an ability."""

from __future__ import annotations

import argparse
import sys

from . import table
from .catalogue import CLIENTS
from .installer import REPOSITORY, promised
from .matrix import run
from .model import Client, Column, Outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page docs/clients.md from this run")
    parser.add_argument("--only", action="append", default=[], choices=[client.name for client in CLIENTS])
    parser.add_argument("--column", action="append", default=[], choices=[column.value for column in Column])
    chosen = parser.parse_args()
    if chosen.write and (chosen.only or chosen.column):
        parser.error("--write is for a whole run")
    rows = run(chosen.only, [Column(value) for value in chosen.column] or tuple(Column), _tell)
    sys.stdout.write(table.text(rows))
    complete = table.green(rows, complete=True)
    if chosen.write:
        if not complete:
            sys.stderr.write("docs/clients.md is only written from a run in which nothing failed or was missing\n")
            return 1
        page = REPOSITORY / "docs" / "clients.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(table.page(rows), encoding="utf-8")
    return 0 if complete or (table.green(rows, complete=False) and not promised()) else 1


def _tell(client: Client, column: Column, outcome: Outcome) -> None:
    reason = f": {outcome.reason}" if outcome.reason else ""
    sys.stderr.write(f"{client.name}, {column.value}: {outcome.mark.value}{reason}\n")


if __name__ == "__main__":
    sys.exit(main())
