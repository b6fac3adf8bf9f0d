"""The credentials object with which botocore signs: one comparison of floats while fresh, otherwise the federation.

botocore's own `RefreshableCredentials` raises in the last ten minutes although the credentials are still valid, retries
on every signature, computes with datetimes on each call, and deadlocks in a child forked during a refresh. This class
asks the federation, which knows which credentials may be used, and asks again only when the federation says so.

Objects are also made from a cached response, without resolving the configuration it came from: resolving takes as long
as everything else up to a program's first request. A cached response belongs to exactly one configuration, so its
reader need not know the settings until it is time to refresh.
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
    # Here and in the functions below: a program that finds fresh cached credentials never needs the federation.
    from collections.abc import Callable

    from botocore.session import Session

    from .._fast_path import CachedAnswer
    from ..config.settings import Settings
    from ..credentials import FederatedCredentials, FetchResult
    from ..fetcher import CredentialFetcher

    Place = tuple[str, str, tuple[str, ...]]

METHOD = "cognito-federation"
#: The credentials of the federation that an application installed; see `shared`.
APPLICATION_METHOD = "cognito-federation-application"


class RefreshableCognitoCredentials(RefreshableCredentials):
    """`RefreshableCredentials` that a federation refreshes. Nothing is fetched before first use.

    Args:
        fetch: returns a `FetchResult`.
        clock: returns seconds since the epoch.
    """

    def __init__(self, fetch: Callable[[], FetchResult], clock: Callable[[], float] = time) -> None:
        super().__init__(
            access_key="",
            secret_key="",
            token="",
            # Never read before the first credentials are in place; botocore requires one.
            expiry_time=datetime.fromtimestamp(0, tz=timezone.utc),
            refresh_using=self._metadata,
            method=METHOD,
        )
        self._fetch = fetch
        self._clock = clock
        self._refresh_at = 0.0
        self._usable_until = 0.0
        self._failure: CognitoFederationError | None = None
        self._failed_at = 0.0
        self._turns = ForkSafeLock()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the current credentials, consistent with each other.

        Raises:
            CognitoFederationError: no credentials are available.
        """
        if self._clock() >= self._refresh_at:
            self._renew()
        frozen: ReadOnlyCredentials = self._frozen_credentials
        return frozen

    def is_usable(self) -> bool:
        """Return whether the credentials may be used while others are being fetched."""
        return self._clock() < self._usable_until

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """Return whether the federation would be asked now; with `refresh_in`, whether fewer seconds remain."""
        if refresh_in is None or not self._usable_until:
            return self._clock() >= self._refresh_at
        return super().refresh_needed(refresh_in)

    def _refresh(self) -> None:
        if self._clock() >= self._refresh_at:
            self._renew()

    def _renew(self) -> None:
        asked_at = self._clock()
        if not self._turns.acquire(0):
            if self.is_usable():
                return
            prepare_for_forks()
            from .._util.concurrency import refuse_reentry
            from ..fetcher import LOCK_TIMEOUT

            # Code that is called to refresh these credentials cannot wait for them.
            refuse_reentry(self, "What renews these credentials")
            if not self._turns.acquire(LOCK_TIMEOUT):
                raise StorageError(
                    "Another thread has been renewing these credentials too long",
                    remedy="Try again; a refresh handler must not wait for a thread that needs its result",
                )
        try:
            self._renew_in_turn(asked_at)
        finally:
            self._turns.release()

    def _renew_in_turn(self, asked_at: float) -> None:
        if self._failure is not None and asked_at < self._failed_at:
            # The attempt that failed ended after this thread asked, so it counts as this thread's attempt too.
            raise copy(self._failure)
        if self._clock() >= self._refresh_at:
            self._publish(self._attempt())

    def _attempt(self) -> FetchResult:
        from .._util.concurrency import refreshing

        try:
            with refreshing(self):
                result = self._fetch()
        except CognitoFederationError as error:
            self._failure, self._failed_at = copy(error), self._clock()
            raise
        self._failure = None
        return result

    def _publish(self, result: FetchResult) -> None:
        from ..credentials import usable_until

        credentials = result.credentials
        self.put(
            (credentials.access_key, credentials.secret_key, credentials.token, credentials.account_id),
            expiration=credentials.expiration,
            usable_until=usable_until(credentials),
            refresh_at=result.refresh_at,
        )

    def put(
        self,
        parts: Sequence[Any],
        *,
        expiration: datetime,
        usable_until: float,
        refresh_at: float,
    ) -> None:
        """Use these credentials from now on: access key, secret key, token and account."""
        self._access_key, self._secret_key, self._token, self._account_id = parts
        self._expiry_time = expiration
        # botocore before 1.37 knows no account ID.
        self._frozen_credentials = ReadOnlyCredentials(*parts[: len(ReadOnlyCredentials._fields)])
        self._usable_until = usable_until
        self._refresh_at = refresh_at

    def _metadata(self) -> dict[str, Any]:
        """Return what botocore's own code expects of a refresh function, for callers that use it directly."""
        credentials = self._fetch().credentials
        return {
            "access_key": credentials.access_key,
            "secret_key": credentials.secret_key,
            "token": credentials.token,
            "expiry_time": credentials.expiration.isoformat(),
            "account_id": credentials.account_id,
        }


#: The object that all sessions share that have the same cache query, user and token location.
_ready: dict[Place, tuple[RefreshableCognitoCredentials, DeferredConfiguration]] = {}
#: Those of them whose configuration `shared` has not resolved yet.
_unresolved: list[tuple[RefreshableCognitoCredentials, DeferredConfiguration]] = []
#: From then on configurations are resolved: equal ones share an object, however often a file was rewritten.
_MOST = 16
# No function is registered to run at a fork: it would keep this module and botocore's alive until after the last
# garbage collection at the end of the program, which would then visit all of them for nothing.
_lock = ForkSafeLock()
#: Whether some configuration was resolved in this process, which makes it cheap to resolve another.
_resolving = False


class DeferredConfiguration:
    """The present state of a configuration, with which it can be resolved later.

    Attributes:
        environ: the present environment variables.
        session: makes the session for this package's own calls.
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
        self._fetch: Callable[[], FetchResult] | None = None

    def settings(self) -> Settings:
        """Return the settings.

        Raises:
            CognitoFederationError: they are wrong, which never happens to settings that led to a response.
        """
        full_config = self._full_config  # Read before the settings: another thread may be here too.
        if self._settings is None:
            from ..config.loader import settings_of_config

            assert full_config is not None
            found = settings_of_config(full_config, self._config_file, self._profile, environ=self.environ)
            assert found is not None  # the cached response was made from it
            self._settings, self._full_config = found, None
        return self._settings

    def fetch(self) -> FetchResult:
        """Fetch the credentials of these settings for the user of the cached response."""
        if self._fetch is None:
            prepare_for_forks()
            user = self._answer.user.partition(FIELD)[0]
            self._fetch = fetcher_of(self.settings(), self._query, self.session, user=user, last=self._last()).fetch
        return self._fetch()

    def is_current(self) -> bool:
        """Return whether the token source is unchanged and no sign-out happened since the cached response was made."""
        return still_bound(self._answer.bindings)

    def _is_of_this_epoch(self) -> bool:
        """Return whether no sign-out happened since the cached response was made."""
        from ..cache.answers import state_of

        # Without a token source they are the sign-out epochs alone, which come first.
        return self._answer.bindings.startswith(state_of(self._query, self.settings(), ()) or FIELD)

    def _last(self) -> FederatedCredentials | None:
        """Return the credentials in the cached response, if no sign-out happened since."""
        from ..credentials import FederatedCredentials

        if not self._is_of_this_epoch():
            return None
        access_key, secret_key, token, account_id, expiration = _parts(self._answer)
        user_id, has_pool = self._answer.user.partition(FIELD)[2], self.settings().identity_pool_id is not None
        return FederatedCredentials(
            access_key,
            secret_key,
            token,
            expiration.timestamp(),
            self._answer.issued,
            user_id if has_pool else None,
            account_id,
            not self.settings().is_guest,
            None if has_pool else user_id,
        )


def fetcher_of(
    settings: Settings,
    query: CacheQuery | None,
    sessions: SessionFactory,
    *,
    user: str = "",
    last: FederatedCredentials | None = None,
) -> CredentialFetcher:
    """Construct the fetcher for one user's credentials in a configuration; it also caches the response for printing.

    Args:
        settings: the configuration.
        query: see `shared.credentials_of_session`.
        sessions: opens the sessions for this package's own calls.
        user: a digest of the user; see `CredentialFetcher`.
        last: see `CredentialFetcher`.
    """
    from ..factory import answer_writer_for, fetcher_for

    return fetcher_for(
        settings,
        session=sessions,
        only_for=user,
        last=last,
        open_session=sessions.open_other,
        answers=answer_writer_for(settings, query) if query is not None else None,
    )


class SessionFactory:
    """Makes the session for this package's own calls, for the same profile, with AWS's models that others have loaded.

    The models are most of the cost of a client: 24,000 objects for the endpoints alone, which a session loads for its
    own clients anyway. Loading them again in a thread next to an event loop blocked that loop for about 20 ms.

    The models still belong to the sessions that loaded them. Credentials live as long as the process and would hold the
    models after the last client is gone; the end of the program would then go through them object by object, more than
    once.

    Attributes:
        open_other: opens a session for another profile.
    """

    def __init__(self, session: Session, profile: str | None, open_other: Callable[[str], Session]) -> None:
        self._profile = profile
        self.open_other = open_other
        self._loader: Callable[[], Any] = _nothing
        self.share(session)

    def share(self, session: Session) -> None:
        """Use the models of this session too, for the time after those of the earlier sessions are gone."""
        if self._loader() is not None:
            return
        from botocore.loaders import Loader

        loader = session.get_component("data_loader")
        # Not the models of a botocore copy that a tool carries: they are of another version.
        if isinstance(loader, Loader):
            self._loader = ref(loader)

    def __call__(self) -> Session:
        from botocore.session import Session

        made, loader = Session(profile=self._profile), self._loader()
        if loader is not None:
            made.register_component("data_loader", loader)
        return made


def _nothing() -> None:
    """Return None, like a reference to an object that is gone."""


def ready_credentials(
    query: CacheQuery, session: Session, profile: str | None, open_session: Callable[[str], Session]
) -> RefreshableCognitoCredentials | None:
    """Return credentials from the cached response for a query; None if there is no fresh one.

    Args:
        query: the query that ``credential-process`` would make.
        session: the session; it has read the configuration of the query.
        profile: its profile.
        open_session: see `CognitoFederationProvider`.
    """
    answer = read_answer(query)
    if answer is None or answer.kind != "credentials" or not answer.is_fresh(time()):
        return None
    place = (query.fingerprint, answer.user, _token_place(query, answer))
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
    """Return the objects that `shared` has to take over from now on."""
    global _resolving
    with _lock:
        _resolving = True
        taken = _unresolved[:]
        _unresolved.clear()
        return taken


def _token_place(query: CacheQuery, answer: CachedAnswer) -> tuple[str, ...]:
    """Return the location of the login token: the value of a variable, or the path of a file, whatever it holds.

    The sign-out epochs are part of it: objects made before a sign-out are not for sessions made after it.
    """
    marks = FIELD.join(("file", os.path.join(query.directory, "")))
    entries = answer.bindings.split(ENTRY)
    return tuple(each if each.startswith(("variable", marks)) else each.rpartition(FIELD)[0] for each in entries)


def _parts(answer: CachedAnswer) -> tuple[str, str, str, str | None, datetime]:
    """Return access key, secret key, token, account and expiry."""
    document = loads(answer.text)
    keys = document["AccessKeyId"], document["SecretAccessKey"], document["SessionToken"], document.get("AccountId")
    return *keys, datetime.fromisoformat(document["Expiration"].rstrip("Z")).replace(tzinfo=timezone.utc)
