"""A listening socket on loopback that nobody can hold up: its threads, its time limits, how many it serves at once."""

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
from typing import Any, ClassVar

logger = logging.getLogger(__name__)

#: The deadline of a client that has sent its request: it waits for us, not we for it.
_NO_DEADLINE = float("inf")


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Binds in the constructor, serves from `start` to `stop`. Its handler tells it of each complete request.

    NOTE: not `http.server.HTTPServer`, which asks the name service for the name of the address when it binds.

    Attributes:
        request_time: seconds a client has to send its request, however it spreads them.
        maximum_connections: how many are served at a time.

    Args:
        address: a literal address, IPv4 or IPv6.
        port: 0 for one that the system chooses.
        handler: what reads the requests.

    Raises:
        OSError: the port is in use, or the address is none of this machine's.
    """

    daemon_threads = True
    block_on_close = False
    # SO_REUSEADDR lets a second process take over the port on Windows; elsewhere it only skips TIME_WAIT.
    allow_reuse_address = os.name != "nt"

    request_time: ClassVar[float]
    maximum_connections: ClassVar[int]

    def __init__(self, address: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._deadlines: dict[socket.socket, float] = {}
        self._deadlines_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        super().__init__((address, port), handler)

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def start(self) -> None:
        name = f"cognito-federation server on port {self.port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; connections that are still open are cut."""
        if self._thread is not None:
            self.shutdown()
        self.server_close()
        self._cut(lambda deadline: True)

    def mark_request_complete(self, client: socket.socket) -> None:
        """The request of a client is complete."""
        with self._deadlines_lock:
            if client in self._deadlines:
                self._deadlines[client] = _NO_DEADLINE

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        super().server_bind()

    def service_actions(self) -> None:
        """Called by `serve_forever` ten times a second."""
        now = time.monotonic()
        self._cut(lambda deadline: deadline < now)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._deadlines_lock:
            if len(self._deadlines) >= self.maximum_connections and not self._make_room(self._deadlines):
                return False
            self._deadlines[request] = time.monotonic() + self.request_time
        return True

    def _make_room(self, deadlines: dict[socket.socket, float]) -> bool:
        """Whether a connection was ended in favour of a new one: here none is."""
        return False

    def shutdown_request(self, request: Any) -> None:
        with self._deadlines_lock:
            self._deadlines.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no news; the stock one prints a traceback."""
        logger.debug("A connection to the server on loopback broke off")

    def _cut(self, overdue: Callable[[float], bool]) -> None:
        with self._deadlines_lock:
            late = [client for client, deadline in self._deadlines.items() if overdue(deadline)]
        for client in late:
            close_abruptly(client)


def close_abruptly(client: socket.socket) -> None:
    """End a connection from our side; its thread notices."""
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection was gone before it was cut")


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
        """Whether it names this server as its host; anything else is a site whose name was made to lead here.

        The AWS Common Runtime leaves the port out, though RFC 9110 section 7.2 asks for it. A page whose name was made
        to lead here sends that name, with a port or without.
        """
        name, colon, named_port = (self.only("Host") or "").lower().partition(":")
        return name in (ADDRESS, "localhost") and (not colon or named_port == str(port))

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
        close_abruptly(oldest)
        return True


class _Handler(BaseHTTPRequestHandler):
    server: RouteServer
    protocol_version = "HTTP/1.1"
    timeout = RouteServer.request_time
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        self.server.mark_request_complete(self.connection)
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
