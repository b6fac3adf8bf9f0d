"""An OpenID provider each of whose answers a row can spoil, and the proxies and TLS servers of the network's rows."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_SECONDS = 30


class SpoiledProvider:
    """Signs everybody in as ``ada``, except for what `knobs` say; they are emptied between rows.

    Args:
        context: for TLS; None is plain HTTP.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.knobs: dict[str, Any] = {}
        self._keys = {
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
        }
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.base = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def issuer(self) -> str:
        return self.base + str(self.knobs.get("issuer_suffix", ""))

    @property
    def algorithm(self) -> str:
        return str(self.knobs.get("algorithm", "RS256"))

    def now(self) -> float:
        return time.time() + float(self.knobs.get("clock", 0))

    def jwks(self) -> dict[str, Any]:
        public = self._keys[self.algorithm].public_key()
        key = json.loads(jwt.get_algorithm_by_name(self.algorithm).to_jwk(public))
        key.pop("key_ops", None)
        return {"keys": [{**key, "kid": "k1", "use": "sig", "alg": self.algorithm}]}

    def id_token(self, client: str, nonce: str | None = None) -> str:
        now = int(self.now())
        claims = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": client,
            "iat": now,
            "exp": now + self.knobs.get("life", 3600),
            "email": "ada@example.com",
            "nonce": nonce,
            **self.knobs.get("claims", {}),
        }
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self._keys[self.algorithm], self.algorithm, headers={"kid": "k1"})

    def discovery(self) -> dict[str, Any]:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "jwks_uri": f"{self.base}/jwks",
            "revocation_endpoint": f"{self.base}/revoke",
            "scopes_supported": ["openid", "email", "profile", "offline_access"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            **self.knobs.get("discovery", {}),
        }
        return {name: value for name, value in document.items() if value is not None}

    def authorize(self, query: dict[str, str]) -> tuple[int, str]:
        """The status, and the page or the address to go on to."""
        back = query.get("redirect_uri", "")
        if "clients" in self.knobs and query.get("client_id") not in self.knobs["clients"]:
            return 400, f"<h1>invalid_client: unknown client {query.get('client_id')}</h1>"
        if "redirects" in self.knobs and back not in self.knobs["redirects"]:
            return 400, f"<h1>Callback URL mismatch: {back} is not in the list</h1>"
        if "page" in self.knobs:
            return 200, str(self.knobs["page"])
        if "authorize_error" in self.knobs:
            answer = {**self.knobs["authorize_error"], "state": query.get("state", "")}
        else:
            code = secrets.token_hex(8)
            self._codes[code] = query
            answer = {"code": code, "state": query.get("state", "")}
        return 302, f"{back}?{urlencode(answer)}"

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and the document of the token endpoint."""
        kind = form.get("grant_type")
        failure = self.knobs.get("token_error" if kind == "authorization_code" else "refresh_error")
        if failure and not ("client_secret" in form and self.knobs.get("secret_helps")):
            return failure.get("status", 400), {k: v for k, v in failure.items() if k != "status"}
        if kind == "authorization_code":
            query = self._codes.pop(form.get("code", ""), {})
            client, nonce = query.get("client_id", ""), query.get("nonce")
        elif form.get("refresh_token", "") in self._refresh_tokens:
            client, nonce = self._refresh_tokens.pop(form["refresh_token"]), None
        else:
            return 400, {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}
        refresh_token = secrets.token_hex(8)
        self._refresh_tokens[refresh_token] = client
        answer = {
            "access_token": secrets.token_hex(8),
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self.id_token(client, nonce),
            "refresh_token": refresh_token,
        }
        left_out = self.knobs.get("left_out", ()) if kind == "authorization_code" else self.knobs.get("not_renewed", ())
        return 200, {name: value for name, value in answer.items() if name not in left_out}


def _handler(provider: SpoiledProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def log_message(self, format: str, *args: Any) -> None:
            """A row judges what the product says."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(provider.now())

        def answer(self, status: int, body: object, kind: str = "application/json", **headers: str) -> None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            knobs = provider.knobs
            if url.path.endswith("/.well-known/openid-configuration"):
                if "discovery_redirect" in knobs:
                    return self.answer(302, "", Location=knobs["discovery_redirect"])
                if "discovery_page" in knobs:
                    return self.answer(*knobs["discovery_page"], "text/html")
                return self.answer(200, provider.discovery())
            if url.path == "/jwks":
                status = knobs.get("jwks_status", 200)
                return self.answer(status, provider.jwks() if status == 200 else "not found")
            if url.path == "/authorize":
                status, text = provider.authorize(dict(parse_qsl(url.query)))
                where = {"Location": text} if status == 302 else {}
                return self.answer(status, "" if where else text, "text/html", **where)
            self.answer(404, {"error": "not found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            path = urlsplit(self.path).path
            if path == "/token":
                form = dict(parse_qsl(body))
                if self.headers.get("Authorization", "").startswith("Basic "):
                    form["client_secret"] = "in the header"
                return self.answer(*provider.grant(form))
            self.answer(200 if path == "/revoke" else 404, {})

    return Handler


def listening(serve: Callable[[socket.socket], None]) -> tuple[int, socket.socket]:
    """A port whose every connection is handed to `serve` in a thread; and the socket that ends it when closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def loop() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_served, args=(serve, connection), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    return int(server.getsockname()[1]), server


def _served(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        connection.settimeout(_SECONDS)
        try:
            serve(connection)
        except OSError:
            return


def refusing(status: str) -> Callable[[socket.socket], None]:
    """A proxy that refuses each request with a status line."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        more = 'Proxy-Authenticate: Basic realm="corp"\r\n' if status.startswith("407") else ""
        connection.sendall(f"HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\n\r\n".encode())

    return serve


def in_front_of(port: int, context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """TLS in front of a plain server."""

    def serve(connection: socket.socket) -> None:
        with (
            context.wrap_socket(connection, server_side=True) as inner,
            socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as outer,
        ):
            threading.Thread(target=_pour, args=(outer, inner), daemon=True).start()
            _pour(inner, outer)

    return serve


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """The file of a private authority, and the context of a server at 127.0.0.1 that it vouches for."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.timezone.utc)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])

    def signed(subject: x509.Name, public: Any, extension: x509.ExtensionType, *, critical: bool) -> bytes:
        builder = x509.CertificateBuilder(name, subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)

    basic = x509.BasicConstraints(ca=True, path_length=0)
    own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    ca_file, chain = folder / "authority.pem", folder / "server.pem"
    ca_file.write_bytes(signed(name, authority.public_key(), basic, critical=True))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(secret + signed(subject, key.public_key(), own, critical=False))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return ca_file, context
