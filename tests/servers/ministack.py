"""ministack: an AWS emulator whose user pools really verify SRP, in its own virtual environment, on loopback only.

It binds 0.0.0.0 and opens an MQTT listener unless configured otherwise, pins its own botocore, and does not verify
tokens without `cryptography`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from .processes import free_port, serving
from .tool_cache import python_in_venv

REGION = "eu-west-1"
REQUIREMENTS = ("ministack==1.5.33", "cryptography")


@dataclass(frozen=True)
class Ministack:
    """A running server."""

    endpoint_url: str

    def client(self, service: str) -> Any:
        """An administrator's client."""
        make: Any = boto3.client  # its stubs need the service's name as a literal
        return make(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 2}),
        )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Ministack]:
    """Start a ministack with its state in the folder; end it afterwards."""
    python = python_in_venv("ministack", *REQUIREMENTS)
    port = free_port()
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    env = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOME": str(folder),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(state),
        "TMPDIR": str(state),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": "123456789012",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [str(python.parent / "ministack")]
    with serving(command, port, folder / "ministack.log", env=env, cwd=folder):
        yield Ministack(f"http://127.0.0.1:{port}")
