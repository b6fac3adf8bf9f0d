"""Events: their order and content, and that no listener does harm and no secret is in them."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from botocore_cognito_federation import (
    CognitoFederationError,
    ConfigurationError,
    Event,
    FederatedCredentials,
    NonRetryableError,
)
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.events import NAMES
from tests.application.conftest import Maker, Time
from tests.application.test_renewal import Handler, signed_in


def test_each_step_is_reported_once_and_in_order_failures_included(
    world: World, make: Maker, clock: Time, told: Any
) -> None:
    handler = Handler(world)
    federation = make(refresh_handlers={world.provider.login_key: handler})
    events = told(federation)
    federation.federated_sign_in(
        world.provider.login_key, world.provider.issue("ada", lifetime=1800), user={"name": "Ada"}
    )
    clock.pass_by(3700)
    federation.current_credentials()
    handler.failures = [ValueError("a bug")]
    clock.pass_by(3700)
    with pytest.raises(CognitoFederationError):
        federation.current_credentials()
    with pytest.raises(CognitoFederationError):
        federation.federated_sign_in(world.provider.login_key, "")
    federation.sign_out()
    federation.sign_out()
    assert [event.name for event in events] == [
        "sign-in",
        "token-refresh",
        "credentials-refresh",
        "token-refresh-failure",
        "credentials-refresh-failure",
        "sign-in-failure",
        "sign-out",
    ]
    assert {event.provider for event in events} == {world.provider.login_key}
    assert events[2].expires_at is not None
    assert [event.error is not None for event in events] == [False, False, False, True, True, True, False]
    assert events[0].user == events[-1].user == {"name": "Ada"}
    assert events[0].identity_id is not None


def test_an_exception_of_a_listener_is_logged_and_stops_nothing(
    world: World, make: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    federation = make()

    def broken(event: object) -> None:
        raise RuntimeError("listener")

    federation.on("sign-in", broken)
    heard: list[object] = []
    federation.on("sign-in", heard.append)
    assert federation.federated_sign_in(world.provider.login_key, world.provider.issue()).authenticated
    assert len(heard) == 1
    assert "listener" in caplog.text


def test_an_event_is_frozen_and_nothing_that_a_listener_does_to_its_user_reaches_the_federation(
    world: World, make: Maker, told: Any
) -> None:
    federation = make()
    events = told(federation)

    def meddling(event: Event) -> None:
        user: Any = event.user
        user["name"] = "Mallory"
        user["groups"].append("admins")

    federation.on("sign-in", meddling)
    federation.federated_sign_in(
        world.provider.login_key, world.provider.issue("ada"), user={"name": "Ada", "groups": ["staff"]}
    )
    federation.federated_info()["user"]["groups"].append("admins")
    user = federation.current_authenticated_user()
    assert (user["name"], user["groups"]) == ("Ada", ["staff"])
    with pytest.raises(FrozenInstanceError):
        events[0].name = "sign-out"


def test_there_are_eight_names_and_each_is_emitted(world: World, make: Maker, clock: Time, told: Any) -> None:
    handler = Handler(world, "of-all-events")
    federation = make(refresh_handlers={world.provider.login_key: handler})
    events = told(federation)
    with pytest.raises(CognitoFederationError):
        federation.federated_sign_in(world.provider.login_key, None)
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("of-all-events", lifetime=1800))
    world.forget_identities()
    clock.pass_by(3700)
    federation.current_credentials()
    handler.failures = [NonRetryableError("over")]
    clock.pass_by(3700)
    with pytest.raises(NonRetryableError):
        federation.current_credentials()
    federation.sign_out()
    assert {event.name for event in events} == set(NAMES)
    changed = next(event for event in events if event.name == "identity-changed")
    assert changed.previous_identity_id != changed.identity_id == identity_told(events, "credentials-refresh")
    assert all(event.previous_identity_id is None for event in events if event is not changed)


def identity_told(events: list[Event], name: str) -> str | None:
    return next(event.identity_id for event in events if event.name == name)


@pytest.mark.parametrize("who", ["the application", "a client"])
def test_a_listener_may_ask_for_the_credentials_of_its_event(world: World, make: Maker, clock: Time, who: str) -> None:
    federation = signed_in(world, make, Handler(world))
    signing = federation.botocore_session().get_credentials()
    seen: list[tuple[str, str]] = []

    def look(event: Event) -> None:
        key = federation.current_credentials().access_key
        assert signing.get_frozen_credentials().access_key == key
        seen.append((event.name, key))

    for name in ("token-refresh", "credentials-refresh"):
        federation.on(name, look)
    clock.pass_by(3700)
    if who == "a client":
        after = signing.get_frozen_credentials().access_key
    else:
        after = federation.current_credentials().access_key
    assert seen == [("token-refresh", after), ("credentials-refresh", after)]


def test_a_listener_may_sign_in_again_when_a_renewal_failed(
    world: World, make: Maker, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    handler.failures = [NonRetryableError("the session is over")]

    def again(event: Event) -> None:
        federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))

    federation.on("token-refresh-failure", again)
    clock.pass_by(3700)
    with pytest.raises(CognitoFederationError):
        federation.current_credentials()
    assert caplog.text == ""
    assert federation.current_credentials().authenticated


def test_a_listener_that_asks_again_after_a_failure_gets_no_event_for_its_own_failures(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    handler.failures = [ValueError("a bug")] * 50
    told: list[str] = []

    def again(event: Event) -> None:
        told.append(event.name)
        with pytest.raises(CognitoFederationError):
            federation.current_credentials()

    for name in ("token-refresh-failure", "credentials-refresh-failure"):
        federation.on(name, again)
    clock.pass_by(3700)
    with pytest.raises(CognitoFederationError):
        federation.current_credentials()
    assert told[0] == "token-refresh-failure"
    assert handler.calls == len(told) + 1 < 6
    told.clear()
    with pytest.raises(CognitoFederationError):
        federation.current_credentials()
    assert told[0] == "token-refresh-failure"  # the next failure is reported again


def test_a_slow_listener_makes_no_other_caller_wait(world: World, make: Maker, clock: Time) -> None:
    federation = signed_in(world, make, Handler(world))
    entered, go = threading.Event(), threading.Event()

    def slow(event: Event) -> None:
        entered.set()
        assert go.wait(20)

    federation.on("token-refresh", slow)
    clock.pass_by(3700)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(federation.current_credentials)
        assert entered.wait(20)
        assert federation.current_credentials().authenticated  # while the listener is still running
        go.set()
        assert first.result().authenticated


def test_unsubscribing_ends_a_subscription_and_an_unknown_name_is_refused(world: World, make: Maker) -> None:
    federation = make()
    heard: list[object] = []
    stop = federation.on("sign-in", heard.append)
    stop()
    stop()
    federation.federated_sign_in(world.provider.login_key, world.provider.issue())
    assert heard == []
    with pytest.raises(ConfigurationError, match="no event"):
        federation.on("signIn", heard.append)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="sign-in is a NoneType"):
        federation.on("sign-in", None)  # type: ignore[arg-type]


def test_no_secret_is_in_a_log_a_repr_an_exception_or_an_event(
    world: World, make: Maker, clock: Time, told: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handler = Handler(world)
    federation = signed_in(world, make, handler)
    events = told(federation)
    seen = [repr(federation), repr(federation.refresh_handlers)]
    secrets = [federation.federated_info()["token"]]
    credentials: list[FederatedCredentials] = []
    for failure in (None, ValueError(secrets[0]), ConnectionError(secrets[0])):
        clock.pass_by(3700)
        handler.failures = [failure] * 7 if failure else []
        try:
            credentials.append(federation.current_credentials())
        except CognitoFederationError as error:
            seen += [str(error), repr(error), repr(error.__cause__)]
    world.fault("GetCredentialsForIdentity", times=20, status=400, code="NotAuthorizedException", message="no")
    for token in (world.provider.issue("ada", flaw="other-key"), "plain-secret-token with a blank"):
        secrets.append(token)
        try:
            federation.federated_sign_in(world.provider.login_key, token)
        except CognitoFederationError as error:
            seen += [str(error), repr(error), repr(error.__cause__)]
    secrets += [text for one in credentials for text in (one.secret_key, one.token)]
    secrets.append(federation.federated_info()["token"])
    seen += [repr(event) + repr(vars(event)) for event in events] + [repr(one) for one in credentials]
    seen.append("\n".join(record.getMessage() for record in caplog.records if "botocore.auth" not in record.name))
    for secret in secrets:
        assert all(secret not in text for text in seen)
