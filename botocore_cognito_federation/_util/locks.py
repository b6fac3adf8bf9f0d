"""Locks that are files, and who holds one, in words for those who wait for it.

The file is locked by `flock`, on Windows by its first byte, which excludes processes that lock the same file by the
package `filelock`. That package takes longer to import than all the rest of a process that only reads its cache; it is
asked where the file system has no `flock`, because it has locks that are made of files alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable

#: Who holds a lock, where the process that does cannot be named.
UNKNOWN_HOLDER = "Another process"
#: Seconds between two tries: what is waited for often takes a fifth of a second.
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


def lock_holder() -> bytes:
    """Describe this process for those who wait for its lock: PID, start, time, program.

    It is for messages only; whether a lock is held is never concluded from it.
    """
    name = os.path.basename(next(iter(getattr(sys, "argv", ())), ""))  # an embedded Python may have none
    program = "".join(filter(str.isprintable, name))[:60]
    return f"{os.getpid()} {_start_of(os.getpid())} {time.time():.0f} {program or 'python'}".encode(errors="replace")


def holder_words(content: bytes) -> str:
    """Name the process that `lock_holder` described, if it still runs: "Process 12 (app.py; …)"."""
    try:
        pid, start, since, program = content.decode(errors="replace").split(" ", 3)
        if _start_of(int(pid)) != start:
            return UNKNOWN_HOLDER
        held = max(0, round(time.time() - float(since)))
    except (ValueError, OverflowError):
        return UNKNOWN_HOLDER
    program = "".join(filter(str.isprintable, program))[:60]
    return f"Process {pid} ({program}; it took the lock {held} s ago)"


def _start_of(pid: int) -> str:
    """When a process started, in ticks since the machine did (proc(5), field 22); ``-`` where no one tells."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return "gone" if os.path.exists("/proc/self/stat") else "-"
