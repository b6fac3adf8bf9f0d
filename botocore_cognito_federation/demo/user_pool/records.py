"""What a user pool holds: its settings, app clients and users."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..signing import SigningKey
from . import refusals
from .srp import Verifier

#: What `PoolSettings.first_factors` may hold (SignInPolicy.AllowedFirstAuthFactors).
FIRST_FACTORS = ("PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN")
#: Where a code goes, by the challenge that asks for it.
MEDIUM_OF = {"EMAIL_OTP": "EMAIL", "SMS_OTP": "SMS", "SMS_MFA": "SMS"}
ATTRIBUTE_OF = {"EMAIL": "email", "SMS": "phone_number"}


@dataclass(frozen=True)
class PoolSettings:
    """The configuration of a user pool, by the API's names where they fit.

    Attributes:
        first_factors: how a choice-based sign-in may begin, of `FIRST_FACTORS`.
        username_attributes: the attributes that users sign in with instead of a name; a UUID is then their name.
        alias_attributes: the verified attributes that work as further names at sign-in.
        auto_verified: the attributes that a code verifies after sign-up; the first that the user has gets the code.
        required_attributes: the attributes that a sign-up must have.
        self_sign_up: whether users may sign up by themselves.
        mfa: ``OFF``, ``OPTIONAL`` or ``ON``.
        mfa_kinds: of ``SOFTWARE_TOKEN_MFA``, ``SMS_MFA`` and ``EMAIL_OTP``.
        devices: ``OFF``, ``ALWAYS`` or ``USER_OPT_IN`` (DeviceOnlyRememberedOnUserPrompt).
        challenge_new_devices: whether a remembered device takes the place of the second factor.
        relying_party: RelyingPartyId of passkeys; empty if none is configured.
        user_verification: ``preferred`` or ``required``.
        passkey_is_multi_factor: FactorConfiguration MULTI_FACTOR_WITH_USER_VERIFICATION.
        custom_auth: what the triggers of CUSTOM_AUTH ask, in order: ``PASSWORD_VERIFIER``, or a question and its
            answer as ``question=answer``.
        tier: ``LITE``, ``ESSENTIALS`` or ``PLUS``.
        least_password_length: of the password policy, which also asks for one of each kind of character.
    """

    first_factors: tuple[str, ...] = ("PASSWORD",)
    username_attributes: tuple[str, ...] = ()
    alias_attributes: tuple[str, ...] = ()
    auto_verified: tuple[str, ...] = ("email",)
    required_attributes: tuple[str, ...] = ()
    self_sign_up: bool = True
    mfa: str = "OFF"
    mfa_kinds: tuple[str, ...] = ()
    devices: str = "OFF"
    challenge_new_devices: bool = True
    relying_party: str = ""
    user_verification: str = "preferred"
    passkey_is_multi_factor: bool = False
    custom_auth: tuple[str, ...] = ()
    tier: str = "ESSENTIALS"
    least_password_length: int = 8


@dataclass(frozen=True)
class AppClient:
    """An app client.

    Attributes:
        flows: ExplicitAuthFlows, without the prefix ``ALLOW_``.
        secret: empty for a public client.
        session_minutes: AuthSessionValidity, 3 to 15.
        hides_users: PreventUserExistenceErrors=ENABLED.
        rotates: RefreshTokenRotation.
        grace_seconds: how long a rotated refresh token still works.
        token_seconds: the lifetime of ID and access tokens.
        refresh_seconds: the lifetime of refresh tokens.
    """

    client_id: str
    flows: frozenset[str]
    secret: str = field(default="", repr=False)
    session_minutes: int = 3
    hides_users: bool = True
    rotates: bool = False
    grace_seconds: float = 0.0
    token_seconds: int = 3600
    refresh_seconds: int = 30 * 86400


@dataclass
class Code:
    """A code that was sent to a user."""

    value: str = field(repr=False)
    expires_at: float
    attribute: str


@dataclass
class Device:
    """A device of a user; `verifier` is set once it is confirmed."""

    key: str
    group_key: str
    created_at: float
    name: str = ""
    verifier: Verifier | None = field(default=None, repr=False)
    remembered: bool = False
    last_used_at: float = 0.0


@dataclass
class Passkey:
    """A registered passkey: its COSE public key and the last signature counter."""

    credential_id: str
    public_key: Any = field(repr=False)
    counter: int
    name: str
    relying_party: str
    created_at: float
    attachment: str = ""
    transports: tuple[str, ...] = ()


@dataclass
class User:
    """A user.

    Attributes:
        status: ``UNCONFIRMED``, ``CONFIRMED``, ``FORCE_CHANGE_PASSWORD`` or ``RESET_REQUIRED``.
        verified: the attributes that are verified.
        mfa: the kinds of second factor that are on; the preferred one first.
        mfa_preferred: whether the first of `mfa` was named as the preferred one.
        totp_pending: the secret of an authenticator application before its first code.
        totp_step: the step of the last code that was used.
        codes: the codes sent for an operation, by its name.
        failures, locked_until: wrong passwords and second factors in a row, and until when the user is locked out.
        attempts: the times of wrong codes and requests, by operation; see `state.Directory.limit`.
        handle: the user handle of passkeys.
    """

    username: str
    created_at: float
    sub: str = field(default_factory=lambda: str(uuid.uuid4()))
    attributes: dict[str, str] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)
    status: str = "UNCONFIRMED"
    enabled: bool = True
    password: Verifier | None = field(default=None, repr=False)
    password_expires_at: float | None = None
    mfa: list[str] = field(default_factory=list)
    mfa_preferred: bool = False
    totp_secret: str = field(default="", repr=False)
    totp_pending: str = field(default="", repr=False)
    totp_step: int = 0
    devices: dict[str, Device] = field(default_factory=dict)
    passkeys: dict[str, Passkey] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict, repr=False)
    failures: int = 0
    locked_until: float = 0.0
    attempts: dict[str, list[float]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    handle: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def attribute_list(self) -> list[dict[str, str]]:
        """Return the attributes as the API does: with ``sub``, and ``…_verified`` for addresses."""
        found = {"sub": self.sub, **self.attributes}
        for name in ("email", "phone_number"):
            if name in self.attributes:
                found[f"{name}_verified"] = "true" if name in self.verified else "false"
        return [{"Name": name, "Value": value} for name, value in found.items()]


class PoolKeys:
    """The two keys that sign ID and access tokens, made when the first token needs them.

    The pools of a world share them, so that a pool costs nothing; on AWS each has its own.
    """

    @cached_property
    def identity(self) -> SigningKey:
        return SigningKey.generate()

    @cached_property
    def access(self) -> SigningKey:
        return SigningKey.generate()


@dataclass
class UserPool:
    """A user pool with everything in it."""

    pool_id: str
    issuer: str
    settings: PoolSettings
    keys: PoolKeys = field(repr=False)
    clients: dict[str, AppClient] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The part of the ID that SRP hashes."""
        return self.pool_id.split("_", 1)[1]

    def user(self, name: str) -> User | None:
        """Return the user with this name, `sub`, or alias."""
        if name in self.users:
            return self.users[name]
        aliases = {*self.settings.username_attributes, *self.settings.alias_attributes}
        for user in self.users.values():
            if user.sub == name or any(
                user.attributes.get(alias) == name
                and (alias in self.settings.username_attributes or alias in user.verified or alias not in _ADDRESSES)
                for alias in aliases
            ):
                return user
        return None

    def alias_owner(self, attribute: str, value: str) -> User | None:
        """Return the user who has this value as an alias; only a verified address counts."""
        if attribute not in (*self.settings.alias_attributes, *self.settings.username_attributes):
            return None
        found = (u for u in self.users.values() if u.attributes.get(attribute) == value)
        return next((u for u in found if attribute in u.verified or attribute not in _ADDRESSES), None)

    def check_password(self, password: str) -> None:
        """Refuse a password that violates the policy.

        Raises:
            Refusal: what it lacks.
        """
        if len(password) < self.settings.least_password_length:
            raise refusals.password_policy("Password not long enough")
        for pattern, what in _POLICY:
            if not re.search(pattern, password):
                raise refusals.password_policy(f"Password must have {what} characters")

    def set_password(self, user: User, password: str) -> None:
        user.password = Verifier.of_password(self.group, user.username, password)
        user.password_expires_at = None


_ADDRESSES = ("email", "phone_number")
_POLICY = (
    (r"[0-9]", "numeric"),
    (r"[A-Z]", "uppercase"),
    (r"[a-z]", "lowercase"),
    (r"[^0-9A-Za-z]", "symbol"),
)


def masked_destination(medium: str, address: str) -> str:
    """Return an address as CodeDeliveryDetails shows it."""
    if medium == "SMS":
        return f"+{'*' * max(len(address) - 5, 0)}{address[-4:]}"
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain[:1]}***"


def named(pairs: Iterable[dict[str, str]] | None) -> dict[str, str]:
    """Return an AttributeListType as a dictionary."""
    return {pair["Name"]: pair.get("Value", "") for pair in pairs or ()}
