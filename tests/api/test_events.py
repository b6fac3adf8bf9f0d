"""Events: which, in which order, with what, and that no listener and no secret does harm."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from botocore_cognito_federation import CognitoFederationError, FederatedCredentials
from botocore_cognito_federation.demo.world import World

from .conftest import Maker, Time
from .test_renewal import Handler, signed_in


def test_each_step_is_told_once_and_in_order_failures_included(
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


def test_unsubscribing_ends_a_subscription_and_an_unknown_name_is_refused(world: World, make: Maker) -> None:
    federation = make()
    heard: list[object] = []
    stop = federation.on("sign-in", heard.append)
    stop()
    stop()
    federation.federated_sign_in(world.provider.login_key, world.provider.issue())
    assert heard == []
    with pytest.raises(ValueError, match="no event"):
        federation.on("signIn", heard.append)


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
