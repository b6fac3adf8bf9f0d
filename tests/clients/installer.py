"""The installations of the clients: a virtual environment, an npm folder or a system package each, cached between runs.

They are in the user's cache folder. The project itself is built into a wheel and installed again for every run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS = 600
_BIN = "Scripts" if os.name == "nt" else "bin"


class Unavailable(Exception):
    """This machine lacks a client; the text says how to install it."""


def promised() -> bool:
    """Return whether this is CI, where nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


class Installer:
    """Installs on first use.

    Args:
        scratch: a folder of this run, for the wheel.
        interpreter: what the virtual environments are made of.
    """

    def __init__(self, scratch: Path, interpreter: str = sys.executable) -> None:
        self._scratch = scratch
        self._interpreter = interpreter
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._root = root / "botocore-cognito-federation-tests" / "clients"
        self._uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
        self._wheel: Path | None = None

    @property
    def interpreter(self) -> str:
        """The interpreter of the virtual environments."""
        return self._interpreter

    @property
    def uv(self) -> str | None:
        """The path of uv; None to install with pip."""
        return self._uv

    def python(self, name: str, *requirements: str, project: bool = False) -> Path:
        """Return the folder of executables of a virtual environment that has the requirements.

        Args:
            project: install this project too, as the wheel that a user would get.

        Raises:
            Unavailable: they cannot be installed.
        """
        wanted = [*requirements, *([str(self.wheel())] if project else [])]
        # The project's requirements are part of the resolved set; the wheel's own path is not.
        key = (
            version_of(self._interpreter, "--version"),
            bool(self._uv) or "without setuptools",
            requirements,
            # Another checkout has its own wheel.
            (str(REPOSITORY), (REPOSITORY / "setup.cfg").read_bytes()) if project else (),
        )
        folder = self._installed(name, repr(key), lambda into: self._make_venv(into, wanted))
        if project:
            self._pip(folder, "--reinstall" if self._uv else "--force-reinstall", "--no-deps", str(self.wheel()))
        return folder / _BIN

    def npm(self, name: str, *packages: str) -> Path:
        """Return the folder that holds ``node_modules`` with the packages.

        Raises:
            Unavailable: there is no node, or npm cannot install them.
        """
        if not shutil.which("node") or not shutil.which("npm"):
            raise Unavailable("needs node and npm")

        def install(into: Path) -> None:
            into.mkdir(parents=True)
            (into / "package.json").write_text('{"private": true}\n')
            _run("npm", "install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts", *packages, cwd=into)

        return self._installed(f"npm-{name}", repr(packages), install)

    def debian(self, program: str, package: str, *, accept: Callable[[str], bool]) -> str:
        """Return the path of a system program; in CI, as root, a missing package is installed.

        Args:
            accept: whether the output of ``--version`` is that of the intended program.

        Raises:
            Unavailable: it is not installed.
        """
        found = _find(program, accept)
        if found is None and promised() and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
            try:
                _run("apt-get", "update", "-qq")
                _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)
            except subprocess.SubprocessError as error:
                raise Unavailable(f"apt-get could not install {package}: {_tail(error)}") from None
            found = _find(program, accept)
        if found is None:
            raise Unavailable(f"not installed; on Debian: apt-get install {package}")
        return found

    def wheel(self) -> Path:
        """The wheel of this project, built once a run."""
        if self._wheel is None:
            into, source = self._scratch / "wheel", self._source()
            if self._uv:
                _run(self._uv, "build", "-q", "--wheel", "--out-dir", str(into), str(source))
            else:
                # The interpreter that runs this may have no pip; a virtual environment of its own has.
                builder = str(self.python("builder") / "python")
                _run(builder, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(into), str(source))
            (self._wheel,) = into.glob("*.whl")
        return self._wheel

    def _source(self) -> Path:
        """Return a copy to build from: a build in place would include the files of an earlier one in ``build/``."""
        copy = self._scratch / "source"
        copy.mkdir()
        for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, copy)
        shutil.copytree(REPOSITORY / "scripts", copy / "scripts")
        package = "botocore_cognito_federation"
        shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
        return copy

    def _installed(self, name: str, key: str, install: Callable[[Path], None]) -> Path:
        self._root.mkdir(parents=True, exist_ok=True)
        folder = self._root / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        with FileLock(f"{folder}.lock", timeout=_SECONDS):
            if not (folder / ".complete").exists():
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    install(folder)
                except (subprocess.SubprocessError, OSError) as error:
                    raise Unavailable(f"could not be installed: {_tail(error)}") from None
                (folder / ".complete").touch()
        return folder

    def _make_venv(self, folder: Path, requirements: list[str]) -> None:
        if self._uv:
            # Not `uv venv`: its environments hold a .pth, which slows down every start of Python.
            _run(self._interpreter, "-m", "venv", "--without-pip", str(folder))
        else:
            _run(self._interpreter, "-m", "venv", str(folder))
            # pip before 25.2 writes console scripts that import `re`, unlike those of today's users.
            self._pip(folder, "--upgrade", "pip>=25.2")
            # Its .pth slows down every start of Python; an environment made with uv has none.
            _run(str(folder / _BIN / "python"), "-m", "pip", "uninstall", "-q", "-y", "setuptools")
        if requirements:
            self._pip(folder, *requirements)

    def _pip(self, folder: Path, *arguments: str) -> None:
        python = str(folder / _BIN / "python")
        if self._uv:
            _run(self._uv, "pip", "install", "-q", "--python", python, *arguments)
        else:
            _run(python, "-m", "pip", "install", "-q", *arguments)


def version_of(*command: str) -> str:
    """Return the first line of a program's version output."""
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return (found.stdout or found.stderr).strip().partition("\n")[0]


def _find(program: str, accept: Callable[[str], bool]) -> str | None:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which(program, path=folder)
        if path and accept(version_of(path, "--version")):
            return path
    return None


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_SECONDS, cwd=cwd, stdin=subprocess.DEVNULL
    )


def _tail(error: Exception) -> str:
    text = str(getattr(error, "stderr", None) or error)
    return " ".join(text.split())[-300:]
