"""The credentials object botocore signs with: one float comparison while fresh, the federation when not.

botocore's own `RefreshableCredentials` raises in the last ten minutes although the credentials live, tries again on
every signing, computes with datetimes on each call, and deadlocks in a child forked during a refresh. This one asks
the federation, which knows what to serve, and asks it again only when the federation says so.

Objects are also made of an answer that is kept ready, without resolving the configuration it came from: resolving it
takes as long as all the rest of a program's way to its first request. An answer counts for exactly one configuration,
so whoever finds it need not know what that says before it is time to renew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import datetime, timezone
from json import loads
from time import time
from typing import TYPE_CHECKING, Any
from weakref import ref

from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from .._fast_path import ENTRY, FIELD, CacheQuery, read_answer, still_bound
from .._util.concurrency import ForkSafeLock, prepare_for_forks
from ..errors import CognitoFederationError, StorageError

if TYPE_CHECKING:
    # Here and in the functions below: a program that finds its credentials ready never needs the federation.
    from collections.abc import Callable

    from botocore.session import Session

    from .._fast_path import CachedAnswer
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials, FetchResult
    from ..fetcher import CredentialFetcher

    Place = tuple[str, str, tuple[str, ...]]

METHOD = "cognito-federation"
#: Of a federation that an application installed; see `application`.
APPLICATION_METHOD = "cognito-federation-application"


class RefreshableCognitoCredentials(RefreshableCredentials):
    """`RefreshableCredentials` that a federation renews. Nothing is fetched before first use.

    Args:
        serve: gives credentials and the time from which on to ask again.
        clock: seconds since the epoch.
    """

    def __init__(self, fetch: Callable[[], FetchResult], clock: Callable[[], float] = time) -> None:
        super().__init__(
            access_key="",
            secret_key="",
            token="",
            # Never read before the first credentials are in place; botocore wants one.
            expiry_time=datetime.fromtimestamp(0, tz=timezone.utc),
            refresh_using=self._metadata,
            method=METHOD,
        )
        self._serve = fetch
        self._clock = clock
        self._ask_again_at = 0.0
        self._serve_until = 0.0
        self._failure: CognitoFederationError | None = None
        self._failed_at = 0.0
        self._turns = ForkSafeLock()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The credentials of now, consistent with each other.

        Raises:
            CognitoFederationError: there are none.
        """
        if self._clock() >= self._ask_again_at:
            self._renew()
        frozen: ReadOnlyCredentials = self._frozen_credentials
        return frozen

    def is_usable(self) -> bool:
        """Whether there are credentials that may be handed out while others are being got."""
        return self._clock() < self._serve_until

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """Whether the federation would be asked now; with `refresh_in`, whether so few seconds of life are left."""
        if refresh_in is None or not self._serve_until:
            return self._clock() >= self._ask_again_at
        return super().refresh_needed(refresh_in)

    def _refresh(self) -> None:
        if self._clock() >= self._ask_again_at:
            self._renew()

    def _renew(self) -> None:
        asked_at = self._clock()
        if not self._turns.acquire(0):
            if self.is_usable():
                return
            prepare_for_forks()
            from .._util.concurrency import refuse_reentry
            from ..fetcher import LOCK_TIMEOUT

            # Whoever is called to renew these credentials cannot wait for them.
            refuse_reentry(self, "What renews these credentials")
            if not self._turns.acquire(LOCK_TIMEOUT):
                raise StorageError(
                    "Another thread has been renewing these credentials too long",
                    remedy="Try again; a refresh handler must not wait for a thread that asks for what it renews",
                )
        try:
            self._renew_in_turn(asked_at)
        finally:
            self._turns.release()

    def _renew_in_turn(self, asked_at: float) -> None:
        if self._failure is not None and asked_at < self._failed_at:
            # The attempt that failed ended after this thread asked: it was its attempt too.
            raise copy(self._failure)
        if self._clock() >= self._ask_again_at:
            self._publish(self._attempt())

    def _attempt(self) -> FetchResult:
        from .._util.concurrency import refreshing

        try:
            with refreshing(self):
                served = self._serve()
        except CognitoFederationError as error:
            self._failure, self._failed_at = copy(error), self._clock()
            raise
        self._failure = None
        return served

    def _publish(self, served: FetchResult) -> None:
        from ..credentials import usable_until

        credentials = served.credentials
        self.put(
            (credentials.access_key, credentials.secret_key, credentials.token, credentials.account_id),
            expiration=credentials.expiration,
            usable_until=usable_until(credentials),
            refresh_at=served.refresh_at,
        )

    def put(
        self,
        parts: Sequence[Any],
        *,
        expiration: datetime,
        usable_until: float,
        refresh_at: float,
    ) -> None:
        """Have these credentials from now on: access key, secret key, token and account."""
        self._access_key, self._secret_key, self._token, self._account_id = parts
        self._expiry_time = expiration
        # botocore before 1.37 knows no account ID.
        self._frozen_credentials = ReadOnlyCredentials(*parts[: len(ReadOnlyCredentials._fields)])
        self._serve_until = usable_until
        self._ask_again_at = refresh_at

    def _metadata(self) -> dict[str, Any]:
        """What botocore's own machinery expects of a refresh function, for whoever calls it directly."""
        credentials = self._serve().credentials
        return {
            "access_key": credentials.access_key,
            "secret_key": credentials.secret_key,
            "token": credentials.token,
            "expiry_time": credentials.expiration.isoformat(),
            "account_id": credentials.account_id,
        }


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
            prepare_for_forks()
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
