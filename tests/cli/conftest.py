"""A home for each test, with the command line as a module in it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.demo.home import child_environment
from botocore_cognito_federation.demo.world import World

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Home:
    """A home directory with the demo profiles, and the command line in it."""

    world: World
    path: Path
    environment: dict[str, str] = field(repr=False)

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "botocore_cognito_federation", *words]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words),
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        variables = options.pop("variables", {})
        return subprocess.Popen(
            self.argv(*words),
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            **options,
        )

    @property
    def config(self) -> Path:
        return self.path / ".aws" / "config"


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    path = tmp_path / "home"
    path.mkdir()
    world.write_home(path, "/nowhere/cognito-federation")
    environment = child_environment(world.facts, path, dict(os.environ))
    # The browser of console is refused in CI jobs; that has a test of its own.
    for name in ("CI", "BROWSER", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "CODESPACES"):
        environment.pop(name, None)
    environment["PYTHONPATH"] = str(ROOT)
    return Home(world, path, environment)


@pytest.fixture
def inside(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """This process lives in the home."""
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    return home
