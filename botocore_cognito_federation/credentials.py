"""AWS credentials as the package returns them, until when they are fresh and usable, and the documents that store them.

The cache and the quick way of ``credential-process`` read and write the same documents by these functions. They import
nothing of botocore, which takes longer than all the rest of the quick way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from math import isfinite
from typing import TYPE_CHECKING, Any, TypedDict

from .messages import display_name

if TYPE_CHECKING:
    from .config.settings import Settings
    from .login_token import Login


class Essential(TypedDict):
    """The keyword arguments of boto3's clients, resources and sessions; a TypedDict, so that `**` type-checks."""

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


@dataclass(frozen=True, repr=False)
class FederatedCredentials:
    """AWS credentials that an identity pool issued, or STS for a login token.

    Attributes:
        access_key: the access key ID.
        secret_key: the secret access key.
        token: the session token.
        expires_at: when they expire, seconds since the epoch.
        issued_at: when they were obtained, seconds since the epoch.
        identity_id: the identity that they belong to, ``REGION:GUID``; None without an identity pool.
        account_id: the AWS account, if it is known.
        authenticated: False only for guests.
        subject: without an identity pool, the user as STS names them (SubjectFromWebIdentityToken); else None.
    """

    access_key: str
    secret_key: str
    token: str
    expires_at: float
    issued_at: float
    identity_id: str | None
    account_id: str | None = None
    authenticated: bool = True
    subject: str | None = None

    def __repr__(self) -> str:
        from .messages import shown_time

        # Times as people read them, since notebooks show this; and no part of the credentials.
        whose = f"identity_id={self.identity_id!r}" if self.subject is None else f"subject={self.subject!r}"
        return (
            f"FederatedCredentials({whose}, account_id={self.account_id!r},"
            f" authenticated={self.authenticated!r}, issued={shown_time(self.issued_at)},"
            f" expires={shown_time(self.expires_at)})"
        )

    @property
    def user_id(self) -> str:
        """The user: the identity ID, or without an identity pool what STS calls the user."""
        return self.identity_id or self.subject or ""

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
            **({} if self.subject is None else {"subject": self.subject}),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> FederatedCredentials | None:
        """Return the credentials from a cached JSON object, or None if it is damaged (damage is a cache miss).

        Args:
            document: the object, as `document` made it.
        """
        texts = [document.get(name) for name in ("access_key", "secret_key", "token")]
        identity_id, subject = document.get("identity_id"), document.get("subject")
        times = [document.get(name) for name in ("expires_at", "issued_at")]
        account, authenticated = document.get("account_id"), document.get("authenticated")
        if not all(isinstance(text, str) and text for text in (*texts, identity_id or subject)):
            return None
        if not isinstance(identity_id, str | None) or not isinstance(subject, str | None):
            return None
        if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
            return None
        if not isinstance(account, str | None) or not isinstance(authenticated, bool):
            return None
        access_key, secret_key, token = (str(text) for text in texts)
        try:
            expires_at, issued_at = (float(time) for time in times if time is not None)
            found = cls(
                access_key, secret_key, token, expires_at, issued_at, identity_id, account, authenticated, subject
            )
            # JSON may hold numbers that are not a time: Infinity, or more digits than a float has.
            return found if found.expiration and isfinite(issued_at) else None
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
        user: a digest of the user; empty if only the identity pool knows the user.
        only_here: whether they are a repetition of this fetcher's last result, because no token names the user or the
            token could not be exchanged. They are then only for clients that have them already.
    """

    credentials: FederatedCredentials
    refresh_at: float
    user: str = ""
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


#: Tokens of one user that cached credentials answer to at the same time; the oldest are exchanged anew.
_MOST_TOKENS = 16
_END_OF_TIME = 1e12


def document_of(
    credentials: FederatedCredentials,
    tokens: Mapping[str, float],
    settings: Settings,
    login: Login | None,
    sign_out_epoch: str,
) -> dict[str, Any]:
    """The document that stores credentials.

    Args:
        credentials: the credentials.
        tokens: the exchanged tokens that they answer to; see `exchanged_tokens`.
        settings: the configuration.
        login: the login whose token was exchanged for them.
        sign_out_epoch: the epoch in which fetching them began.
    """
    claims = login.token.claims if login else {}
    return {
        **credentials.document(),
        "tokens": dict(tokens),
        "scope": settings.scope,
        "generation": sign_out_epoch,
        "profile": settings.profile,
        "pool": settings.identity_pool_id,
        "provider": login.key if login else "guest",
        "role": settings.assume_role_arn or settings.role_arn,
        # Who it is, as a person would say it; no secret.
        "who": display_name(map(claims.get, ("email", "preferred_username", "name", "sub"))),
    }


def exchanged_tokens(
    before: Mapping[str, float], credentials: FederatedCredentials, login: Login | None
) -> dict[str, float]:
    """The tokens that credentials answer to, now that the one of `login` was exchanged too.

    A token that was exchanged before is one of them only if it has not expired: it could have been exchanged for
    these credentials as well. One that has expired must not open what a later token brought.

    Args:
        before: the digests of the tokens exchanged before, and when each expires.
        credentials: what `login` was exchanged for.
        login: the login.
    """
    if login is None:
        return {}
    token = login.token
    # Nothing says when an opaque token ends; it is exchanged again once the credentials that it brought are gone.
    end = token.expires_at if token.expires_at is not None else credentials.expires_at
    others = {digest: life for digest, life in before.items() if life > credentials.issued_at}
    others.pop(token.digest, None)
    return {token.digest: end, **dict(list(others.items())[: _MOST_TOKENS - 1])}


def tokens_in(document: Mapping[str, Any]) -> dict[str, float]:
    """The exchanged tokens in a document of credentials; one from an earlier version has none."""
    tokens = document.get("tokens")
    found = tokens.items() if isinstance(tokens, dict) else ()
    return {digest: end for digest, value in found if (end := time_in(value)) is not None}


def time_in(value: object) -> float | None:
    """A number from a file that can be a time; JSON also has Infinity, and integers longer than a float."""
    return float(value) if isinstance(value, int | float) and abs(value) < _END_OF_TIME else None


def identity_document(identity_id: str, settings: Settings) -> dict[str, Any]:
    """The document that stores the identity ID of a login."""
    return {"identity_id": identity_id, "pool": settings.identity_pool_id, "scope": settings.scope}


def identity_in(document: Mapping[str, Any] | None) -> str | None:
    """The identity ID in a document. Damage is a miss: what could not be one is not sent to Cognito."""
    identity_id = document.get("identity_id") if document else None
    return identity_id if isinstance(identity_id, str) and is_identity_id(identity_id) else None


def is_identity_id(text: str) -> bool:
    """Whether a text can be an identity ID: a region, a colon, and a GUID."""
    region, colon, guid = text.partition(":")
    named = 0 < len(region) <= 30 and region.isascii() and region.replace("-", "").replace("_", "").isalnum()
    return bool(colon) and named and 0 < len(guid) <= 50 and not guid.strip("0123456789abcdef-")
