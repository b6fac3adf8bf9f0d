"""Passkeys: registration, the challenge WEB_AUTHN, and the verification of both as a relying party.

The steps are those of Web Authentication Level 3, sections 7.1 (registration) and 7.2 (assertion), with attestation
``none``. An origin is https at the relying party ID or a subdomain of it, or http at ``localhost`` if that is the ID.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import refusals
from .records import Passkey, Registration, User, UserPool
from .state import Conversation, Directory, Members, Operation, ask

if TYPE_CHECKING:
    from fido2.webauthn import AuthenticatorData

_REGISTRATION_SECONDS = 300.0
_ALGORITHMS = (-7, -257)  # ES256, RS256
_MOST_PASSKEYS = 20
_LONGEST_ID = 1023


def relying_party(pool: UserPool) -> str:
    """Return the relying party ID.

    Raises:
        Refusal: the pool has no passkeys.
    """
    if "WEB_AUTHN" not in pool.settings.first_factors:
        raise refusals.passkeys_not_enabled()
    if not pool.settings.relying_party:
        raise refusals.relying_party_missing()
    return pool.settings.relying_party


def start_registration(directory: Directory, request: dict[str, Any]) -> Members:
    pool, user, claims = directory.bearer(request)
    rp_id = relying_party(pool)
    if len(user.passkeys) >= _MOST_PASSKEYS:
        raise refusals.too_many_passkeys()
    challenge = secrets.token_bytes(32)
    user.registration = Registration(challenge, claims["client_id"], directory.clock.now() + _REGISTRATION_SECONDS)
    verification = pool.settings.user_verification
    options = {
        "rp": {"id": rp_id, "name": rp_id},
        "user": {"id": base64url(user.handle), "name": user.username, "displayName": user.username},
        "challenge": base64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in _ALGORITHMS],
        "timeout": 60000,
        "excludeCredentials": [{"type": "public-key", "id": key} for key in user.passkeys],
        "authenticatorSelection": {
            "requireResidentKey": True,
            "residentKey": "required",
            "userVerification": verification,
        },
    }
    return {"CredentialCreationOptions": options}


def complete_registration(directory: Directory, request: dict[str, Any]) -> Members:
    from fido2.webauthn import AttestationObject

    pool, user, claims = directory.bearer(request)
    rp_id = relying_party(pool)
    pending, user.registration = user.registration, None
    credential = request["Credential"]
    with _malformed(refusals.credential_malformed()):
        client_data = decoded(credential["response"]["clientDataJSON"])
        attestation = AttestationObject(decoded(credential["response"]["attestationObject"]))
        named = (credential["type"], credential["id"], credential["rawId"])
    if pending is None or directory.clock.now() >= pending.expires_at:
        raise refusals.registration_expired()
    if pending.client_id != claims["client_id"]:
        raise refusals.registration_of_other_client()
    data = attestation.auth_data
    _check_client_data(client_data, "webauthn.create", pending.challenge, rp_id)
    if not hmac.compare_digest(data.rp_id_hash, hashlib.sha256(rp_id.encode()).digest()):
        raise refusals.other_relying_party()
    made = data.credential_data
    if made is None or named != ("public-key", base64url(made.credential_id), base64url(made.credential_id)):
        raise refusals.credential_malformed()
    if not _present(pool, data) or made.public_key.get(3) not in _ALGORITHMS or len(made.credential_id) > _LONGEST_ID:
        raise refusals.passkey_not_supported()
    if any(named[1] in other.passkeys for other in pool.users.values()):
        raise refusals.passkey_not_supported()
    user.passkeys[named[1]] = Passkey(
        credential_id=named[1],
        public_key=made.public_key,
        counter=data.counter,
        name=f"Passkey {len(user.passkeys) + 1}",
        relying_party=rp_id,
        created_at=directory.clock.now(),
        attachment=str(credential.get("authenticatorAttachment") or ""),
        transports=tuple(credential["response"].get("transports") or ()),
    )
    return {}


def list_credentials(directory: Directory, request: dict[str, Any]) -> Members:
    _, user, _ = directory.bearer(request)
    found = list(user.passkeys.values())
    first = _page(request.get("NextToken"), len(found))
    last = first + (request.get("MaxResults") or _MOST_PASSKEYS)
    answer: Members = {"Credentials": [_described(passkey) for passkey in found[first:last]]}
    if last < len(found):
        answer["NextToken"] = base64url(str(last).encode())
    return answer


def delete_credential(directory: Directory, request: dict[str, Any]) -> Members:
    _, user, _ = directory.bearer(request)
    if user.passkeys.pop(request["CredentialId"], None) is None:
        raise refusals.passkey_unknown()
    return {}


def begin(directory: Directory, conversation: Conversation) -> Members:
    """Ask for the assertion of one of the user's passkeys."""
    user, rp_id = conversation.user, relying_party(conversation.pool)
    assert user is not None
    challenge = secrets.token_bytes(32)
    conversation.data["passkey"] = challenge
    options = {
        "challenge": base64url(challenge),
        "timeout": 180000,
        "rpId": rp_id,
        "allowCredentials": [
            {"type": "public-key", "id": passkey.credential_id, "transports": list(passkey.transports)}
            for passkey in user.passkeys.values()
        ],
        "userVerification": conversation.pool.settings.user_verification,
    }
    return ask(directory, conversation, "WEB_AUTHN", {"CREDENTIAL_REQUEST_OPTIONS": json.dumps(options)})


def _asserted(directory: Directory, conversation: Conversation, responses: dict[str, str]) -> None:
    if not responses.get("CREDENTIAL"):
        raise refusals.missing_parameter("CREDENTIAL")
    user, pool = conversation.user, conversation.pool
    assert user is not None
    passkey, data = _verified(user, pool, conversation.data.pop("passkey"), responses["CREDENTIAL"])
    # Section 7.2 step 22: a counter that does not grow is the sign of a copied authenticator; zeros are no counter.
    if (data.counter or passkey.counter) and data.counter <= passkey.counter:
        raise refusals.wrong_password()
    passkey.counter = data.counter
    conversation.factors.append("WEB_AUTHN")
    if data.is_user_verified() and pool.settings.passkey_is_multi_factor:
        conversation.factors.append("USER_VERIFICATION")


def _verified(user: User, pool: UserPool, challenge: bytes, text: str) -> tuple[Passkey, AuthenticatorData]:
    """Return the passkey of an assertion, and what its authenticator says.

    Raises:
        Refusal: anything about it is wrong; the pool does not say what.
    """
    from cryptography.exceptions import InvalidSignature
    from fido2.webauthn import AuthenticatorData

    rp_id = relying_party(pool)
    with _malformed(refusals.wrong_password()):
        credential = json.loads(text)
        response = credential["response"]
        client_data, raw = decoded(response["clientDataJSON"]), decoded(response["authenticatorData"])
        data, signature = AuthenticatorData(raw), decoded(response["signature"])
        handle = decoded(response["userHandle"]) if response.get("userHandle") else user.handle
        passkey = user.passkeys[credential["id"]]
        right_names = (credential["type"], credential["rawId"]) == ("public-key", credential["id"])
    _check_client_data(client_data, "webauthn.get", challenge, rp_id, refusals.wrong_password())
    right_party = hmac.compare_digest(data.rp_id_hash, hashlib.sha256(rp_id.encode()).digest())
    if not (right_names and right_party and hmac.compare_digest(handle, user.handle) and _present(pool, data)):
        raise refusals.wrong_password()
    try:
        passkey.public_key.verify(raw + hashlib.sha256(client_data).digest(), signature)
    except (InvalidSignature, ValueError):
        raise refusals.wrong_password() from None
    return passkey, data


def _check_client_data(
    text: bytes, kind: str, challenge: bytes, rp_id: str, otherwise: Exception | None = None
) -> None:
    """Check type, challenge and origin; `otherwise` is raised instead of the refusals of a registration."""
    with _malformed(otherwise or refusals.credential_malformed()):
        data = json.loads(text)
        given, origin = decoded(data["challenge"]), str(data["origin"])
        right = data["type"] == kind and not data.get("crossOrigin")
    if not hmac.compare_digest(given, challenge):
        raise otherwise or refusals.registration_expired()
    if not right:
        raise otherwise or refusals.credential_malformed()
    if not allowed_origin(origin, rp_id):
        raise otherwise or refusals.origin_not_allowed()


def allowed_origin(origin: str, rp_id: str) -> bool:
    """Return whether a page of this origin may use the passkeys of a relying party."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if parts.scheme == "http" and not (host == rp_id == "localhost"):
        return False
    plain = not (parts.path or parts.query or parts.fragment or parts.username)
    return parts.scheme in ("https", "http") and plain and (host == rp_id or host.endswith(f".{rp_id}"))


def _present(pool: UserPool, data: AuthenticatorData) -> bool:
    """Return whether the user was present, and verified if the pool requires it."""
    verified = data.is_user_verified() or pool.settings.user_verification != "required"
    return data.is_user_present() and verified


def _described(passkey: Passkey) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "CredentialId": passkey.credential_id,
        "FriendlyCredentialName": passkey.name,
        "RelyingPartyId": passkey.relying_party,
        "AuthenticatorTransports": list(passkey.transports),
        "CreatedAt": passkey.created_at,
    }
    return {**answer, "AuthenticatorAttachment": passkey.attachment} if passkey.attachment else answer


def _page(token: str | None, most: int) -> int:
    if not token:
        return 0
    with _malformed(refusals.page_token_invalid()):
        first = int(decoded(token))
    if not 0 < first < most:
        raise refusals.page_token_invalid()
    return first


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """Return the bytes of a text in base64url without padding."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@contextlib.contextmanager
def _malformed(refusal: Exception) -> Iterator[None]:
    """Raise `refusal` for what a credential of the wrong form makes of its parsing."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, binascii.Error, RecursionError):
        raise refusal from None


ANSWERS: dict[str, Any] = {"WEB_AUTHN": _asserted}
OPERATIONS: dict[str, Operation] = {
    "StartWebAuthnRegistration": start_registration,
    "CompleteWebAuthnRegistration": complete_registration,
    "ListWebAuthnCredentials": list_credentials,
    "DeleteWebAuthnCredential": delete_credential,
}
