"""When credentials are renewed, and how long they are served although renewing fails. Arithmetic on seconds only.

    issued ────────────── fresh ──────────────┬──── renewing ────┬─ last minute ─┐ expires
                                              refresh_at         serve_until

botocore asks again on every signing once less than 15 minutes are left, so renewing begins before that.
"""

from __future__ import annotations

from ..credentials import FederatedCredentials

#: Seconds of life left under which credentials are renewed, unless a third of their lifetime is less.
WINDOW = 1200.0
#: Seconds before expiry at which credentials are no longer served, unless a tenth of their lifetime is less.
GRACE = 60.0
#: Seconds a clock may step back, as time synchronisation does, before what was issued "in the future" is a miss.
_CLOCK_STEP = 5.0


def refresh_at(credentials: FederatedCredentials, window: int | None) -> float:
    """From when on the credentials should be renewed, seconds since the epoch.

    Args:
        window: the configured ``cognito_refresh_window``, taken as it is; None for the default.
    """
    if window is not None:
        return credentials.expires_at - window
    return credentials.expires_at - min(WINDOW, _lifetime(credentials) / 3)


def serve_until(credentials: FederatedCredentials) -> float:
    """Until when the credentials are served although they cannot be renewed, seconds since the epoch."""
    return credentials.expires_at - min(GRACE, _lifetime(credentials) / 10)


def is_fresh(credentials: FederatedCredentials, window: int | None, now: float) -> bool:
    """Whether the credentials can be handed out with no thought of renewing them."""
    return credentials.issued_at - _CLOCK_STEP <= now < min(refresh_at(credentials, window), credentials.expires_at)


def is_alive(credentials: FederatedCredentials, now: float) -> bool:
    """Whether the credentials may be handed out while they cannot be renewed."""
    return credentials.issued_at - _CLOCK_STEP <= now < serve_until(credentials)


def _lifetime(credentials: FederatedCredentials) -> float:
    return max(0.0, credentials.expires_at - credentials.issued_at)
