"""A provider that rotates strictly: each refresh token becomes invalid as soon as it is received."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from botocore_cognito_federation.demo.world import World


class StrictProvider:
    """An issuer with discovery and a token endpoint.

    Attributes:
        good: the only refresh token that is accepted.
        delay: seconds between the receipt of a refresh token and the answer.
        received: set when a refresh token was received.
        refused: how often a used token was sent.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.good = "refresh-0"
        self.delay = 0.0
        self.received = threading.Event()
        self.refused = 0
        self._spent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        world.trust_issuer(self.issuer, ["native"])

    @contextmanager
    def running(self) -> Iterator[StrictProvider]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def id_token(self, lifetime: float = 1800) -> str:
        return self._world.provider.issue("ada", audience="native", iss=self.issuer, lifetime=lifetime)

    def _answer(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        sent = form.get("refresh_token", [""])[0]
        if sent != self.good:
            self.refused += 1
            return 400, {"error": "invalid_grant"}
        self._spent += 1
        self.good = f"refresh-{self._spent}"
        answer = {"refresh_token": self.good, "id_token": self.id_token(), "expires_in": 1800, "token_type": "Bearer"}
        self.received.set()
        time.sleep(self.delay)
        return 200, answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(
                    200,
                    {
                        "issuer": provider.issuer,
                        "jwks_uri": f"{provider._world.provider.issuer}/jwks",
                        "token_endpoint": f"{provider.issuer}/token",
                        "authorization_endpoint": f"{provider.issuer}/authorize",
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._reply(*provider._answer(parse_qs(body)))

            def _reply(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
