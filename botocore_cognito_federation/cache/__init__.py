"""The stores of documents between calls and processes, and their registry, which is the only list of them.

The values of ``cognito_cache``, the stores and the places for commands about all profiles derive from the declarations
here. A declaration imports what its store needs only when the store is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import MemoryStore
from .file import FileStore

if TYPE_CHECKING:
    from .base import Store
    from .keyring import KeyringStore


@dataclass(frozen=True)
class StoreDeclaration:
    """One kind of store.

    Attributes:
        name: the value of ``cognito_cache`` that selects it.
        open: makes the store from the cache directory of this user; touches nothing yet.
        holds_anything: whether something is stored there; asks no other program. Commands about all profiles look into
            such a store although no profile names it.
        outlives_process: whether another process finds what this one has stored.
        schemes: how the URL of an engine begins that hosts share; `open` then opens the part on this machine.
        always_works: whether no package and no service has to be there for it. ``configure`` tries the others out.
    """

    name: str
    open: Callable[[str], Store]
    holds_anything: Callable[[str], bool]
    outlives_process: bool = True
    schemes: tuple[str, ...] = ()
    always_works: bool = False


#: One store for everything in this process that uses the same directory.
_in_memory: dict[str, MemoryStore] = {}


def _open_memory(directory: str) -> MemoryStore:
    return _in_memory.setdefault(directory, MemoryStore())


def _open_keyring(directory: str) -> KeyringStore:
    from .keyring import KeyringStore

    return KeyringStore(FileStore(directory))


def _shared(name: str, *schemes: str) -> StoreDeclaration:
    return StoreDeclaration(name, FileStore, lambda directory: False, schemes=schemes)


#: By name, in the order in which messages name them.
STORES: Mapping[str, StoreDeclaration] = {
    declared.name: declared
    for declared in (
        StoreDeclaration("file", FileStore, lambda directory: True, always_works=True),
        StoreDeclaration("keyring", _open_keyring, lambda directory: _open_keyring(directory).holds_anything()),
        StoreDeclaration("memory", _open_memory, lambda directory: False, outlives_process=False, always_works=True),
        _shared("redis", "redis://", "rediss://", "unix://"),
        _shared("postgres", "postgresql://", "postgres://"),
        _shared("dynamodb", "dynamodb://"),
    )
}
#: The names of the engines that hosts share.
ENGINES = tuple(name for name, declared in STORES.items() if declared.schemes)
