"""Refresh handlers: when they are called, how often, with what, and the state after a failure."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from botocore_cognito_federation import (
    CognitoFederation,
    CognitoFederationError,
    ConfigurationError,
    NonRetryableError,
    NotSignedInError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time
from tests.application.test_sign_in import developer_token

SCHEDULE = [0.25, 0.45, 0.85, 1.65, 3.25, 6.45]


class Handler:
    """Returns new tokens and counts its calls."""

    def __init__(self, world: World, subject: str = "ada", **options: Any) -> None:
        self.world, self.subject, self.options = world, subject, options
        self.calls = 0
        self.failures: list[BaseException] = []
        self.contexts: list[Any] = []

    def __call__(self, context: Any) -> dict[str, Any]:
        self.calls += 1
        self.contexts.append(context)
        if self.failures:
            raise self.failures.pop(0)
        return {"token": self.world.provider.issue(self.subject, **self.options)}


def signed_in(world: World, make: Maker, handler: Any = None, **options: Any) -> CognitoFederation:
    federation = make(refresh_handlers={world.provider.login_key: handler} if handler else None, **options)
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=1800))
    world.reset_journal()
    return federation


def test_nothing_is_called_while_credentials_are_fresh(world: World, make: Maker, clock: Time) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    clock.pass_by(2300)  # the token has expired; the credentials are valid for 21 more minutes
    federation.current_credentials()
    assert (handler.calls, world.calls()) == (0, [])


def test_a_token_that_is_still_valid_is_exchanged_without_the_handler(world: World, make: Maker, clock: Time) -> None:
    handler = Handler(world)
    federation = make(refresh_handlers={world.provider.login_key: handler})
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=7200))
    clock.pass_by(2500)
    federation.current_credentials()
    assert handler.calls == 0
    assert len(world.calls("GetCredentialsForIdentity")) == 2


def test_an_expired_token_is_renewed_by_the_handler_and_the_identity_stays(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    before = federation.current_credentials()
    clock.pass_by(3700)
    after = federation.current_credentials()
    assert after.access_key != before.access_key
    assert after.identity_id == before.identity_id
    assert handler.calls == 1
    context = handler.contexts[0]
    assert (context.provider, context.identity_id) == (world.provider.login_key, before.identity_id)
    assert context.previous_expires_at is not None
    assert world.calls("GetId") == []


def test_a_handler_may_be_a_coroutine_take_no_context_and_answer_a_plain_token(
    world: World, make: Maker, clock: Time
) -> None:
    async def refresh() -> str:
        await asyncio.sleep(0)
        return world.provider.issue("ada")

    federation = signed_in(world, make, refresh)
    clock.pass_by(3700)
    assert federation.current_credentials().authenticated


@pytest.mark.parametrize(
    ("registered", "signed_in_with"),
    [("google", "accounts.google.com"), ("https://accounts.google.com", "google"), ("accounts.google.com", "google")],
)
def test_an_alias_and_its_domain_are_one_provider_for_handlers(
    make: Maker, registered: str, signed_in_with: str
) -> None:
    handlers = make(refresh_handlers={registered: print}).refresh_handlers
    assert handlers[signed_in_with] is print
    assert signed_in_with in handlers
    assert len(handlers) == 1


def test_network_failures_are_tried_again_for_some_thirteen_seconds_then_raised(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    handler.failures = [ConnectionError("no route")] * 9
    clock.pass_by(3700)
    with pytest.raises(TemporaryError):
        federation.current_credentials()
    assert handler.calls == 7
    assert clock.slept == pytest.approx(SCHEDULE)


@pytest.mark.parametrize("failure", [NonRetryableError("over"), ValueError("a bug"), KeyError("token")])
def test_definitive_and_programming_errors_are_raised_after_one_attempt(
    world: World, make: Maker, clock: Time, failure: Exception
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    handler.failures = [failure]
    clock.pass_by(3700)
    with pytest.raises(TokenRefreshError):
        federation.current_credentials()
    assert (handler.calls, clock.slept) == (1, [])


def test_while_credentials_are_usable_there_is_one_attempt_then_the_cached_failure(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    before = federation.current_credentials()
    handler.failures = [ConnectionError()] * 9
    clock.pass_by(2500)
    for _ in range(3):
        assert federation.current_credentials() == before
    assert (handler.calls, clock.slept) == (1, [])
    clock.pass_by(60)
    federation.current_credentials()
    assert handler.calls == 2


@pytest.mark.parametrize("failure", [ConnectionError(), NonRetryableError("over"), ValueError("a bug")])
def test_no_failure_of_a_handler_ever_signs_the_user_out_or_makes_a_guest_of_them(
    world: World, make: Maker, clock: Time, failure: Exception
) -> None:
    federation = signed_in(world, make, handler := Handler(world), pool=world.guest_pool_id)
    handler.failures = [failure] * 7
    clock.pass_by(3700)
    with pytest.raises(CognitoFederationError):
        federation.current_credentials()
    assert federation.current_authenticated_user()["name"] == "Ada"
    handler.failures = []
    clock.pass_by(10)
    assert federation.current_credentials().authenticated
    assert world.calls("GetId") == []


def test_without_a_handler_an_expired_token_asks_for_a_sign_in_and_remembers_the_user(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make)
    clock.pass_by(3700)
    with pytest.raises(SignInRequiredError, match="federated_sign_in"):
        federation.current_credentials()
    assert world.calls() == []
    assert federation.current_authenticated_user()["name"] == "Ada"


@pytest.mark.parametrize(
    "answer", [None, {}, {"token": ""}, {"token": 5}, 7, {"token": "x y"}, {"token": "t", "expires_at": 3600}]
)
def test_an_answer_that_is_no_token_is_an_error_and_not_a_sign_out(
    world: World, make: Maker, clock: Time, answer: object
) -> None:
    federation = signed_in(world, make, lambda: answer)
    clock.pass_by(3700)
    with pytest.raises(TokenRefreshError):
        federation.current_credentials()
    assert federation.current_authenticated_user()["name"] == "Ada"
    assert world.calls() == []


def test_an_expired_token_from_the_handler_ends_in_an_error_without_a_loop(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world, lifetime=-600))
    clock.pass_by(3700)
    with pytest.raises(TokenRefreshError, match="expired"):
        federation.current_credentials()
    assert handler.calls == 1


def test_the_same_token_again_ends_in_cognitos_refusal_without_a_loop(world: World, make: Maker, clock: Time) -> None:
    token = world.provider.issue("ada", flaw="expired")
    calls = []

    def refresh() -> str:
        calls.append(1)
        return token

    federation = make(refresh_handlers={world.provider.login_key: refresh})
    with pytest.raises(CognitoFederationError):
        federation.federated_sign_in(world.provider.login_key, token)
    assert len(calls) <= 2


def test_a_token_that_cognito_calls_expired_is_renewed_exactly_once(world: World, make: Maker, clock: Time) -> None:
    handler = Handler(world)
    federation = make(refresh_handlers={world.provider.login_key: handler})
    token = world.provider.issue("ada", lifetime=600)
    world.clock_offset = 900  # expired by AWS's clock, valid by this machine's
    assert federation.federated_sign_in(world.provider.login_key, token).authenticated
    assert handler.calls == 1
    assert len(world.calls("GetId")) == 2


def test_another_users_token_from_the_handler_is_refused_and_not_stored(world: World, make: Maker, clock: Time) -> None:
    federation = signed_in(world, make, Handler(world, "mallory"))
    clock.pass_by(3700)
    with pytest.raises(TokenRefreshError, match="another user"):
        federation.current_credentials()
    assert world.calls() == []
    assert federation.current_authenticated_user()["name"] == "Ada"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"status": 400, "code": "TooManyRequestsException"}, {"close": True}, {"truncate": True}],
    ids=["5xx", "throttling", "offline", "cut short"],
)
def test_an_exchange_that_fails_after_a_good_refresh_stores_the_new_token(
    world: World, make: Maker, clock: Time, fault: dict[str, Any]
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    clock.pass_by(3700)
    world.fault("GetCredentialsForIdentity", times=50, **fault)
    with pytest.raises(TemporaryError):
        federation.current_credentials()
    world.clear_faults()
    clock.pass_by(30)
    assert federation.current_credentials().authenticated
    assert handler.calls == 1  # a token that came with a rotated refresh token is not requested twice


def test_a_developer_handler_that_omits_identity_id_means_the_previous_one(
    world: World, make: Maker, clock: Time
) -> None:
    pool = world.pool_id
    token, identity_id = developer_token(world, pool)
    federation = make(pool, refresh_handlers={"developer": lambda: {"token": developer_token(world, pool)[0]}})
    federation.federated_sign_in("developer", token, identity_id=identity_id)
    clock.pass_by(3700)
    assert federation.current_credentials().identity_id == identity_id
    assert world.calls("GetId") == []


def test_a_developer_handler_may_move_its_user_to_another_identity(
    world: World, make: Maker, clock: Time, told: Any
) -> None:
    pool = world.pool_id
    token, identity_id = developer_token(world, pool)

    def refresh() -> dict[str, str]:
        moved, other = developer_token(world, pool, "ada-merged")
        return {"token": moved, "identity_id": other}

    federation = make(pool, refresh_handlers={"developer": refresh})
    federation.federated_sign_in("developer", token, identity_id=identity_id)
    events = told(federation)
    clock.pass_by(3700)
    after = federation.current_credentials()
    assert after.identity_id != identity_id
    assert "identity-changed" in [event.name for event in events]
    assert federation.federated_info()["identity_id"] == after.identity_id


def test_an_identity_that_is_gone_is_looked_up_again_once(world: World, make: Maker, clock: Time, told: Any) -> None:
    federation = signed_in(world, make, Handler(world))
    before = federation.current_credentials().identity_id
    world.forget_identities()
    events = told(federation)
    clock.pass_by(3700)
    after = federation.current_credentials()
    assert after.authenticated
    assert after.identity_id != before
    assert federation.federated_info()["identity_id"] == after.identity_id
    assert len(world.calls("GetId")) == 1
    assert [event.identity_id for event in events if event.name == "identity-changed"] == [after.identity_id]


def test_a_pool_that_is_gone_is_not_looked_up_again(world: World, make: Maker) -> None:
    federation = make("eu-west-1:11111111-2222-3333-4444-555555555555")
    with pytest.raises(CognitoFederationError):
        federation.federated_sign_in(world.provider.login_key, world.provider.issue())
    assert len(world.calls("GetId")) == 1


def test_a_later_process_finds_the_sign_in_with_cache_file_and_renews_it(
    world: World, make: Maker, clock: Time
) -> None:
    before = signed_in(world, make, cache="file").current_credentials()
    handler = Handler(world)
    later = make(cache="file", refresh_handlers={world.provider.login_key: handler})
    assert later.current_credentials() == before
    assert later.current_authenticated_user()["name"] == "Ada"
    clock.pass_by(3700)
    assert later.current_credentials().identity_id == before.identity_id
    assert handler.calls == 1


def test_another_users_sign_in_in_the_same_cache_is_never_taken_for_the_own(world: World, make: Maker) -> None:
    ada = signed_in(world, make, cache="file")
    make(cache="file").federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
    with pytest.raises(NotSignedInError, match="Another user"):
        ada.current_credentials()


def test_a_damaged_record_means_not_signed_in_and_an_unwritable_place_costs_only_the_cache(
    world: World, make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    federation = signed_in(world, make, cache="file")
    folder = tmp_path / "home" / ".aws" / "cognito-federation" / "sessions"
    for path in folder.iterdir():
        path.write_text("{torn")
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("COGNITO_FEDERATION_CACHE_DIR", str(blocked / "below"))
    federation = make(cache="file")
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    assert federation.current_credentials().authenticated


def test_a_handler_that_is_no_function_is_refused_when_it_is_set(make: Maker) -> None:
    federation = make()
    with pytest.raises(ConfigurationError, match="function"):
        federation.refresh_handlers["google"] = "x"  # type: ignore[assignment]


def test_by_force_token_and_credentials_are_renewed_although_neither_has_expired(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    keys = federation.botocore_session().get_credentials()
    before = federation.current_credentials()
    assert keys is not None
    assert keys.get_frozen_credentials().access_key == before.access_key
    after = federation.current_credentials(force=True)
    assert (handler.calls, handler.contexts[0].force) == (1, True)
    assert after.access_key != before.access_key
    assert federation.current_credentials() == after
    assert keys.get_frozen_credentials().access_key == after.access_key


def test_what_was_valid_before_stays_valid_where_a_renewal_by_force_fails(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    before = federation.current_credentials()
    handler.failures = [NonRetryableError("no")]
    with pytest.raises(CognitoFederationError):
        federation.current_credentials(force=True)
    assert federation.current_credentials() == before
    world.fault("GetCredentialsForIdentity", status=400, code="NotAuthorizedException")
    with pytest.raises(CognitoFederationError):
        federation.current_credentials(force=True)
    assert federation.current_credentials() == before


def test_without_a_handler_the_token_at_hand_is_exchanged_anew_by_force(world: World, make: Maker) -> None:
    federation = signed_in(world, make)
    before = federation.current_credentials()
    assert federation.current_credentials(force=True).access_key != before.access_key
