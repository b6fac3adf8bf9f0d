"""The answers of a user pool, as frozen objects whose repr shows no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ..errors import SignInFailedError
from ..login_token import unverified_claims
from ..messages import shown_time

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Device:
    """A device that the user pool knows. Store it with the tokens: without it the next sign-in is one from a new
    device.

    Attributes:
        key: DeviceKey; on a pool that remembers devices, every refresh must send it.
        group_key: DeviceGroupKey.
        password: the secret with which the device authenticates; empty if ConfirmDevice was refused.
        needs_confirmation: the pool requires the user's consent before it remembers the device
            (UserConfirmationNecessary); see `UserPool.remember_device`.
    """

    key: str
    group_key: str
    password: str = field(default="", repr=False)
    needs_confirmation: bool = False


@dataclass(frozen=True, repr=False)
class UserPoolTokens:
    """The tokens of a signed-in user.

    Attributes:
        id_token: the token that an identity pool takes, under `login_key`.
        access_token: for the account operations.
        refresh_token: for `UserPool.refresh`.
        expires_at: when the ID token expires, in seconds since the epoch.
        username: the user's name in the pool (not the alias, if the user typed one).
        device: the device of this sign-in, on a pool that tracks devices.
    """

    id_token: str
    access_token: str
    refresh_token: str
    expires_at: float
    username: str
    device: Device | None = None

    def __repr__(self) -> str:
        return (
            f"UserPoolTokens(username={self.username!r}, expires={shown_time(self.expires_at)}, device={self.device!r})"
        )

    @property
    def device_key(self) -> str | None:
        return self.device.key if self.device else None

    @property
    def login_key(self) -> str:
        """The `Logins` key for these tokens at an identity pool."""
        return login_key(self.id_token)


@dataclass(frozen=True, repr=False)
class Challenge:
    """A question that the user pool asks before it issues tokens.

    Attributes:
        name: ChallengeName, such as ``SMS_MFA``, ``SOFTWARE_TOKEN_MFA``, ``NEW_PASSWORD_REQUIRED``.
        parameters: ChallengeParameters, such as CODE_DELIVERY_DESTINATION.
        session: the opaque state of this sign-in; valid for one answer.
        username: the user's name in the pool.
        device: the device that was presented at sign-in, if any.
        totp_secret: after `UserPool.set_up_totp`, the secret for the user's authenticator application.
    """

    name: str
    parameters: Mapping[str, str]
    session: str
    username: str
    device: Device | None = None
    totp_secret: str = ""

    def __repr__(self) -> str:
        return f"Challenge(name={self.name!r}, parameters={sorted(self.parameters)}, username={self.username!r})"

    @property
    def choices(self) -> tuple[str, ...]:
        """The kinds of MFA to choose from (SELECT_MFA_TYPE) or to set up (MFA_SETUP)."""
        text = self.parameters.get("MFAS_CAN_CHOOSE") or self.parameters.get("MFAS_CAN_SETUP")
        return tuple(_json_list(text))

    @property
    def required_attributes(self) -> tuple[str, ...]:
        """The attributes that NEW_PASSWORD_REQUIRED requires, without their ``userAttributes.`` prefix."""
        wanted = _json_list(self.parameters.get("requiredAttributes"))
        return tuple(name.removeprefix("userAttributes.") for name in wanted)

    def otpauth_uri(self, issuer: str) -> str:
        """Return the URI for a QR code that authenticator applications read; it holds the secret.

        Args:
            issuer: the name that the authenticator application shows for the account.
        """
        label = quote(f"{issuer}:{self.username}", safe="")
        return f"otpauth://totp/{label}?secret={self.totp_secret}&issuer={quote(issuer, safe='')}"


def _json_list(text: str | None) -> list[str]:
    try:
        value = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


@dataclass(frozen=True)
class CodeDelivery:
    """Where a code was sent: Cognito masks `destination` (``a***@e***``); `medium` is EMAIL or SMS."""

    destination: str
    medium: str
    attribute: str


@dataclass(frozen=True)
class AutoSignIn:
    """The options of the sign-in that follows the confirmation of a new account.

    Attributes:
        validation_data: for the pre-authentication trigger; see `UserPool.sign_in`.
        client_metadata: for the pool's Lambda triggers; see `UserPool.sign_in`.
    """

    validation_data: Mapping[str, str] | None = None
    client_metadata: Mapping[str, str] | None = None


@dataclass(frozen=True)
class SignUp:
    """The result of `UserPool.sign_up`.

    Attributes:
        username: the name of the new user.
        user_sub: the `sub` of the new user.
        confirmed: whether the account is confirmed, so that no code is needed.
        code_delivery: where the confirmation code was sent.
        signed_in: with `auto_sign_in`, the result of the sign-in if the pool confirmed the user immediately.
        auto_sign_in: the options of the automatic sign-in that `UserPool.confirm_sign_up` still has to make.
        password: the password for that sign-in; empty if there is none to make.
    """

    username: str
    user_sub: str
    confirmed: bool
    code_delivery: CodeDelivery | None = None
    signed_in: UserPoolTokens | Challenge | None = None
    auto_sign_in: AutoSignIn | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


def claims(token: str) -> Mapping[str, Any]:
    """Return the claims of a JWT without verifying its signature; empty if the text is not a JWT."""
    return unverified_claims(token) or _NOTHING


def login_key(id_token: str) -> str:
    """Return the `Logins` key of a user pool's ID token: its issuer without the scheme.

    It comes from the token and is not composed from the region, so that it is right in every partition.

    Raises:
        SignInFailedError: the token is not a JWT with an issuer, or it is an access token.
    """
    body = claims(id_token)
    issuer = body.get("iss")
    if not isinstance(issuer, str) or "://" not in issuer:
        raise SignInFailedError("the user pool's ID token names no issuer, so an identity pool cannot take it")
    if body.get("token_use", "id") != "id":
        raise SignInFailedError("this is a user pool's access token; an identity pool takes the ID token")
    return issuer.split("://", 1)[1].removesuffix("/")
