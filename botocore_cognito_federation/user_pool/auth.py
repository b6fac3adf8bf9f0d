"""The sign-in conversation: InitiateAuth and its challenges.

SRP must be answered within seconds, so PASSWORD_VERIFIER and the two device challenges are answered here without user
input. Every other challenge goes to the caller as an object that holds the state needed to continue.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._util.processes import uninterrupted
from ..errors import CognitoFederationError, ConfigurationError, SignInFailedError, TokenRefreshError
from . import srp
from .api import Api, Verify, member, refreshed, signed_in
from .errors import Refusal, is_unknown_operation
from .models import (
    Challenge,
    Device,
    PasswordProof,
    UserPoolTokens,
    checked_attributes,
    checked_code,
    checked_credential,
    checked_password,
    checked_text,
    checked_token,
)

FLOWS = ("USER_SRP_AUTH", "USER_PASSWORD_AUTH", "CUSTOM_AUTH", "USER_AUTH")
#: What a choice-based sign-in may begin with.
FIRST_CHALLENGES = ("PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN")
_ROUNDS = 8  # No flow needs more automatic answers; a server that keeps asking is not completing a sign-in.


@dataclass(frozen=True)
class _Run:
    """The state of one conversation."""

    username: str
    metadata: Mapping[str, str]
    device: Device | None
    proof: PasswordProof | None = None

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
        preferred_challenge: str | None = None,
        first_metadata: Mapping[str, str],
        metadata: Mapping[str, str],
        device: Device | None,
    ) -> UserPoolTokens | Challenge:
        """Start a sign-in: InitiateAuth sends `first_metadata`, each later answer sends `metadata`.

        A device without its password cannot answer what a pool asks of a device, so its key is not sent.
        """
        parameters = {"USERNAME": username, **self._api.app.hashed(username)}
        run = _Run(username, metadata, device if device is not None and device.password else None)
        if preferred_challenge is not None:
            parameters["PREFERRED_CHALLENGE"] = preferred_challenge
        if auth_flow == "USER_PASSWORD_AUTH" or preferred_challenge == "PASSWORD":
            parameters.update({} if password is None else {"PASSWORD": password})
        elif password is not None:
            run = self._with_password(run, password)
            parameters["SRP_A"] = run.proof.key.public_hex if run.proof else ""
            if auth_flow == "CUSTOM_AUTH":
                parameters["CHALLENGE_NAME"] = "SRP_A"
        request = {"AuthFlow": auth_flow, "ClientId": self._api.app.client_id, "AuthParameters": parameters}
        if first_metadata:
            request["ClientMetadata"] = dict(first_metadata)
        answer, run = self._sent("InitiateAuth", "AuthParameters", request, run)
        return self._continued(answer, run)

    def confirmed(self, username: str, session: str, metadata: Mapping[str, str]) -> UserPoolTokens | Challenge:
        """Sign in a user who has just confirmed the account, with the Session of ConfirmSignUp."""
        parameters = {"USERNAME": username, **self._api.app.hashed(username)}
        request: dict[str, Any] = {
            "AuthFlow": "USER_AUTH",
            "ClientId": self._api.app.client_id,
            "AuthParameters": parameters,
            "Session": session,
        }
        if metadata:
            request["ClientMetadata"] = dict(metadata)
        return self._continued(self._api.call("InitiateAuth", request), _Run(username, metadata, None))

    def answer(
        self,
        challenge: Challenge,
        responses: Mapping[str, str],
        metadata: Mapping[str, str],
        *,
        password: str | None = None,
    ) -> UserPoolTokens | Challenge:
        """Send the caller's answer to a challenge; `password` is proved by SRP, its SRP_A is added."""
        run = _Run(challenge.username, metadata, challenge.device, challenge.proof)
        if password is not None:
            run = self._with_password(run, password)
            responses = {**responses, "SRP_A": run.proof.key.public_hex if run.proof else ""}
        answer, run = self._respond(challenge.name, challenge.session, responses, run)
        return self._continued(answer, run)

    def _with_password(self, run: _Run, password: str) -> _Run:
        return replace(run, proof=PasswordProof(password, srp.key_pair(self._random(128))))

    def _continued(self, answer: dict[str, Any], run: _Run) -> UserPoolTokens | Challenge:
        proved = False
        for _ in range(_ROUNDS):
            result = answer.get("AuthenticationResult")
            if result:
                return self._finished(result, run)
            name = str(member(answer, "ChallengeName", "sign-in"))
            parameters: dict[str, str] = answer.get("ChallengeParameters") or {}
            session = str(answer.get("Session") or "")
            run = run.named(parameters)
            if name == "PASSWORD_VERIFIER":
                answer, run = self._respond(name, session, self._password_proof(parameters, run), run)
                proved = True
            elif name == "DEVICE_SRP_AUTH" and run.device and run.device.password:
                answer, run = self._device_sign_in(session, run.device, run)
            else:
                available = tuple(str(each) for each in answer.get("AvailableChallenges") or ())
                proof = run.proof if name == "CUSTOM_CHALLENGE" and not proved else None
                return Challenge(name, parameters, session, run.username, run.device, "", available, proof)
        raise SignInFailedError("The user pool asked for the password again and again")

    def _password_proof(self, parameters: dict[str, str], run: _Run) -> dict[str, str]:
        if run.proof is None:
            raise ConfigurationError(
                "The user pool asks for the password, which this sign-in does not have",
                remedy="Begin the sign-in again with the password: the pool's triggers want it with their questions",
            )
        identity = srp.Identity(self._api.app.srp_group, parameters.get("USER_ID_FOR_SRP") or run.username)
        return self._proof(identity, run.proof.password, run.proof.key, parameters)

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


def checked_flow(auth_flow: str | None, password: str | None, preferred: str | None) -> tuple[str, str | None]:
    """Return the flow and the preferred challenge of a sign-in.

    Raises:
        ConfigurationError: the flow or the challenge is unknown, or they do not go with each other or the password.
    """
    flow = ("USER_SRP_AUTH" if preferred is None else "USER_AUTH") if auth_flow is None else auth_flow
    if flow not in FLOWS:
        raise ConfigurationError(f"auth_flow {flow[:40]!r} is not known", remedy=f"Use one of {', '.join(FLOWS)}")
    if preferred is not None and preferred not in FIRST_CHALLENGES:
        raise ConfigurationError(
            f"preferred_challenge {str(preferred)[:40]!r} is not known",
            remedy=f"Use one of {', '.join(FIRST_CHALLENGES)}",
        )
    if flow != "USER_AUTH":
        if preferred is not None:
            raise ConfigurationError(f"{flow} has no preferred_challenge", remedy="Leave auth_flow out")
        if password is None and flow != "CUSTOM_AUTH":
            raise ConfigurationError(
                f"{flow} needs a password",
                remedy='Without one, pass preferred_challenge, or auth_flow="USER_AUTH" for the user to choose',
            )
        return flow, None
    if password is not None and preferred not in (None, "PASSWORD", "PASSWORD_SRP"):
        raise ConfigurationError(f"{preferred} goes without a password", remedy="Leave the password out")
    return flow, preferred or ("PASSWORD_SRP" if password is not None else None)


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
        raise ConfigurationError(f"The challenge must be what sign_in returned, not {type(challenge).__name__}")


def expect(challenge: Challenge, *names: str) -> None:
    """Refuse a challenge that this method does not answer, and name the method that does."""
    expect_any(challenge)
    if challenge.name not in names:
        method = _ELSEWHERE.get(
            challenge.name, "confirm_sign_in" if challenge.name in _CONFIRMED else "answer_challenge"
        )
        raise ConfigurationError(f"The challenge is {challenge.name}", remedy=f"Answer it with {method}")


_CONFIRMED = (*CODE_KEYS, "SELECT_MFA_TYPE", "MFA_SETUP", "SELECT_CHALLENGE", "PASSWORD", "PASSWORD_SRP", "WEB_AUTHN")


def confirmation(challenge: Challenge, answer: str | Mapping[str, Any]) -> dict[str, str]:
    """Return the responses for a code, a choice, a password or a passkey's assertion."""
    expect(challenge, *_CONFIRMED)
    if challenge.name == "WEB_AUTHN":
        return {"CREDENTIAL": checked_credential(answer)}
    if not isinstance(answer, str):
        raise ConfigurationError(f"The answer to {challenge.name} must be a string, not {type(answer).__name__}")
    if challenge.name in ("SELECT_MFA_TYPE", "SELECT_CHALLENGE"):
        return {"ANSWER": _chosen(challenge, answer)}
    if challenge.name == "PASSWORD":
        return {"PASSWORD": checked_password(answer)}
    return {CODE_KEYS[challenge.name]: checked_code(answer)}


def _chosen(challenge: Challenge, answer: str) -> str:
    kind = checked_text("answer", answer, 64, spaces=False)
    if not challenge.choices or kind in challenge.choices:
        return kind
    if _SAME.get(kind) in challenge.choices:
        return _SAME[kind]
    what = "challenge" if challenge.name == "SELECT_CHALLENGE" else "kind of MFA"
    raise ConfigurationError(f"This {what} is not offered", remedy=f"Choose one of {', '.join(challenge.choices)}")


def new_password_responses(challenge: Challenge, password: str, attributes: Mapping[str, str] | None) -> dict[str, str]:
    """Return NEW_PASSWORD and a ``userAttributes.`` entry for each attribute."""
    expect(challenge, "NEW_PASSWORD_REQUIRED")
    given = {entry["Name"]: entry["Value"] for entry in checked_attributes(attributes)}
    missing = [name for name in challenge.required_attributes if name not in given]
    if missing:
        raise ConfigurationError(
            f"The user pool wants attributes: {', '.join(missing)}", remedy="Pass them in attributes"
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
