"""Where documents are kept between calls and processes: files, memory, keyring, behind one small interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._fast_path import cache_directory as default_directory
from .base import MemoryStore, Store
from .file import FileStore

if TYPE_CHECKING:
    from ..config.settings import Settings

__all__ = ["FileStore", "MemoryStore", "Store", "default_directory", "everything_stored", "store_for"]

#: ``cognito_cache = memory``: one store for whatever in this process uses the same directory.
_in_memory: dict[str, MemoryStore] = {}


def store_for(settings: Settings, environ: Mapping[str, str]) -> Store:
    """The store a configuration names; nothing is touched yet."""
    directory = default_directory(environ)
    if settings.cache == "memory":
        return _in_memory.setdefault(directory, MemoryStore())
    if settings.cache == "keyring":
        from .keyring import KeyringStore

        return KeyringStore(FileStore(directory))
    from .keyring import FilesAfterKeyring

    return FilesAfterKeyring(directory)


def everything_stored(environ: Mapping[str, str]) -> Store:
    """What files and keyring hold together, for commands about all profiles; the keyring is asked only if it holds
    something.
    """
    from .keyring import FilesAfterKeyring

    return FilesAfterKeyring(default_directory(environ))
