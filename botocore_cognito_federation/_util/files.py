"""Files that only their owner reads: 0600 in directories of 0700, opened without following links, written whole.

What is ours but too open is mended and noted. What belongs to somebody else is a miss and is never overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Callable

from ..errors import StorageError
from .failpoints import reach

Note = Callable[[str], None]

_MOST_BYTES = 4 << 20
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
) | getattr(os, "O_BINARY", 0)
TEMPORARY_MARK = ".tmp-"
#: Seconds; a read takes less than one of them.
_WINDOWS_PAUSES = (0.002, 0.01, 0.05, 0.2, 0.5)
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def make_directory(path: str, note: Note) -> None:
    """Make a directory of ours, 0700, or make sure that an existing one is.

    Raises:
        StorageError: it cannot be made, or belongs to somebody else.
    """
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) and is_own(status):
            status = os.stat(path)
    except OSError as error:
        raise StorageError(
            f"The cache directory {path} cannot be made: {error.strerror}", remedy="Set COGNITO_FEDERATION_CACHE_DIR"
        ) from None
    if not stat.S_ISDIR(status.st_mode) or not is_own(status):
        raise StorageError(
            f"The cache directory {path} is not a directory of this user",
            remedy="Remove what stands there, or set COGNITO_FEDERATION_CACHE_DIR",
        )
    if os.name != "nt" and status.st_mode & 0o077:
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
            note(f"{path} was open to other users; its mode is 0700 now")


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to this user (always so where the system has no user IDs)."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def read_private(path: str, note: Note) -> bytes | None:
    """The content of a file of ours, or None where there is none to be trusted.

    Raises:
        StorageError: this process can open no file at all; that tells nothing about this one.
    """
    try:
        descriptor = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _OUT_OF_FILES:
            raise StorageError(
                f"{path} cannot be opened: {error.strerror}", remedy="Raise the limit of open files (ulimit -n)"
            ) from None
        note(f"{path} could not be opened ({error.strerror}); it counts as missing")
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not is_own(status):
        os.close(descriptor)
        note(f"{path} is not a regular file of this user; it counts as missing")
        return None
    with os.fdopen(descriptor, "rb") as file:
        if os.name != "nt" and status.st_mode & 0o077:
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, 0o600)
            note(f"{path} was open to other users; its mode is 0600 now")
        try:
            content = file.read(_MOST_BYTES + 1)
        except OSError as error:
            note(f"{path} could not be read ({error.strerror}); it counts as missing")
            return None
    return content if len(content) <= _MOST_BYTES else None


def write_private(path: str, content: bytes, *, lasting: bool = True) -> None:
    """Put a file in place whole: a temporary file beside it, fsync, rename.

    Args:
        lasting: whether it must be there after the power fails. What can be fetched again need not: waiting for the
            disk takes longer than fetching it.

    Raises:
        StorageError: it cannot be written; what was there before is untouched.
    """
    try:
        if not is_own(os.lstat(path)):
            raise StorageError(f"{path} belongs to another user and is not overwritten", remedy="Remove it")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot_write(path, error) from None
    temporary = f"{path}{TEMPORARY_MARK}{secrets.token_hex(6)}"
    try:
        reach("write.begun")
        _write(temporary, content, sync=lasting)
        reach("write.written")
        _replace(temporary, path)
        if lasting:
            _sync_directory(os.path.dirname(path))
        reach("write.replaced")
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise _cannot_write(path, error) from None


def remove(path: str) -> None:
    """Remove a file if it is there.

    Raises:
        StorageError: it is there and cannot be removed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{path} cannot be removed: {error.strerror}") from None


def _write(path: str, content: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, _WRITE_FLAGS, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(temporary: str, path: str) -> None:
    """`os.replace`; Windows refuses it for the moment in which somebody reads the file that is replaced."""
    for pause in _WINDOWS_PAUSES if os.name == "nt" else ():
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            time.sleep(pause)
    os.replace(temporary, path)


def _sync_directory(path: str) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: str, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written: {error.strerror}",
        remedy="Free space, mend its permissions, or set COGNITO_FEDERATION_CACHE_DIR",
    )
