"""A home for each test, in which the command line runs as a module."""

from __future__ import annotations

from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.cli.home import ModuleHome
from tests.cli.office import office  # a fixture
from tests.home import ROOT

__all__ = ["office"]


@pytest.fixture
def home(world: World, tmp_path: Path) -> ModuleHome:
    path = tmp_path / "home"
    path.mkdir()
    world.write_home(path, "/nowhere/cognito-federation")
    # `console` refuses a browser in CI jobs; another test covers that.
    outside = ("CI", "BROWSER", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "CODESPACES")
    return ModuleHome(path, world, environ={**dict.fromkeys(outside), "PYTHONPATH": str(ROOT)})


@pytest.fixture
def inside(home: ModuleHome, monkeypatch: pytest.MonkeyPatch) -> ModuleHome:
    """Use the home for this process."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    return home
