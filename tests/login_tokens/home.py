"""A home directory whose profiles a test writes itself, and real processes in it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.home import write_private
from tests.home import Home


@dataclass
class ProfileHome(Home):
    """A home whose profiles a test writes itself; commands start like the console script."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict, kw_only=True)

    def section(self, title: str, **keys: str) -> None:
        self.sections[title] = keys
        lines = []
        for name, entries in self.sections.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
        write_private(self.path / ".aws" / "config", "\n".join(lines))

    def profile(self, name: str, **keys: str) -> None:
        """Add a profile of the world's pool; its Logins key comes from the token unless `keys` name a provider."""
        defaults = {"region": self.world.region, "cognito_identity_pool_id": self.world.pool_id}
        self.section(f"profile {name}", **{**defaults, **{key: str(value) for key, value in keys.items()}})

    def admin_profile(self, name: str) -> None:
        keys = self.world.admin_credentials
        self.section(f"profile {name}", region=self.world.region, **keys)

    def file(self, name: str, text: str) -> Path:
        path = self.path / name
        write_private(path, text)
        return path

    def start(self, *words: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
        return self.spawn(words, variables, cwd=cwd, text=True)

    def python(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(sys.executable, *arguments, cwd=cwd, **variables)
        output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def run(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this tool in its own process, started like its console script."""
        start = "import sys; from botocore_cognito_federation.__main__ import main; sys.exit(main())"
        return self.python("-P" if sys.version_info >= (3, 11) else "-I", "-c", start, *arguments, cwd=cwd, **variables)

    def credential_process(self, profile: str, **variables: str) -> dict[str, Any]:
        done = self.run("credential-process", "--profile", profile, **variables)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def caller(world: World, answer: dict[str, str]) -> str:
    """Return the identity for which AWS takes the holder of a response."""
    sts = boto3.client(
        "sts",
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
    )
    return str(sts.get_caller_identity()["Arn"])
