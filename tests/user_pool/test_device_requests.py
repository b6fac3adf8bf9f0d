"""The requests of a remembered device."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.user_pool import Challenge, Device, UserPoolTokens

from . import wire as w
from .srp_pool import DevicePool, SrpPool
from .srp_server import Server

pytestmark = pytest.mark.thorough


def test_a_remembered_device_proves_itself_and_no_second_factor_is_asked(wire: w.Wire) -> None:
    DevicePool(wire)
    tokens = wire.pool().sign_in("ada", "right password", device=DevicePool.device)
    assert isinstance(tokens, UserPoolTokens)
    assert tokens.device == DevicePool.device
    assert [body.get("ChallengeName") for _, body in wire.asked] == [
        None,
        "PASSWORD_VERIFIER",
        "DEVICE_SRP_AUTH",
        "DEVICE_PASSWORD_VERIFIER",
    ]
    keys = [(body.get("AuthParameters") or body["ChallengeResponses"])["DEVICE_KEY"] for _, body in wire.asked]
    assert set(keys) == {DevicePool.device.key}


def test_a_device_challenge_without_a_device_goes_to_the_caller(wire: w.Wire) -> None:
    DevicePool(wire)
    asked = wire.pool().sign_in("ada", "right password")
    assert isinstance(asked, Challenge)
    assert asked.name == "DEVICE_SRP_AUTH"


def test_a_device_the_pool_has_forgotten_is_left_out(wire: w.Wire) -> None:
    pool = SrpPool(wire)

    def respond(body: dict[str, Any]) -> w.Answer:
        if "DEVICE_KEY" in body["ChallengeResponses"]:
            return w.error("ResourceNotFoundException", "Device does not exist.")
        return pool.respond(body)

    wire.answers["RespondToAuthChallenge"] = respond
    tokens = wire.pool().sign_in("ada", "right password", device=DevicePool.device)
    assert isinstance(tokens, UserPoolTokens)
    assert tokens.device is None
    assert wire.operations == ["InitiateAuth", "RespondToAuthChallenge", "RespondToAuthChallenge"]


def test_a_new_device_is_confirmed_with_a_verifier_that_its_password_later_proves(wire: w.Wire) -> None:
    fresh = {"DeviceKey": "eu-west-1_0a1b", "DeviceGroupKey": "-Group"}
    SrpPool(wire, then=w.tokens(NewDeviceMetadata=fresh))
    wire.answers["ConfirmDevice"] = [{"UserConfirmationNecessary": True}]
    tokens = wire.pool().sign_in("ada", "right password")
    assert isinstance(tokens, UserPoolTokens)
    device = tokens.device
    assert device
    assert (device.key, device.group_key, device.needs_confirmation) == ("eu-west-1_0a1b", "-Group", True)
    confirmed = wire.bodies("ConfirmDevice")[0]
    assert confirmed["AccessToken"] == tokens.access_token
    config = {key: base64.b64decode(value) for key, value in confirmed["DeviceSecretVerifierConfig"].items()}
    salt = int.from_bytes(config["Salt"], "big")
    expected = Server.knowing("-Group", device.key, device.password, salt).verifier
    assert int.from_bytes(config["PasswordVerifier"], "big", signed=True) == expected


def test_a_sign_in_succeeds_and_stores_the_device_key_where_the_device_cannot_be_confirmed(wire: w.Wire) -> None:
    SrpPool(wire, then=w.tokens(NewDeviceMetadata={"DeviceKey": "eu-west-1_0a1b", "DeviceGroupKey": "-Group"}))
    wire.answers["ConfirmDevice"] = [w.error("InvalidParameterException", "no")]
    tokens = wire.pool().sign_in("ada", "right password")
    assert isinstance(tokens, UserPoolTokens)
    assert tokens.device_key == "eu-west-1_0a1b"
    assert tokens.device
    assert tokens.device.password == ""


def test_a_device_is_remembered_when_the_user_says_so(wire: w.Wire) -> None:
    device = Device("eu-west-1_0a1b", "-Group", "pw", True)
    tokens = UserPoolTokens("i", "access.token", "r", 0, "ada", device)
    wire.pool().remember_device(tokens)
    wire.pool().remember_device(tokens, False)
    sent = [body["DeviceRememberedStatus"] for body in wire.bodies("UpdateDeviceStatus")]
    assert sent == ["remembered", "not_remembered"]
    with pytest.raises(ConfigurationError, match="no device"):
        wire.pool().remember_device(UserPoolTokens("i", "a", "r", 0, "ada"))
