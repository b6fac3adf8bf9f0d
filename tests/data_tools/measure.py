"""What is found out about each line of the page.

works, and renews by itself
    Its program reads or writes before and after its first keys have expired; the journal must show other keys.
nobody is signed in
    The login token is missing from the start, and the role of the machine is within reach.
the sign-in breaks in mid-run
    The token and the cache go away while the program runs, and its first keys expire.

A program lasts until its keys have expired because its script does the last statement again (`run_line`), or, as a
command of a shell, because the first answer of S3 to it is held back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from botocore_cognito_federation.demo.home import write_private
from botocore_cognito_federation.demo.records import Call
from tests.clients.children import Child, ChildFailed
from tests.clients.uses import first_use, identity_of, issues, sleep_until, uses

from .machine import Machine
from .page import Kind, Line, Measured
from .programs import Program
from .run_line import DONE

#: The lifetime of keys in seconds.
SHORT_LIFE = 20.0
_MARGIN = 1.0
_RUNNER = Path(__file__).parent / "run_line.py"
_RAISES, _GOES_ON = "raises", "**goes on**"
_NONE: Mapping[str, str] = MappingProxyType({})
#: The files that lines read.
_DATA = {"reports/june.csv": "city,people\nOslo,709\n"}
#: What S3 answers to expired keys (Amazon S3 API reference, "Error responses").
_EXPIRED = "ExpiredToken"


@dataclass(frozen=True)
class Place:
    """Where lines run: the machine, a folder for their homes, and the product's command."""

    machine: Machine
    homes: Path
    executable: Path


def measure(place: Place, line: Line, program: Program) -> Measured | None:
    """Return what is true of a line; None for one that stands on the page for another reason, which holds.

    Raises:
        ChildFailed: the line does not do what the page says.
    """
    if line.kind is not Kind.MEASURED:
        _PROOFS[line.kind](_Run(place, line, program, "shown"))
        return None
    with ThreadPoolExecutor(3) as pool:  # nearly all of the time is waiting
        renews = pool.submit(_renews, _Run(place, line, program, "renews"))
        signed_out = pool.submit(_reaction, _signed_out, place, line, program, "absent")
        breaks = pool.submit(_reaction, _breaks, place, line, program, "breaks")
        return Measured(line.label, program.version, renews.result(), signed_out.result(), breaks.result())


def _fails(run: _Run) -> None:
    try:
        run.complete()
    except ChildFailed as failure:
        if run.line.words not in str(failure):
            raise
        return
    raise ChildFailed("works, against what the page says")


def _goes_on(run: _Run) -> None:
    run.reach_machine()
    _expect(_GOES_ON, run.reaction(run.complete))


def _freezes(run: _Run) -> None:
    _expect("no", _renews(run))


def _renews(run: _Run) -> str:
    try:
        with run.lasting() as go_on:
            go_on()
    except ChildFailed as failure:
        if failure.late or _EXPIRED not in {call.code for call in run.uses()}:
            raise
        return "no"
    first = issues(run.world, run.identity)[0]
    later = [call for call in run.uses() if call.time >= first.time + SHORT_LIFE and call.status < 400]
    if not later:
        raise ChildFailed("made no request after its first keys had expired")
    return "yes"


def _reaction(proof: Callable[[_Run], str], place: Place, line: Line, program: Program, purpose: str) -> str:
    found = proof(_Run(place, line, program, purpose))
    if found == _GOES_ON:
        closed = _Run(place, line, program, f"{purpose}2", {"COGNITO_FEDERATION_FAIL_CLOSED": "true"})
        _expect(_RAISES, proof(closed))
    return found


def _signed_out(run: _Run) -> str:
    run.sign_out()
    run.reach_machine()
    return run.reaction(run.complete)


def _breaks(run: _Run) -> str:
    run.reach_machine()
    with run.lasting(run.sign_out) as go_on:
        return run.reaction(go_on)


class _Run:
    """One process of a line, with a home of its own, and a user by whom the journal tells it from others."""

    def __init__(
        self, place: Place, line: Line, program: Program, purpose: str, variables: Mapping[str, str] = _NONE
    ) -> None:
        self._place, self.line, self._program = place, line, program
        self.world = place.machine.world
        name = f"{line.number}-{purpose}"
        self._home = place.homes / name  # short: Ray has sockets below it
        self._home.mkdir(mode=0o700)
        token = self.world.provider.issue(name)
        self._token = self._home / "token"
        write_private(self._token, token)
        write_private(self._home / ".aws" / "config", place.machine.config(self._token, place.executable))
        self.identity = identity_of(self.world, token)
        self._variables = {**program.variables, **variables, "AWS_EC2_METADATA_DISABLED": "true"}
        self._script = self._write()

    def uses(self) -> list[Call]:
        return uses(self.world, self.identity)

    def sign_out(self) -> None:
        """Take the login token away, and the keys that are cached."""
        self._token.unlink()
        shutil.rmtree(self._home / ".aws" / "cognito-federation", ignore_errors=True)

    def reach_machine(self) -> None:
        """Let the process reach the role of the machine, as on one of AWS."""
        self._variables.update(self._place.machine.others.machine)

    def complete(self) -> None:
        """Run all of it.

        Raises:
            ChildFailed: it failed.
        """
        with self._start() as child:
            child.finish()

    @contextlib.contextmanager
    def lasting(self, meanwhile: Callable[[], None] = lambda: None) -> Iterator[Callable[[], None]]:
        """Run it until its first keys have expired; the result lets it go on to its end.

        Args:
            meanwhile: called when it has used its first keys.
        """
        held = not self.line.lasts or self.line.kind is Kind.FREEZES_HELD
        gate = self.world.gates.held(self.identity) if held else contextlib.nullcontext()
        with gate as release, self._start() as child:
            while release is None and child.next() != DONE:
                """What the program prints is not of interest."""
            used = first_use(self.world, self.identity)
            meanwhile()
            issued = {call.access_key: call.time for call in issues(self.world, self.identity)}
            sleep_until(issued[used.access_key] + SHORT_LIFE + _MARGIN, self.world)

            def go_on() -> None:
                if release is None:
                    child.feed(b"\n")
                else:
                    release()
                child.finish()

            yield go_on

    def reaction(self, go_on: Callable[[], None]) -> str:
        """Return how the process reacts to the broken sign-in.

        Raises:
            ChildFailed: it does neither.
        """
        moment = time.time()
        try:
            go_on()
        except ChildFailed as failure:
            if failure.late:
                raise
            return _RAISES
        machine = self._place.machine.others.access_key
        later = [call for call in self.world.calls() if call.service == "s3" and call.time >= moment]
        own = {call.access_key for call in issues(self.world, self.identity)}
        if not any(call.access_key == machine for call in later) or any(call.access_key in own for call in later):
            raise ChildFailed("went on without the machine's role")
        return _GOES_ON

    def _start(self) -> Child:
        return Child(["bash", "-eu", str(self._script)], self._environment())

    def _write(self) -> Path:
        """Write the shell script of the line, and the files that it reads."""
        for name, text in {**self.line.files, **_DATA}.items():
            (self._home / name).parent.mkdir(exist_ok=True)
            (self._home / name).write_text(text, encoding="utf-8")
        path = self._home / "line.sh"
        path.write_text(f'cd "$HOME"\n{self.line.script}', encoding="utf-8")
        programs = self._home / "bin"
        programs.mkdir()
        (programs / "cognito-federation").symlink_to(self._place.executable)
        if self._program.folder is not None:
            interpreter = self._program.folder / "python"
            (programs / "python").write_text(f'#!/bin/sh\nexec "{interpreter}" "{_RUNNER}" "$@"\n')
            (programs / "python").chmod(0o755)
        return path

    def _environment(self) -> Mapping[str, str]:
        own = [str(self._program.folder)] if self._program.folder is not None else []
        return {
            "PATH": os.pathsep.join([str(self._home / "bin"), *own, "/usr/bin", "/bin"]),
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "LANG": "C.UTF-8",
            **self._variables,
        }


def _expect(expected: str, found: str) -> None:
    if expected != found:
        raise ChildFailed(f"expected {expected!r}, found {found!r}")


_PROOFS: Mapping[Kind, Callable[[_Run], None]] = {
    Kind.WORKS: _Run.complete,
    Kind.FAILS: _fails,
    Kind.GOES_ON: _goes_on,
    Kind.FREEZES: _freezes,
    Kind.FREEZES_HELD: _freezes,
}
