"""A federation with a user pool of its own: SRP, challenges, renewal with rotation, then AWS credentials by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from botocore_cognito_federation import (
    CognitoFederation,
    ConfigurationError,
    FederatedCredentials,
    NotSignedInError,
    SignInFailedError,
    SignInRequiredError,
)
from botocore_cognito_federation.events import NAMES
from botocore_cognito_federation.user_pool import Challenge
from tests.servers import ministack as ministack_server
from tests.servers.ministack import Ministack
from tests.user_pool import live_pool
from tests.user_pool.live_pool import PASSWORD, LivePool

from .conftest import Time


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    with ministack_server.running(tmp_path_factory.mktemp("ministack")) as served:
        yield served


@dataclass
class Site:
    """A user pool, and an identity pool that takes its tokens."""

    server: Ministack
    live: LivePool
    identity_pool_id: str

    def federation(self, clock: Time, **options: Any) -> CognitoFederation:
        return CognitoFederation(
            self.identity_pool_id,
            user_pool=self.live.user_pool(),
            endpoint_url=self.server.endpoint_url,
            patience=clock.patience,
            **options,
        )


def made(server: Ministack, **options: Any) -> Site:
    live = live_pool.make(server, **options)
    return Site(server, live, live_pool.identity_pool(server, live))


@pytest.fixture
def site(ministack: Ministack) -> Site:
    return made(ministack)


def test_the_right_password_gives_credentials_that_sign_an_s3_call(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    credentials = federation.sign_in("ada", PASSWORD)
    assert isinstance(credentials, FederatedCredentials)
    client = federation.session().client("s3", endpoint_url=site.server.endpoint_url)
    assert client.list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    user = federation.current_authenticated_user()
    assert (user["username"], user["email"]) == ("ada", "ada@example.com")
    assert user["provider"].endswith(site.live.pool_id)


def test_a_wrong_password_signs_nobody_in_and_is_told(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    heard: list[Any] = []
    federation.on("sign-in-failure", heard.append)
    with pytest.raises(SignInFailedError):
        federation.sign_in("ada", "Wrong-Horse-1")
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    assert len(heard) == 1
    assert "Wrong-Horse-1" not in repr(heard)


def test_federated_sign_in_is_refused_until_sign_out(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    federation.sign_in("ada", PASSWORD)
    with pytest.raises(ConfigurationError, match="sign_out"):
        federation.federated_sign_in("google", "token")
    tokens = federation.user_pool_tokens
    assert tokens is not None
    federation.sign_out()
    with pytest.raises(ConfigurationError, match="empty"):
        federation.federated_sign_in("google", "  ")
    with pytest.raises(SignInRequiredError):
        site.live.user_pool().refresh(tokens)  # the sign-out revoked it


def test_a_challenge_is_returned_answered_and_then_federated(site: Site, clock: Time) -> None:
    site.live.add_user(permanent=False)
    federation = site.federation(clock)
    challenge = federation.sign_in("ada", PASSWORD)
    assert isinstance(challenge, Challenge)
    assert challenge.name == "NEW_PASSWORD_REQUIRED"
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    assert isinstance(federation.complete_new_password(challenge, "Own-Horse-22"), FederatedCredentials)


def test_an_expired_id_token_is_renewed_at_the_pool_for_the_same_identity(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    names: list[str] = []
    for name in NAMES:
        federation.on(name, lambda event: names.append(event.name))
    before = federation.sign_in("ada", PASSWORD)
    assert isinstance(before, FederatedCredentials)
    first = federation.federated_info()["token"]
    clock.ahead = 3500  # ours alone: the pool's clock is not to be moved
    after = federation.current_credentials()
    assert after.identity_id == before.identity_id
    assert federation.federated_info()["token"] != first
    assert names == ["sign-in", "token-refresh", "credentials-refresh"]


def test_a_revoked_sign_in_asks_for_a_new_one_and_keeps_the_user(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock, cache="file")
    federation.sign_in("ada", PASSWORD)
    tokens = federation.user_pool_tokens
    assert tokens is not None
    site.live.user_pool().revoke(tokens)
    clock.ahead = 3700
    with pytest.raises(SignInRequiredError, match="sign_in"):
        federation.current_credentials()
    assert federation.current_authenticated_user()["username"] == "ada"


def test_without_a_user_pool_sign_in_is_refused(site: Site) -> None:
    federation = CognitoFederation(site.identity_pool_id)
    with pytest.raises(ConfigurationError, match="no user pool"):
        federation.sign_in("ada", PASSWORD)
