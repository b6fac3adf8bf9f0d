"""The result as text for the terminal and as a page of the documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .model import Column, Mark, Row

_PAGE = """# Clients

Every client below was tested with one and the same `~/.aws/config`, against the demo world, by
`python -m tests.clients`; this page is written by that run (`--write`).

{table}

What a column shows:

* **credential_process**: reads an object with a profile that has `credential_process`.
* **native**: the same in process, with a profile that has no `credential_process`, after `install()`; the AWS CLI
  after `cognito-federation native enable`.
* **endpoint**: the same without any profile, as the child of `cognito-federation exec --server`.
* **role chain**: a profile with `role_arn` whose `source_profile` has `cognito_` keys.
* **data on stdin**: what is piped into the client arrives (`echo data | aws s3 cp - s3://bucket/key`); the credential
  helper does not read it.
* **refresh while running**: one process goes on working after its credentials have expired, in each of the ways it has.
* **when the sign-in breaks**: what the client does when `credential_process` fails, on a machine with a role of its own
  (instance metadata), and in a container with credentials of its own. *raises*: an error, and no data. *goes on*: it
  reads the object as that other identity, and says nothing.
* **the same with `cognito_fail_closed`**: the same with `cognito_fail_closed = true` in the profile; see
  [Configuration](configuration.md), *When the sign-in breaks*.
* **when the endpoint fails**: the endpoint of `cognito-federation serve` answers with an error after a sign-out,
  on a machine with a role of its own. Below `exec --server` that role is switched off too.

{notes}

Tested by hand, because they are too large or too slow for each run:

* Lance (pylance 14.0.2, Rust SDK), on 28 November 2026: works with `credential_process`, below `exec` and below
  `exec --server`; raises when the sign-in breaks, also with `cognito_fail_closed`.
* The clients that start the helper from Python, JavaScript, C++, Rust and the Common Runtime, on the same day, with a
  sign-in that breaks while they run: each did what the columns about failures show.
"""


def text(rows: Sequence[Row]) -> str:
    """Return the table, then a line for each cell that is not ok."""
    lines = [_heading(rows), *_body(rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, "", *_reasons(rows)]).rstrip() + "\n"


def page(rows: Sequence[Row]) -> str:
    """Return the page ``docs/clients.md``."""
    heading = _heading(rows)
    table = [heading, ["---"] * len(heading), *_body(rows)]
    markdown = "\n".join(f"| {' | '.join(line)} |" for line in table)
    notes = "\n".join(_wrapped(f"* {line}") for line in _reasons(rows))
    return _PAGE.format(table=markdown, notes=f"Not applicable:\n\n{notes}" if notes else "").rstrip() + "\n"


def green(rows: Sequence[Row], *, complete: bool) -> bool:
    """Return whether nothing failed, and with `complete`, whether nothing is missing."""
    bad = {Mark.FAILED, Mark.MISSING} if complete else {Mark.FAILED}
    return not any(outcome.mark in bad for row in rows for outcome in row.outcomes.values())


def _heading(rows: Sequence[Row]) -> list[str]:
    return ["client", "version", "language", *(column.value for column in _columns(rows))]


def _wrapped(item: str) -> str:
    return textwrap.fill(item, 120, subsequent_indent="  ", break_on_hyphens=False)


def _columns(rows: Sequence[Row]) -> list[Column]:
    return list(rows[0].outcomes) if rows else list(Column)


def _body(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [row.client.name, row.version, row.client.language, *(outcome.text for outcome in row.outcomes.values())]
        for row in rows
    ]


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Return a line for each client and reason, with all columns to which the reason applies."""
    columns: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for column, outcome in row.outcomes.items():
            if outcome.reason:
                columns.setdefault((row.client.name, outcome.reason), []).append(column.value)
    return [f"{client}, {', '.join(names)}: {reason}" for (client, reason), names in columns.items()]
