"""The devices of a user: their keys at sign-in, their own SRP, and ConfirmDevice."""

from __future__ import annotations

import base64
import binascii
import secrets
import uuid
from typing import Any

from . import refusals
from .records import Device
from .srp import Handshake, Verifier
from .state import Conversation, Directory, Members, Operation, ask


def check_key(conversation: Conversation) -> None:
    """Refuse the key of a device that the user does not have."""
    user, key = conversation.user, conversation.device_key
    if key and user is not None and conversation.pool.settings.devices != "OFF" and key not in user.devices:
        raise refusals.device_unknown()


def owed(directory: Directory, conversation: Conversation) -> Members | None:
    """Ask a remembered device to prove itself; it then takes the place of the second factor."""
    settings, device = conversation.pool.settings, _presented(conversation)
    if device is None or not device.remembered or not settings.challenge_new_devices:
        return None
    if "DEVICE" in conversation.factors or "PASSWORD" not in conversation.factors:
        return None
    return ask(directory, conversation, "DEVICE_SRP_AUTH", {"DEVICE_KEY": device.key})


def device_of_sign_in(directory: Directory, conversation: Conversation) -> Device | None:
    """Return the device of a completed sign-in: the one that was presented, or a new one."""
    settings, user = conversation.pool.settings, conversation.user
    assert user is not None
    if settings.devices == "OFF":
        return None
    device = _presented(conversation)
    if device is None:
        key = f"{directory.region}_{uuid.uuid4()}"
        device = Device(key, f"-{secrets.token_urlsafe(6)}", directory.clock.now())
        user.devices[key] = device
    device.last_used_at = directory.clock.now()
    return device


def _presented(conversation: Conversation) -> Device | None:
    user = conversation.user
    return user.devices.get(conversation.device_key) if user is not None and conversation.device_key else None


def _begin(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members:
    device = _named(conversation, responses)
    if not responses.get("SRP_A"):
        raise refusals.missing_parameter("SRP_A")
    assert device.verifier is not None
    handshake = Handshake.begin(device.verifier, responses["SRP_A"])
    conversation.data["device"] = handshake
    parameters = {**handshake.parameters(), "DEVICE_KEY": device.key, "USERNAME": conversation.name}
    return ask(directory, conversation, "DEVICE_PASSWORD_VERIFIER", parameters)


def _proved(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> None:
    _named(conversation, responses)
    handshake: Handshake = conversation.data["device"]
    if not handshake.accepts(responses):
        raise refusals.wrong_password()
    conversation.factors.append("DEVICE")


def _named(conversation: Conversation, responses: dict[str, str]) -> Device:
    """Return the presented device, which each answer must name again."""
    key = responses.get("DEVICE_KEY", "")
    if not key:
        raise refusals.missing_parameter("DEVICE_KEY")
    device = _presented(conversation)
    if device is None or key != device.key or device.verifier is None:
        raise refusals.device_unknown()
    return device


def confirm_device(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    device = user.devices.get(request["DeviceKey"])
    if device is None:
        raise refusals.device_unknown()
    if device.verifier is not None:
        raise refusals.device_confirmed()
    config: dict[str, str] = request.get("DeviceSecretVerifierConfig") or {}
    value, salt = (_number(config.get(name, "")) for name in ("PasswordVerifier", "Salt"))
    device.verifier = Verifier(device.group_key, device.key, salt, value)
    device.name = str(request.get("DeviceName") or "")
    device.remembered = pool.settings.devices == "ALWAYS"
    return {"UserConfirmationNecessary": pool.settings.devices == "USER_OPT_IN"}


def _number(text: str) -> int:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise refusals.device_verifier_invalid()
    return int.from_bytes(data, "big")


ANSWERS: dict[str, Any] = {"DEVICE_SRP_AUTH": _begin, "DEVICE_PASSWORD_VERIFIER": _proved}
OPERATIONS: dict[str, Operation] = {"ConfirmDevice": confirm_device}
