"""The run: one machine, every line of some programs, a few programs at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from botocore_cognito_federation.demo.world import REGION
from tests.clients.children import ChildFailed
from tests.clients.installer import Installer, Unavailable
from tests.servers.own_network import is_possible, run_in_own_network

from .machine import files, running
from .measure import SHORT_LIFE, Place, measure
from .page import Line, Measured, lines
from .programs import PROGRAMS, Program

#: Each program has three processes at once.
_AT_ONCE = 2


@dataclass(frozen=True)
class Result:
    """What came of a program: its rows of the table, and what went against the page."""

    rows: tuple[Measured, ...]
    failures: tuple[str, ...]


Progress = Callable[[Line, str], None]


def run(names: Iterable[str], progress: Progress) -> Mapping[str, Result]:
    """Run the lines of these programs.

    Args:
        names: headings of the page.
        progress: called for each line that has been run, from any thread.

    Raises:
        Unavailable: this machine cannot have a network of its own, or cannot install a program.
    """
    if not is_possible():
        raise Unavailable("needs root on Linux, and ip")
    with tempfile.TemporaryDirectory(prefix="data-tools-") as scratch:
        folder = Path(scratch)
        installer = Installer(folder)
        executable = installer.python("boto3", "boto3", project=True) / "cognito-federation"
        found = {name: PROGRAMS[name](installer) for name in names}
        folders = {executable.parent, *(program.folder for program in found.values() if program.folder is not None)}
        trusted = [path for one in folders for path in (one.parent / "lib").rglob("cacert.pem")]

        def drive() -> Mapping[str, Result]:
            with running(folder) as machine, ThreadPoolExecutor(_AT_ONCE) as pool:
                machine.world.credential_lifetime = SHORT_LIFE
                place = Place(machine, folder, executable)
                results = pool.map(lambda name: _result(place, name, found[name], progress), found)
                return dict(zip(found, results, strict=True))

        return run_in_own_network(drive, files(folder, REGION, trusted))


def _result(place: Place, name: str, program: Program, progress: Progress) -> Result:
    rows: list[Measured] = []
    failures: list[str] = []
    for line in lines():
        if line.program != name:
            continue
        try:
            row = measure(place, line, program)
        except ChildFailed as failure:
            failures.append(f"{name}, block {line.number}: {failure}")
            progress(line, failures[-1])
        else:
            rows += [row] if row is not None else []
            progress(line, " | ".join(row.cells) if row is not None else f"{line.kind.value}: ok")
    return Result(tuple(rows), tuple(failures))
