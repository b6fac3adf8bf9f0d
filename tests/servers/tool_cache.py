"""Programs that the tests need in addition to the test environment, installed once into folders of the user's cache.

Each Python program has its own virtual environment, because some pin versions that would change the one under test; npm
packages have their own folder. On a machine without them the test is skipped with a reason; with CI set it fails.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import filelock
import pytest

_INSTALL_SECONDS = 300


def lacking(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI, which promises that everything is installed."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(reason)
    pytest.skip(reason)


def python_in_venv(name: str, *requirements: str) -> Path:
    """Return the interpreter of a virtual environment that has the requirements."""
    folder = _installed(
        f"{name}-py{sys.version_info[0]}.{sys.version_info[1]}", requirements, lambda at: _make_venv(at, requirements)
    )
    return _python(folder)


def npm_folder(name: str, *packages: str) -> Path:
    """Return a folder whose node_modules has the packages."""
    _need_node()
    return _installed(f"npm-{name}", packages, lambda at: _npm_install(at, packages))


def npm_project(name: str, *files: Path) -> Path:
    """Return a folder with copies of the files, including a package.json, and with its packages."""
    _need_node()
    return _installed(f"npm-{name}", tuple(file.read_text() for file in files), lambda at: _npm_project(at, files))


def _need_node() -> None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            lacking(f"{program} is not installed")


def _installed(name: str, what: tuple[str, ...], install: Callable[[Path], None]) -> Path:
    """Return the folder that `install` has filled once; each `what` has its own."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "botocore-cognito-federation-tests"
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{name}-{hashlib.sha256(repr(what).encode()).hexdigest()[:12]}"
    with filelock.FileLock(f"{folder}.lock", timeout=_INSTALL_SECONDS):
        if not (folder / ".complete").exists() or _has_lost_its_interpreter(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                install(folder)
            except (subprocess.SubprocessError, OSError) as error:
                tail = (getattr(error, "stderr", None) or str(error))[-500:]
                lacking(f"cannot install {name}: {tail}")
            (folder / ".complete").touch()
    return folder


def _has_lost_its_interpreter(folder: Path) -> bool:
    """Return whether the Python of a virtual environment is gone, as after the removal of another checkout."""
    return (folder / "pyvenv.cfg").exists() and not _python(folder).exists()


def _make_venv(folder: Path, requirements: tuple[str, ...]) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    python = str(_python(folder))
    # The interpreter itself: the virtual environment that runs this may be removed before the cache.
    interpreter = os.path.realpath(sys.executable)
    if uv:
        _run(uv, "venv", "-q", "--python", interpreter, str(folder))
        _run(uv, "pip", "install", "-q", "--python", python, *requirements)
    else:
        _run(interpreter, "-m", "venv", str(folder))
        _run(python, "-m", "pip", "install", "-q", *requirements)


def _python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _npm_install(folder: Path, packages: tuple[str, ...]) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    _run("npm", "install", "--no-audit", "--no-fund", "--silent", *packages, cwd=folder)


def _npm_project(folder: Path, files: tuple[Path, ...]) -> None:
    for file in files:
        shutil.copyfile(file, folder / file.name)
    _run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", cwd=folder)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS, cwd=cwd)
