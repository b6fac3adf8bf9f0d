"""What the federation needs of a store: documents by kind and key, and locks. Files, memory and keyring look alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

#: Written into every document. A later format that today's code cannot read is a miss, not an error.
FORMAT = 1

CREDENTIALS = "credentials"
IDENTITIES = "identities"
FAILURES = "failures"
GENERATIONS = "generations"
NOTES = "notes"
SESSIONS = "sessions"
SECRETS = "secrets"
DOCUMENTS = "documents"
LINKS = "links"

#: What a keyring takes instead of files.
SECRET_KINDS = frozenset({CREDENTIALS, SESSIONS, SECRETS})


class Store(Protocol):
    """Documents, each under a kind and a key made by `key_of`."""

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """The document, or None where there is none; damage is a miss."""
        ...

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Put a document in place, whole or not at all.

        Raises:
            StorageError: it could not be written.
        """
        ...

    def delete(self, kind: str, key: str) -> None:
        """Forget a document.

        Raises:
            StorageError: it is there and could not be removed.
        """
        ...

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """All documents of a kind, with their keys."""
        ...

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        """Hold the lock `name`; what it gives is whether it was taken within `timeout` seconds.

        Raises:
            StorageError: this place cannot have locks.
        """
        ...

    def note(self, text: str) -> None:
        """Remember something worth a word for ``status`` and ``doctor``; never raises."""
        ...


def key_of(parts: Mapping[str, object]) -> str:
    """The key of a document: a digest of everything that tells it from others."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        value = parts[name]
        for text in (name, "" if value is None else str(value)):
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(raw) + raw)
    return digest.hexdigest()
