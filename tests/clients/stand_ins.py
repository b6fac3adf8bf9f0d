"""Other identities within reach of a client: the role of the machine, and a container's credentials."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from botocore_cognito_federation.demo.world import World
from tests.servers.own_network import METADATA_ADDRESS

from .uses import pool_client

_ROLE = "machine"
_ROLES = "/latest/meta-data/iam/security-credentials"
_CONTAINER = "/container"
_TOKEN = "any"


@dataclass
class StandIns:
    """An instance metadata service and a container endpoint inside ``with``.

    Args:
        world: the world in which their credentials are valid.
        own_network: whether the address that every client knows can be used; otherwise it is a loopback address, which
            clients must be told.
    """

    world: World
    own_network: bool
    _credentials: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> StandIns:
        self._credentials = _credentials_of_another(self.world)
        address = (METADATA_ADDRESS, 80) if self.own_network else ("127.0.0.1", 0)
        self._servers = [_server(self, address), _server(self, ("127.0.0.1", 0))]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def access_key(self) -> str:
        """Return the access key by which the journal shows their use."""
        return self._credentials["AccessKeyId"]

    @property
    def machine(self) -> Mapping[str, str]:
        """Return the variables with which clients reach the role of the machine."""
        if self.own_network:
            return {"AWS_EC2_METADATA_DISABLED": "false"}
        url = f"http://127.0.0.1:{self._servers[0].server_port}"
        return {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
            "AWS_METADATA_ENDPOINT": url,  # Rust's object_store
        }

    @property
    def container(self) -> Mapping[str, str]:
        """Return the variables with which clients reach the credentials of a container."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._servers[1].server_port}{_CONTAINER}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": _TOKEN,
        }

    def answer(self, path: str) -> str | None:
        """Return the document at a path; None if there is none."""
        if path == _CONTAINER:
            return json.dumps(self._credentials)
        if path.rstrip("/") == _ROLES:
            return _ROLE
        if path.rstrip("/") == f"{_ROLES}/{_ROLE}":
            moment = "2020-01-01T00:00:00Z"
            return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": moment, **self._credentials})
        return None


def _server(stand_ins: StandIns, address: tuple[str, int]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(stand_ins.answer(self.path))

        def do_PUT(self) -> None:
            self._send(_TOKEN)

        def _send(self, text: str | None) -> None:
            body = (text or "").encode()
            self.send_response(200 if text else 404)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(address, Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def _credentials_of_another(world: World) -> dict[str, str]:
    facts = world.facts
    client = pool_client(world)
    logins = {facts.login_key: world.provider.issue(_ROLE)}
    identity = client.get_id(IdentityPoolId=facts.pool_id, Logins=logins)["IdentityId"]
    found = client.get_credentials_for_identity(IdentityId=identity, Logins=logins)["Credentials"]
    return {
        "AccessKeyId": found["AccessKeyId"],
        "SecretAccessKey": found["SecretKey"],
        "Token": found["SessionToken"],
        "Expiration": f"{found['Expiration'].astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
    }
