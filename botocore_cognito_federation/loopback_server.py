"""A listening socket on loopback that nobody can hold up: its threads, its time limits, how many it serves at once."""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
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

    def has_spoken(self, client: socket.socket) -> None:
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
            cut(client)


def cut(client: socket.socket) -> None:
    """End a connection from our side; its thread notices."""
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection was gone before it was cut")
