"""A small HTTP server on 127.0.0.1 for one job at a time; clients that are slow, many or hostile cannot hold it up.

What it answers is decided by the route it is given. It speaks one request a connection, reads no bodies, writes each
answer in one piece, names no product, and quotes nothing a client sent.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from ..loopback_server import LoopbackServer, cut

ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """A request without a body.

    Attributes:
        method: as it was sent.
        target: path and query, as they were sent.
        headers: all of them; look-ups ignore case.
    """

    method: str
    target: str
    headers: Message

    def only(self, name: str) -> str | None:
        """The value of a header that was sent exactly once; None otherwise."""
        values = self.headers.get_all(name, [])
        return str(values[0]) if len(values) == 1 else None

    def is_for(self, port: int) -> bool:
        """Whether it names this server as its host; anything else is a site whose name was made to lead here."""
        host = self.only("Host")
        return host is not None and host.lower() in (f"{ADDRESS}:{port}", f"localhost:{port}")

    def has_target(self, target: str) -> bool:
        """Whether it asks for exactly this target, compared in constant time."""
        return secrets.compare_digest(self.target.encode("utf-8", "surrogateescape"), target.encode())


@dataclass(frozen=True)
class Response:
    """An answer; never to be kept by anybody."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "application/json"
    location: str | None = None


Route = Callable[[Request], Response]
#: Makes the body of answers to requests that are not HTTP.
Refusal = Callable[[HTTPStatus], Response]


class RouteServer(LoopbackServer):
    """Listens from the constructor on, serves inside ``with``. Too many connections cut the oldest without a request.

    Args:
        route: makes the answers, in a thread for each request.
        refusal: makes the answer to what is not a request.
        port: 0 for one that the system chooses.

    Raises:
        OSError: the port is in use.
    """

    request_queue_size = 128
    request_time = 5.0
    maximum_connections = 128

    def __init__(self, route: Route, refusal: Refusal, *, port: int = 0) -> None:
        self.route = route
        self.refusal = refusal
        super().__init__(ADDRESS, port, _Handler)

    def __enter__(self) -> RouteServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make_room(self, deadlines: dict[socket.socket, float]) -> bool:
        oldest = next((client for client, deadline in deadlines.items() if deadline != float("inf")), None)
        if oldest is None:
            return False
        del deadlines[oldest]
        cut(oldest)
        return True


class _Handler(BaseHTTPRequestHandler):
    server: RouteServer
    protocol_version = "HTTP/1.1"
    timeout = RouteServer.request_time
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        self.server.has_spoken(self.connection)
        self._send(self.server.route(Request(self.command, self.path, self.headers)))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer

    def handle_expect_100(self) -> bool:
        return True  # no body is read, so nobody is told to send one

    def _send(self, response: Response) -> None:
        self.close_connection = True
        head = [
            f"HTTP/1.1 {response.status.value} {response.status.phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            "Cache-Control: no-store",
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
            "Referrer-Policy: no-referrer",
            "X-Content-Type-Options: nosniff",
            "X-Frame-Options: DENY",
            "Connection: close",
        ]
        if response.location is not None:
            head.append(f"Location: {response.location}")
        body = b"" if self.command == "HEAD" else response.body
        # One write: a head and a body sent apart wait for the client's delayed acknowledgement in between.
        self.wfile.write("\r\n".join([*head, "", ""]).encode("ascii") + body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The stock one quotes what the client sent."""
        self.command = getattr(self, "command", None) or ""
        self._send(self.server.refusal(HTTPStatus(code)))

    def log_message(self, format: str, *args: Any) -> None:
        """Request lines hold the secret path."""
