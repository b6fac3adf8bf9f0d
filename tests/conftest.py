"""What every folder of tests may use: one demo world a session, a home directory a test, the helper as a process."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from botocore_cognito_federation._fast_path import MAGIC, checksum
from botocore_cognito_federation.cache.file import decoded, encoded
from botocore_cognito_federation.config.loader import load_settings
from botocore_cognito_federation.demo.home import child_environment
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.fetcher import CredentialFetcher

#: What starts servers, browsers or many processes, or repeats on every Python what one has proved: it runs once, in the
#: tox environment `full`. The rest runs on every Python and on the oldest dependencies.
THOROUGH = (
    "tests/api/test_concurrency.py",
    "tests/api/test_refresh_matrix.py",
    "tests/api/test_user_pool_federation.py",
    "tests/commands/",
    "tests/docs/",
    "tests/examples/",
    "tests/signin/",
    "tests/demo/test_demo_remote.py",
    "tests/oidc/test_callback.py",
    "tests/oidc/test_canaille.py",
    "tests/oidc/test_certified_provider.py",
    "tests/oidc/test_glewlwyd.py",
    "tests/oidc/test_sign_in.py",
    "tests/sources/test_basic_flow.py",
    "tests/sources/test_developer.py",
    "tests/sources/test_linked_logins.py",
    "tests/sources/test_partitions.py",
    "tests/sources/test_sources_in_processes.py",
    "tests/sources/test_url_source.py",
    "tests/spine/test_bad_input.py",
    "tests/spine/test_in_botocore.py::test_a_token_command_that_asks_its_own_profile_ends",
    "tests/spine/test_new_sessions.py",
    "tests/spine/test_no_secret_leaves.py",
    "tests/spine/test_sign_out.py",
    "tests/spine/test_single_flight.py",
    "tests/spine/test_storage.py",
    "tests/user_pool/test_account_requests.py",
    "tests/user_pool/test_beside_pycognito.py",
    "tests/user_pool/test_device_requests.py",
    "tests/user_pool/test_device_requests.py",
    "tests/user_pool/test_live_",
    "tests/user_pool/test_refresh_requests.py",
    "tests/user_pool/test_refresh_requests.py",
    "tests/user_pool/test_sign_in_requests.py",
    "tests/user_pool/test_srp.py",
    "tests/user_pool/test_user_pool_secrets.py",
)

#: Seconds after which a process of a test counts as hanging; nothing is measured by it.
LIMIT = 90


def pytest_configure() -> None:
    # A shell that runs the tests in the background lets them, and so what they start, ignore these.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(THOROUGH):
            item.add_marker(pytest.mark.thorough)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """No variable of whoever runs the tests reaches them, and nothing asks a metadata service."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "BOTO_", "COGNITO_FEDERATION_", "_COGNITO_FEDERATION_", "MOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _service_models_are_read_once() -> Iterator[None]:
    """Every new session reads botocore's service models anew: a third of a second for each test that makes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Here for all folders: one server serves the session, and its stock name is no literal loopback address."""
    return "127.0.0.1", 0


@dataclass(frozen=True)
class Result:
    """How a process ended."""

    code: int
    out: bytes
    err: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The one object of the ``credential_process`` contract; nothing else may have been printed."""
        assert (self.code, self.err) == (0, b""), self
        document = json.loads(self.out)
        assert isinstance(document, dict)
        assert document["Version"] == 1
        return document

    @property
    def key(self) -> str:
        return str(self.document["AccessKeyId"])

    def refused(self, code: int) -> str:
        """The one line of a failure with this exit code; nothing may have been printed on stdout."""
        assert (self.code, self.out) == (code, b""), self
        text = self.err.decode()
        assert text.endswith("\n"), self
        line = text[:-1]
        assert line, self
        assert "\n" not in line, self
        assert "Traceback" not in line, self
        return line


@dataclass
class Home:
    """The home directory of one test, and what runs in it."""

    path: Path
    world: World
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.path / ".aws" / "config"

    @property
    def cache(self) -> Path:
        return self.path / ".aws" / "cognito-federation"

    @property
    def token(self) -> Path:
        return self.path / "token"

    def environment(self, **changes: str | None) -> dict[str, str]:
        """The environment of a child; a change to None takes the variable away."""
        merged = {**child_environment(self.world.facts, self.path, dict(os.environ)), **self.environ, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def section(self, title: str, **keys: str) -> None:
        """Add a section to the config file."""
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        with self.config.open("a") as config:
            config.write(f"\n[{title}]\n{lines}")

    def profile(self, name: str, **keys: str) -> str:
        """Add a profile with its own pool and endpoint; answers its name. `keys` win over the usual ones."""
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
        return subprocess.Popen(
            [find_executable(), *words],
            env=self.environment(**changes),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.path,
        )

    def run(self, *words: str, **changes: str | None) -> Result:
        """Run the installed ``cognito-federation`` in this home."""
        return finished(self.start(*words, **changes))

    def ask(self, profile: str = "demo", **changes: str | None) -> Result:
        """Run ``credential-process`` as an SDK does."""
        return self.run("credential-process", "--profile", profile, **changes)

    def python(self, code: str, **changes: str | None) -> Result:
        """Run Python code in this home, with this package importable."""
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.path,
        )
        return finished(process)

    def documents(self, kind: str) -> list[Path]:
        return sorted((self.cache / kind).glob("*.json"))

    def answers(self) -> list[Path]:
        return sorted(path for path in (self.cache / "answers").glob("*") if path.suffix != ".lock")

    def forget_answers(self) -> None:
        """Make the next process look into the store."""
        for path in self.answers():
            path.unlink()

    def count(self, operation: str) -> int:
        return len(self.world.calls(operation))

    @property
    def spent(self) -> tuple[int, int]:
        """How many GetId and GetCredentialsForIdentity the world has seen in this test."""
        return self.count("GetId"), self.count("GetCredentialsForIdentity")

    def age(self, *, seconds_left: float) -> None:
        """Let the kept credentials be an hour old but for so many seconds, and nothing be ready to print."""
        for path in self.documents("credentials"):
            expires_at = time.time() + seconds_left
            rewritten(path, expires_at=expires_at, issued_at=expires_at - 3600)
        self.forget_answers()

    def federation(self, profile: str = "demo") -> CredentialFetcher:
        """The federation of a profile in this process, which must live in this home (`inside`)."""
        return fetcher_for(load_settings(profile))

    def everything_stored(self) -> bytes:
        return b"\n".join(path.read_bytes() for path in sorted(self.cache.rglob("*")) if path.is_file())


def rewritten(path: Path, **changes: Any) -> dict[str, Any]:
    """Change a document of the store as the product would write it; answers what it holds now."""
    kind, key = path.parent.name, path.stem
    document = {**decoded(kind, key, path.read_bytes()), **changes}
    path.write_bytes(encoded(kind, key, document))
    return document


def retimed(answer: Path, *, issued: float, refresh_at: float, until: float | None = None) -> None:
    """Give an answer that is kept ready other times, as the product would write them; `until` stays unless given."""
    lines = answer.read_text().split("\n")
    before = lines[4].split()
    lines[4] = f"{issued} {refresh_at} {before[2] if until is None else until}"
    rest = "\n".join(lines[2:]).encode()
    answer.write_bytes(b"\n".join((MAGIC.encode(), checksum(rest), rest)))


def finished(process: subprocess.Popen[bytes]) -> Result:
    try:
        out, err = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return Result(process.returncode, out, err)


@pytest.fixture(scope="session")
def one_world(_clean_environment: None) -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def world(one_world: World) -> Iterator[World]:
    """The session's world, as new."""
    one_world.reset_journal()
    yield one_world
    one_world.clock_offset = 0
    one_world.credential_lifetime = 3600
    one_world.clear_faults()
    one_world.forget_identities()
    one_world.enable_provider()


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    """A home with the demo profiles and a good token of ``ada``."""
    path = tmp_path / "home"
    world.write_home(path, find_executable())
    return Home(path, world)


@pytest.fixture
def inside(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """The same home, lived in by this process: its variables, and nothing shared from an earlier test."""
    from botocore_cognito_federation import uninstall
    from botocore_cognito_federation.botocore_plugin import shared

    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shared, "_shared", {})
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    yield home
    uninstall()
