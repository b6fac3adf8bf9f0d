"""One world for the folder, a home for each test, and a metadata server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.botocore_plugin import shared
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.home import _UNSET_PREFIXES

from .home import Home
from .metadata_server import MetadataServer


@pytest.fixture(scope="session")
def shared_world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with World() as world:
            yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    shared_world.reset_journal()
    yield shared_world
    shared_world.clock_offset = 0
    shared_world.credential_lifetime = 3600
    shared_world.clear_faults()
    shared_world.forget_identities()
    shared_world.enable_provider()


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    return Home(tmp_path, world)


@pytest.fixture
def inside(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home, with this process living in it too."""
    import os

    for name in list(os.environ):
        if name.startswith((*_UNSET_PREFIXES, "_COGNITO")):
            monkeypatch.delenv(name)
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shared, "_shared", {})
    return home


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        yield server
