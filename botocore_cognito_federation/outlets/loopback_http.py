"""A small HTTP server on 127.0.0.1 for one job at a time; clients that are slow, many or hostile cannot hold it up.

What it answers is decided by the route it is given. It speaks one request a connection, reads no bodies, writes each
answer in one piece, names no product, and quotes nothing a client sent.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
#: Seconds a client has to send its request, however it spreads them.
REQUEST_TIME = 5.0
#: Connections at a time. One more, and the oldest that has not sent its request yet is cut.
MAXIMUM_CONNECTIONS = 128


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


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens from the constructor on, serves inside ``with``.

    NOTE: not `http.server.HTTPServer`, which asks the name service for the name of the address when it binds.

    Args:
        route: makes the answers, in a thread for each request.
        refusal: makes the answer to what is not a request.
        port: 0 for one that the system chooses.

    Raises:
        OSError: the port is in use.
    """

    daemon_threads = True
    block_on_close = False
    # SO_REUSEADDR lets a second process take over the port on Windows; elsewhere it only skips TIME_WAIT.
    allow_reuse_address = os.name != "nt"
    request_queue_size = 128

    def __init__(self, route: Route, refusal: Refusal, *, port: int = 0) -> None:
        self.route = route
        self.refusal = refusal
        self._deadlines: dict[socket.socket, float] = {}
        self._deadlines_lock = threading.Lock()
        super().__init__((ADDRESS, port), _Handler)

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def __enter__(self) -> LoopbackServer:
        threading.Thread(target=self.serve_forever, args=(0.1,), name="cognito-federation-http", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; connections that are still open are cut."""
        self.shutdown()
        self.server_close()
        with self._deadlines_lock:
            left = list(self._deadlines)
        for client in left:
            _cut(client)

    def server_bind(self) -> None:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        super().server_bind()

    def service_actions(self) -> None:
        """Called by `serve_forever` ten times a second: cuts who has not sent a request in time."""
        now = time.monotonic()
        with self._deadlines_lock:
            late = [client for client, deadline in self._deadlines.items() if deadline < now]
        for client in late:
            _cut(client)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._deadlines_lock:
            waiting = [client for client, deadline in self._deadlines.items() if deadline != float("inf")]
            if len(self._deadlines) >= MAXIMUM_CONNECTIONS:
                if not waiting:
                    return False
                del self._deadlines[waiting[0]]
                _cut(waiting[0])
            self._deadlines[request] = time.monotonic() + REQUEST_TIME
        return True

    def has_spoken(self, client: socket.socket) -> None:
        """The request of a client is complete; from here on it waits for us, not we for it."""
        with self._deadlines_lock:
            if client in self._deadlines:
                self._deadlines[client] = float("inf")

    def shutdown_request(self, request: Any) -> None:
        with self._deadlines_lock:
            self._deadlines.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no news; the stock one prints a traceback."""
        logger.debug("A connection to the server on %s broke off", ADDRESS)


def _cut(client: socket.socket) -> None:
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection was gone before it was cut")


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_TIME
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
