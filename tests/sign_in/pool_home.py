"""A home whose profile signs in to a user pool by password, and a pseudo-terminal to type on."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.home import ROOT, HomeDirectory
from tests.servers.ministack import REGION, Ministack
from tests.user_pool.live_pool import LivePool

_NOT_INHERITED = ("AWS_", "COGNITO_FEDERATION_", "BOTO_", "_COGNITO", "BROWSER", "PYTHONPATH")
_LIMIT = 60.0


@dataclass
class PoolHome(HomeDirectory):
    """One user's home.

    Attributes:
        session: the keys of ``[cognito-session corp]``; `write` stores them.
    """

    server: Ministack
    live: LivePool
    session: dict[str, str] = field(default_factory=dict, kw_only=True)

    def write(self, **session: str) -> PoolHome:
        self.session |= session
        self.config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = "\n".join(f"{key} = {value}" for key, value in self.session.items())
        self.config.write_text(
            f"[profile dev]\nregion = {REGION}\ncognito_session = corp\n\n[cognito-session corp]\n{keys}\n"
        )
        return self

    def inherited(self) -> dict[str, str]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        variables.pop("CI", None)
        return {
            **variables,
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.path),
            "AWS_CONFIG_FILE": str(self.path / ".aws" / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.path / ".aws" / "credentials"),
            "AWS_PROFILE": "dev",
            "AWS_ENDPOINT_URL": self.server.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        return self._run([sys.executable, "-m", "botocore_cognito_federation", *arguments], variables)

    def python(self, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-c", program], variables)

    def _run(self, command: list[str], variables: dict[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(**variables),
            input=text,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            start_new_session=True,
        )

    def at_terminal(self, *arguments: str, **variables: str) -> Terminal:
        """Start a command with its own terminal, which is none of its streams."""
        return Terminal(
            [sys.executable, "-m", "botocore_cognito_federation", *arguments], self.environment(**variables)
        )


class Terminal:
    """A process at a terminal; a context manager that leaves no process behind.

    Args:
        command: its program and arguments.
        environment: its variables.
        folder: its folder, if it is another one than here; then it is a command as a person types it, whose stdin and
            stderr are the terminal too.
    """

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path | None = None) -> None:
        # The other end stays open here: a terminal without an open end is hung up.
        self._own_end, self._theirs = os.openpty()
        # Files and not pipes, which would have to be read meanwhile.
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - __exit__ closes it
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115 - __exit__ closes it
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=self._theirs if folder else subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._theirs if folder else self._err,
            preexec_fn=_taking(self._theirs),
        )
        self.shown = ""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(_LIMIT)
        os.close(self._own_end)
        os.close(self._theirs)
        self._out.close()
        self._err.close()

    def until(self, text: str) -> None:
        """Wait until the terminal shows the text, after the text of the last wait."""
        deadline = time.monotonic() + _LIMIT
        while (at := self.shown.find(text, self._seen)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} never came; shown {self.shown!r}, stderr {_content(self._err)!r}")
        self._seen = at + len(text)

    def type(self, line: str, *, after: str) -> None:
        self.until(after)
        os.write(self._own_end, f"{line}\n".encode())

    def answer(self, answers: Mapping[str, str]) -> None:
        """Type the answer to each question that the terminal shows, until the process ends."""
        deadline = time.monotonic() + _LIMIT
        while self._read(deadline):
            for question, line in answers.items():
                if self.shown.find(question, self._seen) >= 0:
                    self._seen = len(self.shown)
                    os.write(self._own_end, f"{line}\n".encode())

    def interrupt(self, *, after: str) -> None:
        self.until(after)
        os.write(self._own_end, b"\x03")

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._own_end)[3] & termios.ECHO)

    def finished(self) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr; from then on `shown` is complete."""
        deadline = time.monotonic() + _LIMIT
        while self._read(deadline):
            pass
        return self.process.wait(_LIMIT), _content(self._out), _content(self._err)

    def proc(self, name: str) -> str:
        """Return what the process list shows to every user, or to the process itself."""
        return Path(f"/proc/{self.process.pid}/{name}").read_bytes().decode("latin-1")

    def _read(self, deadline: float) -> bool:
        """Read the output; return False once the process has ended and all was read."""
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            if select.select([self._own_end], [], [], 0 if ended else 0.05)[0]:
                self.shown += os.read(self._own_end, 4096).decode()
                return True
            if ended:
                return False
        raise AssertionError(f"the terminal stays silent; shown {self.shown!r}")


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _taking(terminal: int) -> Callable[[], None]:
    def take() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    return take
