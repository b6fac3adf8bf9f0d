"""The examples of `docs/examples` that need aiobotocore, run as by a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation.demo import World
from tests.examples import backends
from tests.examples.conftest import EXAMPLES


def test_backend_fastapi(world: World, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    with backends.running(world, tmp_path, "uvicorn", "backend_fastapi:app", "--log-level", "error", "--port") as url:
        backends.check_two_users_at_the_same_time(world, url)
        backends.check_what_a_user_is_told(world, url)


@pytest.mark.skipif(os.environ.get("BCF_TEST_S3FS") != "1", reason="s3fs needs the newest aiobotocore")
def test_etl_s3fs(world: World, tmp_path: Path) -> None:
    variables = {
        "PYTHONPATH": str(EXAMPLES.parents[1]),
        "IDENTITY_POOL_ID": world.pool_id,
        "LOGIN_PROVIDER": world.provider.login_key,
        "LOGIN_TOKEN": world.provider.issue("ada"),
        "BUCKET": world.bucket,
    }
    environment = {**world.environment(tmp_path), "PATH": "/usr/bin:/bin", **variables}
    command = [sys.executable, str(EXAMPLES / "etl_s3fs.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "1 lines in 1 objects\n", done.stderr
    assert {call.operation for call in world.calls() if call.service == "s3"} >= {"GetObject", "PutObject"}
