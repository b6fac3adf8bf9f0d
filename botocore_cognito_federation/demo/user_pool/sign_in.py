"""InitiateAuth and RespondToAuthChallenge: the state machine of a sign-in.

A sign-in passes a first factor (password, code or passkey), then whatever the user still owes: a new password, a
known device, a second factor. Each step leaves a `Conversation` under a new Session, or the tokens. The order of the
steps is that of the developer guide; what clients observe was compared with amazon-cognito-identity-js and pycognito.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import choices, devices, passkeys, passwords, refusals, second_factors
from .records import AppClient, UserPool
from .state import Conversation, Directory, Members, Operation

Answer = Callable[[Directory, Conversation, dict[str, str]], "Members | None"]
"""Takes the ChallengeResponses of one challenge; returns the next challenge, or None if the factor is passed."""

ANSWERS: dict[str, Answer] = {
    **passwords.ANSWERS,
    **choices.ANSWERS,
    **second_factors.ANSWERS,
    **devices.ANSWERS,
    **passkeys.ANSWERS,
}


def initiate_auth(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.client(request["ClientId"])
    flow = request["AuthFlow"]
    parameters: dict[str, str] = request.get("AuthParameters") or {}
    if flow in ("REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"):
        return _refresh(directory, pool, client, parameters)
    if flow not in client.flows:
        raise refusals.flow_not_enabled(flow)
    username = parameters.get("USERNAME", "")
    if not username:
        raise refusals.missing_parameter("USERNAME")
    directory.check_secret(client, username, parameters.get("SECRET_HASH"))
    user = pool.user(username)
    if user is None and not client.hides_users:
        raise refusals.unknown_user()
    if user is not None:
        directory.check_lock(user)
    conversation = Conversation(pool, client, username, user, flow, device_key=parameters.get("DEVICE_KEY", ""))
    devices.check_key(conversation)
    if flow == "USER_AUTH":
        found = choices.begin(directory, conversation, parameters, request.get("Session"))
    else:
        found = passwords.begin(directory, conversation, parameters)
    return found if found is not None else advance(directory, conversation)


def respond_to_auth_challenge(directory: Directory, request: dict[str, Any]) -> Members:
    _, client = directory.client(request["ClientId"])
    responses: dict[str, str] = request.get("ChallengeResponses") or {}
    session = request.get("Session") or _secret_block(request["ChallengeName"], responses)
    if not session:
        raise refusals.missing_parameter("Session")
    if not responses.get("USERNAME"):
        raise refusals.missing_parameter("USERNAME")
    directory.check_secret(client, responses["USERNAME"], responses.get("SECRET_HASH"))
    conversation = directory.sessions.take(session, client)
    try:
        if not _same_user(conversation, responses["USERNAME"]):
            raise refusals.session_invalid()
        if request["ChallengeName"] != conversation.challenge:
            raise refusals.other_challenge(conversation.challenge)
        if conversation.user is not None:
            directory.check_lock(conversation.user)
        found = ANSWERS[conversation.challenge](directory, conversation, responses)
    except refusals.Retryable:
        directory.sessions.restore(session, conversation)
        raise
    return found if found is not None else advance(directory, conversation)


def _secret_block(challenge: str, responses: dict[str, str]) -> str:
    """Return what takes the place of the Session of USER_SRP_AUTH."""
    return responses.get("PASSWORD_CLAIM_SECRET_BLOCK", "") if challenge == "PASSWORD_VERIFIER" else ""


def advance(directory: Directory, conversation: Conversation) -> Members:
    """Return the next challenge after a factor was passed, or the tokens."""
    user = conversation.user
    if user is None:  # a simulated user passes no factor
        raise refusals.wrong_password()
    if not user.enabled:
        raise refusals.disabled()
    if user.status == "UNCONFIRMED":
        raise refusals.not_confirmed()
    if user.status == "RESET_REQUIRED":
        raise refusals.password_reset_required()
    if user.status == "FORCE_CHANGE_PASSWORD":
        return passwords.ask_for_new(directory, conversation)
    owed = devices.owed(directory, conversation) or second_factors.owed(directory, conversation)
    if owed is not None:
        return owed
    user.failures = 0
    device = devices.device_of_sign_in(directory, conversation)
    result = directory.tokens.sign_in(conversation.pool, conversation.client, user, device.key if device else "")
    if device is not None and device.verifier is None:
        result["NewDeviceMetadata"] = {"DeviceKey": device.key, "DeviceGroupKey": device.group_key}
    return {"AuthenticationResult": result, "ChallengeParameters": {}}


def _same_user(conversation: Conversation, name: str) -> bool:
    if conversation.user is None:
        return name == conversation.typed
    return conversation.pool.user(name) is conversation.user


def _refresh(directory: Directory, pool: UserPool, client: AppClient, parameters: dict[str, str]) -> Members:
    if client.rotates:
        raise refusals.flow_not_enabled("REFRESH_TOKEN_AUTH")
    token = parameters.get("REFRESH_TOKEN", "")
    if not token:
        raise refusals.missing_parameter("REFRESH_TOKEN")
    if client.secret:
        directory.check_secret(client, directory.tokens.username_of(token), parameters.get("SECRET_HASH"))
    result = directory.tokens.refresh(pool, client, token, parameters.get("DEVICE_KEY", ""))
    return {"AuthenticationResult": result, "ChallengeParameters": {}}


def get_tokens_from_refresh_token(directory: Directory, request: dict[str, Any]) -> Members:
    pool, client = directory.client(request["ClientId"])
    directory.check_plain_secret(client, request.get("ClientSecret"))
    result = directory.tokens.refresh(pool, client, request["RefreshToken"], request.get("DeviceKey") or "")
    return {"AuthenticationResult": result}


def revoke_token(directory: Directory, request: dict[str, Any]) -> Members:
    _, client = directory.client(request["ClientId"])
    directory.check_plain_secret(client, request.get("ClientSecret"))
    directory.tokens.revoke(client, request["Token"])
    return {}


def global_sign_out(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, _ = directory.bearer(request)
    directory.tokens.revoke_user(pool, user)
    return {}


OPERATIONS: dict[str, Operation] = {
    "InitiateAuth": initiate_auth,
    "RespondToAuthChallenge": respond_to_auth_challenge,
    "GetTokensFromRefreshToken": get_tokens_from_refresh_token,
    "RevokeToken": revoke_token,
    "GlobalSignOut": global_sign_out,
}
