"""What keeps a call from getting through is said in the same words by requests and by botocore."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.session import Session

from botocore_cognito_federation._util.http import HttpClient
from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError, TemporaryError
from botocore_cognito_federation.identity_pool.aws import ask
from botocore_cognito_federation.identity_pool.client import make_client

SECRET = "hunter2-hunter2"
Called = Callable[[str], object]


def by_requests(url: str) -> object:
    return HttpClient().get(url)


def by_botocore(url: str) -> object:
    client = make_client(Session(), "cognito-identity", region_name="eu-west-1", endpoint_url=url)
    return ask(client.get_id, {"IdentityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555"})


STACKS = pytest.mark.parametrize("called", [by_requests, by_botocore])


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    """A proxy that wants a password."""

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(407)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def failed(called: Called, url: str) -> CognitoFederationError:
    with pytest.raises(CognitoFederationError) as caught:
        called(url)
    assert SECRET not in caught.value.line
    return caught.value


@STACKS
def test_a_proxy_that_wants_a_password(
    called: Called, proxy: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{proxy.server_port}")
    error = failed(called, "https://login.example/")
    assert isinstance(error, TemporaryError)
    assert error.what.endswith("asks for a user name and a password (HTTP 407)")
    assert error.remedy == "Write them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT"


@STACKS
@pytest.mark.parametrize("url", [f"http://user:{SECRET}@[::1", "http://127.0.0.1:port", "not a proxy"])
def test_a_proxy_whose_address_is_none(called: Called, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    error = failed(called, "https://login.example/")
    assert isinstance(error, ConfigurationError)
    assert error.line == "The proxy URL in HTTPS_PROXY is malformed. Set HTTPS_PROXY to http://HOST:PORT, or unset it"


@STACKS
def test_a_proxy_that_is_not_there(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert failed(called, "https://login.example/").remedy == "Check HTTPS_PROXY and NO_PROXY"


@STACKS
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/nowhere/ca.pem", "The CA certificates in /nowhere/ca.pem (AWS_CA_BUNDLE) cannot be read"),
        ("{tmp}/garbage.pem", "{tmp}/garbage.pem (AWS_CA_BUNDLE) holds no CA certificates in PEM form"),
        pytest.param(
            *("{tmp}/pipe", "The CA certificates in {tmp}/pipe (AWS_CA_BUNDLE) cannot be read: it is a pipe"),
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes"),
        ),
    ],
)
def test_certificates_that_cannot_be_used(
    called: Called, name: str, said: str, tmp_path: Path, proxy: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "garbage.pem").write_text("not a pem\n")
    if "pipe" in name:
        os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("AWS_CA_BUNDLE", name.format(tmp=tmp_path))
    error = failed(called, f"https://127.0.0.1:{proxy.server_port}/")
    assert isinstance(error, ConfigurationError)
    assert error.what.startswith(said.format(tmp=tmp_path))
    assert error.remedy == "Set AWS_CA_BUNDLE=FILE with the path of CA certificates in PEM form, or remove it"


def test_a_directory_of_certificates_is_said_to_be_none_for_botocore(
    tmp_path: Path, proxy: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path))
    url = f"https://127.0.0.1:{proxy.server_port}/"
    assert "it is a directory, and botocore reads a file" in failed(by_botocore, url).what
    assert "failed: its certificate or protocol was not accepted" in failed(by_requests, url).what


@STACKS
def test_a_server_that_speaks_no_tls(called: Called, proxy: ThreadingHTTPServer) -> None:
    error = failed(called, f"https://127.0.0.1:{proxy.server_port}/")
    assert "failed: its certificate or protocol was not accepted" in error.what
    assert "Set AWS_CA_BUNDLE=FILE with the CA certificates" in error.remedy


@STACKS
def test_nothing_that_listens(called: Called) -> None:
    error = failed(called, "http://127.0.0.1:9/")
    assert error.what.endswith("cannot be reached")
    assert error.remedy.startswith("Check the network, HTTPS_PROXY and NO_PROXY")


def test_a_mock_that_answers_is_named_with_what_to_check(proxy: ThreadingHTTPServer) -> None:
    class Mock(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"<html>It works</html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Mock) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        error = failed(by_botocore, url)
        server.shutdown()
    assert error.what == f"{url} answered, but not as AWS does"
    assert "AWS_ENDPOINT_URL" in error.remedy
    assert os.environ.get("AWS_ENDPOINT_URL") is None
