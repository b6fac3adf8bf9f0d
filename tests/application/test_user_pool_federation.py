"""A federation with its own user pool: SRP, challenges, renewal with rotation, then AWS credentials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation import (
    Challenge,
    CodeMismatchError,
    CognitoFederation,
    ConfigurationError,
    Event,
    FederatedCredentials,
    InvalidTokenError,
    NotSignedInError,
    SignInFailedError,
    SignInRequiredError,
)
from botocore_cognito_federation.events import NAMES
from tests.application.conftest import Time
from tests.servers import ministack as ministack_server
from tests.servers.ministack import Ministack
from tests.user_pool import live_pool
from tests.user_pool.live_pool import PASSWORD, LivePool

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    with ministack_server.running(tmp_path_factory.mktemp("ministack")) as server:
        yield server


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
            clock=clock.library_clock,
            **options,
        )


def made(server: Ministack, **options: Any) -> Site:
    live = live_pool.make(server, **options)
    return Site(server, live, live_pool.identity_pool(server, live))


@pytest.fixture
def site(ministack: Ministack) -> Site:
    return made(ministack)


def signs_an_s3_call(federation: CognitoFederation, site: Site) -> bool:
    """Store and read an object, with a client whose requests carry the identity's signature."""
    client = federation.session().client("s3", endpoint_url=site.server.endpoint_url)
    signed: list[str] = []
    client.meta.events.register("before-send.s3", lambda request, **_: signed.append(request.headers["Authorization"]))
    bucket = f"b{site.live.client_id}".lower()
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket=bucket, Key="hello", Body=b"hello")
    assert client.get_object(Bucket=bucket, Key="hello")["Body"].read() == b"hello"
    return len(signed) == 3 and all(federation.current_credentials().access_key.encode() in each for each in signed)


def challenged(answer: FederatedCredentials | Challenge, name: str) -> Challenge:
    assert isinstance(answer, Challenge)
    assert answer.name == name
    return answer


def test_the_right_password_gives_credentials_that_sign_an_s3_call(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    credentials = federation.sign_in("ada", PASSWORD)
    assert isinstance(credentials, FederatedCredentials)
    assert signs_an_s3_call(federation, site)
    user = federation.current_authenticated_user()
    assert (user["username"], user["email"]) == ("ada", "ada@example.com")
    assert user["provider"].endswith(site.live.pool_id)


def test_a_wrong_password_is_reported_and_does_not_sign_in(site: Site, clock: Time) -> None:
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
    tokens = federation.user_pool_tokens()
    federation.sign_out()
    with pytest.raises(InvalidTokenError, match="empty"):
        federation.federated_sign_in("google", "  ")
    with pytest.raises(SignInRequiredError):
        site.live.user_pool().refresh(tokens)  # the sign-out revoked it


def test_a_client_with_a_secret_federates_and_is_renewed_with_it(ministack: Ministack, clock: Time) -> None:
    site = made(ministack, secret=True)
    site.live.add_user()
    federation = site.federation(clock)
    before = federation.sign_in("ada", PASSWORD)
    assert isinstance(before, FederatedCredentials)
    assert signs_an_s3_call(federation, site)
    clock.ahead = 3500
    assert federation.current_credentials().identity_id == before.identity_id


def test_a_temporary_password_is_replaced_and_then_federated(site: Site, clock: Time) -> None:
    site.live.add_user(permanent=False)
    federation = site.federation(clock)
    challenge = challenged(federation.sign_in("ada", PASSWORD), "NEW_PASSWORD_REQUIRED")
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    assert isinstance(federation.complete_new_password(challenge, "Own-Horse-22"), FederatedCredentials)
    assert signs_an_s3_call(federation, site)


def test_a_second_factor_is_asked_a_wrong_code_may_be_corrected_and_the_right_one_federates(
    site: Site, clock: Time
) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    federation.sign_in("ada", PASSWORD)
    tokens = federation.user_pool_tokens()
    secret = site.live.require_totp(tokens.access_token)
    federation.sign_out()
    challenge = challenged(federation.sign_in("ada", PASSWORD), "SOFTWARE_TOKEN_MFA")
    with pytest.raises(CodeMismatchError):
        federation.confirm_sign_in(challenge, f"{(int(live_pool.totp(secret)) + 500_000) % 10**6:06d}")
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    assert isinstance(federation.confirm_sign_in(challenge, live_pool.totp(secret)), FederatedCredentials)
    assert signs_an_s3_call(federation, site)


def test_custom_auth_federates_and_its_triggers_see_client_metadata(
    ministack: Ministack, clock: Time, tmp_path: Path
) -> None:
    site = made(ministack, journal=tmp_path / "journal")
    site.live.add_user()
    federation = site.federation(clock)
    asked = federation.sign_in("ada", auth_flow="CUSTOM_AUTH", client_metadata={"step": "first"})
    challenge = challenged(asked, "CUSTOM_CHALLENGE")
    answer = federation.send_custom_challenge_answer(challenge, "42", client_metadata={"step": "second"})
    assert isinstance(answer, FederatedCredentials)
    assert signs_an_s3_call(federation, site)
    seen = [event["request"].get("clientMetadata") for event in site.live.events("DefineAuthChallenge")]
    assert seen == [{"step": "first"}, {"step": "second"}]
    wrong = challenged(federation.sign_in("ada", auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    with pytest.raises(SignInFailedError):
        federation.answer_challenge(wrong, {"ANSWER": "41"})


def test_a_new_account_that_signs_in_by_itself_is_federated_and_renewed(site: Site, clock: Time) -> None:
    pool = site.live.user_pool()
    federation = site.federation(clock)
    new = pool.sign_up("ada", PASSWORD, {"email": "ada@example.com"}, auto_sign_in=True)
    confirmed = pool.confirm_sign_up(new, "123456")
    assert confirmed is not None
    before = federation.federate(confirmed)
    assert isinstance(before, FederatedCredentials)
    assert federation.current_authenticated_user()["username"] == "ada"
    assert signs_an_s3_call(federation, site)
    first = federation.federated_info()["token"]
    clock.ahead = 3500
    assert federation.current_credentials().identity_id == before.identity_id
    assert federation.federated_info()["token"] != first
    with pytest.raises(ConfigurationError, match="SignUp is not a sign-in"):
        federation.federate(new)  # type: ignore[arg-type]
    challenge = Challenge("SMS_MFA", {}, "session", "ada")
    assert federation.federate(challenge) is challenge


def test_an_expired_id_token_is_renewed_at_the_pool_for_the_same_identity(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock)
    names: list[str] = []
    for name in NAMES:
        federation.on(name, lambda event: names.append(event.name))
    before = federation.sign_in("ada", PASSWORD)
    assert isinstance(before, FederatedCredentials)
    first = federation.federated_info()["token"]
    clock.ahead = 3500  # only this clock: the pool's cannot be changed
    after = federation.current_credentials()
    assert after.identity_id == before.identity_id
    assert federation.federated_info()["token"] != first
    assert names == ["sign-in", "token-refresh", "credentials-refresh"]


def test_a_revoked_sign_in_asks_for_a_new_one_and_remembers_the_user(site: Site, clock: Time) -> None:
    site.live.add_user()
    federation = site.federation(clock, cache="file")
    federation.sign_in("ada", PASSWORD)
    tokens = federation.user_pool_tokens()
    site.live.user_pool().revoke(tokens)
    clock.ahead = 3700
    with pytest.raises(SignInRequiredError, match="sign_in"):
        federation.current_credentials()
    assert federation.current_authenticated_user()["username"] == "ada"


def test_the_pools_tokens_are_renewed_for_the_account_operations_also_in_a_later_process(
    site: Site, clock: Time
) -> None:
    site.live.add_user()
    federation = site.federation(clock, cache="file")
    federation.sign_in("ada", PASSWORD)
    pool = site.live.user_pool()
    first = federation.user_pool_tokens()
    assert federation.user_pool_tokens() is first
    clock.ahead = 3500
    second = federation.user_pool_tokens()
    assert second.access_token != first.access_token
    pool.update_user_attributes(second, {"name": "Ada"})
    clock.ahead = 0

    later = site.federation(clock, cache="file")
    third = later.user_pool_tokens()
    assert third.username == "ada"
    pool.change_password(third, PASSWORD, "Second-Horse-2")
    assert later.user_pool_tokens() is third
    assert federation.user_pool_tokens().id_token != second.id_token  # the other process's renewal is seen


def test_who_is_not_signed_in_through_the_pool_has_none_of_its_tokens(site: Site, clock: Time) -> None:
    federation = site.federation(clock)
    with pytest.raises(NotSignedInError, match="Not signed in"):
        federation.user_pool_tokens()


def test_a_later_process_without_the_user_pool_is_told_to_pass_it(site: Site, clock: Time) -> None:
    site.live.add_user()
    site.federation(clock, cache="file").sign_in("ada", PASSWORD)
    clock.ahead = 3700
    without = CognitoFederation(
        site.identity_pool_id, endpoint_url=site.server.endpoint_url, cache="file", clock=clock.library_clock
    )
    with pytest.raises(ConfigurationError, match="Pass user_pool"):
        without.current_credentials()
    told: list[Event] = []
    without.on("sign-out", told.append)
    without.sign_out()
    assert isinstance(told[0].error, ConfigurationError)  # forgotten here, and not revoked there


def test_without_a_user_pool_sign_in_is_refused(site: Site) -> None:
    federation = CognitoFederation(site.identity_pool_id)
    with pytest.raises(ConfigurationError, match="no user pool"):
        federation.sign_in("ada", PASSWORD)
