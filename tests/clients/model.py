"""The records of the matrix: its columns, the sources of credentials, the clients, and the results."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .installer import Installer
    from .stand_ins import StandIns


class Column(enum.Enum):
    """A column of the table, named by its heading."""

    PROCESS = "credential_process"
    NATIVE = "native"
    ENDPOINT = "endpoint"
    CHAIN = "role chain"
    STDIN = "data on stdin"
    REFRESH = "refresh while running"
    BROKEN = "when the sign-in breaks"
    CLOSED = "the same with `cognito_fail_closed`"
    BROKEN_ENDPOINT = "when the endpoint fails"


@dataclass(frozen=True)
class Way:
    """One source of credentials: the column that shows it and the profiles of the world's config that use it."""

    column: Column
    profile: str | None
    chained_profile: str | None


PROCESS = Way(Column.PROCESS, "demo", "chained")
NATIVE = Way(Column.NATIVE, "demo-native", "chained-native")
#: No profile: only the container endpoint's variables lead to credentials.
ENDPOINT = Way(Column.ENDPOINT, None, None)
#: No profile either; the client runs by itself, with the given variables.
PLAIN = Way(Column.BROKEN_ENDPOINT, None, None)
WAYS = (PROCESS, NATIVE, ENDPOINT)


@dataclass(frozen=True)
class Target:
    """The facts about the world for a command line."""

    endpoint_url: str
    region: str
    bucket: str
    profile: str | None


#: Makes a command line; the program's path is passed in, because it depends on the installation.
Compose = Callable[[tuple[str, ...], Target, str], list[str]]


@dataclass(frozen=True)
class Commands:
    """A client without its own script: one command line prints an object, one stores its standard input.

    `lines` is for a client that takes several commands in one process: its start, and the line that makes it print the
    object. Without it, the client stays active by storing a stream in two parts.
    """

    get: Compose
    put: Compose
    put_stream: Compose | None = None
    lines: tuple[Compose, Callable[[Target, str], str]] | None = None


@dataclass(frozen=True)
class Program:
    """A script of ``programs/`` that answers ``get KEY`` and ``put KEY TEXT`` on its input, a line each."""


@dataclass(frozen=True)
class Installed:
    """A client on this machine.

    Attributes:
        start: its command line.
        version: its version in the table.
        environment: variables that it needs.
        native_start: its command line in an environment with `native enable`, if it has no script that can call
            ``install()``.
    """

    start: tuple[str, ...]
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)
    native_start: tuple[str, ...] = ()

    def start_by(self, way: Way) -> tuple[str, ...]:
        return self.native_start if way is NATIVE and self.native_start else self.start


@dataclass(frozen=True)
class Client:
    """A row.

    Attributes:
        lacks: for a column, why this client cannot do it by design.
        repeats: refusals after which it gets new credentials and repeats the request, by its own design.
        goes_on: the columns about failures in which it falls back to another identity.
    """

    name: str
    language: str
    install: Callable[[Installer], Installed]
    drive: Program | Commands
    lacks: Mapping[Column, str]
    repeats: frozenset[str] = frozenset()
    goes_on: frozenset[Column] = frozenset()

    def ways(self) -> tuple[Way, ...]:
        return tuple(way for way in WAYS if way.column not in self.lacks)


class Reaction(enum.Enum):
    """The reaction of a client whose own credentials are not available while another identity is within reach."""

    RAISES = "raises"
    GOES_ON = "**goes on**"


class Mark(enum.Enum):
    """How a cell ended."""

    OK = "ok"
    NOT_APPLICABLE = "n/a"
    MISSING = "missing"
    FAILED = "FAIL"


@dataclass(frozen=True)
class Outcome:
    """The result of a cell.

    Attributes:
        reason: why it is not ok.
        reaction: in the columns about failures: the client's reaction.
    """

    mark: Mark
    reason: str = ""
    reaction: Reaction | None = None

    @property
    def text(self) -> str:
        """The text of the cell in the table."""
        return self.reaction.value if self.reaction else self.mark.value


@dataclass(frozen=True)
class Row:
    client: Client
    version: str
    outcomes: Mapping[Column, Outcome]


@dataclass(frozen=True)
class Place:
    """The files of the run: the home with the config that all clients read, and a folder for each cell.

    `hosts` are the variables with which AWS's own host names are answered on this machine, `others` the identities
    within reach of a client whose own sign-in fails.
    """

    home: Path
    cells: Path
    executable: Path
    hosts: Mapping[str, str]
    others: StandIns
