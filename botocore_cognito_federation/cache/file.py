"""The store in files: one JSON document a file, one directory a kind, in a format that shows damage; and its locks.

A lock is a file that is locked by `flock`, on Windows by its first byte, which excludes processes that lock the same
file by the package `filelock`. That package takes longer to import than all the rest of a process that only reads its
cache; it is asked where the file system has no `flock`, because it has locks that are made of files alone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._util.files import (
    TEMPORARY_MARK,
    Reservation,
    StorageErrorsIgnored,
    make_directory,
    read_private,
    remove,
    remove_with_leftovers,
    storage_error,
    why_unusable,
    write_private,
)
from ..messages import UNKNOWN_HOLDER, holder_words, lock_holder
from .base import (
    CREDENTIALS,
    DOCUMENTS,
    EPOCHS,
    FAILURES,
    FORMAT,
    IDENTITIES,
    LASTING_SECRETS,
    LINKS,
    NOTES,
    PUBLISHED,
    SECRETS,
    SESSIONS,
    TURNS,
    LockedTurns,
    cache_key,
)

if TYPE_CHECKING:
    from ..errors import StorageError

#: The kind of the files that name what is in a keyring; see `keyring`.
INDEX = "keyring"
_LOCKS = "locks"
#: The responses that `_fast_path` prints; see `cache.answers`.
ANSWERS = "answers"
#: The line of a response that says what it is, counted from 0.
_KIND_LINE = 5
_HOLDER = "holder"
_DAY = 86_400
#: Kinds whose loss costs a call and nothing else.
_FETCHED = frozenset({CREDENTIALS, IDENTITIES, FAILURES, NOTES, DOCUMENTS, TURNS})
#: Kinds that may be forgotten once nothing has touched them for so many seconds.
_LIFETIMES = {
    CREDENTIALS: 2 * _DAY,
    FAILURES: _DAY,
    NOTES: 7 * _DAY,
    DOCUMENTS: 2 * _DAY,
    ANSWERS: 2 * _DAY,
    TURNS: 2 * _DAY,
    IDENTITIES: 400 * _DAY,
    _LOCKS: 30 * _DAY,
}
#: Kinds of which only temporary files are forgotten, those that killed writes have left.
_NEVER_OLD = frozenset({SESSIONS, SECRETS, LINKS, EPOCHS, PUBLISHED, INDEX, ""})
#: Seconds after which a temporary file is no write under way any more.
_LONGEST_WRITE = 3600
#: Bytes by which a successor may be longer than twice the document: tokens differ in length.
_ROOM = 4096


@dataclass(eq=False)
class FileStore(LockedTurns):
    """`Store` in a directory of this user. Nothing is touched before the first read or write."""

    directory: str

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        path = self._path(kind, key)
        note = self.warn if kind != NOTES else _ignore
        content = read_private(path, note, must_tell=kind in LASTING_SECRETS)
        if content is None:
            return None
        try:
            return decoded(kind, key, content)
        except DamagedError as error:
            note(f"{path} counts as missing: {error}")
            return None

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._make_place(kind)
        write_private(self._path(kind, key), encoded(kind, key, document), lasting=kind not in _FETCHED)
        if kind == CREDENTIALS:
            self.prune_daily()

    def delete(self, kind: str, key: str) -> None:
        remove_with_leftovers(self._path(kind, key))

    def delete_all(self, kind: str) -> None:
        """Forget every file of a kind, damaged ones and what killed writes have left too.

        Raises:
            StorageError: one is there and cannot be removed.
        """
        directory = os.path.join(self.directory, kind)
        for name in _names(directory):
            remove(os.path.join(directory, name))

    def forget_answers(self, *, failures_only: bool = False) -> None:
        """Forget the responses that are ready to print; the next process of each profile resolves its configuration.

        Raises:
            StorageError: one is there and cannot be removed.
        """
        directory = os.path.join(self.directory, ANSWERS)
        for path in (os.path.join(directory, name) for name in _names(directory) if not name.endswith(".lock")):
            lines = (read_private(path, _ignore) or b"").split(b"\n") if failures_only else []
            if not failures_only or lines[_KIND_LINE : _KIND_LINE + 1] == [b"failure"]:
                remove(path)

    @contextmanager
    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        self._make_place(kind)
        size = 2 * len(encoded(kind, key, document)) + _ROOM
        reservation = Reservation(self._path(kind, key), size)
        try:
            yield lambda successor: reservation.commit(encoded(kind, key, successor))
        finally:
            reservation.release()

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name in _names(os.path.join(self.directory, kind)):
            key, dot, suffix = name.partition(".")
            if dot and suffix == "json" and (document := self.read(kind, key)) is not None:
                yield key, document

    @contextmanager
    def lock(self, name: str, *, timeout: float) -> Iterator[bool]:
        make_directory(self.directory, self.warn)
        directory = os.path.join(self.directory, _LOCKS)
        make_directory(directory, _ignore)
        path = os.path.join(directory, f"{name}.lock")
        try:
            release = lock_file(path, timeout)
        except (OSError, NotImplementedError) as error:
            why = getattr(error, "strerror", None) or "this file system has no locks"
            raise storage_error(f"The lock {path} cannot be taken: {why}", remedy=_remedy_for_lock(path)) from None
        if release is None:
            yield False
            return
        holder = self._holder_file(name)
        try:
            with contextlib.suppress(OSError):
                os.utime(path)
            # Words only: no decision is ever taken from what stands there.
            with StorageErrorsIgnored():
                write_private(holder, lock_holder(), lasting=False)
            yield True
        finally:
            with contextlib.suppress(OSError):
                os.unlink(holder)
            release()

    def holder(self, name: str) -> str:
        return holder_words(read_private(self._holder_file(name), _ignore) or b"")

    def holders(self) -> Iterator[tuple[str, str]]:
        """Name each lock that a running process holds, and that process in words."""
        for file in _names(os.path.join(self.directory, _LOCKS)):
            name, dot, suffix = file.rpartition(".")
            words = self.holder(name) if dot and suffix == _HOLDER else ""
            if words and words != UNKNOWN_HOLDER:
                yield name, words

    def why_unusable(self) -> StorageError | None:
        """Why nothing can be kept here; None where something can. Nothing is made or changed."""
        return why_unusable(self.directory)

    def warn(self, text: str) -> None:
        with StorageErrorsIgnored():
            self.write(NOTES, cache_key({"text": text}), {"text": text, "at": time.time()})

    def _make_place(self, kind: str) -> None:
        note = self.warn if kind != NOTES else _ignore
        make_directory(self.directory, note)
        make_directory(os.path.join(self.directory, kind), _ignore)

    def _holder_file(self, name: str) -> str:
        return os.path.join(self.directory, _LOCKS, f"{name}.{_HOLDER}")

    def _path(self, kind: str, key: str) -> str:
        return os.path.join(self.directory, kind, f"{key}.json")

    def prune_daily(self) -> None:
        """Once a day, forget what nothing has touched for long, and temporary files of processes that were killed."""
        marker = os.path.join(self.directory, "pruned")
        with contextlib.suppress(OSError), StorageErrorsIgnored():
            now = time.time()
            try:
                if 0 <= now - os.stat(marker).st_mtime < _DAY:
                    return
            except FileNotFoundError:
                pass
            write_private(marker, b"", lasting=False)
            for kind in (*_LIFETIMES, *_NEVER_OLD):
                self._prune(os.path.join(self.directory, kind), _LIFETIMES.get(kind), now)

    def _prune(self, directory: str, life: float | None, now: float) -> None:
        for name in _names(directory):
            path = os.path.join(directory, name)
            limit = _LONGEST_WRITE if TEMPORARY_MARK in name else life
            with contextlib.suppress(OSError):
                if limit is not None and now - os.lstat(path).st_mtime > limit:
                    os.unlink(path)


def _remedy_for_lock(path: str) -> str:
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
        return "Remove what stands there in its place"
    return "Set COGNITO_FEDERATION_CACHE_DIR to a directory of this machine"


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _ignore(_: str) -> None:
    """Notes about notes, and about directories inside ours, help nobody."""


_BEGINNING = b'{"format":%d,"digest":"' % FORMAT
_DIGEST_LENGTH = 64
_REST = len(_BEGINNING) + _DIGEST_LENGTH
_MARKS = frozenset({"format", "digest", "place"})
_OLD_FORMAT = 1
#: Kinds whose documents of the old format are read: what cannot be fetched again, and credentials for sign-outs to end.
_OLD_KINDS = frozenset({SESSIONS, SECRETS, LINKS, IDENTITIES, EPOCHS, CREDENTIALS, INDEX})
#: Digits of an integer that is still a number of seconds or bytes; `float` raises OverflowError from 309 on.
_MOST_DIGITS = 20


class DamagedError(ValueError):
    """A document is not what was written, or not of this place."""


def encoded(kind: str, key: str, document: Mapping[str, Any]) -> bytes:
    """Write a document down."""
    inner = {"place": f"{kind}/{key}", **{name: value for name, value in document.items() if name not in _MARKS}}
    rest = b'",' + json.dumps(inner, ensure_ascii=True, separators=(",", ":")).encode()[1:]
    return _BEGINNING + _digest_of(rest) + rest


def decoded(kind: str, key: str, content: bytes) -> dict[str, Any]:
    """Read a document that was written under this kind and key.

    Raises:
        DamagedError: it was not, or has changed since, or is of a later version.
    """
    is_whole = content.startswith(_BEGINNING) and _digest_of(content[_REST:]) == content[len(_BEGINNING) : _REST]
    try:
        document = json.loads(content, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise DamagedError("it is not a JSON document") from None
    if not isinstance(document, dict):
        raise DamagedError("it is not a JSON object")
    if is_whole and document.get("place") == f"{kind}/{key}":
        return {name: value for name, value in document.items() if name not in _MARKS}
    is_old = document.get("format") == _OLD_FORMAT and "digest" not in document
    if is_old and kind in _OLD_KINDS:
        return {name: value for name, value in document.items() if name != "format"}
    raise DamagedError("it is damaged, of another place, or of another version")


def _digest_of(rest: bytes) -> bytes:
    return hashlib.sha256(rest).hexdigest().encode()


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("an integer with that many digits is damage")
    return int(text)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


#: Seconds between two tries to take a lock: what is waited for often takes a fifth of a second.
_PAUSE = 0.02
_HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
#: What a process that is forked from this one must not inherit: lock files that are held or waited for.
_descriptors: set[int] = set()


def lock_file(path: str, timeout: float) -> Callable[[], None] | None:
    """Take the lock that a file is, at once or within some seconds; the file stays when it is released.

    Args:
        path: in a directory that is there.
        timeout: 0 to try once.

    Returns:
        What releases the lock; None where another process holds it all that time.

    Raises:
        OSError, NotImplementedError: there can be no lock.
    """
    deadline = time.monotonic() + timeout
    while True:
        descriptor, created = _opened(path)
        _descriptors.add(descriptor)
        try:
            taken = _locked_until(deadline, descriptor)
        except BaseException as error:
            _close(descriptor)
            if isinstance(error, OSError) and error.errno == errno.ENOSYS:
                if created:  # its being there would mean that it is held
                    os.unlink(path)
                return _lock_without_flock(path, deadline)
            raise
        if taken and os.fstat(descriptor).st_nlink:
            return lambda: _release(descriptor)
        _close(descriptor)  # with what waited for the lock of a file that was removed meanwhile
        if not taken:
            return None


def _opened(path: str) -> tuple[int, bool]:
    """The lock file, and whether it has been created now."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        for creating in (0, os.O_CREAT | os.O_EXCL):
            with contextlib.suppress(FileExistsError if creating else FileNotFoundError):
                descriptor = os.open(path, flags | creating, 0o600)
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    os.close(descriptor)
                    raise OSError(errno.EINVAL, "it is not a file", path)
                if os.name != "nt" and status.st_mode & 0o777 != 0o600:
                    with contextlib.suppress(OSError):
                        os.fchmod(descriptor, 0o600)
                return descriptor, bool(creating)


def _locked_until(deadline: float, descriptor: int) -> bool:
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD_BY_ANOTHER:
            raise
        return False
    return True


def _close(descriptor: int) -> None:
    _descriptors.discard(descriptor)
    os.close(descriptor)


def _release(descriptor: int) -> None:
    if descriptor not in _descriptors:
        return  # a process that was forked meanwhile: the lock is its parent's
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        _close(descriptor)


def _forget_locks_of_parent() -> None:
    """Close what was inherited: the lock would be held for as long as this process runs, whatever its parent does."""
    for descriptor in tuple(_descriptors):
        with contextlib.suppress(OSError):
            _close(descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks_of_parent)


def _lock_without_flock(path: str, deadline: float) -> Callable[[], None] | None:
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=max(0.0, deadline - time.monotonic()), poll_interval=_PAUSE)
    except Timeout:
        return None
    return lock.release
