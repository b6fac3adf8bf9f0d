"""Damage that still parses: every changed byte and every misplaced entry is noticed."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation._fast_path import CHECK, CachedAnswer, CacheQuery, read_answer
from botocore_cognito_federation.cache import base
from botocore_cognito_federation.cache.answers import _write, bindings_of_check, put_check
from botocore_cognito_federation.cache.base import (
    CREDENTIALS,
    EPOCHS,
    IDENTITIES,
    LINKS,
    NOTES,
    SECRETS,
    SESSIONS,
    cache_key,
)
from botocore_cognito_federation.cache.file import INDEX, FileStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.cli.app import run
from botocore_cognito_federation.config.profiles import load_settings
from tests.home import Home, retimed

#: Each kind of document that there is.
KINDS = sorted(
    {value for name, value in vars(base).items() if name.isupper() and isinstance(value, str)} - {base.EVERYTHING}
    | {INDEX}
)
LASTING = (EPOCHS, IDENTITIES, INDEX, LINKS, SECRETS, SESSIONS, CREDENTIALS)
KEY = cache_key({"of": "ada"})
DOCUMENT = {"format": 7, "who": "ada", "expires_at": 1800000000.5, "kind": "x", "key": "y", "linked": [{"key": "k"}]}
READ_BACK = {name: value for name, value in DOCUMENT.items() if name != "format"}


def changes(content: bytes, *, thorough: bool) -> Iterator[bytes]:
    """Yield the content with one byte changed: at each position, or at some of a long one, in several ways."""
    bits = [1 << bit for bit in range(8)]
    values = sorted({*bits, *range(1, 256, 17), 255}) if thorough else (1, 2, 16, 128)
    rng = random.Random(5)
    positions = range(len(content)) if thorough else sorted(rng.sample(range(len(content)), min(len(content), 400)))
    for position in positions:
        for value in values:
            yield content[:position] + bytes([content[position] ^ value]) + content[position + 1 :]


# Kinds differ only in whether an earlier format is read: it is for `LASTING`, of which sessions are and notes are not.
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in (SESSIONS, NOTES) else pytest.mark.thorough) for kind in KINDS]
)
def test_a_document_with_any_byte_changed_is_a_miss(tmp_path: Path, kind: str) -> None:
    store = FileStore(str(tmp_path))
    store.warn = lambda text: None  # type: ignore[method-assign]  # thousands of notes are the subject of another test
    store.write(kind, KEY, DOCUMENT)
    path = tmp_path / kind / f"{KEY}.json"
    whole = path.read_bytes()
    for damaged in changes(whole, thorough=False):
        path.write_bytes(damaged)
        assert store.read(kind, KEY) is None, damaged
    earlier = whole.replace(b'{"format":2,', b'{"format":1,')  # its documents have no digest
    for cut in (whole[:-1], whole + b"\0", whole + b"\n", b" " + whole, earlier):
        path.write_bytes(cut)
        assert store.read(kind, KEY) is None, cut
    path.write_bytes(whole)
    assert store.read(kind, KEY) == READ_BACK


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_under_another_key_or_of_another_kind_is_a_miss(tmp_path: Path, kind: str) -> None:
    store = FileStore(str(tmp_path))
    other_kind = next(other for other in KINDS if other != kind)
    store.write(kind, KEY, DOCUMENT)
    store.write(other_kind, KEY, {"who": "another"})
    content = (tmp_path / kind / f"{KEY}.json").read_bytes()
    (tmp_path / kind / f"{'b' * 64}.json").write_bytes(content)
    (tmp_path / other_kind / f"{KEY}.json").write_bytes(content)
    assert store.read(kind, "b" * 64) is None
    assert store.read(other_kind, KEY) is None
    assert store.read(kind, KEY) == READ_BACK


def test_damage_is_noted_once_and_the_file_of_a_sign_in_stays(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    store.write(SESSIONS, KEY, DOCUMENT)
    path = tmp_path / SESSIONS / f"{KEY}.json"
    damaged = path.read_bytes().replace(b"ada", b"bob")
    path.write_bytes(damaged)
    for _ in range(3):
        assert store.read(SESSIONS, KEY) is None
    (note,) = (str(document["text"]) for _, document in store.documents(NOTES))
    assert str(path) in note
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("kind", KINDS)
def test_sign_ins_and_credentials_are_read_in_the_format_before_and_rewritten(tmp_path: Path, kind: str) -> None:
    store = FileStore(str(tmp_path))
    (tmp_path / kind).mkdir(mode=0o700)
    path = tmp_path / kind / f"{KEY}.json"
    path.write_text(json.dumps({"format": 1, "who": "ada"}))
    path.chmod(0o600)
    if kind not in LASTING:
        assert store.read(kind, KEY) is None
        return
    assert store.read(kind, KEY) == {"who": "ada"}
    assert list(store.documents(kind)) == [(KEY, {"who": "ada"})]
    store.write(kind, KEY, {"who": "ada"})
    assert path.read_bytes().startswith(b'{"format":2,"digest":"')
    assert store.read(kind, KEY) == {"who": "ada"}


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "NaN", "Infinity", "-" + "9" * 400])
def test_a_number_that_is_no_number_of_anything_makes_a_session_of_the_format_before_a_miss(
    tmp_path: Path, number: str
) -> None:
    store = FileStore(str(tmp_path))
    (tmp_path / SESSIONS).mkdir(mode=0o700)
    text = '{"format":1,"sign_in_id":"i","generation":"","user":{},"token_expires_at":NUMBER,"signed_in_at":0}'
    (tmp_path / SESSIONS / f"{KEY}.json").write_text(text.replace("NUMBER", number))
    document = store.read(SESSIONS, KEY)
    assert document is None or Session.from_document(document) is not None


def question() -> CacheQuery:
    return CacheQuery("demo", os.environ)


@pytest.fixture
def answered(inside: Home) -> tuple[Home, Path, str]:
    """A home, its one cached response, and the text in it."""
    inside.ask()
    (path,) = inside.answers()
    answer = read_answer(question())
    assert answer is not None
    return inside, path, answer.text


def test_an_answer_with_any_byte_changed_is_a_miss(answered: tuple[Home, Path, str]) -> None:
    _, path, text = answered
    whole, asked = path.read_bytes(), question()
    for damaged in changes(whole, thorough=False):
        path.write_bytes(damaged)
        assert read_answer(asked) is None, damaged
    for cut in (whole[:-1], whole + b"\0", whole + b"\n", b"\0" + whole):
        path.write_bytes(cut)
        assert read_answer(question()) is None, cut
    path.write_bytes(whole)
    assert (read_answer(question()) or pytest.fail("it is whole")).text == text


def test_an_answer_of_status_check_with_any_byte_changed_is_a_miss(answered: tuple[Home, Path, str]) -> None:
    put_check(question(), bindings_of_check(question()), 3, time.time() + 900)
    path, asked = Path(question().path + CHECK), question()
    whole = path.read_bytes()
    for damaged in changes(whole, thorough=False):
        path.write_bytes(damaged)
        assert read_answer(asked, CHECK) is None, damaged
    path.write_bytes(whole)
    assert (read_answer(question(), CHECK) or pytest.fail("it is whole")).code == 3


@pytest.mark.slow
def test_an_answer_with_each_byte_changed_in_many_ways_is_a_miss(answered: tuple[Home, Path, str]) -> None:
    _, path, _ = answered
    whole, asked = path.read_bytes(), question()
    for damaged in changes(whole, thorough=True):
        path.write_bytes(damaged)
        assert read_answer(asked) is None, damaged


def test_blocks_of_an_answer_that_change_places_are_found(answered: tuple[Home, Path, str]) -> None:
    _, path, _ = answered
    whole = path.read_bytes()
    for distance in (1, 16, 127, 128, 254, 255, 256, 512):
        for start in range(100, len(whole) - distance - 1, 37):
            changed = bytearray(whole)
            changed[start], changed[start + distance] = changed[start + distance], changed[start]
            if changed != whole:
                path.write_bytes(bytes(changed))
                assert read_answer(question()) is None, (start, distance)


def test_an_answer_is_not_fresh_after_its_end_whatever_its_time_of_renewal_says(
    answered: tuple[Home, Path, str],
) -> None:
    _, path, _ = answered
    now = time.time()
    retimed(path, issued=now - 100, refresh_at=now + 10**9, until=now - 1)
    answer = read_answer(question())
    assert answer is not None
    assert not answer.is_fresh(now)


@pytest.mark.parametrize(("kind", "code"), [("credentials", 1), ("failure", 0), ("ask", 0)])
def test_an_answer_that_ends_with_success_is_credentials_and_nothing_else(kind: str, code: int) -> None:
    with pytest.raises(ValueError, match="ends with status 0"):
        CachedAnswer("", "1 2 3", kind, str(code), "\x1f", "text")


def test_each_kind_of_answer_is_read_back_unchanged(inside: Home) -> None:
    now = time.time()
    for bindings, kind, code in (("", "credentials", 0), ("", "failure", 7), (None, "ask", 1)):
        _write(question(), bindings, (now, now + 5, now + 9), kind, code, "text")
        answer = read_answer(question())
        assert answer is not None
        assert (answer.kind, answer.code) == (kind, code)


def test_processes_print_exactly_what_was_stored_or_fetch_it_anew_whatever_byte_of_the_cache_changes(
    inside: Home,
) -> None:
    """For every file of a populated cache: one change, at a random position."""
    first = inside.ask()
    rng = random.Random(11)
    files = [path for path in sorted(inside.cache.rglob("*")) if path.is_file() and path.stat().st_size]
    assert {path.parent.name for path in files} >= {"answers", "credentials", "identities"}
    for path in files:
        content = path.read_bytes()
        position = rng.randrange(len(content))
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        done = inside.ask()
        assert done.document["Version"] == 1
        assert done == first or path.parent.name in ("answers", "credentials", "generations")
        first = done


@pytest.mark.thorough
def test_a_member_of_any_type_in_a_document_that_is_whole_ends_no_command_with_a_fault_of_its_own(
    inside: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program of the same user may write documents with a digest that is right, and a later version other members."""
    store, settings = FileStore(str(inside.cache)), load_settings(inside.profile("person", cognito_client_id="c"))
    sessions = Sessions(settings, store)
    token, epoch = inside.world.provider.issue("ada"), sessions.sign_out_epoch()
    sessions.write(Session("1" * 32, "ada", {"email": "a@b"}, token, time.time() + 900, "r", time.time(), epoch))
    commands = (["status", "--all"], ["export", "--profile", "demo"], ["export", "--profile", "person"])
    for words in commands:
        assert run(words) == 0
    documents = [(path.parent.name, path.stem) for path in sorted(inside.cache.rglob("*.json"))]
    assert {CREDENTIALS, IDENTITIES, SESSIONS} <= {kind for kind, _ in documents}
    for kind, key in documents:
        whole = dict(store.read(kind, key) or {})
        for member in [*whole, "new"]:
            for value in (10**400, {"x": [1e308]}):
                for words in commands:
                    store.write(kind, key, {**whole, member: value})
                    run(words)
                    said = capfd.readouterr().err
                    assert "Unexpected" not in said, (kind, member, value, said)
                    assert "Traceback" not in said, (kind, member, value, said)
        store.write(kind, key, whole)
