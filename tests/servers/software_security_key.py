"""A security key in software that speaks CTAP 2.0 to the library fido2, with keys of `SoftwareAuthenticator`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from fido2 import cbor
from fido2.ctap import STATUS, CtapDevice
from fido2.hid import CAPABILITY

from .software_authenticator import ATTESTED, PRESENT, VERIFIED, Key, SoftwareAuthenticator, base64url, decoded

MAKE, GET, INFO, PIN = 0x01, 0x02, 0x04, 0x06
PIN_INVALID, PIN_REQUIRED = 0x31, 0x36
OK, NO_CREDENTIALS, NOT_ALLOWED, TIMEOUT, EXCLUDED = 0x00, 0x2E, 0x30, 0x2F, 0x19


class SoftwareSecurityKey(CtapDevice):  # type: ignore[misc]  # fido2 is optional where types are checked
    """A plugged-in key; `touched` says whether the user touches it in time.

    With a `pin` it wants that (PIN protocol 1); else `verifies` says whether it has a fingerprint reader.
    """

    def __init__(self, touched: bool = True, verifies: bool = True, pin: str = "") -> None:
        self.pin = pin
        self._agreement = ec.generate_private_key(ec.SECP256R1())
        self._token = secrets.token_bytes(32)
        self.keys: dict[str, Key] = {}
        self.touched = touched
        self.verifies = verifies

    @property
    def capabilities(self) -> int:
        return int(CAPABILITY.CBOR)

    def call(
        self, cmd: int, data: bytes = b"", event: Any = None, on_keepalive: Callable[[Any], None] | None = None
    ) -> bytes:
        command, request = data[0], cbor.decode(data[1:]) if data[1:] else {}
        if command == INFO:
            how = {"clientPin": True} if self.pin else {"uv": True} if self.verifies else {}
            options = {"rk": True, "up": True, **how}
            return self._answer({1: ["FIDO_2_0"], 3: bytes(16), 4: options, 6: [1]})
        if command == PIN:
            return self._client_pin(request)
        if self.pin and not self._is_proved(request, 8 if command == MAKE else 6):
            return bytes([PIN_REQUIRED])
        silent = request.get(5 if command == GET else 7, {}).get("up") is False
        if not silent and on_keepalive is not None:
            on_keepalive(STATUS.UPNEEDED)
        if not silent and not self.touched:
            return bytes([TIMEOUT])
        return self._make(request) if command == MAKE else self._get(request, silent)

    def _client_pin(self, request: dict[int, Any]) -> bytes:
        """Answer getPINRetries, getKeyAgreement and getPINToken (CTAP 2.0, section 5.5)."""
        if request[2] == 1:
            return self._answer({3: 8})
        if request[2] == 2:
            numbers = self._agreement.public_key().public_numbers()
            x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
            return self._answer({1: {1: 2, 3: -25, -1: 1, -2: x, -3: y}})
        x, y = (int.from_bytes(request[3][name], "big") for name in (-2, -3))
        theirs = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        shared = hashlib.sha256(self._agreement.exchange(ec.ECDH(), theirs)).digest()
        cipher = Cipher(algorithms.AES(shared), modes.CBC(bytes(16)))
        if cipher.decryptor().update(request[6]) != hashlib.sha256(self.pin.encode()).digest()[:16]:
            return bytes([PIN_INVALID])
        return self._answer({2: cipher.encryptor().update(self._token)})

    def _is_proved(self, request: dict[int, Any], member: int) -> bool:
        hashed = request[1 if member == 8 else 2]
        return bool(request.get(member) == hmac.digest(self._token, hashed, "sha256")[:16])

    def _make(self, request: dict[int, Any]) -> bytes:
        if any(base64url(entry["id"]) in self.keys for entry in request.get(5, ())):
            return bytes([EXCLUDED])
        authenticator = SoftwareAuthenticator(keys=self.keys)
        rp_id, user = request[2]["id"], request[3]
        authenticator.create(
            {"rp": {"id": rp_id}, "user": {"id": base64url(user["id"])}, "challenge": base64url(b"unused")}
        )
        name, key = list(self.keys.items())[-1]
        identifier = decoded(name)
        attested = bytes(16) + struct.pack(">H", len(identifier)) + identifier + key.cose(-7)
        return self._answer({1: "none", 2: self._data(rp_id, key, ATTESTED) + attested, 3: {}})

    def _get(self, request: dict[int, Any], silent: bool) -> bytes:
        allowed = [base64url(entry["id"]) for entry in request.get(3, ())]
        name = next((name for name, key in self.keys.items() if name in allowed and key.rp_id == request[1]), None)
        if name is None:
            return bytes([NO_CREDENTIALS])
        key = self.keys[name]
        key.counter += not silent
        data = self._data(request[1], key, 0)
        signature = key.private.sign(data + request[2], ec.ECDSA(hashes.SHA256()))
        credential = {"id": decoded(name), "type": "public-key"}
        return self._answer({1: credential, 2: data, 3: signature, 4: {"id": key.handle}})

    def _data(self, rp_id: str, key: Key, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, key.counter)

    @staticmethod
    def _answer(members: dict[int, Any]) -> bytes:
        return bytes([OK]) + bytes(cbor.encode(members))

    @classmethod
    def list_devices(cls) -> Iterator[CtapDevice]:
        return iter(())
