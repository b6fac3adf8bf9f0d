"""Calls that Cognito throttles are repeated for as long as the caller can wait, and no longer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from botocore_cognito_federation import CognitoFederation
from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.errors import TemporaryError
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.identity_pool.aws import Patience, Turns, call, patience
from botocore_cognito_federation.identity_pool.client import make_client
from botocore_cognito_federation.identity_pool.errors import CallContext
from tests.home import Home
from tests.user_pool import wire

THROTTLED = {"status": 400, "code": "TooManyRequestsException", "message": "Rate exceeded"}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the product has slept; botocore's own pauses take no time either."""
    found: list[float] = []
    clock = Clock(sleep=found.append, random=lambda: 0.5, now=time.time)
    monkeypatch.setattr("botocore_cognito_federation.factory.system_clock", lambda: clock)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return found


def test_a_throttled_call_succeeds_within_the_time_that_the_caller_has(inside: Home, slept: list[float]) -> None:
    inside.world.fault("GetId", times=14, **THROTTLED)
    assert fetcher_for(load_settings("demo")).credentials().access_key
    assert inside.spent == (15, 1)
    assert 0 < sum(slept) < 45


def test_a_caller_whose_time_is_over_gets_the_error_after_a_bounded_number_of_requests(
    inside: Home, slept: list[float]
) -> None:
    inside.world.fault("GetId", times=10_000, **THROTTLED)
    with pytest.raises(TemporaryError, match="throttling"):
        fetcher_for(load_settings("demo")).credentials()
    assert 30 < sum(slept) <= 45
    assert inside.count("GetId") < 60
    inside.world.reset_journal()
    slept.clear()
    with pytest.raises(TemporaryError, match="throttling"):
        fetcher_for(load_settings("demo"), time_left=lambda: 3.0).credentials()
    assert (inside.count("GetId"), slept) == (3, [])  # those of botocore alone


def test_nobody_waits_who_has_credentials_that_are_usable(inside: Home, slept: list[float]) -> None:
    key = fetcher_for(load_settings("demo")).credentials().access_key
    inside.age(seconds_left=600)
    inside.world.fault("GetCredentialsForIdentity", times=10_000, **THROTTLED)
    slept.clear()
    assert (fetcher_for(load_settings("demo")).credentials().access_key, slept) == (key, [])


def test_after_throttling_processes_take_turns_below_the_quota(inside: Home, slept: list[float]) -> None:
    inside.world.fault("GetId", times=3, **THROTTLED)
    fetcher = fetcher_for(load_settings("demo"))
    fetcher.credentials()
    before = len(slept)
    store = fetcher.cache.store
    name = f"get_id {fetcher.settings.identity_pool_id} {fetcher.settings.pool_region}"
    assert store.turn(name, 20.0, most=60, begin=False) is not None
    inside.world.forget_identities()
    for kind in ("credentials", "identities"):
        for path in inside.documents(kind):
            path.unlink()
    inside.world.fault("GetId", times=3, **THROTTLED)
    fetcher_for(load_settings("demo")).credentials()
    assert sum(slept[before:]) > 5  # a turn of 20 seconds was before it


def test_users_of_an_application_take_turns_too(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in world.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("time.sleep", lambda _: None)
    clock = Clock(sleep=lambda _: None, random=lambda: 0.5, now=time.time)
    federation = CognitoFederation(world.pool_id, clock=clock)
    world.fault("GetId", times=3, **THROTTLED)
    assert federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    queue = f"get_id {world.pool_id} {world.region}"
    federation._store.turn(queue, 20.0, most=60, begin=False)
    assert federation._store.turn(queue, 20.0, most=60, begin=False) > 5


def test_a_queue_that_is_too_long_is_looked_at_again_until_the_time_is_over() -> None:
    slept: list[float] = []
    asked: list[float] = []
    clock = Clock(sleep=slept.append, random=lambda: 0.5, now=time.time)
    Turns(lambda most, begin: asked.append(most)).wait(Patience(10.0), clock, throttled=True)
    assert sum(slept) == pytest.approx(10.0, abs=0.5)
    assert len(asked) < 10


@pytest.mark.thorough
def test_retry_after_is_heeded(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = Clock(sleep=slept.append, random=lambda: 0.5, now=time.time)
    monkeypatch.setattr("time.sleep", lambda _: None)
    busy = {"status": 503, "headers": {"Retry-After": "7"}, "response_data": "{}"}
    for _ in range(3):
        httpserver.expect_ordered_request("/").respond_with_data(**busy)
    good = json.dumps({"IdentityId": "eu-west-1:11111111-2222-3333-4444-555555555555"})
    httpserver.expect_ordered_request("/").respond_with_data(good, content_type="application/x-amz-json-1.1")
    client = make_client(
        wire.shared_session(), "cognito-identity", region_name="eu-west-1", endpoint_url=httpserver.url_for("/")
    )
    with patience(20.0):
        answer = call(
            client.get_id,
            arguments={"IdentityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555"},
            needs=("IdentityId",),
            facts=lambda: CallContext("pool", "demo"),
            clock=clock,
        )
    assert (answer.body["IdentityId"][:9], slept) == ("eu-west-1", [7.0])


def test_a_queue_of_long_ago_and_one_of_another_clock_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), time.time()
    for _ in range(3):
        store.turn("a", 10.0, most=60, begin=True)
    for clock in (now + 200, now - 86_400):
        monkeypatch.setattr("time.time", lambda at=clock: at)
        assert store.turn("a", 10.0, most=60, begin=False) == 0
