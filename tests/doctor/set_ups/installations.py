"""Virtual environments that are not whole, made of links to the packages of this one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

from tests.home import ROOT


class Installation:
    """A virtual environment.

    Args:
        folder: where to make it.
        without: distributions that are left out.
        versions: distribution -> the version that its metadata and its module tell.
    """

    def __init__(
        self, folder: Path, *, without: tuple[str, ...] = (), versions: Mapping[str, str] | None = None
    ) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = folder / "bin" / "python"
        self._packages = next((folder / "lib").glob("python*")) / "site-packages"
        self._spoiled = {each for name in without for each in _entries(name)}
        self._changed: list[Path] = []
        for entry in _site().iterdir():
            if entry.name not in self._spoiled and not entry.name.startswith("__editable__"):
                (self._packages / entry.name).symlink_to(entry)
        (self._packages / "own.pth").write_text(f"{ROOT}\n")
        for name, version in (versions or {}).items():
            self._set_version(name, version)

    def _set_version(self, name: str, version: str) -> None:
        for entry in _entries(name):
            link = self._packages / entry
            if not link.is_symlink() or not link.is_dir():
                continue
            target = link.resolve()
            link.unlink()
            shutil.copytree(target, link, symlinks=True, ignore=shutil.ignore_patterns("data"))
            self._changed.append(link)
            for path in (link / "METADATA", link / "__init__.py"):
                if path.exists():
                    text = path.read_text(encoding="utf-8")
                    text = re.sub(r"(?m)^Version: .*$", f"Version: {version}", text)
                    text = re.sub(r"(?m)^__version__ = .*$", f'__version__ = "{version}"', text)
                    path.write_text(text, encoding="utf-8")

    def repair(self) -> None:
        """Make it whole."""
        for path in self._changed:
            shutil.rmtree(path)
        for entry in _site().iterdir():
            link = self._packages / entry.name
            if not link.exists() and not entry.name.startswith("__editable__"):
                link.symlink_to(entry)


def _site() -> Path:
    return Path(sysconfig.get_path("purelib"))


def _entries(name: str) -> set[str]:
    """The top-level files and directories of a distribution."""
    files = distribution(name).files or []
    return {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}
