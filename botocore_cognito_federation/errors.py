"""The exception family: each error says what happened, what mends it, and its exit code.

Every error is a `botocore.exceptions.CredentialRetrievalError`, so one ``except`` serves credentials that come
natively and those that come through ``credential_process``, and botocore's chain never goes on past one of ours to
another identity.

No error ever carries a secret: text from another party is quoted only after `diagnosis` has chosen what to quote,
and inner exceptions are re-raised ``from None``.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

from botocore.exceptions import CredentialRetrievalError


class CognitoFederationError(CredentialRetrievalError):
    """Base of everything this package raises on purpose.

    Args:
        what: what happened and why, one sentence without a full stop at its end where a remedy follows.
        remedy: the command or configuration key that mends it; may be empty.

    Attributes:
        exit_code: the exit status of the command line for this error.
        retry_at: when a failure that was remembered may be tried again, seconds since the epoch; None where nothing
            was remembered.
    """

    exit_code: ClassVar[int] = 1
    retry_at: float | None = None

    def __init__(self, what: str, *, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(provider="cognito-federation", error_msg=self.line)

    @property
    def line(self) -> str:
        """What happened and what mends it, as the one line a command prints on stderr."""
        text = f"{self.what}. {self.remedy}" if self.remedy else self.what
        return " ".join(text.split())

    def __str__(self) -> str:
        return self.line

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.remedy)


def without_frames(error: CognitoFederationError) -> CognitoFederationError:
    """The error without the calls and inner exceptions that led to it, to be raised where the caller is an application.

    Their local variables hold tokens, and crash reporters and notebooks show local variables. What happened and what
    mends it is in the message; each step is in the debug log.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


#: What the words of an error are kept in; the last is botocore's.
_WORDS = frozenset({"what", "remedy", "kwargs"})


def reworded(
    error: CognitoFederationError, *, what: str | None = None, remedy: str | None = None
) -> CognitoFederationError:
    """The same error in other words."""
    new = _rebuild(type(error), error.what if what is None else what, error.remedy if remedy is None else remedy)
    vars(new).update({name: value for name, value in vars(error).items() if name not in _WORDS})
    return new


def _rebuild(cls: type[CognitoFederationError], what: str, remedy: str) -> CognitoFederationError:
    return cls(what, remedy=remedy)


class ConfigurationError(CognitoFederationError):
    """A profile, a `[cognito-session]`, a variable or an argument is wrong; asking again cannot help."""

    exit_code = 4


class SignInRequiredError(CognitoFederationError):
    """Somebody has to sign in: there is no session, or the identity provider ended it."""

    exit_code = 3


class NotSignedInError(SignInRequiredError):
    """A question about the signed-in user was asked while nobody is signed in."""


class SignInFailedError(CognitoFederationError):
    """An interactive sign-in was refused, cancelled or timed out."""

    exit_code = 5


class TokenRefreshError(CognitoFederationError):
    """A refresh handler or token source answered, but not with a usable login token."""

    exit_code = 5


class NonRetryableError(TokenRefreshError):
    """For refresh handlers to raise: asking again cannot help.

    The counterpart of Amplify's class of the same name.
    """


class FederationRefusedError(CognitoFederationError):
    """Cognito or STS refused the login token, the identity or the role.

    Attributes:
        retry: what the federation may still try, a `retry.Retry`; None where nobody said.
    """

    exit_code = 6
    retry: Retry | None = None


class TemporaryError(CognitoFederationError):
    """Network, throttling, 5xx or a time limit: the same call may succeed later.

    Refresh handlers may raise it to be asked again.
    """

    exit_code = 7


class StorageError(CognitoFederationError):
    """The cache directory, the keyring or a lock cannot be used."""

    exit_code = 8


class Retry(Enum):
    """What may be tried after a refusal."""

    TRANSIENT = "transient"  # the same call, with backoff and jitter
    BRIEF = "brief"  # the same call two more times at most, then a person must know
    SLOW = "slow"  # the same call, but minutes later
    TOKEN = "token"  # one more time with a newly obtained login token
    IDENTITY = "identity"  # one more time with the identity looked up again
    NEVER = "never"
