"""Keeps what a test double answers (moto, VCR, responses, a mock) out of the files that real processes use.

It is in memory as long as the double is at work, and then gone. Only what can be seen without importing anything is
looked at: a program that imported none of these tools has none of them at work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ..errors import StorageError
from .base import CREDENTIALS, DOCUMENTS, FAILURES, IDENTITIES, LINKS, NOTES, SESSIONS, MemoryStore, Store

#: What comes of calls to AWS: credentials, failures too.
_OF_AWS = frozenset({CREDENTIALS, IDENTITIES, FAILURES, NOTES, LINKS})
#: What comes of requests to identity providers.
_OF_PROVIDERS = frozenset({DOCUMENTS, FAILURES, NOTES})


@dataclass(eq=False, repr=False)
class StoreBesideDoubles:
    """A store that is not touched by what test doubles answer.

    Args:
        store: where real answers are kept.
    """

    store: Store
    _meanwhile: MemoryStore | None = field(default=None, init=False)

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
        return self.store.lock(name, timeout=timeout)

    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
        # A refresh token is spent inside only, so that this also keeps it from being spent on a double.
        _refuse_sessions_of_doubles(kind)
        return self._for(kind).reserved(kind, key, document)

    def holder(self, name: str) -> str:
        return self.store.holder(name)

    def warn(self, text: str) -> None:
        self._for(NOTES).warn(text)

    def _for(self, kind: str) -> Store:
        of_aws, of_http = double_of_aws() is not None, double_of_http() is not None
        if not of_aws and not of_http:
            self._meanwhile = None
            return self.store
        if (of_aws and kind in _OF_AWS) or (of_http and kind in _OF_PROVIDERS):
            # Looked at twice: another thread may see the end of the double at this moment.
            meanwhile = self._meanwhile or MemoryStore()
            self._meanwhile = meanwhile
            return meanwhile
        return self.store


def _refuse_sessions_of_doubles(kind: str) -> None:
    if kind == SESSIONS and (double := double_of_http()) is not None:
        raise StorageError(
            f"A sign-in is neither stored nor renewed while {double} answers for the identity provider",
            remedy="Renew it before the test, or let the test have credentials of its own",
        )


def double_of_aws() -> str | None:
    """The name of what answers botocore's calls in this process in the place of AWS; None where AWS itself does."""
    if _at(sys.modules.get("moto.core.models"), "botocore_stubber", "enabled") is True:
        return "moto"
    awsrequest, httpsession = sys.modules.get("botocore.awsrequest"), sys.modules.get("botocore.httpsession")
    for pool in ("AWSHTTPConnectionPool", "AWSHTTPSConnectionPool"):
        if _tool(_at(awsrequest, pool, "ConnectionCls")) == "vcr":
            return "vcr"
    places = (
        _at(httpsession, "URLLib3Session", "send"),
        _at(sys.modules.get("botocore.endpoint"), "Endpoint", "_send"),
        _at(sys.modules.get("botocore.endpoint"), "Endpoint", "make_request"),
        _at(sys.modules.get("botocore.client"), "BaseClient", "_make_api_call"),
    )
    return next((_tool(place) for place in places if _is_double(place)), None)


def double_of_http() -> str | None:
    """The name of what answers the requests to identity providers in this process; None where they do themselves.

    moto puts itself in the way of `requests` too, and lets everything through that is not AWS's.
    """
    pools = sys.modules.get("urllib3.connectionpool")
    for pool in ("HTTPConnectionPool", "HTTPSConnectionPool"):
        if _tool(_at(pools, pool, "ConnectionCls")) == "vcr":
            return "vcr"
    adapters, sessions = sys.modules.get("requests.adapters"), sys.modules.get("requests.sessions")
    places = (
        _at(adapters, "HTTPAdapter", "send"),
        _at(sessions, "Session", "send"),
        _at(sessions, "Session", "request"),
        _at(sessions, "Session", "get_adapter"),
    )
    found = next((_tool(place) for place in places if _is_double(place)), None)
    return None if found == "responses" and double_of_aws() == "moto" else found


#: The packages whose stand-ins are known.
_TOOLS = ("moto", "requests_mock", "responses", "unittest", "vcr")


def _tool(place: Any) -> str:
    """The package that a class or function comes from."""
    module = getattr(place, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else type(place).__module__.partition(".")[0]


def _is_double(place: Any) -> bool:
    return place is not None and (hasattr(place, "mock_calls") or _tool(place) in _TOOLS)


def _at(place: Any, *names: str) -> Any:
    for name in names:
        place = getattr(place, name, None)
    return place
