"""A passkey provider in software: a browser's WebAuthn and an authenticator in one, which can also lie.

It shares no code with the product or the demo world: CBOR and the authenticator data are written here by hand, from
Web Authentication Level 3 and RFC 9053.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: Any) -> bytes:
    """Return a value in CBOR (RFC 8949): numbers, texts, byte strings and maps."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(entry) for key, entry in value.items())


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    return struct.pack(">BB", major << 5 | 24, number) if number < 256 else struct.pack(">BH", major << 5 | 25, number)


@dataclass
class Key:
    """A passkey on this authenticator."""

    rp_id: str
    handle: bytes
    counter: int = 0
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def cose(self, algorithm: int) -> bytes:
        numbers = self.private.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor({1: 2, 3: algorithm, -1: 1, -2: x, -3: y})


@dataclass
class SoftwareAuthenticator:
    """Makes and uses passkeys. `origin`, `rp_id`, `challenge` and the flags lie for attacks; None tells the truth."""

    origin: str | None = None
    rp_id: str | None = None
    challenge: str | None = None
    flags: int = PRESENT | VERIFIED
    counts: bool = True
    names_user: bool = True
    algorithm: int = -7
    keys: dict[str, Key] = field(default_factory=dict)

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return a RegistrationResponseJSON for PublicKeyCredentialCreationOptionsJSON."""
        rp_id = str(options["rp"]["id"])
        credential_id = secrets.token_bytes(16)
        key = Key(rp_id, decoded(options["user"]["id"]))
        self.keys[base64url(credential_id)] = key
        attested = bytes(16) + struct.pack(">H", 16) + credential_id + key.cose(self.algorithm)
        data = self._data(rp_id, self.flags | ATTESTED, key.counter) + attested
        return self._credential(
            base64url(credential_id),
            clientDataJSON=self._client_data("webauthn.create", options, rp_id),
            attestationObject=cbor({"fmt": "none", "attStmt": {}, "authData": data}),
            transports=["internal"],
        )

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return an AuthenticationResponseJSON for PublicKeyCredentialRequestOptionsJSON."""
        allowed = [entry["id"] for entry in options.get("allowCredentials", ())]
        name = next((name for name in self.keys if name in allowed), None) or next(iter(self.keys))
        key = self.keys[name]
        key.counter += self.counts
        data = self._data(str(options["rpId"]), self.flags, key.counter)
        client_data = self._client_data("webauthn.get", options, str(options["rpId"]))
        signature = key.private.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        user = {"userHandle": key.handle} if self.names_user else {}
        return self._credential(name, clientDataJSON=client_data, authenticatorData=data, signature=signature, **user)

    def _data(self, rp_id: str, flags: int, counter: int) -> bytes:
        return hashlib.sha256((self.rp_id or rp_id).encode()).digest() + struct.pack(">BI", flags, counter)

    def _client_data(self, kind: str, options: Mapping[str, Any], rp_id: str) -> bytes:
        challenge = self.challenge or options["challenge"]
        data = {"type": kind, "challenge": challenge, "origin": self.origin or f"https://{rp_id}", "crossOrigin": False}
        return json.dumps(data).encode()

    @staticmethod
    def _credential(name: str, **response: Any) -> dict[str, Any]:
        shown = {key: base64url(value) if isinstance(value, bytes) else value for key, value in response.items()}
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": shown,
        }
