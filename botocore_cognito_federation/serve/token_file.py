"""The endpoint's bearer token in a private file, for SDKs that take it only from there (Rust's ``object_store``)."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from types import TracebackType

from .._fast_path import cache_directory
from .._util.files import make_directory
from ..errors import StorageError

#: The directory of these files, under the one of the cache.
ENDPOINTS = "endpoints"
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class TokenFile:
    """A file of mode 0600 in a directory of 0700 that holds a token inside ``with``.

    The file stays locked as long as its process runs. Files that are not locked were left by processes that were
    killed; they are removed whenever a new one is made.

    Args:
        token: what the file holds.
        environ: names the directory of the cache. Where nothing can be written there, the file is in the system's
            directory for temporary files.
    """

    def __init__(self, token: str, environ: Mapping[str, str]) -> None:
        self._token = token
        self._environ = environ
        self._descriptor = -1
        self.path = ""

    def __enter__(self) -> TokenFile:
        failure: StorageError | None = None
        for directory in self._directories():
            try:
                make_directory(directory, lambda _: None)
                _remove_abandoned(directory)
                self._descriptor, self.path = _created(directory, self._token.encode())
                return self
            except StorageError as error:
                failure = error
            except OSError as error:
                failure = StorageError(
                    f"No file for the endpoint's token can be made in {directory}: {error.strerror}",
                    remedy="Set COGNITO_FEDERATION_CACHE_DIR to a directory that you can write",
                )
        assert failure is not None
        raise failure

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.name == "nt":
            os.close(self._descriptor)  # Windows removes no file that is open
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        if os.name != "nt":
            os.close(self._descriptor)

    def _directories(self) -> Iterator[str]:
        yield os.path.join(cache_directory(self._environ), ENDPOINTS)
        user = f"-{os.geteuid()}" if sys.platform != "win32" else ""
        yield os.path.join(tempfile.gettempdir(), f"cognito-federation{user}")


def _created(directory: str, content: bytes) -> tuple[int, str]:
    """A new file, locked, and its path.

    Raises:
        OSError: none can be made.
    """
    while True:
        path = os.path.join(directory, secrets.token_hex(8))
        descriptor = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Another process may have taken it for an abandoned one before it was locked.
            if _try_lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
                os.write(descriptor, content)
                return descriptor, path
        except OSError:
            os.unlink(path)
            os.close(descriptor)
            raise
        os.close(descriptor)


def _remove_abandoned(directory: str) -> None:
    for entry in os.scandir(directory):
        with contextlib.suppress(OSError):
            descriptor = -1 if sys.platform == "win32" else os.open(entry.path, _OPEN)
            try:
                # On Windows a file that its process has open cannot be removed.
                if sys.platform == "win32" or _try_lock(descriptor):
                    os.unlink(entry.path)
            finally:
                if descriptor >= 0:
                    os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Whether this process holds the file's lock now; None where the file system or the system has none."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
