"""A cognito-idp endpoint on loopback that records requests and returns a test's answers."""

from __future__ import annotations

import base64
import contextlib
import functools
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session

from botocore_cognito_federation.user_pool import UserPool, UserPoolTokens

POOL = "eu-west-1_AbCdEf123"
CLIENT = "client1"
SECRET = "canary0client0secret0canary0"
NOW = 1_783_000_805.0

shared_session = functools.cache(botocore.session.Session)

Answer = Mapping[str, Any] | tuple[int, Mapping[str, Any]] | bytes


def token(use: str = "id", **claims: Any) -> str:
    """A JWT of the pool, with a worthless signature."""
    body = {
        "iss": f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}",
        "aud": CLIENT,
        "token_use": use,
        "sub": "sub-of-ada",
        "exp": int(NOW) + 3600,
        "cognito:username": "ada-real",
        **claims,
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, body))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".c2ln"


TOKENS = UserPoolTokens(token(), "access.token", "refresh-token-1", NOW, "ada-real")


def tokens(**members: Any) -> dict[str, Any]:
    """An AuthenticationResult answer."""
    result = {
        "IdToken": token(),
        "AccessToken": token("access", username="ada-real"),
        "RefreshToken": "refresh-token-1",
        "ExpiresIn": 3600,
        **members,
    }
    return {"AuthenticationResult": {key: value for key, value in result.items() if value is not None}}


def secret_hash(username: str) -> str:
    """Compute SECRET_HASH as in AWS's documentation."""
    return base64.b64encode(hmac.new(SECRET.encode(), (username + CLIENT).encode(), "sha256").digest()).decode()


def challenge(name: str, session: str = "session-" + "s" * 20, **parameters: str) -> dict[str, Any]:
    return {"ChallengeName": name, "Session": session, "ChallengeParameters": parameters}


def error(code: str, message: str = "", status: int = 400) -> tuple[int, dict[str, str]]:
    return status, {"__type": code, "message": message}


@dataclass
class Wire:
    """The requests, and the coming answers.

    Attributes:
        answers: operation -> answers in order (the last one repeats), or a function of the request's body.
    """

    url: str
    answers: dict[str, list[Answer] | Callable[[dict[str, Any]], Answer]]
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def bodies(self, operation: str) -> list[dict[str, Any]]:
        return [body for name, body in self.asked if name == operation]

    @property
    def operations(self) -> list[str]:
        return [name for name, _ in self.asked]

    def pool(self, **options: Any) -> UserPool:
        """Return a pool here. Its botocore session is shared, or None if it must see the test's own environment."""
        return UserPool(
            POOL, CLIENT, **{"endpoint_url": self.url, "clock": lambda: NOW, "session": shared_session(), **options}
        )

    def answer(self, operation: str, body: dict[str, Any]) -> Answer:
        self.asked.append((operation, body))
        found = self.answers.get(operation, [{}])
        if callable(found):
            return found(body)
        return found.pop(0) if len(found) > 1 else found[0]


class _Handler(BaseHTTPRequestHandler):
    wire: Wire

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.wire.headers.append(dict(self.headers))
        answer = self.wire.answer(self.headers["X-Amz-Target"].split(".")[1], body)
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if data.startswith(b"<") else "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[Wire]:
    wire = Wire("", {})
    handler = type("Handler", (_Handler,), {"wire": wire})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    wire.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
