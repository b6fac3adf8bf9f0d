"""What may be tried after a refusal."""

from __future__ import annotations

from enum import Enum


class Retry(Enum):
    """What may be tried after a refusal."""

    TRANSIENT = "transient"  # the same call, with backoff and jitter
    BRIEF = "brief"  # the same call two more times at most, then a person must know
    SLOW = "slow"  # the same call, but minutes later
    TOKEN = "token"  # one more time with a newly obtained login token
    IDENTITY = "identity"  # one more time with the identity looked up again
    NEVER = "never"
