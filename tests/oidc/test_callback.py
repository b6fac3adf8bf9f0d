from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.oidc import pages
from botocore_cognito_federation.oidc.authorization import AuthorizationRequest, Redirect, loopback_redirect
from botocore_cognito_federation.oidc.callback import CallbackListener, CallbackServer
from tests.servers.processes import free_port

pytestmark = pytest.mark.thorough

AUTHORIZE = "https://op.example/authorize?secret=1"
REQUEST = AuthorizationRequest(AUTHORIZE, "r", (), "the-state", "n", "v", "https://op.example", True)
GOOD = {"code": "the-code", "state": "the-state", "iss": "https://op.example"}


@pytest.fixture
def server() -> Iterator[CallbackServer]:
    with CallbackServer(Redirect("127.0.0.1", "/callback", (0,))) as found:
        yield found
        found.finish(pages.signed_in("Ada"))
        found._outcome_seen = True  # no test here leaves a browser to wait for


def get(server: CallbackServer, path: str, method: str = "GET", **headers: str) -> requests.Response:
    url = f"http://127.0.0.1:{server.port}{path}"
    return requests.request(method, url, headers=headers, allow_redirects=False, timeout=10)


def callback(**changes: str) -> str:
    return "/callback?" + urlencode({**GOOD, **changes})


def test_the_answer_is_taken_and_the_browser_sent_to_done_without_the_code(server: CallbackServer) -> None:
    server.expect(REQUEST)
    answer = get(server, callback())
    assert (answer.status_code, answer.headers["Location"], answer.content) == (303, "/done", b"")
    assert server.wait(5) == "the-code"


def test_done_waits_for_the_outcome_and_tells_it(server: CallbackServer) -> None:
    server.expect(REQUEST)
    get(server, callback())
    found: list[requests.Response] = []
    reader = threading.Thread(target=lambda: found.append(get(server, "/done")))
    reader.start()
    server.finish(pages.failed("Ada <script>alert(1)</script> is somebody else", "Use --force"))
    reader.join(10)
    assert found[0].status_code == 200
    assert "Ada &lt;script&gt;alert(1)&lt;/script&gt; is somebody else." in found[0].text
    assert "Use <span>--force</span><" in found[0].text


def test_done_before_any_answer_does_not_wait(server: CallbackServer) -> None:
    server.expect(REQUEST)
    assert get(server, "/done").status_code == 404


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
    server: CallbackServer, path: str, method: str, host: str | None, status: int
) -> None:
    server.expect(REQUEST)
    assert get(server, path, method, **({"Host": host} if host else {})).status_code == status
    get(server, callback())
    assert server.wait(5) == "the-code"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_whatever_disturb_the_wait(server: CallbackServer, sent: bytes) -> None:
    server.expect(REQUEST)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(sent + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    get(server, callback())
    assert server.wait(5) == "the-code"


def test_two_host_headers_are_not_one(server: CallbackServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
        client.sendall(b"GET /callback HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n")
        assert b"421" in client.recv(100)


def test_a_second_callback_is_harmless(server: CallbackServer) -> None:
    server.expect(REQUEST)
    get(server, callback())
    assert get(server, callback(code="another")).headers["Location"] == "/done"
    get(server, callback(error="access_denied"))
    assert server.wait(5) == "the-code"


def test_a_refusal_of_the_provider_ends_the_wait(server: CallbackServer) -> None:
    server.expect(REQUEST)
    assert get(server, callback(error="access_denied")).headers["Location"] == "/done"
    with pytest.raises(SignInFailedError, match="access_denied"):
        server.wait(5)


def test_slow_clients_hold_nobody_up_and_are_cut_off(server: CallbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallbackListener, "request_time", 0.5)
    server.expect(REQUEST)
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(20)]
    for client in slow:
        client.sendall(b"GET /callback?sta")
    get(server, callback())
    assert server.wait(5) == "the-code"
    for client in slow:
        assert client.recv(10) == b""
        client.close()


def test_no_more_than_so_many_connections_are_served_at_once(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CallbackListener, "maximum_connections", 3)
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as refused:
        assert refused.recv(10) == b""
    for client in held:
        client.close()


def test_the_launch_address_redirects_once_and_a_second_fetch_ends_the_sign_in(server: CallbackServer) -> None:
    launch = server.expect(REQUEST)
    assert launch.startswith(f"http://127.0.0.1:{server.port}/start/")
    assert "op.example" not in launch
    path = launch.removeprefix(f"http://127.0.0.1:{server.port}")
    first = get(server, path)
    assert (first.status_code, first.headers["Location"]) == (302, AUTHORIZE)
    assert get(server, path, "HEAD").status_code == 405
    second = get(server, path)
    assert second.status_code == 410
    assert "Location" not in second.headers
    assert "opened twice" in second.text
    with pytest.raises(SignInFailedError, match="opened twice"):
        server.wait(5)


def test_after_the_answer_the_launch_address_is_dead_and_harmless(server: CallbackServer) -> None:
    path = server.expect(REQUEST).removeprefix(f"http://127.0.0.1:{server.port}")
    get(server, path)
    get(server, callback())
    assert get(server, path).status_code == 410
    assert server.wait(5) == "the-code"


def test_a_second_round_sends_the_waiting_browser_on(server: CallbackServer) -> None:
    server.expect(REQUEST)
    get(server, callback())
    assert server.wait(5) == "the-code"
    second = replace(REQUEST, url="https://op.example/again", state="state-2")
    server.go_on_with(second)
    assert get(server, "/done").headers["Location"] == "https://op.example/again"
    assert get(server, callback()).status_code == 400
    get(server, callback(state="state-2", code="code-2"))
    assert server.wait(5) == "code-2"


def test_nobody_coming_ends_with_the_redirect_to_register(server: CallbackServer) -> None:
    server.expect(REQUEST)
    with pytest.raises(SignInFailedError, match=r"register http://127\.0\.0\.1/callback \(with any port\) there"):
        server.wait(0.05)
    with CallbackServer(Redirect("127.0.0.1", "/callback", (free_port(),))) as fixed:
        fixed.expect(REQUEST)
        with pytest.raises(SignInFailedError, match=rf"register http://127\.0\.0\.1:{fixed.port}/callback there"):
            fixed.wait(0.05)


def test_the_wait_can_be_cancelled(server: CallbackServer) -> None:
    server.expect(REQUEST)
    cancel = threading.Event()
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(SignInFailedError, match="cancelled"):
        server.wait(60, cancel)


@pytest.mark.parametrize("path", ["/favicon.ico", "/done", "/callback", callback()])
def test_every_answer_carries_the_headers_that_keep_it_to_itself(server: CallbackServer, path: str) -> None:
    server.expect(REQUEST)
    headers = get(server, path).headers
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

    def tags(page: pages.Page) -> list[str]:
        parser = Tags()
        parser.feed(pages.render(page).decode())
        return parser.seen

    assert tags(pages.signed_in(name or "x")) == tags(pages.signed_in("Ada"))
    assert tags(pages.failed(name, remedy or "x")) == tags(pages.failed("a", "b"))


def test_pages_load_nothing() -> None:
    for page in (pages.signed_in("Ada"), pages.failed("x", "y"), pages.WORKING, pages.USED):
        assert not re.search(rb"https?:|src=|href=|url\(|@import|<script", pages.render(page))


def test_the_first_free_port_of_the_list_is_taken_and_kept() -> None:
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
            url = f"http://{address}:{server.port}/?"
            assert requests.get(url, timeout=5).status_code == 400
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

    assert CallbackListener.allow_reuse_address == (os.name != "nt")
