"""One credentials object for all sessions and clients of a configuration in this process.

As long as it is one user's: a session that is made after a sign-out, or after another user's token has taken the place
of the one before, gets an object of its own, as a process that is started then gets their credentials. Where only a
command or a URL can say who the user is, each session has an object of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._fast_path import cache_directory, state_of_variable
from .._util.concurrency import ForkSafeLock, check_profile_recursion
from ..cache.base import current_epoch, double_of_aws
from ..cache.documents import user_fingerprint
from ..config.loader import settings_of_session
from ..config.settings import Settings
from ..errors import CognitoFederationError
from ..factory import store_for
from ..login_token import Login
from ..login_tokens.registry import source_of, tells_users_apart, token_at_hand
from .credentials import RefreshableCognitoCredentials, SessionFactory, fetcher_of, pop_unregistered

if TYPE_CHECKING:
    from botocore.session import Session

    from .._fast_path import CacheQuery
    from .credentials import DeferredConfiguration

_Key = tuple[Settings, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Owner:
    """Whose credentials a session gets that is made now.

    Attributes:
        sign_out_epoch: the sign-out epoch.
        token: digest of the login token that a variable or a file holds; empty where none does.
        who: a digest of whose they are, as that token claims; see `FetchResult`.
    """

    sign_out_epoch: str
    token: str = ""
    who: str = ""


@dataclass(frozen=True)
class _Entry:
    """One credentials object, whose it is, and what makes the session of its calls."""

    owner: _Owner
    credentials: RefreshableCognitoCredentials
    sessions: SessionFactory


#: The least recently asked for first.
_shared: dict[_Key, _Entry] = {}
#: A worker that sets a token for each of its jobs would keep them all, each with a client of its own (8 MB).
_MOST_KEPT = 32
_shared_lock = ForkSafeLock()


def credentials_of_session(
    session: Session,
    profile: str | None,
    *,
    in_use: bool,
    query: CacheQuery | None,
    open_session: Callable[[str], Session],
) -> RefreshableCognitoCredentials | None:
    """The credentials of a session's profile, or None where the profile is not ours.

    Args:
        session: the session.
        profile: the name of its profile.
        in_use: see `CognitoFederationProvider`.
        query: what ``credential-process`` would be asked; None where no answer may be stored for it.
        open_session: see `CognitoFederationProvider`.

    Raises:
        CognitoFederationError: the profile is ours and wrong.
    """
    settings = settings_of_session(session, profile, in_use=in_use)
    if settings is None:
        return None
    check_profile_recursion(os.environ, settings.profile)
    return _shared_credentials(settings, query, SessionFactory(session, settings.profile, open_session), session)


def _shared_credentials(
    settings: Settings, query: CacheQuery | None, sessions: SessionFactory, session: Session
) -> RefreshableCognitoCredentials:
    """The credentials object of a configuration: the same one for every session of this process."""
    fetcher = fetcher_of(settings, query, sessions)
    if not tells_users_apart(settings, os.environ):
        # The next token may be another user's, and only asking for it would tell: each session asks for its own.
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
            fetcher.only_for = owner.who
            entry = _Entry(owner, RefreshableCognitoCredentials(fetcher.fetch), sessions)
        entry.sessions.share(session)
        _keep(key, entry)
        return entry.credentials


def _take_in(credentials: RefreshableCognitoCredentials, later: DeferredConfiguration) -> None:
    """Share an object that was made of an answer, if it is still that user's whom a new session would be."""
    settings = later.settings()
    if later.is_current():
        key = _key(settings, later.environ)
        if key not in _shared:
            _keep(
                key,
                _Entry(
                    _owner(settings, current_epoch(store_for(settings, os.environ), settings.scope)),
                    credentials,
                    later.session,
                ),
            )


def _keep(key: _Key, entry: _Entry) -> None:
    """Keep an object for the next sessions; those who have one already have it whatever is kept here."""
    _shared[key] = entry
    if len(_shared) > _MOST_KEPT:
        del _shared[next(iter(_shared))]


def _owner(settings: Settings, sign_out_epoch: str) -> _Owner:
    """Whose the token is that a variable or a file holds now; the object is theirs, though it may be used later on."""
    try:
        token = token_at_hand(settings, os.environ)
        who = user_fingerprint(Login.of(token, settings)) if token is not None else ""
    except CognitoFederationError:
        return _Owner(sign_out_epoch)  # told to whoever asks for credentials
    return _Owner(sign_out_epoch, token.digest if token is not None else "", who)


def _key(settings: Settings, environ: Mapping[str, str]) -> _Key:
    """What tells one object from another: the configuration, and all that its token source reads.

    A worker that sets variables for each job in turn must not get one job's identity for the next one.
    """
    bindings = source_of(settings).bindings(settings)
    read = (f"{each.name}={state_of_variable(each.name, environ)}" for each in bindings if each.kind == "variable")
    files = (each.name for each in bindings if each.kind != "variable")
    return settings, cache_directory(environ), (*files, *read, double_of_aws() or "")
