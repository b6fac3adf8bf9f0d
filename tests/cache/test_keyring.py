"""`cognito_cache = keyring`: no secret in a file, no loss when moving in or out, no false keyring."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("keyring", reason="the extra keyring is not installed")

from hypothesis import given
from hypothesis import strategies as st
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring

from botocore_cognito_federation._util.concurrency import TimeLimit
from botocore_cognito_federation.cache.base import CREDENTIALS, IDENTITIES, SESSIONS
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.keyring import KeyringStore, move_scope
from botocore_cognito_federation.cache.keyring_backend import (
    KeyringItems,
    TimeLimitedBackend,
    checked,
    name_of,
    probe,
    system_backend,
)
from botocore_cognito_federation.errors import StorageError
from tests.cache import fake_keyring

pytestmark = pytest.mark.thorough


class Memory:
    """A keyring in memory with Windows' limit, which can be stopped after a number of writes."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}
        self.writes_left = 10**9

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.writes_left == 0:
            raise OSError("the machine went off")
        self.writes_left -= 1
        assert len(password.encode("utf-16-le")) <= fake_keyring.WINDOWS_LIMIT
        self.items[username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[username]


@pytest.fixture
def backend() -> Memory:
    return Memory()


@pytest.fixture
def store(tmp_path: Path, backend: Memory) -> KeyringStore:
    return KeyringStore(FileStore(str(tmp_path / "cache")), lambda: backend)


@given(st.lists(st.text(st.characters(codec="ascii"), max_size=8000), min_size=1, max_size=4))
def test_a_text_of_any_length_comes_back_whole_and_leaves_nothing(texts: list[str]) -> None:
    backend = Memory()
    items = KeyringItems(backend)
    for text in texts:
        items.write("item", text)
        assert items.read("item") == text
    items.delete("item")
    assert items.read("item") is None
    assert backend.items == {}


@given(st.integers(0, 8))
def test_a_write_that_breaks_off_leaves_the_old_text_or_the_new_one(writes: int) -> None:
    backend = Memory()
    items = KeyringItems(backend)
    old, new = "old" * 1000, "new" * 2000
    items.write("item", old)
    backend.writes_left = writes
    try:
        items.write("item", new)
    except StorageError:
        assert items.read("item") == old
    else:
        assert items.read("item") == new


def test_a_part_that_is_missing_or_foreign_makes_the_whole_a_miss(backend: Memory) -> None:
    items = KeyringItems(backend)
    items.write("item", "x" * 5000)
    part = next(name for name in backend.items if name.endswith(".2"))
    backend.items[part] = "y" * len(backend.items[part])
    assert items.read("item") is None
    del backend.items[part]
    assert items.read("item") is None


def test_secrets_go_to_the_keyring_and_the_rest_to_files(store: KeyringStore, backend: Memory) -> None:
    store.write(SESSIONS, "a" * 64, {"scope": "s", "refresh_token": "TOPSECRET"})
    store.write(IDENTITIES, "b" * 64, {"identity_id": "eu-west-1:1"})
    everything = "".join(p.read_text() for p in Path(store.directory).rglob("*") if p.is_file())
    assert "TOPSECRET" not in everything
    assert "TOPSECRET" in "".join(backend.items.values())
    assert store.files.read(IDENTITIES, "b" * 64)
    assert [key for key, _ in store.documents(SESSIONS)] == ["a" * 64]
    store.delete(SESSIONS, "a" * 64)
    assert store.read(SESSIONS, "a" * 64) is None
    assert backend.items == {}
    assert list(store.documents(SESSIONS)) == []


def test_neither_store_reads_or_moves_what_the_other_holds(store: KeyringStore, backend: Memory) -> None:
    store.files.write(SESSIONS, "a" * 64, {"scope": "s", "refresh_token": "in the file"})
    assert store.read(SESSIONS, "a" * 64) is None
    store.write(SESSIONS, "a" * 64, {"scope": "s", "refresh_token": "in the keyring"})
    assert (store.files.read(SESSIONS, "a" * 64) or {})["refresh_token"] == "in the file"
    assert (store.read(SESSIONS, "a" * 64) or {})["refresh_token"] == "in the keyring"
    store.delete(SESSIONS, "a" * 64)
    assert (store.files.read(SESSIONS, "a" * 64) or {})["refresh_token"] == "in the file"


def test_an_item_with_a_changed_character_or_under_another_key_is_a_miss(store: KeyringStore, backend: Memory) -> None:
    store.write(SESSIONS, "a" * 64, {"scope": "s", "refresh_token": "of ada"})
    store.write(SESSIONS, "b" * 64, {"scope": "s", "refresh_token": "of bob"})
    of_ada, of_bob = (next(name for name in backend.items if name.startswith(f"sessions-{key}")) for key in "ab")
    backend.items[of_ada], good = backend.items[of_bob], backend.items[of_ada]
    assert store.read(SESSIONS, "a" * 64) is None
    for position in range(len(good)):
        backend.items[of_ada] = good[:position] + ("x" if good[position] != "x" else "y") + good[position + 1 :]
        assert (store.read(SESSIONS, "a" * 64) or {"refresh_token": "of ada"})["refresh_token"] == "of ada"
    backend.items[of_ada] = good
    assert (store.read(SESSIONS, "a" * 64) or {})["refresh_token"] == "of ada"


def test_moving_a_scope_takes_its_sign_ins_and_forgets_its_credentials(store: KeyringStore, backend: Memory) -> None:
    files = FileStore(store.directory)
    files.write(SESSIONS, "a" * 64, {"scope": "mine", "refresh_token": "one"})
    files.write(SESSIONS, "b" * 64, {"scope": "other", "refresh_token": "two"})
    files.write(CREDENTIALS, "c" * 64, {"scope": "mine", "secret_key": "three"})
    assert move_scope("mine", files, store) == 1
    assert store.holds(SESSIONS, "a" * 64)
    assert files.read(SESSIONS, "b" * 64) is not None
    assert files.read(CREDENTIALS, "c" * 64) is None
    assert move_scope("mine", store, files) == 1
    assert files.read(SESSIONS, "a" * 64) is not None
    assert backend.items == {}


def test_moving_takes_what_killed_writes_have_left_of_the_sign_in_too(store: KeyringStore) -> None:
    store.files.write(SESSIONS, "a" * 64, {"scope": "mine", "refresh_token": "one"})
    leftover = Path(store.directory) / "sessions" / f"{'a' * 64}.json.tmp-0123456789ab"
    leftover.write_text("TOPSECRET")
    assert move_scope("mine", store.files, store) == 1
    assert not leftover.exists()


def test_a_keyring_that_holds_nothing_is_never_asked(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError("the keyring was asked")

    empty = KeyringStore(FileStore(str(tmp_path)), never)
    assert not empty.holds_anything()
    assert empty.read(SESSIONS, "b" * 64) is None
    assert list(empty.documents(SESSIONS)) == []
    empty.delete(SESSIONS, "a" * 64)


@pytest.mark.parametrize("backend", [FailKeyring(), NullKeyring(), None])
def test_a_backend_that_stores_no_secret_is_refused_by_name(backend: Any) -> None:
    with pytest.raises(StorageError, match="the keyring is") as caught:
        checked(backend)
    assert "cognito_cache = file" in caught.value.remedy


def test_a_plain_file_backend_is_refused_by_name() -> None:
    plaintext = type("PlaintextKeyring", (), {"__module__": "keyrings.alt.file"})()
    with pytest.raises(StorageError, match=r"keyrings\.alt\.file\.PlaintextKeyring: it stores secrets in files"):
        checked(plaintext)


def test_a_backend_derived_from_a_plain_file_backend_is_refused_in_whichever_module_it_is() -> None:
    plaintext = type("PlaintextKeyring", (), {"__module__": "keyrings.alt.file"})
    derived = type("CorporateKeyring", (plaintext,), {"__module__": "corporate.secrets"})
    with pytest.raises(StorageError, match=r"corporate\.secrets\.CorporateKeyring: it stores secrets in files"):
        checked(derived())


def test_a_chain_of_backends_is_judged_by_the_one_that_would_store(monkeypatch: pytest.MonkeyPatch) -> None:
    plaintext = type("PlaintextKeyring", (Memory,), {"__module__": "keyrings.alt.file"})
    for backends, refused in (([plaintext(), Memory()], True), ([], True), ([Memory(), plaintext()], False)):
        chain = type("Chain", (ChainerBackend,), {"backends": backends, "priority": 1})()
        monkeypatch.setattr("keyring.get_keyring", lambda chain=chain: chain)
        if refused:
            with pytest.raises(StorageError, match="cognito_cache = keyring, but the keyring is"):
                system_backend()
        else:
            assert name_of(system_backend()) == name_of(backends[0])


def test_a_backend_that_forgets_is_found_by_the_round_trip() -> None:
    class Forgets(Memory):
        def set_password(self, service: str, username: str, password: str) -> None:
            """Nothing."""

        def delete_password(self, service: str, username: str) -> None:
            """Nothing."""

    with pytest.raises(StorageError, match="does not give back"):
        probe(Forgets())


class Locked(Memory):
    """A keyring that answers after it was unlocked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.unlocked = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.unlocked.wait(60)
        return super().get_password(service, username)


def test_a_keyring_that_waits_is_asked_once_and_works_as_soon_as_it_is_unlocked(tmp_path: Path) -> None:
    locked = Locked()
    in_time = TimeLimitedBackend(locked, TimeLimit(0.05))
    store = KeyringStore(FileStore(str(tmp_path)), lambda: in_time)
    for _ in range(3):
        with pytest.raises(StorageError, match=r"has not answered within 0\.05 seconds") as caught:
            store.write(SESSIONS, "a" * 64, {"scope": "s"})
        assert caught.value.remedy.startswith("Unlock it and try again")
    assert locked.asked == 1
    locked.unlocked.set()
    while any(thread.name == "cognito-federation-keyring" for thread in threading.enumerate()):
        threading.Event().wait(0.01)
    store.write(SESSIONS, "a" * 64, {"scope": "s"})
    assert (store.read(SESSIONS, "a" * 64) or {})["scope"] == "s"
    assert not [name for name in locked.items if "probe" in name]


def test_what_a_keyring_raises_is_raised_where_it_was_asked() -> None:
    class Breaks(Memory):
        def set_password(self, service: str, username: str, password: str) -> None:
            raise OSError(f"cannot keep {password}")

    items = KeyringItems(TimeLimitedBackend(Breaks(), TimeLimit()))
    with pytest.raises(StorageError, match=r"test_keyring\..*Breaks could not store an item \(OSError\)") as caught:
        items.write("item", "TOPSECRET")
    assert "TOPSECRET" not in str(caught.value)
