"""The sign-in conversation: InitiateAuth and its challenges.

SRP must be answered within seconds, so PASSWORD_VERIFIER and the two device challenges are answered here without user
input. Every other challenge goes to the caller as an object that holds the state needed to continue.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._util.processes import uninterrupted
from ..errors import CognitoFederationError, ConfigurationError, SignInFailedError, TokenRefreshError
from . import srp
from .api import Api, Verify, member, refreshed, signed_in
from .errors import Refusal, is_unknown_operation
from .models import (
    Challenge,
    Device,
    UserPoolTokens,
    checked_attributes,
    checked_code,
    checked_password,
    checked_text,
    checked_token,
)

FLOWS = ("USER_SRP_AUTH", "USER_PASSWORD_AUTH", "CUSTOM_AUTH")
_ROUNDS = 8  # No flow needs more automatic answers; a server that keeps asking is not completing a sign-in.


@dataclass(frozen=True)
class _Run:
    """The state of one conversation."""

    username: str
    metadata: Mapping[str, str]
    device: Device | None
    password: str = field(default="", repr=False)
    key: srp.SrpKey | None = field(default=None, repr=False)

    def named(self, parameters: Mapping[str, str]) -> _Run:
        """Return the state with the pool's own user name: after a sign-in with an alias, later answers must use it."""
        name = parameters.get("USERNAME") or parameters.get("USER_ID_FOR_SRP")
        return replace(self, username=name) if name else self


class SignIn:
    """Sign-ins at one app client.

    Args:
        api: the calls of the user pool.
        clock: returns seconds since the epoch.
        random_bytes: a source suitable for keys, such as `os.urandom`.
        verify: checks the ID token of a sign-in.
    """

    def __init__(
        self, api: Api, clock: Callable[[], float], random_bytes: Callable[[int], bytes], verify: Verify
    ) -> None:
        self._api = api
        self._verify = verify
        self._clock = clock
        self._random = random_bytes

    def start(
        self,
        username: str,
        password: str | None,
        *,
        auth_flow: str,
        first_metadata: Mapping[str, str],
        metadata: Mapping[str, str],
        device: Device | None,
    ) -> UserPoolTokens | Challenge:
        """Start a sign-in: InitiateAuth sends `first_metadata`, each later answer sends `metadata`."""
        parameters = {"USERNAME": username, **self._api.app.hashed(username)}
        run = _Run(username, metadata, device)
        if auth_flow == "USER_PASSWORD_AUTH":
            parameters["PASSWORD"] = password or ""
        elif password is not None:
            run = replace(run, password=password, key=srp.key_pair(self._random(128)))
            parameters["SRP_A"] = run.key.public_hex if run.key else ""
            if auth_flow == "CUSTOM_AUTH":
                parameters["CHALLENGE_NAME"] = "SRP_A"
        request = {"AuthFlow": auth_flow, "ClientId": self._api.app.client_id, "AuthParameters": parameters}
        if first_metadata:
            request["ClientMetadata"] = dict(first_metadata)
        answer, run = self._sent("InitiateAuth", "AuthParameters", request, run)
        return self._continued(answer, run)

    def answer(
        self, challenge: Challenge, responses: Mapping[str, str], metadata: Mapping[str, str]
    ) -> UserPoolTokens | Challenge:
        """Send the caller's answer to a challenge."""
        run = _Run(challenge.username, metadata, challenge.device)
        answer, run = self._respond(challenge.name, challenge.session, responses, run)
        return self._continued(answer, run)

    def _continued(self, answer: dict[str, Any], run: _Run) -> UserPoolTokens | Challenge:
        for _ in range(_ROUNDS):
            result = answer.get("AuthenticationResult")
            if result:
                return self._finished(result, run)
            name = str(member(answer, "ChallengeName", "sign-in"))
            parameters: dict[str, str] = answer.get("ChallengeParameters") or {}
            session = str(answer.get("Session") or "")
            run = run.named(parameters)
            if name == "PASSWORD_VERIFIER" and run.key:
                proof = self._proof(self._password_identity(parameters, run), run.password, run.key, parameters)
                answer, run = self._respond(name, session, proof, run)
            elif name == "DEVICE_SRP_AUTH" and run.device and run.device.password:
                answer, run = self._device_sign_in(session, run.device, run)
            else:
                return Challenge(name, parameters, session, run.username, run.device)
        raise SignInFailedError("the user pool asked for the password again and again")

    def _password_identity(self, parameters: Mapping[str, str], run: _Run) -> srp.Identity:
        return srp.Identity(self._api.app.srp_group, parameters.get("USER_ID_FOR_SRP") or run.username)

    def _proof(
        self, identity: srp.Identity, password: str, key: srp.SrpKey, parameters: dict[str, str]
    ) -> dict[str, str]:
        at = srp.timestamp(self._clock())
        return {
            "PASSWORD_CLAIM_SIGNATURE": srp.claim(identity, password, key, parameters, at),
            "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
            "TIMESTAMP": at,
        }

    def _device_sign_in(self, session: str, device: Device, run: _Run) -> tuple[dict[str, Any], _Run]:
        key = srp.key_pair(self._random(128))
        answer, run = self._respond("DEVICE_SRP_AUTH", session, {"SRP_A": key.public_hex}, run)
        if answer.get("ChallengeName") != "DEVICE_PASSWORD_VERIFIER":
            return answer, run
        parameters: dict[str, str] = answer.get("ChallengeParameters") or {}
        proof = self._proof(srp.Identity(device.group_key, device.key), device.password, key, parameters)
        return self._respond("DEVICE_PASSWORD_VERIFIER", str(answer.get("Session") or ""), proof, run)

    def _respond(self, name: str, session: str, responses: Mapping[str, str], run: _Run) -> tuple[dict[str, Any], _Run]:
        app = self._api.app
        request: dict[str, Any] = {
            "ClientId": app.client_id,
            "ChallengeName": name,
            "ChallengeResponses": {"USERNAME": run.username, **app.hashed(run.username), **responses},
        }
        if session:
            request["Session"] = session
        if run.metadata:
            request["ClientMetadata"] = dict(run.metadata)
        return self._sent("RespondToAuthChallenge", "ChallengeResponses", request, run)

    def _sent(
        self, operation: str, member_name: str, request: dict[str, Any], run: _Run
    ) -> tuple[dict[str, Any], _Run]:
        """Send a request with the device's key, or like AWS's own clients without it if the pool forgot the device."""
        if run.device is not None:
            known = {**request, member_name: {**request[member_name], "DEVICE_KEY": run.device.key}}
            answer = self._api.attempt(operation, known, _device_forgotten)
            if answer is not None:
                return answer, run
            run = replace(run, device=None)
        return self._api.call(operation, request), run

    def _finished(self, result: Mapping[str, Any], run: _Run) -> UserPoolTokens:
        tokens = signed_in(self._api.app, result, now=self._clock(), username=run.username, device=run.device)
        self._verify(tokens, SignInFailedError)
        fresh = result.get("NewDeviceMetadata")
        if fresh and fresh.get("DeviceKey"):
            device = Device(str(fresh["DeviceKey"]), str(fresh.get("DeviceGroupKey") or ""))
            return replace(tokens, device=self._confirmed(device, tokens.access_token))
        return tokens

    def _confirmed(self, device: Device, access_token: str) -> Device:
        """Confirm the device with a new secret; a refusal by the pool does not end the sign-in.

        A refresh needs the device's key whether or not the device is confirmed.
        """
        password = base64.b64encode(self._random(40)).decode()
        salt = int.from_bytes(self._random(16), "big")
        verifier = srp.verifier(srp.Identity(device.group_key, device.key), password, salt)
        request = {
            "AccessToken": access_token,
            "DeviceKey": device.key,
            "DeviceSecretVerifierConfig": {
                "PasswordVerifier": base64.b64encode(srp.padded(verifier)).decode(),
                "Salt": base64.b64encode(srp.padded(salt)).decode(),
            },
        }
        try:
            answer = self._api.call("ConfirmDevice", request)
        except CognitoFederationError:
            return device
        return replace(device, password=password, needs_confirmation=bool(answer.get("UserConfirmationNecessary")))


def _device_forgotten(refusal: Refusal) -> bool:
    return refusal.code == "ResourceNotFoundException" and "device" in refusal.message.lower()


def check_flow(auth_flow: str, password: str | None) -> None:
    """Refuse an unknown flow, and a flow without the password that it needs."""
    if auth_flow not in FLOWS:
        raise ConfigurationError(f"auth_flow {auth_flow[:40]!r} is not known", remedy=f"Use one of {', '.join(FLOWS)}")
    if password is None and auth_flow != "CUSTOM_AUTH":
        raise ConfigurationError(f"{auth_flow} needs a password", remedy="Only CUSTOM_AUTH goes without one")


CODE_KEYS = {
    "SMS_MFA": "SMS_MFA_CODE",
    "SOFTWARE_TOKEN_MFA": "SOFTWARE_TOKEN_MFA_CODE",
    "EMAIL_OTP": "EMAIL_OTP_CODE",
    "SMS_OTP": "SMS_OTP_CODE",
}
_ELSEWHERE = {
    "NEW_PASSWORD_REQUIRED": "complete_new_password",
    "CUSTOM_CHALLENGE": "send_custom_challenge_answer",
}
# The API's prose says EMAIL_MFA where its enumeration says EMAIL_OTP. Either is accepted; the pool's spelling is sent.
_SAME = {"EMAIL_MFA": "EMAIL_OTP", "EMAIL_OTP": "EMAIL_MFA"}


def expect_any(challenge: object) -> None:
    """Refuse an object that is not a challenge."""
    if not isinstance(challenge, Challenge):
        raise ConfigurationError(f"the challenge must be what sign_in returned, not {type(challenge).__name__}")


def expect(challenge: Challenge, *names: str) -> None:
    """Refuse a challenge that this method does not answer, and name the method that does."""
    expect_any(challenge)
    if challenge.name not in names:
        method = _ELSEWHERE.get(
            challenge.name, "confirm_sign_in" if challenge.name in _CONFIRMED else "answer_challenge"
        )
        raise ConfigurationError(f"the challenge is {challenge.name}", remedy=f"Answer it with {method}")


_CONFIRMED = (*CODE_KEYS, "SELECT_MFA_TYPE", "MFA_SETUP")


def confirmation(challenge: Challenge, answer: str) -> dict[str, str]:
    """Return the responses for a code, or for the choice of a second factor."""
    expect(challenge, *CODE_KEYS, "SELECT_MFA_TYPE")
    if challenge.name == "SELECT_MFA_TYPE":
        return {"ANSWER": _chosen(challenge, answer)}
    return {CODE_KEYS[challenge.name]: checked_code(answer)}


def _chosen(challenge: Challenge, answer: str) -> str:
    kind = checked_text("answer", answer, 64, spaces=False)
    if not challenge.choices or kind in challenge.choices:
        return kind
    if _SAME.get(kind) in challenge.choices:
        return _SAME[kind]
    raise ConfigurationError("this kind of MFA is not offered", remedy=f"Choose one of {', '.join(challenge.choices)}")


def new_password_responses(challenge: Challenge, password: str, attributes: Mapping[str, str] | None) -> dict[str, str]:
    """Return NEW_PASSWORD and a ``userAttributes.`` entry for each attribute."""
    expect(challenge, "NEW_PASSWORD_REQUIRED")
    given = {entry["Name"]: entry["Value"] for entry in checked_attributes(attributes)}
    missing = [name for name in challenge.required_attributes if name not in given]
    if missing:
        raise ConfigurationError(
            f"the user pool wants attributes: {', '.join(missing)}", remedy="Pass them in attributes"
        )
    named = {f"userAttributes.{name}": value for name, value in given.items()}
    return {"NEW_PASSWORD": checked_password(password, "new_password"), **named}


def refresh(
    api: Api,
    old: UserPoolTokens,
    metadata: Mapping[str, str],
    now: float,
    verify: Verify,
    persist: Callable[[str], None] | None = None,
) -> UserPoolTokens:
    """Return new tokens for a refresh token; `persist` stores a rotated refresh token before the answer is validated.

    GetTokensFromRefreshToken works on pools with and without rotation, REFRESH_TOKEN_AUTH only on those without. The
    second is therefore used only if the endpoint or the installed botocore does not have the first.
    """
    checked_token(old.refresh_token, "refresh_token")

    def spend() -> Mapping[str, Any]:
        answer = _renewed(api, old, metadata)
        if answer is None:
            answer = api.call("InitiateAuth", _classic(api, old, metadata))
        result: Mapping[str, Any] = member(answer, "AuthenticationResult", "refresh")
        if persist is not None:
            persist(str(result.get("RefreshToken") or old.refresh_token))
        return result

    result = uninterrupted(spend)
    renewed = refreshed(api.app, result, old, now)
    verify(renewed, TokenRefreshError)
    return renewed


def _renewed(api: Api, old: UserPoolTokens, metadata: Mapping[str, str]) -> dict[str, Any] | None:
    if not api.knows("GetTokensFromRefreshToken"):
        return None
    request: dict[str, Any] = {"RefreshToken": old.refresh_token, "ClientId": api.app.client_id}
    if api.app.client_secret is not None:
        request["ClientSecret"] = api.app.client_secret
    if old.device_key:
        request["DeviceKey"] = old.device_key
    if metadata:
        request["ClientMetadata"] = dict(metadata)
    return api.attempt("GetTokensFromRefreshToken", request, is_unknown_operation)


def _classic(api: Api, old: UserPoolTokens, metadata: Mapping[str, str]) -> dict[str, Any]:
    parameters = {"REFRESH_TOKEN": old.refresh_token, **api.app.hashed(old.username)}
    if old.device_key:
        parameters["DEVICE_KEY"] = old.device_key
    request: dict[str, Any] = {
        "AuthFlow": "REFRESH_TOKEN_AUTH",
        "ClientId": api.app.client_id,
        "AuthParameters": parameters,
    }
    return {**request, "ClientMetadata": dict(metadata)} if metadata else request


def revoke(api: Api, tokens: UserPoolTokens) -> None:
    """RevokeToken: revoke the refresh token and the access tokens issued with it; repeating it is harmless."""
    request = {"Token": checked_token(tokens.refresh_token, "refresh_token"), "ClientId": api.app.client_id}
    if api.app.client_secret is not None:
        request["ClientSecret"] = api.app.client_secret
    api.call("RevokeToken", request)


def sign_out_everywhere(api: Api, tokens: UserPoolTokens) -> None:
    """GlobalSignOut: end every sign-in of the user."""
    api.call("GlobalSignOut", {"AccessToken": checked_token(tokens.access_token, "access_token")})
