"""Calls to AWS, with a time limit, a limit for the size of answers, checks against the model, and without logs.

botocore's time limits start again at each byte, name resolution has none, and an answer is read completely. The calls
of this package therefore use a session that wraps botocore's.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from botocore.history import get_global_history_recorder

from .._util.concurrency import Clock, DeadlineExceeded, call_within
from .._util.urls import check_certificates, check_url
from ..errors import CognitoFederationError, ConfigurationError, Retry, TemporaryError
from .errors import CallContext, Explanation
from .failures import (
    ErrorAnswer,
    error_answer,
    explanation_of,
    incomplete,
    not_the_service,
    other_failure,
    public_error,
    unreachable,
)

if TYPE_CHECKING:
    from .repeated import Hooks

T = TypeVar("T")
logger = logging.getLogger(__name__)

#: Additional attempts by class.
_FURTHER_ATTEMPTS = {Retry.TRANSIENT: 2, Retry.BRIEF: 2}
_FIRST_PAUSE = 0.2
#: What botocore's parsers raise at a body that is not the service's: a proxy's page, ``null``, a time of 1e999 or 1e17.
_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, OSError)
#: Shorter strings of a request are words of the configuration, and masking them would spoil messages.
_SHORTEST_SECRET = 16


@dataclass(frozen=True)
class Answer:
    """A complete answer; each member has the type in the service's model.

    Attributes:
        body: the parsed answer.
        server_time: its ``Date``, seconds since the epoch, if it had one.
    """

    body: Mapping[str, Any]
    server_time: float | None


class Pattern(NamedTuple):
    """What the requests of one operation have in common."""

    url: str
    headers: Mapping[str, Any]


#: Headers that are each request's own: its length, its number, its try, and whose trace it belongs to.
_OWN_HEADERS = ("content-length", "amz-sdk-invocation-id", "amz-sdk-request", "x-amzn-trace-id")


#: Seconds between two tries of a call that is throttled.
_LONGEST_PAUSE = 20.0


class Patience:
    """The seconds that a caller can still wait for calls that are throttled.

    Args:
        seconds: how many there are.
        monotonic: the clock.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds
        self._budget = seconds
        self._last = _FIRST_PAUSE

    @property
    def left(self) -> float:
        return max(0.0, min(self._budget, self._deadline - self._monotonic()))

    def sleep(self, clock: Clock, seconds: float) -> None:
        self._budget -= seconds  # beside the time that passes: the clock of a test does not sleep
        clock.sleep(seconds)

    def next_pause(self, random: float, retry_after: float | None = None) -> float | None:
        """Return the seconds before the next try, with decorrelated jitter or as the service says; None: time is short.

        Crowds that are refused together would otherwise come back together
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        """
        pause = _FIRST_PAUSE + random * (3 * self._last - _FIRST_PAUSE)
        pause = max(min(pause, _LONGEST_PAUSE), retry_after or 0.0)
        if pause > self.left:
            return None
        self._last = min(pause, _LONGEST_PAUSE)
        return pause

    def pause(self, clock: Clock, retry_after: float | None) -> bool:
        """Wait before the next try; return False where time is short. See `next_pause`."""
        seconds = self.next_pause(clock.random(), retry_after)
        if seconds is not None:
            self.sleep(clock, seconds)
        return seconds is not None


_PATIENCE: ContextVar[Patience | None] = ContextVar("botocore_cognito_federation_patience", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let the calls inside wait for so many seconds in all while they are throttled; without it they do not wait."""
    token = _PATIENCE.set(Patience(seconds))
    try:
        yield
    finally:
        _PATIENCE.reset(token)


@dataclass(frozen=True)
class Turns:
    """Turns of the processes and hosts that call one operation, below its quota, while the service throttles.

    Until it does, nothing is limited: quotas can be raised, and only the service knows them.

    Args:
        take: takes a turn in the store: returns the seconds until then, or None where more than `most` are before it.
            Its arguments are `most`, and whether throttling was seen.
        is_shared: whether hosts share the store. Then the first try of a call takes a turn too, if others do: what a
            crowd of hosts tries without one leaves nothing of the quota.
    """

    take: Callable[[float, bool], float | None] | None = None
    is_shared: bool = False

    def wait(self, patience: Patience, clock: Clock, *, throttled: bool) -> None:
        """Wait for the turn of this call, as long as the caller can.

        Args:
            patience: of the caller.
            clock: the clock.
            throttled: whether the last try was throttled.
        """
        while self.take is not None and patience.left > 0:
            seconds = self.take(patience.left, throttled)
            if seconds is not None:
                patience.sleep(clock, seconds)
                return
            patience.sleep(clock, min(patience.left, FULL * (0.5 + clock.random())))


#: Seconds after which a caller looks again whether the queue of turns is short enough for it.
FULL = 2.0
NO_TURNS = Turns()


def ask(
    operation: Callable[..., Any], arguments: Mapping[str, Any], *, whom: str = "AWS", secrets: Iterable[str] = ()
) -> Answer | ErrorAnswer:
    """Make one call, with botocore's own retries.

    Args:
        operation: a method of a botocore client.
        arguments: its arguments.
        whom: the name of the service for messages.
        secrets: the parts of the arguments that no message may show.

    Raises:
        TemporaryError: no connection, no answer in time, or `NotTheServiceError`.
        ConfigurationError: the call cannot be made at all.
    """
    with call_limit():
        outcome = _outcome(operation, arguments, whom, secrets)
    if isinstance(outcome, CognitoFederationError):
        # Raised here and not in an except clause: the context would be an error of botocore, which holds the request.
        raise outcome
    return outcome


def call(
    operation: Callable[..., Any],
    *,
    arguments: Mapping[str, Any],
    needs: tuple[str, ...],
    facts: Callable[[], CallContext],
    clock: Clock,
    turns: Turns = NO_TURNS,
) -> Answer:
    """Call one operation of an identity pool or of STS.

    A call that is throttled is repeated for as long as the caller can wait; see `patience`.

    Args:
        operation: a method of a botocore client.
        arguments: its arguments.
        needs: dotted names of the members of a complete answer.
        facts: gives the context of the call, for the error catalogue; called only if the call fails.
        clock: the clock.
        turns: whose turn it is while the service throttles.

    Raises:
        FederationRefusedError: a definitive refusal; its `retry` says which retry may help.
        TemporaryError: network failure, throttling, 5xx, or an answer that is not from Cognito.
        ConfigurationError: the call cannot be made at all.
    """
    patience, throttled = _PATIENCE.get() or Patience(0.0), False
    while True:
        if throttled or turns.is_shared:
            turns.wait(patience, clock, throttled=throttled)
        with call_limit():
            outcome, diagnosis = _tried(operation, arguments, needs, facts, clock, again=not throttled)
        if isinstance(outcome, Answer):
            return outcome
        if diagnosis is None:
            assert isinstance(outcome, CognitoFederationError), "everything else has a diagnosis"
            raise outcome
        answer = outcome if isinstance(outcome, ErrorAnswer) else None
        throttled = answer is not None and answer.is_throttling
        retry_after = answer.retry_after if answer is not None else None
        if not (throttled or retry_after is not None) or not patience.pause(clock, retry_after):
            raise public_error(diagnosis)
        logger.debug("%s; trying again", diagnosis.cause)


def _repeated(
    operation: Callable[..., Any], arguments: Mapping[str, Any], secrets: Iterable[str]
) -> Answer | ErrorAnswer | None:
    """The answer to a call that botocore has made before, without botocore's own work; see `repeated`."""
    client: Any = getattr(operation, "__self__", None)
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    if not isinstance(session, LimitedSession) or not session.patterns:
        return None
    name = client.meta.method_to_api_mapping.get(getattr(operation, "__name__", ""), "")
    if name not in session.patterns:
        return None
    from .repeated import Call, made_again

    shape = client.meta.service_model.operation_model(name).output_shape
    received = made_again(Call(operation, name, arguments), session, shape=shape, quiet=suppress_wire_logs)
    if received is None:
        return None
    date = _seconds(received.date)
    if received.is_refusal:
        return error_answer(received.body, secrets, date)
    return Answer(received.body, date) if _fits(received.body, shape) else None


def _tried(
    operation: Callable[..., Any],
    arguments: Mapping[str, Any],
    needs: tuple[str, ...],
    facts: Callable[[], CallContext],
    clock: Clock,
    *,
    again: bool,
) -> tuple[Answer | ErrorAnswer | CognitoFederationError, Explanation | None]:
    """Make one call with its quick retries; return what came of it, and why it is no complete answer.

    Args:
        again: whether it may be made as `repeated` does; not where the service throttles, as that is one request more.
    """
    secrets = _secrets_of(arguments)
    for further in range(max(_FURTHER_ATTEMPTS.values()) + 1):
        repeated = _repeated(operation, arguments, secrets) if again else None
        again = repeated is not None  # what botocore has to make now, it makes with its own retries from now on
        outcome = repeated or _outcome(operation, arguments, "AWS", secrets)
        if not isinstance(outcome, Answer):
            diagnosis = explanation_of(outcome, replace(facts(), now=clock.now()))
        elif missing := [name for name in needs if not _has(outcome.body, name)]:
            outcome, diagnosis = ErrorAnswer("", "", 200, outcome.server_time), incomplete(missing)
        else:
            return outcome, None
        retried = isinstance(outcome, ErrorAnswer) and outcome.retried
        if diagnosis is None or retried or further >= _FURTHER_ATTEMPTS.get(diagnosis.retry, 0):
            break
        logger.debug("%s; trying again", diagnosis.cause)
        clock.sleep(_FIRST_PAUSE * 2 ** (further + 1) * (0.5 + clock.random()))
    return outcome, diagnosis


def _secrets_of(arguments: Mapping[str, Any]) -> list[str]:
    """Return the login tokens in the arguments of an identity pool or of STS."""
    values = [*arguments.get("Logins", {}).values(), arguments.get("WebIdentityToken")]
    return [value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_SECRET]


def _outcome(
    operation: Callable[..., Any], arguments: Mapping[str, Any], whom: str, secrets: Iterable[str]
) -> Answer | ErrorAnswer | CognitoFederationError:
    from botocore import exceptions

    try:
        with suppress_wire_logs():
            body = operation(**arguments)
    except exceptions.ClientError as error:
        return error_answer(error.response, secrets, _date_of(error.response))
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        return unreachable(error, whom, _certificates_of(operation))
    except exceptions.ParamValidationError:
        # botocore's text would quote the arguments, including the login token.
        return ConfigurationError("A value of the configuration does not fit the service's parameters")
    except CognitoFederationError as error:
        return error.with_traceback(None)
    except exceptions.BotoCoreError as error:
        return other_failure(error, whom, _endpoint_of(operation))
    except _UNREADABLE:
        return not_the_service(whom, _endpoint_of(operation))
    if not _is_of_the_service(body, operation):
        return not_the_service(whom, _endpoint_of(operation))
    return Answer(body, _date_of(body))


def _endpoint_of(operation: Callable[..., Any]) -> str:
    """The address of a client; empty for one that is not botocore's."""
    return str(getattr(getattr(getattr(operation, "__self__", None), "meta", None), "endpoint_url", None) or "")


def _certificates_of(operation: Callable[..., Any]) -> object:
    """What a client verifies certificates by; see `LimitedSession.certificates`."""
    endpoint = getattr(getattr(operation, "__self__", None), "_endpoint", None)
    return getattr(getattr(endpoint, "http_session", None), "certificates", None)


def _is_of_the_service(body: object, operation: Callable[..., Any]) -> bool:
    """Return whether an answer with HTTP 200 may be used.

    botocore parses HTML as an answer without members, which would look like success for an operation without output;
    and it passes on members of any JSON type.
    """
    if not isinstance(body, Mapping):
        return False
    headers = body.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    shape = _output_shape(operation)
    return "html" not in str(headers.get("content-type", "")).lower() and (shape is None or _fits(body, shape))


def _output_shape(operation: Callable[..., Any]) -> Any:
    """Return the shape of an operation's output in the service's model; None for a client that is not botocore's."""
    meta = getattr(getattr(operation, "__self__", None), "meta", None)
    name = getattr(meta, "method_to_api_mapping", {}).get(getattr(operation, "__name__", ""))
    return meta.service_model.operation_model(name).output_shape if meta is not None and name else None


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime,),
    "blob": (bytes,),
}


def _fits(value: object, shape: Any) -> bool:
    """Return whether a parsed value has the type of its shape; missing members are accepted."""
    kind = shape.type_name
    if kind == "structure":
        return isinstance(value, Mapping) and all(
            _fits(value[name], member) for name, member in shape.members.items() if value.get(name) is not None
        )
    if kind == "list":
        return isinstance(value, list) and all(_fits(entry, shape.member) for entry in value)
    if kind == "map":
        return isinstance(value, Mapping) and all(_fits(entry, shape.value) for entry in value.values())
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    return isinstance(value, _PYTHON_TYPES.get(kind, (object,)))


def _has(body: Mapping[str, Any], dotted: str) -> bool:
    value: Any = body
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    # Keys, tokens and identity IDs are printable ASCII; anything else would be printed, exported and passed on.
    return value.isascii() and value.isprintable() and bool(value) if isinstance(value, str) else bool(value)


def _date_of(answer: Mapping[str, Any]) -> float | None:
    return _seconds(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))


@lru_cache(maxsize=16)
def _seconds(date: str | None) -> float | None:
    """The seconds since the epoch of a ``Date``; a server gets many answers within one second."""
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


#: Seconds to connect, for the server's next byte, and for one attempt from name resolution to the last byte.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
ATTEMPT_LIMIT = 15.0
ATTEMPTS = 3
#: Seconds for all attempts of one call: with botocore's pauses (at most 3 s), less than a credential helper's 50 s.
CALL_LIMIT = ATTEMPTS * ATTEMPT_LIMIT

#: The largest answer of Cognito or STS has about 60 KB: the longest kind of login token and the rest of the answer.
MAXIMUM_ANSWER = 1024 * 1024
_CHUNK = 16 * 1024


class _TimeLeft:
    """Seconds left of a call, all attempts together.

    What passes from one look to the next counts as one attempt at most: the process may have been stopped, or its
    machine asleep.
    """

    def __init__(self) -> None:
        self._seconds = CALL_LIMIT
        self._seen_at = time.monotonic()

    def look(self) -> float:
        now = time.monotonic()
        self._seconds -= min(now - self._seen_at, ATTEMPT_LIMIT)
        self._seen_at = now
        return self._seconds


_TIME_LEFT: ContextVar[_TimeLeft | None] = ContextVar("botocore_cognito_federation_time_left", default=None)


@contextmanager
def call_limit() -> Iterator[None]:
    """Give what is sent inside `CALL_LIMIT` seconds, all attempts together."""
    token = _TIME_LEFT.set(_TimeLeft())
    try:
        yield
    finally:
        _TIME_LEFT.reset(token)


def limit_answers(client: Any, checked_url: str, *, repeats: bool = False) -> Any:
    """Make a botocore client send through `LimitedSession`, and return it.

    Args:
        client: the client.
        checked_url: its endpoint, which may be spoken to.
        repeats: see `LimitedSession`.
    """
    endpoint = client._endpoint  # botocore has no public way to set a client's session.
    endpoint.http_session = LimitedSession(endpoint.http_session, checked_url, repeats=repeats)
    return client


class LimitedSession:
    """Replaces the HTTP session of a botocore client.

    Args:
        session: botocore's own.
        checked_url: an endpoint that may be spoken to; any other URL is checked before something is sent to it.
        repeats: whether calls may be made again as `repeated` does.

    Attributes:
        patterns: of the operations that have been answered, by their names; None where none is made again.
        seen_hooks: botocore's cache of its hooks when they were looked at, and whose those of its calls are.
        seen_ways: the functions that calls go through and that are botocore's own, by their identities. While they are
            here, nothing else gets their identities.
    """

    def __init__(self, session: Any, checked_url: str, *, repeats: bool = False) -> None:
        self._session = session
        self.patterns: dict[str, Pattern] | None = {} if repeats else None
        self.seen_hooks: tuple[object, Mapping[str, Hooks]] = (None, {})
        self.seen_ways: dict[tuple[int, ...], tuple[object, ...]] = {}
        # As botocore sends it. It asks the same URL again for each user of a server.
        self._checked_url = f"{checked_url.removesuffix('/')}/"

    @property
    def certificates(self) -> object:
        """The file of CA certificates that is configured; anything else for botocore's own."""
        return getattr(self._session, "_verify", None)  # botocore has no public name for it

    def close(self) -> None:
        self._session.close()

    def send(self, request: Any) -> Any:
        """Send a request and read its answer within the limits; remember what the next one will have in common.

        Raises: see `sent`.
        """
        response = self.sent(request)
        self._remember(request, response)
        return response

    def sent(self, request: Any) -> Any:
        """Send a request and read its answer within the limits.

        Raises:
            ConfigurationError: the URL must not be used, or the CA certificates are in a pipe; this checks the final
                result of botocore's settings.
            TemporaryError: the answer is larger than 1 MiB.
            botocore.exceptions.HTTPClientError: as from botocore's session; `ReadTimeoutError` at the time limit.
        """
        attempt = _Attempt(self._session, request)
        return self._within_limits(attempt, attempt.answer)

    def sent_with_next(self, request: Any, following: Callable[[Any], Any]) -> list[Any]:
        """Send a request, and the one that follows from its answer, in one thread and within the limits of one.

        Args:
            request: the first request.
            following: gives the next one, to the same URL; None where none follows.

        Returns:
            The answers; only the first where there is no other.

        Raises: as `sent`, for the first request.
        """
        attempt = _Attempt(self._session, request)

        def both() -> list[Any]:
            answers = [attempt.answer()]
            with suppress(Exception):  # whoever needs it sends it again
                attempt.request = following(answers[0])
                if attempt.request is not None:
                    answers.append(attempt.answer())
            return answers

        return self._within_limits(attempt, both)

    def _within_limits(self, attempt: _Attempt, call: Callable[[], T]) -> T:
        from botocore.exceptions import ReadTimeoutError

        url = attempt.request.url
        if url.startswith("https:"):
            check_certificates(self.certificates, os.environ)
        if url != self._checked_url:
            check_url(url, whose="The endpoint that botocore has found")
            self._checked_url = url
        left = _TIME_LEFT.get()
        limit = ATTEMPT_LIMIT if left is None else min(ATTEMPT_LIMIT, left.look())
        if limit > 0:  # else nothing is sent: its answer could not be waited for
            try:
                return call_within(limit, call, name="cognito-federation-aws")
            except DeadlineExceeded:
                attempt.is_abandoned = True
        # Raised here and not in the except clause, whose context would hold the request.
        raise ReadTimeoutError(endpoint_url=url, error="time limit")

    def _remember(self, request: Any, response: Any) -> None:
        """Keep what the requests of an operation have in common, once one was answered.

        A signed request is another one with another body.
        """
        if self.patterns is None or response.status_code != 200 or "Authorization" in request.headers:
            return
        target = request.headers.get("X-Amz-Target", "")
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        if name and name not in self.patterns:
            shared = {key: value for key, value in request.headers.items() if key.lower() not in _OWN_HEADERS}
            self.patterns[name] = Pattern(request.url, shared)


class _Attempt:
    """Sends a request by botocore's session and reads its answer, in a thread of its own.

    Attributes:
        request: the request.
        is_abandoned: set where nobody waits any more; ends the thread at the next piece of the answer. No clock is
            looked at here: a process that was stopped meanwhile takes an answer that has come.
    """

    def __init__(self, session: Any, request: Any) -> None:
        self._session = session
        self.request = request
        self.is_abandoned = False

    def answer(self) -> Any:
        self.request.stream_output = True  # the body is left to `_read`
        response = self._session.send(self.request)
        try:
            body = self._read(response.raw)
        except BaseException:
            response.raw.close()  # The rest of the answer must not be taken for the next one.
            raise
        response.raw = _ReadAlready(body)
        return response

    def _read(self, raw: Any) -> bytes:
        from botocore import exceptions
        from urllib3 import exceptions as urllib3

        url = self.request.url
        chunks: list[bytes] = []
        size = 0
        try:
            for chunk in raw.stream(_CHUNK):
                size += len(chunk)
                if size > MAXIMUM_ANSWER:
                    raise TemporaryError(
                        f"{urlsplit(url).netloc} answered with more than {MAXIMUM_ANSWER:,} bytes; it is not AWS",
                        remedy="Check HTTPS_PROXY and the endpoint settings",
                    )
                if self.is_abandoned:
                    raise exceptions.ReadTimeoutError(endpoint_url=url, error="time limit")
                chunks.append(chunk)
        except urllib3.ReadTimeoutError as error:
            raise exceptions.ReadTimeoutError(endpoint_url=url, error=error) from None
        except urllib3.HTTPError as error:
            raise exceptions.ConnectionClosedError(error=error, request=self.request, endpoint_url=url) from None
        return b"".join(chunks)


class _ReadAlready:
    """A body that has been read, instead of urllib3's response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body

    def read(self, *_: object, **__: object) -> bytes:
        body, self._body = self._body, b""
        return body


_QUIET: ContextVar[bool] = ContextVar("botocore_cognito_federation_quiet", default=False)
_MODULES = ("botocore.endpoint", "botocore.parsers", "botocore.auth")


class _SilentInside(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _QUIET.get()


_FILTER = _SilentInside()


class _RecordOutside:
    """``HistoryRecorder.record`` for all calls but those made inside `suppress_wire_logs`.

    The AWS CLI with ``cli_history = enabled`` writes the parameters and the answers of all calls in its process into a
    database (https://docs.aws.amazon.com/cli/latest/reference/history/).
    """

    def __init__(self, record: Callable[..., None]) -> None:
        self._record = record

    def __call__(self, *arguments: Any, **options: Any) -> None:
        if not _QUIET.get():
            self._record(*arguments, **options)


def _silence_history() -> None:
    recorder: Any = get_global_history_recorder()
    if not isinstance(recorder.record, _RecordOutside):
        recorder.record = _RecordOutside(recorder.record)


@cache
def _places_of_loggers() -> list[tuple[dict[str, Any], str]]:
    """Return the namespaces that hold the loggers of those modules, each with the name there."""
    modules = [vars(importlib.import_module(name)) for name in _MODULES]
    return [(module, name) for module in modules for name, value in module.items() if isinstance(value, logging.Logger)]


def _loggers() -> set[logging.Logger]:
    """Return the loggers of those modules: a vendored botocore (the AWS CLI's) may name them differently."""
    return {*_named_loggers(), *(module[name] for module, name in _places_of_loggers())}


@cache
def _named_loggers() -> list[logging.Logger]:
    return [logging.getLogger(name) for name in _MODULES]


@contextmanager
def suppress_wire_logs() -> Iterator[None]:
    """Suppress what botocore logs and records about the requests and responses of the calls made inside.

    Levels, handlers and the logging of other threads and tasks do not change. May be nested. The filter is installed at
    each entry, because an application may configure logging again at any time.
    """
    for logger in _loggers():
        logger.addFilter(_FILTER)
    _silence_history()
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
