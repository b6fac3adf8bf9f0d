"""The HTTP server on loopback that every part of the package uses: slow, many or hostile clients do not hold it up.

What it answers is decided by the route it is given; its pages are plain, self-contained, and escape everything. It
speaks one request a connection, reads no bodies, writes each answer in one piece, names no product, and quotes nothing
that a client sent.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import logging
import os
import re
import secrets
import selectors
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import ssl

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"

BROWSER_PATIENCE = 10.0
"""Seconds after which a browser that has not come is taken for one that cannot."""

BROWSER_TIME = 60.0
"""Seconds a browser has to come at all."""

#: The deadline of a client that has sent its request: it waits for us, not we for it.
_NO_DEADLINE = float("inf")
#: Seconds a connection has to send its request when all places are taken. An honest client needs milliseconds, one of a
#: thousand on a busy machine half a second.
_GRACE_WHEN_FULL = 1.0


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

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def only(self, name: str) -> str | None:
        """Return the value of a header that was sent exactly once; None otherwise."""
        values = self.headers.get_all(name, [])
        return str(values[0]) if len(values) == 1 else None

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie; None where it was not sent, or the header cannot be read."""
        cookies: SimpleCookie = SimpleCookie()
        for header in self.headers.get_all("Cookie", []):
            for pair in str(header).split(";"):  # one by one: a malformed foreign cookie must not hide the own one
                try:
                    cookies.load(pair)
                except CookieError:
                    continue
        return cookies[name].value if name in cookies else None

    def is_for(self, port: int, *hosts: str, needs_port: bool = True) -> bool:
        """Return whether it names this server as its host.

        Any other name is one of a site that was made to resolve to loopback (DNS rebinding); such a page sends its own
        name, with a port or without.

        Args:
            hosts: the names the server has; default ``127.0.0.1`` and ``localhost``.
            needs_port: whether a name without a port is refused. The AWS Common Runtime leaves the port out, though
                RFC 9110 (section 7.2) asks for it; browsers do not.
        """
        host = (self.only("Host") or "").strip().lower()
        names = hosts or (ADDRESS, "localhost")
        return host in [f"{name}:{port}" for name in names] or (not needs_port and host in names)

    def has_target(self, target: str) -> bool:
        """Return whether it asks for exactly this target, compared in constant time."""
        return secrets.compare_digest(self.target.encode("utf-8", "surrogateescape"), target.encode())


@dataclass(frozen=True)
class Response:
    """An answer. No browser or proxy may store it.

    Attributes:
        location: where it redirects to.
        policy: its Content-Security-Policy.
        headers: further ones.
        sent: called once it is on its way.
    """

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "application/json"
    location: str | None = None
    policy: str = "default-src 'none'; frame-ancestors 'none'"
    headers: tuple[tuple[str, str], ...] = ()
    sent: Callable[[], None] | None = None


Route = Callable[[Request], Response]
#: Makes the body of answers to requests that are not HTTP.
Refusal = Callable[[HTTPStatus], Response]


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens from the constructor on; serves from `start` to `stop`, or inside ``with``.

    When all places are taken, the oldest connection without a request gives way to the next one. Clients that have sent
    a request are served, and those for which there is no place wait in the backlog of the socket.

    NOTE: not `http.server.HTTPServer`, which asks the name service for the name of the address when it binds.

    Attributes:
        request_time: seconds a client has to send its request, however it spreads them.
        maximum_connections: how many are served at a time.

    Args:
        route: makes the answers, in a thread for each request.
        refusal: makes the answer to what is not a request.
        address: a literal address, IPv4 or IPv6.
        port: 0 for one that the system chooses.
        tls: speaks TLS, if clients have to.

    Raises:
        OSError: the port is in use, or the address is none of this machine's.
    """

    daemon_threads = True
    block_on_close = False
    # SO_REUSEADDR lets a second process take over the port on Windows; elsewhere it only skips TIME_WAIT.
    allow_reuse_address = os.name != "nt"
    #: A crowd waits there until it is accepted; where that is full, Linux lets a client try again after seconds.
    request_queue_size = 1024

    request_time: ClassVar[float] = 5.0
    maximum_connections: ClassVar[int] = 128

    def __init__(
        self,
        route: Route,
        refusal: Refusal,
        *,
        address: str = ADDRESS,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.route = route
        self.refusal = refusal
        self._tls = tls
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._deadlines: dict[socket.socket, float] = {}
        self._places = threading.Condition()
        self._thread: threading.Thread | None = None
        super().__init__((address, port), _Handler)

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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
        """Note that the request of a client is complete."""
        with self._places:
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

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, once there is a place for it; an OSError makes `serve_forever` come back later."""
        with self._places:
            if len(self._deadlines) >= self.maximum_connections and not self._close_oldest_idle():
                self._places.wait(0.05)
                raise BlockingIOError("all places are taken")
        client, address = super().get_request()
        if self._tls is not None:  # The handshake is made in the client's own thread, by its first read.
            client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        with self._places:
            self._deadlines[client] = time.monotonic() + self.request_time
        return client, address

    def _close_oldest_idle(self) -> bool:
        """End the oldest connection that had time to send a request and did not; return whether there was one."""
        old = time.monotonic() - _GRACE_WHEN_FULL + self.request_time
        for client, deadline in self._deadlines.items():
            if deadline < old and not _has_unread_data(client):
                del self._deadlines[client]
                close_abruptly(client)
                return True
        return False

    def shutdown_request(self, request: Any) -> None:
        with self._places:
            self._deadlines.pop(request, None)
            self._places.notify()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log that a client broke off; the stock one prints a traceback."""
        logger.debug("A connection to the server on loopback broke off")

    def _cut(self, overdue: Callable[[float], bool]) -> None:
        with self._places:
            late = [client for client, deadline in self._deadlines.items() if overdue(deadline)]
        for client in late:
            close_abruptly(client)


def close_abruptly(client: socket.socket) -> None:
    """End a connection from our side; its thread notices."""
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection was gone before it was cut")


def _has_unread_data(client: socket.socket) -> bool:
    """Return whether a request may lie in the socket that its thread has not come to read."""
    # Not select.select, which takes no descriptor above 1023.
    selector: selectors.BaseSelector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
    try:
        with selector:
            selector.register(client, selectors.EVENT_READ)
            return bool(selector.select(0))
    except (OSError, ValueError):
        return False


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    timeout = LoopbackServer.request_time
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        self.server.mark_request_complete(self.connection)
        self._send(self.server.route(Request(self.command, self.path, self.headers)))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer

    def handle_expect_100(self) -> bool:
        return True  # no body is read, so no client is told to send one

    def _send(self, response: Response) -> None:
        self.close_connection = True
        head = [
            f"HTTP/1.1 {response.status.value} {response.status.phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            "Cache-Control: no-store",
            f"Content-Security-Policy: {response.policy}",
            "Referrer-Policy: no-referrer",
            "X-Content-Type-Options: nosniff",
            "X-Frame-Options: DENY",
            "Connection: close",
            *(f"{name}: {value}" for name, value in response.headers),
        ]
        if response.location is not None:
            head.append(f"Location: {response.location}")
        body = b"" if self.command == "HEAD" else response.body
        # One write: a head and a body sent apart wait for the client's delayed acknowledgement in between.
        self.wfile.write("\r\n".join([*head, "", ""]).encode("ascii") + body)
        if response.sent is not None:
            response.sent()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse malformed requests; the stock one quotes what the client sent."""
        self.command = getattr(self, "command", None) or ""
        self._send(self.server.refusal(HTTPStatus(code)))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: request lines hold codes and secret paths."""


Mood = Literal["good", "bad", "neutral"]
_STYLE = """
:root { color-scheme: light dark; --paper: #f4f5f7; --card: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d5d9df;
  --good: #1a7f37; --bad: #c0262d; --neutral: #57606a; }
@media (prefers-color-scheme: dark) { :root { --paper: #0e1116; --card: #171b22; --ink: #e8ebef; --soft: #9ba5b1;
  --line: #2d333c; --good: #4cc26a; --bad: #ff7b72; --neutral: #9ba5b1; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center; padding: 1.5rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif; }
main { width: 100%; max-width: 34rem; background: var(--card); border: 1px solid var(--line);
  border-top: 4px solid var(--tone); border-radius: 10px; padding: 2rem 2.25rem 1.5rem; overflow-wrap: anywhere; }
.good { --tone: var(--good); } .bad { --tone: var(--bad); } .neutral { --tone: var(--neutral); }
h1 { display: flex; gap: .6rem; margin: 0 0 1rem; font-size: 1.45rem; line-height: 1.3; font-weight: 600; }
h1 span { color: var(--tone); }
p { margin: 0 0 .9rem; }
p strong { font-weight: 600; }
.remedy { border-left: 3px solid var(--tone); padding-left: .9rem; }
.remedy span { white-space: nowrap; }
footer { margin-top: 1.5rem; padding-top: .9rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .85rem; }
@media (max-width: 30rem) { body { padding: 1rem; } main { padding: 1.5rem 1.25rem 1.25rem; } }
"""
#: An option of a command in escaped text; a browser would break the line after its dashes.
_COMMAND_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
_MARK = {"good": "✓", "bad": "✕", "neutral": "…"}


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        title: the heading, and the name of the tab.
        lead: what happened, one or two sentences.
        emphasis: shown in bold after `lead`: the user who signed in.
        remedy: what to do; may be empty.
        closing: the last line of the text.
    """

    mood: Mood
    title: str
    lead: str
    emphasis: str = ""
    remedy: str = ""
    closing: str = "You can close this tab and return to where you started the sign-in."


def render(page: Page) -> bytes:
    """Return the page as UTF-8 HTML."""
    e = html.escape
    emphasis = f" <strong>{e(page.emphasis)}</strong>." if page.emphasis else ""
    steps = _COMMAND_OPTION.sub(r"<span>\g<0></span>", e(page.remedy))
    remedy = f'\n<p class="remedy">{steps}</p>' if steps else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{e(page.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main class="{page.mood}">
<h1><span aria-hidden="true">{_MARK[page.mood]}</span>{e(page.title)}</h1>
<p>{e(page.lead)}{emphasis}</p>{remedy}
<p>{e(page.closing)}</p>
<footer>cognito-federation, on this machine</footer>
</main>
</body>
</html>
""".encode("utf-8", "replace")


def page_response(
    status: HTTPStatus,
    page: Page | None = None,
    *,
    location: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    sent: Callable[[], None] | None = None,
) -> Response:
    """Return the answer that shows a page, or redirects to `location`.

    Args:
        headers: further ones.
        sent: called once it is on its way.
    """
    return Response(
        status,
        b"" if page is None else render(page),
        content_type="text/html; charset=utf-8",
        location=location,
        policy=_policy(),
        headers=(("Cross-Origin-Opener-Policy", "same-origin"), *headers),
        sent=sent,
    )


@functools.cache
def _policy() -> str:
    """The pages fetch nothing and run nothing; their one style is allowed by its digest."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
