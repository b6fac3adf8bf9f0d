"""A login token from a Python function: a refresh handler, called with a time limit and retried if that can help.

The contract is that of Amplify's ``refreshHandlers``, made safe: a handler that fails, returns nonsense, never returns
or calls back can break this renewal only. Its module is never imported from the current directory, which anybody may
have written to.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import inspect
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

from .. import _util
from .._util.concurrency import DeadlineExceeded, ForkSafeRLock, TimedCall, asks_for_itself, call_within, refreshing
from ..errors import CognitoFederationError, ConfigurationError, TemporaryError, TokenRefreshError
from ..login_token import LoginToken, checked_text, expiry_seconds
from .base import Now, RefreshContext, SourceContext, SourceDeclaration

if TYPE_CHECKING:
    from ..config.settings import Settings

#: The handler's time limit in seconds, including further attempts and the pauses between them.
TIME_LIMIT = 60.0
#: Pauses of 0.2, 0.4, ... 6.4 s, each with up to 0.1 s more: some 13 s in all, Amplify's own schedule.
_PAUSES = tuple(0.1 * 2**exponent for exponent in range(1, 7))
_JITTER = 0.1
#: Concurrent calls of one handler; a federation makes one at a time.
_MOST_AT_ONCE = 16

Handler = Callable[..., Any]


class HandlerTokenProvider:
    """A refresh handler as a token source.

    Args:
        function: the handler. It is called with ``context=`` (a `RefreshContext`) only if it has a parameter of that
            name. A coroutine function runs in its own event loop. It returns a token, or a mapping with ``token`` and,
            if known, ``expires_at`` and ``identity_id``.
        name: the name of the handler for messages.
        clock: returns seconds since the epoch.
        sleep: waits for a number of seconds.
        random: returns a number from 0 to 1.
        time_limit: seconds for all attempts together.
    """

    def __init__(
        self,
        function: Handler,
        *,
        name: str,
        clock: Now,
        sleep: Callable[[float], None],
        random: Callable[[], float],
        time_limit: float = TIME_LIMIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._function = function
        self._name = name
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._time_limit = time_limit
        self._monotonic = monotonic
        self._left_behind: TimedCall[object] | None = None
        self._under_way = 0

    @property
    def description(self) -> str:
        return self._name

    def fetch(self, context: RefreshContext) -> LoginToken:
        """Return a login token from the handler.

        There is one attempt while cached credentials are valid (`RefreshContext.has_valid_credentials`). Otherwise
        network failures, 5xx, throttling and `TemporaryError` are retried for about 13 s.

        Args:
            context: information about this renewal.

        Raises:
            TemporaryError: the network failed, or the handler did not return in time.
            NonRetryableError: the handler says that repeating the call cannot help.
            TokenRefreshError: it failed in another way, returned nonsense, or asked for its own token.
            CognitoFederationError: any other error of this package that the handler raised.
        """
        marker = (self._name, id(self._function))
        deadline = self._monotonic() + self._time_limit
        with refreshing(marker, self._name), self._counted():
            return self._parsed(self._answer(context, deadline), context)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the call: a handler that asks for its own token through bare threads would start them without end."""
        if self._under_way >= _MOST_AT_ONCE:
            raise asks_for_itself(self._name)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _answer(self, context: RefreshContext, deadline: float) -> object:
        pauses = () if context.has_valid_credentials else _PAUSES
        for tried, pause in enumerate((*pauses, None)):
            outcome = self._called(replace(context, attempt=context.attempt + tried), deadline)
            if outcome.failure is None:
                return outcome.answer
            error = self._public(outcome.failure)
            longest = deadline - self._monotonic()
            if pause is None or not isinstance(error, TemporaryError) or longest <= pause + _JITTER:
                raise error from None
            self._sleep(pause + _JITTER * self._random())
        raise AssertionError("unreachable")

    def _called(self, context: RefreshContext, deadline: float) -> _Outcome:
        left_behind = self._left_behind
        if left_behind is not None and left_behind.is_running():
            raise TemporaryError(f"{self._name} has not returned from an earlier call yet")
        outcome = _Outcome()
        limit = deadline - self._monotonic()
        call = partial(outcome.take, self._function, context, limit)
        try:
            call_within(limit, call, name="cognito-federation refresh handler", monotonic=self._monotonic)
        except DeadlineExceeded as late:
            self._left_behind = late.call
        else:
            if not isinstance(outcome.failure, _NeverReturned):
                return outcome
        raise TemporaryError(
            f"{self._name} did not return within {self._time_limit:g} s", remedy="Give its own calls a time limit"
        )

    def _public(self, failure: BaseException) -> CognitoFederationError:
        """Replace an exception of a handler by an error of this package: its text may hold a token."""

        if isinstance(failure, CognitoFederationError):
            return failure
        kind = type(failure).__name__
        if is_temporary(failure):
            return TemporaryError(f"{self._name} could not get a token for now ({kind})", remedy="Try again later")
        return TokenRefreshError(
            f"{self._name} raised {kind}{_place_of(failure)}",
            remedy="Call it yourself to see the whole error, which is not shown here because it may hold secrets",
        )

    def _parsed(self, answer: object, context: RefreshContext) -> LoginToken:
        token = self._token_in(answer)
        # A handler that leaves out the identity ID means the previous one.
        return token if token.identity_id else replace(token, identity_id=context.identity_id)

    def _token_in(self, answer: object) -> LoginToken:
        if isinstance(answer, LoginToken):
            return answer
        source = f"The answer of {self._name}"
        if isinstance(answer, str):
            return LoginToken.of(checked_text(answer, source))
        if not isinstance(answer, Mapping):
            kind = "nothing" if answer is None else f"a value of type {type(answer).__name__}"
            raise TokenRefreshError(
                f"{self._name} returned {kind}", remedy="Let it return a token, or a mapping with token and expires_at"
            )
        token, identity_id = answer.get("token"), answer.get("identity_id")
        if not isinstance(token, str):
            raise TokenRefreshError(f"{source} has no string under 'token'", remedy="Let it return the token there")
        if identity_id is not None and not isinstance(identity_id, str):
            raise TokenRefreshError(f"{source} has an identity_id that is not a string")
        return LoginToken.of(
            checked_text(token, source),
            expires_at=expiry_seconds(
                answer.get("expires_at"), now=self._clock(), name=f"expires_at in the answer of {self._name}"
            ),
            identity_id=identity_id or None,
        )


class _NeverReturned(Exception):
    """A coroutine was cancelled at the time limit."""


@dataclass
class _Outcome:
    answer: object = None
    failure: BaseException | None = None

    def take(self, function: Handler, context: RefreshContext, time_limit: float) -> None:
        try:
            answer = _bound(function, context)()
            if inspect.isawaitable(answer):
                import asyncio

                answer = asyncio.run(_awaited(answer, time_limit))
            self.answer = answer
        except BaseException as failure:  # noqa: BLE001 - a handler that calls sys.exit must not end its caller
            self.failure = failure


def _bound(function: Handler, context: RefreshContext) -> Callable[[], Any]:
    """Return the handler with its context, if it has a parameter of that name."""
    try:
        parameter = inspect.signature(function).parameters.get("context")
    except (TypeError, ValueError):  # Some callables written in C do not reveal their parameters.
        return function
    if parameter is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return function
    return (
        partial(function, context)
        if parameter.kind is parameter.POSITIONAL_ONLY
        else partial(function, context=context)
    )


async def _awaited(answer: Awaitable[object], time_limit: float) -> object:
    import asyncio

    task = asyncio.ensure_future(answer)
    # Slightly early, so that a coroutine is cancelled and cleaned up instead of being left behind with its thread.
    await asyncio.wait({task}, timeout=max(0.0, time_limit - 0.2))
    if task.done():
        return task.result()
    task.cancel()
    raise _NeverReturned


def _place_of(failure: BaseException) -> str:
    """Return where a handler failed, as a file name and a line, without any of its text."""
    frames = traceback.extract_tb(failure.__traceback__)
    return f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""


def _open(settings: Settings, context: SourceContext) -> HandlerTokenProvider:
    named = settings.refresh_handler
    assert named is not None, "selected by its key"
    return HandlerTokenProvider(
        imported_handler(named),
        name=f"cognito_refresh_handler {named} of {settings.scope}",
        clock=context.clock.now,
        sleep=context.clock.sleep,
        random=context.clock.random,
    )


HANDLER = SourceDeclaration(
    "refresh_handler",
    _open,
    lambda settings: "Make the token source return a new token",
    address_is_fixed=True,
    runs_in_process=True,
)


_NETWORK_ERRORS = frozenset(
    {errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT}
)
#: Library -> base classes of its network exceptions.
_OF_LIBRARIES = {
    "requests": ("ConnectionError", "Timeout", "ChunkedEncodingError", "ContentDecodingError"),
    "urllib3": ("HTTPError",),
    "urllib": ("ContentTooShortError",),
    "httpx": ("TransportError",),
    "httpcore": ("NetworkError", "TimeoutException", "ProtocolError"),
    "aiohttp": ("ClientConnectionError", "ClientPayloadError"),
    "botocore": ("HTTPClientError", "ConnectionError"),
    "google": ("TransportError",),
    "azure": ("ServiceRequestError", "ServiceResponseError"),
}
_THROTTLING_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "LimitExceededException",
    }
)


def _built_in() -> tuple[type[BaseException], ...]:
    import asyncio  # Few processes need it, or the other modules.
    import socket
    from concurrent.futures import TimeoutError as FuturesTimeoutError
    from http.client import HTTPException

    # Some are separate classes before Python 3.11.
    of_time = (TimeoutError, asyncio.TimeoutError, FuturesTimeoutError)
    return (TemporaryError, ConnectionError, *of_time, socket.gaierror, socket.herror, HTTPException)


def is_temporary(error: BaseException) -> bool:
    """Return whether the same call may succeed later, as far as the exception shows."""
    status = _status_of(error)
    if status is not None and status >= 400:
        return status in (408, 425, 429) or status >= 500 or _is_throttling(error)
    if isinstance(error, _built_in()) or _is_of_library(error):
        return True
    reason = getattr(error, "reason", None)  # urllib.error.URLError wraps the actual exception.
    if isinstance(error, OSError) and isinstance(reason, BaseException) and reason is not error:
        return is_temporary(reason)
    return isinstance(error, OSError) and error.errno in _NETWORK_ERRORS


def _is_of_library(error: BaseException) -> bool:
    return any(cls.__name__ in _OF_LIBRARIES.get(cls.__module__.partition(".")[0], ()) for cls in type(error).__mro__)


def _status_of(error: BaseException) -> int | None:
    """Return the HTTP status in an exception of urllib, requests, httpx, aiohttp or botocore."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        metadata = response.get("ResponseMetadata")
        found = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    else:
        candidates = (
            getattr(response, "status_code", None),
            getattr(error, "code", None),
            getattr(error, "status", None),
        )
        found = next((value for value in candidates if type(value) is int), None)
    return found if type(found) is int else None


def _is_throttling(error: BaseException) -> bool:
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, dict) else None
    return isinstance(details, dict) and details.get("Code") in _THROTTLING_CODES


_one_at_a_time = ForkSafeRLock()


def imported_handler(named: str) -> Callable[..., Any]:
    """The function named ``package.module:function``.

    Raises:
        ConfigurationError: it cannot be imported, or is no function.
    """
    module_name, _, path = named.partition(":")
    what = f"cognito_refresh_handler = {named}"
    try:
        with _one_at_a_time:
            target: Any = _module(module_name)
    except ConfigurationError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise ConfigurationError(
            f"{what} cannot be imported: there is no module {missing} in the environment of {sys.executable}",
            remedy="Install it there, or name its directory in PYTHONPATH; the current directory is never searched",
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - other people's code, whose text may hold anything
        raise ConfigurationError(f"{what} cannot be imported: the module raised {type(error).__name__}") from None
    for name in path.split("."):
        target = getattr(target, name, None)
    if not callable(target):
        raise ConfigurationError(f"{what} is not a function of that module", remedy="Write package.module:function")
    handler: Callable[..., Any] = target
    return handler


def _module(name: str) -> Any:
    sys.path += [entry for entry in _util.path_for_handlers if entry not in sys.path]
    top = name.partition(".")[0]
    if top not in sys.modules:
        spec = _spec_outside_current_directory(top)
        if spec is None:
            raise ModuleNotFoundError(name=top)
        module = importlib.util.module_from_spec(spec)
        sys.modules[top] = module
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(top, None)
            raise
    return importlib.import_module(name)


def _spec_outside_current_directory(top: str) -> ModuleSpec | None:
    """What an import would find, had `sys.path` no current directory. The path itself is left alone: it is shared."""
    for finder in sys.meta_path:
        if finder is PathFinder:
            spec = PathFinder.find_spec(top, _searched())
        else:
            find = getattr(finder, "find_spec", None)
            spec = find(top, None) if find is not None else None
        if spec is not None:
            return spec
    return None


def _searched() -> list[str]:
    here = _real(os.curdir)
    chosen = {_real(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)}
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is not None and getattr(sys.modules["__main__"], "__spec__", None) is None:
        # ``python app.py``: the directory of the program itself, wherever it is started.
        chosen.add(_real(os.path.dirname(script)))
    return [entry for entry in sys.path if entry and ((real := _real(entry)) != here or real in chosen)]


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except OSError:
        return path
