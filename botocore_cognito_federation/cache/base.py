"""What every store has: documents by kind and key, the keys, and the sign-out epochs.

Each sign-out gives its scope a new random epoch; forgetting AWS credentials gives them one of their own, which leaves
the sign-in as it is. What is stored carries the epoch in which its making began, and counts only while that is still
the current one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from .._util.concurrency import ForkSafeLock
from ..errors import StorageError

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..identity_pool.client import Login

#: Written into every document. A later format that today's code cannot read is a miss, not an error.
FORMAT = 2

CREDENTIALS = "credentials"
IDENTITIES = "identities"
FAILURES = "failures"
EPOCHS = "generations"
NOTES = "notes"
SESSIONS = "sessions"
SECRETS = "secrets"
DOCUMENTS = "documents"
LINKS = "links"

#: What a keyring takes instead of files.
SECRET_KINDS = frozenset({CREDENTIALS, SESSIONS, SECRETS})
#: What nothing can fetch again. A file of these that cannot be read is an error: "nobody is signed in" would mislead.
LASTING_SECRETS = frozenset({SESSIONS, SECRETS})


class Store(Protocol):
    """Documents, each under a kind and a key made by `cache_key`."""

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """The document, or None where there is none; damage is a miss."""
        ...

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Put a document in place, whole or not at all.

        Raises:
            StorageError: it could not be written.
        """
        ...

    def delete(self, kind: str, key: str) -> None:
        """Forget a document.

        Raises:
            StorageError: it is there and could not be removed.
        """
        ...

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """All documents of a kind, with their keys."""
        ...

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        """Hold the lock `name`; what it gives is whether it was taken within `timeout` seconds.

        Raises:
            StorageError: this place cannot have locks.
        """
        ...

    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
        """Prove that successors of a document can be written, and hold the space for them until the context ends.

        What cannot be had again, such as a refresh token, is spent inside only. The context gives the function that
        writes a successor, which may be twice as long as the document. Until then the document stays as it is.

        Raises:
            StorageError: a successor could not be written.
        """
        ...

    def holder(self, name: str) -> str:
        """Name the process that holds the lock `name`, for a sentence: "Process 12 (aws)", else "Another process"."""
        ...

    def warn(self, text: str) -> None:
        """Remember something worth a word for ``status`` and ``doctor``; never raises."""
        ...


@dataclass(eq=False)
class MemoryStore:
    """The `Store` of one process: ``cognito_cache = memory``, and where nothing can be written.

    Documents go through JSON, so that it behaves as the others do.
    """

    notes: list[str] = field(default_factory=list)
    _documents: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    _locks: dict[str, ForkSafeLock] = field(default_factory=dict, repr=False)

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


def cache_key(parts: Mapping[str, object]) -> str:
    """The key of a document: a digest of everything that tells it from others."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        value = parts[name]
        for text in (name, "" if value is None else str(value)):
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(raw) + raw)
    return digest.hexdigest()


def identity_key(settings: Settings, login: Login | None) -> str:
    """The key of an identity ID: where it was issued, and for whom."""
    return cache_key({"what": "identity", **_place(settings), **_who(settings, login)})


def credentials_key(settings: Settings, login: Login | None) -> str:
    """The key of credentials: the identity, and everything that shapes what the pool or STS vends for it."""
    asks_sts = settings.flow == "basic" or settings.assume_role_arn is not None
    return cache_key(
        {
            "what": "credentials",
            **_place(settings),
            **_who(settings, login),
            "flow": settings.flow,
            "role": settings.role_arn,
            "duration": settings.duration_seconds,
            "session name": settings.role_session_name,
            "assumed role": settings.assume_role_arn,
            "sts": settings.sts_endpoint if asks_sts else None,
            "assumed in": settings.region_name if settings.assume_role_arn else None,
        }
    )


def links_key(settings: Settings, login: Login) -> str:
    """The key of what is linked to a login: the pool, and who it is; nothing of a role or a flow."""
    own = replace(login, linked=())
    return cache_key({"what": "links", **_place(settings), **_who(replace(settings, identity_id=None), own)})


def session_key(settings: Settings) -> str:
    """The key of a sign-in: its scope, and the provider and client it was made with."""
    provider = settings.provider
    return cache_key(
        {
            "what": "session",
            "scope": settings.scope,
            "provider": (provider.login_key or provider.name) if provider else None,
            "issuer": provider.issuer if provider else None,
            "client": settings.client_id,
        }
    )


def forgotten_key(scope: str) -> str:
    """The key of the mark that a forgetting of AWS credentials leaves."""
    return cache_key({"what": "forgotten", "scope": scope})


def scope_key(scope: str) -> str:
    """The key of a sign-out epoch."""
    return cache_key({"what": "scope", "scope": scope})


def _place(settings: Settings) -> dict[str, object]:
    return {
        "pool": settings.identity_pool_id,
        "endpoint": settings.endpoint,
        "fips": settings.fips,
        "dual stack": settings.dual_stack,
        "account": settings.account_id,
    }


def _who(settings: Settings, login: Login | None) -> dict[str, object]:
    if settings.identity_id is not None:
        return {"who": f"identity {settings.identity_id}"}
    if login is None:
        return {"who": "guest"}
    who: dict[str, object] = {"who": f"login {login.key}", "subject": login.token.subject}
    for mark in login.linked:
        who[f"linked {mark.key}"] = mark.subject
    return who


#: The scope that holds all others, also those whose first credentials are still on their way.
EVERYTHING = "everything"
#: Seconds after which a renewal that began before a sign-out has ended; its own limits are minutes.
_LONGEST_FLIGHT = 3600.0


def epoch_keys(scope: str) -> tuple[str, ...]:
    """The keys of the documents that together are the epoch of a scope.

    A sign-out and a forgetting each write a document of their own, whole, so that neither can undo the other.
    """
    return scope_key(scope), forgotten_key(scope), forgotten_key(EVERYTHING)


def current_epoch(store: Store, scope: str) -> str:
    """The epoch of a scope's AWS credentials; empty before anything was signed out of or forgotten."""
    marks = [str((store.read(EPOCHS, key) or {}).get("generation", "")) for key in epoch_keys(scope)]
    return "/".join(marks) if any(marks) else ""


def sign_in_epoch(store: Store, scope: str) -> str:
    """The epoch of a scope's sign-in, which forgetting credentials does not change; empty before a sign-out."""
    document = store.read(EPOCHS, scope_key(scope))
    return str(document.get("generation", "")) if document else ""


def sign_in_part(sign_out_epoch: str) -> str:
    """The part of a scope's epoch that is its sign-in's; see `sign_in_epoch`."""
    return sign_out_epoch.partition("/")[0]


def begin_epoch(store: Store, scope: str) -> None:
    """Make everything that was begun in this scope so far invalid: the sign-in and its credentials.

    Raises:
        StorageError: it could not be written; nothing has changed.
    """
    store.write(
        EPOCHS,
        scope_key(scope),
        {"generation": secrets.token_hex(8), "scope": scope, "signed_out_at": time.time()},
    )


def end_sign_in(store: Store, scope: str) -> int:
    """Make a scope's sign-in invalid and forget its AWS credentials; what a renewal in flight brings is invalid too.

    Returns:
        How many sets of credentials were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    begin_epoch(store, scope)
    return forget_credentials(store, scope)


def forget_credentials(store: Store, scope: str = EVERYTHING) -> int:
    """Forget the AWS credentials of a scope; those a renewal in flight is about to keep are invalid too.

    Returns:
        How many entries were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    mark = {"generation": secrets.token_hex(8), "scope": scope, "forgotten_at": time.time()}
    store.write(EPOCHS, forgotten_key(scope), mark)
    forgotten = 0
    for key, document in list(store.documents(CREDENTIALS)):
        if scope in (EVERYTHING, document.get("scope")):
            store.delete(CREDENTIALS, key)
            with contextlib.suppress(StorageError):
                store.delete(FAILURES, key)
            forgotten += 1
    return forgotten


def drop_old_marks(store: Store, passes_once: Callable[[str], bool]) -> None:
    """Remove the marks of sign-outs that no renewal can still be in flight for, so that they do not add up for ever.

    Args:
        passes_once: whether a scope is of one sign-in only, so that it never comes again.

    Raises:
        StorageError: the store cannot be written.
    """
    oldest = time.time() - _LONGEST_FLIGHT
    for key, mark in list(store.documents(EPOCHS)):
        at = mark.get("signed_out_at", mark.get("forgotten_at"))
        if passes_once(str(mark.get("scope"))) and isinstance(at, int | float) and at < oldest:
            store.delete(EPOCHS, key)


def delete_sign_ins(store: Store, scope: str) -> int:
    """Forget the sign-ins of a scope without a word to the provider.

    Returns:
        How many there were.

    Raises:
        StorageError: the store cannot be written.
    """
    found = [key for key, document in store.documents(SESSIONS) if document.get("scope") == scope]
    for key in found:
        store.delete(SESSIONS, key)
    return len(found)
