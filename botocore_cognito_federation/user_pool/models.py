"""The answers of a user pool as frozen objects whose repr shows no secret, and the checks of what is sent to it.

The checks come before a call, because botocore quotes the value it refuses, and that value may be a secret. The limits
are those of the cognito-idp service model. No message here quotes a value; each names the argument.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from .._util.urls import LOCALHOST, check_url
from ..errors import ConfigurationError, SignInFailedError
from ..login_token import unverified_claims
from ..messages import shown_time
from .srp import SrpKey

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


@dataclass(frozen=True)
class PasswordProof:
    """What a later PASSWORD_VERIFIER of the same sign-in needs: the password, and the key whose SRP_A was sent."""

    password: str = field(repr=False)
    key: SrpKey = field(repr=False)


@dataclass(frozen=True, repr=False)
class Challenge:
    """A question that the user pool asks before it issues tokens.

    Attributes:
        name: ChallengeName, such as ``SMS_MFA``, ``SELECT_CHALLENGE``, ``NEW_PASSWORD_REQUIRED``.
        parameters: ChallengeParameters, such as CODE_DELIVERY_DESTINATION.
        session: the opaque state of this sign-in; valid for one answer.
        username: the user's name in the pool.
        device: the device that was presented at sign-in, if any.
        totp_secret: after `UserPool.set_up_totp`, the secret for the user's authenticator application.
        available: AvailableChallenges of a choice-based sign-in.
        proof: for the password that the pool's triggers may still ask for; a secret.
    """

    name: str
    parameters: Mapping[str, str]
    session: str
    username: str
    device: Device | None = None
    totp_secret: str = ""
    available: tuple[str, ...] = ()
    proof: PasswordProof | None = None

    def __repr__(self) -> str:
        return f"Challenge(name={self.name!r}, parameters={sorted(self.parameters)}, username={self.username!r})"

    @property
    def choices(self) -> tuple[str, ...]:
        """What to choose from: challenges (SELECT_CHALLENGE) or kinds of MFA (SELECT_MFA_TYPE, MFA_SETUP)."""
        if self.name == "SELECT_CHALLENGE":
            return self.available
        text = self.parameters.get("MFAS_CAN_CHOOSE") or self.parameters.get("MFAS_CAN_SETUP")
        return tuple(_json_list(text))

    @property
    def required_attributes(self) -> tuple[str, ...]:
        """The attributes that NEW_PASSWORD_REQUIRED requires, without their ``userAttributes.`` prefix."""
        wanted = _json_list(self.parameters.get("requiredAttributes"))
        return tuple(name.removeprefix("userAttributes.") for name in wanted)

    @property
    def credential_request_options(self) -> dict[str, Any]:
        """The options of WEB_AUTHN for ``navigator.credentials.get`` in a browser; empty for another challenge."""
        try:
            options = json.loads(self.parameters.get("CREDENTIAL_REQUEST_OPTIONS") or "{}")
        except (ValueError, RecursionError):
            return {}
        return options if isinstance(options, dict) else {}

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
        session: the Session with which that sign-in needs no second code; of app clients with ALLOW_USER_AUTH.
    """

    username: str
    user_sub: str
    confirmed: bool
    code_delivery: CodeDelivery | None = None
    signed_in: UserPoolTokens | Challenge | None = None
    auto_sign_in: AutoSignIn | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)
    session: str = field(default="", repr=False)


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
        raise SignInFailedError("The user pool's ID token names no issuer, so an identity pool cannot take it")
    if body.get("token_use", "id") != "id":
        raise SignInFailedError("This is a user pool's access token; an identity pool takes the ID token")
    return issuer.split("://", 1)[1].removesuffix("/")


_POOL_ID = re.compile(r"[\w-]+_[0-9a-zA-Z]+")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_CLIENT_ID = re.compile(r"[\w+]+")
_TOKEN = re.compile(r"[A-Za-z0-9\-_=.]+")


def _refuse(name: str, why: str, remedy: str = "") -> ConfigurationError:
    return ConfigurationError(f"{name} {why}", remedy=remedy)


def checked_text(name: str, value: object, longest: int, *, spaces: bool = True) -> str:
    """Check a string of 1 to `longest` characters; unless `spaces` is set, it must not contain white space."""
    if not isinstance(value, str):
        raise _refuse(name, f"must be a string, not {type(value).__name__}")
    if not value:
        raise _refuse(name, "must not be empty")
    if len(value) > longest:
        raise _refuse(name, f"has {len(value)} characters; at most {longest} are allowed")
    if not spaces and any(character.isspace() for character in value):
        raise _refuse(name, "must not contain white space", "Look for a stray space or line end")
    return value


def checked_username(value: object) -> str:
    """Check a UsernameType: 1 to 128 letters, marks, symbols, digits and punctuation."""
    name = checked_text("username", value, 128)
    if any(unicodedata.category(character)[0] not in "LMSNP" for character in name):
        raise _refuse("username", "must not contain white space or control characters")
    return name


def checked_password(value: object, name: str = "password") -> str:
    """Check a PasswordType: 1 to 256 characters. The pool's policy decides about the rest."""
    return checked_text(name, value, 256)


def checked_code(value: object, name: str = "code") -> str:
    """Check a ConfirmationCodeType."""
    return checked_text(name, value, 2048, spaces=False)


def checked_totp_code(value: object) -> str:
    """Check a SoftwareTokenMFAUserCodeType: six digits."""
    digits = checked_code(value)
    if not re.fullmatch(r"[0-9]{6}", digits):
        raise _refuse("code", "of an authenticator application is six digits")
    return digits


def checked_credential(value: object) -> str:
    """Check a browser's answer to WEB_AUTHN, as its JSON text or as the object; return the text."""
    credential = value
    if isinstance(value, str):
        try:
            credential = json.loads(value)
        except (ValueError, RecursionError):
            credential = None
    if not isinstance(credential, Mapping) or not {"id", "response"} <= set(credential):
        raise _refuse(
            "credential", "is not a public-key credential", "Pass what the browser's credential.toJSON() returned"
        )
    return value if isinstance(value, str) else json.dumps(dict(credential))


def checked_token(value: object, name: str) -> str:
    """Check a TokenModelType."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _refuse(name, "is not a token of a user pool")
    return value


def checked_user_pool_id(value: object, *, any_region: bool) -> str:
    """Check an ID of the form ``REGION_ID``; `any_region` is for emulators, whose prefix need not be a region."""
    pool = checked_text("user_pool_id", value, 55)
    remedy = "It looks like eu-west-1_AbCdEfGhI; an identity pool's id, with a colon, is something else"
    if not _POOL_ID.fullmatch(pool):
        raise _refuse("user_pool_id", "is not the id of a user pool", remedy)
    if not any_region and not _REGION.fullmatch(pool.split("_", 1)[0]):
        raise _refuse("user_pool_id", "does not begin with a region", remedy)
    return pool


def checked_client_id(value: object) -> str:
    """Check a ClientIdType."""
    client = checked_text("client_id", value, 128)
    if not _CLIENT_ID.fullmatch(client):
        raise _refuse("client_id", "is not the id of an app client", "Take the app client's id, not its name")
    return client


def checked_client_secret(value: object) -> str | None:
    """Check the app client's secret, or None for a public client; only the server can judge its content."""
    return None if value is None else checked_text("client_secret", value, 128, spaces=False)


def checked_endpoint_url(value: object) -> str | None:
    """Check an endpoint: https, or http to a literal loopback address, because passwords are sent there."""
    if value is None:
        return None
    url = checked_text("endpoint_url", value, 2048, spaces=False)
    check_url(url, whose="endpoint_url")
    return url


def checked_issuer(value: object) -> str | None:
    """Check an issuer like `endpoint_url`, but allow http to ``localhost``: tokens may name an issuer so."""
    if value is None:
        return None
    url = checked_text("issuer", value, 2048, spaces=False)
    check_url(url, plain_http_hosts=(LOCALHOST,), whose="issuer")
    return url


def checked_metadata(value: object, name: str = "client_metadata") -> dict[str, str]:
    """Check a ClientMetadataType: a map of strings to strings; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refuse(name, f"must be a mapping, not {type(value).__name__}")
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, str):
            raise _refuse(
                name,
                f"must map strings to strings; {_shown(key)} is {type(item).__name__}",
                "Lambda triggers get text: convert it, with json.dumps for what is nested",
            )
    return dict(value)


def _shown(key: object) -> str:
    return repr(key[:40]) if isinstance(key, str) else f"a key of type {type(key).__name__}"


def checked_attributes(value: object, name: str = "attributes") -> list[dict[str, str]]:
    """Check an AttributeListType, given as a mapping or as a sequence of ``{"Name": …, "Value": …}``."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [_attribute(name, key, item) for key, item in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_attribute(name, *_pair(name, entry)) for entry in value]
    raise _refuse(name, "must be a mapping or a list of Name and Value")


def _pair(name: str, entry: object) -> tuple[Any, Any]:
    if not isinstance(entry, Mapping) or not {"Name"} <= set(entry) <= {"Name", "Value"}:
        raise _refuse(name, "as a list must have Name and Value in each entry")
    return entry["Name"], entry.get("Value", "")


def _attribute(name: str, key: object, value: object) -> dict[str, str]:
    checked_attribute_name(key, f"{name}: an attribute's name")
    if not isinstance(value, str):
        raise _refuse(name, f"must hold strings; {_shown(key)} is {type(value).__name__}")
    if len(value) > 2048:
        raise _refuse(name, f"allows 2048 characters a value; {_shown(key)} has {len(value)}")
    return {"Name": str(key), "Value": value}


def checked_attribute_name(value: object, name: str = "attribute") -> str:
    """Check an AttributeNameType."""
    return checked_text(name, value, 32)
