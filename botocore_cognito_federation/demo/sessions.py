"""The role sessions that a world has issued, and their expiry, which moto itself never checks."""

from __future__ import annotations

import threading

from .clock import WorldClock
from .moto_account import MotoAccount
from .records import IssuedCredentials

SESSION_SECONDS = 3600.0
LEAST_STS_SECONDS = 900


class Sessions:
    """Issues credentials through STS and knows, by the world's clock, which have expired.

    `lifetime` is that of the enhanced flow (one hour at AWS, not configurable there). A value below STS's minimum of
    900 s also limits the sessions of STS, so that every kind of refresh can be tested.
    """

    def __init__(self, account: MotoAccount, clock: WorldClock, lifetime: float = SESSION_SECONDS) -> None:
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}
        self._guests: set[str] = set()
        self._policies: dict[str, str] = {}
        self.lifetime = lifetime

    def issue(
        self, role_arn: str, session_name: str, seconds: float | None = None, *, narrowed: bool = False
    ) -> IssuedCredentials:
        """Return the credentials of a new session of this role, for `seconds` or the world's lifetime.

        `narrowed` is for guests of the enhanced flow: see `scope_down`.
        """
        lifetime = self.capped(seconds) if seconds is not None else self.lifetime
        issued = self._account.assume_role(role_arn, session_name, lifetime, self._clock.now() + lifetime)
        self.remember(issued.access_key_id, issued.expires_at)
        if narrowed:
            with self._lock:
                self._guests.add(issued.access_key_id)
        return issued

    def capped(self, seconds: float) -> float:
        return min(seconds, self.lifetime) if self.lifetime < LEAST_STS_SECONDS else seconds

    def remember(self, access_key_id: str, expires_at: float, policy: str = "") -> None:
        with self._lock:
            self._expiry[access_key_id] = expires_at
            self._policies[access_key_id] = policy

    def policy(self, access_key_id: str) -> str:
        """Return the session policy that credentials were issued with, JSON; empty without one."""
        with self._lock:
            return self._policies.get(access_key_id, "")

    def expired(self, access_key_id: str) -> bool:
        """Return whether this access key belongs to an expired session; False for keys of users and unknown ones."""
        with self._lock:
            expires_at = self._expiry.get(access_key_id)
        return expires_at is not None and self._clock.now() >= expires_at

    def narrowed(self, access_key_id: str) -> bool:
        with self._lock:
            return access_key_id in self._guests

    def is_session(self, access_key_id: str) -> bool:
        with self._lock:
            return access_key_id in self._expiry
