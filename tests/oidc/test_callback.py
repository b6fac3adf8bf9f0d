from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation._util.loopback import LoopbackServer, Page, render
from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.messages import printable
from botocore_cognito_federation.oidc.authorization import AuthorizationRequest, Redirect, loopback_redirect
from botocore_cognito_federation.oidc.callback import (
    USED,
    WORKING,
    CallbackServer,
    Reminder,
    page_of_failure,
    page_of_success,
)
from tests.servers.processes import free_port

pytestmark = pytest.mark.thorough

AUTHORIZE = "https://op.example/authorize?secret=1"
REQUEST = AuthorizationRequest(AUTHORIZE, "r", (), "the-state", "n", "v", "https://op.example", True)
GOOD = {"code": "the-code", "state": "the-state", "iss": "https://op.example"}


@pytest.fixture
def server() -> Iterator[CallbackServer]:
    with CallbackServer(Redirect("127.0.0.1", "/callback", (0,))) as found:
        yield found
        found.finish(page_of_success("Ada"))
        found._outcome_seen = True  # no test here leaves a waiting browser


class Browser:
    """A browser with its own cookies, which follows no redirect by itself."""

    def __init__(self, server: CallbackServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(self, path: str, method: str = "GET", **headers: str) -> requests.Response:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        return self.session.request(method, url, headers=headers, allow_redirects=False, timeout=10)

    def start(self, request: AuthorizationRequest = REQUEST) -> Browser:
        """Begin a sign-in in this browser."""
        assert self(start_path(self.server, request)).status_code == 302
        return self


def start_path(server: CallbackServer, request: AuthorizationRequest = REQUEST) -> str:
    address = server.expect(request)
    assert address.startswith(f"http://127.0.0.1:{server.port}/start/")
    return urlsplit(address).path


def get(server: CallbackServer, path: str, method: str = "GET", **headers: str) -> requests.Response:
    """Return the answer for a program without the browser's cookies."""
    return Browser(server)(path, method, **headers)


@pytest.fixture
def browser(server: CallbackServer) -> Browser:
    """A browser in which the sign-in has begun."""
    return Browser(server).start()


def callback(**changes: str) -> str:
    return "/callback?" + urlencode({**GOOD, **changes})


def test_the_answer_is_taken_and_the_browser_sent_to_done_without_the_code(
    server: CallbackServer, browser: Browser
) -> None:
    answer = browser(callback())
    assert (answer.status_code, answer.headers["Location"], answer.content) == (303, "/done", b"")
    assert server.wait(5) == "the-code"


def test_done_waits_for_the_outcome_and_shows_it(server: CallbackServer, browser: Browser) -> None:
    browser(callback())
    found: list[requests.Response] = []
    reader = threading.Thread(target=lambda: found.append(browser("/done")))
    reader.start()
    server.finish(page_of_failure("Ada <script>alert(1)</script> is somebody else", "Use --force"))
    reader.join(10)
    assert found[0].status_code == 200
    assert "Ada &lt;script&gt;alert(1)&lt;/script&gt; is somebody else." in found[0].text
    assert "Use <span>--force</span><" in found[0].text


def test_done_before_any_answer_does_not_wait(server: CallbackServer, browser: Browser) -> None:
    assert browser("/done").status_code == 404


@pytest.mark.parametrize(
    ("path", "method", "host", "status"),
    [
        ("/favicon.ico", "GET", None, 404),
        ("/", "GET", None, 404),
        ("/callbac", "GET", None, 404),
        ("/callback/", "GET", None, 404),
        ("/start/guess", "GET", None, 404),
        (callback(state="other"), "GET", None, 400),
        ("/callback", "GET", None, 400),
        ("/callback?error=access_denied", "GET", None, 400),
        (callback(error="access_denied", state=""), "GET", None, 400),
        (callback(), "POST", None, 405),
        (callback(), "HEAD", None, 405),
        (callback(), "OPTIONS", None, 405),
        (callback(), "GET", "evil.example", 421),
        (callback(), "GET", "127.0.0.1", 421),
        (callback(), "GET", "localhost:1", 421),
    ],
)
def test_whatever_is_not_the_answer_changes_nothing(
    server: CallbackServer, browser: Browser, path: str, method: str, host: str | None, status: int
) -> None:
    assert browser(path, method, **({"Host": host} if host else {})).status_code == status
    browser(callback())
    assert server.wait(5) == "the-code"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_whatever_disturb_the_wait(server: CallbackServer, browser: Browser, sent: bytes) -> None:
    browser.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(sent + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    browser(callback())
    assert server.wait(5) == "the-code"


def test_two_host_headers_are_not_one(server: CallbackServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
        client.sendall(b"GET /callback HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n")
        assert b"421" in client.recv(100)


def test_a_second_callback_is_harmless(server: CallbackServer, browser: Browser) -> None:
    browser(callback())
    assert browser(callback(code="another")).headers["Location"] == "/done"
    browser(callback(error="access_denied"))
    assert server.wait(5) == "the-code"


def test_a_refusal_of_the_provider_ends_the_wait(server: CallbackServer, browser: Browser) -> None:
    assert browser(callback(error="access_denied")).headers["Location"] == "/done"
    with pytest.raises(SignInFailedError, match="access_denied"):
        server.wait(5)


def test_slow_clients_delay_no_other_client_and_are_cut_off(
    server: CallbackServer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoopbackServer, "request_time", 0.5)
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(20)]
    for client in slow:
        client.sendall(b"GET /callback?sta")
    browser(callback())
    assert server.wait(5) == "the-code"
    for client in slow:
        assert client.recv(10) == b""
        client.close()


def test_idle_connections_in_every_place_do_not_block_the_browser(
    server: CallbackServer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoopbackServer, "maximum_connections", 16)
    monkeypatch.setattr(LoopbackServer, "request_time", 60.0)
    with ExitStack() as idle:
        for _ in range(48):
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        assert browser(callback()).status_code == 303
        assert server.wait(5) == "the-code"


def test_the_start_page_redirects_and_marks_the_browser_for_this_sign_in_alone(server: CallbackServer) -> None:
    path = start_path(server)
    assert "op.example" not in path
    browser = Browser(server)
    assert browser(path, "HEAD").status_code == 405
    first = browser(path)
    assert (first.status_code, first.headers["Location"]) == (302, AUTHORIZE)
    cookie = first.headers["Set-Cookie"]
    assert re.fullmatch(
        r"cognito-federation-[\w-]{11}=[\w-]{43}; Path=/; Max-Age=4000; HttpOnly; SameSite=Lax", cookie
    ), cookie
    with CallbackServer(Redirect("127.0.0.1", "/callback", (0,))) as other:
        second_server = Browser(other)(start_path(other)).headers["Set-Cookie"]
    assert second_server.partition("=")[0] != cookie.partition("=")[0]


def test_an_answer_from_another_browser_is_refused_and_the_sign_in_goes_on(
    server: CallbackServer, browser: Browser
) -> None:
    name = next(iter(browser.session.cookies)).name
    for headers in ({}, {"Cookie": f"{name}=guess"}, {"Cookie": f"{name}="}, {"Cookie": "other=x; ;;=; " + name}):
        refused = get(server, callback(code="injected"), **headers)
        assert refused.status_code == 403
        assert "Not the browser that began this sign-in" in refused.text
        assert "allow cookies" in refused.text
    assert get(server, callback(error="access_denied")).status_code == 403
    assert browser(callback()).status_code == 303
    assert server.wait(5) == "the-code"


def test_an_answer_before_any_browser_has_been_at_the_start_page_is_refused(server: CallbackServer) -> None:
    server.expect(REQUEST)
    assert get(server, callback()).status_code == 403
    assert get(server, callback(), Cookie="=; None=None").status_code == 403


def test_the_cookie_is_found_among_those_of_other_programs_on_the_same_host(
    server: CallbackServer, browser: Browser
) -> None:
    mine = next(iter(browser.session.cookies))
    header = f'a=1; bad[name]=x; {mine.name}={mine.value}; json={{"x": 1}}'
    assert get(server, callback(), Cookie=header).status_code == 303


def test_the_same_browser_may_open_the_start_page_again(server: CallbackServer) -> None:
    path, browser = start_path(server), Browser(server)
    assert [browser(path).headers["Location"] for _ in range(3)] == [AUTHORIZE] * 3
    browser(callback())
    assert browser(path).headers["Location"] == "/done"
    assert server.wait(5) == "the-code"


def test_a_browser_that_only_prefetches_the_start_page_is_none(server: CallbackServer) -> None:
    path = start_path(server)
    for header in ({"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}):
        prepared = get(server, path, **header)
        assert prepared.status_code == 503
        assert not {"Location", "Set-Cookie"} & prepared.headers.keys()
    assert get(server, path).status_code == 302


@pytest.mark.parametrize("when", ["before the answer", "after the answer", "in the consent round"])
def test_a_second_browser_at_the_start_page_ends_the_sign_in(server: CallbackServer, when: str) -> None:
    path, browser = start_path(server), Browser(server)
    browser(path)
    if when != "before the answer":
        browser(callback())
        assert server.wait(5) == "the-code"
    if when == "in the consent round":
        server.go_on_with(replace(REQUEST, state="state-2"))
    second = get(server, path)
    assert (second.status_code, second.headers.get("Location")) == (410, None)
    assert "opened in two browsers" in second.text
    for end in (lambda: server.wait(5), server.commit):
        with pytest.raises(SignInFailedError, match="opened in two browsers"):
            end()


def test_once_the_answer_is_taken_a_second_browser_spoils_nothing(server: CallbackServer) -> None:
    path, browser = start_path(server), Browser(server)
    browser(path)
    browser(callback())
    server.commit()
    assert get(server, path).status_code == 410
    server.commit()


def test_only_the_browser_of_the_sign_in_learns_how_it_ends_and_is_sent_to_the_consent_round(
    server: CallbackServer, browser: Browser
) -> None:
    browser(callback())
    server.go_on_with(replace(REQUEST, url="https://op.example/again", state="state-2"))
    refused = get(server, "/done")
    assert (refused.status_code, refused.headers.get("Location")) == (403, None)
    assert browser("/done").headers["Location"] == "https://op.example/again"
    browser(callback(state="state-2"))
    server.finish(page_of_success("Ada"))
    assert "Ada" not in get(server, "/done").text
    last = browser("/done")
    assert "Ada" in last.text
    assert "Max-Age=0" in last.headers["Set-Cookie"]
    assert not browser.session.cookies


def test_the_waiting_user_is_told_when_a_browser_has_come_and_reminded_when_none_has(server: CallbackServer) -> None:
    told: list[str] = []
    reminders = [Reminder(0.0, False, lambda: told.append("none")), Reminder(0.0, True, lambda: told.append("silent"))]
    path = urlsplit(server.expect(REQUEST, arrived=lambda: told.append("arrived"))).path
    with pytest.raises(SignInFailedError, match="was not finished"):
        server.wait(0.02, reminders=reminders)
    assert told == ["none"]
    browser = Browser(server)
    browser(path)
    with pytest.raises(SignInFailedError, match="was not finished"):
        server.wait(0.02, reminders=reminders)
    assert sorted(told) == ["arrived", "none", "silent"]
    browser(callback())
    assert server.wait(5, reminders=reminders) == "the-code"
    assert len(told) == 3


def test_a_second_round_sends_the_waiting_browser_on(server: CallbackServer, browser: Browser) -> None:
    browser(callback())
    assert server.wait(5) == "the-code"
    second = replace(REQUEST, url="https://op.example/again", state="state-2")
    server.go_on_with(second)
    assert browser("/done").headers["Location"] == "https://op.example/again"
    assert browser(callback()).status_code == 400
    browser(callback(state="state-2", code="code-2"))
    assert server.wait(5) == "code-2"


def test_a_timeout_names_the_redirect_to_register_once_a_browser_has_been_sent_to_the_provider(
    server: CallbackServer,
) -> None:
    server.expect(REQUEST)
    with pytest.raises(SignInFailedError, match=r"within 0\.05 seconds\. Sign in again$"):
        server.wait(0.05)
    Browser(server).start()
    with pytest.raises(SignInFailedError, match=r"register http://127\.0\.0\.1/callback \(with any port\) there"):
        server.wait(0.05)
    with CallbackServer(Redirect("127.0.0.1", "/callback", (free_port(),))) as fixed:
        Browser(fixed).start()
        with pytest.raises(SignInFailedError, match=rf"register http://127\.0\.0\.1:{fixed.port}/callback there"):
            fixed.wait(0.05)


def test_the_wait_can_be_cancelled(server: CallbackServer) -> None:
    server.expect(REQUEST)
    cancel = threading.Event()
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(SignInFailedError, match="cancelled"):
        server.wait(60, cancel)


@pytest.mark.parametrize("path", ["/favicon.ico", "/done", "/callback", callback()])
def test_every_answer_carries_the_headers_that_isolate_it(server: CallbackServer, browser: Browser, path: str) -> None:
    headers = browser(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers


def test_the_style_on_the_page_is_the_one_the_policy_allows(server: CallbackServer) -> None:
    answer = get(server, "/favicon.ico")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


@given(st.text(), st.text())
def test_whatever_a_page_shows_is_text_and_never_markup(name: str, remedy: str) -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.seen.append(tag)

    def tags(page: Page) -> list[str]:
        parser = Tags()
        parser.feed(render(page).decode())
        return parser.seen

    # A text without visible characters is left out, with its element.
    assert tags(page_of_success(printable(name) or "x")) == tags(page_of_success("Ada"))
    assert tags(page_of_failure(name, printable(remedy) or "x")) == tags(page_of_failure("a", "b"))


def test_pages_load_nothing() -> None:
    for page in (page_of_success("Ada"), page_of_failure("x", "y"), WORKING, USED):
        assert not re.search(rb"https?:|src=|href=|url\(|@import|<script", render(page))


def test_the_first_free_port_of_the_list_is_taken_and_reused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy, socket.create_server(("127.0.0.1", 0)) as free:
        taken, other = busy.getsockname()[1], free.getsockname()[1]
        free.close()
        with CallbackServer(Redirect("127.0.0.1", "/callback", (taken, other))) as server:
            assert server.port == other
            with pytest.raises(SignInFailedError, match=f"Port {taken} or {other} on 127.0.0.1 cannot"):
                CallbackServer(Redirect("127.0.0.1", "/callback", (taken, other))).__enter__()


def test_the_port_is_free_again_afterwards() -> None:
    with CallbackServer(Redirect("127.0.0.1", "/callback", (0,))) as server:
        port = server.port
    with CallbackServer(Redirect("127.0.0.1", "/callback", (port,))) as server:
        assert server.port == port


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
def test_localhost_is_listened_on_at_both_its_addresses_and_nowhere_else() -> None:
    with CallbackServer(loopback_redirect("http://localhost", (0,))) as server:
        server.expect(REQUEST)
        assert server.redirect_uri == f"http://localhost:{server.port}"
        for address in ("127.0.0.1", "[::1]", "localhost"):
            url, host = f"http://{address}:{server.port}/?", f"localhost:{server.port}"
            assert requests.get(url, headers={"Host": host}, timeout=5).status_code == 400
        # The cookie of the sign-in belongs to the registered host: for another one the browser would not send it.
        assert requests.get(f"http://127.0.0.1:{server.port}/?", timeout=5).status_code == 421
        bound = [found.socket.getsockname()[0] for found in server._servers]
        assert bound == ["127.0.0.1", "::1"]


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
def test_localhost_with_one_address_taken_moves_on_to_the_next_port() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as busy:
        taken = busy.getsockname()[1]
        with CallbackServer(loopback_redirect("http://localhost", (taken, 0))) as server:
            assert server.port != taken


def test_windows_never_shares_the_port() -> None:
    import os

    assert LoopbackServer.allow_reuse_address == (os.name != "nt")
