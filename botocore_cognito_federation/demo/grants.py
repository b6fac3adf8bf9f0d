"""What the demo's OpenID provider has granted: codes, refresh tokens, device codes, and who is signed in in a browser.

Codes are for one use, and a second use ends what the first brought (RFC 6749, section 4.1.2). Refresh tokens rotate,
and the use of an old one ends the grant (RFC 9700, section 4.14.2).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .exchange import GrantRefused

CODE_SECONDS = 60
DEVICE_SECONDS = 600
DEVICE_INTERVAL = 1
#: An unused grant ends after this time.
GRANT_SECONDS = 30 * 86_400
#: Letters of a user code: no vowels, which could make words, and none that look alike (RFC 8628, section 6.1).
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(eq=False)
class Grant:
    """One sign-in of a person with a client.

    Attributes:
        subject: the person.
        client_id: the client.
        scope: the granted scopes.
        nonce: of the authorization request; empty if there was none.
        signed_in_at: seconds by the world's clock.
        refresh_token: the one that is valid; empty without ``offline_access``.
        spent: the earlier ones.
        access_tokens: those that are valid.
        is_alive: whether it has not been revoked.
    """

    subject: str
    client_id: str
    scope: tuple[str, ...]
    nonce: str
    signed_in_at: float
    used_at: float
    refresh_token: str = field(default="", repr=False)
    spent: set[str] = field(default_factory=set, repr=False)
    access_tokens: set[str] = field(default_factory=set, repr=False)
    is_alive: bool = True


@dataclass(eq=False)
class Code:
    """An authorization code that has not been used, or was."""

    grant: Grant
    redirect_uri: str
    challenge: str
    expires_at: float
    is_used: bool = False


@dataclass(eq=False)
class Device:
    """A device that waits for a person."""

    client_id: str
    scope: tuple[str, ...]
    user_code: str
    expires_at: float
    asked_at: float = 0.0
    interval: float = DEVICE_INTERVAL
    grant: Grant | None = None
    is_refused: bool = False


class Grants:
    """All grants of one provider. Threads may share it.

    Args:
        now: the world's clock, in seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._grants: list[Grant] = []
        self._codes: dict[str, Code] = {}
        self._devices: dict[str, Device] = {}

    def open(self, subject: str, client_id: str, scope: tuple[str, ...], nonce: str = "") -> Grant:
        """Record that a person has signed in with a client."""
        grant = Grant(subject, client_id, scope, nonce, self._now(), self._now())
        with self._lock:
            self._grants.append(grant)
        return grant

    def code(self, grant: Grant, redirect_uri: str, challenge: str) -> str:
        """Return a code for a grant."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = Code(grant, redirect_uri, challenge, self._now() + CODE_SECONDS)
        return code

    def take_code(self, code: str, client_id: str, redirect_uri: str, challenge: str) -> Grant:
        """Return the grant of a code.

        Raises:
            GrantRefused: the code is used, expired, of another client, or has another redirect URI or challenge.
        """
        with self._lock:
            found = self._codes.get(code)
            if found is None or found.grant.client_id != client_id:
                raise GrantRefused("invalid_grant", "the code is unknown")
            if found.is_used:
                self.end(found.grant)
                raise GrantRefused("invalid_grant", "the code was used before")
            found.is_used = True
            if self._now() >= found.expires_at:
                raise GrantRefused("invalid_grant", "the code has expired")
            if (redirect_uri, challenge) != (found.redirect_uri, found.challenge):
                raise GrantRefused("invalid_grant", "redirect_uri or code_verifier is not that of the request")
            return found.grant

    def rotate(self, grant: Grant) -> None:
        """Give a grant a new refresh token."""
        with self._lock:
            if grant.refresh_token:
                grant.spent.add(grant.refresh_token)
            grant.refresh_token, grant.used_at = secrets.token_urlsafe(32), self._now()

    def take_refresh_token(self, token: str, client_id: str) -> Grant:
        """Return the grant of a refresh token, which has another one from now on.

        Raises:
            GrantRefused: it is unknown, revoked, used before, or its grant was unused for too long.
        """
        with self._lock:
            for grant in self._grants:
                if token in grant.spent:
                    self.end(grant)
                    raise GrantRefused("invalid_grant", "the refresh token was used before")
                if token and token == grant.refresh_token and grant.client_id == client_id and grant.is_alive:
                    if self._now() >= grant.used_at + GRANT_SECONDS:
                        break
                    self.rotate(grant)
                    return grant
        raise GrantRefused("invalid_grant", "the refresh token is unknown or has ended")

    def access_token(self, grant: Grant) -> str:
        """Return a new access token."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            grant.access_tokens.add(token)
        return token

    def of_access_token(self, token: str) -> Grant | None:
        """Return the grant of an access token; None if it has none."""
        with self._lock:
            return next((each for each in self._grants if each.is_alive and token in each.access_tokens), None)

    def end(self, grant: Grant) -> None:
        """Revoke a grant with all its tokens."""
        with self._lock:
            grant.is_alive = False
            grant.access_tokens.clear()

    def revoke(self, token: str) -> None:
        """Revoke a refresh token with its grant, or an access token; an unknown one is none (RFC 7009, section 2.2)."""
        with self._lock:
            for grant in self._grants:
                if token and (token == grant.refresh_token or token in grant.spent):
                    self.end(grant)
                grant.access_tokens.discard(token)

    def ask_device(self, client_id: str, scope: tuple[str, ...]) -> tuple[str, Device]:
        """Return a device code, and what is known of the device."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
        device = Device(client_id, scope, f"{letters[:4]}-{letters[4:]}", self._now() + DEVICE_SECONDS)
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._devices[code] = device
        return code, device

    def waiting_device(self, user_code: str) -> Device | None:
        """Return the device that shows a code and waits for a person."""
        typed = "".join(letter for letter in user_code.upper() if letter in _LETTERS)
        with self._lock:
            for device in self._devices.values():
                waits = device.grant is None and not device.is_refused and self._now() < device.expires_at
                if waits and typed and device.user_code.replace("-", "") == typed:
                    return device
        return None

    def take_device(self, device_code: str, client_id: str) -> Grant:
        """Return the grant of a device, once.

        Raises:
            GrantRefused: there is none yet, or there never will be.
        """
        with self._lock:
            device = self._devices.get(device_code)
            if device is None or device.client_id != client_id:
                raise GrantRefused("invalid_grant", "the device code is unknown")
            asked_at, device.asked_at = device.asked_at, self._now()
            if device.grant is not None or device.is_refused:
                del self._devices[device_code]
                if device.grant is None:
                    raise GrantRefused("access_denied", "the person refused")
                return device.grant
            if self._now() >= device.expires_at:
                raise GrantRefused("expired_token", "the code was not entered in time")
            if self._now() < asked_at + device.interval:
                device.interval += 5
                raise GrantRefused("slow_down", "ask again later")
            raise GrantRefused("authorization_pending", "ask again later")
