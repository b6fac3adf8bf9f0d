"""A home with the demo profiles, in which the command line runs as a module."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.home import LIMIT, Home


@dataclass
class ModuleHome(Home):
    """A home in which ``python -m botocore_cognito_federation`` is run."""

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "botocore_cognito_federation", *words]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words),
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        variables = options.pop("variables", {})
        return self.spawn(self.argv(*words), variables, text=True, **{"cwd": None, **options})
