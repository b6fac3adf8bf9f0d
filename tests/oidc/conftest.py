from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests
from pytest_httpserver import HTTPServer

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.client import Client, OIDCClient
from tests.oidc.fake_provider import CLIENT_ID, FakeProvider, SigningKey
from tests.servers import oidc_provider


@dataclass
class FakeClock:
    """Time that passes only during a sleep."""

    time: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@dataclass
class Tab:
    """A browser tab that only follows redirects, opened in the background like by a launcher."""

    pages: list[requests.Response] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def __call__(self, url: str) -> bool:
        thread = threading.Thread(target=lambda: self.pages.append(requests.get(url, timeout=60)), daemon=True)
        thread.start()
        self.threads.append(thread)
        return True

    def page(self) -> requests.Response:
        """The page at which the tab ended."""
        for thread in self.threads:
            thread.join(60)
        return self.pages[-1]


@pytest.fixture(autouse=True)
def no_proxy_and_no_ca_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def rsa_key() -> SigningKey:
    return SigningKey.rsa("key-1")


@pytest.fixture(scope="session")
def other_rsa_key() -> SigningKey:
    return SigningKey.rsa("key-2")


@pytest.fixture
def provider(httpserver: HTTPServer, rsa_key: SigningKey) -> FakeProvider:
    return FakeProvider(httpserver, rsa_key)


@pytest.fixture
def make_client() -> Callable[..., OIDCClient]:
    def make(issuer: str, client_id: str = CLIENT_ID, secret: str | None = None, **more: object) -> OIDCClient:
        return OIDCClient(resolve(issuer), Client(client_id, secret), **more)  # type: ignore[arg-type]  # test sugar

    return make


@pytest.fixture
def oidc_client(provider: FakeProvider, make_client: Callable[..., OIDCClient]) -> OIDCClient:
    return make_client(provider.issuer)


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def patient(fake_clock: FakeClock) -> Clock:
    """A clock whose `sleep` is fake and whose time of day is real, so that tokens stay valid."""
    return Clock(monotonic=fake_clock, sleep=fake_clock.sleep)


@pytest.fixture
def tab() -> Tab:
    return Tab()


@pytest.fixture(scope="session")
def certified() -> Iterator[oidc_provider.OidcProvider]:
    with oidc_provider.running() as server:
        yield server
