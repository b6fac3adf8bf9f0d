"""What users do with their own accounts: passwords, attributes, second factors, devices, and deletion.

The operations of forgotten passwords take a user name; all others an access token.
"""

from __future__ import annotations

from typing import Any

from . import refusals
from .accounts import check_addresses
from .records import ATTRIBUTE_OF, MEDIUM_OF, Device, User, UserPool, named
from .second_factors import TOTP
from .state import Directory, Members, Operation

FORGOTTEN = "ForgotPassword"
#: The kind of a second factor -> the member of SetUserMFAPreference that sets it.
PREFERENCES = {TOTP: "SoftwareTokenMfaSettings", "SMS_MFA": "SMSMfaSettings", "EMAIL_OTP": "EmailMfaSettings"}
_VERIFIABLE = ("email", "phone_number")
_NOT_WRITABLE = ("sub", "email_verified", "phone_number_verified")


def forgot_password(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.known_client(request)
    user = pool.user(request["Username"])
    if user is None:
        if not client.hides_users:
            raise refusals.unknown_user()
        _, shown = directory.send_code(pool, None, request["Username"], "EMAIL", FORGOTTEN)
        return {"CodeDeliveryDetails": _details(shown, "EMAIL", "email")}
    if user.status in ("FORCE_CHANGE_PASSWORD", "UNCONFIRMED"):
        raise refusals.password_not_resettable()
    attribute = next((name for name in ("phone_number", "email") if name in user.verified), "")
    if not attribute:
        raise refusals.nowhere_to_send_a_reset()
    directory.limit(user, FORGOTTEN + " requests")
    return {"CodeDeliveryDetails": directory.send_operation_code(pool, user, attribute, FORGOTTEN)}


def confirm_forgot_password(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.known_client(request)
    user = pool.user(request["Username"])
    if user is None:
        raise refusals.code_expired() if client.hides_users else refusals.unknown_user()
    pool.check_password(request["Password"])
    directory.check_operation_code(user, FORGOTTEN, request["ConfirmationCode"])
    pool.set_password(user, request["Password"])
    user.status, user.failures, user.locked_until = "CONFIRMED", 0, 0.0
    return {}


def change_password(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    directory.check_lock(user)
    previous = request.get("PreviousPassword", "")
    if user.password is not None and not user.password.accepts(previous):
        directory.note_failure(user)
        raise refusals.wrong_password()
    pool.check_password(request["ProposedPassword"])
    pool.set_password(user, request["ProposedPassword"])
    return {}


def update_user_attributes(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    given = named(request["UserAttributes"])
    for name, value in given.items():
        if name in _NOT_WRITABLE:
            raise refusals.attribute_not_writable()
        owner = pool.alias_owner(name, value)
        if owner is not None and owner is not user:
            raise refusals.alias_exists(name)
    check_addresses(given)
    sent = []
    for name, value in given.items():
        if user.attributes.get(name) == value:
            continue
        user.attributes[name] = value
        user.verified.discard(name)
        if name in _VERIFIABLE and name in pool.settings.auto_verified:
            sent.append(directory.send_operation_code(pool, user, name, _verification(name)))
    return {"CodeDeliveryDetailsList": sent}


def delete_user_attributes(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    names = request["UserAttributeNames"]
    for name in names:
        if name in (*_NOT_WRITABLE, *pool.settings.required_attributes, *pool.settings.username_attributes):
            raise refusals.attribute_not_deletable(name)
    for name in names:
        user.attributes.pop(name, None)
        user.verified.discard(name)
    return {}


def send_verification_code(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    name = request["AttributeName"]
    if name not in _VERIFIABLE or not user.attributes.get(name):
        raise refusals.attribute_not_verifiable(name)
    directory.limit(user, f"{_verification(name)} requests")
    return {"CodeDeliveryDetails": directory.send_operation_code(pool, user, name, _verification(name))}


def verify_user_attribute(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    name = request["AttributeName"]
    directory.check_operation_code(user, _verification(name), request["Code"])
    owner = pool.alias_owner(name, user.attributes.get(name, ""))
    if owner is not None and owner is not user:
        raise refusals.alias_exists(name)
    user.verified.add(name)
    return {}


def _verification(attribute: str) -> str:
    return f"VerifyUserAttribute {attribute}"


def set_user_mfa_preference(directory: Directory, request: dict[str, Any]) -> Members:
    """Turn second factors on and off; one that was named as preferred is asked for without a choice."""
    pool, user, _ = directory.bearer(request)
    wanted = {kind: request[member] for kind, member in PREFERENCES.items() if request.get(member) is not None}
    if sum(bool(settings.get("PreferredMfa")) for settings in wanted.values()) > 1:
        raise refusals.one_preferred_factor()
    on = list(user.mfa)
    for kind, settings in wanted.items():
        if not settings.get("Enabled"):
            if settings.get("PreferredMfa"):
                raise refusals.preferred_is_off()
            on = [name for name in on if name != kind]
            continue
        _require_usable(pool, user, kind)
        on = on if kind in on else [*on, kind]
    before = user.mfa[0] if user.mfa_preferred else ""
    if wanted.get(before, {}).get("PreferredMfa") is False or before not in on:
        before = ""
    preferred = next((kind for kind, settings in wanted.items() if settings.get("PreferredMfa")), before)
    user.mfa = [preferred, *(kind for kind in on if kind != preferred)] if preferred else on
    user.mfa_preferred = bool(preferred)
    return {}


def _require_usable(pool: UserPool, user: User, kind: str) -> None:
    if pool.settings.mfa == "OFF" or kind not in pool.settings.mfa_kinds:
        raise refusals.factor_not_enabled(kind)
    if kind == TOTP:
        if not user.totp_secret:
            raise refusals.totp_not_verified()
    elif ATTRIBUTE_OF[MEDIUM_OF[kind]] not in user.verified:
        raise refusals.no_delivery(kind)


def get_user_auth_factors(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    can = {
        "PASSWORD": user.password is not None,
        "EMAIL_OTP": "email" in user.verified,
        "SMS_OTP": "phone_number" in user.verified,
        "WEB_AUTHN": bool(user.passkeys),
    }
    answer: Members = {
        "Username": user.username,
        "ConfiguredUserAuthFactors": [name for name in pool.settings.first_factors if can[name]],
    }
    if user.mfa:
        answer["UserMFASettingList"] = list(user.mfa)
        if user.mfa_preferred:
            answer["PreferredMfaSetting"] = user.mfa[0]
    return answer


def list_devices(directory: Directory, request: dict[str, Any]) -> Members:
    _, user, _ = directory.bearer(request)
    found = [device for device in user.devices.values() if device.verifier is not None]
    start = int(request.get("PaginationToken") or 0)
    end = start + int(request.get("Limit") or 60)
    answer: Members = {"Devices": [_shown(device) for device in found[start:end]]}
    return {**answer, "PaginationToken": str(end)} if end < len(found) else answer


def get_device(directory: Directory, request: dict[str, Any]) -> Members:
    _, user, _ = directory.bearer(request)
    return {"Device": _shown(_device(user, request["DeviceKey"]))}


def forget_device(directory: Directory, request: dict[str, Any]) -> Members:
    """Forget a device; the refresh tokens of its sign-ins no longer work."""
    _, user, _ = directory.bearer(request)
    del user.devices[_device(user, request["DeviceKey"]).key]
    return {}


def update_device_status(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    device = _device(user, request["DeviceKey"])
    if pool.settings.devices != "USER_OPT_IN":
        raise refusals.device_status_fixed()
    device.remembered = request.get("DeviceRememberedStatus") == "remembered"
    return {}


def delete_user(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    directory.tokens.revoke_user(pool, user)
    del pool.users[user.username]
    return {}


def _device(user: User, key: str) -> Device:
    device = user.devices.get(key)
    if device is None or device.verifier is None:
        raise refusals.device_unknown()
    return device


def _shown(device: Device) -> dict[str, Any]:
    attributes = {
        "device_name": device.name,
        "device_status": "valid",
        "dev:device_remembered_status": "remembered" if device.remembered else "not_remembered",
    }
    return {
        "DeviceKey": device.key,
        "DeviceAttributes": [{"Name": name, "Value": value} for name, value in attributes.items() if value],
        "DeviceCreateDate": device.created_at,
        "DeviceLastModifiedDate": device.created_at,
        "DeviceLastAuthenticatedDate": device.last_used_at,
    }


def _details(destination: str, medium: str, attribute: str) -> dict[str, str]:
    return {"Destination": destination, "DeliveryMedium": medium, "AttributeName": attribute}


OPERATIONS: dict[str, Operation] = {
    "ForgotPassword": forgot_password,
    "ConfirmForgotPassword": confirm_forgot_password,
    "ChangePassword": change_password,
    "UpdateUserAttributes": update_user_attributes,
    "DeleteUserAttributes": delete_user_attributes,
    "GetUserAttributeVerificationCode": send_verification_code,
    "VerifyUserAttribute": verify_user_attribute,
    "SetUserMFAPreference": set_user_mfa_preference,
    "GetUserAuthFactors": get_user_auth_factors,
    "ListDevices": list_devices,
    "GetDevice": get_device,
    "ForgetDevice": forget_device,
    "UpdateDeviceStatus": update_device_status,
    "DeleteUser": delete_user,
}
