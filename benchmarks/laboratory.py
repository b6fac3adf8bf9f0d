"""Where it is measured: a demo world, and a virtual environment with the wheel a user would install."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from botocore_cognito_federation.demo import home as home_files
from botocore_cognito_federation.demo.world import World
from tests.clients.rooms import Rooms

# Each changes what Python does at start.
_PYTHON_VARIABLES = ("PYTHON", "VIRTUAL_ENV", "COVERAGE_")


@dataclass(frozen=True)
class Laboratory:
    """One world, one home, one installed product; `environment` is that of every process measured."""

    world: World
    rooms: Rooms
    scratch: Path
    home: Path
    bin: Path
    environment: dict[str, str]

    @property
    def python(self) -> str:
        return str(self.bin / "python")

    @property
    def bare(self) -> list[str]:
        """The floor: Python that does nothing."""
        return [self.python, "-c", "pass"]

    @property
    def helper(self) -> list[str]:
        """``credential-process`` as an SDK starts it."""
        return [str(self.bin / "cognito-federation"), "credential-process", "--profile", "demo"]

    @property
    def cache(self) -> Path:
        return Path(self.environment["COGNITO_FEDERATION_CACHE_DIR"])

    def warm(self) -> None:
        """Have an answer ready."""
        subprocess.run(self.helper, env=self.environment, check=True, capture_output=True)

    def forget(self) -> None:
        """Keep nothing."""
        shutil.rmtree(self.cache, ignore_errors=True)


@contextlib.contextmanager
def opened(interpreter: str = sys.executable) -> Iterator[Laboratory]:
    """A laboratory; everything it started ends with the block.

    Args:
        interpreter: the Python whose processes are measured.
    """
    with tempfile.TemporaryDirectory(prefix="cognito-benchmarks-") as folder, World() as world:
        scratch = Path(folder)
        rooms = Rooms(scratch, interpreter)
        bin_folder = rooms.python("benchmarks", project=True)
        home = scratch / "home"
        world.write_home(home, str(bin_folder / "cognito-federation"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PYTHON_VARIABLES)}
        environment = home_files.child_environment(world.facts, home, inherited)
        laboratory = Laboratory(world, rooms, scratch, home, bin_folder, environment)
        laboratory.warm()
        yield laboratory
