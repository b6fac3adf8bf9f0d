"""The FastAPI back end of `docs/examples`, run as by a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from botocore_cognito_federation.demo import World
from tests.examples import backends


def test_backend_fastapi(world: World, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    with backends.running(world, tmp_path, "uvicorn", "backend_fastapi:app", "--log-level", "error", "--port") as url:
        backends.check_two_users_at_the_same_time(world, url)
        backends.check_what_a_user_is_told(world, url)
