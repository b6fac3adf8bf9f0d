from __future__ import annotations

import contextlib
import datetime
import gzip
import ipaddress
import logging
import pickle
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from botocore_cognito_federation._util.http import MAXIMUM_BODY, HttpAnswer, HttpClient, ServerBusyError
from botocore_cognito_federation._util.urls import check_request, check_url
from botocore_cognito_federation.errors import (
    ConfigurationError,
    SignInFailedError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.messages import printable

SECRET = "canary-9f2c1d7e"


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.com/token",
        "https://127.0.0.1:8443/",
        "http://127.0.0.1:3000/token",
        "http://127.8.8.8/",
        "http://[::1]:3000/token",
    ],
)
def test_https_and_http_to_literal_loopback_pass(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/token",
        "http://localhost:3000/",
        "http://127.0.0.1.example.com/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "http://[::ffff:8.8.8.8]/",
        "http://169.254.169.254/latest",
        "https://user:pw@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://127.0.0.1 .example.com/",
        "http://127.0.0.1\n.example.com/",
        "https://ex%61mple.com/",
        "https://exämple.com/",
        "https:///token",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
        "//example.com/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "",
        "http://127.1/",
        "http://0x7f.1/",
        "https://2852039166/",
        "https://example.0x1/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://169.254.169.254/",
        "https://[fe80::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
        "http://[::ffff:127.0.0.1%25lo]/",
    ],
)
def test_every_other_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        check_url(url)


@given(st.text(max_size=40))
def test_whatever_passes_is_https_or_loopback(text: str) -> None:
    try:
        parts = check_url(f"http://{text}/")
    except ConfigurationError:
        return
    assert parts.hostname is not None
    assert parts.hostname == "::1" or parts.hostname.startswith(("127.", "0:0", "::ffff:127.", "0000")), parts.hostname


def test_a_metadata_host_is_plain_http_only_where_it_is_listed() -> None:
    check_url("http://metadata.google.internal/x", plain_http_hosts={"metadata.google.internal"})
    with pytest.raises(ConfigurationError):
        check_url("http://metadata.google.internal.example.com/x", plain_http_hosts={"metadata.google.internal"})


def test_an_answer_is_handed_over_with_status_headers_and_body(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x", method="POST").respond_with_data("body", 404, {"X-Thing": "yes"})
    answer = HttpClient().post_form(httpserver.url_for("/x"), {"a": "b"})
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (404, b"body", "yes")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_names_the_host_and_is_not_followed(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/x").respond_with_data("", status, {"Location": f"https://evil.example/{SECRET}"})
    with pytest.raises(ConfigurationError, match=r"redirect to evil\.example; redirects are not followed") as caught:
        HttpClient().post_form(httpserver.url_for("/x"), {"code": SECRET})
    assert SECRET not in str(caught.value)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_busy_servers_are_temporary(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/x").respond_with_data(SECRET, status, {"Retry-After": "7"})
    with pytest.raises(TemporaryError) as caught:
        HttpClient().get(httpserver.url_for("/x"))
    assert isinstance(caught.value, ServerBusyError)
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
    assert SECRET not in str(caught.value)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), ServerBusyError)


def test_a_retry_after_that_is_a_date_or_nonsense_is_left_out(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("", 503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    with pytest.raises(ServerBusyError) as caught:
        HttpClient().get(httpserver.url_for("/x"))
    assert caught.value.retry_after is None


def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/fits").respond_with_data(b"x" * MAXIMUM_BODY)
    httpserver.expect_request("/more").respond_with_data(b"x" * (MAXIMUM_BODY + 1))
    assert len(HttpClient().get(httpserver.url_for("/fits")).body) == MAXIMUM_BODY
    with pytest.raises(TokenRefreshError, match="more than"):
        HttpClient().get(httpserver.url_for("/more"))


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "x-gzip", "deflate", "br", "GZIP"])
def test_a_body_in_an_encoding_that_was_not_asked_for_is_refused_before_it_is_decoded(
    httpserver: HTTPServer, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * (20 * MAXIMUM_BODY)))
    httpserver.expect_request("/x").respond_with_data(bomb, headers={"Content-Encoding": encoding})
    decoders = "urllib3.response._get_decoder"
    monkeypatch.setattr(decoders, lambda *_: pytest.fail("a decoder was made"))
    with pytest.raises(TokenRefreshError, match=r"compressed body \(.+\), which was not asked for"):
        HttpClient().get(httpserver.url_for("/x"))


def test_a_body_that_says_it_has_no_encoding_is_read(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data(b"plain", headers={"Content-Encoding": "identity"})
    assert HttpClient().get(httpserver.url_for("/x")).body == b"plain"


@pytest.mark.parametrize("status", [302, 503])
def test_the_body_of_a_redirect_or_of_a_server_in_trouble_is_not_read_at_all(status: int) -> None:
    head = f"HTTP/1.1 {status} X\r\nLocation: https://a.example/\r\nContent-Length: {2**30}\r\n\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sent = []

        def serve() -> None:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(head)
                while len(sent) < 1024:
                    client.sendall(b"z" * 65536)
                    sent.append(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises((ConfigurationError, ServerBusyError)):
            HttpClient().get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(10)
    assert sum(sent) < 16 * 2**20


def test_localhost_is_reached_only_for_an_issuer_that_is_called_so_and_only_where_it_is_this_machine(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = f"http://localhost:{httpserver.port}"
    httpserver.expect_request("/x", headers={"Host": f"localhost:{httpserver.port}"}).respond_with_data("here")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConfigurationError, match=rf"Write http://127\.0\.0\.1:{httpserver.port}"):
        HttpClient().get(f"{issuer}/x")
    for other in (None, "https://localhost", "https://sso.example.com", "http://127.0.0.1:1"):
        with pytest.raises(ConfigurationError, match="is http to localhost"):
            HttpClient().for_issuer(other).get(f"{issuer}/x")
    assert HttpClient().for_issuer(issuer).get(f"{issuer}/x").body == b"here"

    real = socket.getaddrinfo

    def elsewhere(host: Any, *rest: Any, **more: Any) -> Any:
        found = real(host, *rest, **more)
        other = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", 1))
        return [*found, other] if host == "localhost" else found

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    with pytest.raises(ConfigurationError, match=r"resolves to 203\.0\.113\.7 here"):
        HttpClient().for_issuer(issuer).get(f"{issuer}/x")


@pytest.fixture
def trickle() -> Iterator[Callable[[bytes, bytes], str]]:
    """A server that sends `first` at once and then endlessly `then`, a little at a time."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def start(first: bytes, then: bytes) -> str:
        def serve() -> None:
            client, _ = listener.accept()
            with client:
                try:
                    client.sendall(first)
                    while not stop.wait(0.02):
                        client.sendall(then)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    stop.set()
    listener.close()


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"z"),
    ],
    ids=["silence", "a header without end", "a body by drops"],
)
def test_the_time_limit_holds_against_a_server_that_trickles(
    trickle: Callable[[bytes, bytes], str], first: bytes, then: bytes
) -> None:
    with pytest.raises(TemporaryError, match=r"did not answer within 0\.4 seconds"):
        HttpClient(total_timeout=0.4).get(trickle(first, then))


def test_a_closed_port_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TemporaryError, match="cannot be reached"):
        HttpClient().get(f"http://127.0.0.1:{port}/")


def test_no_netrc_is_read(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login x password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/x").respond_with_data("ok")
    HttpClient().get(httpserver.url_for("/x"))
    assert "Authorization" not in httpserver.log[0][0].headers


def test_loopback_and_metadata_hosts_are_never_asked_by_proxy(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    httpserver.expect_request("/x").respond_with_data("direct")
    assert HttpClient().get(httpserver.url_for("/x")).body == b"direct"
    assert check_request("http://metadata.google.internal/x", plain_http_hosts={"metadata.google.internal"})[1]
    assert not check_request("https://login.example.com/")[1]


def test_other_hosts_go_through_the_proxy_of_the_environment_and_its_password_stays_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard = []

        def proxy() -> None:
            client, _ = listener.accept()
            heard.append(client.recv(65536))
            client.sendall(b"HTTP/1.1 407 No\r\n\r\n")
            client.close()

        threading.Thread(target=proxy, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(
            TemporaryError, match=r"proxy for login\.example asks for a user name and a password"
        ) as caught:
            HttpClient().get("https://login.example/")
    assert heard[0].startswith(b"CONNECT login.example:443")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_ca_file_comes_from_the_environment_or_the_profile(variable: str) -> None:
    assert HttpClient(environ={variable: "/ca.pem"}).certificates() == "/ca.pem"
    # As for botocore: its variable before the profile. Other tools' variables come last.
    first = "/ca.pem" if variable == "AWS_CA_BUNDLE" else "/profile.pem"
    assert HttpClient(ca_bundle="/profile.pem", environ={variable: "/ca.pem"}).certificates() == first
    assert HttpClient(environ={}).certificates() is True


def test_a_missing_ca_file_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"/no/such/ca\.pem \(ca_bundle\) cannot be read"):
        HttpClient(ca_bundle="/no/such/ca.pem").get("https://127.0.0.1:9/")


def test_a_server_that_does_not_speak_tls_is_temporary_and_named(httpserver: HTTPServer) -> None:
    with pytest.raises(TemporaryError, match=r"TLS connection to 127\.0\.0\.1"):
        HttpClient().get(httpserver.url_for("/x").replace("http:", "https:"))


Tls = Callable[[str], tuple[str, str]]


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    """Starts a server at 127.0.0.1 with a certificate for an address; returns its URL and the certificate's file."""
    with contextlib.ExitStack() as servers:

        def start(address: str) -> tuple[str, str]:
            certificate, private = tmp_path / "ca.pem", tmp_path / "key.pem"
            write_certificate(address, certificate, private)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, private)
            server = servers.enter_context(HTTPServer("127.0.0.1", 0, ssl_context=context))
            server.expect_request("/x").respond_with_data("over TLS")
            return server.url_for("/x"), str(certificate)

        yield start


def write_certificate(address: str, certificate: Path, private: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_an_untrusted_certificate_is_refused_and_the_setting_named(tls: Tls) -> None:
    url, _ = tls("127.0.0.1")
    with pytest.raises(TemporaryError, match="certificate or protocol was not accepted") as caught:
        HttpClient(environ={}).get(url)
    assert "AWS_CA_BUNDLE" in caught.value.remedy


def test_a_certificate_of_the_ca_file_is_taken(tls: Tls) -> None:
    url, ca = tls("127.0.0.1")
    assert HttpClient(ca_bundle=ca).get(url).body == b"over TLS"
    assert HttpClient(environ={"AWS_CA_BUNDLE": ca}).get(url).body == b"over TLS"


def test_a_certificate_for_another_name_is_refused(tls: Tls) -> None:
    url, ca = tls("127.0.0.9")
    with pytest.raises(TemporaryError, match="certificate or protocol was not accepted"):
        HttpClient(ca_bundle=ca).get(url)


def test_no_secret_in_errors_tracebacks_or_logs(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/x").respond_with_data(SECRET, 500, {"X-Echo": SECRET})
    with pytest.raises(TemporaryError) as caught:
        HttpClient().post_form(httpserver.url_for("/x"), {"refresh_token": SECRET}, headers={"Authorization": SECRET})
    httpserver.expect_request("/y").respond_with_data(SECRET)
    answer = HttpClient().post_form(httpserver.url_for("/y"), {"refresh_token": SECRET})
    with pytest.raises(ConfigurationError) as bad_header:
        HttpClient().get(httpserver.url_for("/y"), headers={"Authorization": f"{SECRET}\nX: y"})
    shown = [caplog.text, repr(answer), repr(HttpClient())]
    shown += ["".join(traceback.format_exception(error)) for error in (caught.value, bad_header.value)]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_a_body_that_is_no_json_object_is_the_error_the_caller_names(body: bytes) -> None:
    answer = HttpAnswer("h", 200, {"content-type": "text/html; x"}, body)
    with pytest.raises(SignInFailedError, match="not a JSON object"):
        answer.json_object(error=SignInFailedError)


@given(st.text(), st.integers(2, 50))
def test_printable_text_is_one_line_without_controls_and_never_longer_than_asked(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\x1b[2Jb", "a [2Jb"),
        ("a\x9b2Jb\x7fc", "a 2Jb c"),
        ("one\r\ntwo\u2028three\x85four", "one two three four"),
        ("pay\u202eliam\u2066x\u200b\u200d\ufeff", "payliamx"),
        ("e" + "\u0301" * 50, "e\u0301\u0301"),
        ("\udc80\ue000\U000e0041ok", "ok"),
        ("x" * 400, "x" * 299 + "…"),
        (["a list"], ""),
        (None, ""),
    ],
)
def test_controls_direction_marks_and_piles_of_accents_are_taken_out_of_foreign_text(said: object, shown: str) -> None:
    assert printable(said) == shown
