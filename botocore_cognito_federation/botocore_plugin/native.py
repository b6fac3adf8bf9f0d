"""Enables and disables native activation in a Python environment: one ``.pth`` file among its site-packages.

NOTE: There is no ``.start`` file (PEP 829, Python 3.15) in addition. It would name a function of this package, and
after an uninstall every interpreter of the environment would report it as missing. The line of the ``.pth`` is silent
then, and 3.15 still runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._util.files import replace_file
from .._util.processes import environment_without_chain
from ..errors import ConfigurationError, StorageError

FILE_NAME = "botocore_cognito_federation_native.pth"
#: The code that runs when a program asks for botocore. It looks for this package only then; if the package is gone or
#: broken, botocore is found as usual. `take_over` must keep its name: the file survives upgrades of the package.
_ASKED = """try:
 from botocore_cognito_federation._activation import take_over
 spec = take_over().find_spec("botocore")
except Exception: spec = None"""
_ANSWER = f"exec({_ASKED!r}, found := {{}}) or found['spec']"
#: The line that `site` runs in every interpreter, in a virtual environment twice: a function that waits for that name
#: and is its own finder. It is as short as possible, down to its names, because compiling it costs time at each start;
#: the code for an import of botocore is compiled when it is needed. Importing a module of this package, even a tiny
#: one, would cost a millisecond.
LINE = (
    f"import sys; w = lambda n, *_: eval({_ANSWER!r}) if n == 'botocore' else None;"
    " w.find_spec = w; sys.meta_path[:0] = w,\n"
)

_PROBE_TIME = 30.0
_PROBE = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import importlib.util, json, site, sysconfig
botocore = importlib.util.find_spec("botocore")
package = importlib.util.find_spec("botocore_cognito_federation")
print(json.dumps({
    "executable": sys.executable,
    "purelib": sysconfig.get_path("purelib"),
    "user_site": site.getusersitepackages() if site.ENABLE_USER_SITE else None,
    "site": not sys.flags.no_site,
    "botocore": botocore and botocore.origin,
    "package": package and package.origin,
    "active": type(botocore and botocore.loader).__module__ == "botocore_cognito_federation._activation",
}))
"""


@dataclass(frozen=True)
class Environment:
    """An interpreter's information about its environment.

    Attributes:
        executable: the interpreter.
        purelib: its site-packages.
        user_site: the user's own site-packages, if the interpreter reads them.
        has_site: False if it reads no site-packages at all.
        botocore: the path of its botocore; None if it has none.
        package: the path of its copy of this package; None if it has none.
        active: whether the activation works in it.
    """

    executable: str
    purelib: Path
    user_site: Path | None
    has_site: bool
    botocore: str | None
    package: str | None
    active: bool

    @property
    def place(self) -> Path:
        """The path for the file: next to this package, in the environment's or the user's own site-packages."""
        if self.user_site is not None and self.package and Path(self.package).is_relative_to(self.user_site):
            return self.user_site / FILE_NAME
        return self.purelib / FILE_NAME

    def files(self) -> list[Path]:
        """The existing activation files."""
        places = [self.purelib, *([self.user_site] if self.user_site else [])]
        return [place / FILE_NAME for place in places if os.path.lexists(place / FILE_NAME)]


def inspect_environment(python: str | None, environ: Mapping[str, str]) -> Environment:
    """Ask an interpreter about its environment.

    Args:
        python: a path or a name on the PATH; None is the interpreter that runs this.
        environ: the process environment. Python's variables are left out: they belong to a shell, not to an
            environment.

    Raises:
        ConfigurationError: it cannot be started, or is not Python.
    """
    executable = python or sys.executable
    variables = environment_without_chain(environ)
    clean = {name: value for name, value in variables.items() if not name.startswith(("PYTHON", "__PYVENV"))}
    remedy = "Name an interpreter, such as .venv/bin/python"
    try:
        answer = subprocess.run(
            [executable, "-c", _PROBE],
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIME,
            check=False,
        )
        document = json.loads(answer.stdout.decode().strip().rpartition("\n")[2])
        user_site = document["user_site"]
        return Environment(
            executable=str(document["executable"]),
            purelib=Path(document["purelib"]),
            user_site=Path(user_site) if user_site else None,
            has_site=bool(document["site"]),
            botocore=document["botocore"],
            package=document["package"],
            active=bool(document["active"]),
        )
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigurationError(f"{executable} cannot be started: {reason}", remedy=remedy) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{executable} did not answer within {_PROBE_TIME:g} s", remedy=remedy) from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{executable} does not answer like Python", remedy=remedy) from None


def enable(environment: Environment) -> Path:
    """Write the file.

    Args:
        environment: the environment to activate.

    Returns:
        The path of the file.

    Raises:
        ConfigurationError: the environment has no botocore or not this package, or it reads no such files.
        StorageError: the file cannot be written.
    """
    python = environment.executable
    if not environment.has_site:
        raise ConfigurationError(f"{python} reads no site-packages (-S), so nothing can be activated in it")
    if environment.botocore is None:
        raise ConfigurationError(
            f"There is no botocore in the environment of {python}", remedy=f"Run {python} -m pip install boto3 there"
        )
    if environment.package is None:
        raise ConfigurationError(
            f"botocore-cognito-federation is not installed in the environment of {python}",
            remedy=f"Run {python} -m pip install botocore-cognito-federation",
        )
    place = environment.place
    try:
        _write(place)
    except OSError as error:
        raise _unwritable(place, error) from None
    return place


def disable(environment: Environment) -> list[Path]:
    """Remove the file from every place in the environment.

    Args:
        environment: the environment.

    Returns:
        The paths of the removed files.

    Raises:
        StorageError: a file cannot be removed.
    """
    files = environment.files()
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(file, error) from None
    return files


def _write(place: Path) -> None:
    """Write in one step: an interpreter that starts meanwhile must not run half a line.

    `site` ignores the suffixes of the temporary file.
    """
    replace_file(str(place), LINE.encode("ascii"), mode=0o644)  # other users of the environment read it too


def _unwritable(place: Path, error: OSError) -> StorageError:
    reason = (error.strerror or type(error).__name__).lower()
    return StorageError(
        f"{place} cannot be changed: {reason}",
        remedy="Run this as the owner of that environment, or use a virtual environment of your own",
    )
