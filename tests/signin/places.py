"""A home directory with a profile that signs in, and the command line as real processes in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.servers.oidc_provider import OidcProvider

ROOT = Path(__file__).resolve().parents[2]
BROWSER = Path(__file__).with_name("open_url.py")
_NOT_INHERITED = ("AWS_", "COGNITO_FEDERATION_", "BOTO_", "SSH_", "CODESPACES", "CLOUD_SHELL", "_COGNITO", "BROWSER")
_LIMIT = 120
#: Runs the command line in a process whose clock is ahead, as time-machine moves it.
LATER = """
import sys, time, time_machine
sys.argv[1:2], ahead = [], float(sys.argv[1])
from botocore_cognito_federation.cli.app import run
with time_machine.travel(time.time() + ahead, tick=True):
    raise SystemExit(run(sys.argv[1:]))
"""


@dataclass
class Home:
    """One user's home.

    Attributes:
        directory: the home.
        session: keys of ``[cognito-session corp]``; `write` puts them in place.
        more: variables for every process.
    """

    directory: Path
    world: World
    provider: OidcProvider
    session: dict[str, str] = field(default_factory=dict)
    profile: dict[str, str] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.directory / ".aws" / "config"

    @property
    def cache(self) -> Path:
        return self.directory / ".aws" / "cognito-federation"

    def write(self, **session: str) -> Home:
        """Write the configuration, with these session keys changed."""
        self.session |= session
        self.config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = ["[profile dev]", "region = eu-west-1", "cognito_session = corp"]
        lines += [f"{key} = {value}" for key, value in self.profile.items()]
        lines += ["", "[cognito-session corp]", *(f"{key} = {value}" for key, value in self.session.items()), ""]
        self.config.write_text("\n".join(lines))
        return self

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        kept.pop("CI", None)
        kept["PYTHONPATH"] = str(ROOT)
        kept["AWS_PROFILE"] = "dev"
        return {**kept, **self.world.environment(self.directory), "DISPLAY": ":none", **self.more, **more}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command; its stdin is closed unless given."""
        variables = options.pop("variables", {})
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(
            [sys.executable, "-m", "botocore_cognito_federation", *arguments],
            env=self.environment(**variables),
            text=True,
            **options,
        )

    def run(self, *arguments: str, **variables: str) -> Done:
        """Run a command to its end."""
        return finished(self.start(*arguments, variables=variables))

    def login(self, *arguments: str, user: str = "ada", **variables: str) -> Done:
        """`login` with a browser in which `user` signs in."""
        return self.run("login", *browser_options(user), *arguments, **variables)

    def python(self, program: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a Python program in this home."""
        variables: Mapping[str, str] = options.pop("variables", {})
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments], env=self.environment(**variables), text=True, **options
        )

    def texts(self) -> str:
        """The content of every file of the home, for looking whether a secret is in one."""
        return "\n".join(
            path.read_bytes().decode("latin-1") for path in sorted(self.directory.rglob("*")) if path.is_file()
        )

    def session_document(self) -> dict[str, Any]:
        """The one session that is kept in files."""
        (path,) = (self.cache / "sessions").glob("*.json")
        document: dict[str, Any] = json.loads(path.read_text())
        return document


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def browser_options(user: str) -> tuple[str, str]:
    return "--browser-command", f"{sys.executable} {BROWSER} {user} %s"


def change_cache(home: Home, cache: str) -> Done:
    """Change ``cognito_cache`` as people do, who want to keep their sign-in."""
    options = ("--set", f"cache={cache}", "--command", find_executable(), "--offline", "--no-input")
    return home.run("configure", "--profile", "dev", *options)


def finished(process: subprocess.Popen[str], text: str | None = None) -> Done:
    """Wait for a process; one that does not end is killed, which fails the test."""
    try:
        out, err = process.communicate(text, timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"it did not end; stdout {out!r}, stderr {err!r}") from None
    return Done(process.returncode, out, err)


def later(home: Home, ahead: float, *arguments: str, **variables: str) -> Done:
    """A command run when so many seconds have passed, for it and for every server."""
    home.world.clock_offset = ahead
    home.provider.set_clock(ahead)
    return finished(home.python(LATER, str(ahead), *arguments, variables=variables))


def renewals(provider: OidcProvider) -> int:
    """How many refresh tokens have been spent at a provider."""
    return sum(entry["type"] == "refresh_token" for entry in provider.journal("grant"))
