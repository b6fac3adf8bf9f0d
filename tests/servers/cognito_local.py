"""cognito-local (npm): the only emulator whose UserMigration trigger shows the validationData that reaches it.

It has no SRP and no GetTokensFromRefreshToken, so it also tests the fallback for endpoints without that operation.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from .processes import free_port, serving
from .tool_cache import npm_folder

PACKAGE = "cognito-local@5.3.0"


@dataclass
class CognitoLocal:
    """A running server; `events` are the events of its triggers."""

    endpoint_url: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def client(self) -> Any:
        """An administrator's client."""
        return boto3.client(
            "cognito-idp",
            region_name="local",
            endpoint_url=self.endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}),
        )


@contextlib.contextmanager
def _lambda_endpoint(invoked: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[str]:
    """The emulator's AWS Lambda: every function is `invoked`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps({**event, "response": invoked(event)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[CognitoLocal]:
    """Start a cognito-local whose triggers all answer like a user migration; end it afterwards."""
    packages = npm_folder("cognito-local", PACKAGE)
    port = free_port()
    emulator = CognitoLocal(f"http://127.0.0.1:{port}")

    def invoked(event: dict[str, Any]) -> dict[str, Any]:
        emulator.events.append(event)
        if event["triggerSource"].startswith("UserMigration"):
            return {"userAttributes": {"email": "ada@example.com"}, "finalUserStatus": "CONFIRMED"}
        return {}

    with _lambda_endpoint(invoked) as lambda_url:
        credentials = {"accessKeyId": "local", "secretAccessKey": "local"}
        config = {
            "LambdaClient": {"endpoint": lambda_url, "region": "local", "credentials": credentials},
            "TokenConfig": {"IssuerDomain": emulator.endpoint_url},
            "ServerConfig": {"hostname": "127.0.0.1", "port": port},
            "TriggerFunctions": {"PostAuthentication": "post", "PreTokenGeneration": "pretok", "UserMigration": "mig"},
            "UserPoolDefaults": {"UsernameAttributes": []},
        }
        (folder / ".cognito").mkdir()
        (folder / ".cognito" / "config.json").write_text(json.dumps(config))
        start = packages / "node_modules" / "cognito-local" / "lib" / "bin" / "start.js"
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "HOST": "127.0.0.1", "PORT": str(port)}
        command = [shutil.which("node") or "node", str(start)]
        with serving(command, port, folder / "cognito-local.log", env=env, cwd=folder):
            yield emulator
