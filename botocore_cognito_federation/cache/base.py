"""What the federation needs of a store: documents by kind and key, and locks. Files, memory and keyring look alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..identity_pool.client import Login

#: Written into every document. A later format that today's code cannot read is a miss, not an error.
FORMAT = 1

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


class Store(Protocol):
    """Documents, each under a kind and a key made by `key_of`."""

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

    def warn(self, text: str) -> None:
        """Remember something worth a word for ``status`` and ``doctor``; never raises."""
        ...


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
    """The key of a sign-out generation."""
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
