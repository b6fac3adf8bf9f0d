"""Where faults happen: a demo world and a strictly rotating provider as processes, with relays, and signed-in homes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Union
from unittest import mock
from urllib.parse import urlencode

from botocore_cognito_federation._fast_path import cache_directory
from botocore_cognito_federation.cache.base import CREDENTIALS, FAILURES, Store
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo.home import child_environment
from botocore_cognito_federation.demo.remote import RemoteWorld
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.factory import store_for
from tests.cache import fake_keyring
from tests.faults.injectors import Relay
from tests.faults.prefork import AVAILABLE, Forked, Prefork
from tests.home import ROOT, HomeDirectory
from tests.servers.rotating_provider import CLIENT_ID

_URL = re.compile(rb"\s+(http://127\.0\.0\.1:\S+)\s*")
#: A process of the product, started afresh or forked.
Process = Union["subprocess.Popen[bytes]", Forked]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
#: Held while this process's own environment is that of a home.
_ENVIRONMENT = threading.RLock()
_WORLD = """
import sys
from botocore_cognito_federation.demo.world import World
with World() as world:
    print(world.endpoint_url, flush=True)
    sys.stdin.read()
"""


class ProviderControl:
    """The rotating provider of another process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._url = f"http://127.0.0.1:{port}/control"

    def behave(self, **conduct: float) -> None:
        """Change how it behaves; see `rotating_provider.Conduct`."""
        _DIRECT.open(self._url, urlencode(conduct).encode(), timeout=30).close()

    def state(self) -> dict[str, Any]:
        with _DIRECT.open(self._url, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def grants(self) -> list[dict[str, Any]]:
        """All sign-ins."""
        return list(self.state()["grants"])

    def grant(self, refresh_token: str) -> dict[str, Any]:
        """The sign-in that a refresh token belongs to."""
        return self.grants()[number_of(refresh_token)]

    def issued(self) -> list[str]:
        """All tokens that it has given to anybody."""
        with _DIRECT.open(self._url.replace("/control", "/issued"), timeout=30) as answer:
            return list(json.load(answer)["tokens"])


@dataclass(frozen=True)
class Direct:
    """A server without a `Relay` before it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settle(self) -> None:
        """Nothing is on its way."""


def number_of(refresh_token: str) -> int:
    return int(refresh_token.split("-")[1])


def serial_of(refresh_token: str) -> int:
    return int(refresh_token.split("-")[2])


@dataclass
class FaultWorld:
    """A world and a provider; `pool` and `issuer` are the relays that homes know them by.

    Attributes:
        prefork: the parent of forked processes; None where there can be none.
    """

    aws: RemoteWorld
    provider: ProviderControl
    pool: Relay
    issuer: Relay
    folder: Path
    prefork: Prefork | None = None
    _homes: int = 0
    _owners: dict[str, str] = field(default_factory=dict)

    def home(self, user: str = "ada", *, pool: Relay | None = None, issuer: Relay | Direct | None = None) -> FaultHome:
        """A new home in which nobody has signed in yet."""
        self._homes += 1
        return FaultHome(self.folder / f"home{self._homes}", self, user, pool or self.pool, issuer or self.issuer)

    def relays(self) -> tuple[Relay, Relay]:
        """Relays of one's own, before the pool and before the provider."""
        pool, issuer = Relay(self.pool.upstream), Relay(self.issuer.upstream)
        self.aws.trust_issuer(issuer.url, [CLIENT_ID])
        return pool, issuer

    def owner(self, access_key: str) -> str | None:
        """The identity that an access key was issued to."""
        if access_key not in self._owners:
            self._note_issued()
        return self._owners.get(access_key)

    def newly_issued(self) -> list[str]:
        """The access keys issued since this was asked last; only while no process is asking for one."""
        found = self._note_issued()
        self.aws.reset_journal()
        return found

    def _note_issued(self) -> list[str]:
        issued = {
            call.access_key: call.identity_id for call in self.aws.calls("GetCredentialsForIdentity") if call.access_key
        }
        self._owners.update(issued)
        return list(issued)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[FaultWorld]:
    """Start everything, and end it afterwards."""
    with _child("-c", _WORLD) as world, _child("-m", "tests.servers.rotating_provider") as provider:
        assert world.stdout is not None
        assert provider.stdout is not None
        endpoint = world.stdout.readline().decode().strip()
        control = ProviderControl(int(provider.stdout.readline()))
        aws = RemoteWorld(endpoint).connect()
        with Relay(int(endpoint.rpartition(":")[2])) as pool, Relay(control.port) as issuer:
            aws.trust_issuer(issuer.url, [CLIENT_ID])
            with Prefork() if AVAILABLE else contextlib.nullcontext() as prefork:
                yield FaultWorld(aws, control, pool, issuer, folder, prefork)


@contextlib.contextmanager
def _child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class FaultHome(HomeDirectory):
    """A home directory with the profile of one user of the rotating provider.

    Attributes:
        prefix: words before every command, such as those that enter a mount namespace.
        identity: the user's identity in the pool; known after `sign_in`.
        seen_from_here: the cache directory for this process, where that is another than for the product's.
    """

    world: FaultWorld
    user: str
    pool: Relay
    issuer: Relay | Direct
    prefix: tuple[str, ...] = ()
    identity: str = ""
    seen_from_here: Path | None = None

    def __post_init__(self) -> None:
        self.config.parent.mkdir(mode=0o700, parents=True)
        self.configure()

    def configure(self, **changes: str) -> None:
        """Write the profile, with these keys changed."""
        keys = {
            "region": self.world.aws.region,
            "cognito_identity_pool_id": self.world.aws.pool_id,
            "cognito_provider": self.issuer.url.removeprefix("http://"),
            "cognito_issuer": self.issuer.url,
            "cognito_client_id": CLIENT_ID,
            "cognito_endpoint_url": self.pool.url,
            "cognito_redirect_ports": "0",
        }
        lines = "".join(f"{key} = {value}\n" for key, value in {**keys, **changes}.items())
        self.config.write_text(f"[profile {self.user}]\n{lines}")

    def use_keyring(self) -> None:
        """Keep what is secret in a keyring that all processes share."""
        backend = f"{fake_keyring.__name__}.{fake_keyring.FileBackend.__name__}"
        self.environ |= {
            "PYTHON_KEYRING_BACKEND": backend,
            fake_keyring.VARIABLE: str(self.path / "keyring.json"),
            "PYTHONPATH": str(ROOT),
        }
        self.configure(cognito_cache="keyring")

    def inherited(self) -> dict[str, str]:
        with _ENVIRONMENT:
            inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "BROWSER")}
        return {**child_environment(self.world.aws.facts, self.path, inherited), "AWS_PROFILE": self.user}

    def start(self, *words: str, variables: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command of the product; see `spawn`."""
        return self.spawn([find_executable(), *words], variables or {}, **options)

    def fork(self, *words: str, stdout: int = subprocess.PIPE) -> Process:
        """Start a command of the product as a fork that has all imports done; afresh where there can be none."""
        prefork = self.world.prefork
        if prefork is None or self.prefix:
            return self.start(*words, stdout=stdout)
        return prefork.start(*words, environment=self.environment(), cwd=self.path, stdout=stdout)

    def python(self, *words: str, variables: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """Start a Python that can import the product and the tests."""
        return self.spawn([sys.executable, *words], {"PYTHONPATH": str(ROOT), **(variables or {})}, **options)

    def spawn(self, argv: Sequence[str], variables: Mapping[str, str | None], **options: Any) -> subprocess.Popen[Any]:
        return super().spawn([*self.prefix, *argv], variables, **options)

    def ask(self, **options: Any) -> subprocess.Popen[bytes]:
        """Start ``credential-process`` as an SDK does."""
        return self.start("credential-process", "--profile", self.user, **options)

    def fork_ask(self) -> Process:
        """Start ``credential-process`` as a fork."""
        return self.fork("credential-process", "--profile", self.user)

    def start_login(self, *, afresh: bool = True) -> Process:
        """Start a sign-in; its person opens the address as soon as it is shown."""
        start = self.start if afresh else self.fork
        process = start("login", "--no-browser", "--login-hint", self.user, "--force", stdout=subprocess.DEVNULL)
        shown, process.stderr = process.stderr, None  # the person reads it, and nobody else
        threading.Thread(target=_open_shown_address, args=(shown,), daemon=True).start()
        return process

    def sign_out(self, *, afresh: bool = True) -> Process:
        """Start a sign-out."""
        return self.start("logout") if afresh else self.fork("logout")

    def sign_in(self, *, afresh: bool = False) -> None:
        """Sign the user in; nothing may go wrong."""
        self.world.newly_issued()
        process = self.start_login(afresh=afresh)
        try:
            assert process.wait(60) == 0, "the sign-in failed"
        finally:
            process.kill()
        self.identity = self.world.owner(self.world.newly_issued()[-1]) or ""

    @contextlib.contextmanager
    def inside(self) -> Iterator[tuple[Sessions, Store]]:
        """The stores of this home, opened in this process."""
        elsewhere = {"COGNITO_FEDERATION_CACHE_DIR": str(self.seen_from_here)} if self.seen_from_here else {}
        with _ENVIRONMENT, mock.patch.dict(os.environ, self.environment(**elsewhere), clear=True):
            settings = load_settings(self.user)
            if settings.cache == "keyring":
                import keyring

                keyring.set_keyring(fake_keyring.FileBackend())  # type: ignore[no-untyped-call]
            store = store_for(settings, os.environ)
            yield Sessions(settings, store), store

    def session(self) -> Session | None:
        with self.inside() as (sessions, _):
            return sessions.read()

    @property
    def refresh_token(self) -> str:
        """The one that is stored; empty where none is."""
        found = self.session()
        return found.refresh_token or "" if found else ""

    def expire(self, *, token: bool = True) -> None:
        """Let the credentials, and the login token too, be used up: the next process has to renew them."""
        with self.inside() as (sessions, store):
            session = sessions.read()
            if token and session is not None:
                sessions.write(replace(session, token_expires_at=time.time() - 60))
            for kind in (CREDENTIALS, FAILURES):
                for key, _ in list(store.documents(kind)):
                    store.delete(kind, key)
            FileStore(cache_directory(os.environ)).forget_answers()


def _open_shown_address(shown: IO[bytes]) -> None:
    """Be the person: wait for the address on stderr, and let a browser follow it to the end."""
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
    with shown:
        for line in shown:
            found = _URL.fullmatch(line)
            if found is not None:
                with contextlib.suppress(OSError, http.client.HTTPException):  # the sign-in may have been killed
                    browser.open(found.group(1).decode(), timeout=60).close()
