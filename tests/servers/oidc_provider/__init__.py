"""Starts the certified npm `oidc-provider` on loopback; installs it into a user cache folder on first use."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.servers.tool_cache import npm_project

HERE = Path(__file__).parent
_START_TIME = 60


@dataclass(frozen=True)
class OidcProvider:
    """A running server."""

    issuer: str
    origin: str

    def journal(self, event: str | None = None) -> list[dict[str, Any]]:
        entries = requests.get(f"{self.origin}/_test/journal", timeout=10).json()
        return [entry for entry in entries if event is None or entry["event"] == event]

    def set_clock(self, ahead: float) -> None:
        """Move the server's clock ahead of the machine's by a number of seconds."""
        requests.post(f"{self.origin}/_test/clock", params={"ahead": str(ahead)}, timeout=10).raise_for_status()

    def fault(self, path: str, status: int, *, times: int = 1, retry_after: int | None = None, body: str = "") -> None:
        """Replace the next `times` answers of `path` by this one."""
        parameters = {"path": path, "status": str(status), "times": str(times), "body": body}
        if retry_after is not None:
            parameters["retry_after"] = str(retry_after)
        requests.post(f"{self.origin}/_test/fault", params=parameters, timeout=10).raise_for_status()


@contextlib.contextmanager
def running(**environment: str) -> Iterator[OidcProvider]:
    """Start a server with these OP_ variables; it ends with the `with` block, or when this process dies."""
    folder = npm_project("oidc-provider", HERE / "package.json", HERE / "server.js")
    process = subprocess.Popen(
        ["node", "server.js"],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        issuer = _ready(process)
        origin = "/".join(issuer.split("/")[:3])
        yield OidcProvider(issuer, origin)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _ready(process: subprocess.Popen[str]) -> str:
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in process.stdout:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    while line := lines.get(timeout=_START_TIME):
        if line.startswith("ready "):
            return line.split()[1]
    raise RuntimeError("oidc-provider did not start")
