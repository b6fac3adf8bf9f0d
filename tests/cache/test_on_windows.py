"""The Windows branches of a helper's file operations, with stand-ins for what only Windows has."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from botocore_cognito_federation import _fast_path as process
from botocore_cognito_federation._fast_path import MAGIC, CacheQuery, checksum, read_answer
from botocore_cognito_federation._util import files as private_files
from botocore_cognito_federation.errors import StorageError

_O_BINARY = 0x8000


@contextmanager
def windows():
    """Make this process believe that it runs on Windows; only for one call, because pytest would believe it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "name", "nt")
        patch.setattr(sys, "platform", "win32")
        for name in ("geteuid", "O_NOFOLLOW", "O_NONBLOCK"):
            patch.delattr(os, name)
        yield


@pytest.mark.parametrize(
    ("refusal", "taken"),
    [
        (None, True),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (OSError(errno.EDEADLK, "Resource deadlock avoided"), False),
    ],
    ids=["free", "held", "held for long"],
)
def test_the_lock_is_one_byte_of_the_file(monkeypatch, refusal, taken):
    asked = []

    def locking(descriptor, mode, count):
        asked.append((descriptor, mode, count))
        if refusal:
            raise refusal

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    with windows():
        got = process._try_lock(7)
    assert got is taken
    assert asked == [(7, 2, 1)]


def test_an_answer_is_read_as_bytes_whichever_user_owns_it(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "O_BINARY", _O_BINARY, raising=False)
    flags_used, real = [], os.open

    def opened(path, flags, *mode):
        flags_used.append(flags)
        return real(path, flags & ~_O_BINARY, *mode)

    monkeypatch.setattr(os, "open", opened)
    environ = {"COGNITO_FEDERATION_CACHE_DIR": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    query = CacheQuery("demo", environ)
    os.makedirs(os.path.dirname(query.path))
    fields = (query.fingerprint, "", "1 2 3", "credentials", "0", "\x1f", "{}", "")
    rest = "\n".join(fields).encode()
    with open(query.path, "wb") as file:
        file.write(b"\n".join((MAGIC.encode(), checksum(rest), rest)))
    flags_used.clear()
    with windows():
        answer = read_answer(query)
    assert answer.text == "{}"
    assert [flags & _O_BINARY for flags in flags_used] == [_O_BINARY]


def test_a_file_that_is_being_read_is_replaced_a_moment_later(monkeypatch, tmp_path):
    path, busy, real = str(tmp_path / "kept"), iter([True, True, False]), os.replace

    def replace(source, target):
        if next(busy):
            raise PermissionError(errno.EACCES, "Access is denied")
        real(source, target)

    pauses = []
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(private_files.time, "sleep", pauses.append)
    with windows():
        private_files.write_private(path, b"content")
    with open(path, "rb") as file:
        assert file.read() == b"content"
    assert len(pauses) == 2


def test_a_file_that_stays_in_use_is_an_error_and_leaves_nothing_behind(monkeypatch, tmp_path):
    def replace(source, target):
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(private_files.time, "sleep", lambda _: None)
    with pytest.raises(StorageError, match="Access is denied"), windows():
        private_files.write_private(str(tmp_path / "kept"), b"content")
    assert os.listdir(str(tmp_path)) == []
