"""A home for each test, with the command line as a module in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome
from tests.home import ROOT


@pytest.fixture
def home(world: World, tmp_path: Path) -> ModuleHome:
    path = tmp_path / "home"
    path.mkdir()
    world.write_home(path, "/nowhere/cognito-federation")
    # The browser of console is refused in CI jobs; that has a test of its own.
    outside = ("CI", "BROWSER", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "CODESPACES")
    return ModuleHome(path, world, environ={**dict.fromkeys(outside), "PYTHONPATH": str(ROOT)})


@pytest.fixture
def inside(home: ModuleHome, monkeypatch: pytest.MonkeyPatch) -> ModuleHome:
    """This process lives in the home."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    return home
