"""The HTTP server that a browser comes back to: on which addresses and port, and how it speaks."""

from __future__ import annotations

import errno
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from .._util.loopback import LoopbackServer
from ..errors import SignInFailedError
from . import pages
from .authorization import AuthorizationRequest, NotOurAnswerError, Redirect, read_answer

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
        self.server.mark_request_complete(self.connection)
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


DONE_WAIT = 75.0
"""Seconds `/done` waits for the outcome: two exchanges of 30 s with the provider, and some."""

LINGER = 2.0
"""Seconds the server stays for a browser that has yet to fetch `/done`."""


class CallbackServer:
    """A context manager; inside it `redirect_uri` is listened on.

    Args:
        redirect: host, path and ports.
        random: text from that many random bytes.
    """

    def __init__(
        self,
        redirect: Redirect,
        *,
        random: Callable[[int], str] = secrets.token_urlsafe,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redirect = redirect
        self._random = random
        self._monotonic = monotonic
        self._servers: list[CallbackListener] = []
        self._changed = threading.Condition()
        self._request: AuthorizationRequest | None = None
        self._launch_path = ""
        self._launched = False
        self._code: str | None = None
        self._failure: SignInFailedError | None = None
        self._answered = False
        self._outcome: pages.Page | AuthorizationRequest | None = None
        self._outcome_seen = False

    def __enter__(self) -> CallbackServer:
        self._servers = listen(self._redirect, self._reply)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; a browser on its way to `/done` is waited for, but nobody who pressed Ctrl-C is made to."""
        interrupted = kind is not None and not issubclass(kind, Exception)
        try:
            with self._changed:
                if self._answered and self._outcome is not None:
                    self._changed.wait_for(lambda: self._outcome_seen, timeout=0.2 if interrupted else LINGER)
        finally:
            for server in self._servers:
                server.stop()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._servers[0].port

    @property
    def redirect_uri(self) -> str:
        """The redirect URI with that port."""
        return self._redirect.uri(self.port)

    def expect(self, request: AuthorizationRequest) -> str:
        """Wait for the answer to `request` from now on.

        Returns:
            The one-shot address for a browser launcher: it redirects to the provider once; being fetched a second
            time ends the sign-in. What a launcher is given stands in the process list for everybody on the machine.
        """
        with self._changed:
            self._request = request
            self._launch_path = f"/start/{self._random(24)}"
            self._launched = False
        host = self._redirect.addresses[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self._launch_path}"

    def go_on_with(self, request: AuthorizationRequest) -> None:
        """The first answer was not enough: send the waiting browser on to `request`, and wait for its answer."""
        with self._changed:
            self._request, self._code, self._failure = request, None, None
            self._outcome = request
            self._changed.notify_all()

    def finish(self, page: pages.Page) -> None:
        """How the sign-in ended, for the browser that waits at `/done`."""
        with self._changed:
            self._outcome = page
            self._changed.notify_all()

    def wait(self, timeout: float, cancel: threading.Event | None = None) -> str:
        """The authorization code.

        Args:
            timeout: seconds.
            cancel: ends the wait when set.

        Raises:
            SignInFailedError: the provider refused, nobody finished in time, or the launch address was read by
                somebody else.
        """
        deadline = self._monotonic() + timeout
        with self._changed:
            while True:
                if self._failure is not None:
                    raise self._failure
                if self._code is not None:
                    return self._code
                if cancel is not None and cancel.is_set():
                    raise SignInFailedError("The sign-in was cancelled", remedy="Start it again when you are ready")
                left = deadline - self._monotonic()
                if left <= 0:
                    raise _nobody_came(timeout, self._redirect, self.port)
                self._changed.wait(min(left, 0.25))  # short: Ctrl-C on Windows and `cancel` are seen between waits

    def _reply(self, method: str, host: str | None, path: str, query: str) -> Reply:
        if host not in self._hosts():
            return Reply(HTTPStatus.MISDIRECTED_REQUEST, pages.NOTHING_HERE)
        if method != "GET":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, pages.NOTHING_HERE)
        if path == "/done":
            return self._done()
        if path == (self._redirect.path or "/"):
            return self._callback(query)
        if self._launch_path and secrets.compare_digest(path.encode(), self._launch_path.encode()):
            return self._launch()
        return Reply(HTTPStatus.NOT_FOUND, pages.NOTHING_HERE)

    def _hosts(self) -> frozenset[str]:
        # Any other Host is a page of another site whose name was made to resolve to loopback (DNS rebinding).
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]", self._redirect.host))

    def _callback(self, query: str) -> Reply:
        with self._changed:
            if self._request is None:
                return Reply(HTTPStatus.NOT_FOUND, pages.NOTHING_HERE)
            try:
                code = read_answer(self._request, query)
            except NotOurAnswerError:
                return Reply(HTTPStatus.BAD_REQUEST, pages.NOT_OURS)
            except SignInFailedError as failure:
                if self._code is None and self._failure is None:
                    self._failure, self._outcome = failure, None
            else:
                if self._code is None and self._failure is None:
                    self._code, self._outcome = code, None
            self._answered = True
            self._changed.notify_all()
        return Reply(HTTPStatus.SEE_OTHER, location="/done")

    def _launch(self) -> Reply:
        with self._changed:
            if self._request is None or self._answered:
                return Reply(HTTPStatus.GONE, pages.NOTHING_HERE)
            if not self._launched:
                self._launched = True
                return Reply(HTTPStatus.FOUND, location=self._request.url)
            self._failure = self._failure or SignInFailedError(
                "The address given to the browser was opened twice, so the sign-in was stopped:"
                " another user of this machine may have read it",
                remedy="Sign in again; with --no-browser you open the printed URL yourself",
            )
            self._changed.notify_all()
        return Reply(HTTPStatus.GONE, pages.USED)

    def _done(self) -> Reply:
        with self._changed:
            if not self._answered:
                return Reply(HTTPStatus.NOT_FOUND, pages.NOTHING_HERE)
            self._changed.wait_for(lambda: self._outcome is not None, timeout=DONE_WAIT)
            if isinstance(self._outcome, AuthorizationRequest):
                return Reply(HTTPStatus.FOUND, location=self._outcome.url)
            return Reply(HTTPStatus.OK, self._outcome or pages.WORKING, sent=self._saw_outcome)

    def _saw_outcome(self) -> None:
        with self._changed:
            self._outcome_seen = True
            self._changed.notify_all()


def _nobody_came(timeout: float, redirect: Redirect, port: int) -> SignInFailedError:
    # Cognito and others show a page of their own for a redirect URI they do not know, and never come back.
    known = "" if port in redirect.ports else ", or set cognito_redirect_ports to a port it knows"
    return SignInFailedError(
        f"Nobody finished the sign-in within {timeout:g} seconds",
        remedy="Sign in again. If the provider's page complained about the redirect,"
        f" register {redirect.registration(port)} there{known}",
    )
