from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.servers import oidc_provider
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import SignInHome


@pytest.fixture(scope="session")
def certified() -> Iterator[OidcProvider]:
    with oidc_provider.running() as server:
        yield server


@pytest.fixture(scope="session")
def one_world(_clean_environment: None, certified: OidcProvider) -> Iterator[World]:
    """Replaces the stock fixture: its pool accepts the certified provider too."""
    with World() as world:
        world.trust_issuer(certified.issuer, ["native", "confidential"])
        yield world


@pytest.fixture
def provider(certified: OidcProvider) -> Iterator[OidcProvider]:
    yield certified
    certified.set_clock(0)


@pytest.fixture
def home(tmp_path: Path, world: World, provider: OidcProvider) -> SignInHome:
    place = SignInHome(tmp_path / "home", world, provider)
    return place.write(
        cognito_identity_pool_id=world.pool_id,
        cognito_provider=provider.issuer.removeprefix("http://"),
        cognito_issuer=provider.issuer,
        cognito_client_id="native",
        cognito_redirect_ports="0",
    )
