"""The store in the operating system's keyring: secrets there, everything else in files, behind the same interface.

Beside each item lies a small file that names it, because a keyring cannot be listed; there is no secret in it. Locks
are files too, the same as those of `FileStore`, so that whoever uses one place and whoever uses the other still take
turns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import StorageError
from .base import CREDENTIALS, SECRET_KINDS, Store, cache_key
from .file import INDEX, DamagedError, FileStore, decoded, encoded
from .keyring_backend import Backend, KeyringItems, name_of, probe, system_backend

if TYPE_CHECKING:
    from .local_first import SharedPart

_TRIED_OUT = cache_key({"what": "the keyring that was tried out"})
#: Seconds after their expiry for which credentials stay in the keyring.
_CREDENTIALS_LIFETIME = 2 * 86_400


class KeyringStore:
    """`Store` whose `SECRET_KINDS` are in the keyring. Nothing is touched before the first read or write.

    Args:
        files: holds the rest. Secrets that another configuration has left there are not looked at; `move_scope`
            takes them over when ``configure`` changes ``cognito_cache``.
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
        return self.read_here(kind, key)

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        if kind not in SECRET_KINDS:
            self.files.write(kind, key, document)
            return
        items = self._items()
        self._name(kind, key, document)
        items.write(self._item(kind, key), encoded(kind, key, document).decode("ascii"))
        if kind == CREDENTIALS:
            self._forget_expired(key)
            self.files.prune_daily()

    @contextmanager
    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        # No keyring sells space in advance; one that takes the document now is as good a proof as there is.
        self.write(kind, key, document)
        yield lambda successor: self.write(kind, key, successor)

    def delete(self, kind: str, key: str) -> None:
        if kind in SECRET_KINDS:
            self.delete_here(kind, key)
        else:
            self.files.delete(kind, key)

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

    def holder(self, name: str) -> str:
        return self.files.holder(name)

    def warn(self, text: str) -> None:
        self.files.warn(text)

    def turn(self, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        return self.files.turn(name, interval, most=most, begin=begin)

    def keys(self, kind: str) -> list[str]:
        """The keys of what the keyring holds of a kind; the keyring itself is not asked."""
        named = [entry for _, entry in self.files.documents(INDEX) if entry.get("kind") == kind]
        return [str(entry["key"]) for entry in named if isinstance(entry.get("key"), str)]

    def holds_anything(self) -> bool:
        """Whether the keyring holds any document; the keyring itself is not asked."""
        return any("key" in entry for _, entry in self.files.documents(INDEX))

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
            return decoded(kind, key, (text or "").encode("utf-8", "surrogatepass"))
        except DamagedError:
            self.warn(f"An item of the keyring ({kind}) is missing or damaged; it counts as missing")
            return None

    def delete_here(self, kind: str, key: str) -> None:
        """Forget a document in the keyring, whatever the files hold.

        Raises:
            StorageError: it is there and could not be removed.
        """
        if self.holds(kind, key):
            self._items().delete(self._item(kind, key))
            self.files.delete(INDEX, _name_of(kind, key))

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
        limit = time.time() - _CREDENTIALS_LIFETIME
        for _, entry in list(self.files.documents(INDEX)):
            expires_at, key = entry.get("expires_at"), str(entry.get("key"))
            is_old = isinstance(expires_at, int | float) and expires_at < limit
            if entry.get("kind") == CREDENTIALS and key != spared and is_old:
                with contextlib.suppress(StorageError):
                    self.delete(CREDENTIALS, key)


def _name_of(kind: str, key: str) -> str:
    return f"{kind}-{key}"


_LOCK_TIMEOUT = 45.0


class AllStores:
    """Everything that several stores hold, for commands about all profiles; a `Store` that only forgets.

    Args:
        first: takes notes, sign-out marks and locks.
        others: further stores.
    """

    def __init__(self, first: Store, *others: Store | SharedPart) -> None:
        self._first = first
        self._stores = (first, *others)

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        found = (store.read(kind, key) for store in self._stores)
        return next((document for document in found if document is not None), None)

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._first.write(kind, key, document)

    def delete(self, kind: str, key: str) -> None:
        for store in self._stores:
            store.delete(kind, key)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        # What is no secret lies in the same files for a keyring as for files.
        seen: set[str] = set()
        for store in self._stores:
            for key, document in store.documents(kind):
                if key not in seen or kind in SECRET_KINDS:
                    seen.add(key)
                    yield key, document

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        return self._first.lock(name, timeout=timeout)

    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
        return self._first.reserved(kind, key, document)

    def holder(self, name: str) -> str:
        return self._first.holder(name)

    def warn(self, text: str) -> None:
        self._first.warn(text)

    def turn(self, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        return self._first.turn(name, interval, most=most, begin=begin)


def move_scope(scope: str, source: Store, target: Store) -> int:
    """Move the sign-ins and client secrets of a scope from one store to another, when ``cognito_cache`` changes.

    AWS credentials are not moved but forgotten in the place they were: they are fetched again.

    Args:
        scope: whose they are.
        source: where they have been.
        target: where the configuration has them from now on.

    Returns:
        How many documents were moved.

    Raises:
        StorageError: a place cannot be used; what was not moved is where it was.
    """
    moved = 0
    for kind in sorted(SECRET_KINDS):
        for key, document in list(source.documents(kind)):
            if document.get("scope") != scope:
                continue
            if kind == CREDENTIALS:
                source.delete(kind, key)
                continue
            with target.lock(f"session-{key}", timeout=_LOCK_TIMEOUT) as taken:
                if not taken:
                    holder = target.holder(f"session-{key}")
                    raise StorageError(f"{holder} is renewing the sign-in that is to be moved", remedy="Try again")
                newest = source.read(kind, key)
                if newest is not None:
                    target.write(kind, key, newest)
                    source.delete(kind, key)
                    moved += 1
    return moved
