"""Where a row happens: a home of its own, in a demo world and beside servers that all rows share."""

from __future__ import annotations

import os
import shutil
import socket
import string
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.home import HomeDirectory, Result, finished, rewritten

from .installations import Installation
from .model import SetUp, Words
from .remedies import run_shell
from .servers import SpoiledProvider

BROWSER = Path(__file__).with_name("browser.py")


@dataclass
class Place(HomeDirectory):
    """The home of one row.

    Attributes:
        world: the demo world.
        op: the provider where people sign in; the world's main pool trusts its client ``cli``.
        facts: what ``$name`` stands for in configurations and commands.
        held: sockets that stay open until the row is done.
        installation: a virtual environment of the row.
    """

    world: World
    op: SpoiledProvider
    facts: dict[str, str] = field(default_factory=dict)
    held: list[socket.socket] = field(default_factory=list)
    installation: Installation | None = None

    def inherited(self) -> dict[str, str]:
        return {
            "HOME": str(self.path),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "NO_PROXY": "127.0.0.1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_ENDPOINT_URL": self.world.endpoint_url,
            "DISPLAY": ":none",
        }

    def filled(self, text: str) -> str:
        """A text with ``$name`` replaced."""
        return string.Template(text).safe_substitute({"home": str(self.path), **self.facts})

    def furnish(self, row: SetUp) -> None:
        """Make the home that a row describes."""
        self.config.parent.mkdir(mode=0o700, parents=True)
        self.write(self.filled(row.config), row.encoding)
        self.environ.update({name: value and self.filled(value) for name, value in row.environ.items()})
        if row.token is not None:
            self.write_token(**row.token)
        for command in row.before:
            done = self.run(command)
            assert done.code == 0, (command, done)
        if row.prepare is not None:
            row.prepare(self)

    def write(self, config: str, encoding: str = "utf-8") -> None:
        self.config.write_bytes(config.encode(encoding))
        self.config.chmod(0o600)

    def edit(self, old: str, new: str) -> None:
        """Replace a text of the configuration."""
        before = self.config.read_text()
        assert self.filled(old) in before, old
        self.config.write_text(before.replace(self.filled(old), self.filled(new)))

    def write_token(self, **how: object) -> None:
        """Put a login token of the world's provider where the job's profile reads it."""
        token = self.path / "token"
        token.write_text(self.world.provider.issue("ada", **how))  # type: ignore[arg-type]
        token.chmod(0o600)

    def run(self, words: Words) -> Result:
        """Run a command to its end."""
        return finished(
            self.spawn([self.filled(word) for word in words], {}, text=True, encoding="utf-8", errors="replace")
        )

    def shell(self, command: str) -> Result:
        """Run a line as a person types it."""
        done = run_shell(command, self.environment(), self.path)
        return Result(done.returncode, done.stdout, done.stderr)

    def files(self) -> list[Path]:
        """Every file of the cache."""
        return sorted(path for path in self.cache.rglob("*") if path.is_file())

    def expire_id_token(self) -> None:
        """Let the stored ID token have ended, with the credentials that came of it."""
        (path,) = self.documents("sessions")
        rewritten(path, token_expires_at=time.time() - 60)
        self.forget_credentials()

    def refuse_token_and_renewal(self) -> None:
        """Let Cognito refuse every token, and the provider renew without an ID token."""
        text = "Invalid login token. Couldn't verify signed token."
        self.world.fault("cognito-identity", code="NotAuthorizedException", message=text, status=400, times=1000)
        self.op.knobs["not_renewed"] = ("id_token",)
        self.forget_credentials()

    def take_tokens_again(self) -> None:
        """The provider's keys are in order, as the remedy asks."""
        self.world.clear_faults()
        self.op.knobs.clear()
        self.forget_failures()

    def forget_credentials(self) -> None:
        for name in ("credentials", "answers"):
            shutil.rmtree(self.cache / name, ignore_errors=True)

    def forget_failures(self) -> None:
        """Let the time be over for which a failure is remembered."""
        shutil.rmtree(self.cache / "failures", ignore_errors=True)
        shutil.rmtree(self.cache / "answers", ignore_errors=True)


def facts(world: World, op: SpoiledProvider, extra: Mapping[str, str]) -> dict[str, str]:
    """What all places have in common."""
    script = Path(find_executable()).with_name("cognito-federation-credentials")
    return {
        "python": sys.executable,
        "browser": str(BROWSER),
        "helper": f"{sys.executable} -I -S {script}",
        "script": find_executable(),
        "bin": str(Path(sys.executable).parent),
        "pool": world.pool_id,
        "guid": world.pool_id.partition(":")[2],
        "guest_pool": world.guest_pool_id,
        "classic_pool": world.classic_pool_id,
        "other_guid": str(uuid.UUID(int=7)),
        "login_key": world.provider.login_key,
        "issuer": world.provider.issuer,
        "client": world.provider.client_id,
        "role": world.facts.authenticated_role_arn,
        "guest_role": world.facts.guest_role_arn,
        "other_role": world.facts.other_role_arn,
        "chained_role": world.facts.chained_role_arn,
        "developer": world.facts.developer_provider,
        "admin_id": world.facts.admin_access_key_id,
        "admin_secret": world.facts.admin_secret_access_key,
        "endpoint": world.endpoint_url,
        "op": op.base,
        "op_key": op.base.partition("//")[2],
        **extra,
    }


def is_root() -> bool:
    """Whether rows can give files to another user."""
    return os.name != "nt" and os.geteuid() == 0


def pause_until(moment: float) -> None:
    """Wait for a token that was made to expire at once."""
    while (left := moment - time.time()) > 0:
        time.sleep(left)
