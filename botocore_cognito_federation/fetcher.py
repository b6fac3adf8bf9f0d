"""The federation: what is fresh, who renews it, and what happens when that fails.

Everything that may block, fail or be shared by processes goes through here. The whole decision: credentials that are
fresh in the store are handed out. Otherwise whoever takes the lock of their entry looks again, because another process
may have renewed them meanwhile; whoever cannot take it serves what still lives, or waits. The holder gets a login
token, exchanges it, keeps the result before handing it out, and forgets earlier failures. If that fails, the failure is
remembered so that nobody repeats it at once, and what still lives is served unless the failure is about the identity
itself. A sign-out in between wins: what was begun before it is not kept as valid.

What a token says about its user is believed only where no stranger can have put the token there. From any other source
a token must itself have been exchanged before cached credentials answer to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ._util.concurrency import prepare_for_forks, refreshing, refuse_reentry
from .cache.base import Store, cache_key, credentials_key, identity_key, single_flight
from .cache.credentials import RETRY_DELAY, CredentialCache, Failure, FailureCache, HeldCredentials
from .cache.sessions import sign_in_part
from .credentials import FederatedCredentials, is_fresh, is_usable, refresh_at, usable_until
from .errors import (
    CognitoFederationError,
    FederationRefusedError,
    Retry,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    without_frames,
)
from .events import Event, Events
from .identity_pool.aws import Clock
from .identity_pool.client import Exchanged, IdentityPool, Login, fixed_identity
from .login_tokens.base import LoginTokenProvider, RefreshContext
from .messages import span

if TYPE_CHECKING:
    from .config.settings import Settings
    from .identity_pool.linked_logins import LinkedLogins
    from .login_token import LoginToken

logger = logging.getLogger(__name__)

#: Seconds to wait for whoever is renewing the same credentials; a renewal that takes longer has its own time limits.
LOCK_TIMEOUT = 52.0
#: Seconds after which to look again for what another process is renewing, while the credentials at hand live.
_WHILE_ANOTHER_RENEWS = 1.0


@dataclass(frozen=True)
class FetchResult:
    """Credentials, and from when on it is worth asking again.

    Attributes:
        credentials: the credentials.
        refresh_at: when they should be renewed, or when a renewal that failed may be tried again; seconds since
            the epoch.
        who: a digest of whose they are; empty where only the identity pool can say.
        only_here: whether they are what this federation served last, while no token says whose are asked for or the
            token could not be exchanged: for clients that hold them already, and for no others.
    """

    credentials: FederatedCredentials
    refresh_at: float
    who: str = ""
    only_here: bool = False


@dataclass(frozen=True)
class _Wanted:
    """Whose credentials are asked for.

    Attributes:
        key: the key of the credentials.
        login: a login with a token newly had; None where none was needed to know the key.
        who: a digest of the user; see `FetchResult`.
        token: digest of the token that the cached credentials must have been exchanged for; None where its claims are
            believed.
    """

    key: str
    login: Login | None = None
    who: str = ""
    token: str | None = None


class CredentialFetcher:
    """The credentials of one configuration.

    Args:
        settings: the configuration.
        source: gives the token source on first need; None where there is no login (guests).
        answers_by_claims: whether the source is now one whose claims are to be believed, because no stranger can put
            a token of his own there. Otherwise cached credentials answer only to a token that was itself exchanged.
        pool: turns a login into credentials.
        store: where credentials, identity IDs and failures are kept.
        patience: clock and dice.
        events: who is told; default nobody.
        linked: the logins that go with the source's own; default none.
        only_for: for an object that clients hold while the variables of their process may change: whoever was served
            first (`FetchResult.who`; empty where nobody was so far) is the only one ever served. None where anybody is.
        last: what such an object holds already, and nobody has signed out since.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        source: Callable[[], LoginTokenProvider | None],
        pool: IdentityPool,
        store: Store,
        patience: Clock,
        answers_by_claims: Callable[[], bool] = lambda: False,
        events: Events | None = None,
        linked: LinkedLogins | None = None,
        only_for: str | None = None,
        last: FederatedCredentials | None = None,
    ) -> None:
        prepare_for_forks()
        self._settings = settings
        self._source = source
        self._answers_by_claims = answers_by_claims
        self._pool = pool
        self._store = store
        self._now = patience.now
        self._events = events or Events()
        self._failures = FailureCache(store, now=patience.now, dice=patience.dice)
        self._kept = CredentialCache(settings, store)
        self._last: HeldCredentials | None = None
        self._linked = linked
        self._only_for = only_for
        self._last_before = last
        self._last_token: LoginToken | None = None

    def credentials(self) -> FederatedCredentials:
        """Credentials that are fresh, or that still live where they cannot be renewed.

        Raises:
            CognitoFederationError: there are none; the error says why and what mends it.
        """
        return self.fetch().credentials

    def fetch(self) -> FetchResult:
        """The same, with the time from which on it is worth asking again.

        Raises:
            CognitoFederationError: there are none; the error says why and what mends it.
        """
        try:
            return self._serve()
        except CognitoFederationError as error:
            raise without_frames(error) from None

    def _serve(self) -> FetchResult:
        asked_at = self._now()
        sign_out_epoch = self.sign_out_epoch()
        if self._last_before is not None:
            self._last = HeldCredentials(self._last_before, sign_out_epoch, who=self._only_for or "")
            self._last_before = None
        try:
            wanted = self._wanted(asked_at)
        except CognitoFederationError as error:
            return self._last_or_raise(error)
        if self._only_for and wanted.who and wanted.who != self._only_for:
            raise FederationRefusedError(
                "The token source answers with another user's token than before", remedy="Make a new session for them"
            )
        held = self._held(wanted)
        if held is not None and self._is_fresh(held):
            logger.debug("Credentials %s… are fresh", wanted.key[:12])
            served = self._fresh(held)
        else:
            logger.debug(
                "Credentials %s… are to be renewed; they %s", wanted.key[:12], "live" if held else "are missing"
            )
            served = self._renewed(wanted, held, asked_at)
        self._last = HeldCredentials(served.credentials, sign_out_epoch, who=wanted.who)
        if self._only_for is not None:
            self._only_for = wanted.who or self._only_for
        return replace(served, who=wanted.who)

    def _wanted(self, asked_at: float) -> _Wanted:
        """Whose credentials are asked for. A token is asked for only where nothing else can say it.

        Raises:
            CognitoFederationError: no token can be had.
        """
        by_claims = self._answers_by_claims()
        if by_claims and self._settings.identity_id is not None:
            return _Wanted(credentials_key(self._settings, None))
        asked, fetched = self._known_login(), None
        if asked is None:
            lives = self._last is not None and is_usable(self._last.credentials, asked_at)
            asked = fetched = self._login(has_valid_credentials=lives)
        token = None if by_claims or asked is None else asked.token.digest
        return _Wanted(credentials_key(self._settings, asked), fetched, user_fingerprint(asked), token)

    def _held(self, wanted: _Wanted) -> FederatedCredentials | None:
        """The cached credentials that answer to what is asked for with."""
        return self._kept.credentials(wanted.key, only_for_token=wanted.token)

    def sign_out_epoch(self) -> str:
        """What changes with each sign-out: whoever keeps credentials under another one has to drop them."""
        return self._kept.sign_out_epoch()

    def fetch_fresh(self) -> FederatedCredentials:
        """Credentials for the login token at hand, exchanged whatever is kept: so a token somebody brings is proven.

        Claims that nobody verified would otherwise choose whose kept credentials are handed out. Nothing that lives is
        served in their place, and nobody else is told of a failure.

        Raises:
            CognitoFederationError: the token could not be exchanged.
        """
        try:
            return self._exchange_now()
        except CognitoFederationError as error:
            raise without_frames(error) from None

    def _exchange_now(self) -> FederatedCredentials:
        login = self._login() if self._settings.identity_id is None else None
        key = credentials_key(self._settings, login)
        with single_flight(self._store, key, timeout=LOCK_TIMEOUT) as taken:
            if not taken:
                raise _busy(self._store.holder(key))
            with refreshing(key):
                return self._renew(key, login, self.sign_out_epoch(), has_valid_credentials=False)

    def login(self) -> Login | None:
        """Who is signed in, with a token newly had; None for guests.

        Raises:
            CognitoFederationError: nobody is, or no token can be had.
        """
        try:
            return self._login()
        except CognitoFederationError as error:
            raise without_frames(error) from None

    def _known_login(self) -> Login | None:
        """Whose credentials are asked for, as far as that can be said without asking anybody."""
        source = self._source()
        token = source.cached_token() if source is not None else None
        if token is None:
            return None
        login = Login.of(token, self._settings)
        return self._linked.marked(login) if self._linked is not None else login

    def _login(self, attempt: int = 1, *, has_valid_credentials: bool = False) -> Login | None:
        source = self._source()
        if source is None:
            return None
        provider = self._settings.provider
        last = self._last_token
        context = RefreshContext(
            provider=(provider.login_key or provider.name) if provider else None,
            identity_id=self._settings.identity_id or (last.identity_id if last else None),
            previous_expires_at=last.expires_at if last else None,
            attempt=attempt,
            has_valid_credentials=has_valid_credentials,
        )
        logger.debug("Asking %s for a login token (attempt %d)", source.description, attempt)
        self._last_token = source.fetch(context)
        login = Login.of(self._last_token, self._settings)
        if self._linked is not None:
            login = self._linked.joined(login)
        logger.debug("Got a login token for %s, expiring at %s", login.key, login.token.expires_at)
        return login

    def _last_or_raise(self, error: CognitoFederationError) -> FetchResult:
        """Without a token nobody can say whose credentials are asked for, except for those this object served last."""
        if isinstance(error, SignInRequiredError):
            raise error  # whoever signed out meant these too
        last = self._last.credentials if self._last and self._last.sign_out_epoch == self.sign_out_epoch() else None
        return replace(self._living_or_raise(last, Failure.of(error, at=self._now(), rest=RETRY_DELAY)), only_here=True)

    def _own(self, wanted: _Wanted) -> FederatedCredentials | None:
        """What this object served last to its one user, whose next token could not be exchanged so far.

        Clients that hold such an object have these credentials already. Nobody else gets them for a token that only
        claims to be that user's.
        """
        last = self._last
        mine = self._only_for is not None and last is not None and last.who == wanted.who != ""
        return last.credentials if mine and last is not None and last.sign_out_epoch == self.sign_out_epoch() else None

    def _renewed(self, wanted: _Wanted, held: FederatedCredentials | None, asked_at: float) -> FetchResult:
        key = wanted.key
        own = None if held is not None else self._own(wanted)
        living = held or own
        usable = living is not None and is_usable(living, self._now())
        if not usable:
            refuse_reentry(key, "What renews these credentials")
        with single_flight(self._store, key, timeout=0 if usable else LOCK_TIMEOUT) as taken:
            if not taken:
                if living is not None and usable:
                    logger.debug("Another thread or process renews them; serving unexpired credentials")
                    return FetchResult(living, self._now() + _WHILE_ANOTHER_RENEWS, only_here=own is not None)
                raise _busy(self._store.holder(key))
            sign_out_epoch = self.sign_out_epoch()
            held = self._held(wanted)
            if held is not None and self._is_fresh(held):
                return self._fresh(held)
            living = held or own
            remembered = self._failures.get(key, token=wanted.token)
            now = self._now()
            lives = living is not None and is_usable(living, now)
            if remembered is not None and remembered.concerns(asked_at, now, has_valid_credentials=lives):
                return replace(self._living_or_raise(living, remembered), only_here=held is None)
            try:
                with refreshing(key):
                    return self._fresh(self._renew(key, wanted.login, sign_out_epoch, has_valid_credentials=usable))
            except CognitoFederationError as error:
                # What lived before a sign-out does not outlive it.
                living = living if sign_out_epoch == self.sign_out_epoch() else None
                return replace(self._failed(wanted, living, error), only_here=held is None)

    def _failed(self, wanted: _Wanted, held: FederatedCredentials | None, error: CognitoFederationError) -> FetchResult:
        logger.debug("Renewing failed: %s", error.line)
        served_until = usable_until(held) if held is not None else None
        failure = self._failures.put(wanted.key, error, served_until=served_until, token=wanted.token)
        self._events.emit(
            Event("credentials-refresh-failure", identity_id=held.identity_id if held else None, error=error)
        )
        return self._living_or_raise(held, failure)

    def _living_or_raise(self, held: FederatedCredentials | None, failure: Failure) -> FetchResult:
        if held is not None and failure.keeps_valid_credentials and is_usable(held, self._now()):
            self._store.warn(f"Served credentials that could not be renewed: {failure.error.line}")
            return FetchResult(held, min(failure.retry_at, usable_until(held)))
        failure.error.retry_at = failure.retry_at
        raise failure.error

    def _renew(
        self, key: str, login: Login | None, sign_out_epoch: str, *, has_valid_credentials: bool
    ) -> FederatedCredentials:
        if login is None:
            login = self._login(has_valid_credentials=has_valid_credentials)
            if self._settings.identity_id is None and credentials_key(self._settings, login) != key:
                raise _somebody_else()
        try:
            exchanged = self._exchange(login)
        except FederationRefusedError as refused:
            login = self._newer_login(login, refused)
            exchanged = self._exchange(login)
        credentials = exchanged.credentials
        logger.debug("Exchanged for credentials of %s until %s", credentials.identity_id, credentials.expiration)
        if not is_usable(credentials, self._now()):
            raise TemporaryError(_dead_on_arrival(exchanged), remedy="Set the clock (timedatectl set-ntp true)")
        self._kept.put_credentials(key, credentials, login, sign_out_epoch)
        # The last look, as late as it can be: a sign-out wins until the credentials are handed out.
        if sign_in_part(sign_out_epoch) != self._kept.sign_in_epoch():
            self._refuse_who_signed_out(key)
        self._failures.forget(key)
        if exchanged.clock_ahead is not None:
            side = "ahead of" if exchanged.clock_ahead > 0 else "behind"
            self._store.warn(
                f"This machine's clock is {abs(round(exchanged.clock_ahead))} s {side} AWS's; set the clock"
            )
        self._events.emit(
            Event(
                "credentials-refresh",
                provider=login.key if login else None,
                identity_id=credentials.identity_id,
                expires_at=credentials.expires_at,
            )
        )
        return credentials

    def _refuse_who_signed_out(self, key: str) -> None:
        """A sign-out wins also over whoever waits for what was begun before it, unless nothing had to be signed in.

        Raises:
            SignInRequiredError: nobody is signed in any more.
            TemporaryError: somebody else is.
        """
        login = self._known_login()
        if login is not None and self._settings.identity_id is None and credentials_key(self._settings, login) != key:
            raise _somebody_else()

    def _newer_login(self, login: Login | None, refused: FederationRefusedError) -> Login:
        """A login with another token than the refused one, where that may help; else the refusal goes on."""
        if login is None or refused.retry not in (Retry.TOKEN, Retry.BRIEF):
            raise refused
        if any(other.token is not None for other in login.linked):
            # One bad token refuses them all; the identity is the same without those that were linked to it.
            return replace(login, linked=tuple(replace(other, token=None) for other in login.linked))
        newer = self._login(attempt=2)
        if newer is None or newer.token.value == login.token.value:
            raise refused
        if (newer.key, newer.token.subject) != (login.key, login.token.subject):
            raise FederationRefusedError(
                "The token source answered with another user's token meanwhile", remedy="Try again"
            )
        return newer

    def _exchange(self, login: Login | None) -> Exchanged:
        fixed = fixed_identity(self._settings, login)
        if fixed is not None:
            return self._pool.exchange(fixed, login)
        key = identity_key(self._settings, login)
        known = self._kept.identity(key)
        if known is not None:
            try:
                return self._adopting(key, known, self._pool.exchange(known, login))
            except FederationRefusedError as refused:
                if refused.retry is not Retry.IDENTITY:
                    raise
                self._kept.forget_identity(key)
        identity_id = self._pool.get_id(login)
        logger.debug("GetId answered %s", identity_id)
        self._kept.put_identity(key, identity_id)
        return self._adopting(key, identity_id, self._pool.exchange(identity_id, login), before=known)

    def _adopting(self, key: str, asked_for: str, exchanged: Exchanged, *, before: str | None = None) -> Exchanged:
        """Cognito may answer another identity than the one asked for, after a merge; the answer counts from then on."""
        answered, before = exchanged.credentials.identity_id, before or asked_for
        if answered != asked_for:
            self._kept.put_identity(key, answered)
        if answered != before:
            self._events.emit(Event("identity-changed", identity_id=answered, previous_identity_id=before))
        return exchanged

    def _fresh(self, credentials: FederatedCredentials) -> FetchResult:
        return FetchResult(credentials, refresh_at(credentials, self._settings.refresh_window))

    def _is_fresh(self, credentials: FederatedCredentials) -> bool:
        return is_fresh(credentials, self._settings.refresh_window, self._now())


def user_fingerprint(login: Login | None) -> str:
    """A digest of whose login it is; an opaque token names nobody, and its next one looks like another."""
    if login is None or not login.token.claims.get("sub"):
        return ""
    return cache_key({"what": "who", "login": login.key, "subject": login.token.subject})


def _dead_on_arrival(exchanged: Exchanged) -> str:
    """SDKs refuse credentials that have expired by this machine's clock, and would ask for new ones at each call."""
    ahead = exchanged.clock_ahead
    why = f", which is {span(ahead)} ahead of AWS's" if ahead is not None and ahead > 0 else ""
    return f"The new credentials have already expired by this machine's clock{why}"


def _somebody_else() -> TemporaryError:
    return TemporaryError("Another user signed in meanwhile", remedy="Try again")


def _busy(holder: str) -> StorageError:
    return StorageError(
        f"{holder} has been renewing these credentials for more than {LOCK_TIMEOUT:g} s",
        remedy="Try again; if it persists, end that process",
    )
