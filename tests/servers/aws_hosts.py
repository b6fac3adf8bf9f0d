"""AWS's own host names on loopback: an HTTPS proxy that answers for them, with certificates of its own authority.

Programs that know only a proxy and a CA file ask it for the hosts that their rules resolve. It records each host,
terminates TLS under that name, and passes the data to a server on loopback. Nothing leaves the machine: other hosts are
refused.
"""

from __future__ import annotations

import datetime
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_SECONDS = 30
_LOOPBACK = "127.0.0.1"


class AwsHosts:
    """Listens inside ``with``.

    Args:
        folder: for certificates.
        route: returns the loopback port that answers for a host; None if there is none.
        own_port: the port to listen on; 0 for any.
    """

    def __init__(self, folder: Path, route: Callable[[str], int | None], own_port: int = 0) -> None:
        self.asked: list[str] = []
        self._route = route
        self._authority = _Authority(folder)
        hosts = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = _SECONDS

            def handle(self) -> None:
                hosts._tunnel(self.connection, self.rfile.readline)

        self._server = _Server((_LOOPBACK, own_port), Handler)

    def __enter__(self) -> AwsHosts:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ca_file(self) -> Path:
        return self._authority.file

    @property
    def proxy(self) -> dict[str, str]:
        """Return the variables that send a program here."""
        url = f"http://{_LOOPBACK}:{self._server.server_address[1]}"
        return {"HTTPS_PROXY": url, "https_proxy": url}

    @property
    def variables(self) -> dict[str, str]:
        """Return these variables, and those that make it trust the certificates."""
        return {**self.proxy, "AWS_CA_BUNDLE": str(self.ca_file)}

    def _tunnel(self, client: socket.socket, line: Callable[[], bytes]) -> None:
        method, _, rest = line().decode("latin-1").partition(" ")
        while line() not in (b"\r\n", b"\n", b""):
            """The header says nothing that matters."""
        host = rest.partition(" ")[0].removesuffix(":443")
        self.asked.append(host)
        port = self._route(host) if method == "CONNECT" else None
        if port is None:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self._forward(client, host)

    def _forward(self, client: socket.socket, host: str) -> None:
        port = self._route(host)
        assert port is not None
        context = self._authority.context(host)
        with (
            context.wrap_socket(client, server_side=True) as inner,
            socket.create_connection((_LOOPBACK, port), timeout=_SECONDS) as outer,
        ):
            back = threading.Thread(target=_pour, args=(outer, inner), daemon=True)
            back.start()
            _pour(inner, outer)
            back.join(_SECONDS)


class HttpsFront(AwsHosts):
    """A loopback address by https in front of one that speaks http; no proxy leads there.

    Args:
        folder: for certificates.
        port: the loopback port that answers.
        own_port: the port to listen on; 0 for any.
    """

    def __init__(self, folder: Path, port: int, own_port: int = 0) -> None:
        super().__init__(folder, lambda host: port, own_port)

    @property
    def url(self) -> str:
        return f"https://{_LOOPBACK}:{self._server.server_address[1]}"

    def _tunnel(self, client: socket.socket, line: Callable[[], bytes]) -> None:
        self._forward(client, _LOOPBACK)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that refuses the certificate closes the connection; its own side reports that."""


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class _Authority:
    """Certificates by name, each signed by one CA that is in one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests of this machine")])
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.file = folder / "authority.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.file.write_bytes(self._signed(self._name, self._key.public_key(), constraints))

    def context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._new_context(host, self._folder / f"{len(self._contexts)}.pem")
            return self._contexts[host]

    def _new_context(self, host: str, chain: Path) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "host")])
        name = x509.IPAddress(ip_address(host)) if host == _LOOPBACK else x509.DNSName(host)
        names = x509.SubjectAlternativeName([name])
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain.write_bytes(secret + self._signed(subject, key.public_key(), names))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        context.sni_callback = self._named
        return context

    def _named(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Answer under the name that the client asks for, which behind no proxy is known only now."""
        if name is not None:
            connection.context = self.context(name)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (
            x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(Encoding.PEM)
