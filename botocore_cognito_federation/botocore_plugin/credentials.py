"""The credentials object botocore signs with: one float comparison while fresh, the federation when not.

botocore's own `RefreshableCredentials` raises in the last ten minutes although the credentials live, tries again on
every signing, computes with datetimes on each call, and deadlocks in a child forked during a refresh. This one asks
the federation, which knows what to serve, and asks it again only when the federation says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timezone
from time import time
from typing import TYPE_CHECKING, Any

from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from .._util.concurrency import ForkSafeLock, prepare_for_forks
from ..errors import CognitoFederationError, StorageError

if TYPE_CHECKING:
    # Here and in the functions below: a program that finds its credentials ready never needs the federation.
    from ..credentials import FetchResult

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
        prepare_for_forks()
        asked_at = self._clock()
        if not self._turns.acquire(0):
            if self.is_usable():
                return
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
