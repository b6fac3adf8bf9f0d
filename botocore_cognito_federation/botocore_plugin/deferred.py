"""Credentials objects made of an answer that is kept ready, without resolving the configuration it came from.

Resolving it takes as long as all the rest of a program's way to its first request. An answer counts for exactly one
configuration, so whoever finds it need not know what that says before it is time to renew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from json import loads
from time import time
from typing import TYPE_CHECKING, Any
from weakref import ref

from .._fast_path import ENTRY, FIELD, CacheQuery, read_answer, still_bound
from .._util.concurrency import ForkSafeLock
from .credentials import RefreshableCognitoCredentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session

    from .._fast_path import CachedAnswer
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials, FetchResult
    from ..fetcher import CredentialFetcher

    Place = tuple[str, str, tuple[str, ...]]

#: One object for all sessions that ask the same question with a token of the same user from the same place.
_ready: dict[Place, tuple[RefreshableCognitoCredentials, DeferredConfiguration]] = {}
#: Those of them whose configuration `shared` has not looked at so far.
_unresolved: list[tuple[RefreshableCognitoCredentials, DeferredConfiguration]] = []
#: From then on configurations are resolved: objects of equal ones are one, however often a file was rewritten.
_MOST = 16
# Nothing is registered to be called at a fork: it would hold this module, and botocore's with it, until after the last
# collection of garbage at the end of the program, which then goes through all of them in vain.
_lock = ForkSafeLock()

#: Whether some configuration was resolved in this process, which makes it cheap to resolve another.
_resolving = False


class DeferredConfiguration:
    """What is needed to resolve a configuration later on as it is now.

    Attributes:
        environ: the variables of now.
        session: makes the session of our own calls.
    """

    def __init__(
        self, query: CacheQuery, answer: CachedAnswer, session: Session, profile: str | None, sessions: SessionFactory
    ) -> None:
        self.environ = dict(os.environ)
        self._query = query
        self._answer = answer
        self._profile = profile
        self._full_config: Mapping[str, Any] | None = session.full_config
        self._config_file = str(session.get_config_variable("config_file"))
        self.session = sessions
        self._settings: Settings | None = None
        self._serve: Callable[[], FetchResult] | None = None

    def settings(self) -> Settings:
        """The settings.

        Raises:
            CognitoFederationError: they are wrong, which no answer was ever made of.
        """
        full_config = self._full_config  # before the look at the settings: another thread may be here too
        if self._settings is None:
            from ..config.loader import settings_of_config

            assert full_config is not None
            found = settings_of_config(full_config, self._config_file, self._profile, environ=self.environ)
            assert found is not None  # the answer was made of it
            self._settings, self._full_config = found, None
        return self._settings

    def fetch(self) -> FetchResult:
        """What the federation of these settings serves, to whom the answer belonged."""
        if self._serve is None:
            who = self._answer.who.partition(FIELD)[0]
            self._serve = fetcher_of(self.settings(), self._query, self.session, who=who, last=self._last()).fetch
        return self._serve()

    def is_current(self) -> bool:
        """Whether the token source is as it was when the answer was made, and nobody has signed out since."""
        return still_bound(self._answer.bindings)

    def _is_of_this_epoch(self) -> bool:
        """Whether nobody has signed out since the answer."""
        from ..cache.answers import state_of

        # With no token source they are the generations alone, which come first.
        return self._answer.bindings.startswith(state_of(self._query, self.settings(), ()) or FIELD)

    def _last(self) -> FederatedCredentials | None:
        """What the answer held, if nobody has signed out since."""
        from ..credentials import FederatedCredentials

        if not self._is_of_this_epoch():
            return None
        access_key, secret_key, token, account_id, expiration = _parts(self._answer)
        identity_id = self._answer.who.partition(FIELD)[2]
        return FederatedCredentials(
            access_key,
            secret_key,
            token,
            expiration.timestamp(),
            self._answer.issued,
            identity_id,
            account_id,
            not self.settings().is_guest,
        )


def fetcher_of(
    settings: Settings,
    query: CacheQuery | None,
    sessions: SessionFactory,
    *,
    who: str = "",
    last: FederatedCredentials | None = None,
) -> CredentialFetcher:
    """Construct what fetches the credentials of a configuration for one user, and stores them ready to print.

    Args:
        settings: the configuration.
        query: see `shared.credentials_of_session`.
        sessions: opens the sessions of our own calls.
        who: a digest of the user; see `CredentialFetcher`.
        last: see `CredentialFetcher`.
    """
    from ..factory import answer_writer_for, fetcher_for

    return fetcher_for(
        settings,
        session=sessions,
        only_for=who,
        last=last,
        open_session=sessions.open_other,
        answers=answer_writer_for(settings, query) if query is not None else None,
    )


class SessionFactory:
    """Makes the session of our own calls, for the same profile, with what others have read of AWS's models.

    They are the most of what a client costs: 24,000 objects for the endpoints alone, which a session reads for its
    own clients anyway. Read again in a thread beside an event loop, they held that loop up for some 20 ms.

    They stay those of the sessions that have read them: credentials live as long as the process, and would hold them
    after the last client is gone, where the end of the program goes through them object by object, more than once.

    Attributes:
        open_other: opens a session for another profile.
    """

    def __init__(self, session: Session, profile: str | None, open_other: Callable[[str], Session]) -> None:
        self._profile = profile
        self.open_other = open_other
        self._loader: Callable[[], Any] = _nothing
        self.share(session)

    def share(self, session: Session) -> None:
        """Have the models of this session too, for the time when those of the earlier ones are gone."""
        if self._loader() is not None:
            return
        from botocore.loaders import Loader

        loader = session.get_component("data_loader")
        # Not that of a copy of botocore which a tool carries: it has models of another version.
        if isinstance(loader, Loader):
            self._loader = ref(loader)

    def __call__(self) -> Session:
        from botocore.session import Session

        made, loader = Session(profile=self._profile), self._loader()
        if loader is not None:
            made.register_component("data_loader", loader)
        return made


def _nothing() -> None:
    """What a reference to an object that is gone gives."""


def ready_credentials(
    query: CacheQuery, session: Session, profile: str | None, open_session: Callable[[str], Session]
) -> RefreshableCognitoCredentials | None:
    """Credentials for the answer that is kept ready for a query; None where there is none that is fresh.

    Args:
        query: what ``credential-process`` would be asked.
        session: the session that asks it; it has read the configuration that the question is about.
        profile: its profile.
        open_session: see `CognitoFederationProvider`.
    """
    answer = read_answer(query)
    if answer is None or answer.kind != "credentials" or not answer.is_fresh(time()):
        return None
    place = (query.fingerprint, answer.who, _token_place(query, answer))
    with _lock:
        if place in _ready:
            found, later = _ready[place]
            later.session.share(session)
            return found
        if _resolving or len(_ready) >= _MOST:
            return None
        later = DeferredConfiguration(query, answer, session, profile, SessionFactory(session, profile, open_session))
        found = RefreshableCognitoCredentials(later.fetch)
        *keys, expiration = _parts(answer)
        found.put(keys, expiration=expiration, usable_until=answer.until, refresh_at=answer.refresh_at)
        _ready[place] = found, later
        _unresolved.append((found, later))
        return found


def pop_unregistered() -> list[tuple[RefreshableCognitoCredentials, DeferredConfiguration]]:
    """The objects that `shared` has to know of from now on."""
    global _resolving
    with _lock:
        _resolving = True
        taken = _unresolved[:]
        _unresolved.clear()
        return taken


def _token_place(query: CacheQuery, answer: CachedAnswer) -> tuple[str, ...]:
    """Where the login token is: the value of a variable, or the path of a file, whatever it holds.

    With it goes the state of the sign-outs: what was made before one is not for sessions that are made after it.
    """
    marks = FIELD.join(("file", os.path.join(query.directory, "")))
    entries = answer.bindings.split(ENTRY)
    return tuple(each if each.startswith(("variable", marks)) else each.rpartition(FIELD)[0] for each in entries)


def _parts(answer: CachedAnswer) -> tuple[str, str, str, str | None, datetime]:
    """Access key, secret key, token, account and expiry."""
    document = loads(answer.text)
    keys = document["AccessKeyId"], document["SecretAccessKey"], document["SessionToken"], document.get("AccountId")
    return *keys, datetime.fromisoformat(document["Expiration"].rstrip("Z")).replace(tzinfo=timezone.utc)
