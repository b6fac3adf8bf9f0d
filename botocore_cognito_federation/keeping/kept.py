"""What is kept of a configuration between calls and processes: its AWS credentials and its identity IDs.

Where nothing can be written, this process keeps the credentials itself; identity IDs are then looked up again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..credentials import FederatedCredentials
from ..errors import StorageError
from ..storage.base import CREDENTIALS, IDENTITIES, Store
from .sign_out import current_generation, sign_in_generation

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..exchange.identity_pool import Login

#: Damage is a miss: what could not be an identity ID is not sent to Cognito.
_IDENTITY_ID = re.compile(r"[\w-]{1,30}:[0-9a-f-]{1,50}", re.ASCII)


@dataclass(frozen=True)
class InThisProcess:
    """Credentials this process holds itself, and the sign-out generation in which it got them."""

    credentials: FederatedCredentials
    generation: str


class Kept:
    """The kept credentials and identity IDs of one configuration.

    Args:
        settings: the configuration.
        store: where they are kept.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._unkept: dict[str, InThisProcess] = {}

    def generation(self) -> str:
        """The sign-out generation of now."""
        return current_generation(self._store, self._settings.scope)

    def sign_in_generation(self) -> str:
        """What changes with each sign-out and not when only credentials are forgotten."""
        return sign_in_generation(self._store, self._settings.scope)

    def credentials(self, key: str) -> FederatedCredentials | None:
        """The credentials under a key that no sign-out has made invalid, whatever their age."""
        document = self._store.read(CREDENTIALS, key)
        kept = FederatedCredentials.from_document(document) if document and self._is_current(document) else None
        mine = self._unkept.get(key)
        here = mine.credentials if mine and mine.generation == self.generation() else None
        if kept is None or here is None:
            return kept or here
        return max(kept, here, key=lambda credentials: credentials.expires_at)

    def keep_credentials(
        self, key: str, credentials: FederatedCredentials, login: Login | None, generation: str
    ) -> None:
        """Keep credentials, marked with the generation in which their renewal began.

        A sign-out that came meanwhile has forgotten what there was; nothing secret is to be left after it either.
        """
        document = {
            **credentials.document(),
            "scope": self._settings.scope,
            "generation": generation,
            "profile": self._settings.profile,
            "pool": self._settings.identity_pool_id,
            "provider": login.key if login else "guest",
            "who": _name_of(login),
        }
        try:
            self._store.write(CREDENTIALS, key, document)
            self._unkept.pop(key, None)
            if generation != self.generation():
                self._store.delete(CREDENTIALS, key)
        except StorageError as error:
            # A read-only or full place still works, once per process.
            self._unkept[key] = InThisProcess(credentials, generation)
            self._store.note(error.line)

    def identity(self, key: str) -> str | None:
        """The identity ID under a key."""
        document = self._store.read(IDENTITIES, key)
        identity_id = document.get("identity_id") if document else None
        return identity_id if isinstance(identity_id, str) and _IDENTITY_ID.fullmatch(identity_id) else None

    def keep_identity(self, key: str, identity_id: str) -> None:
        """Keep an identity ID; one that cannot be kept is looked up again."""
        document = {
            "identity_id": identity_id,
            "pool": self._settings.identity_pool_id,
            "scope": self._settings.scope,
        }
        with contextlib.suppress(StorageError):
            self._store.write(IDENTITIES, key, document)

    def forget_identity(self, key: str) -> None:
        """Forget an identity ID that Cognito no longer takes."""
        with contextlib.suppress(StorageError):
            self._store.delete(IDENTITIES, key)

    def _is_current(self, document: Mapping[str, Any]) -> bool:
        """Whether no sign-out came since the renewal that wrote the document began."""
        return document.get("generation") == current_generation(self._store, str(document.get("scope")))


def _name_of(login: Login | None) -> str:
    """Who it is, as a person would say it; no secret."""
    claims = login.token.claims if login else {}
    name = next((str(claims[name]) for name in ("email", "preferred_username", "name", "sub") if claims.get(name)), "")
    # It comes from a token and goes to terminals, which take some characters for commands.
    return "".join(letter if letter.isprintable() else " " for letter in name)[:256]
