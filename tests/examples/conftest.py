"""A world, an environment for examples in it, and a user pool server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as started:
        yield started


Run = Callable[..., str]


@pytest.fixture
def run(world: World, tmp_path: Path) -> Run:
    """Runs an example like a user who types `typed`; its variables are those given. Returns its output."""

    def ran(name: str, *, status: int = 0, typed: str = "", **variables: str) -> str:
        environment = {
            **world.environment(tmp_path),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(EXAMPLES.parents[1]),
            "IDENTITY_POOL_ID": world.pool_id,
            "LOGIN_PROVIDER": world.provider.login_key,
            **variables,
        }
        command = [sys.executable, str(EXAMPLES / f"{name}.py")]
        done = subprocess.run(command, env=environment, input=typed, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    return ran
