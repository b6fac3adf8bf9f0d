"""The promises of every store, wherever it stores its documents.

A new backend joins with one line in `backends.BACKENDS`; the tests below then apply to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.cache import ENGINES, STORES
from botocore_cognito_federation.cache.base import (
    CREDENTIALS,
    DOCUMENTS,
    EPOCHS,
    FAILURES,
    IDENTITIES,
    LINKS,
    NOTES,
    SECRETS,
    SESSIONS,
    Store,
    cache_key,
)
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.keyring import AllStores
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import StorageError
from botocore_cognito_federation.factory import everything_stored, store_for
from tests.cache import fake_keyring
from tests.cache.backends import BACKENDS, Backend, keyring
from tests.home import ROOT, Home

KINDS = (CREDENTIALS, DOCUMENTS, FAILURES, EPOCHS, IDENTITIES, LINKS, SECRETS, SESSIONS)
KEY, OTHER = cache_key({"what": "a"}), cache_key({"what": "b"})


def those(chosen: Callable[[Backend], bool] = lambda backend: True) -> list[Any]:
    """Return the names of the backends for which a test is meant, as parameters."""
    slow = [pytest.mark.thorough]
    return [pytest.param(n, marks=slow if b.is_slow else []) for n, b in BACKENDS.items() if chosen(b)]


@pytest.fixture(params=those())
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(fake_keyring.VARIABLE, "replaced when a keyring is opened")
    return str(request.param)


#: For promises of stores that processes share.
between_processes = pytest.mark.parametrize("name", those(lambda b: b.shared), indirect=True)


@pytest.fixture
def backend(name: str) -> Backend:
    return BACKENDS[name]


@pytest.fixture
def store(backend: Backend, tmp_path: Path) -> Store:
    return backend.open(tmp_path)


def holds(store: Store, kind: str, key: str, document: dict[str, object]) -> bool:
    """Return whether a document is as it was written; a store may add its own members."""
    found = store.read(kind, key)
    return found is not None and document.items() <= dict(found).items()


# Documents


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_never_written_is_none_and_not_listed(store: Store, kind: str) -> None:
    assert store.read(kind, KEY) is None
    assert list(store.documents(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read_and_listed_under_its_kind_only(store: Store, kind: str) -> None:
    store.write(kind, KEY, {"n": 1})
    assert holds(store, kind, KEY, {"n": 1})
    assert [(key, document["n"]) for key, document in store.documents(kind)] == [(KEY, 1)]
    for other in set(KINDS) - {kind}:
        assert store.read(other, KEY) is None
        assert list(store.documents(other)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_write_replaces_the_whole_document_and_no_other(store: Store, kind: str) -> None:
    store.write(kind, KEY, {"old": 1})
    store.write(kind, OTHER, {"other": 1})
    store.write(kind, KEY, {"new": 2})
    found = store.read(kind, KEY)
    assert found is not None
    assert ("old" in found, found["new"]) == (False, 2)
    assert holds(store, kind, OTHER, {"other": 1})
    assert sorted(key for key, _ in store.documents(kind)) == sorted([KEY, OTHER])


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_deleted_is_gone_and_deleting_nothing_is_no_error(store: Store, kind: str) -> None:
    store.delete(kind, KEY)
    store.write(kind, KEY, {"n": 1})
    store.write(kind, OTHER, {"n": 2})
    store.delete(kind, KEY)
    assert store.read(kind, KEY) is None
    assert [key for key, _ in store.documents(kind)] == [OTHER]
    store.delete(kind, KEY)


def test_a_document_may_be_deleted_while_all_are_listed(store: Store) -> None:
    for key in (KEY, OTHER):
        store.write(SESSIONS, key, {"n": 1})
    for key, _ in store.documents(SESSIONS):
        store.delete(SESSIONS, key)
    assert list(store.documents(SESSIONS)) == []


#: JSON has neither NaN nor infinity.
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_documents = st.dictionaries(st.text().filter(lambda name: name != "format"), _values, max_size=4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=_documents)
@pytest.mark.parametrize("kind", [CREDENTIALS, pytest.param(IDENTITIES, marks=pytest.mark.thorough)])
def test_any_json_object_comes_back_as_it_was(store: Store, kind: str, document: dict[str, object]) -> None:
    store.write(kind, KEY, document)
    assert holds(store, kind, KEY, document)


def test_a_long_document_comes_back_whole(store: Store) -> None:
    document: dict[str, object] = {"login_token": "e" * 20_000, "name": "Ada \U0001f511 Lovelace"}
    store.write(SESSIONS, KEY, document)
    assert holds(store, SESSIONS, KEY, document)


def test_what_the_caller_changes_afterwards_does_not_change_the_store(store: Store) -> None:
    document: dict[str, object] = {"list": [1]}
    store.write(SESSIONS, KEY, document)
    document["list"] = [2]
    found = store.read(SESSIONS, KEY)
    assert found is not None
    found["list"].append(3)
    assert holds(store, SESSIONS, KEY, {"list": [1]})


@pytest.mark.parametrize("kind", [CREDENTIALS, IDENTITIES])
def test_what_is_no_json_is_refused_and_leaves_what_was_there(store: Store, kind: str) -> None:
    store.write(kind, KEY, {"n": 1})
    with pytest.raises(TypeError):
        store.write(kind, KEY, {"n": object()})
    assert holds(store, kind, KEY, {"n": 1})


def test_another_store_of_the_same_place_sees_the_same(backend: Backend, store: Store, tmp_path: Path) -> None:
    store.write(SESSIONS, KEY, {"n": 1})
    assert holds(backend.open(tmp_path), SESSIONS, KEY, {"n": 1}) is backend.shared


# Space for a successor


@pytest.mark.parametrize("kind", [SESSIONS, IDENTITIES])
def test_a_reservation_leaves_the_document_until_a_successor_is_written_and_may_be_used_twice(
    store: Store, kind: str
) -> None:
    store.write(kind, KEY, {"n": 1})
    with store.reserved(kind, KEY, {"n": 1}) as write:
        assert holds(store, kind, KEY, {"n": 1})
        write({"n": 2, "text": "second" * 1000})
        assert holds(store, kind, KEY, {"n": 2, "text": "second" * 1000})
        write({"n": 3})
    assert holds(store, kind, KEY, {"n": 3})
    assert [key for key, _ in store.documents(kind)] == [KEY]


@pytest.mark.parametrize("kind", [SESSIONS, IDENTITIES])
def test_a_reservation_that_is_given_up_changes_nothing_and_leaves_nothing(
    store: Store, kind: str, tmp_path: Path
) -> None:
    store.write(kind, KEY, {"n": 1})
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with store.reserved(kind, KEY, {"n": 1}):
        pass
    with pytest.raises(ZeroDivisionError), store.reserved(kind, KEY, {"n": 1}):
        raise ZeroDivisionError
    assert holds(store, kind, KEY, {"n": 1})
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("kind", [SESSIONS, IDENTITIES])
def test_a_reservation_where_nothing_can_be_written_is_a_storage_error_before_anything_is_spent(
    backend: Backend, kind: str, tmp_path: Path
) -> None:
    if backend.break_place is None:
        return
    backend.break_place(tmp_path)
    with pytest.raises(StorageError), backend.open(tmp_path).reserved(kind, KEY, {"n": 1}):
        pytest.fail("something would have been spent")


# Damage and failures


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_document_is_a_miss_that_can_be_written_afresh(
    backend: Backend, store: Store, kind: str, tmp_path: Path
) -> None:
    store.write(kind, KEY, {"n": 1})
    if backend.spoil is None:
        return
    backend.spoil(tmp_path, kind, KEY)
    assert store.read(kind, KEY) is None
    assert list(store.documents(kind)) == []
    store.write(kind, KEY, {"n": 2})
    assert holds(store, kind, KEY, {"n": 2})


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_can_be_written_only_a_storage_error_is_raised(
    backend: Backend, kind: str, tmp_path: Path
) -> None:
    if backend.break_place is None:
        return
    backend.break_place(tmp_path)
    store = backend.open(tmp_path)
    with pytest.raises(StorageError):
        store.write(kind, KEY, {"n": 1})
    with contextlib.suppress(StorageError):
        assert store.read(kind, KEY) is None
    with contextlib.suppress(StorageError):
        store.delete(kind, KEY)
    with contextlib.suppress(StorageError), store.lock("a", timeout=0):
        pass
    assert list(store.documents(kind)) == []


def test_a_warning_is_taken_twice_and_anywhere_without_an_error(backend: Backend, store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        store.warn("something worth a word")
    assert len(list(store.documents(NOTES))) <= 1
    if backend.break_place is not None:
        broken = tmp_path / "broken"
        broken.mkdir()
        backend.break_place(broken)
        backend.open(broken).warn("something worth a word")


# Locks


def taken_by_another_thread(store: Store, name: str, timeout: float = 0) -> bool:
    found: list[bool] = []

    def take() -> None:
        with store.lock(name, timeout=timeout) as taken:
            found.append(taken)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join(60)
    return found[0]


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_lock_is_held_by_one_thread_until_it_is_given_back(store: Store, timeout: float) -> None:
    with store.lock("a", timeout=0) as taken:
        assert taken
        assert not taken_by_another_thread(store, "a", timeout)
        assert taken_by_another_thread(store, "b", timeout)
    assert taken_by_another_thread(store, "a")


def test_who_holds_a_lock_is_said_in_words_that_begin_a_sentence(store: Store) -> None:
    with store.lock("a", timeout=0):
        assert store.holder("a").startswith(("Process ", "Another "))
    assert store.holder("never taken").startswith("Another ")


def test_a_lock_that_was_not_taken_is_not_given_back(store: Store) -> None:
    with store.lock("a", timeout=0):
        assert not taken_by_another_thread(store, "a")
        assert not taken_by_another_thread(store, "a")


def test_an_error_gives_the_lock_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("a", timeout=0):
        raise ZeroDivisionError
    assert taken_by_another_thread(store, "a")


def test_a_lock_that_is_waited_for_is_had_when_it_is_given_back(store: Store) -> None:
    waiting, found = threading.Event(), []

    def wait() -> None:
        waiting.set()
        with store.lock("a", timeout=60) as taken:
            found.append(taken)

    thread = threading.Thread(target=wait)
    with store.lock("a", timeout=0):
        thread.start()
        assert waiting.wait(60)
    thread.join(60)
    assert found == [True]


def test_a_lock_blocks_no_document(store: Store) -> None:
    with store.lock(KEY, timeout=0):
        store.write(SESSIONS, KEY, {"n": 1})
        assert holds(store, SESSIONS, KEY, {"n": 1})


# Turns


def test_turns_are_apart_for_everybody_once_a_queue_has_begun_and_not_before(backend: Backend, tmp_path: Path) -> None:
    one, other = backend.open(tmp_path), backend.open(tmp_path)
    if not backend.shared:
        other = one
    assert one.turn("a", 5.0, most=60, begin=False) == 0
    first = one.turn("a", 5.0, most=60, begin=True)
    later = [store.turn("a", 5.0, most=60, begin=False) for store in (other, one, other)]
    assert first is not None
    assert first < 0.5
    for number, seconds in enumerate(later, 1):
        assert seconds is not None
        assert 5 * number - 4 < seconds < 5 * number + 0.5
    assert one.turn("b", 5.0, most=60, begin=False) == 0
    assert one.turn("a", 5.0, most=9, begin=True) is None
    again = other.turn("a", 5.0, most=60, begin=False)
    assert again is not None
    assert again < 20.5  # the turn that was too late was not taken


HOLDER = """
import sys, time
from pathlib import Path
from tests.cache.backends import BACKENDS
with BACKENDS[sys.argv[1]].open(Path(sys.argv[2])).lock("a", timeout=60) as taken:
    print(taken, flush=True)
    sys.stdin.read()
"""
COUNTER = """
import sys
from pathlib import Path
from tests.cache.backends import BACKENDS
store = BACKENDS[sys.argv[1]].open(Path(sys.argv[2]))
for _ in range(10):
    with store.lock("a", timeout=60) as taken:
        assert taken
        store.write("sessions", "turns", {"n": ((store.read("sessions", "turns") or {}).get("n", 0)) + 1})
"""


def process(program: str, name: str, place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, name, str(place)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def holder(name: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start another process that holds the lock ``a``."""
    with process(HOLDER, name, tmp_path) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "True\n"
        yield started
        started.kill()


@between_processes
def test_a_lock_is_held_by_one_process(holder: subprocess.Popen[str], store: Store, backend: Backend) -> None:
    for timeout in (0, 0.05):
        with store.lock("a", timeout=timeout) as taken:
            assert not taken
    assert store.holder("a").startswith(f"Process {holder.pid} " if not backend.is_remote else "Another process")
    holder.communicate()
    with store.lock("a", timeout=60) as taken:
        assert taken


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@between_processes
def test_the_lock_of_a_process_that_was_killed_is_free(holder: subprocess.Popen[str], store: Store) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(60)
    with store.lock("a", timeout=60) as taken:
        assert taken


@pytest.mark.thorough
@between_processes
def test_processes_that_take_turns_lose_no_write(name: str, store: Store, tmp_path: Path) -> None:
    processes = [process(COUNTER, name, tmp_path) for _ in range(3)]
    for started in processes:
        started.communicate(timeout=60)
    assert [started.returncode for started in processes] == [0, 0, 0]
    assert holds(store, SESSIONS, "turns", {"n": 30})


# The registry


def test_every_store_that_a_configuration_can_name_is_held_to_this_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fake_keyring.VARIABLE, "replaced when a keyring is opened")
    assert STORES.keys() <= BACKENDS.keys(), "add the store to tests/cache/backends.py"
    for name, declared in STORES.items():
        if name in ENGINES:
            continue  # `open` opens the files of this machine; `test_local_first` is about the rest
        assert type(declared.open(str(tmp_path))) is type(BACKENDS[name].open(tmp_path))
        assert declared.outlives_process is BACKENDS[name].shared


@pytest.mark.parametrize("name", STORES)
def test_the_configuration_page_has_every_store_by_its_name(name: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| `cognito_cache`"))
    assert f"`{name}`" in row, "name the store in the row of cognito_cache"


# Everything that is stored


@pytest.mark.parametrize("name", those(lambda b: b.shared and not b.is_remote), indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_commands_about_all_profiles_find_what_any_store_on_this_machine_holds(
    backend: Backend, store: Store, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The items in the keyring decide whether it is asked; the configuration names none."""
    monkeypatch.setattr("keyring.get_keyring", lambda: keyring(tmp_path))
    store.write(kind, KEY, {"n": 1})
    environ = {"COGNITO_FEDERATION_CACHE_DIR": str(tmp_path / "cache"), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    everything = everything_stored(environ)
    assert [(key, document["n"]) for key, document in everything.documents(kind)] == [(KEY, 1)]
    everything.delete(kind, KEY)
    assert list(everything.documents(kind)) == []
    assert backend.open(tmp_path).read(kind, KEY) is None


@pytest.mark.parametrize("kind", KINDS)
def test_stores_that_share_no_file_are_listed_with_all_they_hold(kind: str, tmp_path: Path) -> None:
    one, other = FileStore(str(tmp_path / "one")), FileStore(str(tmp_path / "other"))
    one.write(kind, KEY, {"n": 1})
    other.write(kind, OTHER, {"n": 2})
    assert dict(AllStores(one, other).documents(kind)).keys() == {KEY, OTHER}


def test_commands_about_all_profiles_look_into_the_store_that_each_profile_names(
    inside: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyring.get_keyring", lambda: keyring(inside.path))
    ringed = store_for(load_settings(inside.profile("ringed", cognito_cache="keyring")), inside.environment())
    ringed.write(SESSIONS, KEY, {"scope": "ringed"})
    FileStore(str(inside.cache)).write(SESSIONS, OTHER, {"scope": "filed"})
    found = everything_stored(inside.environment())
    assert {document["scope"] for _, document in found.documents(SESSIONS)} == {"ringed", "filed"}
    for key, _ in list(found.documents(SESSIONS)):
        found.delete(SESSIONS, key)
    assert ringed.read(SESSIONS, KEY) is None
    assert list(everything_stored(inside.environment()).documents(SESSIONS)) == []
