"""Where documents are kept between calls and processes: files, memory, keyring, behind one small interface."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._fast_path import cache_directory
from ..errors import ConfigurationError
from .base import MemoryStore, Store
from .file import FileStore
from .registry import STORES

if TYPE_CHECKING:
    from ..config.settings import Settings

__all__ = ["FileStore", "MemoryStore", "Store", "default_directory", "store_for"]


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
    declared = STORES[settings.cache]
    return declared.open(default_directory(environ) if declared.outlives_process else cache_directory(environ))
