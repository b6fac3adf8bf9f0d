"""Keyring backends for tests; to share items between processes, they use a file outside of every home."""

from __future__ import annotations

import json
import os
from pathlib import Path

from filelock import FileLock
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

VARIABLE = "FAKE_KEYRING_FILE"
#: Windows' limit for an item, in bytes of UTF-16.
WINDOWS_LIMIT = 2560


class FileBackend(KeyringBackend):
    """Stores up to `WINDOWS_LIMIT` bytes an item, like Windows' credential manager."""

    priority = 1  # type: ignore[assignment]  # a property in the base class

    def _all(self) -> dict[str, str]:
        path = Path(os.environ[VARIABLE])
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _put(self, items: dict[str, str]) -> None:
        path = Path(os.environ[VARIABLE])
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(items))
        fresh.replace(path)

    def _lock(self) -> FileLock:
        return FileLock(os.environ[VARIABLE] + ".lock")

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > WINDOWS_LIMIT:
            raise OSError(1783, "The stub received bad data")
        with self._lock():
            self._put(self._all() | {f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        with self._lock():
            items = self._all()
            if items.pop(f"{service}/{username}", None) is None:
                raise PasswordDeleteError("not found")
            self._put(items)


class LockedBackend(FileBackend):
    """A locked keyring; its errors quote the secret, as those of a careless backend may."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot keep {password}")


class ForgetfulBackend(FileBackend):
    """Accepts everything and stores nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Do nothing."""
