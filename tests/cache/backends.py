"""The stores: how to open, damage and block each; `test_store_contract` runs over them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from botocore_cognito_federation.cache.base import SECRET_KINDS, MemoryStore, Store
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.keyring import AllStores, KeyringStore
from botocore_cognito_federation.cache.shared import SharedStore
from tests.cache import engines, fake_keyring


def _spoil_file(place: Path, kind: str, key: str) -> None:
    (place / "cache" / kind / f"{key}.json").write_bytes(b'{"torn')


def _spoil_item(place: Path, kind: str, key: str) -> None:
    path = place / "keyring.json"
    if kind in SECRET_KINDS:
        path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), '{"torn')))
    else:
        _spoil_file(place, kind, key)


def _without_a_place(place: Path) -> None:
    (place / "cache").write_text("no directory")


@dataclass(frozen=True)
class Backend:
    """How to open a store, and its abilities.

    Attributes:
        open: opens the store at a place, a directory of the test. Opened twice, it is the same store if `shared`.
        shared: whether processes see each other's documents and locks.
        is_slow: whether its tests are thorough ones.
        spoil: damages an existing document; None if that is impossible.
        is_remote: whether it is on no particular machine, so that nothing says which process holds a lock.
        break_place: makes writing impossible before the store is opened; None if that is impossible.
    """

    open: Callable[[Path], Store]
    shared: bool = True
    is_remote: bool = False
    is_slow: bool = False
    spoil: Callable[[Path, str, str], None] | None = _spoil_file
    break_place: Callable[[Path], None] | None = _without_a_place


def keyring(place: Path) -> fake_keyring.FileBackend:
    os.environ[fake_keyring.VARIABLE] = str(place / "keyring.json")
    return fake_keyring.FileBackend()


def _files(place: Path) -> FileStore:
    return FileStore(str(place / "cache"))


def _in_keyring(place: Path) -> KeyringStore:
    return KeyringStore(_files(place), lambda: keyring(place))


def _name(place: Path) -> str:
    return "t" + hashlib.sha256(str(place).encode()).hexdigest()[:20]


def _is_down(place: Path) -> bool:
    return (place / "down").exists()


def _take_down(place: Path) -> None:
    (place / "down").touch()


def _in_redis(place: Path) -> SharedStore:
    store: SharedStore = engines.redis_cache(_name(place), port=1 if _is_down(place) else None)
    return store


def _in_postgres(place: Path) -> SharedStore:
    down = "host=127.0.0.1 port=1 connect_timeout=1"
    store: SharedStore = engines.postgres_cache(_name(place), down if _is_down(place) else None)
    if not _is_down(place):
        store.create_table()  # type: ignore[attr-defined]
    return store


def _in_dynamodb(place: Path) -> SharedStore:
    store: SharedStore = engines.dynamodb_cache(_name(place), port=1 if _is_down(place) else None)
    if not _is_down(place):
        store.create_table()  # type: ignore[attr-defined]
    return store


def _spoil_entry(open_store: Callable[[Path], SharedStore]) -> Callable[[Path, str, str], None]:
    def spoil(place: Path, kind: str, key: str) -> None:
        store = open_store(place)
        data = store._get(kind, key)
        assert data is not None
        store._put(kind, key, data[:-1] + bytes([data[-1] ^ 1]), None)

    return spoil


BACKENDS = {
    "file": Backend(_files),
    "memory": Backend(lambda place: MemoryStore(), shared=False, spoil=None, break_place=None),
    "keyring": Backend(_in_keyring, spoil=_spoil_item),
    "file and keyring": Backend(lambda place: AllStores(_files(place), _in_keyring(place))),
    "dynamodb": Backend(
        _in_dynamodb, is_remote=True, is_slow=True, spoil=_spoil_entry(_in_dynamodb), break_place=_take_down
    ),
    "keyring and file": Backend(lambda place: AllStores(_in_keyring(place), _files(place)), spoil=_spoil_item),
}
if engines.HAS_REDIS:
    BACKENDS["redis"] = Backend(_in_redis, is_remote=True, spoil=_spoil_entry(_in_redis), break_place=_take_down)
if engines.HAS_POSTGRES:
    BACKENDS["postgres"] = Backend(
        _in_postgres, is_remote=True, is_slow=True, spoil=_spoil_entry(_in_postgres), break_place=_take_down
    )
