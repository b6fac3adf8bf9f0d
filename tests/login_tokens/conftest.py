"""A home for each test, which writes the profiles, and a metadata server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.botocore_plugin import shared
from botocore_cognito_federation.demo import World
from tests.login_tokens.home import ProfileHome
from tests.login_tokens.metadata_server import MetadataServer


@pytest.fixture
def home(world: World, tmp_path: Path) -> ProfileHome:
    return ProfileHome(tmp_path, world)


@pytest.fixture
def inside(home: ProfileHome, monkeypatch: pytest.MonkeyPatch) -> ProfileHome:
    """The home, used by this process too."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shared, "_shared", {})
    return home


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        yield server
