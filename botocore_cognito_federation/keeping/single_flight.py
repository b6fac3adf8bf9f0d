"""One renewal at a time: between the threads of this process, and between processes where the store has locks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from .._util.concurrency import ForkSafeLock
from ..errors import StorageError
from ..storage.base import Store

#: One lock an entry for the threads of this process, enough where the store cannot have locks. It lives as long as
#: somebody waits for it or holds it: a server sees new users, and so new entries, without end.
_thread_locks: WeakValueDictionary[str, ForkSafeLock] = WeakValueDictionary()
_finding = ForkSafeLock()


@contextmanager
def single_flight(store: Store, key: str, *, timeout: float) -> Iterator[bool]:
    """Hold the turn to renew what stands under `key`; what it gives is whether it was had within `timeout` seconds."""
    with _finding:
        mine = _thread_locks.setdefault(key, ForkSafeLock())
    if not mine.acquire(timeout):
        yield False
        return
    try:
        with contextlib.ExitStack() as stack:
            try:
                taken = stack.enter_context(store.lock(key, timeout=timeout))
            except StorageError:
                taken = True  # no place for a lock: the threads of this process still take turns
            yield taken
    finally:
        mine.release()
