"""A cache that an older version wrote is read once, works, and nothing in it is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.old_home import WRITTEN, OldHome, restore
from tests.upgrade.stand_ins import CLIENT_SECRET, StandIns, answering, identity_of

pytestmark = pytest.mark.thorough

pytest.importorskip("keyring", reason="the extra keyring is not installed")

EVERY = sorted(str(path.relative_to(WRITTEN)) for path in WRITTEN.glob("*/*") if (path / "facts.json").exists())
HOUR = 3600


@dataclass
class Old:
    """A home as an older version left it, the facts about it, and its servers."""

    home: OldHome
    facts: dict[str, Any]
    servers: StandIns

    def later(self, seconds: float) -> None:
        """Let time pass, for programs and servers."""
        self.home.moment += seconds
        self.servers.now += seconds

    def status(self) -> dict[str, Any]:
        done = self.home.run("status", "--all", "--json")
        assert done.code == 0, done
        found: dict[str, Any] = json.loads(done.out)
        return found

    @property
    def users(self) -> set[str]:
        """Return the signed-in user according to ``status``."""
        return {entry["scope"] for entry in self.status()["sign_ins"]}


@pytest.fixture(params=EVERY)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    version, cache = request.param.split("/")
    home, facts = restore(version, cache, tmp_path / "home")
    servers = StandIns(facts["moment"], refresh_tokens=facts["refresh_tokens"].copy(), old_keys=facts["keys"])
    with answering(servers, home.path / "certificates") as variables:
        home.variables = variables
        old = Old(home, facts, servers)
        old.later(60)
        yield old


def test_there_is_a_cache_of_each_kind() -> None:
    assert {name.partition("/")[2] for name in EVERY} == {"file", "keyring"}


def test_credentials_of_the_old_version_are_used_without_a_call(old: Old) -> None:
    for profile, key in old.facts["access_keys"].items():
        assert old.home.credentials(profile)["AccessKeyId"] == key
    native = "import boto3, botocore_cognito_federation as b; b.install(); s = boto3.Session(profile_name='dev');"
    done = old.home.run("-c", f"{native} print(s.get_credentials().access_key)")
    assert (done.code, done.out.strip()) == (0, old.facts["access_keys"]["dev"]), done
    assert (old.servers.calls, old.servers.spent, old.servers.authorizations) == ([], [], [])


def test_expired_credentials_are_renewed_by_the_sign_in_of_before_once(old: Old) -> None:
    old.later(2 * HOUR)
    first, second = (old.home.credentials("dev") for _ in range(2))
    assert first == second
    assert first["AccessKeyId"] != old.facts["access_keys"]["dev"]
    assert sorted(old.servers.spent) == sorted(old.facts["refresh_tokens"].values())
    assert CLIENT_SECRET in old.servers.client_secrets
    assert old.servers.authorizations == []
    # The identity and its linked login were known.
    ((operation, parameters),) = old.servers.calls
    assert (operation, parameters["IdentityId"]) == ("GetCredentialsForIdentity", identity_of("ada"))
    assert set(parameters["Logins"]) == {"login.corp.example", "login.partner.example"}
    # The next process finds the result of the renewal.
    old.later(2 * HOUR)
    old.home.credentials("dev")
    assert len(old.servers.spent) == 4


def test_status_names_who_is_signed_in_and_shows_no_secret(old: Old) -> None:
    assert old.users == {"session corp", "session partner"}
    told = json.dumps(old.status()) + old.home.run("status", "--all").out + old.home.run("doctor", "--offline").out
    for secret in (*old.facts["refresh_tokens"].values(), CLIENT_SECRET):
        assert secret not in told


def test_sign_out_ends_the_sign_in_of_before_at_its_provider(old: Old) -> None:
    done = old.home.run("logout", "--profile", "dev")
    assert done.code == 0, done
    assert old.servers.revoked == [old.facts["refresh_tokens"]["login.corp.example"]]
    assert old.users == {"session partner"}
    refused = old.home.run("credential-process", "--profile", "dev")
    assert (refused.code, refused.out) == (3, ""), refused
    assert old.home.credentials("partner")["AccessKeyId"] == old.facts["access_keys"]["partner"]


def test_sign_out_of_everything_leaves_no_secret_of_before(old: Old) -> None:
    done = old.home.run("logout", "--all")
    assert done.code == 0, done
    assert set(old.facts["refresh_tokens"].values()) <= set(old.servers.revoked)
    assert old.users == set()
    left = b"".join(path.read_bytes() for path in old.home.path.rglob("*") if path.is_file()).decode("latin-1")
    for secret in (*old.facts["refresh_tokens"].values(), *old.facts["access_keys"].values()):
        assert secret not in left


def test_a_sign_out_of_before_still_wins_over_a_sign_in_that_it_overtook(old: Old) -> None:
    refused = old.home.run("credential-process", "--profile", "left")
    assert (refused.code, refused.out) == (3, ""), refused
    assert old.servers.spent == []


def test_an_old_cached_failure_prevents_no_later_attempt(old: Old) -> None:
    failed = old.home.run("credential-process", "--profile", "failing")
    assert failed.code == 7, failed
    assert old.servers.calls


def test_a_sign_in_of_before_can_be_moved_between_files_and_keyring(old: Old) -> None:
    config = old.home.path / ".aws" / "config"
    other = "file" if "cognito_cache = keyring" in config.read_text() else "keyring"
    for name in ("dev", "partner"):
        done = old.home.run("configure", "--profile", name, "--cache", other, "--offline", "--no-input")
        assert done.code == 0, done
    old.later(2 * HOUR)
    assert old.home.credentials("dev")["AccessKeyId"] != old.facts["access_keys"]["dev"]
    assert sorted(old.servers.spent) == sorted(old.facts["refresh_tokens"].values())
    assert old.servers.authorizations == []
