"""One credentials object for all sessions and clients of a configuration in this process.

As long as it is one user's: a session that is made after a sign-out, or after somebody else's token has taken the
place of the one before, gets an object of its own, as a process that is started then gets their credentials.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._fast_path import cache_directory, state_of_variable
from .._util.concurrency import ForkSafeLock
from .._util.subprocess import check_profile_recursion
from ..cache.answers import putting_answers
from ..cache.base import credentials_key
from ..config.keys import NAMED_URLS
from ..config.loader import settings_of_session
from ..config.settings import Settings
from ..errors import CognitoFederationError
from ..factory import fetcher_for, serving_for
from ..fetcher import user_fingerprint
from ..login_tokens.registry import token_bindings
from .credentials import RefreshableCognitoCredentials
from .deferred import SessionFactory, pop_unregistered

if TYPE_CHECKING:
    from botocore.session import Session

    from .._fast_path import CacheQuery
    from ..credentials import FederatedCredentials
    from ..fetcher import FetchResult
    from .deferred import DeferredConfiguration

#: What tells a platform's token endpoint whose token is asked for; see `tokens.platforms`.
_OF_PLATFORMS = (
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "AZURE_CLIENT_ID",
    "GCE_METADATA_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
)

_Key = tuple[Settings, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Owner:
    """Whose credentials a session gets that is made now.

    Attributes:
        generation: of the sign-outs.
        login: tells the user of the token that a file holds from any other; empty where no file says it.
        who: a digest of whose they are; see `federation.Served`.
    """

    sign_out_epoch: str
    login: str = ""
    who: str = ""

    def may_use(self, other: _Owner) -> bool:
        """Whether what was made for `other` is right; a file that holds no token just now names nobody else."""
        return self.sign_out_epoch == other.sign_out_epoch and self.login in ("", other.login)


@dataclass(frozen=True)
class _Entry:
    """One credentials object, whose it is, and what makes the session of its calls."""

    whose: _Owner
    credentials: RefreshableCognitoCredentials
    beside: SessionFactory


#: The least recently asked for first.
_shared: dict[_Key, _Entry] = {}
#: A worker that sets a token for each of its jobs would keep them all, each with a client of its own (8 MB).
_MOST_KEPT = 32
_shared_lock = ForkSafeLock()


def credentials_of_session(
    session: Session, profile: str | None, *, in_use: bool, query: CacheQuery | None
) -> RefreshableCognitoCredentials | None:
    """The credentials of a session's profile, or None where the profile is not ours.

    Args:
        question: what ``credential-process`` would be asked; None where an answer must not be kept for it.

    Raises:
        CognitoFederationError: the profile is ours and wrong.
    """
    settings = settings_of_session(session, profile, in_use=in_use)
    if settings is None:
        return None
    check_profile_recursion(os.environ, settings.profile)
    return shared_credentials(settings, session, query)


def shared_credentials(
    settings: Settings, session: Session, query: CacheQuery | None = None
) -> RefreshableCognitoCredentials:
    """The credentials object of a configuration: the same one for every session of this process.

    Args:
        session: the one that asks; see `Beside`.
        question: see `credentials_of_session`.
    """
    key = _key(settings, os.environ)
    whose = _owner(settings)
    with _shared_lock:
        for credentials, later in pop_unregistered():
            with suppress(CognitoFederationError):
                _take_in(credentials, later)
        entry = _shared.pop(key, None)
        if entry is None or not whose.may_use(entry.whose):
            beside = SessionFactory(session, settings.profile)
            fetch = serving(settings, query, beside, who=whose.who)
            entry = _Entry(whose, RefreshableCognitoCredentials(fetch), beside)
        entry.beside.share(session)
        _keep(key, entry)
        return entry.credentials


def _take_in(credentials: RefreshableCognitoCredentials, later: DeferredConfiguration) -> None:
    """Share an object that was made of an answer, if it is still that user's whom a new session would be."""
    settings = later.settings()
    whose = _owner(settings)
    if later.is_of(whose.who):
        key = _key(settings, later.environ)
        if key not in _shared:
            _keep(key, _Entry(whose, credentials, later.session))


def _keep(key: _Key, entry: _Entry) -> None:
    """Keep an object for the next sessions; those who have one already have it whatever is kept here."""
    _shared[key] = entry
    if len(_shared) > _MOST_KEPT:
        del _shared[next(iter(_shared))]


def serving(
    settings: Settings,
    query: CacheQuery | None,
    session: Callable[[], Session],
    *,
    who: str = "",
    last: FederatedCredentials | None = None,
) -> Callable[[], FetchResult]:
    """What serves the credentials of a configuration to one identity, and keeps them ready for others who ask.

    Args:
        question: see `credentials_of_session`.
        session: see `Beside`.
        who: whose they are so far; see `federation.Served`.
        last: see `federation.Federation`.
    """
    fetch = serving_for(settings, session=session, only_for=who, last=last)
    return fetch if query is None else putting_answers(query, settings, fetch)


def _owner(settings: Settings) -> _Owner:
    """Whose the token is that a variable or a file holds now; the object is theirs, though it may be used later on."""
    federation = fetcher_for(replace(settings, logins=()))  # what is linked to a login is no other user
    sign_out_epoch = federation.sign_out_epoch()
    if not (settings.token_env or settings.token_file):
        return _Owner(sign_out_epoch)
    try:
        login = federation.login()
    except CognitoFederationError:
        return _Owner(sign_out_epoch)  # told to whoever asks for credentials
    # The value of a variable is in the key of the object; that of an opaque token in a file is not.
    return _Owner(
        sign_out_epoch, credentials_key(settings, login) if settings.token_file else "", user_fingerprint(login)
    )


def _key(settings: Settings, environ: Mapping[str, str]) -> _Key:
    return settings, cache_directory(environ), _token_place(settings, environ)


def _token_place(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where the login token is, as far as variables say it: its own value, or the path of a file.

    A worker that sets them for each job in turn must not get one job's identity for the next one.
    """
    bindings = token_bindings(settings) or ()
    names = [binding.name for binding in bindings if binding.kind == "variable"]
    names += [settings.token_headers_env] if settings.token_headers_env else []
    if settings.token_url in NAMED_URLS:
        names += _OF_PLATFORMS
    files = (binding.name for binding in bindings if binding.kind != "variable")
    return (*files, *(f"{name}={state_of_variable(name, environ)}" for name in names))
