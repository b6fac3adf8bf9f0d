"""The identities of every pool: one for each login, linked and merged as by Cognito, and deleted on request."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace

from . import refusals


@dataclass(frozen=True, order=True)
class Login:
    """A user of a provider, to whom an identity belongs.

    Attributes:
        provider: the ``Logins`` key, or a developer provider's name.
        subject: the ``sub`` there, or the developer's user identifier.
        public: False for developer-authenticated users, of whom one identity may have several.
    """

    provider: str
    subject: str
    public: bool = True


@dataclass(frozen=True)
class Identity:
    """The state of one identity; `number` is the order of creation, `parent_id` the identity it was merged into."""

    identity_id: str
    pool_id: str
    number: int
    logins: frozenset[Login] = frozenset()
    authenticated: bool = False
    parent_id: str = ""


class IdentityStore:
    """Identities by ID and by login; every change is one step under one lock."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._identities: dict[str, Identity] = {}
        self._owners: dict[tuple[str, Login], str] = {}
        self._created = 0

    def get(self, identity_id: str) -> Identity:
        """Return the identity with this ID.

        Raises:
            Refusal: ``Identity '…' not found.``
        """
        with self._lock:
            identity = self._identities.get(identity_id)
        if identity is None:
            raise refusals.identity_not_found(identity_id)
        return identity

    def owner(self, pool_id: str, login: Login) -> Identity | None:
        with self._lock:
            owner_id = self._owners.get((pool_id, login))
            return self._identities[owner_id] if owner_id else None

    def create_guest(self, pool_id: str) -> Identity:
        """Create an identity without logins, as each GetId of a guest does."""
        with self._lock:
            return self._create(pool_id)

    def for_logins(self, pool_id: str, logins: Iterable[Login]) -> Identity:
        """Return the identity of these logins, created or merged if needed (GetId, developer tokens)."""
        wanted = frozenset(logins)
        with self._lock:
            if not any((pool_id, login) in self._owners for login in wanted):
                _one_login_for_each_provider(wanted)
                return self._store(replace(self._create(pool_id), logins=wanted, authenticated=True))
            return self._unite(pool_id, wanted, None)

    def admit(self, identity_id: str, logins: Iterable[Login]) -> Identity:
        """Return the identity to act for if a user with these logins names `identity_id`; link new logins.

        Raises:
            Refusal: the identity was deleted, disabled by a merge, or belongs to other logins.
        """
        wanted = frozenset(logins)
        with self._lock:
            identity = self.get(identity_id)
            if identity.parent_id:
                raise refusals.identity_forbidden(identity_id)
            if identity.authenticated and not wanted & identity.logins:
                raise refusals.logins_do_not_match()
            return self._unite(identity.pool_id, wanted, identity)

    def attach(self, identity_id: str, logins: Iterable[Login]) -> Identity:
        """Add logins to an identity at the request of an administrator (developer tokens with an IdentityId)."""
        wanted = frozenset(logins)
        with self._lock:
            identity = self.get(identity_id)
            if identity.parent_id:
                raise refusals.identity_forbidden(identity_id)
            return self._unite(identity.pool_id, wanted, identity)

    def unlink(self, identity_id: str, logins: Iterable[Login]) -> Identity:
        """Remove logins from an identity; the next time, they are a new user."""
        gone = frozenset(logins)
        with self._lock:
            identity = self.get(identity_id)
            for login in gone & identity.logins:
                self._owners.pop((identity.pool_id, login), None)
            return self._store(replace(identity, logins=identity.logins - gone))

    def forget(self) -> None:
        """Delete every identity, as an administrator or the re-creation of a pool does."""
        with self._lock:
            self._identities.clear()
            self._owners.clear()

    def _create(self, pool_id: str) -> Identity:
        self._created += 1
        region = pool_id.partition(":")[0]
        return self._store(Identity(f"{region}:{uuid.uuid4()}", pool_id, self._created))

    def _store(self, identity: Identity) -> Identity:
        self._identities[identity.identity_id] = identity
        for login in identity.logins:
            self._owners[identity.pool_id, login] = identity.identity_id
        return identity

    def _unite(self, pool_id: str, logins: frozenset[Login], named: Identity | None) -> Identity:
        """Link `logins` to one identity; merge their current identities into the oldest signed-in one."""
        owner_ids = {self._owners[pool_id, login] for login in logins if (pool_id, login) in self._owners}
        identities = [self._identities[owner_id] for owner_id in owner_ids]
        if named is not None and named.identity_id not in owner_ids:
            identities.append(named)
        parent = min(identities, key=lambda identity: (not identity.authenticated, identity.number))
        united = logins.union(*(identity.logins for identity in identities))
        _one_login_for_each_provider(united)
        for identity in identities:
            if identity is not parent:
                self._identities[identity.identity_id] = replace(
                    identity, logins=frozenset(), parent_id=parent.identity_id, authenticated=True
                )
        return self._store(replace(parent, logins=united, authenticated=True))


def _one_login_for_each_provider(logins: frozenset[Login]) -> None:
    providers = [login.provider for login in logins if login.public]
    if len(providers) != len(set(providers)):
        raise refusals.login_already_linked()
