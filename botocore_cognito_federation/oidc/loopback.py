"""The HTTP server that a browser comes back to: on which addresses and port, and how it speaks."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from .._util.loopback import LoopbackServer
from ..errors import SignInFailedError
from . import pages
from .redirects import Redirect

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


def listen(redirect: Redirect, route: Route) -> list[CallbackListener]:
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


def _bound(addresses: tuple[str, ...], port: int, route: Route) -> list[CallbackListener]:
    servers: list[CallbackListener] = []
    for address in addresses:
        try:
            server = CallbackListener(address, port, route)
        except OSError as failure:
            if servers and failure.errno in _NO_SUCH_ADDRESS:
                continue  # a machine without IPv6: its browsers find localhost on 127.0.0.1
            for bound in servers:
                bound.server_close()
            return []
        servers.append(server)
        port = server.port
    return servers


class CallbackListener(LoopbackServer):
    """One listening socket of the callback; it hands each request to `route`."""

    request_queue_size = 16
    request_time = 10.0
    maximum_connections = 32

    def __init__(self, address: str, port: int, route: Route) -> None:
        self.route = route
        super().__init__(address, port, Handler)


class Handler(BaseHTTPRequestHandler):
    """Hands a request to the server's route; knows nothing about sign-ins."""

    server: CallbackListener
    timeout = CallbackListener.request_time

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
