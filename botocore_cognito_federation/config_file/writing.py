"""Replacing a configuration file whole, and the file only: its mode stays, and a link to it stays a link."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable

from ..errors import ConfigurationError, StorageError
from ..storage.base import Store, key_of

_LOCK_TIMEOUT = 30.0


def read_text(path: str) -> str:
    """The text of a configuration file; empty where there is none. Bytes that are not UTF-8 survive a round trip.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def update_text(path: str, edit: Callable[[str], str], store: Store) -> bool:
    """Change a configuration file; whether there was anything to change.

    Args:
        path: the file; where it is a link, its target is replaced and the link stays.
        edit: from the old text to the new one; called while no other process of ours changes the file.
        store: gives the lock.

    Raises:
        ConfigurationError: it cannot be read.
        StorageError: it cannot be written; what was there before is untouched.
    """
    target = os.path.realpath(path)
    with store.lock(f"config-{key_of({'file': target})[:16]}", timeout=_LOCK_TIMEOUT) as taken:
        if not taken:
            raise StorageError(f"Another process is changing {path}", remedy="Try again")
        before = read_text(target)
        after = edit(before)
        if after == before:
            return False
        try:
            _replace(target, after.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise StorageError(
                f"{target} cannot be written: {error.strerror}", remedy="Mend its permissions, or set AWS_CONFIG_FILE"
            ) from None
    return True


def _replace(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    status = None
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "it is write-protected")
    temporary = f"{path}.{secrets.token_hex(6)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if status is not None:
            os.chmod(temporary, stat.S_IMODE(status.st_mode))
            if hasattr(os, "chown"):
                with contextlib.suppress(OSError):
                    os.chown(temporary, status.st_uid, status.st_gid)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
