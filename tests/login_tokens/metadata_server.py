"""A metadata server on loopback that answers as a test wants: correctly, late, from elsewhere, or endlessly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Seen:
    path: str
    headers: dict[str, str]


@dataclass
class MetadataServer:
    """Answers every GET with `answer`, a function that gets the request handler."""

    answer: Callable[[BaseHTTPRequestHandler], None] = lambda request: None
    seen: list[Seen] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def __enter__(self) -> MetadataServer:
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                world.seen.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}))
                world.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def says(self, text: str, status: int = 200, **headers: str) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            body = text.encode()
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

        self.answer = answer

    def hangs(self) -> None:
        self.answer = lambda request: self.stopping.wait(60) and None

    def trickles(self) -> None:
        """Send a byte of the header now and then: each read succeeds, and the whole never ends."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.stopping.wait(0.05):
                request.wfile.write(b"x")

        self.answer = answer

    def floods(self, size: int = 1 << 30) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(size))
            request.end_headers()
            chunk = b"a" * (1 << 16)
            try:
                while self.sent < size and not self.stopping.is_set():
                    request.wfile.write(chunk)
                    self.sent += len(chunk)
            except OSError:
                return

        self.answer = answer
