"""Keep what a test double answers out of the store: it is in memory as long as the double is at work, and then gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from .._util.doubles import double_of_aws, double_of_http
from ..errors import StorageError
from .base import CREDENTIALS, DOCUMENTS, FAILURES, IDENTITIES, LINKS, NOTES, SESSIONS, MemoryStore, Store

#: What comes of calls to AWS: credentials, failures too.
_OF_AWS = frozenset({CREDENTIALS, IDENTITIES, FAILURES, NOTES, LINKS})
#: What comes of requests to identity providers.
_OF_PROVIDERS = frozenset({DOCUMENTS, FAILURES, NOTES})


class StoreBesideDoubles:
    """A store that is not touched by what test doubles answer.

    Args:
        store: where real answers are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._meanwhile: MemoryStore | None = None

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        return self._for(kind).read(kind, key)

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        _refuse_sessions_of_doubles(kind)
        self._for(kind).write(kind, key, document)

    def delete(self, kind: str, key: str) -> None:
        self._for(kind).delete(kind, key)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return self._for(kind).documents(kind)

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        return self._store.lock(name, timeout=timeout)

    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
        # A refresh token is spent inside only, so that this also keeps it from being spent on a double.
        _refuse_sessions_of_doubles(kind)
        return self._for(kind).reserved(kind, key, document)

    def holder(self, name: str) -> str:
        return self._store.holder(name)

    def warn(self, text: str) -> None:
        self._for(NOTES).warn(text)

    def _for(self, kind: str) -> Store:
        of_aws, of_http = double_of_aws() is not None, double_of_http() is not None
        if not of_aws and not of_http:
            self._meanwhile = None
            return self._store
        if (of_aws and kind in _OF_AWS) or (of_http and kind in _OF_PROVIDERS):
            # Looked at twice: another thread may see the end of the double at this moment.
            meanwhile = self._meanwhile or MemoryStore()
            self._meanwhile = meanwhile
            return meanwhile
        return self._store


def _refuse_sessions_of_doubles(kind: str) -> None:
    if kind == SESSIONS and (double := double_of_http()) is not None:
        raise StorageError(
            f"A sign-in is neither stored nor renewed while {double} answers for the identity provider",
            remedy="Renew it before the test, or let the test have credentials of its own",
        )
