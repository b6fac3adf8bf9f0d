"""Sign-out, and the generation by which it wins over a renewal in flight.

Each sign-out gives its scope a new random generation; forgetting AWS credentials gives them one of their own, which
leaves the sign-in as it is. What is kept carries the generation in which its making began, and counts only while that
is still the current one.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable

from ..errors import StorageError
from ..storage.base import CREDENTIALS, FAILURES, GENERATIONS, SESSIONS, Store
from .cache_keys import forgotten_key, scope_key

#: The scope that holds all others, also those whose first credentials are still on their way.
EVERYTHING = "everything"
#: Seconds after which a renewal that began before a sign-out has ended; its own limits are minutes.
_LONGEST_FLIGHT = 3600.0


def generation_keys(scope: str) -> tuple[str, ...]:
    """The keys of the documents that together are the generation of a scope.

    A sign-out and a forgetting each write a document of their own, whole, so that neither can undo the other.
    """
    return scope_key(scope), forgotten_key(scope), forgotten_key(EVERYTHING)


def current_generation(store: Store, scope: str) -> str:
    """The generation of a scope's AWS credentials; empty before anything was signed out of or forgotten."""
    marks = [str((store.read(GENERATIONS, key) or {}).get("generation", "")) for key in generation_keys(scope)]
    return "/".join(marks) if any(marks) else ""


def sign_in_generation(store: Store, scope: str) -> str:
    """The generation of a scope's sign-in, which forgetting credentials does not change; empty before a sign-out."""
    document = store.read(GENERATIONS, scope_key(scope))
    return str(document.get("generation", "")) if document else ""


def begin_generation(store: Store, scope: str) -> None:
    """Make everything that was begun in this scope so far invalid: the sign-in and its credentials.

    Raises:
        StorageError: it could not be written; nothing has changed.
    """
    store.write(
        GENERATIONS,
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
    begin_generation(store, scope)
    return forget_credentials(store, scope)


def forget_credentials(store: Store, scope: str = EVERYTHING) -> int:
    """Forget the AWS credentials of a scope; those a renewal in flight is about to keep are invalid too.

    Returns:
        How many entries were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    mark = {"generation": secrets.token_hex(8), "scope": scope, "forgotten_at": time.time()}
    store.write(GENERATIONS, forgotten_key(scope), mark)
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
    for key, mark in list(store.documents(GENERATIONS)):
        at = mark.get("signed_out_at", mark.get("forgotten_at"))
        if passes_once(str(mark.get("scope"))) and isinstance(at, int | float) and at < oldest:
            store.delete(GENERATIONS, key)


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
