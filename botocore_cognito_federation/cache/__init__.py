"""Where documents are kept between calls and processes: files, memory, keyring, behind one small interface."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._fast_path import cache_directory
from ..errors import ConfigurationError
from .base import MemoryStore, Store
from .file import FileStore

if TYPE_CHECKING:
    from ..config.settings import Settings

__all__ = ["FileStore", "MemoryStore", "Store", "default_directory", "everything_stored", "store_for"]

#: ``cognito_cache = memory``: one store for whatever in this process uses the same directory.
_in_memory: dict[str, MemoryStore] = {}


def default_directory(environ: Mapping[str, str]) -> str:
    """Where files are kept.

    Raises:
        ConfigurationError: the place is not certain: it would be another one for each working directory.
    """
    directory = cache_directory(environ)
    if os.path.isabs(directory):
        return directory
    if environ.get("COGNITO_FEDERATION_CACHE_DIR"):
        raise ConfigurationError(
            f"COGNITO_FEDERATION_CACHE_DIR is {directory!r}, which is another directory for each working directory",
            remedy="Set it to an absolute path",
        )
    raise ConfigurationError(
        "This user has no home directory: HOME is not set, and the user is not in the passwd database",
        remedy="Set HOME, or set COGNITO_FEDERATION_CACHE_DIR to an absolute path",
    )


def store_for(settings: Settings, environ: Mapping[str, str]) -> Store:
    """The store a configuration names; nothing is touched yet.

    Raises:
        ConfigurationError: see `default_directory`.
    """
    if settings.cache == "memory":
        return _in_memory.setdefault(cache_directory(environ), MemoryStore())
    files = FileStore(default_directory(environ))
    if settings.cache == "keyring":
        from .keyring import KeyringStore

        return KeyringStore(files)
    return files


def other_stores(store: Store, environ: Mapping[str, str]) -> list[Store]:
    """The further stores in which something may be kept: files, each that a profile names, a keyring that holds items.

    A configuration that has changed, or a variable, may have left a sign-in there.

    Args:
        store: the one that is known already.
        environ: the process environment.

    Raises:
        ConfigurationError: see `default_directory`.
    """
    from ..config.loader import every_settings
    from .keyring import KeyringStore

    files = FileStore(default_directory(environ))
    keyring = KeyringStore(files)
    found: dict[type, Store] = {FileStore: files}
    for settings in every_settings(environ):
        with contextlib.suppress(ConfigurationError):
            named = store_for(settings, environ)
            found.setdefault(type(named), named)
    if keyring.holds_anything():
        found.setdefault(KeyringStore, keyring)
    return [other for kind, other in found.items() if kind not in (type(store), MemoryStore)]


def everything_stored(environ: Mapping[str, str]) -> Store:
    """What all stores of this user hold together, for commands about all profiles.

    Raises:
        ConfigurationError: see `default_directory`.
    """
    from .keyring import AllStores

    files = FileStore(default_directory(environ))
    return AllStores(files, *other_stores(files, environ))
