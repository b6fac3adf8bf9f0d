"""Second factors after a password: choice, authenticator applications, codes by SMS and e-mail, and their set-up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import struct
from typing import Any

from . import refusals
from .records import ATTRIBUTE_OF, MEDIUM_OF, User
from .state import Conversation, Directory, Members, Operation, ask

TOTP = "SOFTWARE_TOKEN_MFA"
_STEP = 30


def owed(directory: Directory, conversation: Conversation) -> Members | None:
    """Return the challenge of a second factor, if the user still owes one."""
    pool, user = conversation.pool, conversation.user
    assert user is not None
    if pool.settings.mfa == "OFF" or "DEVICE" in conversation.factors or len(set(conversation.factors)) > 1:
        return None
    kinds = [kind for kind in user.mfa if _usable(user, kind)]
    if not kinds and pool.settings.mfa == "ON":
        kinds = [k for k in pool.settings.mfa_kinds if k in MEDIUM_OF and _usable(user, k)]
    if not kinds:
        return _ask_for_set_up(directory, conversation) if pool.settings.mfa == "ON" else None
    if len(kinds) == 1 or user.mfa_preferred:
        return _ask(directory, conversation, kinds[0])
    parameters = {"MFAS_CAN_CHOOSE": json.dumps(kinds), "USER_ID_FOR_SRP": user.username}
    return ask(directory, conversation, "SELECT_MFA_TYPE", parameters)


def _usable(user: User, kind: str) -> bool:
    return bool(user.totp_secret) if kind == TOTP else ATTRIBUTE_OF[MEDIUM_OF[kind]] in user.attributes


def _ask(directory: Directory, conversation: Conversation, kind: str) -> Members:
    user = conversation.user
    assert user is not None
    parameters = {"USER_ID_FOR_SRP": user.username}
    if kind in MEDIUM_OF:
        medium = MEDIUM_OF[kind]
        code, shown = directory.send_code(conversation.pool, user, user.username, medium, kind)
        conversation.data["code"] = code
        parameters.update(CODE_DELIVERY_DELIVERY_MEDIUM=medium, CODE_DELIVERY_DESTINATION=shown)
    return ask(directory, conversation, kind, parameters)


def _ask_for_set_up(directory: Directory, conversation: Conversation) -> Members:
    kinds = json.dumps(list(conversation.pool.settings.mfa_kinds))
    return ask(directory, conversation, "MFA_SETUP", {"MFAS_CAN_SETUP": kinds})


def _selected(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> Members:
    user = conversation.user
    assert user is not None
    chosen = {"EMAIL_MFA": "EMAIL_OTP"}.get(responses.get("ANSWER", ""), responses.get("ANSWER", ""))
    if not chosen:
        raise refusals.missing_parameter("ANSWER")
    if chosen not in user.mfa or not _usable(user, chosen):
        raise refusals.choice_not_offered()
    return _ask(directory, conversation, chosen)


def _totp_answer(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> None:
    user = conversation.user
    assert user is not None
    given = responses.get("SOFTWARE_TOKEN_MFA_CODE", "")
    if not given:
        raise refusals.missing_parameter("SOFTWARE_TOKEN_MFA_CODE")
    step = matching_step(user.totp_secret, given, directory.clock.now())
    if step is None:
        directory.note_failure(user)
        raise refusals.totp_mismatch()
    if step <= user.totp_step:  # RFC 6238 section 5.2: a code is accepted once
        raise refusals.totp_used()
    user.totp_step = step
    conversation.factors.append(TOTP)


def matching_step(secret: str, code: str, now: float) -> int | None:
    """Return the time step whose code this is: the present one or a neighbour (RFC 6238 section 5.2)."""
    present = int(now) // _STEP
    return next((s for s in (present, present - 1, present + 1) if hmac.compare_digest(totp(secret, s), code)), None)


def totp(secret: str, step: int) -> str:
    """Return the code of an authenticator application (RFC 6238, six digits, SHA-1)."""
    try:
        key = base64.b32decode(secret)
    except binascii.Error:  # pragma: no cover - the secrets are made here
        return ""
    digest = hmac.digest(key, struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def associate_software_token(directory: Directory, request: dict[str, Any]) -> Members:
    """Make a secret for an authenticator application: of a signed-in user, or for the challenge MFA_SETUP."""
    secret = base64.b32encode(secrets.token_bytes(32)).decode().rstrip("=")
    secret += "A" * (-len(secret) % 8)
    if request.get("AccessToken"):
        _, user, _ = directory.bearer(request)
        user.totp_pending = secret
        return {"SecretCode": secret}
    conversation = _set_up_session(directory, request)
    user = _user(conversation)
    user.totp_pending = secret
    return {"SecretCode": secret, "Session": directory.sessions.open(conversation)}


def verify_software_token(directory: Directory, request: dict[str, Any]) -> Members:
    """Check the first code of an authenticator application, and turn it on."""
    if request.get("AccessToken"):
        _, user, _ = directory.bearer(request)
        _verify(directory, user, request["UserCode"])
        return {"Status": "SUCCESS"}
    conversation = _set_up_session(directory, request)
    try:
        _verify(directory, _user(conversation), request["UserCode"])
    except refusals.Retryable:
        directory.sessions.restore(request["Session"], conversation)
        raise
    conversation.data["verified"] = True
    return {"Status": "SUCCESS", "Session": directory.sessions.open(conversation)}


def _verify(directory: Directory, user: User, code: str) -> None:
    if not user.totp_pending:
        raise refusals.no_software_token()
    step = matching_step(user.totp_pending, code, directory.clock.now())
    if step is None:
        raise refusals.totp_set_up_mismatch()
    user.totp_secret, user.totp_pending, user.totp_step = user.totp_pending, "", step


def _set_up_session(directory: Directory, request: dict[str, Any]) -> Conversation:
    if not request.get("Session"):
        raise refusals.missing_parameter("Session")
    conversation = directory.sessions.take_any(request["Session"])
    if conversation.challenge != "MFA_SETUP":
        raise refusals.session_invalid()
    return conversation


def _user(conversation: Conversation) -> User:
    assert conversation.user is not None
    return conversation.user


def _set_up(directory: Directory, conversation: Conversation, _: dict[str, str]) -> None:
    if not conversation.data.get("verified"):
        raise refusals.no_software_token()
    user = _user(conversation)
    user.mfa = [TOTP, *(kind for kind in user.mfa if kind != TOTP)]
    conversation.factors.append(TOTP)


ANSWERS: dict[str, Any] = {"SELECT_MFA_TYPE": _selected, TOTP: _totp_answer, "MFA_SETUP": _set_up}
OPERATIONS: dict[str, Operation] = {
    "AssociateSoftwareToken": associate_software_token,
    "VerifySoftwareToken": verify_software_token,
}
