"""Puts the parts together: from settings to a federation."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from .cache import store_for
from .cache.beside_doubles import StoreBesideDoubles
from .cache.memory import MemoryStore
from .errors import ConfigurationError
from .fetcher import CredentialFetcher
from .identity_pool.aws import Clients, Clock
from .identity_pool.client import IdentityPool, Login
from .identity_pool.linked_logins import LinkedLogins
from .login_tokens.base import SourceContext
from .login_tokens.registry import open_provider, source_of

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from .cache.base import Store
    from .config.settings import Settings
    from .credentials import FederatedCredentials
    from .events import Events
    from .login_tokens.base import LoginTokenProvider


def system_clock() -> Clock:
    """The real clock and dice; the clock is looked up at each call, so that tests can move it."""
    return Clock(sleep=time.sleep, dice=random.random, now=lambda: time.time())


def fetcher_for(
    settings: Settings,
    *,
    session: Callable[[], Session] | None = None,
    store: Store | None = None,
    environ: Mapping[str, str] | None = None,
    events: Events | None = None,
    only_for: str | None = None,
    last: FederatedCredentials | None = None,
    time_left: Callable[[], float] | None = None,
) -> CredentialFetcher:
    """The federation of a configuration; no network, no disk, nothing started.

    Args:
        settings: the configuration.
        session: gives the botocore session whose endpoints, proxies and certificates our calls use; default is one of
            the settings' own profile.
        store: where things are kept; default is what the settings say.
        environ: the process environment.
        events: who is told.
        only_for: see `CredentialFetcher`.
        last: see `CredentialFetcher`.
        time_left: seconds the caller has for a person to sign in; None where it can wait.
    """
    variables = os.environ if environ is None else environ
    patience = system_clock()
    clients = Clients(settings, session or partial(_session_of, settings.profile))
    kept: Store = store_for(settings, variables) if store is None else store
    if not isinstance(kept, MemoryStore):
        kept = StoreBesideDoubles(kept)
    declared = source_of(settings)
    return CredentialFetcher(
        settings,
        source=cache(
            lambda: open_provider(
                settings, SourceContext(kept, variables, patience, clients, _credentials_of, time_left)
            )
        ),
        pool=IdentityPool(settings, clients, patience),
        store=kept,
        patience=patience,
        answers_by_claims=partial(declared.answers_by_claims, settings, variables),
        events=events,
        linked=_linked_logins(settings, kept, variables, patience) if settings.logins else None,
        only_for=only_for,
        last=last,
    )


def linking_for(settings: Settings, *, environ: Mapping[str, str] | None = None) -> Linking:
    """What links and unlinks the sessions of ``cognito_logins``."""

    variables = os.environ if environ is None else environ
    store, patience = store_for(settings, variables), system_clock()
    return Linking(
        fetcher_for(settings, store=store, environ=variables),
        _linked_logins(settings, store, variables, patience),
        IdentityPool(settings, Clients(settings, partial(_session_of, settings.profile)), patience),
    )


def _linked_logins(settings: Settings, store: Store, environ: Mapping[str, str], patience: Clock) -> LinkedLogins:
    from .config.loader import settings_of_linked_session
    from .identity_pool.linked_logins import LinkedLogins

    def open_session(name: str) -> tuple[Settings, LoginTokenProvider | None]:
        other = settings_of_linked_session(settings, name)
        clients = Clients(other, partial(_session_of, settings.profile))
        return other, source_of(other).open(other, SourceContext(store, environ, patience, clients, _credentials_of))

    return LinkedLogins(settings, store, open_session)


def _session_of(profile: str | None) -> Session:
    from botocore.session import Session

    return Session(profile=profile)


def _credentials_of(profile: str) -> ReadOnlyCredentials:
    # The one way back up: another profile's credentials come from botocore's chain, and it may be one of ours.
    from .botocore_plugin.install import credentials_of_profile

    return credentials_of_profile(profile)


@dataclass(frozen=True)
class Linking:
    """The links of one configuration, and what it takes to change them.

    Attributes:
        federation: whose own login and identity others are linked to.
        links: what is linked.
        pool: where links are made.
    """

    federation: CredentialFetcher
    links: LinkedLogins
    pool: IdentityPool

    def link(self, name: str) -> tuple[str, str]:
        """Link the login of a session for good; answers its login key, and the identity from now on.

        Raises:
            CognitoFederationError: either login cannot be had, or Cognito refuses; nothing is marked then.
        """
        other = self.links.login_of(name)
        own, identity_id = self._own()
        return other.key, self.links.link(own, identity_id, other, self.pool)

    def unlink(self, name: str) -> str:
        """Take the login of a session off the identity; answers its login key.

        Raises:
            CognitoFederationError: it is not linked, the own login cannot be had, or Cognito refuses.
        """
        key = self.links.login_key_of(name)
        own, identity_id = self._own()
        self.links.unlink(own, identity_id, key, self.pool)
        return key

    def _own(self) -> tuple[Login, str]:
        login = self.federation.login()
        if login is None:
            raise ConfigurationError("Guests have no login to link another to", remedy="Set cognito_provider")
        return login, self.federation.credentials().identity_id
