"""Canaille (Python), which writes `aud` as a list, compares redirects with their port and does not renew ID tokens."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import free_port, serving
from tests.servers.tool_cache import python_in_venv

REQUIREMENT = "canaille[oidc]==0.3.6"


@dataclass(frozen=True)
class Canaille:
    """A running server, where the user of every sign-in page is "ada" and has agreed."""

    issuer: str
    redirect_port: int

    @property
    def redirect_uri(self) -> str:
        """The only redirect URI of the client "native"."""
        return f"http://127.0.0.1:{self.redirect_port}/callback"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Canaille]:
    """Start a Canaille without storage; end it afterwards."""
    python = python_in_venv("canaille", REQUIREMENT)
    port, redirect_port = free_port(), free_port()
    command = [str(python), str(Path(__file__).with_name("server.py")), str(port), str(redirect_port)]
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
    with serving(command, port, folder / "canaille.log", env=env, cwd=folder):
        yield Canaille(f"http://127.0.0.1:{port}", redirect_port)
