from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.servers import oidc_provider
from tests.servers.oidc_provider import OidcProvider
from tests.signin.places import Home


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "MOTO_ACCOUNT_ID", "HTTP_PROXY"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def certified() -> Iterator[OidcProvider]:
    with oidc_provider.running() as server:
        yield server


@pytest.fixture(scope="session")
def shared_world(_nothing_of_this_machine: None, certified: OidcProvider) -> Iterator[World]:
    with World() as world:
        world.trust_issuer(certified.issuer, ["native", "confidential"])
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    shared_world.reset_journal()
    yield shared_world
    shared_world.clock_offset = 0
    shared_world.clear_faults()


@pytest.fixture
def provider(certified: OidcProvider) -> Iterator[OidcProvider]:
    yield certified
    certified.set_clock(0)


@pytest.fixture
def home(tmp_path: Path, world: World, provider: OidcProvider) -> Home:
    place = Home(tmp_path / "home", world, provider)
    return place.write(
        cognito_identity_pool_id=world.pool_id,
        cognito_provider=provider.issuer.removeprefix("http://"),
        cognito_issuer=provider.issuer,
        cognito_client_id="native",
        cognito_redirect_ports="0",
    )
