"""JSON documents that providers publish (discovery, JWKS), kept for as long as HTTP says they are fresh."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from .._util.http import HttpAnswer, HttpClient
from ..errors import ConfigurationError, TemporaryError

DEFAULT_LIFETIME = 3600.0
"""Seconds a document without a lifetime of its own is kept."""

MINIMUM_LIFETIME = 60.0
"""Also where the server says no-store: these are public, and a burst of processes must not become a burst there."""

MAXIMUM_LIFETIME = 86400.0

#: Seconds for which a document is good enough after that, as long as no other can be had.
STALE_IF_ERROR = 86400.0


@dataclass(frozen=True)
class CachedDocument:
    """One document as fetched.

    Attributes:
        url: where it came from; the key of the cache.
        text: the JSON text, public by nature.
        fetched_at: epoch seconds.
        fresh_until: epoch seconds; afterwards it is fetched again.
    """

    url: str
    text: str = field(repr=False)
    fetched_at: float
    fresh_until: float

    def value(self) -> dict[str, Any] | None:
        """The JSON object, None where the text is damaged."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class DocumentCache(Protocol):
    """Where documents wait between processes; a cache that loses everything is a correct one."""

    def get(self, url: str) -> CachedDocument | None: ...

    def put(self, document: CachedDocument) -> None: ...


class MemoryDocuments:
    """A cache for the life of a process."""

    def __init__(self) -> None:
        self._documents: dict[str, CachedDocument] = {}

    def get(self, url: str) -> CachedDocument | None:
        return self._documents.get(url)

    def put(self, document: CachedDocument) -> None:
        self._documents[document.url] = document


def document(
    http: HttpClient, cache: DocumentCache, url: str, *, now: float, not_before: float | None = None
) -> tuple[dict[str, Any], CachedDocument]:
    """The document at `url`, from the cache while fresh, and for a day longer while its server gives no other.

    Args:
        now: epoch seconds.
        not_before: a cached document fetched at or before this is not good enough.

    Raises:
        ConfigurationError: the server has no such document.
        TemporaryError: the server cannot be asked now.
    """
    kept = cache.get(url)
    # A document "from the future" is one of a clock that has been set back since: a miss.
    recent = kept is not None and (not_before is None or kept.fetched_at > not_before)
    if kept is not None and recent and kept.fetched_at <= now < kept.fresh_until:
        value = kept.value()
        if value is not None:
            return value, kept
    try:
        return _fetched(http, cache, url, now)
    except (ConfigurationError, TemporaryError):
        # RFC 5861, section 4: what answers wrongly for a while takes no renewal away that the last answer allows.
        value = kept.value() if kept is not None and recent else None
        if kept is None or value is None or not kept.fetched_at <= now < kept.fresh_until + STALE_IF_ERROR:
            raise
        return value, kept


def _fetched(http: HttpClient, cache: DocumentCache, url: str, now: float) -> tuple[dict[str, Any], CachedDocument]:
    answer = http.get(url)
    if answer.status != 200:
        raise ConfigurationError(
            f"{answer.host} has no document at {url} (HTTP {answer.status})",
            remedy="Check cognito_provider and cognito_issuer: the issuer must be exact, path included",
        )
    value = answer.json_object(error=ConfigurationError)
    fetched = CachedDocument(url, json.dumps(value), now, now + lifetime(answer, now))
    cache.put(fetched)
    return value, fetched


def lifetime(answer: HttpAnswer, now: float) -> float:
    """Seconds `answer` stays fresh (RFC 9111, section 4.2.1), between a minute and a day."""
    directives = _cache_control(answer.headers)
    if "no-store" in directives or "no-cache" in directives:
        return MINIMUM_LIFETIME
    age = _seconds(answer.headers.get("age"), 0.0)
    if "max-age" in directives:
        life = _seconds(directives["max-age"], 0.0) - age
    elif "expires" in answer.headers:
        life = _until(answer.headers["expires"], now) - age
    else:
        life = DEFAULT_LIFETIME
    return min(max(life, MINIMUM_LIFETIME), MAXIMUM_LIFETIME)


def _cache_control(headers: Mapping[str, str]) -> dict[str, str]:
    directives = {}
    for part in headers.get("cache-control", "").split(","):
        name, _, value = part.strip().partition("=")
        directives[name.lower()] = value.strip('" ')
    return directives


def _seconds(text: str | None, default: float) -> float:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else default


def _until(text: str, now: float) -> float:
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0  # RFC 9111, section 5.3: an invalid date, "0" above all, means already expired
