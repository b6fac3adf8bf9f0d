"""AWS credentials as the package returns them, until when they are fresh and usable, and the result of a fetch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from math import isfinite
from typing import Any, TypedDict


class Essential(TypedDict):
    """The keyword arguments of boto3's clients, resources and sessions; a TypedDict, so that `**` type-checks."""

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


@dataclass(frozen=True, repr=False)
class FederatedCredentials:
    """AWS credentials that an identity pool issued.

    Attributes:
        access_key: the access key ID.
        secret_key: the secret access key.
        token: the session token.
        expires_at: when they expire, seconds since the epoch.
        issued_at: when they were obtained, seconds since the epoch.
        identity_id: the identity that they belong to, ``REGION:GUID``.
        account_id: the AWS account, if it is known.
        authenticated: False only for guests.
    """

    access_key: str
    secret_key: str
    token: str
    expires_at: float
    issued_at: float
    identity_id: str
    account_id: str | None = None
    authenticated: bool = True

    def __repr__(self) -> str:
        from .messages import shown_time

        # Times as people read them, since notebooks show this; and no part of the credentials.
        return (
            f"FederatedCredentials(identity_id={self.identity_id!r}, account_id={self.account_id!r},"
            f" authenticated={self.authenticated!r}, issued={shown_time(self.issued_at)},"
            f" expires={shown_time(self.expires_at)})"
        )

    @property
    def expiration(self) -> datetime:
        """When they expire, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.expires_at, tz=timezone.utc)

    def essential(self) -> Essential:
        """Return the keyword arguments for any boto3 client call; a client made with them never refreshes them."""
        return {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_session_token": self.token,
        }

    def document(self) -> dict[str, Any]:
        """Return the credentials as a JSON object for the cache."""
        return {
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "token": self.token,
            "expires_at": self.expires_at,
            "issued_at": self.issued_at,
            "identity_id": self.identity_id,
            "account_id": self.account_id,
            "authenticated": self.authenticated,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> FederatedCredentials | None:
        """Return the credentials from a cached JSON object, or None if it is damaged (damage is a cache miss).

        Args:
            document: the object, as `document` made it.
        """
        texts = [document.get(name) for name in ("access_key", "secret_key", "token", "identity_id")]
        times = [document.get(name) for name in ("expires_at", "issued_at")]
        account, authenticated = document.get("account_id"), document.get("authenticated")
        if not all(isinstance(text, str) and text for text in texts):
            return None
        if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
            return None
        if not isinstance(account, str | None) or not isinstance(authenticated, bool):
            return None
        access_key, secret_key, token, identity_id = (str(text) for text in texts)
        try:
            expires_at, issued_at = (float(time) for time in times if time is not None)
            kept = cls(access_key, secret_key, token, expires_at, issued_at, identity_id, account, authenticated)
            # JSON may hold numbers that are not a time: Infinity, or more digits than a float has.
            return kept if kept.expiration and isfinite(issued_at) else None
        except (OverflowError, ValueError, OSError):
            return None

    def process_document(self) -> dict[str, Any]:
        """Return the JSON object of the ``credential_process`` contract.

        ``Version`` is the integer 1, ``AccountId`` a string and ``Expiration`` a UTC time with a Z: each other spelling
        is refused by some SDK.
        """
        document: dict[str, Any] = {
            "Version": 1,
            "AccessKeyId": self.access_key,
            "SecretAccessKey": self.secret_key,
            "SessionToken": self.token,
            "Expiration": f"{self.expiration:%Y-%m-%dT%H:%M:%SZ}",
        }
        if self.account_id:
            document["AccountId"] = self.account_id
        return document


#: Remaining seconds below which credentials are refreshed, unless a third of their lifetime is less.
WINDOW = 1200.0
#: Of their lifetime, the most that a configured window may take: a wider one would make each request an exchange.
WIDEST_WINDOW = 0.9
#: Seconds before expiry at which credentials are no longer served, unless a tenth of their lifetime is less.
GRACE = 60.0
#: Seconds that a clock may step back, as time synchronisation does, before credentials from "the future" are a miss.
_CLOCK_STEP = 5.0


@dataclass(frozen=True)
class FetchResult:
    """Credentials, and the time from which they should be refreshed.

    Attributes:
        credentials: the credentials.
        refresh_at: when they should be refreshed, or when a failed refresh may be retried; seconds since the epoch.
        who: a digest of the user; empty if only the identity pool knows the user.
        only_here: whether they are a repetition of this fetcher's last result, because no token names the user or the
            token could not be exchanged. They are then only for clients that have them already.
    """

    credentials: FederatedCredentials
    refresh_at: float
    who: str = ""
    only_here: bool = False


def refresh_at(credentials: FederatedCredentials, window: int | None) -> float:
    """Return the time from which the credentials should be refreshed, seconds since the epoch.

    Args:
        window: the configured ``cognito_refresh_window``, of which `WIDEST_WINDOW` is the limit; None for the default.
    """
    lifetime = _lifetime(credentials)
    if window is not None:
        return credentials.expires_at - min(window, WIDEST_WINDOW * lifetime)
    return credentials.expires_at - min(WINDOW, lifetime / 3)


def usable_until(credentials: FederatedCredentials) -> float:
    """Return the time until which the credentials may be handed out if a refresh fails, seconds since the epoch."""
    return credentials.expires_at - min(GRACE, _lifetime(credentials) / 10)


def is_fresh(credentials: FederatedCredentials, window: int | None, now: float) -> bool:
    """Return whether the credentials need no refresh yet."""
    return credentials.issued_at - _CLOCK_STEP <= now < min(refresh_at(credentials, window), credentials.expires_at)


def is_usable(credentials: FederatedCredentials, now: float) -> bool:
    """Return whether the credentials may be handed out if they cannot be refreshed."""
    return credentials.issued_at - _CLOCK_STEP <= now < usable_until(credentials)


def _lifetime(credentials: FederatedCredentials) -> float:
    return max(0.0, credentials.expires_at - credentials.issued_at)
