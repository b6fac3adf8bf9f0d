"""The loopback server to which the browser returns with the provider's answer."""

from __future__ import annotations

import errno
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType

from .._util.loopback import LoopbackServer, Page, Refusal, Request, Response, Route, page_response
from ..errors import SignInFailedError
from ..messages import printable
from .authorization import AuthorizationRequest, NotOurAnswerError, Redirect, read_answer

_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_EPHEMERAL_TRIES = 5


def listen(redirect: Redirect, route: Route, refusal: Refusal) -> list[LoopbackServer]:
    """Bind every address of `redirect` on the first of its ports that is free on all of them, and serve.

    Raises:
        SignInFailedError: none is.
    """
    for port in redirect.ports:
        for _ in range(_EPHEMERAL_TRIES if port == 0 else 1):
            servers = _bound(redirect.addresses, port, route, refusal)
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


def _bound(addresses: tuple[str, ...], port: int, route: Route, refusal: Refusal) -> list[LoopbackServer]:
    servers: list[LoopbackServer] = []
    for address in addresses:
        try:
            server = LoopbackServer(route, refusal, address=address, port=port)
        except OSError as failure:
            if servers and failure.errno in _NO_SUCH_ADDRESS:
                continue  # a machine without IPv6: its browsers find localhost on 127.0.0.1
            for bound in servers:
                bound.server_close()
            return []
        servers.append(server)
        port = server.port
    return servers


DONE_WAIT = 75.0
"""Seconds `/done` waits for the outcome: two exchanges of 30 s with the provider, and some."""

LINGER = 2.0
"""Seconds the server stays for a browser that has yet to fetch `/done`."""

_COOKIE_LIFE = 4000
"""Seconds: somewhat more than the longest sign-in there is."""


@dataclass(frozen=True)
class Reminder:
    """What to do when a sign-in does not get on.

    Attributes:
        seconds: how long nothing has happened.
        started: it is about a browser that has fetched the start page and has not come back; otherwise about a start
            page that no browser has fetched.
        act: called once, by the thread that waits.
    """

    seconds: float
    started: bool
    act: Callable[[], None]


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
        self._servers: list[LoopbackServer] = []
        self._changed = threading.Condition()
        self._request: AuthorizationRequest | None = None
        self._start_path = ""
        self._cookie: tuple[str, str] | None = None
        self._began_at = self._started_at = 0.0
        self._arrived: Callable[[], None] | None = None
        self._code: str | None = None
        self._failure: SignInFailedError | None = None
        self._spoiled: SignInFailedError | None = None
        self._answered = False
        self._committed = False
        self._outcome: Page | AuthorizationRequest | None = None
        self._outcome_seen = False

    def __enter__(self) -> CallbackServer:
        self._servers = listen(self._redirect, self._reply, lambda s: page_response(s, NOTHING_HERE))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; wait for a browser on its way to `/done`, except after Ctrl-C."""
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

    def expect(self, request: AuthorizationRequest, *, arrived: Callable[[], None] | None = None) -> str:
        """Wait for the answer to `request` from now on.

        Args:
            arrived: called once, by another thread, when a browser has fetched the start page.

        Returns:
            The address of the start page. It is on the redirect URI's own host, because the cookie that it sets has to
            come back with the answer. It is a secret until a browser has fetched it.
        """
        with self._changed:
            self._request = request
            self._start_path = f"/start/{self._random(24)}"
            self._cookie = None
            self._arrived = arrived
            self._began_at = self._monotonic()
        return f"http://{self._redirect.host}:{self.port}{self._start_path}"

    def go_on_with(self, request: AuthorizationRequest) -> None:
        """Send the waiting browser on to `request`, because the first answer was not enough; wait for its answer."""
        with self._changed:
            self._request, self._code, self._failure = request, None, None
            self._outcome = request
            self._changed.notify_all()

    def commit(self) -> None:
        """Note that the answer is taken. From here on a second browser at the start page spoils nothing.

        Raises:
            SignInFailedError: one has been there.
        """
        with self._changed:
            if self._spoiled is not None:
                raise self._spoiled
            self._committed = True

    def finish(self, page: Page) -> None:
        """Show the browser that waits at `/done` the result of the sign-in."""
        with self._changed:
            self._outcome = page
            self._changed.notify_all()

    def wait(self, timeout: float, cancel: threading.Event | None = None, *, reminders: Sequence[Reminder] = ()) -> str:
        """Return the authorization code.

        Args:
            timeout: seconds.
            cancel: ends the wait when set.
            reminders: each is called at most once.

        Raises:
            SignInFailedError: the provider refused, nobody finished in time, or a second browser opened the start page.
        """
        deadline = self._monotonic() + timeout
        pending = list(reminders)
        while True:
            with self._changed:
                failure = self._spoiled or self._failure
                if failure is not None:
                    raise failure
                if self._code is not None:
                    return self._code
                if cancel is not None and cancel.is_set():
                    raise SignInFailedError("The sign-in was cancelled", remedy="Start it again when you are ready")
                left = deadline - self._monotonic()
                if left <= 0:
                    sent = self._request if self._cookie is not None else None
                    raise _timed_out(timeout, sent, self._redirect, self.port)
                self._changed.wait(min(left, 0.25))  # short: Ctrl-C on Windows and `cancel` are seen between waits
                due = [reminder for reminder in pending if self._is_due(reminder)]
            for reminder in due:
                pending.remove(reminder)
                reminder.act()

    def _is_due(self, reminder: Reminder) -> bool:
        if self._answered or reminder.started != (self._cookie is not None):
            return False
        since = self._started_at if reminder.started else self._began_at
        return self._monotonic() >= since + reminder.seconds

    def _reply(self, request: Request) -> Response:
        # Any other Host is a page of another site whose name was made to resolve to loopback (DNS rebinding), or an
        # address of this machine whose cookies are others.
        if not request.is_for(self.port, self._redirect.host):
            return page_response(HTTPStatus.MISDIRECTED_REQUEST, NOTHING_HERE)
        if request.method != "GET":
            return page_response(HTTPStatus.METHOD_NOT_ALLOWED, NOTHING_HERE)
        if request.path == "/done":
            return self._done(request)
        if request.path == (self._redirect.path or "/"):
            return self._callback(request)
        if self._start_path and secrets.compare_digest(request.path.encode(), self._start_path.encode()):
            return self._start(request)
        return page_response(HTTPStatus.NOT_FOUND, NOTHING_HERE)

    def _is_from_the_browser(self, request: Request) -> bool:
        """Return whether a request comes from the browser that fetched the start page; the lock is held."""
        if self._cookie is None:
            return False
        name, value = self._cookie
        sent = request.cookie(name) or ""
        return secrets.compare_digest(sent.encode("utf-8", "surrogateescape"), value.encode())

    def _callback(self, request: Request) -> Response:
        with self._changed:
            if self._request is None:
                return page_response(HTTPStatus.NOT_FOUND, NOTHING_HERE)
            code, failure = None, None
            try:
                code = read_answer(self._request, request.query)
            except NotOurAnswerError:
                return page_response(HTTPStatus.BAD_REQUEST, OTHER_SIGN_IN)
            except SignInFailedError as refused:
                failure = refused
            if not self._is_from_the_browser(request):
                return page_response(HTTPStatus.FORBIDDEN, NOT_THIS_BROWSER)
            if self._code is None and self._failure is None:
                self._code, self._failure, self._outcome = code, failure, None
            self._answered = True
            self._changed.notify_all()
        return page_response(HTTPStatus.SEE_OTHER, location="/done")

    def _start(self, request: Request) -> Response:
        if "prefetch" in (request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")).lower():
            # A browser that only prepares for a visit may do so with other cookies; it comes again.
            return page_response(HTTPStatus.SERVICE_UNAVAILABLE, NOTHING_HERE)
        with self._changed:
            if self._request is None or self._spoiled is not None:
                return page_response(HTTPStatus.GONE, USED)
            if self._cookie is None:
                return self._first_visit(self._request)
            if self._is_from_the_browser(request):  # reloaded, or opened in a second tab
                return page_response(HTTPStatus.FOUND, location="/done" if self._answered else self._request.url)
            if not self._committed:
                self._spoiled = _two_browsers()
                self._changed.notify_all()
        return page_response(HTTPStatus.GONE, USED)

    def _first_visit(self, request: AuthorizationRequest) -> Response:
        # Cookies do not tell ports apart: the name is of this sign-in only, so that two at once do not disturb each
        # other. Lax, because the provider's redirect is a navigation that another site begins.
        name, value = self._cookie = f"cognito-federation-{self._random(8)}", self._random(32)
        self._started_at = self._monotonic()
        self._changed.notify_all()
        cookie = f"{name}={value}; Path=/; Max-Age={_COOKIE_LIFE}; HttpOnly; SameSite=Lax"
        return page_response(
            HTTPStatus.FOUND, location=request.url, headers=(("Set-Cookie", cookie),), sent=self._arrived
        )

    def _done(self, request: Request) -> Response:
        with self._changed:
            if not self._answered or self._cookie is None:
                return page_response(HTTPStatus.NOT_FOUND, NOTHING_HERE)
            if not self._is_from_the_browser(request):
                return page_response(HTTPStatus.FORBIDDEN, NOT_THIS_BROWSER)
            self._changed.wait_for(lambda: self._outcome is not None, timeout=DONE_WAIT)
            if isinstance(self._outcome, AuthorizationRequest):
                return page_response(HTTPStatus.FOUND, location=self._outcome.url)
            if self._outcome is None:
                return page_response(HTTPStatus.OK, WORKING)
            forget = f"{self._cookie[0]}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
            return page_response(
                HTTPStatus.OK, self._outcome, headers=(("Set-Cookie", forget),), sent=self._saw_outcome
            )

    def _saw_outcome(self) -> None:
        with self._changed:
            self._outcome_seen = True
            self._changed.notify_all()


def _two_browsers() -> SignInFailedError:
    return SignInFailedError(
        "The address of the sign-in was opened in two browsers, so the sign-in was stopped:"
        " one of them may be another user's",
        remedy="Sign in again and open it in one browser only",
    )


def when_the_page_shows_an_error(request: AuthorizationRequest, redirect: Redirect, port: int) -> str:
    """Return what helps against an error on a page of the provider's own, which never comes back to this machine.

    Cognito and others show one for a redirect URI they do not know (RFC 6749, section 4.1.2.1), strict ones for
    `offline_access` without a request for consent.
    """
    known = "" if port in redirect.ports else ", or set cognito_redirect_ports to a port it knows"
    prompt = "login" if request.prompt == "consent" else "consent"
    return (
        f"If the provider's page complained about the prompt or the consent, set cognito_auth_params = prompt={prompt};"
        f" if about the redirect, register {redirect.registration(port)} there{known};"
        f" if about the client, set cognito_client_id to one that the provider knows"
    )


def _timed_out(
    timeout: float, request: AuthorizationRequest | None, redirect: Redirect, port: int
) -> SignInFailedError:
    # Without a request, no browser has been sent to the provider: its page cannot have shown anything.
    helps = f". {when_the_page_shows_an_error(request, redirect, port)}" if request is not None else ""
    return SignInFailedError(f"The sign-in was not finished within {timeout:g} seconds", remedy=f"Sign in again{helps}")


def page_of_success(user: str) -> Page:
    """The sign-in worked; `user` as the provider named them."""
    return Page("good", "You are signed in", "Signed in as", emphasis=printable(user, 200))


def page_of_failure(what: str, remedy: str) -> Page:
    """The sign-in did not finish."""
    # No full stop after the remedy: it often ends in a command, which people copy.
    return Page("bad", "The sign-in did not finish", f"{printable(what, 2000)}.", remedy=printable(remedy, 2000))


WORKING = Page(
    "neutral",
    "Still working",
    "The identity provider has answered, and the sign-in is being completed.",
    closing="Look at where you started the sign-in for how it ends; you can close this tab.",
)
NOTHING_HERE = Page(
    "neutral",
    "Nothing to see here",
    "This address only waits for the end of a sign-in that was started on this machine.",
    closing="You can close this tab.",
)
OTHER_SIGN_IN = Page(
    "bad",
    "Not the sign-in that is waiting",
    "This answer belongs to another sign-in, perhaps an older one, and was ignored.",
    remedy="Finish the sign-in in its newest tab, or start it again.",
    closing="You can close this tab.",
)
USED = Page(
    "bad",
    "This sign-in was opened in two browsers",
    "The sign-in was stopped: its address belongs to the one browser that opens it first, and another one did.",
    remedy="Start the sign-in again and open it in one browser only.",
)
NOT_THIS_BROWSER = Page(
    "bad",
    "Not the browser that began this sign-in",
    "This browser did not open the address of the sign-in, or it stores no cookies for this machine. Its answer was"
    " ignored, and the sign-in still waits.",
    remedy="Finish in the browser in which the sign-in began. If there is none, open the address that is shown where"
    " you started the sign-in, and allow cookies.",
    closing="You can close this tab.",
)
