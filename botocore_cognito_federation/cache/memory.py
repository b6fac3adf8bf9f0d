"""The store in memory: ``cognito_cache = memory``, and where nothing can be written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .._util.concurrency import ForkSafeLock


class MemoryStore:
    """`Store` for one process. Documents go through JSON, so that it behaves as the others do."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], str] = {}
        self._locks: dict[str, ForkSafeLock] = {}
        self.notes: list[str] = []

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        text = self._documents.get((kind, key))
        document: Mapping[str, Any] | None = None if text is None else json.loads(text)
        return document

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._documents[(kind, key)] = json.dumps(document)

    def delete(self, kind: str, key: str) -> None:
        self._documents.pop((kind, key), None)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for (of_kind, key), text in list(self._documents.items()):
            if of_kind == kind:
                yield key, json.loads(text)

    @contextmanager
    def lock(self, name: str, *, timeout: float) -> Iterator[bool]:
        lock = self._locks.setdefault(name, ForkSafeLock())
        taken = lock.acquire(timeout)
        try:
            yield taken
        finally:
            if taken:
                lock.release()

    @contextmanager
    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        yield lambda successor: self.write(kind, key, successor)

    def holder(self, name: str) -> str:
        return "Another thread"

    def warn(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
