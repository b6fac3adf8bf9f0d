"""An identity provider on loopback whose refresh tokens are good for one use: who spends one twice ends the sign-in."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "benchmarks"
FIRST = "refresh-0"
_KEY_ID = "1"
_LIFE = 3600


class RotatingProvider:
    """Serves within ``with``.

    Attributes:
        spent: how many refresh tokens were taken since `start_over`.
        refused: how many were not.
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._turn = threading.Lock()
        self.spent = self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.login_key = f"127.0.0.1:{self._server.server_address[1]}"
        self.issuer = f"http://{self.login_key}"

    def __enter__(self) -> RotatingProvider:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start_over(self) -> None:
        """`FIRST` is the refresh token again."""
        with self._turn:
            self.spent = self.refused = 0

    def id_token(self, *, expires_in: float = _LIFE) -> str:
        now = time.time()
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "ada", "iat": now, "exp": int(now + expires_in)}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def answer(self, path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]] | None:
        """Status and document of a path; None for one that is not there."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
        if path == "/jwks":
            algorithm = jwt.algorithms.RSAAlgorithm
            jwk = json.loads(algorithm.to_jwk(self._key.public_key()))
            return 200, {"keys": [{**jwk, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}
        return self._token(form) if path == "/token" else None

    def _token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        with self._turn:
            if form.get("refresh_token") != [f"refresh-{self.spent}"]:
                self.refused += 1
                return 400, {"error": "invalid_grant"}
            self.spent += 1
            following = f"refresh-{self.spent}"
        return 200, {
            "access_token": "access",
            "token_type": "Bearer",
            "expires_in": _LIFE,
            "id_token": self.id_token(),
            "refresh_token": following,
        }


def _handler(provider: RotatingProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            self._reply(parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))

        def _reply(self, form: dict[str, list[str]]) -> None:
            status, document = provider.answer(self.path, form) or (404, {})
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    return Handler
