"""What every store promises, whichever it is: files, memory, a keyring, and all of them together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from botocore_cognito_federation.cache import store_for
from botocore_cognito_federation.cache.base import CREDENTIALS, IDENTITIES, SECRETS, SESSIONS, MemoryStore, Store
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.keyring import AllStores, KeyringStore
from botocore_cognito_federation.config.loader import load_settings
from botocore_cognito_federation.factory import everything_stored
from tests.conftest import Home


class Items:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[username]


def keyring(directory: str) -> KeyringStore:
    items = Items()
    return KeyringStore(FileStore(directory), lambda: items)


STORES: dict[str, Callable[[str], Store]] = {
    "files": FileStore,
    "memory": lambda directory: MemoryStore(),
    "keyring": keyring,
    "all": lambda directory: AllStores(FileStore(directory), keyring(directory)),
}
KINDS = (SESSIONS, SECRETS, CREDENTIALS, IDENTITIES)
KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_listed_and_deleted_and_nothing_else(store: Store, kind: str) -> None:
    assert store.read(kind, KEY) is None
    assert list(store.documents(kind)) == []
    store.delete(kind, KEY)
    store.write(kind, KEY, {"scope": "s", "text": "ünïcode\n", "number": 1.5, "none": None})
    store.write(kind, OTHER, {"scope": "t"})
    store.write(kind, OTHER, {"scope": "u"})
    assert store.read(kind, KEY) == {"scope": "s", "text": "ünïcode\n", "number": 1.5, "none": None}
    assert {key: document["scope"] for key, document in store.documents(kind)} == {KEY: "s", OTHER: "u"}
    store.delete(kind, KEY)
    assert store.read(kind, KEY) is None
    assert [key for key, _ in store.documents(kind)] == [OTHER]


def test_a_reservation_leaves_the_document_until_a_successor_is_written_and_may_be_used_twice(store: Store) -> None:
    store.write(SESSIONS, KEY, {"refresh_token": "first"})
    with store.reserved(SESSIONS, KEY, {"refresh_token": "first"}) as write:
        assert store.read(SESSIONS, KEY) == {"refresh_token": "first"}
        write({"refresh_token": "second" * 1000})
        assert store.read(SESSIONS, KEY) == {"refresh_token": "second" * 1000}
        write({"refresh_token": "third"})
    assert store.read(SESSIONS, KEY) == {"refresh_token": "third"}
    with store.reserved(SESSIONS, KEY, {"refresh_token": "third"}):
        pass
    assert store.read(SESSIONS, KEY) == {"refresh_token": "third"}


def test_a_reservation_that_is_given_up_leaves_no_file(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    with store.reserved(SESSIONS, KEY, {}):
        assert len(list((tmp_path / SESSIONS).iterdir())) == 1
    assert list((tmp_path / SESSIONS).iterdir()) == []


def test_a_lock_is_held_by_one_and_says_so(store: Store) -> None:
    with store.lock("k", timeout=0) as first:
        with store.lock("k", timeout=0) as second, store.lock("other", timeout=0) as third:
            assert (first, second, third) == (True, False, True)
        assert store.holder("k").startswith(("Process ", "Another thread"))
    with store.lock("k", timeout=0) as again:
        assert again


def test_everything_kept_is_found_by_the_configuration_of_each_profile(
    inside: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("keyring", reason="the extra keyring is not installed")
    items = Items()
    monkeypatch.setattr("botocore_cognito_federation.cache.keyring.system_backend", lambda: items)
    monkeypatch.setattr(KeyringStore.__init__, "__defaults__", (lambda: items,))
    name = inside.profile("ringed", cognito_cache="keyring")
    store_for(load_settings(name), inside.environment()).write(SESSIONS, KEY, {"scope": "ringed"})
    FileStore(str(inside.cache)).write(SESSIONS, OTHER, {"scope": "filed"})
    found = everything_stored(inside.environment())
    assert {document["scope"] for _, document in found.documents(SESSIONS)} == {"ringed", "filed"}
    for key, _ in list(found.documents(SESSIONS)):
        found.delete(SESSIONS, key)
    assert not [item for item in items.items if item.startswith(SESSIONS)]
    assert list(everything_stored(inside.environment()).documents(SESSIONS)) == []
