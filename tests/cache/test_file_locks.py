"""Locks that are files: without an import, and compatible with other versions and `filelock`."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from botocore_cognito_federation.cache.file import lock_file


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x.lock")


def test_a_lock_excludes_filelock_and_is_excluded_by_it(path: str) -> None:
    release = lock_file(path, 0)
    assert release is not None
    with pytest.raises(Timeout):
        FileLock(path).acquire(timeout=0)
    release()
    with FileLock(path):
        assert lock_file(path, 0) is None
        assert lock_file(path, 0.05) is None
    again = lock_file(path, 0)
    assert again is not None
    again()
    assert os.path.exists(path)
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_lock_is_had_as_soon_as_its_holder_lets_go(path: str) -> None:
    release = lock_file(path, 0)
    assert release is not None
    timer = threading.Timer(0.05, release)
    timer.start()
    second = lock_file(path, 20)
    assert second is not None
    second()
    timer.join()


def test_the_lock_of_a_file_that_was_removed_meanwhile_is_not_taken_for_one(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, files = fcntl.flock, []

    def removing(descriptor: int, operation: int) -> None:
        if not files:
            os.unlink(path)
        files.append(os.fstat(descriptor).st_ino)
        flock(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", removing)
        release = lock_file(path, 0)
    assert release is not None
    assert len(files) == 2
    assert os.path.exists(path)
    assert lock_file(path, 0) is None
    release()


def test_a_child_that_is_forked_under_a_lock_neither_holds_it_nor_lets_go_of_it(path: str) -> None:
    code = f"""
import os, sys
from botocore_cognito_federation.cache.file import lock_file
release = lock_file({path!r}, 0)
reader, writer = os.pipe()
if not os.fork():
    release()
    print(lock_file({path!r}, 0), flush=True)
    os.close(writer)
    os.read(reader, 1)   # until the parent has gone
    release = lock_file({path!r}, 30)  # the other child may not have run since the fork
    print(release is not None, flush=True)
    os._exit(0)
os.close(reader)
if not os.fork():  # stays, and must not keep the lock
    os.close(writer)
    sys.stdin.read()
    os._exit(0)
import time
while lock_file({path!r}, 0) is not None: pass
time.sleep(0.2)
os._exit(0)
"""
    done = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    assert done.stdin is not None
    assert done.stdout.readline() == "None\n"
    assert done.stdout.readline() == "True\n"
    done.communicate("", timeout=30)


def test_where_there_is_no_flock_filelock_is_asked(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """filelock before 3.21 has no lock for such a place, and raises."""

    def missing(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    warnings.simplefilter("ignore")
    try:
        release = lock_file(path, 0)
    except NotImplementedError:
        return
    assert release is not None
    assert lock_file(path, 0) is None
    release()
    again = lock_file(path, 0)
    assert again is not None
    again()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_any_other_failure_is_raised_at_once_and_is_not_another_holders_lock(
    path: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", failing)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    with pytest.raises(OSError, match=os.strerror(number)):
        lock_file(path, 30)
    assert not before or set(os.listdir("/proc/self/fd")) == before
