"""What this package is installed with: which requirement is missing or too old, and the line that installs it.

It is asked when a module cannot be imported, so it needs the standard library only. It reads the metadata that
installers leave (PEP 376, PEP 621) and imports nothing that it examines, so it also examines other environments.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "botocore-cognito-federation"
#: A requirement of PEP 508: name, extras, versions, marker.
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^]]*)\])?\s*\(?([^;()]*)\)?\s*(?:;\s*(.*))?")
_LEAST = re.compile(r">=\s*([0-9][0-9A-Za-z.]*)")
_PYTHON_MARKER = re.compile(r"python_version\s*(<=|>=|<|>|==|!=)\s*['\"]([0-9.]+)['\"]")
_EXTRA_MARKER = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_FURTHER = re.compile(r"\s+and\s+")
_BUILD_AGAIN = (
    "Build the program again with botocore-cognito-federation installed next to PyInstaller: its hook collects"
    " what is loaded by name"
)


@dataclass(frozen=True)
class Flaw:
    """One requirement that is not met.

    Attributes:
        requirement: what is wanted, such as ``botocore>=1.34``.
        found: the version that is installed; None where nothing is, and empty where only its files are gone.
        wanted_by: the distribution that names the requirement.
    """

    requirement: str
    found: str | None
    wanted_by: str = DISTRIBUTION

    @property
    def what(self) -> str:
        """The flaw as the end of a sentence."""
        name = _REQUIREMENT.match(self.requirement)[1]  # type: ignore[index]
        if self.found is None:
            return f"{self.requirement} is not installed, which {self.wanted_by} needs"
        if not self.found:
            return f"{self.requirement} is recorded as installed, but its files are gone; {self.wanted_by} needs it"
        return f"{name} {self.found} is installed, and {self.wanted_by} needs {self.requirement}"

    @property
    def pip_words(self) -> tuple[str, ...]:
        """What follows ``pip install``."""
        return ("--force-reinstall", self.requirement) if self.found == "" else (self.requirement,)


def flaws(path: Sequence[str] | None = None) -> list[Flaw]:
    """Find the requirements that are not met, those of this package first, then those of its requirements.

    Args:
        path: the directories of an environment; default is where this Python looks.

    Returns:
        Nothing where this package itself has left no metadata, as in a checkout, nor in a frozen program, whose files
        are in one: then nothing is known.
    """
    own = _distribution(DISTRIBUTION, path)
    if own is None or (path is None and frozen_executable() is not None):
        return []
    found: list[Flaw] = []
    seen: set[str] = set()
    waiting = [(own, DISTRIBUTION, frozenset[str]())]
    while waiting:
        distribution, name, extras = waiting.pop(0)
        for requirement, extras_wanted in _requirements(distribution, extras):
            wanted = _REQUIREMENT.match(requirement)[1]  # type: ignore[index]
            if _plain(wanted) in seen:
                continue
            seen.add(_plain(wanted))
            other = _distribution(wanted, path)
            least = _LEAST.search(requirement)
            if other is None:
                found.append(Flaw(requirement, None, name))
                continue
            if not _has_its_files(other):
                found.append(Flaw(requirement, "", name))
            elif name == DISTRIBUTION and least and _numbers(other.version) < _numbers(least[1]):
                found.append(Flaw(requirement, other.version, name))
            waiting.append((other, wanted, extras_wanted))
    return found


def version_in(path: Sequence[str] | None = None) -> str | None:
    """Return the version of this package that is installed in an environment; None where it is not."""
    own = _distribution(DISTRIBUTION, path)
    return None if own is None else own.version


def pip_line(words: Sequence[str], interpreter: str | None = None) -> str:
    """Return the command that installs, by the Python that it is to be installed for."""
    return shlex.join([interpreter or sys.executable or "python3", "-m", "pip", "install", *words])


def explanation(error: BaseException) -> tuple[str, str] | None:
    """Explain a failure by the installation: what is the matter, and the remedy; None where that is not the reason.

    Args:
        error: what went wrong. Its text is not used, only the name of a module that could not be imported.
    """
    if archive := archive_of("botocore"):
        what = f"The program runs from the archive {archive}, and botocore reads its data from files only"
        return what, "Install the package, or build an archive that unpacks itself (shiv, pex)"
    module = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if getattr(sys, "frozen", False) and (module or type(error).__name__ == "DataNotFoundError"):
        missing = f"The module {module} is" if module else "The data files of botocore are"
        return f"{missing} not in this frozen program", _BUILD_AGAIN
    found = flaws()
    if found and (module is not None or found[0].wanted_by == DISTRIBUTION):
        first = next((flaw for flaw in found if _is_of(module, flaw)), found[0])
        shown = f"The module {module} cannot be imported: " if module else ""
        return f"{shown}{first.what}", f"Run: {pip_line([word for flaw in found for word in flaw.pip_words])}"
    if isinstance(error, ImportError):
        if module is not None and module.partition(".")[0] in sys.stdlib_module_names:
            what = f"{DISTRIBUTION} cannot run: the module {module} of Python itself cannot be imported"
            return what, f"Install that Python again: {sys.executable or 'python3'}"
        shown = f"the module {module}" if module else "a module"
        again = ["--force-reinstall", _distribution_of(module) or DISTRIBUTION]
        return f"{DISTRIBUTION} cannot run: {shown} cannot be imported", f"Run: {pip_line(again)}"
    return None


def archive_of(package: str) -> str | None:
    """Return the zip archive that a package is imported from; None where it is in files, or not found."""
    module = sys.modules.get(package)
    place = getattr(module, "__file__", None)
    if not place or os.path.exists(place) or getattr(sys, "frozen", False):
        return None
    while place and not os.path.exists(place):
        shorter = os.path.dirname(place)
        if shorter == place:
            return None
        place = shorter
    return place if os.path.isfile(place) else None


def hook_directories() -> list[str]:
    """Return where PyInstaller finds the hook for this package (its entry point ``pyinstaller40``)."""
    return [os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_pyinstaller")]


def frozen_executable() -> str | None:
    """Return the program that this is frozen into, as PyInstaller and others do it; None for a Python."""
    return os.path.abspath(sys.executable) if getattr(sys, "frozen", False) and sys.executable else None


def _distribution(name: str, path: Sequence[str] | None) -> Distribution | None:
    from importlib.metadata import distributions

    return next(iter(distributions(name=name, path=sys.path if path is None else list(path))), None)


def _requirements(distribution: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """The requirements of a distribution that count here, each without its marker, and the extras it asks for."""
    for text in distribution.requires or ():
        match = _REQUIREMENT.match(text)
        if match is None or not _counts(match[4], extras):
            continue
        name, wanted, versions = match[1], match[2], (match[3] or "").strip()
        shown = f"{name}[{wanted}]" if wanted else name
        yield f"{shown}{versions}", frozenset(extra.strip() for extra in (wanted or "").split(",") if extra.strip())


def _counts(marker: str | None, extras: frozenset[str]) -> bool:
    """Whether a marker holds, as far as it asks for this Python and for extras; any other one counts as false."""
    for part in _FURTHER.split(marker.strip()) if marker else ():
        python, extra = _PYTHON_MARKER.fullmatch(part.strip()), _EXTRA_MARKER.fullmatch(part.strip())
        if extra is not None and extra[1] in extras:
            continue
        if python is None or not _compares(sys.version_info[:2], python[1], _numbers(python[2])):
            return False
    return True


def _compares(left: tuple[int, ...], operator: str, right: tuple[int, ...]) -> bool:
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "==": left == right,
        "!=": left != right,
    }[operator]


def _has_its_files(distribution: Distribution) -> bool:
    """Whether the first module that a distribution has recorded is there; True where it has recorded none.

    NOTE: from Python 3.12 on, `Distribution.files` leaves out files that are gone, so the record is read here.
    """
    import csv

    for row in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if row and row[0].endswith(".py") and ".." not in row[0].split("/"):
            return os.path.exists(str(distribution.locate_file(row[0])))
    return True


def _is_of(module: str | None, flaw: Flaw) -> bool:
    name = _plain(_REQUIREMENT.match(flaw.requirement)[1])  # type: ignore[index]
    root = _plain((module or "").partition(".")[0])
    return bool(root) and (root == name or {"pyjwt": "jwt", "python_dateutil": "dateutil"}.get(name) == root)


def _distribution_of(module: str | None) -> str | None:
    from importlib.metadata import packages_distributions

    names = packages_distributions().get((module or "").partition(".")[0])
    return names[0] if names else None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version.partition("+")[0])[:3])
