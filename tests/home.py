"""The home directory of a test, and real processes in it.

`Home` is a home in a demo world with the installed command. Folders of tests extend it if their homes differ:
`SignInHome` signs in by browser, `PoolHome` by password, `ProfileHome` writes its own profiles, `ModuleHome` starts the
command line as a module.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from botocore_cognito_federation._fast_path import MAGIC, checksum
from botocore_cognito_federation.cache.file import decoded, encoded
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo.home import child_environment
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.fetcher import CredentialFetcher

ROOT = Path(__file__).resolve().parents[1]
#: Seconds after which a test's process counts as hanging; it is not a measurement.
LIMIT = 90


@dataclass(frozen=True)
class Result:
    """The end of a process; `out` and `err` are strings if it was started in text mode."""

    code: int
    out: Any
    err: Any

    @property
    def document(self) -> dict[str, Any]:
        """Return the one object of the ``credential_process`` contract; nothing else may have been printed."""
        assert (self.code, len(self.err)) == (0, 0), self
        document = json.loads(self.out)
        assert isinstance(document, dict)
        assert document["Version"] == 1
        return document

    @property
    def key(self) -> str:
        return str(self.document["AccessKeyId"])

    def refused(self, code: int) -> str:
        """Return the one line of a failure with this exit code; nothing may have been printed on stdout."""
        assert (self.code, len(self.out)) == (code, 0), self
        text = self.err.decode() if isinstance(self.err, bytes) else self.err
        assert text.endswith("\n"), self
        line = text[:-1]
        assert line, self
        assert "\n" not in line, self
        assert "Traceback" not in line, self
        return line


@dataclass
class HomeDirectory:
    """The home directory of one test: its files, and processes in it.

    Attributes:
        path: the home.
        environ: variables for every process; None removes one.
    """

    path: Path
    environ: dict[str, str | None] = field(default_factory=dict, kw_only=True)

    @property
    def config(self) -> Path:
        return self.path / ".aws" / "config"

    @property
    def cache(self) -> Path:
        return self.path / ".aws" / "cognito-federation"

    def inherited(self) -> dict[str, str]:
        """Return the variables for a process in this home, without `environ`."""
        raise NotImplementedError

    def environment(self, **changes: str | None) -> dict[str, str]:
        """Return the environment of a child; a change to None removes the variable."""
        merged = {**self.inherited(), **self.environ, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def spawn(self, argv: Sequence[str], variables: Mapping[str, str | None], **options: Any) -> subprocess.Popen[Any]:
        """Start a process here; its stdin is closed and its output piped, unless `options` of `Popen` say otherwise."""
        usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.path}
        return subprocess.Popen(argv, env=self.environment(**variables), **{**usual, **options})

    def documents(self, kind: str) -> list[Path]:
        return sorted((self.cache / kind).glob("*.json"))

    def session_document(self) -> dict[str, Any]:
        """Return the one session that is stored in files."""
        (path,) = self.documents("sessions")
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    def texts(self) -> str:
        """Return the content of every file of the home, to search for secrets."""
        return "\n".join(path.read_bytes().decode("latin-1") for path in sorted(self.path.rglob("*")) if path.is_file())


@dataclass
class Home(HomeDirectory):
    """A home in a demo world, with the installed command."""

    world: World

    @property
    def token(self) -> Path:
        return self.path / "token"

    def inherited(self) -> dict[str, str]:
        return child_environment(self.world.facts, self.path, dict(os.environ))

    def section(self, title: str, **keys: str) -> None:
        """Add a section to the config file."""
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        with self.config.open("a") as config:
            config.write(f"\n[{title}]\n{lines}")

    def profile(self, name: str, **keys: str) -> str:
        """Add a profile with its own pool and endpoint; return its name. `keys` override the usual ones."""
        usual = {
            "region": self.world.region,
            "cognito_identity_pool_id": self.world.pool_id,
            "cognito_provider": self.world.provider.login_key,
            "cognito_issuer": self.world.provider.issuer,
            "cognito_endpoint_url": self.world.endpoint_url,
        }
        self.section(f"profile {name}", **{key: value for key, value in {**usual, **keys}.items() if value})
        return name

    def start(self, *words: str, stdin: Any = subprocess.DEVNULL, **changes: str | None) -> subprocess.Popen[bytes]:
        return self.spawn([find_executable(), *words], changes, stdin=stdin)

    def run(self, *words: str, **changes: str | None) -> Result:
        """Run the installed ``cognito-federation`` in this home."""
        return finished(self.start(*words, **changes))

    def ask(self, profile: str = "demo", **changes: str | None) -> Result:
        """Run ``credential-process`` as an SDK does."""
        return self.run("credential-process", "--profile", profile, **changes)

    def python(self, code: str, **changes: str | None) -> Result:
        """Run Python code in this home, with this package importable."""
        return finished(self.spawn([sys.executable, "-c", textwrap.dedent(code)], changes))

    def answers(self) -> list[Path]:
        return sorted(path for path in (self.cache / "answers").glob("*") if path.suffix != ".lock")

    def forget_answers(self) -> None:
        """Make the next process use the store instead of a cached response."""
        for path in self.answers():
            path.unlink()

    def count(self, operation: str) -> int:
        return len(self.world.calls(operation))

    @property
    def spent(self) -> tuple[int, int]:
        """Return the number of GetId and GetCredentialsForIdentity calls that the world has seen in this test."""
        return self.count("GetId"), self.count("GetCredentialsForIdentity")

    @contextlib.contextmanager
    def allowed(self, *actions: str) -> Iterator[None]:
        """Let the role of signed-in users call these actions, inside ``with``."""
        world = self.world
        iam = boto3.client("iam", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials)
        named = {"RoleName": world.facts.authenticated_role_arn.rpartition("/")[2], "PolicyName": "of-a-test"}
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_role_policy(**named, PolicyDocument=policy)
        try:
            yield
        finally:
            iam.delete_role_policy(**named)

    def age(self, *, seconds_left: float) -> None:
        """Leave the cached credentials so many seconds of their hour, and remove cached responses."""
        for path in self.documents("credentials"):
            expires_at = time.time() + seconds_left
            rewritten(path, expires_at=expires_at, issued_at=expires_at - 3600)
        self.forget_answers()

    def federation(self, profile: str = "demo") -> CredentialFetcher:
        """Return the federation of a profile in this process, which must use this home (`inside`)."""
        return fetcher_for(load_settings(profile))

    def everything_stored(self) -> bytes:
        return b"\n".join(path.read_bytes() for path in sorted(self.cache.rglob("*")) if path.is_file())


def rewritten(path: Path, **changes: Any) -> dict[str, Any]:
    """Change a document of the store as the product would write it; return its new content."""
    kind, key = path.parent.name, path.stem
    document = {**decoded(kind, key, path.read_bytes()), **changes}
    path.write_bytes(encoded(kind, key, document))
    return document


def retimed(answer: Path, *, issued: float, refresh_at: float, until: float | None = None) -> None:
    """Give a cached response other times, as the product would write them; `until` stays unless given."""
    lines = answer.read_text().split("\n")
    before = lines[4].split()
    lines[4] = f"{issued} {refresh_at} {before[2] if until is None else until}"
    rest = "\n".join(lines[2:]).encode()
    answer.write_bytes(b"\n".join((MAGIC.encode(), checksum(rest), rest)))


def finished(process: subprocess.Popen[Any], text: Any = None) -> Result:
    """Wait for a process, with `text` on its stdin; a process that does not end is killed, which fails the test."""
    try:
        out, err = process.communicate(text, timeout=LIMIT)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return Result(process.returncode, out, err)
