"""What each column proves, and how.

credential_process, native, endpoint
    The client reads an object with the `demo` profile, with `demo-native` after ``install()``, or with no profile as a
    child of ``exec --server``. No other source has credentials that may read it.
role chain
    It writes where only the chained role may.
data on stdin
    The data on its standard input arrives in the object: the credential helper, which inherits that input, does not
        read it.
refresh while running
    One process makes requests before and after its credentials have expired; the world's journal must show two
    different keys of this client's identity, the second first used after the first had expired, and no refusal.
when the sign-in breaks, the same with `cognito_fail_closed`, when the endpoint fails
    The client's own credentials are not available, while a metadata service or a container endpoint offers those of
    another identity, which may read the object. The client must fail, or fall back if the catalogue says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import boto3

from botocore_cognito_federation.demo import home as home_files
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.serve.endpoint import Endpoint

from .children import Child, ChildFailed
from .model import (
    ENDPOINT,
    NATIVE,
    PLAIN,
    PROCESS,
    Client,
    Column,
    Commands,
    Installed,
    Place,
    Program,
    Reaction,
    Target,
    Way,
)
from .uses import first_use, identity_of, issues, sleep_until, uses

#: The lifetime of credentials in seconds in the column about refreshing.
SHORT_LIFE = 15.0
_MARGIN = 0.5
#: More than the size from which every client stores a stream in parts (at most 8 MiB, and its read-ahead).
_PART = 9 << 20


@dataclass(frozen=True)
class Cell:
    """A client in a column: everything that a proof needs."""

    world: World
    place: Place
    client: Client
    installed: Installed
    column: Column
    inherited: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The user: a different one in each cell, by which the journal tells the cells apart."""
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{self.client.name}-{self.column.value}")
        return name.lower()

    def object_key(self, folder: str) -> str:
        return f"{folder}/{self.subject}.txt"


def prove(cell: Cell) -> Reaction | None:
    """Return normally if the column holds for the client; in a column about failures, return the client's reaction.

    Raises:
        ChildFailed: the column does not hold.
    """
    return _PROOFS[cell.column](cell)


def _reads_by(way: Way) -> Callable[[Cell], None]:
    def proof(cell: Cell) -> None:
        run = _Run(cell, way, way.profile)
        key = cell.world.facts.object_key
        expected = _stored(cell.world, key).decode().strip()
        if isinstance(cell.client.drive, Program):
            with run.start(run.program) as child:
                found = child.ask(f"get {key}")
                child.finish()
        else:
            with run.start(cell.client.drive.get(run.program, run.target, key)) as child:
                found = child.finish().strip()
        _expect(expected, found)

    return proof


def _chains(cell: Cell) -> None:
    for way in cell.client.ways():
        if way.chained_profile is not None:
            _stores(cell, _Run(cell, way, way.chained_profile), cell.object_key("chained"), way.chained_profile)


def _takes_input(cell: Cell) -> None:
    _stores(cell, _Run(cell, PROCESS, PROCESS.profile), cell.object_key("uploads"), "data")


def _stores(cell: Cell, run: _Run, key: str, text: str) -> None:
    if isinstance(cell.client.drive, Program):
        with run.start(run.program) as child:
            _expect("stored", child.ask(f"put {key} {text}"))
            child.finish()
    else:
        with run.start(cell.client.drive.put(run.program, run.target, key)) as child:
            child.feed(f"{text}\n".encode())
            child.finish()
    _expect(text, _stored(cell.world, key).decode().strip())


def _refreshes(cell: Cell) -> None:
    ways = cell.client.ways()
    with ThreadPoolExecutor(len(ways)) as pool:
        # Nearly all of the time is waiting.
        for _ in pool.map(partial(_refreshes_by, cell), ways):
            pass


def _refreshes_by(cell: Cell, way: Way) -> None:
    run = _Run(cell, way, way.profile)
    identity = run.identity()
    try:
        with _Lasting.of(cell, run) as lasting:
            lasting.begin()
            first = first_use(cell.world, identity)
            sleep_until(first.time + SHORT_LIFE + _MARGIN, cell.world)
            lasting.go_on()
        _check_two_keys(cell, identity)
    except ChildFailed as failure:
        raise ChildFailed(f"by {way.column.value}: {failure}") from None


def _breaks(cell: Cell, *, closed: bool) -> Reaction:
    """The credential process fails, with each of the other identities within reach in turn."""
    reactions = set()
    for name, others in (("machine", cell.place.others.machine), ("container", cell.place.others.container)):
        run = _Run(cell, PROCESS, PROCESS.profile, name)
        run.break_sign_in()
        run.variables.update(others)
        if closed:
            run.variables["COGNITO_FEDERATION_FAIL_CLOSED"] = "true"
        reactions.add(_reaction(cell, run))
    return _expected(cell, Reaction.GOES_ON if Reaction.GOES_ON in reactions else Reaction.RAISES)


def _endpoint_breaks(cell: Cell) -> Reaction:
    """The endpoint answers with an error, with the role of the machine within reach."""
    helper = _Run(cell, PROCESS, PROCESS.profile, "endpoint")
    with helper.start([str(cell.place.executable), "serve", "--profile", "demo"]) as serving:
        variables = dict(shlex.split(serving.next())[1].split("=", 1) for _ in Endpoint.VARIABLES)
        helper.break_sign_in()
        with helper.start([str(cell.place.executable), "logout", "--profile", "demo"]) as logout:
            logout.finish()
        run = _Run(cell, PLAIN, None, "machine")
        run.variables.update({**cell.place.others.machine, **variables})
        return _expected(cell, _reaction(cell, run))


def _reaction(cell: Cell, run: _Run) -> Reaction:
    """Return the client's reaction to a request for the object.

    Raises:
        ChildFailed: it gives another answer, or none.
    """
    key = cell.world.facts.object_key
    expected = _stored(cell.world, key).decode().strip()
    try:
        if isinstance(cell.client.drive, Program):
            with run.start(run.program) as child:
                found = child.ask(f"get {key}")
        else:
            with run.start(cell.client.drive.get(run.program, run.target, key)) as child:
                found = child.finish().strip()
    except ChildFailed as failure:
        if failure.late:
            raise
        return Reaction.RAISES
    _expect(expected, found)
    return Reaction.GOES_ON


def _expected(cell: Cell, found: Reaction) -> Reaction:
    """Return the reaction, if it is the one in the catalogue."""
    expected = Reaction.GOES_ON if cell.column in cell.client.goes_on else Reaction.RAISES
    if found is not expected:
        raise ChildFailed(f"expected that it {expected.value}, found that it {found.value}")
    return found


class _Run:
    """One process of a cell: its command line, its environment, its own cache and login token."""

    def __init__(self, cell: Cell, way: Way, profile: str | None, name: str = "") -> None:
        self._cell = cell
        self._way = way
        #: The variables of this process in addition to those of every run.
        self.variables: dict[str, str] = {}
        facts = cell.world.facts
        self.program = cell.installed.start_by(way)
        self.target = Target(facts.endpoint_url, facts.region, facts.bucket, profile)
        self._subject = f"{cell.subject}-{way.column.value}{name}"
        self._folder = cell.place.cells / self._subject
        self._folder.mkdir(mode=0o700, parents=True)
        self._token = cell.world.provider.issue(self._subject)
        home_files.write_private(self._folder / "token", self._token)

    def start(self, command: tuple[str, ...] | list[str]) -> Child:
        if self._way is ENDPOINT:
            command = [str(self._cell.place.executable), "exec", "--server", "--profile", "demo", "--", *command]
        return Child(list(command), self._environment())

    def break_sign_in(self) -> None:
        """Remove the login token."""
        (self._folder / "token").unlink()

    def identity(self) -> str:
        """Return the world's identity ID for this run's subject."""
        return identity_of(self._cell.world, self._token)

    def _environment(self) -> dict[str, str]:
        facts = self._cell.world.facts
        found = home_files.child_environment(facts, self._cell.place.home, dict(self._cell.inherited))
        found |= {
            # The config file is that of the run; the caches of SDKs and of this package belong to this process.
            "HOME": str(self._folder),
            "COGNITO_FEDERATION_CACHE_DIR": str(self._folder / "cache"),
            "COGNITO_FEDERATION_TOKEN_FILE": str(self._folder / "token"),
            # Requests to other machines are answered on this one or fail, including those to name servers.
            **self._cell.place.hosts,
            # The Go SDK 2 passes only this variable to its inner STS client.
            "AWS_ENDPOINT_URL_STS": facts.endpoint_url,
            "MATRIX_BUCKET": facts.bucket,
            "MATRIX_REGION": facts.region,
            **self._cell.installed.environment,
        }
        if self.target.profile is not None:
            found["AWS_PROFILE"] = self.target.profile
        if self._way is NATIVE:
            found["MATRIX_NATIVE"] = "1"
        return found | self.variables


class _Lasting:
    """A client that makes a request, waits, and makes another in the same process."""

    def __init__(self, cell: Cell, child: Child, target: Target) -> None:
        self._cell, self._child, self._target = cell, child, target

    @staticmethod
    def of(cell: Cell, run: _Run) -> _Lasting:
        start, drive, key = run.program, cell.client.drive, cell.object_key("uploads")
        if isinstance(drive, Program):
            return _LastingLines(cell, run.start(start), run.target)
        if drive.lines is not None:
            return _LastingLines(cell, run.start(drive.lines[0](start, run.target, key)), run.target)
        assert drive.put_stream is not None
        return _LastingStream(cell, run.start(drive.put_stream(start, run.target, key)), run.target)

    def __enter__(self) -> _Lasting:
        return self

    def __exit__(self, *error: object) -> None:
        self._child.__exit__(None, None, None)

    def begin(self) -> None:
        raise NotImplementedError

    def go_on(self) -> None:
        raise NotImplementedError


class _LastingLines(_Lasting):
    """It reads an object twice."""

    def begin(self) -> None:
        drive, key = self._cell.client.drive, self._cell.world.facts.object_key
        if isinstance(drive, Commands) and drive.lines is not None:
            line = drive.lines[1](self._target, key)
        else:
            line = f"get {key}"
        _expect(_stored(self._cell.world, key).decode().strip(), self._child.ask(line))

    def go_on(self) -> None:
        self.begin()
        self._child.finish()


class _LastingStream(_Lasting):
    """It stores a stream in parts, of which the last arrive later."""

    def begin(self) -> None:
        self._child.feed(b"a" * _PART)

    def go_on(self) -> None:
        self._child.feed(b"z" * _PART)
        self._child.finish()
        stored = _stored(self._cell.world, self._cell.object_key("uploads"))
        _expect("a" * 8 + "z" * 8, (stored[_PART - 8 : _PART + 8]).decode(errors="replace"))


def _check_two_keys(cell: Cell, identity: str) -> None:
    used = uses(cell.world, identity)
    refused = {call.code for call in used if call.status >= 400} - cell.client.repeats
    if refused:
        raise ChildFailed(f"was refused: {', '.join(sorted(refused))}")
    issued = {call.access_key: call.time for call in issues(cell.world, identity)}
    first, last = used[0], used[-1]
    if last.access_key == first.access_key or last.time < issued[first.access_key] + SHORT_LIFE:
        raise ChildFailed("made no request with new credentials after the first had expired")


def _stored(world: World, key: str) -> bytes:
    facts = world.facts
    client = boto3.client(
        "s3",
        region_name=facts.region,
        endpoint_url=facts.endpoint_url,
        aws_access_key_id=facts.admin_access_key_id,
        aws_secret_access_key=facts.admin_secret_access_key,
    )
    try:
        found: bytes = client.get_object(Bucket=facts.bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        raise ChildFailed(f"the object {key} was not stored") from None
    return found


def _expect(expected: str, found: str) -> None:
    if expected != found:
        raise ChildFailed(f"expected {expected!r}, found {found[:80]!r}")


_PROOFS: Mapping[Column, Callable[[Cell], Reaction | None]] = {
    Column.PROCESS: _reads_by(PROCESS),
    Column.NATIVE: _reads_by(NATIVE),
    Column.ENDPOINT: _reads_by(ENDPOINT),
    Column.CHAIN: _chains,
    Column.STDIN: _takes_input,
    Column.REFRESH: _refreshes,
    Column.BROKEN: partial(_breaks, closed=False),
    Column.CLOSED: partial(_breaks, closed=True),
    Column.BROKEN_ENDPOINT: _endpoint_breaks,
}
