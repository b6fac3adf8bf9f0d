"""Remembered failures: after one process failed, the others neither try at once nor wait for the same end.

It must not outlive its reason. A failure that spares credentials keeps callers from trying only as long as these are
served; from then on it answers those who waited for the attempt, and others for a short moment.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from .. import errors
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    NonRetryableError,
    Retry,
    StorageError,
    TemporaryError,
)
from .base import FAILURES, Store

#: Seconds for which a renewal is not tried again while credentials live, give or take a quarter.
RETRY_DELAY = 30.0
#: The same after a slow failure where no credentials are valid, for clients that ask four times in a row. After a quick
#: failure the next caller tries again: the service may have recovered.
SHORT_RETRY_DELAY = 3.0
_SLOW = 5.0
_LONGEST_JITTER = 1.25
_END_OF_TIME = 1e12

_CLASSES: dict[str, type[CognitoFederationError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, CognitoFederationError)
}


@dataclass(frozen=True)
class Failure:
    """A failure somebody had.

    Attributes:
        at: when, seconds since the epoch.
        retry_at: until when nobody tries again.
        error: what was raised.
        keeps_valid_credentials: whether credentials that still live are served in spite of it.
        token: digest of the only token it is about; None where it is about the user.
    """

    at: float
    retry_at: float
    error: CognitoFederationError
    keeps_valid_credentials: bool
    token: str | None = None

    @classmethod
    def of(cls, error: CognitoFederationError, *, at: float, rest: float = 0.0, token: str | None = None) -> Failure:
        return cls(at, at + rest, error, _keeps_valid_credentials(error), token)

    def concerns(self, asked_at: float, now: float, *, has_valid_credentials: bool) -> bool:
        """Whether somebody who asked at `asked_at` gets this failure for an answer.

        They do while nobody should try, and when the failed attempt ended after they asked: then it was theirs too.

        Args:
            has_valid_credentials: whether there are credentials that are served in the meantime.
        """
        if not self.at <= now + 1:
            return False
        return now < self._rest_ends(has_valid_credentials) or self.at >= asked_at

    def _rest_ends(self, has_valid_credentials: bool) -> float:
        longest = (RETRY_DELAY if has_valid_credentials else SHORT_RETRY_DELAY) * _LONGEST_JITTER
        return min(self.retry_at, self.at + longest)


class FailureCache:
    """Failures by credentials key, in the store, and in this process where nothing can be written."""

    def __init__(self, store: Store, *, now: Callable[[], float], random: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._random = random
        self._here: dict[str, Failure] = {}

    def put(
        self,
        key: str,
        error: CognitoFederationError,
        *,
        served_until: float | None,
        took: float,
        token: str | None = None,
    ) -> Failure:
        """Note a failure; only a temporary one keeps later callers from trying.

        Args:
            key: of the credentials that could not be had.
            error: why.
            served_until: until when credentials are served in spite of it; None where there are none.
            took: seconds from the begin of the attempt to its failure.
            token: digest of the only token it is about; None where it is about the user.
        """
        now, rest = self._now(), 0.0
        jitter = _LONGEST_JITTER - self._random() / 2
        if served_until is not None and now < served_until and _keeps_valid_credentials(error):
            rest = min(RETRY_DELAY * jitter, served_until - now)
        elif isinstance(error, TemporaryError) and took >= _SLOW:
            rest = SHORT_RETRY_DELAY * jitter
        failure = Failure.of(error, at=now, rest=rest, token=token)
        self._here[key] = failure
        with contextlib.suppress(StorageError):
            self._store.write(
                FAILURES,
                key,
                {
                    "at": failure.at,
                    "retry_at": failure.retry_at,
                    "class": _public_class(error).__name__,
                    "what": error.what,
                    "remedy": error.remedy,
                    "keeps_valid_credentials": failure.keeps_valid_credentials,
                    "token": token,
                },
            )
            # Kept for everybody: whoever mends the cause and clears it there clears it here too.
            del self._here[key]
        return failure

    def get(self, key: str, *, token: str | None = None) -> Failure | None:
        """The last failure under a key, however old, if it is about this token or, without one, about the user."""
        failure = self._last(key)
        return failure if failure is not None and failure.token == token else None

    def _last(self, key: str) -> Failure | None:
        kept = self._store.read(FAILURES, key)
        here = self._here.get(key)
        if kept is None:
            return here
        at, retry_at, name = time_in(kept.get("at")), time_in(kept.get("retry_at")), kept.get("class")
        if at is None or retry_at is None or not isinstance(name, str) or name not in _CLASSES:
            return here
        error = _CLASSES[name](str(kept.get("what", "")), remedy=str(kept.get("remedy", "")))
        token = kept.get("token")
        keeps_valid_credentials = kept.get("keeps_valid_credentials") is True
        return Failure(at, retry_at, error, keeps_valid_credentials, token if isinstance(token, str) else None)

    def forget(self, key: str) -> None:
        """A success ends what was remembered."""
        self._here.pop(key, None)
        with contextlib.suppress(StorageError):
            self._store.delete(FAILURES, key)


def retry_delay_after(error: CognitoFederationError) -> tuple[float, float]:
    """When an error that reached a caller happened, and until when the next ones get it too, as the cache has it.

    Telling a remembered failure once more does not make it rest longer.
    """
    now = time.time()
    return now, min(error.retry_at or now, now + SHORT_RETRY_DELAY)


def time_in(value: object) -> float | None:
    """A number from a file that can be a time; JSON also has Infinity, and integers longer than a float."""
    return float(value) if isinstance(value, int | float) and abs(value) < _END_OF_TIME else None


def _keeps_valid_credentials(error: CognitoFederationError) -> bool:
    """Whether credentials that still live outlive this failure.

    They do when it says nothing about them: the network, a lock, a token that could not be had or has run out. They
    do not when the configuration is wrong, when Cognito or STS refuse this very identity or role, or when a refresh
    handler says that asking again is useless.
    """
    if isinstance(error, FederationRefusedError):
        return error.retry is Retry.TOKEN
    return not isinstance(error, ConfigurationError | NonRetryableError)


def _public_class(error: CognitoFederationError) -> type[CognitoFederationError]:
    return next(cls for cls in type(error).__mro__ if cls.__name__ in _CLASSES and _CLASSES[cls.__name__] is cls)
