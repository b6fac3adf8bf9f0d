"""Fetches the credentials of one configuration: from the cache while they are fresh, otherwise from the identity pool.

The algorithm: `fetch` identifies the user, and requests a login token only if nothing else identifies the user. Cached
credentials that are fresh are returned. Otherwise one process takes the lock of their entry, looks into the cache
again, because another one may have renewed them meanwhile, gets a login token, exchanges it, and stores the credentials
before it returns them. A process that cannot take the lock returns what is still usable, or waits. A failure is cached,
so that the next process does not repeat it at once, and usable credentials are returned in spite of it, unless the
failure concerns the identity itself. A sign-out wins: the result of a renewal that began before it is not valid.

The claims of a token are trusted only if no attacker can have supplied the token. From any other source, a token must
itself have been exchanged before cached credentials are returned for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ._util.concurrency import prepare_for_forks, refreshing, refuse_reentry
from .cache.base import sign_in_part
from .cache.credentials import RETRY_DELAY, Failure
from .credentials import FederatedCredentials, FetchResult, is_fresh, is_usable, refresh_at, usable_until
from .errors import (
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    Retry,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    TokenRefreshError,
    reworded,
    without_frames,
)
from .events import Event, Events
from .identity_pool.client import Exchanged, IdentityPool, fixed_identity
from .login_token import Login
from .login_tokens.base import CachedTokenProvider, LoginTokenProvider, RefreshContext
from .messages import SET_CLOCK, clock_difference, login_command, span

if TYPE_CHECKING:
    from ._util.concurrency import Clock
    from .cache.answers import AnswerWriter
    from .cache.base import Entry
    from .cache.credentials import CredentialCache
    from .config.settings import Settings
    from .identity_pool.linked_logins import LinkedLogins
    from .login_token import LoginToken

logger = logging.getLogger(__name__)

#: Seconds to wait for the process that renews the same credentials; a renewal that takes longer has its own limits.
LOCK_TIMEOUT = 52.0
#: Seconds of the caller's time in which nothing is waited for any more.
FOR_THE_ANSWER = 5.0
#: Seconds after which to check again for another process's renewal while the present credentials are usable.
_WHILE_ANOTHER_RENEWS = 1.0


@dataclass(frozen=True)
class _Last:
    """The last result of this fetcher, its user, and its sign-out epoch."""

    credentials: FederatedCredentials
    sign_out_epoch: str
    user: str = ""


@dataclass(eq=False, repr=False)
class CredentialFetcher:
    """Fetches the credentials of one configuration.

    Args:
        settings: the configuration.
        source: the login token provider, or a function that opens it when it is first needed; None if there is no
            login (guests).
        pool: turns a login into credentials.
        cache: stores credentials, identity IDs and failures.
        clock: the clock.
        answers_by_claims: whether the claims of the provider's tokens are trusted, because no attacker can supply a
            token. Otherwise cached credentials are returned only for a token that was itself exchanged.
        events: receives the events; by default nothing does.
        linked: the logins linked to the provider's own; by default none.
        answers: caches responses for ``credential-process``, ready to print; by default none.
        only_for: for an object that clients hold while the variables of their process may change: the one user whose
            credentials are ever returned (`FetchResult.user`; empty: the first user asked for). None for any user.
        last: what such an object holds already, and no sign-out has ended since.
        time_left: the seconds that the caller has; by default as many as are configured.
    """

    settings: Settings
    source: LoginTokenProvider | Callable[[], LoginTokenProvider | None] | None
    pool: IdentityPool
    cache: CredentialCache
    clock: Clock
    answers_by_claims: bool | Callable[[], bool] = False
    events: Events = field(default_factory=Events)
    linked: LinkedLogins | None = None
    answers: AnswerWriter | None = None
    only_for: str | None = None
    last: FederatedCredentials | None = None
    time_left: Callable[[], float] | None = None
    _last: _Last | None = field(default=None, init=False)
    _last_token: LoginToken | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        prepare_for_forks()

    @cached_property
    def _provider(self) -> LoginTokenProvider | None:
        return self.source() if callable(self.source) else self.source

    def credentials(self) -> FederatedCredentials:
        """Return credentials that are fresh, or still usable if they cannot be renewed.

        Raises:
            CognitoFederationError: no credentials are available; the error says why, and what to do.
        """
        return self.fetch().credentials

    def fetch(self, *, min_remaining: float = 0.0) -> FetchResult:
        """Return credentials and the time for the next request; the response is cached for printing if allowed.

        Args:
            min_remaining: seconds for which they must be valid; others are renewed as if they had expired.

        Raises:
            CognitoFederationError: no credentials are available; the error says why, and what to do.
        """
        try:
            sign_out_epoch = self.sign_out_epoch()
            state = self.answers.begin() if self.answers is not None else None  # before the token is read
            result = self._fetch(sign_out_epoch, min_remaining)
            if (remaining := self._remaining(result.credentials)) < min_remaining:
                raise _too_short(min_remaining, remaining)
            if self.answers is not None:
                self.answers.put(state, result)
            return result
        except CognitoFederationError as error:
            raise without_frames(error) from None

    def fetch_fresh(
        self, *, token: LoginToken | None = None, sign_in_epoch: str | None = None, new_token: bool = False
    ) -> FederatedCredentials:
        """Exchange the present login token, whatever is cached: this verifies a token from a client.

        Unverified claims would otherwise decide whose cached credentials are returned. No other credentials are
        returned instead, and no other process learns of a failure.

        Args:
            token: the login token, where the caller has just obtained it; by default the one of the provider.
            sign_in_epoch: the epoch in which the sign-in of `token` began; another one means that it has ended.
            new_token: renew the login token too, although it has not expired.

        Raises:
            CognitoFederationError: the token could not be exchanged.
        """
        try:
            sign_out_epoch = self.sign_out_epoch()  # before the token is read
            if sign_in_epoch is not None and sign_in_part(sign_out_epoch) != sign_in_epoch:
                raise SignInRequiredError(
                    "The user signed out meanwhile", remedy=f"Run: {login_command(self.settings)}"
                )
            login = self._login_of(token) if token is not None else None
            if login is None and (new_token or self.settings.identity_id is None):
                login = self._login(force=new_token)
            entry = self.cache.entry(login)
            with self.cache.lock(entry, timeout=self._lock_timeout) as taken:
                if not taken:
                    raise _busy(self.cache.holder(entry), self._lock_timeout)
                with refreshing(entry.key):
                    return self._renew(entry, login, sign_out_epoch, has_valid_credentials=False)
        except CognitoFederationError as error:
            raise without_frames(error) from None

    def login(self) -> Login | None:
        """Return the login of the signed-in user, with a new token; None for guests.

        Raises:
            CognitoFederationError: the user is not signed in, or no token is available.
        """
        try:
            return self._login()
        except CognitoFederationError as error:
            raise without_frames(error) from None

    def sign_out_epoch(self) -> str:
        """The sign-out epoch: credentials of another epoch must not be used any more."""
        return self.cache.sign_out_epoch()

    def _fetch(self, sign_out_epoch: str, min_remaining: float) -> FetchResult:
        asked_at = self.clock.now()
        if self.last is not None:
            self._last = _Last(self.last, sign_out_epoch, self.only_for or "")
            self.last = None
        try:
            entry, login = self._asked_for(asked_at)
        except CognitoFederationError as error:
            return self._last_or_raise(error)
        if self.only_for and entry.user and entry.user != self.only_for:
            raise FederationRefusedError(
                "The token source answers with another user's token than before",
                remedy="Make a new session for that user",
            )
        cached = self.cache.get(entry)
        if cached is not None and self._is_fresh(cached, min_remaining):
            logger.debug("Credentials %s… are fresh", entry.key[:12])
            result = self._fresh(cached)
        else:
            logger.debug("Credentials %s… are to be renewed", entry.key[:12])
            result = self._renewed(entry, login, cached, asked_at, min_remaining)
        self._last = _Last(result.credentials, sign_out_epoch, entry.user)
        if self.only_for is not None:
            self.only_for = entry.user or self.only_for
        return replace(result, user=entry.user)

    def _asked_for(self, asked_at: float) -> tuple[Entry, Login | None]:
        """Return the requested entry, and the login if a token was needed to find it.

        Raises:
            CognitoFederationError: no token is available.
        """
        by_claims = self.answers_by_claims
        believed = by_claims if isinstance(by_claims, bool) else by_claims()
        if believed and self.settings.identity_id is not None:
            return self.cache.entry(None), None
        asked, new = self._known_login(), None
        if asked is None:
            usable = self._last is not None and is_usable(self._last.credentials, asked_at)
            asked = new = self._login(has_valid_credentials=usable)
        return self.cache.entry(asked, claims_are_believed=believed), new

    def _known_login(self) -> Login | None:
        """Return the requested login, if its provider knows it without a new token."""
        source = self._provider
        if not isinstance(source, CachedTokenProvider):
            return None
        login = Login.of(source.cached_token(), self.settings)
        return self.linked.marked(login) if self.linked is not None else login

    def _login(self, attempt: int = 1, *, has_valid_credentials: bool = False, force: bool = False) -> Login | None:
        source = self._provider
        if source is None:
            return None
        provider, last = self.settings.provider, self._last_token
        context = RefreshContext(
            provider=(provider.login_key or provider.name) if provider else None,
            identity_id=self.settings.identity_id or (last.identity_id if last else None),
            previous_expires_at=last.expires_at if last else None,
            attempt=attempt,
            has_valid_credentials=has_valid_credentials,
            force=force,
        )
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("Asking %s for a login token (attempt %d)", source.description, attempt)
        token = source.fetch(context)
        try:
            return self._login_of(token)
        except TokenRefreshError as error:
            raise reworded(error, what=f"{error.what} (from {source.description})") from None

    def _login_of(self, token: LoginToken) -> Login:
        """Return the login of a token, with those that are linked to it."""
        self._last_token = token
        login = Login.of(token, self.settings)
        if self.linked is not None:
            login = self.linked.joined(login)
        logger.debug("Got a login token for %s, expiring at %s", login.key, login.token.expires_at)
        return login

    def _renewed(
        self,
        entry: Entry,
        login: Login | None,
        cached: FederatedCredentials | None,
        asked_at: float,
        min_remaining: float,
    ) -> FetchResult:
        own = None if cached is not None else self._last_of(entry)
        at_hand = self._enough(cached or own, min_remaining)
        usable = at_hand is not None and is_usable(at_hand, self.clock.now())
        if not usable:
            refuse_reentry(entry.key, "What renews these credentials")
        with self.cache.lock(entry, timeout=0 if usable else self._lock_timeout) as taken:
            if not taken:
                if at_hand is not None and usable:
                    logger.debug("Another process is renewing them; returning what is usable")
                    return FetchResult(at_hand, self.clock.now() + _WHILE_ANOTHER_RENEWS, only_here=own is not None)
                raise _busy(self.cache.holder(entry), self._lock_timeout)
            sign_out_epoch = self.sign_out_epoch()
            cached = self.cache.get(entry)
            if cached is not None and self._is_fresh(cached, min_remaining):
                return self._fresh(cached)
            at_hand = self._enough(cached or own, min_remaining)
            failure = self.cache.failure(entry)
            now = self.clock.now()
            still_usable = at_hand is not None and is_usable(at_hand, now)
            if failure is not None and failure.concerns(asked_at, now, has_valid_credentials=still_usable):
                return replace(self._usable_or_raise(at_hand, failure), only_here=cached is None)
            try:
                with refreshing(entry.key):
                    return self._fresh(self._renew(entry, login, sign_out_epoch, has_valid_credentials=usable))
            except CognitoFederationError as error:
                if sign_out_epoch != self.sign_out_epoch():
                    at_hand = None  # credentials from before a sign-out are not valid after it
                return replace(self._failed(entry, at_hand, error), only_here=cached is None)

    def _renew(
        self, entry: Entry, login: Login | None, sign_out_epoch: str, *, has_valid_credentials: bool
    ) -> FederatedCredentials:
        if login is None:
            login = self._login(has_valid_credentials=has_valid_credentials)
            self._refuse_other_user(entry, login)
        seconds = 0.0 if has_valid_credentials else float(self.settings.retry_seconds)
        if self.time_left is not None:
            seconds = min(seconds, self.time_left() - FOR_THE_ANSWER)
        try:
            with self.pool.patience(seconds):
                exchanged = self._exchange(entry, login)
        except FederationRefusedError as refused:
            login = self._newer_login(login, refused)
            exchanged = self._exchange(entry, login)
        credentials = exchanged.credentials
        logger.debug("Exchanged for credentials of %s until %s", credentials.user_id, credentials.expiration)
        if not is_usable(credentials, self.clock.now()):
            raise TemporaryError(_expired_on_arrival(exchanged), remedy=SET_CLOCK)
        if self.cache.put(entry, credentials, login, sign_out_epoch):
            self._refuse_other_user(entry, self._known_login())
        if (ahead := exchanged.clock_ahead) is not None:
            self.cache.warn(f"{clock_difference(ahead)}; set the clock")
        self.events.emit(
            Event(
                "credentials-refresh",
                provider=login.key if login else None,
                identity_id=credentials.identity_id,
                expires_at=credentials.expires_at,
            )
        )
        return credentials

    @property
    def _lock_timeout(self) -> float:
        return max(LOCK_TIMEOUT, self.settings.retry_seconds + FOR_THE_ANSWER)

    def _exchange(self, entry: Entry, login: Login | None) -> Exchanged:
        if self.settings.identity_pool_id is None:
            return self.pool.exchange(None, login)
        fixed = fixed_identity(self.settings, login)
        if fixed is not None:
            return self.pool.exchange(fixed, login)
        known = self.cache.identity_id(entry)
        if known is not None:
            try:
                return self._adopted(entry, known, self.pool.exchange(known, login))
            except FederationRefusedError as refused:
                if refused.retry is not Retry.IDENTITY:
                    raise
                self.cache.forget_identity_id(entry)
        with self.pool.ahead(login):
            identity_id = self.pool.get_id(login)
            logger.debug("GetId answered %s", identity_id)
            self.cache.put_identity_id(entry, identity_id)
            exchanged = self.pool.exchange(identity_id, login)
        return self._adopted(entry, identity_id, exchanged, before=known)

    def _adopted(self, entry: Entry, asked_for: str, exchanged: Exchanged, *, before: str | None = None) -> Exchanged:
        """Cognito may answer another identity than the one asked for, after a merge; the answer counts from then on."""
        answered, before = exchanged.credentials.user_id, before or asked_for
        if answered != asked_for:
            self.cache.put_identity_id(entry, answered)
        if answered != before:
            self.events.emit(Event("identity-changed", identity_id=answered, previous_identity_id=before))
        return exchanged

    def _newer_login(self, login: Login | None, refused: FederationRefusedError) -> Login:
        """Return a login with another token than the refused one, if that may help; otherwise raise the refusal."""
        if login is None or refused.retry not in (Retry.TOKEN, Retry.BRIEF):
            raise refused
        if any(other.token is not None for other in login.linked):
            # One bad token makes the call fail; without the linked logins the identity is the same.
            return replace(login, linked=tuple(replace(other, token=None) for other in login.linked))
        try:
            newer = self._login(attempt=2)
        except CognitoFederationError as failed:
            raise _refused_for_good(refused, failed) from None
        if newer is None or newer.token.value == login.token.value:
            raise refused
        if (newer.key, newer.token.subject) != (login.key, login.token.subject):
            raise FederationRefusedError(
                "The token source answered with another user's token meanwhile", remedy="Try again"
            )
        return newer

    def _refuse_other_user(self, entry: Entry, login: Login | None) -> None:
        """Refuse to continue if another user is signed in than the one of the entry.

        Raises:
            TemporaryError: another user is signed in.
        """
        if login is not None and self.settings.identity_id is None and not self.cache.is_of(entry, login):
            raise TemporaryError("Another user signed in meanwhile", remedy="Try again")

    def _failed(self, entry: Entry, at_hand: FederatedCredentials | None, error: CognitoFederationError) -> FetchResult:
        logger.debug("Renewing failed: %s", error.line)
        until = usable_until(at_hand) if at_hand is not None else None
        failure = self.cache.put_failure(entry, error, usable_until=until)
        self.events.emit(
            Event("credentials-refresh-failure", identity_id=at_hand.identity_id if at_hand else None, error=error)
        )
        return self._usable_or_raise(at_hand, failure)

    def _usable_or_raise(self, at_hand: FederatedCredentials | None, failure: Failure) -> FetchResult:
        if at_hand is not None and failure.keeps_valid_credentials and is_usable(at_hand, self.clock.now()):
            self.cache.warn(f"Served credentials that could not be renewed: {failure.error.line}")
            return FetchResult(at_hand, min(failure.retry_at, usable_until(at_hand)))
        raise failure.error

    def _last_or_raise(self, error: CognitoFederationError) -> FetchResult:
        """Return this object's last result, or raise: without a token, the user is unknown to any other caller."""
        if isinstance(error, SignInRequiredError):
            raise error  # the sign-out was meant for these too
        failure = Failure.of(error, at=self.clock.now(), rest=RETRY_DELAY)
        return replace(self._usable_or_raise(self._current_last(), failure), only_here=True)

    def _last_of(self, entry: Entry) -> FederatedCredentials | None:
        """Return the last result for this object's one user, whose next token could not be exchanged so far.

        Clients of such an object have these credentials already. No other caller gets them for a token that only claims
        to be that user's.
        """
        is_theirs = self.only_for is not None and self._last is not None and self._last.user == entry.user != ""
        return self._current_last() if is_theirs else None

    def _current_last(self) -> FederatedCredentials | None:
        last = self._last
        return last.credentials if last is not None and last.sign_out_epoch == self.sign_out_epoch() else None

    def _fresh(self, credentials: FederatedCredentials) -> FetchResult:
        return FetchResult(credentials, refresh_at(credentials, self.settings.refresh_window))

    def _is_fresh(self, credentials: FederatedCredentials, min_remaining: float) -> bool:
        is_long_enough = self._remaining(credentials) >= min_remaining
        return is_long_enough and is_fresh(credentials, self.settings.refresh_window, self.clock.now())

    def _enough(self, credentials: FederatedCredentials | None, min_remaining: float) -> FederatedCredentials | None:
        """Return the credentials if they are valid for so many seconds; 0: whether or not they have expired."""
        is_enough = credentials is None or not min_remaining or self._remaining(credentials) >= min_remaining
        return credentials if is_enough else None

    def _remaining(self, credentials: FederatedCredentials) -> float:
        """Return the seconds until credentials expire."""
        return credentials.expires_at - self.clock.now()


def _expired_on_arrival(exchanged: Exchanged) -> str:
    """Return the error for expired new credentials: SDKs would refuse them, and ask again at each call."""
    ahead = exchanged.clock_ahead
    why = f", which is {span(ahead)} ahead of AWS's" if ahead is not None and ahead > 0 else ""
    return f"The new credentials have already expired by this machine's clock{why}"


def _refused_for_good(refused: FederationRefusedError, failed: CognitoFederationError) -> CognitoFederationError:
    """The error where a login token was refused, and there is no newer one: the refusal is why, and so comes first.

    A token that has expired or was revoked is replaced by what the second failure asks for. Any other refusal would
    meet the next token too.
    """
    what = f"{refused.what}. {failed.what}"
    if refused.retry is Retry.TOKEN or isinstance(failed, TemporaryError | StorageError):
        return reworded(failed, what=what)
    return reworded(refused, what=what)


def _too_short(min_remaining: float, remaining: float) -> CognitoFederationError:
    return ConfigurationError(
        f"min_remaining is {min_remaining:g} s, and new credentials are valid for {max(0, int(remaining))} s",
        remedy="Ask for less, or get longer credentials with the basic flow and duration_seconds",
    )


def _busy(holder: str, limit: float) -> StorageError:
    return StorageError(
        f"{holder} has been renewing these credentials for more than {limit:g} s",
        remedy="Try again; if it persists, end that process",
    )
