"""aiobotocore pins botocore, so these tests need their own environment (tox -e aio); elsewhere they are skipped."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import botocore_cognito_federation
from botocore_cognito_federation.botocore_plugin import shared
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.home import write_private

#: Set by the tox environment ``aio``, in which a missing library is a failure.
REQUIRED = os.environ.get("BCF_TEST_AIO") == "1"

if importlib.util.find_spec("aiobotocore") is None and not REQUIRED:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def world(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world, with a home directory of this process in it and the provider installed."""
    for name, value in world.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shared, "_shared", {})
    world.write_home(tmp_path, "/not/used")
    botocore_cognito_federation.install()
    yield world
    botocore_cognito_federation.uninstall()


@pytest.fixture
def add_profile(world: World, tmp_path: Path) -> object:
    """Adds a profile to the configuration: ``add_profile(name, key=value, ...)``."""
    path = tmp_path / ".aws" / "config"

    def add(name: str, **keys: str) -> None:
        entries = {"region": world.region, "cognito_identity_pool_id": world.pool_id, **keys}
        lines = [f"\n[profile {name}]", *(f"{key} = {value}" for key, value in entries.items())]
        write_private(path, path.read_text() + "\n".join(lines) + "\n")

    return add
