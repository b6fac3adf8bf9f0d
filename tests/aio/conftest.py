"""aiobotocore pins botocore, so these tests have an environment of their own (tox -e aio); elsewhere they skip."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import botocore_cognito_federation
from botocore_cognito_federation.botocore_plugin import shared
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.home import _UNSET_PREFIXES, write_private

#: Set by the tox environment ``aio``: there, a library that is missing is a failure.
REQUIRED = os.environ.get("BCF_TEST_AIO") == "1"

if importlib.util.find_spec("aiobotocore") is None and not REQUIRED:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def shared_world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with World() as world:
            yield world


@pytest.fixture
def world(shared_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world, with this process living in a home of it and the provider installed."""
    for name in list(os.environ):
        if name.startswith((*_UNSET_PREFIXES, "_COGNITO")):
            monkeypatch.delenv(name)
    for name, value in shared_world.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shared, "_shared", {})
    shared_world.write_home(tmp_path, "/not/used")
    shared_world.reset_journal()
    botocore_cognito_federation.install()
    yield shared_world
    from botocore_cognito_federation.botocore_plugin import uninstall

    uninstall()
    shared_world.clock_offset = 0
    shared_world.credential_lifetime = 3600
    shared_world.clear_faults()
    shared_world.forget_identities()


@pytest.fixture
def add_profile(world: World, tmp_path: Path) -> object:
    """Adds a profile to the configuration: ``add_profile(name, key=value, ...)``."""
    path = tmp_path / ".aws" / "config"

    def add(name: str, **keys: str) -> None:
        entries = {"region": world.region, "cognito_identity_pool_id": world.pool_id, **keys}
        lines = [f"\n[profile {name}]", *(f"{key} = {value}" for key, value in entries.items())]
        write_private(path, path.read_text() + "\n".join(lines) + "\n")

    return add
