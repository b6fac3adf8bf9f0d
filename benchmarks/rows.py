"""The lines of the table, what each may be at most, and how they are printed.

`CATALOGUE` is the one place that names them: a measurement gives a figure to a line of it, the page
``docs/performance.md`` has all of them, and a test keeps that page in step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HELPER = "warm credential-process"
_LINE = "warm credential-process by the line of `configure`"
_OLD = "warm credential-process, console script of the pip in Python"
_NEW = "warm credential-process, console script of the newest pip"
_CHECK = "status --check, signed in"
_COLD = "cold credential-process by the line of `configure`, token from a file, http"
_TLS = "cold credential-process by the line of `configure`, token from a file, https with all of botocore's CA bundle"
_CROWD = "1,000 clients of `serve` at the same moment"
_NATIVE = "session, client and first S3 call, native and warm"
_BURST = "64 processes at once, nothing cached, sign-in to be renewed"
_SSO, _CLI2, _EXPORT = "aws-sso-util, cached", "AWS CLI 2 export-credentials", "aws-export-credentials"
_SIGN_IN = "federated_sign_in() of one more user of a server"
_LOOP = "asyncio: 20 tasks, nothing cached, one fetch"
_BARE = "x python -c pass"


@dataclass(frozen=True)
class Line:
    """What is measured.

    Attributes:
        what: the program or the situation.
        unit: what is counted, and what it is a ratio to.
        limit: the most it may be; None for a figure that stands there to be compared with.
        exactly: whether less is wrong too.
        reason: why it may be more where it is more than the limit, which the page then says; empty where nobody knows.
    """

    what: str
    unit: str
    limit: float | None = None
    exactly: bool = False
    reason: str = ""


PTH = (
    "Python 3.13 loads the module `encodings.utf_8_sig` to read a `.pth`, whatever is in it: a comment alone costs"
    " 1.034 and the shortest line that runs, `import sys`, 1.039, which leaves nothing for what a line does. Ours adds"
    " 0.014 to that, nearly all of it to be compiled, twice, because `site` reads the folder of a virtual environment"
    " twice."
)
_WALL = (
    "The wall clock counts whatever else the machine does meanwhile, the more the farther the quarters lie apart; what"
    " it costs by itself is in the rows below it."
)

_USER = (
    "The two requests alone, by botocore's HTTP session, take 0.6 of that. A twentieth is the thread that bounds"
    " them from name resolution to the last byte. The rest has no single cause: the claims of the token, the keys of"
    " the caches, the objects of one user (settings, locks, events) and the checks of what is sent."
)
_HERD = (
    "Sixty-four interpreters start at once, and the limit has no margin for what else the machine does: three runs gave"
    " 0.98 to 1.08."
)

TEMPLATE = (
    "pip before 25.2 writes a console script that imports `re` before anything of the product runs. The line that"
    " `configure` writes does not start that script."
)

CATALOGUE: Mapping[str, Line] = {
    "line.wall": Line(_LINE, f"wall {_BARE}", 0.85, reason=_WALL),
    "line.cpu": Line(_LINE, f"CPU {_BARE}"),
    "line.instructions": Line(_LINE, f"instructions {_BARE}", 0.80),
    "warm.wall": Line(_HELPER, f"wall {_BARE}", 1.10),
    "warm.cpu": Line(_HELPER, f"CPU {_BARE}"),
    "warm.instructions": Line(_HELPER, f"instructions {_BARE}", 1.05),
    "warm.peak": Line(_HELPER, "peak MiB", 10),
    "bare.peak": Line("python -c pass", "peak MiB"),
    "old.wall": Line(_OLD, f"wall {_BARE}", 1.05, reason=TEMPLATE),
    "old.cpu": Line(_OLD, f"CPU {_BARE}"),
    "old.instructions": Line(_OLD, f"instructions {_BARE}", 0.95, reason=TEMPLATE),
    "check.wall": Line(_CHECK, f"wall {_BARE}", 2),
    "check.instructions": Line(_CHECK, f"instructions {_BARE}", 2),
    "new.wall": Line(_NEW, f"wall {_BARE}", 1.10, reason=_WALL),
    "new.cpu": Line(_NEW, f"CPU {_BARE}"),
    "new.instructions": Line(_NEW, f"instructions {_BARE}", 0.95),
    "busy.wall": Line(f"{_LINE}, all cores busy", f"wall {_BARE}"),
    "floor.wall": Line("python -I -S -c pass", f"wall {_BARE}"),
    "cold.wall": Line(_COLD, f"wall {_BARE}"),
    "cold.cpu": Line(_COLD, f"CPU {_BARE}"),
    "cold.instructions": Line(_COLD, f"instructions {_BARE}", 12),
    "tls.wall": Line(_TLS, f"wall {_BARE}"),
    "tls.cpu": Line(_TLS, f"CPU {_BARE}"),
    "tls.instructions": Line(_TLS, f"instructions {_BARE}", 12),
    "peer.sso.wall": Line(_SSO, f"wall {_BARE}"),
    "peer.sso.cpu": Line(_SSO, f"CPU {_BARE}"),
    "peer.cli2.wall": Line(_CLI2, f"wall {_BARE}"),
    "peer.cli2.cpu": Line(_CLI2, f"CPU {_BARE}"),
    "peer.export.wall": Line(_EXPORT, f"wall {_BARE}"),
    "peer.export.cpu": Line(_EXPORT, f"CPU {_BARE}"),
    "peer.ours": Line(_HELPER, f"wall x {_SSO}", 0.05),
    "import.ms": Line("import botocore_cognito_federation after botocore.session", "ms", 1.0),
    "activated.wall": Line("interpreter after `native enable`", f"wall {_BARE}", 1.04, reason=_WALL),
    "activated.cpu": Line("interpreter after `native enable`", f"CPU {_BARE}"),
    "activated.instructions": Line("interpreter after `native enable`", f"instructions {_BARE}", 1.04, reason=PTH),
    "activated.floor": Line("interpreter with a `.pth` that says `import sys`", f"instructions {_BARE}"),
    "native.wall": Line(_NATIVE, "wall x static keys", 1.03, reason=_WALL),
    "native.cpu": Line(_NATIVE, "CPU x static keys"),
    "native.instructions": Line(_NATIVE, "instructions x static keys", 1.03),
    "native.installing": Line(f"install(), {_NATIVE}", "instructions x static keys"),
    "native.again": Line("the next session, client and call in that process", "CPU x static keys", 1.03),
    "frozen.static": Line("get_frozen_credentials(), static Credentials", "ns"),
    "frozen.ours": Line("get_frozen_credentials(), this package", "ns"),
    "frozen.ratio": Line("get_frozen_credentials(), this package", "x static Credentials", 1.0),
    "served.again": Line("current_credentials(), fresh", "ns", 2000),
    "sign_in.cpu": Line(_SIGN_IN, "CPU ms"),
    "sign_in.bare": Line("the same two calls by botocore alone", "CPU ms"),
    "sign_in.ratio": Line(_SIGN_IN, "CPU x the same two calls by botocore alone", 1.15, reason=_USER),
    "burst.wall": Line(_BURST, "wall x (one cold call + 1.15 warm bursts)", 1.0, reason=_HERD),
    "burst.refreshes": Line(_BURST, "refresh tokens spent", 1, exactly=True),
    "burst.identities": Line(_BURST, "calls of GetId", 1),
    "burst.credentials": Line(_BURST, "calls of GetCredentialsForIdentity", 1, exactly=True),
    "growing.wall": Line(f"{_HELPER}, 10,000 profiles cached", "wall x one profile", 1.05),
    "growing.instructions": Line(f"{_HELPER}, 10,000 profiles cached", "instructions x one profile", 1.01),
    "config.wall": Line(f"{_HELPER}, 2,000 profiles in ~/.aws/config", "wall x few profiles", 1.05),
    "config.instructions": Line(f"{_HELPER}, 2,000 profiles in ~/.aws/config", "instructions x few profiles", 1.01),
    "endpoint.median": Line("answer of `serve`, a new connection each", "ms", 5),
    "endpoint.most": Line("answer of `serve`, a new connection each", "ms, 95 of 100"),
    "crowd.dropped": Line(_CROWD, "clients without an answer", 0, exactly=True),
    "crowd.p99": Line(_CROWD, "s, 99 of 100", 2),
    "loop.wall": Line(_LOOP, "longest stall, ms", 20, reason=_WALL),
    "loop.cpu": Line(_LOOP, "longest stall, ms of its own CPU", 20),
}


@dataclass(frozen=True)
class Row:
    """A figure for a line.

    Attributes:
        key: the line.
        value: the median; None where it could not be measured here.
        spread: the quarters on both sides of the median.
        why: why there is no figure.
    """

    key: str
    value: float | None = None
    spread: tuple[float, float] | None = None
    why: str = ""

    @property
    def line(self) -> Line:
        return CATALOGUE[self.key]

    @property
    def met(self) -> bool | None:
        """Whether the figure is what it should be; None where there is no figure or no limit."""
        limit, exactly = self.line.limit, self.line.exactly
        if self.value is None or limit is None:
            return None
        if exactly:
            return {self.value, *(self.spread or ())} == {limit}
        return self.value <= limit


def text(rows: Sequence[Row]) -> str:
    """The rows for a terminal."""
    lines = [("what", "unit", "measured", "quarters", "at most", ""), *map(_cells, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in padded) + "\n"


def markdown(rows: Sequence[Row]) -> str:
    """The rows for a page, in the catalogue's order; what was not measured is there too."""
    found = {row.key: row for row in rows}
    lines = [("what", "unit", "measured", "quarters", "at most", ""), ("---",) * 6]
    lines += [_cells(found.get(key, Row(key, why="not measured"))) for key in CATALOGUE]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    line = row.line
    return (
        line.what,
        line.unit,
        (row.why or "-") if row.value is None else _figure(row.value),
        "" if row.spread is None else "..".join(map(_figure, row.spread)),
        "" if line.limit is None else ("exactly " if line.exactly else "") + _figure(line.limit),
        {True: "met", False: "MISSED", None: ""}[row.met],
    )


def _figure(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.3f}"
