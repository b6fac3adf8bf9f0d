"""What every refresh handler of a profile has in common: it knows how to get a login token, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..login_token import LoginToken


@dataclass(frozen=True)
class Binding:
    """What a ready-to-print answer made from a token source depends on.

    Attributes:
        kind: ``file`` (its device, inode, size and times) or ``variable`` (its value).
        name: the path or the name of the variable.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class RefreshContext:
    """What a refresh handler may want to know.

    Attributes:
        provider: the provider's name or Logins key, as configured; None when the token itself says it.
        identity_id: the identity so far, if known.
        previous_expires_at: when the last token expired or expires, seconds since the epoch.
        attempt: 1 for the first attempt of this renewal.
        something_lives: whether credentials still live; then one attempt is enough, and nobody is kept waiting.
    """

    provider: str | None = None
    identity_id: str | None = None
    previous_expires_at: float | None = None
    attempt: int = 1
    something_lives: bool = False


class TokenSource(Protocol):
    """Where a login token comes from.

    Attributes:
        description: the source in words for messages, such as ``cognito_token_file /run/token``.
    """

    @property
    def description(self) -> str: ...

    def last_known(self) -> LoginToken | None:
        """A token of any age that says whose credentials are asked for; None where only `fetch` can tell.

        Raises:
            SignInRequiredError: somebody has to sign in.
        """
        ...

    def fetch(self, context: RefreshContext) -> LoginToken:
        """A login token, newly read or obtained.

        Raises:
            TokenRefreshError: the source answered without a usable token.
            TemporaryError: the same call may succeed later.
            ConfigurationError: the source is not there or may not be used.
            SignInRequiredError: somebody has to sign in.
        """
        ...


class WorkloadTokenSource:
    """What the sources of workloads have in common: only a token newly had tells whose it is."""

    def last_known(self) -> LoginToken | None:
        return None


Clock = Callable[[], float]
