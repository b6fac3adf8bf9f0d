"""An identity provider on loopback whose refresh tokens are valid for one use: a second use ends the sign-in.

It follows RFC 9700, section 4.14.2, strictly, unless `Conduct.grace` allows what some providers do. Its users agree to
every sign-in. Its issuer is the host of the request, so that it may be behind a relay. As a program it runs until its
stdin ends, and prints its port.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import psutil
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "rotating"
#: The refresh token that is valid after `RotatingProvider.start_over`.
FIRST = "refresh-0-0"
_KEY_ID = "1"
_LIFE = 3600


@dataclass
class Grant:
    """One sign-in.

    Attributes:
        subject: the user.
        serial: the number of used refresh tokens; the valid one is ``refresh-<grant>-<serial>``.
        reused: how often a used refresh token was presented again.
        ended: why no refresh token is valid any more; empty while one is.
        users: the process that used each refresh token, by its serial number; 0 for one that had ended already.
        used_before: of each refresh token that was presented again, the process that had used it.
    """

    subject: str
    serial: int = 0
    reused: int = 0
    ended: str = ""
    users: list[int] = field(default_factory=list)
    used_before: list[int] = field(default_factory=list)


@dataclass
class Conduct:
    """The behaviour of the provider; a test changes it.

    Attributes:
        id_token_life: seconds.
        wait_before: seconds that a refresh waits before it uses the token.
        wait_after: seconds that it waits afterwards, before the answer.
        grace: whether the previous refresh token is answered like its first use until the new one is used.
        names_users: whether `Grant.users` has processes of this machine.
    """

    id_token_life: float = _LIFE
    wait_before: float = 0.0
    wait_after: float = 0.0
    grace: float = 0
    names_users: float = 0


@dataclass
class _Code:
    subject: str
    challenge: str
    nonce: str | None
    issuer: str


class RotatingProvider:
    """Serves within ``with``.

    Attributes:
        grants: the sign-ins, in the order of their numbers.
        refused: the number of refused refresh tokens since `start_over`.
        issued: all refresh tokens and ID tokens that it has given to anybody.
        conduct: its behaviour.
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._turn = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self.conduct = Conduct()
        self.issued: list[str] = [FIRST]
        self.start_over()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port = int(self._server.server_address[1])
        self.login_key = f"127.0.0.1:{self.port}"
        self.issuer = f"http://{self.login_key}"

    def __enter__(self) -> RotatingProvider:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spent(self) -> int:
        """Return the number of accepted refresh tokens since `start_over`."""
        return sum(grant.serial for grant in self.grants)

    def start_over(self) -> None:
        """Begin again with one sign-in, of ``ada``, whose refresh token is `FIRST`."""
        with self._turn:
            self.grants = [Grant("ada")]
            self.refused = 0

    def state(self) -> dict[str, Any]:
        with self._turn:
            return {"grants": [asdict(grant) for grant in self.grants], "refused": self.refused}

    def id_token(
        self, *, issuer: str = "", subject: str = "ada", nonce: str | None = None, expires_in: float | None = None
    ) -> str:
        now = time.time()
        life = self.conduct.id_token_life if expires_in is None else expires_in
        claims: dict[str, Any] = {"iss": issuer or self.issuer, "aud": CLIENT_ID, "sub": subject}
        claims |= {"iat": int(now), "exp": int(now + life), "email": f"{subject}@example.com"}
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def get(self, issuer: str, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any] | str]:
        """Return the status, and a document or a redirect, for a path."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "revocation_endpoint": f"{issuer}/revoke",
                "jwks_uri": f"{issuer}/jwks",
            }
        if path == "/jwks":
            algorithm = jwt.algorithms.RSAAlgorithm
            jwk = json.loads(algorithm.to_jwk(self._key.public_key()))
            return 200, {"keys": [{**jwk, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}
        if path == "/authorize":
            return 302, self._authorize(issuer, query)
        if path == "/issued":
            return 200, {"tokens": self.issued}
        return (200, self.state()) if path == "/control" else (404, {})

    def post(self, issuer: str, path: str, form: dict[str, str], client: int = 0) -> tuple[int, dict[str, Any]]:
        """Return the status and the document for a path; `client` is the port of who asks."""
        if path == "/revoke":
            return self._revoke(form.get("token", ""))
        if path == "/control":
            for name, value in form.items():
                setattr(self.conduct, name, float(value))
            return 200, asdict(self.conduct)
        if path != "/token":
            return 404, {}
        if form.get("grant_type") == "authorization_code":
            return self._redeem(issuer, form)
        time.sleep(self.conduct.wait_before)
        user = self._process_at(client) if self.conduct.names_users else 0
        answer = self._refresh(issuer, form.get("refresh_token", ""), user)
        time.sleep(self.conduct.wait_after)
        return answer

    def _authorize(self, issuer: str, query: dict[str, str]) -> str:
        code = secrets.token_urlsafe(16)
        subject = query.get("login_hint") or "ada"
        self._codes[code] = _Code(subject, query["code_challenge"], query.get("nonce"), issuer)
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _redeem(self, issuer: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        code = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if code is None or code.challenge != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return 400, {"error": "invalid_grant"}
        with self._turn:
            self.grants.append(Grant(code.subject))
            number = len(self.grants) - 1
        return self._tokens(issuer, number, 0, code.nonce)

    def _process_at(self, port: int) -> int:
        """Return the process that has a connection to this server at a port; 0 if there is none any more."""
        for each in psutil.net_connections("tcp4"):
            if each.pid and each.raddr and (each.laddr.port, each.raddr.port) == (port, self.port):
                return int(each.pid)
        return 0

    def _refresh(self, issuer: str, token: str, user: int) -> tuple[int, dict[str, Any]]:
        with self._turn:
            number, serial = _numbers(token)
            grant = self.grants[number] if 0 <= number < len(self.grants) else None
            if grant is None or grant.ended or not self._takes(grant, serial):
                self.refused += 1
                return 400, {"error": "invalid_grant"}
            if serial == grant.serial:
                grant.users.append(user)
                grant.serial += 1
            serial = grant.serial
        return self._tokens(issuer, number, serial, None)

    def _takes(self, grant: Grant, serial: int) -> bool:
        """Return whether a refresh token is good; one that is used again ends the sign-in."""
        if serial >= grant.serial:
            return serial == grant.serial
        grant.used_before.append(grant.users[serial])
        if self.conduct.grace and serial == grant.serial - 1:
            return True
        grant.reused += 1
        grant.ended = "a refresh token was used twice"
        return False

    def _tokens(self, issuer: str, number: int, serial: int, nonce: str | None) -> tuple[int, dict[str, Any]]:
        id_token = self.id_token(issuer=issuer, subject=self.grants[number].subject, nonce=nonce)
        refresh_token = f"refresh-{number}-{serial}"
        self.issued += [id_token, refresh_token]
        return 200, {
            "access_token": "access",
            "token_type": "Bearer",
            "expires_in": int(self.conduct.id_token_life),
            "id_token": id_token,
            "refresh_token": refresh_token,
        }

    def _revoke(self, token: str) -> tuple[int, dict[str, Any]]:
        number, _ = _numbers(token)
        with self._turn:
            if 0 <= number < len(self.grants):
                self.grants[number].ended = "revoked"
        return 200, {}


def _numbers(token: str) -> tuple[int, int]:
    """Return the numbers of the grant and of the token in it; negative if the text is not a refresh token."""
    parts = token.split("-")
    if len(parts) != 3 or parts[0] != "refresh" or not (parts[1] + parts[2]).isdecimal():
        return -1, -1
    return int(parts[1]), int(parts[2])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not report a client that was killed."""


def _handler(provider: RotatingProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._reply(*provider.get(self._issuer(), url.path, _single(url.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._reply(*provider.post(self._issuer(), self.path, _single(body), self.client_address[1]))

        def _issuer(self) -> str:
            return f"http://{self.headers.get('Host', provider.login_key)}"

        def _reply(self, status: int, answer: dict[str, Any] | str) -> None:
            body = b"" if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            if isinstance(answer, str):
                self.send_header("Location", answer)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Do not show requests; they are counted."""

    return Handler


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


if __name__ == "__main__":
    with RotatingProvider() as serving:
        print(serving.port, flush=True)
        sys.stdin.read()
