"""What a signed-in user does with the own account: attributes, second factors, devices and deletion.

The names are Amplify's (v6) in Python's spelling. All operations take the sign-in, whose access token is sent; an
expired one is refused, and `UserPool.refresh` brings another.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args, overload
from urllib.parse import quote

from ..errors import ClearsFrames, ConfigurationError
from .accounts import Metadata, access_token
from .api import Api, member
from .auth import expect
from .errors import CodeMismatchError
from .models import (
    Challenge,
    UserPoolTokens,
    checked_attribute_name,
    checked_text,
    checked_totp_code,
)

Preference = Literal["ENABLED", "DISABLED", "PREFERRED", "NOT_PREFERRED"]
#: Amplify's words -> the members of a factor's settings in SetUserMFAPreference.
_SETTINGS: Mapping[str, Mapping[str, bool]] = {
    "ENABLED": {"Enabled": True},
    "DISABLED": {"Enabled": False},
    "PREFERRED": {"Enabled": True, "PreferredMfa": True},
    "NOT_PREFERRED": {"Enabled": True, "PreferredMfa": False},
}
#: What GetUser calls a factor -> what Amplify and `update_mfa_preference` call it.
_FACTORS = {"SOFTWARE_TOKEN_MFA": "totp", "SMS_MFA": "sms", "EMAIL_OTP": "email"}
_DEVICE_KEY = re.compile(r"[\w-]+_[0-9a-f-]+", re.ASCII)
#: The most devices that a page of ListDevices may hold.
_PAGE = 60


@dataclass(frozen=True)
class TotpSetUp:
    """The set-up of an authenticator application, begun by `UserPool.set_up_totp`.

    Attributes:
        secret: for the user's authenticator application.
        username: the account's name for `otpauth_uri`.
    """

    secret: str = field(repr=False)
    username: str = ""

    def otpauth_uri(self, issuer: str, account: str | None = None) -> str:
        """Return the URI for a QR code that authenticator applications read; it holds the secret.

        Args:
            issuer: the name that the authenticator application shows for the account.
            account: the user's name in it; by default the one in the pool.
        """
        label = quote(f"{issuer}:{self.username if account is None else account}", safe="")
        return f"otpauth://totp/{label}?secret={self.secret}&issuer={quote(issuer, safe='')}"


@dataclass(frozen=True)
class MfaPreference:
    """The second factors of a user: ``totp``, ``sms`` and ``email``.

    Attributes:
        enabled: those that are on.
        preferred: the one that is asked for without a choice.
    """

    enabled: tuple[str, ...] = ()
    preferred: str | None = None


@dataclass(frozen=True)
class KnownDevice:
    """A device that the user pool tracks for the user.

    Attributes:
        key: DeviceKey.
        name: what the device was called when it was confirmed; empty if nothing.
        remembered: whether it takes the place of the second factor; None if the pool does not say.
        attributes: everything that the pool says of it, such as ``last_ip_used``.
        created_at, modified_at, authenticated_at: when; None if the pool does not say.
    """

    key: str
    name: str = ""
    remembered: bool | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    modified_at: datetime | None = None
    authenticated_at: datetime | None = None


class SelfService(ClearsFrames, ABC):
    """The operations of a signed-in user on the own account; base class of `UserPool`."""

    _api: Api

    @abstractmethod
    def _metadata(self, client_metadata: Metadata) -> dict[str, str]:
        """Return the metadata that an operation sends: its own, or else the pool-wide one."""

    def fetch_user_attributes(self, tokens: UserPoolTokens | str) -> dict[str, str]:
        """Return the attributes of the user as the pool has them now (GetUser); those in the ID token may be older.

        Args:
            tokens: the sign-in, or its access token.

        Returns:
            The values by name, with ``sub``, and ``email_verified`` as ``"true"`` or ``"false"``.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        return _named(self._user(tokens).get("UserAttributes"))

    def _user(self, tokens: UserPoolTokens | str) -> dict[str, Any]:
        answer = self._api.call("GetUser", {"AccessToken": access_token(tokens)})
        member(answer, "Username", "GetUser")
        return answer

    def delete_user_attributes(self, tokens: UserPoolTokens | str, attributes: Sequence[str]) -> None:
        """Delete attributes of the user (DeleteUserAttributes).

        Args:
            tokens: the sign-in, or its access token.
            attributes: the names of the attributes.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        if isinstance(attributes, str) or not attributes:
            raise ConfigurationError("attributes is not a list of names", remedy='Pass a list such as ["nickname"]')
        names = [checked_attribute_name(name) for name in attributes]
        self._api.call("DeleteUserAttributes", {"AccessToken": access_token(tokens), "UserAttributeNames": names})

    def delete_user(self, tokens: UserPoolTokens | str) -> None:
        """Delete the account of the user (DeleteUser). It cannot be brought back, and its tokens are void.

        Args:
            tokens: the sign-in, or its access token.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        self._api.call("DeleteUser", {"AccessToken": access_token(tokens)})

    # --- second factors ---------------------------------------------------------------------------------------------

    @overload
    def set_up_totp(self, signing_in: Challenge) -> Challenge: ...

    @overload
    def set_up_totp(self, signing_in: UserPoolTokens | str) -> TotpSetUp: ...

    def set_up_totp(self, signing_in: Challenge | UserPoolTokens | str) -> Challenge | TotpSetUp:
        """Start setting up an authenticator application (AssociateSoftwareToken).

        Args:
            signing_in: an MFA_SETUP challenge; or a sign-in or its access token.

        Returns:
            For a challenge, the one to give to `confirm_sign_in` with the first code: it holds
                `Challenge.totp_secret` (and `Challenge.otpauth_uri`) for the authenticator application. For a sign-in,
                the secret; `verify_totp_setup` takes the first code.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        operation = "AssociateSoftwareToken"
        if isinstance(signing_in, Challenge):
            expect(signing_in, "MFA_SETUP")
            answer = self._api.call(operation, {"Session": signing_in.session})
            session = str(answer.get("Session") or signing_in.session)
            return replace(signing_in, session=session, totp_secret=str(member(answer, "SecretCode", operation)))
        answer = self._api.call(operation, {"AccessToken": access_token(signing_in)})
        username = signing_in.username if isinstance(signing_in, UserPoolTokens) else ""
        return TotpSetUp(str(member(answer, "SecretCode", operation)), username)

    def verify_totp_setup(
        self, tokens: UserPoolTokens | str, code: str, *, friendly_device_name: str | None = None
    ) -> None:
        """Finish the set-up of an authenticator application with the first code that it shows (VerifySoftwareToken).

        Turn it on with `update_mfa_preference`.

        Args:
            tokens: the sign-in, or its access token.
            code: the six digits.
            friendly_device_name: a name for the application, which later challenges show.

        Raises:
            CodeMismatchError: the code was wrong; try the next one.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        request = {"AccessToken": access_token(tokens), "UserCode": checked_totp_code(code)}
        if friendly_device_name is not None:
            request["FriendlyDeviceName"] = checked_text("friendly_device_name", friendly_device_name, 131072)
        self._verify_totp(request)

    def _verify_totp(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._api.call("VerifySoftwareToken", request)
        if member(answer, "Status", "VerifySoftwareToken") != "SUCCESS":
            raise CodeMismatchError(
                "The authenticator application's code was not accepted", remedy="Enter the next one"
            )
        return answer

    def fetch_mfa_preference(self, tokens: UserPoolTokens | str) -> MfaPreference:
        """Return which second factors of the user are on (GetUser).

        Args:
            tokens: the sign-in, or its access token.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        user = self._user(tokens)
        enabled = tuple(_FACTORS.get(kind, kind) for kind in user.get("UserMFASettingList") or ())
        preferred = user.get("PreferredMfaSetting")
        return MfaPreference(enabled, _FACTORS.get(preferred, preferred) if preferred else None)

    def update_mfa_preference(
        self,
        tokens: UserPoolTokens | str,
        *,
        totp: Preference | None = None,
        sms: Preference | None = None,
        email: Preference | None = None,
    ) -> None:
        """Turn second factors on or off (SetUserMFAPreference).

        Each is ``ENABLED``, ``DISABLED``, ``PREFERRED`` (on, and asked for without a choice) or ``NOT_PREFERRED`` (on,
        and not any more preferred); None changes nothing.

        Args:
            tokens: the sign-in, or its access token.
            totp: an authenticator application, set up before; see `set_up_totp`.
            sms: codes by SMS; the phone number must be verified.
            email: codes by e-mail; the address must be verified.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        wanted = {"SoftwareTokenMfaSettings": totp, "SMSMfaSettings": sms, "EmailMfaSettings": email}
        given = {name: value for name, value in wanted.items() if value is not None}
        if not given:
            raise ConfigurationError("There is no second factor to change", remedy="Pass totp=, sms= or email=")
        for value in given.values():
            if value not in _SETTINGS:
                raise ConfigurationError(
                    f"A preference is one of {', '.join(get_args(Preference))}", remedy="Pass one of them, or None"
                )
        if list(given.values()).count("PREFERRED") > 1:
            raise ConfigurationError("Only one second factor can be preferred", remedy="Pass PREFERRED once")
        settings = {name: dict(_SETTINGS[value]) for name, value in given.items()}
        self._api.call("SetUserMFAPreference", {"AccessToken": access_token(tokens), **settings})

    def fetch_auth_factors(self, tokens: UserPoolTokens | str) -> tuple[str, ...]:
        """Return with what the user can begin a sign-in (GetUserAuthFactors), such as PASSWORD or WEB_AUTHN.

        Args:
            tokens: the sign-in, or its access token.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        answer = self._api.call("GetUserAuthFactors", {"AccessToken": access_token(tokens)})
        member(answer, "Username", "GetUserAuthFactors")
        return tuple(answer.get("ConfiguredUserAuthFactors") or ())

    # --- devices ----------------------------------------------------------------------------------------------------

    def fetch_devices(self, tokens: UserPoolTokens | str) -> tuple[KnownDevice, ...]:
        """Return all devices that the pool tracks for the user (ListDevices).

        Args:
            tokens: the sign-in, or its access token.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        request: dict[str, Any] = {"AccessToken": access_token(tokens), "Limit": _PAGE}
        found: dict[str, KnownDevice] = {}
        while True:
            answer = self._api.call("ListDevices", request)
            page = [_device(entry) for entry in answer.get("Devices") or ()]
            # A page that brings nothing new would be asked for without end.
            is_new = any(device.key not in found for device in page)
            found.update({device.key: device for device in page})
            if not answer.get("PaginationToken") or not is_new:
                return tuple(found.values())
            request["PaginationToken"] = answer["PaginationToken"]

    def remember_device(
        self, tokens: UserPoolTokens | str, remembered: bool = True, *, device_key: str | None = None
    ) -> None:
        """Store whether the user wants the pool to remember a device (UpdateDeviceStatus).

        See `Device.needs_confirmation`.

        Args:
            tokens: the sign-in, or with a `device_key` its access token.
            remembered: the user's decision.
            device_key: a key from `fetch_devices`; by default the device of this sign-in.

        Raises:
            ConfigurationError: the sign-in has no device.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        request = {
            "AccessToken": access_token(tokens),
            "DeviceKey": _device_key(tokens, device_key),
            "DeviceRememberedStatus": "remembered" if remembered else "not_remembered",
        }
        self._api.call("UpdateDeviceStatus", request)

    def forget_device(self, tokens: UserPoolTokens | str, *, device_key: str | None = None) -> None:
        """Let the pool forget a device (ForgetDevice).

        The refresh token of a sign-in belongs to its device: once that is forgotten, the user has to sign in again as
        soon as the other tokens expire, and from a new device.

        Args:
            tokens: the sign-in, or with a `device_key` its access token.
            device_key: a key from `fetch_devices`; by default the device of this sign-in.

        Raises:
            ConfigurationError: the sign-in has no device.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        key = _device_key(tokens, device_key)
        self._api.call("ForgetDevice", {"AccessToken": access_token(tokens), "DeviceKey": key})


def _device_key(tokens: UserPoolTokens | str, device_key: str | None) -> str:
    own = tokens.device_key if isinstance(tokens, UserPoolTokens) else None
    key = device_key if device_key is not None else own
    if key is None:
        raise ConfigurationError(
            "This sign-in has no device", remedy="Pass device_key=, one of fetch_devices; the user pool must track them"
        )
    if not _DEVICE_KEY.fullmatch(checked_text("device_key", key, 55)):
        raise ConfigurationError("device_key is not the key of a device", remedy="Take one from fetch_devices")
    return key


def _device(entry: Mapping[str, Any]) -> KnownDevice:
    attributes = _named(entry.get("DeviceAttributes"))
    status = attributes.get("dev:device_remembered_status")
    return KnownDevice(
        key=str(member(entry, "DeviceKey", "ListDevices")),
        name=attributes.get("device_name", ""),
        remembered=None if status is None else status == "remembered",
        attributes=attributes,
        created_at=entry.get("DeviceCreateDate"),
        modified_at=entry.get("DeviceLastModifiedDate"),
        authenticated_at=entry.get("DeviceLastAuthenticatedDate"),
    )


def _named(pairs: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {pair["Name"]: pair.get("Value", "") for pair in pairs or ()}
