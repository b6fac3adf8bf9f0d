"""When a login token counts as expired: the boundary, clocks that differ, and the expiry that an application gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from botocore_cognito_federation import CognitoFederation, FederationRefusedError, SignInRequiredError
from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time


@dataclass
class Stopped:
    """A clock that is stopped at a whole second, so that "exactly at its expiry" can be tested."""

    at: float

    def now(self) -> float:
        return self.at

    @property
    def library_clock(self) -> Clock:
        return Clock(sleep=lambda seconds: None, random=lambda: 0.5, now=self.now)


class Counting:
    """A refresh handler that counts."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world, self.options, self.calls = world, options, 0

    def __call__(self) -> str:
        self.calls += 1
        return self.world.provider.issue("ada", **self.options)


@pytest.mark.parametrize(("seconds_left", "calls"), [(121, 0), (120, 1), (1, 1), (0, 1), (-1, 1)])
def test_a_token_is_renewed_from_120_seconds_before_its_exp_on_and_at_exp_it_has_expired(
    world: World, clock: Time, seconds_left: int, calls: int
) -> None:
    stopped = Stopped(float(int(clock.now())))
    handler = Counting(world)
    federation = CognitoFederation(
        world.pool_id, refresh_handlers={world.provider.login_key: handler}, clock=stopped.library_clock
    )
    end = int(stopped.at) + 2700 + seconds_left
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", exp=end))
    clock.pass_by(2700)
    stopped.at += 2700
    assert federation.current_credentials().authenticated
    assert handler.calls == calls


@pytest.mark.parametrize("seconds_over", [0, 299, 300])
def test_without_a_handler_a_token_is_tried_until_five_minutes_after_its_exp_because_cognitos_clock_counts(
    world: World, clock: Time, seconds_over: int
) -> None:
    stopped = Stopped(float(int(clock.now())))
    world.credential_lifetime = 600
    federation = CognitoFederation(world.pool_id, clock=stopped.library_clock)
    end = int(stopped.at) + 660
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", exp=end))
    world.reset_journal()
    world.clock_offset = 600.0  # by AWS's clock the token is valid for another minute
    stopped.at = float(end + seconds_over)
    if seconds_over < 300:
        assert federation.current_credentials().authenticated
        assert len(world.calls("GetCredentialsForIdentity")) == 1
        return
    with pytest.raises(SignInRequiredError, match="has expired, and there is no refresh handler"):
        federation.current_credentials()
    assert world.calls() == []


@pytest.mark.parametrize("minutes", [-7, -5, 5, 7])
def test_with_a_clock_some_minutes_off_sign_in_and_renewal_work_and_cost_no_more(
    world: World, make: Maker, clock: Time, minutes: int
) -> None:
    clock.ahead = minutes * 60.0  # this machine's clock; AWS's and the provider's stay right
    handler = Counting(world)
    federation = make(refresh_handlers={world.provider.login_key: handler})
    before = federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=1800))
    assert len(world.calls("GetCredentialsForIdentity")) == 1
    clock.ahead += 3000
    world.clock_offset = 3000.0
    after = federation.current_credentials()
    assert (after.identity_id, handler.calls) == (before.identity_id, 1)
    assert after.access_key != before.access_key
    assert len(world.calls("GetCredentialsForIdentity")) == 2


def test_with_a_clock_behind_a_token_that_only_cognito_calls_expired_is_renewed_exactly_once(
    world: World, make: Maker, clock: Time
) -> None:
    handler = Counting(world)
    federation = make(refresh_handlers={world.provider.login_key: handler})
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=2700))
    world.reset_journal()
    clock.ahead = 2500.0 - 7 * 60  # valid for 10 min by this machine's clock
    world.clock_offset = 2760.0  # expired by AWS's
    federation.current_credentials()  # the credentials are fresh by this clock: there is no call
    assert (handler.calls, world.calls()) == (0, [])
    clock.ahead = 2450.0
    assert federation.current_credentials().authenticated
    assert handler.calls == 1
    assert len(world.calls("GetCredentialsForIdentity")) == 2  # refused, then taken


def test_with_a_clock_ahead_and_no_handler_a_token_that_is_still_valid_at_cognito_is_taken(
    world: World, make: Maker, clock: Time
) -> None:
    federation = make()
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=2700))
    world.clock_offset = 2600.0
    clock.ahead = 2600.0 + 5 * 60  # expired here, valid for Cognito
    assert federation.current_credentials().authenticated
    assert len(world.calls("GetCredentialsForIdentity")) == 2


def test_a_token_that_is_over_at_sign_in_is_cognitos_to_refuse(world: World, make: Maker) -> None:
    with pytest.raises(FederationRefusedError):
        make().federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=-1))


SPELLINGS: dict[str, Callable[[float], object]] = {
    "seconds": float,
    "milliseconds": lambda end: end * 1000,
    "a datetime": lambda end: datetime.fromtimestamp(end, timezone.utc),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_a_handler_says_of_an_opaque_tokens_expiry_counts_in_each_spelling(
    world: World, make: Maker, clock: Time, spelling: str
) -> None:
    calls: list[str] = []
    spelled = SPELLINGS[spelling]

    def refresh() -> dict[str, object]:
        calls.append(token := f"EAAB-{spelling.replace(' ', '-')}-{len(calls)}")
        world.register_opaque_token("graph.facebook.com", token, "fb-ada", 20_000)
        return {"token": token, "expires_at": spelled(int(clock.now()) + 7200)}

    federation = make(refresh_handlers={"facebook": refresh})
    federation.federated_sign_in("facebook", **refresh())
    for elapsed, called in ((3000, 1), (3000, 1), (3000, 2)):
        clock.pass_by(elapsed)
        federation.current_credentials()
        assert len(calls) == called
