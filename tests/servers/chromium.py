"""A headless Chromium controlled over its debugging pipe, which needs no driver, no port and no package."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.servers.tool_cache import lacking

_TIME = 60.0
_ONLY_LOOPBACK = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]"
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--window-size=900,640",
    f"--host-resolver-rules={_ONLY_LOOPBACK}",
)


class Tab:
    """The only tab of a browser."""

    def __init__(self, send: Any, session: str) -> None:
        self._send = send
        self._session = session

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._send(method, parameters, self._session)
        return found

    def go(self, url: str) -> bool:
        """Act as a browser launcher: return at once, whatever the result."""
        self.command("Page.navigate", url=url)
        return True

    def evaluate(self, expression: str) -> Any:
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until `expression` is true on the page; a page that is being left has no value."""
        deadline = time.monotonic() + _TIME
        while time.monotonic() < deadline:
            if self.evaluate(f"document.readyState === 'complete' && Boolean({expression})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"{expression} never held on {self.evaluate('document.title + document.body.innerText')}")

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window, in pixels of the page; narrow ones are a phone's."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=width < 600
        )

    def screenshot(self, path: Path, scheme: str) -> None:
        """Show the page as on a light or a dark desktop."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """Start a browser with a new profile in `profile`; it ends with the `with` block."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        lacking("no Chromium on the PATH: the pages cannot be seen")
    to_browser, from_browser = os.pipe(), os.pipe()
    # Chromium reads its commands from descriptor 3 and answers on 4; high numbers first, to avoid collisions.
    reads, writes = (fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_browser[0], from_browser[1]))

    def as_three_and_four() -> None:
        os.dup2(reads, 3)
        os.dup2(writes, 4)

    process = subprocess.Popen(
        [binary, *_SWITCHES, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=as_three_and_four,
        pass_fds=(3, 4),
    )
    for fd in (to_browser[0], from_browser[1], reads, writes):
        os.close(fd)
    try:
        yield _first_tab(to_browser[1], from_browser[0])
    finally:
        process.kill()
        process.wait()
        os.close(to_browser[1])


def _first_tab(writer: int, reader: int) -> Tab:
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    numbers = itertools.count(1)
    one_at_a_time = threading.Lock()

    def read() -> None:
        with os.fdopen(reader, "rb") as stream:
            pending = b""
            while chunk := stream.read1(65536):
                *messages, pending = (pending + chunk).split(b"\0")
                for message in messages:
                    found = json.loads(message)
                    if "id" in found:
                        answers.put(found)

    def send(method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        number = next(numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        with one_at_a_time:  # a sign-in opens its address from a separate thread
            os.write(writer, json.dumps(message).encode() + b"\0")
            while True:
                answer = answers.get(timeout=_TIME)
                if answer["id"] == number:
                    result: dict[str, Any] = answer.get("result", {})
                    return result

    threading.Thread(target=read, daemon=True).start()
    pages = [t for t in send("Target.getTargets", {})["targetInfos"] if t["type"] == "page"]
    target = pages[0]["targetId"] if pages else send("Target.createTarget", {"url": "about:blank"})["targetId"]
    session = send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
    return Tab(send, session)
