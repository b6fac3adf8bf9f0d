"""Files that only their owner reads: 0600 in directories of 0700, opened without following links, written whole.

What belongs to this user but is too open is corrected and noted. What belongs to another user is never overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from ..errors import StorageError

Note = Callable[[str], None]

_MOST_BYTES = 4 << 20
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
) | getattr(os, "O_BINARY", 0)
TEMPORARY_MARK = ".tmp-"
#: Seconds; a read takes less than one of them.
_WINDOWS_PAUSES = (0.002, 0.01, 0.05, 0.2, 0.5)
_OTHER_USER = "Run this as its owner, or set COGNITO_FEDERATION_CACHE_DIR"
_ELSEWHERE = "Set COGNITO_FEDERATION_CACHE_DIR=DIRECTORY with one that this user can write"
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def storage_error(what: str, remedy: str = "") -> StorageError:
    """Make a `StorageError`; `errors` imports botocore, which takes longer than all that is done with files."""
    from ..errors import StorageError

    return StorageError(what, remedy=remedy)


class StorageErrorsIgnored:
    """A context that ends at a `StorageError`, for what is written only as long as it can be.

    Args:
        note: is told the error.
    """

    def __init__(self, note: Callable[[StorageError], None] | None = None) -> None:
        self._note = note

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        from ..errors import StorageError

        if not isinstance(error, StorageError):
            return False
        if self._note is not None:
            self._note(error)
        return True


def make_directory(path: str, note: Note) -> None:
    """Make a directory and its missing parents, each 0700 from its first moment, or check one that exists.

    Raises:
        StorageError: it cannot be made, or belongs to another user.
    """
    try:
        make_private_directories(path)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) and is_own(status):
            status = os.stat(path)
    except OSError as error:
        raise storage_error(f"The cache directory {path} cannot be made: {error.strerror}", remedy=_ELSEWHERE) from None
    if (flaw := _flaw(path, status)) is not None:
        raise flaw
    if os.name != "nt" and (status.st_mode & 0o077 or not status.st_mode & 0o700):
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
            note(f"{path} had the mode {stat.S_IMODE(status.st_mode):04o}; it is 0700 now")


def _flaw(path: str, status: os.stat_result) -> StorageError | None:
    """Why nothing can be stored in what is at a path, whoever asks; None if it is a directory of this user."""
    if not stat.S_ISDIR(status.st_mode):
        return storage_error(
            f"The cache directory {path} is not a directory",
            remedy=f"Remove the file {path}, or set COGNITO_FEDERATION_CACHE_DIR",
        )
    if not is_own(status):
        return storage_error(
            f"The cache directory {path} is not a directory of this user: {_owners(status)}",
            remedy="Run this as its owner, give it back to this user (chown), or set COGNITO_FEDERATION_CACHE_DIR",
        )
    return None


def why_unusable(directory: str) -> StorageError | None:
    """Return why nothing can be stored in a directory, or in one of those inside it; None if it is usable.

    Nothing is made or changed. Directories inside that root has left in a user's place make each call start anew.
    """
    if not os.path.lexists(directory):
        parent = os.path.dirname(directory)
        if os.path.isdir(parent) and not _may_make_in(parent):
            return storage_error(
                f"root creates nothing in {parent}, which belongs to another user",
                remedy=_OTHER_USER,
            )
        return None
    try:
        for path in _with_those_inside(directory):
            flaw = _flaw(path, os.stat(path))
            if flaw is not None:
                return flaw
            if not os.access(path, os.W_OK):
                return storage_error(f"{path} cannot be written", remedy=_ELSEWHERE)
    except OSError as error:
        return storage_error(f"{directory} cannot be used: {error.strerror}", remedy=_ELSEWHERE)
    return None


def _with_those_inside(directory: str) -> Iterator[str]:
    """The directory, then those inside it: it is read only once the caller has found nothing wrong with it."""
    yield directory
    yield from sorted(entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False))


def make_private_directories(path: str) -> None:
    """Make a directory and its missing parents, each 0700 from its first moment, whatever the umask says.

    Raises:
        OSError: one cannot be made, or root would make it inside a directory of another user.
    """
    missing = []
    while path and not os.path.isdir(path) and not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    if missing:
        refuse_place_of_another_user(path or ".")
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
            if os.name != "nt" and os.lstat(directory).st_mode & 0o700 != 0o700:
                os.chmod(directory, 0o700)  # a umask may take rights from the owner too


def refuse_place_of_another_user(parent: str) -> None:
    """Make sure that what is made in a directory will belong to the user whose it is.

    Raises:
        OSError: this is root, and the directory belongs to another user; or there is none.
    """
    if not _may_make_in(parent):
        raise PermissionError(errno.EACCES, f"root creates nothing in {parent}, which belongs to another user")


def _may_make_in(parent: str) -> bool:
    """Whether what is made here will belong to the user whose home it is: root's would lock that user out."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return True
    return os.stat(parent).st_uid == 0


def _owners(status: os.stat_result) -> str:
    return f"it belongs to user {status.st_uid}, and this is user {os.geteuid()}"


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to this user (always so where the system has no user IDs)."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def read_private(path: str, note: Note, *, must_tell: bool = False) -> bytes | None:
    """The content of a file of this user, or None where there is none to be trusted.

    Args:
        path: the file.
        note: is told why a file that is there counts as missing.
        must_tell: whether a file that cannot be read, or belongs to another user, is an error and no miss: what it
            holds cannot be fetched again, and calling it missing would mislead.

    Raises:
        StorageError: this process can open no file at all; that tells nothing about this one. Or see `must_tell`.
    """
    try:
        descriptor = os.open(path, _READ_FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in _OUT_OF_FILES:
            raise storage_error(
                f"{path} cannot be opened: {error.strerror}", remedy="Raise the limit of open files (ulimit -n)"
            ) from None
        if must_tell and error.errno != errno.ELOOP:  # a link in place of the file is damage
            raise _in_a_foreign_directory(path) or _cannot_read(path, error) from None
        note(f"{path} could not be opened ({error.strerror}); it counts as missing")
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        note(f"{path} is not a regular file; it counts as missing")
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not is_own(status):
            if must_tell:
                raise storage_error(f"{path} is not yours: {_owners(status)}", remedy=_OTHER_USER)
            note(f"{path} is not a file of this user; it counts as missing")
            return None
        if os.name != "nt" and status.st_mode & 0o077:
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, 0o600)
            note(f"{path} was open to other users; its mode is 0600 now")
        try:
            content = file.read(_MOST_BYTES + 1)
        except OSError as error:
            if must_tell:
                raise _cannot_read(path, error) from None
            note(f"{path} could not be read ({error.strerror}); it counts as missing")
            return None
    if len(content) > _MOST_BYTES:
        note(f"{path} is too long; it counts as missing")
        return None
    return content


class Reservation:
    """A file beside another one that holds the disk space its successor needs, until it takes its place.

    A write that must not fail for want of space is prepared by this before anything is spent for its content. The
    blocks are written and synchronised, so that neither other processes nor a quota can take them.

    Args:
        path: the file to be replaced.
        size: bytes to hold.

    Raises:
        StorageError: there is not that much space, or the file cannot be replaced.
    """

    def __init__(self, path: str, size: int) -> None:
        _refuse_foreign(path)
        self._path = path
        self._temporary: str | None = _temporary_name(path)
        try:
            _create(self._temporary, b"\xff" * size, sync=True)
        except OSError as error:
            self.release()
            raise _cannot_write(path, error) from None

    def commit(self, content: bytes) -> None:
        """Put the content in place of the file, in the space that is held; a later call writes as usual.

        Raises:
            StorageError: it could not be written.
        """
        temporary, self._temporary = self._temporary, None
        if temporary is None:
            write_private(self._path, content)
            return
        try:
            _overwrite(temporary, content)
            _put_in_place(temporary, self._path, lasting=True)
        except FileNotFoundError:
            # A sign-out removes what it finds beside the file too; the write then counts as one that came after it.
            write_private(self._path, content)
        except OSError:
            try:
                self._write_over(content)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def _write_over(self, content: bytes) -> None:
        """Write over the file itself: what it holds is spent, so that there is nothing to lose by that.

        Renaming may take more room than writing. On btrfs under a quota it is refused with 200 KB left.
        """
        try:
            _overwrite(self._path, content)
        except OSError as error:
            raise _cannot_write(self._path, error) from None

    def release(self) -> None:
        """Give the space back if it was not used."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_private(
    path: str,
    content: bytes,
    *,
    lasting: bool = True,
    folders: Iterable[str] = (),
    note: Note = lambda _: None,
) -> None:
    """Put a private file in place whole; see `replace_file`.

    Args:
        path: the file.
        content: what it is to hold.
        lasting: whether it must be there after the power fails. What can be fetched again need not: waiting for the
            disk takes longer than fetching it.
        folders: the directories to make first, see `make_directory`.
        note: gets a sentence about a directory that others could read.

    Raises:
        StorageError: it cannot be written; what was there before is untouched.
    """
    for folder in folders:
        make_directory(folder, note)
    _refuse_foreign(path)
    try:
        replace_file(path, content, lasting=lasting)
    except OSError as error:
        raise _cannot_write(path, error) from None


def replace_file(
    path: str,
    content: bytes,
    *,
    lasting: bool = True,
    mode: int = 0o600,
    like: os.stat_result | None = None,
    check: Callable[[str], None] | None = None,
) -> None:
    """Put a file in place whole or not at all: a temporary file beside it, fsync, rename.

    Args:
        path: the file.
        content: what it is to hold.
        lasting: whether it must be there after the power fails.
        mode: the permissions it has from the moment it stands there.
        like: a file whose mode and, where possible, owner it gets instead.
        check: called with the path of the new file before that takes its place; what it raises leaves the old one.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    temporary = _temporary_name(path)
    try:
        _create(temporary, content, sync=lasting, mode=mode if like is None else stat.S_IMODE(like.st_mode), like=like)
        if check is not None:
            check(temporary)
        _put_in_place(temporary, path, lasting=lasting)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def refuse_without_home(path: str) -> None:
    """Refuse a path whose ``~`` could not be expanded: it would lead into whatever directory is the current one.

    Raises:
        FileNotFoundError: it is one.
    """
    if path.startswith("~"):
        raise FileNotFoundError(errno.ENOENT, "there is no such home directory", path)


def read_regular_file(path: str, most: int = -1) -> bytes:
    """Return the content of a file that anybody may have named, or its first `most` bytes.

    A pipe without a writer would block for ever, and of one with a writer nothing would be left to read for botocore,
    which takes a configuration that is not a file for an empty one.

    Raises:
        OSError: it cannot be read, or is not a regular file, or is in a home directory that there is not.
    """
    refuse_without_home(path)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file", path)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def remove(path: str) -> None:
    """Remove a file if it is there.

    Raises:
        StorageError: it is there and cannot be removed.
    """
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise storage_error(f"{path} cannot be removed: {error.strerror}") from None


def remove_with_leftovers(path: str) -> None:
    """Remove a file, and what killed writes of it have left beside it.

    Raises:
        StorageError: one is there and cannot be removed.
    """
    remove(path)
    directory, name = os.path.split(path)
    with contextlib.suppress(OSError):
        for other in os.listdir(directory):
            if other.startswith(name + TEMPORARY_MARK):
                remove(os.path.join(directory, other))


def _temporary_name(path: str) -> str:
    return f"{path}{TEMPORARY_MARK}{os.urandom(6).hex()}"


def _refuse_foreign(path: str) -> None:
    try:
        if not is_own(os.lstat(path)):
            raise storage_error(f"{path} belongs to another user and is not overwritten", remedy=_OTHER_USER)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot_write(path, error) from None


def _create(path: str, content: bytes, *, sync: bool, mode: int = 0o600, like: os.stat_result | None = None) -> None:
    descriptor = os.open(path, _WRITE_FLAGS, 0o600)
    try:
        # By descriptor: who owns the directory can let the name lead to another file meanwhile, and this may be root.
        if like is not None and hasattr(os, "fchown"):
            with contextlib.suppress(OSError):
                os.fchown(descriptor, like.st_uid, like.st_gid)
        if os.name != "nt" and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)  # a umask may take rights from the owner too
        _write_all(descriptor, content, sync=sync)
    finally:
        os.close(descriptor)


def _overwrite(path: str, content: bytes) -> None:
    """Write over what is there, so that its blocks are used, and cut off the rest."""
    flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _write_all(descriptor, content, sync=False)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes, *, sync: bool) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    if sync:
        os.fsync(descriptor)


def _put_in_place(temporary: str, path: str, *, lasting: bool) -> None:
    _replace(temporary, path)
    if lasting:
        _sync_directory(os.path.dirname(path))


def _replace(temporary: str, path: str) -> None:
    """`os.replace`; Windows refuses it for the moment in which another process reads the file that is replaced."""
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
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_a_foreign_directory(path: str) -> StorageError | None:
    """The error for a file in a directory of another user, who lets this one see no more than that directory."""
    directory, below = os.path.dirname(path), path
    while directory != below:
        with contextlib.suppress(OSError):
            status = os.stat(directory)
            return (
                None
                if is_own(status)
                else storage_error(f"{directory} is not yours: {_owners(status)}", remedy=_OTHER_USER)
            )
        directory, below = os.path.dirname(directory), directory
    return None


def _cannot_read(path: str, error: OSError) -> StorageError:
    return storage_error(
        f"{path} cannot be read: {error.strerror}", remedy="Check its permissions and the disk, and try again"
    )


def _cannot_write(path: str, error: OSError) -> StorageError:
    return storage_error(
        f"{path} cannot be written: {error.strerror}",
        remedy="Free space, change its permissions, or set COGNITO_FEDERATION_CACHE_DIR",
    )
