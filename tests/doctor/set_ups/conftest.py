"""One demo world and one set of servers for all rows, and a place for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World

from . import servers
from .place import Place, facts
from .servers import SpoiledProvider


@dataclass(frozen=True)
class Shared:
    """What all rows have in common."""

    world: World
    op: SpoiledProvider
    facts: dict[str, str]


@pytest.fixture(scope="session")
def shared(_clean_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    ca, context = servers.certificate(tmp_path_factory.mktemp("certificates"))
    with World() as world, ExitStack() as stack:
        plain, tls = SpoiledProvider(), SpoiledProvider(context)
        for provider in (plain, tls):
            stack.callback(provider.stop)
            world.trust_issuer(provider.issuer, ["cli"])
        port = int(world.endpoint_url.rpartition(":")[2])
        ports = {}
        for name, serve in (
            ("p407", servers.refusing("407 Proxy Authentication Required")),
            ("p403", servers.refusing("403 Forbidden")),
            ("tls_world", servers.in_front_of(port, context)),
        ):
            ports[name], server = servers.listening(serve)
            stack.callback(server.close)
        extra = {
            "ca": str(ca),
            "port": str(port),
            "tls": tls.base,
            "tls_world": f"https://127.0.0.1:{ports['tls_world']}",
            **{name: f"http://127.0.0.1:{ports[name]}" for name in ("p407", "p403")},
        }
        yield Shared(world, plain, facts(world, plain, extra))


@pytest.fixture
def place(shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    world, op = shared.world, shared.op
    monkeypatch.setenv("SSL_CERT_FILE", shared.facts["ca"])  # Cognito trusts the authority; the place does not
    world.forget_identities()
    made = Place(tmp_path / "home", world, op, dict(shared.facts))
    yield made
    for server in made.held:
        server.close()
    op.knobs.clear()
    world.clock_offset = 0
    world.clear_faults()
    world.enable_provider()
    world.trust_issuer(op.base, ["cli"])
