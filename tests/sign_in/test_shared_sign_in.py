"""`cognito_cache_sessions`: one sign-in for all hosts, which one of them renews, any of them ends, and none loses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.demo.world import World
from tests.cache import engines
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import SignInHome, later, renewals

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not engines.HAS_REDIS or not engines.HAS_POSTGRES, reason="no redis-server or no PostgreSQL"),
]


@pytest.fixture
def hosts(tmp_path: Path, world: World, provider: OidcProvider) -> Iterator[tuple[Any, ...]]:
    """Two machines with credentials on one Redis and the sign-in on one PostgreSQL."""
    server, port = engines.redis_server()
    postgres, address = engines.postgres_server()
    found = [
        SignInHome(tmp_path / name, world, provider).write_with_shared_caches(port, address)
        for name in ("here", "there")
    ]
    assert found[0].run("cache", "create-table").code == 0
    yield (*found, server, postgres)
    server.kill()
    postgres.kill()


def test_one_sign_in_serves_all_hosts_is_renewed_by_one_and_ended_by_any(hosts: tuple[Any, ...]) -> None:
    here, there, _, postgres = hosts
    provider = here.provider
    assert here.login().code == 0
    printed = json.loads(here.run("credential-process").out)
    assert json.loads(there.run("credential-process").out) == printed
    assert here.spent == (1, 1)
    assert json.loads(there.run("status", "--json").out)["sign_ins"][0]["who"] == "ada@example.com"
    before = renewals(provider)
    renewed = json.loads(later(here, 5000, "credential-process").out)
    assert renewed != printed
    assert json.loads(later(there, 5000, "credential-process").out) == renewed
    assert renewals(provider) == before + 1

    postgres.kill()
    lost = later(there, 10_000, "credential-process")
    assert (lost.code, renewals(provider)) == (8, before + 1), lost
    assert "PostgreSQL does not answer" in lost.err
    postgres.start()
    assert later(there, 10_000, "credential-process").code == 0
    assert renewals(provider) == before + 2

    assert there.run("logout").code == 0
    assert later(here, 15_000, "credential-process").code == 3
    assert renewals(provider) == before + 2
