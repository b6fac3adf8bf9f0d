"""A home directory in which an old version has signed in, and today's command line in it, at the old time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: What each old version wrote, in a folder by its number.
WRITTEN = Path(__file__).with_name("written_by")
#: The placeholder for the home directory in the stored files.
HERE = "@HOME@"
KEYRING_BACKEND = "tests.cache.fake_keyring.FileBackend"
_LIMIT = 90
_NOT_INHERITED = ("AWS_", "COGNITO_FEDERATION_", "BOTO_", "SSH_", "CODESPACES", "_COGNITO", "BROWSER", "CI")
#: Runs the installed command (or, after ``-c``, a program) in a process whose clock is moved; it imports nothing by the
#: name of a module, which may change.
AT = """
import sys, time_machine
from importlib.metadata import entry_points
sys.argv[0:2], moment = [], float(sys.argv[1])
with time_machine.travel(moment, tick=True):
    if sys.argv[0] == "-c":
        exec(sys.argv[1], {})
    else:
        (command,) = entry_points(group="console_scripts", name="cognito-federation")
        sys.argv.insert(0, "cognito-federation")
        raise SystemExit(command.load()())
"""
#: A browser that follows redirects, as a program.
BROWSER = """
import os, sys, requests
requests.get(sys.argv[1], verify=os.environ["AWS_CA_BUNDLE"], timeout=60)
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass
class OldHome:
    """One user's home.

    Attributes:
        path: the home.
        moment: the time of its processes, seconds since the epoch.
        variables: further variables of every process.
    """

    path: Path
    moment: float
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.path / ".aws" / "cognito-federation"

    @property
    def keyring(self) -> Path:
        return self.path / "keyring.json"

    def run(self, *words: str, stdin: str = "") -> Done:
        """Run the command line, or after ``-c`` a program, to its end."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        environment = {
            **inherited,
            "HOME": str(self.path),
            "USERPROFILE": str(self.path),
            "PYTHONPATH": str(ROOT),
            "AWS_EC2_METADATA_DISABLED": "true",
            "DISPLAY": ":none",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PYTHON_KEYRING_BACKEND": KEYRING_BACKEND,
            "FAKE_KEYRING_FILE": str(self.keyring),
            **self.variables,
        }
        done = subprocess.run(
            [sys.executable, "-c", AT, str(self.moment), *words],
            env=environment,
            cwd=self.path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def credentials(self, profile: str) -> dict[str, Any]:
        """Return the output of ``credential-process`` for a profile."""
        done = self.run("credential-process", "--profile", profile)
        assert (done.code, done.err) == (0, ""), done
        document: dict[str, Any] = json.loads(done.out)
        return document


def place_of(cache: Path) -> str:
    """Return how keyring items named their cache directory, up to version 0.1.0."""
    return sha256(os.fsencode(cache.absolute())).hexdigest()[:8]


def restore(version: str, cache: str, home: Path) -> tuple[OldHome, dict[str, Any]]:
    """Create a home as a version left it, as if it had run in this very directory.

    Args:
        version: the name of a folder of `WRITTEN`.
        cache: ``file`` or ``keyring``.
        home: the directory to create.

    Returns:
        The home, and the facts that `make` recorded about it.
    """
    source = WRITTEN / version / cache
    facts: dict[str, Any] = json.loads((source / "facts.json").read_text())
    shutil.copytree(source / "home", home)
    old = OldHome(home, facts["moment"])
    for path in (home, *home.rglob("*")):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(HERE.encode(), os.fsencode(home)))
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (facts["moment"], facts["moment"]))
    if old.keyring.exists():
        old.keyring.write_text(old.keyring.read_text().replace(facts["place"], place_of(old.cache)))
    return old, facts
