"""Sign-out, and the generation by which it wins over a renewal in flight.

Each sign-out gives its scope a new random generation. What is kept carries the generation in which its making began,
and counts only while that is still the current one.
"""

from __future__ import annotations

import contextlib
import secrets
import time

from .cache_keys import scope_key
from .errors import StorageError
from .storage.base import CREDENTIALS, FAILURES, GENERATIONS, SESSIONS, Store


def current_generation(store: Store, scope: str) -> str:
    """The generation of a scope; empty before its first sign-out."""
    document = store.read(GENERATIONS, scope_key(scope))
    return str(document.get("generation", "")) if document else ""


def begin_generation(store: Store, scope: str) -> None:
    """Make everything that was begun in this scope so far invalid.

    Raises:
        StorageError: it could not be written; nothing has changed.
    """
    store.write(
        GENERATIONS,
        scope_key(scope),
        {"generation": secrets.token_hex(8), "scope": scope, "signed_out_at": time.time()},
    )


def forget_credentials(store: Store, scope: str) -> int:
    """Forget the AWS credentials of a scope; those a renewal in flight is about to keep are invalid too.

    Returns:
        How many entries were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    begin_generation(store, scope)
    return delete_credentials(store, scope)


def delete_credentials(store: Store, scope: str) -> int:
    """Forget the AWS credentials of a scope and nothing else: the sign-in stays, and the next use gets new ones.

    Returns:
        How many entries were forgotten.

    Raises:
        StorageError: the store cannot be written.
    """
    forgotten = 0
    for key, document in list(store.documents(CREDENTIALS)):
        if document.get("scope") == scope:
            store.delete(CREDENTIALS, key)
            with contextlib.suppress(StorageError):
                store.delete(FAILURES, key)
            forgotten += 1
    return forgotten


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
