"""Encryption of documents before they leave the process: AES-256-GCM (NIST SP 800-38D) with keys that can be replaced.

The kind and the key of a document are its associated data, so that an entry which somebody moves under another user's
key does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from ..errors import ConfigurationError

_VERSION = b"\x01"
_MARK, _NONCE = 4, 12
_REMEDY = 'Make one: python3 -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"'


class UnknownKeyError(Exception):
    """The document is encrypted with a key that is not there, or in a later format."""


class Encryption:
    """Encrypts with the first of several keys, and decrypts with any.

    Args:
        keys: each 32 bytes, or their base64. To replace a key, put the new one first and remove the old one when what
            it encrypted has expired or was written again.

    Raises:
        ConfigurationError: there is no key, or one has another length.
    """

    def __init__(self, keys: Sequence[bytes | str]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if isinstance(keys, bytes | str):
            keys = [keys]
        raw = [_checked(key) for key in keys]
        if not raw:
            raise ConfigurationError("A shared cache needs a key for its encryption", remedy=_REMEDY)
        self._ciphers = {_mark(key): AESGCM(key) for key in raw}
        self._first = _mark(raw[0])

    def encrypt(self, text: bytes, *, kind: str, key: str) -> bytes:
        """Return the document in a form that only the holder of a key can read or make."""
        nonce = secrets.token_bytes(_NONCE)
        head = _VERSION + self._first
        return head + nonce + self._ciphers[self._first].encrypt(nonce, text, _bound(head, kind, key))

    def decrypt(self, data: bytes, *, kind: str, key: str) -> bytes | None:
        """Return the document; None if it is damaged, or was encrypted for another kind or key.

        Raises:
            UnknownKeyError: none of the keys encrypted it.
        """
        from cryptography.exceptions import InvalidTag

        head, rest = data[: 1 + _MARK], data[1 + _MARK :]
        if len(rest) < _NONCE:
            return None
        cipher = self._ciphers.get(head[1:]) if head[:1] == _VERSION else None
        if cipher is None:
            raise UnknownKeyError
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], _bound(head, kind, key))
        except InvalidTag:
            return None


def _checked(key: bytes | str) -> bytes:
    """Return the 32 bytes of a key."""
    if isinstance(key, str):
        try:
            key = base64.b64decode(key.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError("An encryption key is not base64", remedy=_REMEDY) from None
    if not isinstance(key, bytes):
        raise ConfigurationError(f"An encryption key is not bytes or str but {type(key).__name__}", remedy=_REMEDY)
    if len(key) != 32:
        raise ConfigurationError(f"An encryption key has {len(key)} bytes and not 32", remedy=_REMEDY)
    return key


def _mark(key: bytes) -> bytes:
    """Return what tells keys apart without telling anything about them."""
    return hashlib.sha256(b"botocore-cognito-federation encryption key" + key).digest()[:_MARK]


def _bound(head: bytes, kind: str, key: str) -> bytes:
    return b"\0".join((head, kind.encode(), key.encode()))
