"""A small HTTP server on loopback that nobody can hold up: its sockets, its threads and its time limits."""

from __future__ import annotations

import errno
import logging
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from ..errors import SignInFailedError
from . import pages
from .redirects import Redirect

logger = logging.getLogger(__name__)

REQUEST_TIME = 10.0
"""Seconds a client has to send its request, however it spreads them."""

MAXIMUM_CONNECTIONS = 32

_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_EPHEMERAL_TRIES = 5


@dataclass(frozen=True)
class Reply:
    """An answer: a page, or a redirect to `location`. `sent` is called once it is on its way."""

    status: HTTPStatus
    page: pages.Page | None = None
    location: str | None = None
    sent: Callable[[], None] | None = None


Route = Callable[[str, str | None, str, str], Reply]
"""Method, Host header, path, query -> reply."""


def listen(redirect: Redirect, route: Route) -> list[LoopbackServer]:
    """Bind every address of `redirect` on the first of its ports that is free on all of them, and serve.

    Raises:
        SignInFailedError: none is.
    """
    for port in redirect.ports:
        for _ in range(_EPHEMERAL_TRIES if port == 0 else 1):
            servers = _bound(redirect.addresses, port, route)
            if servers:
                for server in servers:
                    server.start()
                return servers
    ports = " or ".join(str(port) for port in redirect.ports)
    raise SignInFailedError(
        f"Port {ports} on {redirect.host} cannot be listened on: it is in use, or not allowed",
        remedy="End what uses it, or register a redirect with another port at the provider and set"
        " cognito_redirect_ports (or --port)",
    )


def _bound(addresses: tuple[str, ...], port: int, route: Route) -> list[LoopbackServer]:
    servers: list[LoopbackServer] = []
    for address in addresses:
        try:
            server = LoopbackServer(address, port, route)
        except OSError as failure:
            if servers and failure.errno in _NO_SUCH_ADDRESS:
                continue  # a machine without IPv6: its browsers find localhost on 127.0.0.1
            for bound in servers:
                bound.server_close()
            return []
        servers.append(server)
        port = server.port
    return servers


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """One listening socket; binds in the constructor, serves after `start`.

    NOTE: not `http.server.HTTPServer`, which asks the name service for the name of the address when it binds.
    """

    daemon_threads = True
    block_on_close = False
    # SO_REUSEADDR lets a second process take over the port on Windows; elsewhere it only skips TIME_WAIT.
    allow_reuse_address = os.name != "nt"
    request_queue_size = 16

    def __init__(self, address: str, port: int, route: Route) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.route = route
        self._clients: dict[socket.socket, float] = {}
        self._clients_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        super().__init__((address, port), Handler)

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        super().server_bind()

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.1,), name="cognito-federation-callback", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; connections that are still open are cut."""
        if self._thread is not None:
            self.shutdown()
        self.server_close()
        self._cut(lambda deadline: True)

    def service_actions(self) -> None:
        """Called by `serve_forever` ten times a second."""
        now = time.monotonic()
        self._cut(lambda deadline: deadline < now)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._clients_lock:
            if len(self._clients) >= MAXIMUM_CONNECTIONS:
                return False
            self._clients[request] = time.monotonic() + REQUEST_TIME
            return True

    def has_spoken(self, request: socket.socket) -> None:
        """The request of a client is complete; from here on it waits for us, not we for it."""
        with self._clients_lock:
            self._clients[request] = float("inf")

    def shutdown_request(self, request: Any) -> None:
        with self._clients_lock:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no news; the stock one prints a traceback."""
        logger.debug("a connection to the callback server broke off")

    def _cut(self, overdue: Callable[[float], bool]) -> None:
        with self._clients_lock:
            late = [client for client, deadline in self._clients.items() if overdue(deadline)]
        for client in late:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # gone by itself


class Handler(BaseHTTPRequestHandler):
    """Hands a request to the server's route; knows nothing about sign-ins."""

    server: LoopbackServer
    timeout = REQUEST_TIME

    def _serve(self) -> None:
        self.server.has_spoken(self.connection)
        hosts = self.headers.get_all("Host", [])
        path, _, query = self.path.partition("?")
        host = hosts[0].strip().lower() if len(hosts) == 1 else None
        self._send(self.server.route(self.command, host, path, query))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _serve

    def _send(self, reply: Reply) -> None:
        body = b"" if reply.page is None or self.command == "HEAD" else pages.render(reply.page)
        self.send_response_only(reply.status)
        for name, value in pages.security_headers():
            self.send_header(name, value)
        if reply.location is not None:
            self.send_header("Location", reply.location)
        else:
            self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if reply.sent is not None:
            reply.sent()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Malformed requests get the same plain page; the stock one quotes them."""
        self.command = getattr(self, "command", None) or ""
        self._send(Reply(HTTPStatus(code), pages.NOTHING_HERE))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: request lines carry codes."""
