"""Between files and keyring: what a changed ``cognito_cache`` has left in the other place is not lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import StorageError
from .base import CREDENTIALS, SECRET_KINDS
from .files import FileStore
from .keyring_backend import Backend, system_backend
from .keyring_store import KeyringStore

_LOCK_TIMEOUT = 45.0


class FilesAfterKeyring(FileStore):
    """`FileStore` that also finds what was kept in the keyring before, and moves it on its first use.

    Args:
        directory: see `FileStore`.
        backend: gives the keyring; not called unless a file says that it holds what is looked for.
    """

    def __init__(self, directory: str, backend: Callable[[], Backend] = system_backend) -> None:
        super().__init__(directory)
        self.keyring = KeyringStore(FileStore(directory), backend)

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        if kind in SECRET_KINDS and self.keyring.holds(kind, key):
            # The item is newer than a file, because moving it removes it; see `KeyringStore`.
            document = self.keyring.read_here(kind, key)
            if document is not None:
                self._move(kind, key)
                return document
        return super().read(kind, key)

    def _move(self, kind: str, key: str) -> None:
        """Take a document over, unless somebody is about to renew it: what they keep must not be written over."""
        # A place that cannot be written or has no locks: what is in the keyring still counts.
        with contextlib.suppress(StorageError), self.lock(f"session-{key}", timeout=0) as taken:
            document = self.keyring.read_here(kind, key) if taken and self.keyring.holds(kind, key) else None
            if document is not None:
                self.write(kind, key, document)

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        super().write(kind, key, document)
        if kind in SECRET_KINDS:
            self.keyring.delete_here(kind, key)

    def delete(self, kind: str, key: str) -> None:
        super().delete(kind, key)
        if kind in SECRET_KINDS:
            self.keyring.delete_here(kind, key)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        elsewhere = set(self.keyring.keys(kind)) if kind in SECRET_KINDS else set()
        for key, document in super().documents(kind):
            if key not in elsewhere:
                yield key, document
        for key in sorted(elsewhere):
            moved = self.keyring.read_here(kind, key)
            if moved is not None:
                yield key, moved


def move_scope(scope: str, store: FilesAfterKeyring | KeyringStore) -> int:
    """Move the sign-ins and client secrets of a scope to `store`, where its configuration keeps them from now on.

    AWS credentials are not moved but forgotten in the place they were: they are fetched again.

    Returns:
        How many documents were moved.

    Raises:
        StorageError: a place cannot be used; what was not moved is where it was.
    """
    moved = 0
    for kind in sorted(SECRET_KINDS):
        for key, document in list(_elsewhere(store, kind)):
            if document.get("scope") != scope:
                continue
            if kind == CREDENTIALS:
                store.delete(kind, key)
                continue
            with store.lock(f"session-{key}", timeout=_LOCK_TIMEOUT) as taken:
                if not taken:
                    raise StorageError("A process is renewing the sign-in that is to be moved", remedy="Try again")
                newest = store.read(kind, key)
                if newest is not None:
                    store.write(kind, key, newest)
                    moved += 1
    return moved


def _elsewhere(store: FilesAfterKeyring | KeyringStore, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(store, KeyringStore):
        yield from store.files.documents(kind)
        return
    for key in store.keyring.keys(kind):
        document = store.keyring.read_here(kind, key)
        if document is not None:
            yield key, document
