"""One credentials object for all sessions and clients of a configuration in this process.

This holds for one user. A session that is made after a sign-out, or after another user's token has replaced the
previous one, gets a new object, just as a new process gets the new user's credentials. If only a command or a URL knows
the user, each session has its own object.

An application's own federation has one object too, for the sessions that are made for it and, once it is installed, for
every session that was given neither keys nor a profile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from botocore.credentials import CredentialProvider, CredentialResolver, ReadOnlyCredentials

from .._fast_path import cache_directory, state_of_variable
from .._util.concurrency import ForkSafeLock, check_profile_recursion
from ..cache.base import current_epoch, double_of_aws, user_fingerprint
from ..config.loader import settings_of_session
from ..config.settings import Settings
from ..errors import CognitoFederationError, ConfigurationError, NotSignedInError
from ..events import Events
from ..factory import store_for
from ..login_token import Login
from ..login_tokens import source_of, tells_users_apart, token_at_hand
from .credentials import APPLICATION_METHOD, RefreshableCognitoCredentials, SessionFactory, fetcher_of, pop_unregistered

if TYPE_CHECKING:
    from botocore.session import Session

    from .._fast_path import CacheQuery
    from ..credentials import FetchResult
    from .credentials import DeferredConfiguration

_Key = tuple[Settings, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Owner:
    """The owner of the credentials that a session gets if it is made now.

    Attributes:
        sign_out_epoch: the sign-out epoch.
        token: a digest of the login token in a variable or a file; empty if there is none.
        user: a digest of the user that the token names; see `FetchResult`.
    """

    sign_out_epoch: str
    token: str = ""
    user: str = ""


@dataclass(frozen=True)
class _Entry:
    """A credentials object, its owner, and the factory for the session of its calls."""

    owner: _Owner
    credentials: RefreshableCognitoCredentials
    sessions: SessionFactory


#: In order of use; the least recently used object comes first.
_shared: dict[_Key, _Entry] = {}
#: A worker that sets a token for each of its jobs would otherwise hold an object, each with its own client (8 MB), a
#: job.
_MOST_SHARED = 32
_shared_lock = ForkSafeLock()


def credentials_of_session(
    session: Session,
    profile: str | None,
    *,
    in_use: bool,
    query: CacheQuery | None,
    open_session: Callable[[str], Session],
) -> RefreshableCognitoCredentials | None:
    """Return the credentials of a session's profile, or None if this tool does not manage the profile.

    Args:
        session: the session.
        profile: the name of its profile.
        in_use: see `CognitoFederationProvider`.
        query: the query that ``credential-process`` would make; None if no cached response may be used.
        open_session: see `CognitoFederationProvider`.

    Raises:
        CognitoFederationError: the profile is one of this tool, and wrong.
    """
    settings = settings_of_session(session, profile, in_use=in_use)
    if settings is None:
        return None
    check_profile_recursion(os.environ, settings.profile)
    return _shared_credentials(settings, query, SessionFactory(session, settings.profile, open_session), session)


def _shared_credentials(
    settings: Settings, query: CacheQuery | None, sessions: SessionFactory, session: Session
) -> RefreshableCognitoCredentials:
    """Return the credentials object of a configuration: the same one for every session of this process."""
    fetcher = fetcher_of(settings, query, sessions)
    if not tells_users_apart(settings, os.environ):
        # The next token may be another user's, which only a request would show: each session has its own object.
        fetcher.only_for = ""
        return RefreshableCognitoCredentials(fetcher.fetch)
    owner = _owner(settings, fetcher.sign_out_epoch())
    key = _key(settings, os.environ)
    with _shared_lock:
        for credentials, later in pop_unregistered():
            with suppress(CognitoFederationError):
                _take_in(credentials, later)
        entry = _shared.pop(key, None)
        if entry is None or entry.owner != owner:
            fetcher.only_for = owner.user
            entry = _Entry(owner, RefreshableCognitoCredentials(fetcher.fetch), sessions)
        else:
            entry.sessions.share(session)
        _share(key, entry)
        return entry.credentials


def _take_in(credentials: RefreshableCognitoCredentials, later: DeferredConfiguration) -> None:
    """Share an object made from a cached response, if a new session would still be that user's."""
    settings = later.settings()
    if later.is_current():
        key = _key(settings, later.environ)
        if key not in _shared:
            _share(
                key,
                _Entry(
                    _owner(settings, current_epoch(store_for(settings, os.environ), settings.scope)),
                    credentials,
                    later.session,
                ),
            )


def _share(key: _Key, entry: _Entry) -> None:
    """Share an object with later sessions; sessions that already hold one are not affected."""
    _shared[key] = entry
    if len(_shared) > _MOST_SHARED:
        del _shared[next(iter(_shared))]


def _owner(settings: Settings, sign_out_epoch: str) -> _Owner:
    """Return the owner of the token that a variable or a file holds now; the object stays theirs."""
    try:
        token = token_at_hand(settings, os.environ)
        user = user_fingerprint(Login.of(token, settings)) if token is not None else ""
    except CognitoFederationError:
        return _Owner(sign_out_epoch)  # The caller for credentials gets the error.
    return _Owner(sign_out_epoch, token.digest if token is not None else "", user)


def _key(settings: Settings, environ: Mapping[str, str]) -> _Key:
    """Return the key of an object: the configuration, and everything that its token source reads.

    A worker that sets variables for each of its jobs must not use one job's identity for the next job.
    """
    bindings = source_of(settings).bindings(settings)
    read = (f"{each.name}={state_of_variable(each.name, environ)}" for each in bindings if each.kind == "variable")
    files = (each.name for each in bindings if each.kind != "variable")
    return settings, cache_directory(environ), (*files, *read, double_of_aws() or "")


class ApplicationCredentials(RefreshableCognitoCredentials):
    """Credentials of an application's federation: all its sessions and clients share one object.

    Args:
        fetch: returns a `FetchResult`.
        clock: returns seconds since the epoch.
        marker: represents the federation in the check for refresh handlers that wait for it.
        events: the events of a renewal are emitted after these credentials are in place.
    """

    def __init__(
        self, fetch: Callable[[], FetchResult], clock: Callable[[], float], *, marker: object, events: Events
    ) -> None:
        super().__init__(fetch, clock)
        self._marker = marker
        self._events = events
        self._sign_outs = 0

    def forget(self) -> None:
        """Forget the credentials: the next caller gets those of the user who is signed in then."""
        self._sign_outs += 1
        self._refresh_at = self._usable_until = 0.0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        sign_outs = self._sign_outs
        frozen = super().get_frozen_credentials()
        if sign_outs != self._sign_outs:
            self._refresh_at = self._usable_until = 0.0
            raise NotSignedInError("The user signed out meanwhile", remedy="Sign in, then try again")
        return frozen

    def _renew(self) -> None:
        from .._util.concurrency import refuse_reentry

        refuse_reentry(self._marker, "The refresh handler")
        with self._events.held():
            sign_outs = self._sign_outs
            super()._renew()
            if sign_outs != self._sign_outs:
                self._refresh_at = self._usable_until = 0.0


class ApplicationProvider(CredentialProvider):
    """The installed federation, for sessions that were given neither keys nor a profile.

    A profile or keys in the environment are not a session's own. An application that installs its federation wants it
    to be used, on a developer's machine with ``AWS_PROFILE`` as well as on a platform that sets keys (AWS Lambda).
    """

    METHOD = APPLICATION_METHOD
    CANONICAL_NAME = "customCognitoFederationApplication"

    def __init__(self, session: Session) -> None:
        self._session = session

    def load(self) -> Any:
        if self._session.instance_variables().get("profile") is not None:
            return None
        return _installed


class AioApplicationProvider(ApplicationProvider):
    """The provider of the installed federation in the chain of an `aiobotocore.session.AioSession`."""

    async def load(self) -> Any:
        found = super().load()
        if found is None:
            return None
        from .aio import AioRefreshableCognitoCredentials

        return AioRefreshableCognitoCredentials(found)


class _Only(CredentialProvider):
    METHOD = APPLICATION_METHOD
    CANONICAL_NAME = ApplicationProvider.CANONICAL_NAME

    def __init__(self, credentials: ApplicationCredentials) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials


_installed: ApplicationCredentials | None = None


def session_with(credentials: ApplicationCredentials, region: str) -> Session:
    """A botocore session whose clients use these credentials and no others."""
    return session_of(_Only(credentials), region)


def session_of(provider: CredentialProvider, region: str) -> Session:
    """A botocore session whose clients use the credentials of this provider and no others."""
    from ..identity_pool.client import session_of_shared_models

    session = session_of_shared_models()
    session.register_component("credential_provider", CredentialResolver(providers=[provider]))
    session.set_config_variable("region", region)
    return session


def aio_module() -> ModuleType:
    """Return the counterpart for aiobotocore.

    Raises:
        ConfigurationError: aiobotocore is not installed.
    """
    try:
        from . import aio
    except ImportError:
        raise ConfigurationError(
            "aio_session() needs aiobotocore, which is not installed",
            remedy='Run: pip install "botocore-cognito-federation[aio]"',
        ) from None
    return aio


def installed() -> ApplicationCredentials | None:
    """Return the credentials of the installed federation, or None."""
    return _installed


def set_installed(credentials: ApplicationCredentials | None) -> None:
    """Install the credentials of a federation, in place of any others."""
    global _installed
    _installed = credentials
