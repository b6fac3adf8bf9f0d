"""The exceptions: each says what happened and how to fix it, and has its exit code.

Every error is a `botocore.exceptions.CredentialRetrievalError`. One ``except`` therefore handles native credentials and
those of ``credential_process``, and botocore's chain never continues to another identity after an error of this
package.

No error holds a secret: foreign text is quoted only after the error tables have chosen what to quote, and inner
exceptions are re-raised ``from None``.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from botocore.exceptions import CredentialRetrievalError

if TYPE_CHECKING:
    from .config.settings import Settings

#: Maximum number of characters of `what`, and of `remedy`.
_LONGEST = 2000

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class SignInAgain:
    """The remedy "sign in again", for code that does not know the configuration and so not the command.

    Attributes:
        then: text that follows the command.
    """

    then: str = ""

    def by(self, command: str, *, profile: str | None = None) -> str:
        """The remedy, with the command that signs in.

        Args:
            command: that command.
            profile: whose sign-in it is, where a program has called `login` and takes arguments instead of flags.
        """
        return f"Run: {command}{self.then}"

    def __str__(self) -> str:
        return f"Sign in again: cognito-federation login{self.then}"


SIGN_IN_AGAIN = SignInAgain()


@dataclass(frozen=True)
class SignInAnotherWay(SignInAgain):
    """The remedy that is another way to sign in, of those that the provider offers and this place may have.

    Attributes:
        ways: ``browser``: one that comes back to this machine; ``device``: a code on any device; ``paste``: the
            redirected address typed in. A terminal is the last resort of every place.
    """

    ways: tuple[Literal["browser", "device", "paste"], ...] = ()

    def by(self, command: str, *, profile: str | None = None) -> str:
        """See `SignInAgain.by`."""
        if profile is None:
            named = {
                "browser": f"{command} --no-browser",
                "device": f"{command} --use-device-code",
                "paste": f"{command} --remote",
            }
            return f"Run: {', or '.join(named[way] for way in self.ways) or command}{self.then or ' in a terminal'}"
        named = {
            "browser": f"login({profile!r}, no_browser=True)",
            "device": f"login({profile!r}, use_device_code=True)",
            "paste": f"login({profile!r}, remote=True)",
        }
        called = "".join(f"{named[way]}, or " for way in self.ways)
        return f"{'Call ' if called else ''}{called}{'run' if called else 'Run'} in a terminal: {command}"

    def __str__(self) -> str:
        return self.by("cognito-federation login")


@dataclass(frozen=True)
class SettingNames:
    """The names of settings as the author of a configuration knows them: ``f"Set {names:flow} = enhanced"``.

    Attributes:
        prefix: ``cognito_`` for the keys of a profile; empty for the arguments of an application.
        by_variable: the settings that a variable gives, which stands for the key then.
    """

    prefix: str = "cognito_"
    by_variable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> SettingNames:
        from .messages import of_an_application

        by_variable = frozenset(name for name, origin in settings.origins.items() if origin.layer == "environment")
        return cls("" if of_an_application(settings) else "cognito_", by_variable)

    def __format__(self, name: str) -> str:
        if name in self.by_variable:
            return f"COGNITO_FEDERATION_{name.upper()}"
        return f"{self.prefix}{name}"


class CognitoFederationError(CredentialRetrievalError):
    """Base class of all errors that this package raises on purpose.

    Args:
        what: what happened and why: one sentence, without a full stop if a remedy follows.
        remedy: the command or configuration key that fixes it; may be empty.

    Attributes:
        sign_in_again: the remedy as data, if it is to sign in again and the command is not yet known.
        exit_code: the exit status of the command line for this error.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, remedy: str | SignInAgain = "") -> None:
        # Imported here: a program that finds cached credentials raises no error.
        from .messages import printable

        # Errors quote configuration, claims and answers of services, and go to terminals and files.
        self.what = printable(str(what), _LONGEST)
        self.remedy = printable(str(remedy), _LONGEST)
        self.sign_in_again = None if isinstance(remedy, str) else remedy
        super().__init__(provider="cognito-federation", error_msg=self.line)

    @property
    def line(self) -> str:
        """Return what happened and how to fix it, as the one line that a command prints on stderr."""
        return f"{self.what}. {self.remedy}" if self.remedy else self.what

    def __str__(self) -> str:
        return self.line

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.remedy)


def without_frames(error: CognitoFederationError) -> CognitoFederationError:
    """Return the error without its traceback and inner exceptions, to be raised in an application.

    Their local variables hold tokens, and crash reporters and notebooks show local variables. The message says what
    happened and how to fix it; the debug log holds each step.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def clears_frames(function: _Function) -> _Function:
    """Decorate a function that takes a secret: the exceptions it raises keep no local variables.

    Crash reporters and notebooks show the local variables of every frame that an exception has passed. The traceback
    keeps its files and lines, but the frames of this function and of all that it called are cleared. An error of this
    package also loses the inner exceptions that led to it, whose text may quote anything.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear(error)
            raise

    @functools.wraps(function)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear(error)
            raise

    return awaited if inspect.iscoroutinefunction(function) else call  # type: ignore[return-value]


class ClearsFrames:
    """Base of classes whose public methods take secrets: each is decorated with `clears_frames`.

    Methods that an application's own subclass adds are not changed.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__.partition(".")[0] != __package__.partition(".")[0]:
            return
        for name, member in list(vars(cls).items()):
            public = not name.startswith("_") or name in ("__init__", "__call__")
            if public and inspect.isfunction(member) and not getattr(member, "__isabstractmethod__", False):
                setattr(cls, name, clears_frames(member))
            elif public and isinstance(member, classmethod):
                setattr(cls, name, classmethod(clears_frames(member.__func__)))


def _clear(error: BaseException) -> None:
    for each in _chain(error):
        traceback.clear_frames(each.__traceback__)
    if isinstance(error, CognitoFederationError):
        error.__cause__ = error.__context__ = None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and every error that led to it, each once."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


#: Attributes that hold the text of an error; the last is botocore's.
_WORDS = frozenset({"what", "remedy", "sign_in_again", "kwargs"})


def reworded(
    error: CognitoFederationError, *, what: str | None = None, remedy: str | None = None
) -> CognitoFederationError:
    """Return the same error with another text."""
    new = _rebuild(type(error), error.what if what is None else what, error.remedy if remedy is None else remedy)
    vars(new).update({name: value for name, value in vars(error).items() if name not in _WORDS})
    return new


def _rebuild(cls: type[CognitoFederationError], what: str, remedy: str) -> CognitoFederationError:
    return cls(what, remedy=remedy)


class ConfigurationError(CognitoFederationError):
    """A profile, a `[cognito-session]`, a variable or an argument is wrong; repeating the call cannot help."""

    exit_code = 4


class SignInRequiredError(CognitoFederationError):
    """The user has to sign in: there is no session, or the identity provider ended it."""

    exit_code = 3


class NotSignedInError(SignInRequiredError):
    """The caller asked for the signed-in user, but the user is not signed in."""


class SignInFailedError(CognitoFederationError):
    """An interactive sign-in was refused, cancelled or timed out."""

    exit_code = 5


class TokenRefreshError(CognitoFederationError):
    """A refresh handler or token source answered, but not with a usable login token."""

    exit_code = 5


class NonRetryableError(TokenRefreshError):
    """For refresh handlers to raise: repeating the call cannot help.

    The counterpart of Amplify's class of the same name.
    """


class InvalidTokenError(TokenRefreshError):
    """The login token that an application was given for a user is none: no call was made with it.

    A back end answers 401 to that user. A `ConfigurationError` would be a mistake of the program.
    """


class FederationRefusedError(CognitoFederationError):
    """Cognito or STS refused the login token, the identity or the role.

    Attributes:
        retry: which retry may help, a `Retry`; None if it is not known.
    """

    exit_code = 6
    retry: Retry | None = None


class TemporaryError(CognitoFederationError):
    """Network failure, throttling, HTTP 5xx or a time limit: the same call may succeed later.

    Refresh handlers may raise it to be asked again.

    Attributes:
        retry_after: seconds a server asks to wait (RFC 9110, section 10.2.3), None where it does not say.
    """

    exit_code = 7
    retry_after: float | None = None


class StorageError(CognitoFederationError):
    """The cache directory, the keyring or a lock cannot be used."""

    exit_code = 8


class ChangedMeanwhileError(StorageError):
    """Another process has changed or ended a sign-in since it was read; reading it again shows how."""


class Retry(Enum):
    """The retries that may help after a refusal."""

    TRANSIENT = "transient"  # the same call, with backoff and jitter
    BRIEF = "brief"  # the same call, at most twice more; then the user must know
    SLOW = "slow"  # the same call, but minutes later
    TOKEN = "token"  # once more with a newly obtained login token
    IDENTITY = "identity"  # once more, after the identity was looked up again
    NEVER = "never"
