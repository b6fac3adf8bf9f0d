"""The operations of a signed-in user: credentials, clients, events, sign-out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast
from weakref import WeakSet

from .._util.concurrency import ForkSafeLock, refreshing
from ..credentials import FederatedCredentials
from ..errors import ClearsFrames, CognitoFederationError, ConfigurationError, NotSignedInError
from ..events import Callback, Event, EventName, Events

if TYPE_CHECKING:
    import boto3
    from aiobotocore.session import AioSession
    from botocore.session import Session

    from .._util.concurrency import Clock
    from ..botocore_plugin.shared import ApplicationCredentials
    from ..config.settings import Settings
    from ..credentials import FetchResult
    from .sign_in import CurrentSignIn


#: Seconds after which to check again whether the user was signed out elsewhere.
_LOOK_AGAIN = 1.0


@dataclass(frozen=True)
class _Fresh:
    """Credentials that can be returned without reading the cache, and the times between which this holds."""

    credentials: FederatedCredentials
    since: float
    until: float


@dataclass(eq=False)
class _Question:
    """A call for credentials, and its answer while that may be given to the next callers too."""

    fresh: _Fresh | None = None


class FederatedInfo(TypedDict):
    """The cached login token of a user, as `federated_info` returns it."""

    provider: str | None
    token: str | None
    expires_at: float | None
    identity_id: str | None
    user: dict[str, Any]


class AuthenticatedUser(TypedDict, total=False):
    """What is known of a user. `id`, `provider` and `token` are always there; the application may have given more."""

    id: str | None
    provider: str | None
    token: str | None
    username: str
    name: str
    email: str
    phone_number: str
    preferred_username: str


@dataclass(eq=False)
class _Bound:
    """What the clients of a session use, whose user was settled when it was made.

    Attributes:
        sign_in: whose they are; None until somebody has signed in.
        current_user: whether they are those of anybody who is signed in.
        min_remaining: the seconds for which they must be valid.
        credentials: they.
    """

    sign_in: CurrentSignIn | None
    current_user: bool
    min_remaining: float
    credentials: ApplicationCredentials = field(init=False)

    def serves(self, sign_in: CurrentSignIn | None, current_user: bool, min_remaining: float) -> bool:
        """Return whether another session may use the same object."""
        if (self.current_user, self.min_remaining) != (current_user, min_remaining):
            return False
        if self.sign_in is None or sign_in is None:
            return current_user or self.sign_in is sign_in
        return self.sign_in.is_of(sign_in)

    def check(self, sign_in: CurrentSignIn) -> None:
        """Make sure that the present sign-in is of the same user.

        Raises:
            NotSignedInError: it is not.
        """
        before = self.sign_in
        is_another = before is not None and before is not sign_in and not before.is_of(sign_in)
        if is_another and not self.current_user:
            raise NotSignedInError(
                "Another user has signed in since this session was made",
                remedy="Make a new session for that user, or one with current_user=True",
            )
        self.sign_in = sign_in


_SIGN_IN = "Call federated_sign_in (or sign_in, with a user pool) first"


class SignedIn(ClearsFrames, ABC):
    """The members of a federation that concern the signed-in user."""

    _settings: Settings
    _clock: Clock
    _events: Events
    _turns: ForkSafeLock
    _shared: ApplicationCredentials | None
    #: What sessions use whose user was settled when they were made.
    _bound: WeakSet[_Bound]
    #: The last call that will say what is fresh; None where its answer does not count any more.
    _latest: _Question | None

    @abstractmethod
    def _current(self) -> CurrentSignIn:
        """Return the present sign-in; raises `NotSignedInError`."""

    @property
    def _how_to_sign_in(self) -> str:
        """Return the remedy if the user is not signed in."""
        return _SIGN_IN

    @abstractmethod
    def _let_go(self) -> None:
        """Forget the sign-in."""

    def on(self, name: EventName, callback: Callback) -> Callable[[], None]:
        """Subscribe to an event; `events.NAMES` has the names.

        Args:
            name: the name of the event.
            callback: called with each `Event` of that name.

        Returns:
            A function that ends the subscription.

        Raises:
            ConfigurationError: there is no such event, or the callback is not callable.
        """
        return self._events.on(name, callback)

    # --- who, and with what -----------------------------------------------------------------------------------------

    def current_credentials(self, force: bool = False, *, min_remaining: float | None = None) -> FederatedCredentials:
        """Return the AWS credentials of the signed-in user, renewed if needed.

        This object returns its last result again while that is fresh, for at most a second: then it checks whether
        another process, or another object with the same cache, has signed out the user.

        Args:
            force: renew login token and credentials now, because groups or roles of the user have changed. Clients of
                this federation use the new credentials from their next request on.
            min_remaining: seconds for which they must be valid, as for a presigned URL or a long transfer: credentials
                with less are renewed.

        Returns:
            The credentials.

        Raises:
            NotSignedInError: the user is not signed in. Guest credentials never replace a user's.
            SignInRequiredError: the login token has expired and cannot be renewed.
            ConfigurationError: new credentials are not valid for `min_remaining` seconds either.
            CognitoFederationError: the renewal failed and no credentials are usable; or a forced renewal failed, and
                the previous credentials stay in use.
        """
        if force:
            self._renew_now()
            return self._fetch(min_remaining or 0.0).credentials
        if min_remaining:
            return self._fetch(min_remaining).credentials
        return self._at_hand() or self._fetch().credentials

    def current_authenticated_user(self) -> AuthenticatedUser:
        """Return the known facts about the user, with ``id``, ``provider`` and ``token``; no network.

        The ``id`` is the identity ID, or without an identity pool what STS calls the user (the ``sub`` of the token).

        Raises:
            NotSignedInError: the user is not signed in, or is a guest.
        """
        sign_in = self._current()
        if sign_in.is_guest:
            raise NotSignedInError("A guest is not an authenticated user", remedy=self._how_to_sign_in)
        info = sign_in.info()
        known = {"id": sign_in.user_id(), "provider": info["provider"], "token": info["token"]}
        return cast("AuthenticatedUser", {**info["user"], **known})

    def federated_info(self) -> FederatedInfo:
        """Return the cached login token: ``provider``, ``token``, ``expires_at`` (seconds), ``identity_id``, ``user``.

        Raises:
            NotSignedInError: the user is not signed in.
        """
        return cast("FederatedInfo", dict(self._current().info()))

    # --- the end ----------------------------------------------------------------------------------------------------

    def sign_out(self, revoke: bool = True) -> None:
        """Delete token and credentials, and revoke what can be revoked; wins over a renewal in progress.

        The event ``sign-out`` reports a failed revocation, which stops nothing. AWS credentials that were handed out
        are valid until they expire; no API revokes them.

        Args:
            revoke: whether to revoke the refresh token at the provider.

        Raises:
            StorageError: stored data could not be removed.
        """
        try:
            sign_in = self._current()
        except NotSignedInError:
            self._let_go()
            self._forget_shared()
            return
        with self._turns:
            sign_in.clear_current()
            self._let_go()
        self._forget_shared()
        session = sign_in.forget()
        failed = sign_in.revoke(session) if revoke else None
        sign_in.emit(Event("sign-out", error=failed))

    # --- clients ----------------------------------------------------------------------------------------------------

    def session(
        self, *, current_user: bool = False, min_remaining: float | None = None, **kwargs: Any
    ) -> boto3.Session:
        """Return a boto3 session whose clients use and renew these credentials.

        The clients are those of the user who is signed in now, or else of the next one. After another user has signed
        in, their requests raise `NotSignedInError`.

        Args:
            current_user: whether the clients sign for whoever is signed in at the time of the request.
            min_remaining: seconds for which the credentials of each request must be valid; see `current_credentials`.
            kwargs: as for `boto3.Session`.

        Raises:
            ConfigurationError: keys were passed as well.
        """
        import boto3

        if any(name.startswith("aws_") for name in kwargs):
            raise ConfigurationError("A session of a federation takes no keys of its own", remedy="Use boto3.Session")
        session = kwargs.pop("botocore_session", None)
        if session is None:
            session = self.botocore_session(current_user=current_user, min_remaining=min_remaining)
        return boto3.Session(botocore_session=session, **kwargs)

    def botocore_session(self, *, current_user: bool = False, min_remaining: float | None = None) -> Session:
        """Return a botocore session whose clients use and renew these credentials; see `session`.

        Args:
            current_user: see `session`.
            min_remaining: see `session`.
        """
        from ..botocore_plugin.shared import session_with

        credentials = self._credentials_of_session(current_user, min_remaining)
        return session_with(credentials, str(self._settings.region_name))

    def aio_session(self, *, current_user: bool = False, min_remaining: float | None = None) -> AioSession:
        """Return an aiobotocore session whose clients use and renew these credentials; see `session`.

        Args:
            current_user: see `session`.
            min_remaining: see `session`.

        Raises:
            ConfigurationError: aiobotocore is not installed.
        """
        from ..botocore_plugin.shared import aio_module

        credentials = self._credentials_of_session(current_user, min_remaining)
        session: AioSession = aio_module().session_with(credentials, str(self._settings.region_name))
        return session

    def install(self) -> Callable[[], None]:
        """Make every session without its own keys or profile use this federation from now on.

        Returns:
            A function that undoes this.
        """
        from ..botocore_plugin.provider import install_application, uninstall_application

        credentials = self._credentials()
        install_application(credentials)
        return lambda: uninstall_application(credentials)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _fetch(self, min_remaining: float = 0.0, bound: _Bound | None = None) -> FetchResult:
        since, question = self._clock.now(), _Question()
        self._latest = question
        sign_in = self._current()
        if bound is not None:
            bound.check(sign_in)
        try:
            with self._events.held(), refreshing(self, "The refresh handler"):
                result = sign_in.fetch(min_remaining)
        except CognitoFederationError:
            if sign_in.is_current():
                raise
        else:
            if sign_in.is_current():
                self._reuse(result, since, question)
                return result
        raise NotSignedInError("The user was signed out in the meantime", remedy=self._how_to_sign_in)

    def _at_hand(self) -> FederatedCredentials | None:
        """Return the last result while it may be returned again, without a read of the cache."""
        latest = self._latest
        fresh = latest.fresh if latest is not None else None
        if fresh is None or not fresh.since <= self._clock.now() < fresh.until:
            return None
        return fresh.credentials

    def _renew_now(self) -> FederatedCredentials:
        sign_in = self._current()
        with self._events.held(), refreshing(self, "The refresh handler"):
            credentials = sign_in.verify(new_token=True)
        if not sign_in.is_current():
            raise NotSignedInError("The user was signed out in the meantime", remedy=self._how_to_sign_in)
        self._forget_shared()
        return credentials

    def _reuse(self, result: FetchResult, since: float, question: _Question) -> None:
        """Return a result again while it is fresh, unless something changed or another call was made meanwhile."""
        question.fresh = _Fresh(result.credentials, since, min(result.refresh_at, since + _LOOK_AGAIN))

    def _credentials(self) -> ApplicationCredentials:
        from ..botocore_plugin.shared import ApplicationCredentials

        with self._turns:
            if self._shared is None:
                self._shared = ApplicationCredentials(self._fetch, self._clock.now, marker=self, events=self._events)
            return self._shared

    def _credentials_of_session(self, current_user: bool, min_remaining: float | None) -> ApplicationCredentials:
        if current_user and not min_remaining:
            return self._credentials()
        return self._bound_credentials(current_user, min_remaining or 0.0)

    def _bound_credentials(self, current_user: bool, min_remaining: float) -> ApplicationCredentials:
        from ..botocore_plugin.shared import ApplicationCredentials

        sign_in = None
        if not current_user:
            with suppress(NotSignedInError):
                sign_in = self._current()
        for known in list(self._bound):
            if known.serves(sign_in, current_user, min_remaining):
                return known.credentials
        bound = _Bound(sign_in, current_user, min_remaining)

        def fetch() -> FetchResult:
            result = self._fetch(min_remaining, bound)
            return replace(result, refresh_at=min(result.refresh_at, result.credentials.expires_at - min_remaining))

        bound.credentials = ApplicationCredentials(fetch, self._clock.now, marker=self, events=self._events)
        self._bound.add(bound)
        return bound.credentials

    def _forget_shared(self) -> None:
        self._latest = None
        for bound in list(self._bound):
            bound.credentials.forget()
        if self._shared is not None:
            self._shared.forget()
