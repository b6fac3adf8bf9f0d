"""Runs a block of the page as a program: all of it, then its last statement once more when a line arrives on stdin.

It stands for ``python`` in the shell of a line, and is run by the interpreter of the program's environment: standard
library only.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

DONE = "-- done --"


def main() -> None:
    path = Path(sys.argv[1])
    text = path.read_text(encoding="utf-8")
    statements = run_sql(text) if path.suffix == ".sql" else run_python(text, str(path))
    for statement in statements:
        statement()
    print(DONE, flush=True)
    if sys.stdin.readline():
        statements[-1]()


def run_python(text: str, path: str) -> list[Callable[[], object]]:
    *before, last = ast.parse(text).body
    # What stands below `if __name__ == "__main__":` are statements too.
    statements = [*before, *(last.body if isinstance(last, ast.If) else [last])]
    scope = {"__name__": "__main__"}
    return [partial(exec, compile(ast.Module([one], []), path, "exec"), scope) for one in statements]


def run_sql(text: str) -> list[Callable[[], object]]:
    import duckdb
    import duckdb_extensions

    database = duckdb.connect()
    for extension in ("httpfs", "aws"):  # from packages: DuckDB itself would download them
        duckdb_extensions.import_extension(extension)
        database.load_extension(extension)

    def show(statement: str) -> None:
        print(database.execute(statement).fetchall())

    return [partial(show, statement) for statement in text.split(";") if statement.strip()]


if __name__ == "__main__":
    main()
