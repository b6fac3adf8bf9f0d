"""The store in the operating system's keyring: secrets there, everything else in files, behind the same interface.

Beside each item lies a small file that names it, because a keyring cannot be listed; there is no secret in it. Locks
are files too, the same as those of `FileStore`, so that whoever uses one place and whoever uses the other still take
turns.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ..errors import StorageError
from .base import CREDENTIALS, FORMAT, SECRET_KINDS, cache_key
from .file import FileStore
from .keyring_backend import Backend, KeyringItems, name_of, probe, system_backend

#: The kind of the files that name the items.
INDEX = "keyring"
_TRIED_OUT = cache_key({"what": "the keyring that was tried out"})
#: Seconds after their expiry for which credentials stay in the keyring.
_CREDENTIALS_KEPT = 2 * 86_400


class KeyringStore:
    """`Store` whose `SECRET_KINDS` are in the keyring. Nothing is touched before the first read or write.

    Args:
        files: holds the rest, and what another configuration has left there: it is moved on its first use.
        backend: gives the keyring on first need.
    """

    def __init__(self, files: FileStore, backend: Callable[[], Backend] = system_backend) -> None:
        self.files = files
        self._make_backend = backend
        self._made: KeyringItems | None = None

    @property
    def directory(self) -> str:
        return self.files.directory

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        if kind not in SECRET_KINDS:
            return self.files.read(kind, key)
        return self._arrived(kind, key) or self.read_here(kind, key)

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        if kind not in SECRET_KINDS:
            self.files.write(kind, key, document)
            return
        items = self._items()
        self._name(kind, key, document)
        items.write(self._item(kind, key), json.dumps({**document, "format": FORMAT}, separators=(",", ":")))
        self.files.delete(kind, key)
        if kind == CREDENTIALS:
            self._forget_expired(key)

    def delete(self, kind: str, key: str) -> None:
        self.files.delete(kind, key)
        if kind in SECRET_KINDS:
            self.delete_here(kind, key)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if kind not in SECRET_KINDS:
            yield from self.files.documents(kind)
            return
        for key in self.keys(kind):
            document = self.read_here(kind, key)
            if document is not None:
                yield key, document

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        return self.files.lock(name, timeout=timeout)

    def warn(self, text: str) -> None:
        self.files.warn(text)

    def keys(self, kind: str) -> list[str]:
        """The keys of what the keyring holds of a kind; the keyring itself is not asked."""
        named = [entry for _, entry in self.files.documents(INDEX) if entry.get("kind") == kind]
        return [str(entry["key"]) for entry in named if isinstance(entry.get("key"), str)]

    def holds(self, kind: str, key: str) -> bool:
        """Whether the keyring holds a document; the keyring itself is not asked."""
        return self.files.read(INDEX, _name_of(kind, key)) is not None

    def read_here(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """The document in the keyring, wherever else there may be one.

        Raises:
            StorageError: the keyring cannot be asked. Unlike a damaged file it is no miss: the sign-in is still there.
        """
        if not self.holds(kind, key):
            return None
        text = self._items().read(self._item(kind, key))
        try:
            document = json.loads(text) if text is not None else None
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            self.warn(f"An item of the keyring ({kind}) is missing or damaged; it counts as missing")
            return None
        return document

    def delete_here(self, kind: str, key: str) -> None:
        """Forget a document in the keyring, whatever the files hold.

        Raises:
            StorageError: it is there and could not be removed.
        """
        if self.holds(kind, key):
            self._items().delete(self._item(kind, key))
            self.files.delete(INDEX, _name_of(kind, key))

    def _arrived(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """What lies in a file although its place is here now.

        A file is newer than the item, because moving it removes it: a process that began before ``cognito_cache`` was
        changed has written it since.
        """
        document = self.files.read(kind, key)
        if document is not None:
            # Not while somebody is about to renew it: what they keep must not be written over. A place that cannot be
            # written or has no locks: what is in the file still counts.
            with contextlib.suppress(StorageError), self.files.lock(f"session-{key}", timeout=0) as taken:
                latest = self.files.read(kind, key) if taken else None
                if latest is not None:
                    self.write(kind, key, latest)
        return document

    def _items(self) -> KeyringItems:
        if self._made is None:
            backend = self._make_backend()
            name = name_of(backend)
            tried = self.files.read(INDEX, _TRIED_OUT)
            if tried is None or tried.get("backend") != name:
                probe(backend)
                # A place that cannot be written only means that the keyring is tried out each time.
                with contextlib.suppress(StorageError):
                    self.files.write(INDEX, _TRIED_OUT, {"backend": name})
            self._made = KeyringItems(backend)
        return self._made

    def _item(self, kind: str, key: str) -> str:
        """The name of an item. Two directories are two stores, also in the one keyring of a user."""
        place = hashlib.sha256(os.path.abspath(self.directory).encode("utf-8", "surrogateescape")).hexdigest()
        return f"{kind}-{key[:32]}-{place[:8]}"

    def _name(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Name the item before it is written: one that exists without a name could never be forgotten."""
        entry: dict[str, Any] = {"kind": kind, "key": key, "scope": document.get("scope")}
        if kind == CREDENTIALS:
            entry["expires_at"] = document.get("expires_at")
        known = self.files.read(INDEX, _name_of(kind, key))
        if known is None or any(known.get(name) != value for name, value in entry.items()):
            self.files.write(INDEX, _name_of(kind, key), entry)

    def _forget_expired(self, spared: str) -> None:
        limit = time.time() - _CREDENTIALS_KEPT
        for _, entry in list(self.files.documents(INDEX)):
            expires_at, key = entry.get("expires_at"), str(entry.get("key"))
            is_old = isinstance(expires_at, int | float) and expires_at < limit
            if entry.get("kind") == CREDENTIALS and key != spared and is_old:
                with contextlib.suppress(StorageError):
                    self.delete(CREDENTIALS, key)


def _name_of(kind: str, key: str) -> str:
    return f"{kind}-{key}"


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
