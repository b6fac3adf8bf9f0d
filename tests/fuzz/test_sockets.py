"""Raw bytes to the ports that the product opens."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation.oidc.authorization import Redirect
from botocore_cognito_federation.oidc.callback import CallbackServer
from botocore_cognito_federation.serve.endpoint import Endpoint
from tests.fuzz.conftest import judged
from tests.fuzz.shapes import ODD_TEXT, RAW
from tests.home import Home

_METHOD = st.sampled_from(["GET", "POST", "HEAD", "PUT", "get", "", "CONNECT"])
_PATH = st.one_of(
    st.sampled_from(
        ["/", "/callback", "/callback?code=x&state=y", "//callback", "*", "http://a/", "/done", "/" + "a" * 70_000]
    ),
    ODD_TEXT,
)
_HEADER = st.tuples(st.sampled_from(["Host", "Authorization", "Content-Length", "Transfer-Encoding", "X"]), ODD_TEXT)
REQUESTS = st.one_of(
    RAW,
    st.builds(
        lambda method, path, headers: (
            f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        ).encode("utf-8", "surrogatepass"),
        _METHOD,
        _PATH,
        st.lists(_HEADER, max_size=4),
    ),
)


def said(port: int, request: bytes) -> bytes:
    """What a port answers to bytes after which nothing comes."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        with contextlib.suppress(OSError):  # it may have hung up already
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                found += data
    return found


@pytest.fixture
def endpoint(inside: Home) -> Iterator[Endpoint]:
    with Endpoint(inside.federation()) as found:
        yield found


@given(REQUESTS)
def test_requests_to_the_endpoint(endpoint: Endpoint, request_bytes: bytes) -> None:
    answer = judged("requests to the endpoint", lambda: said(endpoint.port, request_bytes))
    assert b"SecretAccessKey" not in answer
    assert not answer.startswith(b"HTTP/1.1 200")
    for secret in endpoint.variables().values():
        assert secret.encode() not in answer


@pytest.fixture
def callback() -> Iterator[CallbackServer]:
    with CallbackServer(Redirect("127.0.0.1", "/callback", (0,))) as found:
        yield found


@given(REQUESTS)
def test_requests_to_the_callback(callback: CallbackServer, request_bytes: bytes) -> None:
    answer = judged("requests to the callback", lambda: said(callback.port, request_bytes))
    assert b"Traceback" not in answer
    assert not answer.startswith(b"HTTP/1.1 200")
