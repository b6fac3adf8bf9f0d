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
from tests.clients.installer import Installer

# Each changes what Python does at start.
_PYTHON_VARIABLES = ("PYTHON", "VIRTUAL_ENV", "COVERAGE_")


@dataclass(frozen=True)
class Laboratory:
    """One world, one home, one installed product; `environment` is that of every process measured."""

    world: World
    installer: Installer
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
    def line(self) -> list[str]:
        """``credential-process`` by the line that ``configure`` writes."""
        script = str(self.bin / "cognito-federation-credentials")
        return [self.python, "-I", "-S", script, "credential-process", "--profile", "demo"]

    @property
    def check(self) -> list[str]:
        """``status --check`` as the prompt of a shell runs it."""
        return [str(self.bin / "cognito-federation"), "status", "--check", "--profile", "demo"]

    def with_pip(self, *, newest: bool) -> Path:
        """The executables of an environment as the README makes it, with the pip of this Python or the newest one."""
        folder = self.scratch / ("new-pip" if newest else "old-pip")
        if not folder.exists():
            make = [self.installer.interpreter, "-m", "venv", str(folder)]
            subprocess.run(make, check=True, capture_output=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
            if newest:
                subprocess.run([*pip, "--upgrade", "pip"], check=True, capture_output=True)
                # Its .pth costs every start of Python; environments of newer Pythons have none.
                remove = [*pip[:3], "uninstall", "-q", "-y", "setuptools"]
                subprocess.run(remove, check=True, capture_output=True)
            pip += ["--no-index", "--no-deps"]
            # Without the packages that it depends on: an answer that is ready needs none of them.
            subprocess.run([*pip, str(self.installer.wheel())], check=True, capture_output=True)
        return folder / "bin"

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
        installer = Installer(scratch, interpreter)
        bin_folder = installer.python("benchmarks", project=True)
        home = scratch / "home"
        world.write_home(home, str(bin_folder / "cognito-federation"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PYTHON_VARIABLES)}
        environment = home_files.child_environment(world.facts, home, inherited)
        laboratory = Laboratory(world, installer, scratch, home, bin_folder, environment)
        laboratory.warm()
        yield laboratory
