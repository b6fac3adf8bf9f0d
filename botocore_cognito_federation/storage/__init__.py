"""Where documents are kept between calls and processes: files, memory, keyring, behind one small interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .base import Store
from .files import FileStore, default_directory
from .memory import MemoryStore

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["FileStore", "MemoryStore", "Store", "default_directory", "store_for"]


def store_for(settings: Settings, environ: Mapping[str, str]) -> Store:
    """The store a configuration names."""
    if settings.cache == "memory":
        return MemoryStore()
    return FileStore(default_directory(environ))
