"""Constructs all objects: from the settings of a configuration to the fetcher of its credentials."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from ._fast_path import cache_directory
from ._util.concurrency import Clock
from .cache import STORES
from .cache.base import MemoryStore, Store, StoreBesideDoubles
from .cache.credentials import CredentialCache
from .cache.file import FileStore
from .credentials import FederatedCredentials, is_fresh
from .errors import ConfigurationError
from .events import Events
from .fetcher import CredentialFetcher
from .identity_pool.client import Clients, IdentityPool
from .login_tokens import answers_by_claims, bindings_of_answer, open_provider, source_of
from .login_tokens.base import CachedTokenProvider, RefreshContext, SourceContext

if TYPE_CHECKING:
    from botocore.session import Session

    from ._fast_path import CacheQuery
    from .cache.answers import AnswerWriter
    from .cache.local_first import LocalFirstStore
    from .config.settings import Settings
    from .identity_pool.linked_logins import LinkedLogins
    from .login_token import Login, LoginToken
    from .login_tokens.base import LoginTokenProvider
    from .sign_in.login import LoginOptions, SignedIn
    from .sign_in.terminal import Screen


def system_clock() -> Clock:
    """The real clock, also where a test has replaced the functions of `time` since this was imported."""
    return Clock(time.time, time.sleep, random.random, time.monotonic)


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
    open_session: Callable[[str], Session] | None = None,
    answers: AnswerWriter | None = None,
) -> CredentialFetcher:
    """Construct the fetcher of a configuration; no network, no disk, nothing started.

    Args:
        settings: the configuration.
        session: gives the botocore session whose endpoints, proxies and certificates our calls use; default is one of
            the settings' own profile.
        store: the store; by default the one in the settings.
        environ: the process environment.
        events: receives the events.
        only_for: see `CredentialFetcher`.
        last: see `CredentialFetcher`.
        time_left: seconds that the caller has for an interactive sign-in; None if it can wait.
        open_session: opens a botocore session for another profile (``cognito_developer_profile``); the default knows
            only what botocore knows, and no profile of this tool that has no ``credential_process``.
        answers: see `CredentialFetcher`.
    """
    variables = os.environ if environ is None else environ
    clock = system_clock()
    clients = Clients(settings, session)
    store = store_for(settings, variables) if store is None else store
    if not isinstance(store, MemoryStore):
        store = StoreBesideDoubles(store, getattr(store, "hosts_share", False))
    context = SourceContext(store, variables, clock, clients, open_session or _session_of, time_left)
    return CredentialFetcher(
        settings,
        source=partial(open_provider if settings.auto_login == "never" else _with_automatic_login, settings, context),
        pool=IdentityPool(settings, clients, clock, new_token=partial(_remedy, settings), store=store),
        cache=CredentialCache(settings, store, clock),
        clock=clock,
        answers_by_claims=partial(answers_by_claims, settings, variables),
        events=events or Events(),
        linked=_linked_logins(settings, context) if settings.logins else None,
        answers=answers,
        only_for=only_for,
        last=last,
        time_left=time_left,
    )


def answer_writer_for(settings: Settings, query: CacheQuery) -> AnswerWriter:
    """Construct the writer of cached responses.

    Args:
        settings: the configuration.
        query: the query of ``credential-process``, taken before the configuration was read.
    """
    from .cache.answers import AnswerWriter

    return AnswerWriter(query, settings, partial(bindings_of_answer, settings, os.environ))


def identity_pool_for(settings: Settings, session: Callable[[], Session] | None = None) -> IdentityPool:
    """Construct the identity pool of a configuration.

    Args:
        settings: the configuration.
        session: see `fetcher_for`.
    """
    clients = Clients(settings, session)
    return IdentityPool(settings, clients, system_clock(), new_token=partial(_remedy, settings))


def signed_in_here(
    settings: Settings, screen: Screen, options: LoginOptions, *, open_session: Callable[[str], Session]
) -> SignedIn:
    """Sign a person in with the store, the environment and the clock of this process.

    Args:
        settings: the configuration.
        screen: what the person sees.
        options: what the person asked for.
        open_session: see `fetcher_for`.

    Raises:
        CognitoFederationError: see `sign_in.login.sign_in`.
    """
    from .sign_in.login import Environment, sign_in  # most processes do not sign in

    store = store_for(settings, os.environ)
    # Where the provider has ended the sign-in at once, another one would end the same way.
    quiet = replace(settings, auto_login="never")
    return sign_in(
        settings,
        store=store,
        screen=screen,
        options=options,
        environment=Environment(os.environ),
        fetcher=fetcher_for(quiet, store=store, open_session=open_session),
    )


def linking_for(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    open_session: Callable[[str], Session] | None = None,
) -> Linking:
    """Construct the object that links and unlinks the sessions of ``cognito_logins``.

    Args:
        settings: the configuration.
        environ: the process environment.
        open_session: see `fetcher_for`.
    """
    variables = os.environ if environ is None else environ
    store, clock = store_for(settings, variables), system_clock()
    clients = Clients(settings)
    context = SourceContext(store, variables, clock, clients, open_session or _session_of)
    return Linking(
        fetcher_for(settings, store=store, environ=variables, open_session=open_session),
        _linked_logins(settings, context),
        identity_pool_for(settings),
    )


def _remedy(settings: Settings) -> str:
    """Return what the user can do if the login token is useless."""
    return source_of(settings).remedy(settings)


def _with_automatic_login(settings: Settings, context: SourceContext) -> LoginTokenProvider | None:
    """Return the login token provider, wrapped in the automatic sign-in if a person signs in."""
    provider = open_provider(settings, context)
    if not isinstance(provider, CachedTokenProvider):
        return provider
    from .sign_in.auto import AutomaticLogin

    return AutomaticLogin(provider, settings, context)


def _linked_logins(settings: Settings, context: SourceContext) -> LinkedLogins:
    from .config.profiles import settings_of_linked_session
    from .identity_pool.linked_logins import LinkedLogins

    def open_linked(name: str) -> tuple[Settings, Callable[[], LoginToken] | None]:
        other = settings_of_linked_session(settings, name)
        clients = Clients(other, partial(_session_of, settings.profile))
        provider = open_provider(other, replace(context, clients=clients, time_left=None))
        return other, None if provider is None else partial(provider.fetch, RefreshContext())

    return LinkedLogins(settings, context.store, open_linked)


def _session_of(profile: str | None) -> Session:
    from botocore.session import Session

    return Session(profile=profile)


def other_stores(store: Store, environ: Mapping[str, str]) -> list[Store]:
    """The further stores in which something may be stored: each that holds anything, and each that a profile names.

    A configuration that has changed, or a variable, may have left a sign-in there.

    Args:
        store: the one that is known already.
        environ: the process environment.

    Raises:
        ConfigurationError: see `default_directory`.
    """
    from .config.profiles import every_settings

    directory = default_directory(environ)
    named = {settings.cache for settings in every_settings(environ)}
    found = [
        declared.open(directory)
        for name, declared in STORES.items()
        if declared.outlives_process and not declared.schemes and (name in named or declared.holds_anything(directory))
    ]
    here = getattr(store, "local", store)  # the files are a part of the store of a shared cache
    return [other for other in found if type(other) is not type(here)]


def everything_stored(environ: Mapping[str, str]) -> Store:
    """Return the content of all stores of this user, for commands about all profiles.

    Raises:
        ConfigurationError: see `default_directory`.
    """
    from .cache.keyring import AllStores
    from .cache.local_first import SharedPart
    from .config.profiles import every_settings

    files = FileStore(default_directory(environ))
    engines = {each.cache_url: each for each in every_settings(environ) if STORES[each.cache].schemes}
    shared = [SharedPart(_local_first(each, environ)) for each in engines.values()]
    return AllStores(files, *other_stores(files, environ), *shared)


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
        own, identity_id = self._own()
        other = self.links.login_of(name)
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
        self.pool.pool_id()
        login = self.federation.login()
        if login is None:
            raise ConfigurationError("Guests have no login to link another to", remedy="Set cognito_provider")
        return login, self.federation.credentials().user_id


def store_for(settings: Settings, environ: Mapping[str, str]) -> Store:
    """Return the store of a configuration, without any access to it.

    Raises:
        ConfigurationError: see `default_directory`.
    """
    declared = STORES[settings.cache]
    if declared.schemes:
        return _local_first(settings, environ)
    return declared.open(default_directory(environ) if declared.outlives_process else cache_directory(environ))


def _local_first(settings: Settings, environ: Mapping[str, str]) -> LocalFirstStore:
    from .cache.local_first import LocalFirstStore
    from .cache.named import open_engine
    from .cache.sessions import session_key

    def is_fresh_document(document: Mapping[str, object]) -> bool:
        credentials = FederatedCredentials.from_document(document)
        return credentials is not None and is_fresh(credentials, settings.refresh_window, time.time())

    files = FileStore(default_directory(environ))
    open_shared = cache(partial(open_engine, settings.cache, "cache_url", settings, environ))
    open_sessions = {
        "local": None,
        "same": open_shared,
    }.get(
        settings.cache_sessions,
        cache(partial(open_engine, settings.cache_sessions, "cache_sessions_url", settings, environ)),
    )
    return LocalFirstStore(
        MemoryStore() if files.why_unusable() else files,
        open_shared,
        open_sessions,
        scope=settings.scope,
        session_key=session_key(settings),
        is_fresh=is_fresh_document,
    )


def default_directory(environ: Mapping[str, str]) -> str:
    """Return the directory of the files of this user.

    Raises:
        ConfigurationError: the place is not certain: it would be another one for each working directory.
    """
    directory = cache_directory(environ)
    if os.path.isabs(directory):
        return directory
    if environ.get("COGNITO_FEDERATION_CACHE_DIR"):
        raise ConfigurationError(
            f"COGNITO_FEDERATION_CACHE_DIR is {directory!r}, which is another directory for each working directory",
            remedy="Set COGNITO_FEDERATION_CACHE_DIR=DIRECTORY with an absolute path",
        )
    raise ConfigurationError(
        "This user has no home directory: HOME is not set, and the user is not in the passwd database",
        remedy="Set HOME, or set COGNITO_FEDERATION_CACHE_DIR to an absolute path",
    )
