"""One secret text in a keyring, however long: whole or not at all.

Windows keeps 2,560 bytes an item, counted in UTF-16 (CRED_MAX_CREDENTIAL_BLOB_SIZE, wincred.h); a session is longer. So
a long text lies in parts under a random name, and a head item, written last, says how many there are and what they
must amount to. Whoever reads sees the old text or the new one, never a mixture.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from .keyring_backend import SERVICE, Backend, forget_item, speaking_for

#: ASCII characters an item may hold: 2,560 bytes of UTF-16 are 1,280.
MOST_CHARACTERS = 1200
_READ_TRIES = 3


@dataclass(frozen=True)
class _Head:
    """The head item: the text itself, or where its parts are."""

    text: str | None
    parts: int = 0
    name: str = ""
    digest: str = ""

    def written(self) -> str:
        if self.text is not None:
            return json.dumps({"text": self.text})
        return json.dumps({"parts": self.parts, "name": self.name, "digest": self.digest})

    @classmethod
    def of(cls, raw: str | None) -> _Head | None:
        try:
            value = json.loads(raw or "")
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        text, parts, name, digest = (value.get(key) for key in ("text", "parts", "name", "digest"))
        if isinstance(text, str):
            return cls(text)
        if isinstance(parts, int) and 0 < parts < 1000 and isinstance(name, str) and isinstance(digest, str):
            return cls(None, parts, name, digest)
        return None


class KeyringItems:
    """Texts by name.

    Args:
        backend: the keyring.
        most: characters an item may hold.
        random: text from that many random bytes.
    """

    def __init__(
        self, backend: Backend, *, most: int = MOST_CHARACTERS, random: Callable[[int], str] = secrets.token_hex
    ) -> None:
        self._backend = backend
        self._most = most
        self._random = random

    def read(self, item: str) -> str | None:
        """The text, or None where there is none or it is not whole.

        Raises:
            StorageError: the keyring cannot be asked.
        """
        for _ in range(_READ_TRIES):
            head = self._head(item)
            if head is None:
                return None
            text = head.text if head.text is not None else self._joined(item, head)
            if text is not None:
                return text
            # Somebody has replaced it between the head and a part: look again.
        return None

    def write(self, item: str, text: str) -> None:
        """Put a text (ASCII) in place; before, the parts of the old one are still whole.

        Raises:
            StorageError: the keyring did not take it; the old text is untouched.
        """
        old = self._head(item)
        head = _Head(text)
        if len(head.written()) > self._most:
            head = self._with_parts(item, text)
        with speaking_for(self._backend, "keep an item"):
            self._backend.set_password(SERVICE, item, head.written())
        self._forget_parts(item, old)

    def delete(self, item: str) -> None:
        """Forget a text: its head first, so that nobody finds half of it.

        Raises:
            StorageError: the keyring did not forget it.
        """
        head = self._head(item)
        forget_item(self._backend, item)
        self._forget_parts(item, head)

    def _with_parts(self, item: str, text: str) -> _Head:
        pieces = [text[start : start + self._most] for start in range(0, len(text), self._most)]
        head = _Head(None, len(pieces), self._random(6), hashlib.sha256(text.encode()).hexdigest())
        with speaking_for(self._backend, "keep an item"):
            for number, piece in enumerate(pieces):
                self._backend.set_password(SERVICE, _part(item, head, number), piece)
        return head

    def _head(self, item: str) -> _Head | None:
        with speaking_for(self._backend, "read an item"):
            return _Head.of(self._backend.get_password(SERVICE, item))

    def _joined(self, item: str, head: _Head) -> str | None:
        with speaking_for(self._backend, "read an item"):
            pieces = [self._backend.get_password(SERVICE, _part(item, head, number)) for number in range(head.parts)]
        text = "".join(piece or "" for piece in pieces)
        whole = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == head.digest
        return text if whole else None

    def _forget_parts(self, item: str, head: _Head | None) -> None:
        if head is not None:
            for number in range(head.parts):
                forget_item(self._backend, _part(item, head, number))


def _part(item: str, head: _Head, number: int) -> str:
    return f"{item}.{head.name}.{number}"
