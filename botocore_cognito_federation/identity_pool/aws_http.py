"""Limits for botocore's own HTTP: the whole of an attempt and of a call has a time, and an answer a size; and
nothing of it is logged.

botocore's time limits count anew at each byte, name resolution has none, and an answer is read whole. Our calls to AWS
therefore go through a session that wraps botocore's.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from .._util.concurrency import DeadlineExceeded, call_within
from .._util.urls import check_url
from ..errors import TemporaryError

#: Seconds: to connect, for the server's next byte, and for one attempt from name resolution to the last byte.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
ATTEMPT_LIMIT = 15.0
ATTEMPTS = 3
#: Seconds for all attempts of one call: with botocore's pauses (3 s at most) under the 50 s of a credential helper.
CALL_LIMIT = ATTEMPTS * ATTEMPT_LIMIT

#: The largest answer of Cognito or STS has some 60 KB: a login token of the longest kind, and what stands around it.
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


def limit_answers(client: Any) -> Any:
    """Let a botocore client send by `LimitedSession`, and return it."""
    endpoint = client._endpoint  # botocore has no public way to hand a session over
    endpoint.http_session = LimitedSession(endpoint.http_session)
    return client


class LimitedSession:
    """Stands in front of the HTTP session of a botocore client.

    Args:
        session: botocore's own.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def close(self) -> None:
        self._session.close()

    def send(self, request: Any) -> Any:
        """Send a request and read its answer within the limits.

        Raises:
            ConfigurationError: the URL may not be spoken to; what botocore made of its settings is looked at last.
            TemporaryError: the answer is larger than 1 MiB.
            botocore.exceptions.HTTPClientError: as botocore's session; `ReadTimeoutError` where the time is over.
        """
        from botocore.exceptions import ReadTimeoutError

        check_url(request.url, whose="The endpoint that botocore has found")
        left = _TIME_LEFT.get()
        limit = ATTEMPT_LIMIT if left is None else min(ATTEMPT_LIMIT, left.look())
        if limit > 0:  # else nothing is sent: its answer could not be waited for
            attempt = _Attempt(self._session, request)
            try:
                return call_within(limit, attempt.answer, name="cognito-federation-aws")
            except DeadlineExceeded:
                attempt.is_abandoned = True
        # Raised here and not in the except clause, whose context would hold the request.
        raise ReadTimeoutError(endpoint_url=request.url, error="time limit")


class _Attempt:
    """Sends a request by botocore's session and reads its answer, in a thread of its own.

    Attributes:
        is_abandoned: set where nobody waits any more; ends the thread at the next piece of the answer. No clock is
            looked at here: a process that was stopped meanwhile takes an answer that has come.
    """

    def __init__(self, session: Any, request: Any) -> None:
        self._session = session
        self._request = request
        self.is_abandoned = False

    def answer(self) -> Any:
        from botocore.awsrequest import AWSResponse

        self._request.stream_output = True  # the body is left to `_read`
        response = self._session.send(self._request)
        try:
            body = self._read(response.raw)
        except BaseException:
            response.raw.close()  # what is left of the answer must not be taken for the next one
            raise
        return AWSResponse(response.url, response.status_code, response.headers, _ReadAlready(body))

    def _read(self, raw: Any) -> bytes:
        from botocore import exceptions
        from urllib3 import exceptions as urllib3

        url = self._request.url
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
            raise exceptions.ConnectionClosedError(error=error, request=self._request, endpoint_url=url) from None
        return b"".join(chunks)


class _ReadAlready:
    """A body that has been read, in the place of urllib3's response."""

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


def _loggers() -> list[logging.Logger]:
    """The loggers those modules really hold: a vendored botocore (the AWS CLI's) may name its own differently."""
    modules = [importlib.import_module(name) for name in _MODULES]
    named = [logging.getLogger(name) for name in _MODULES]
    return named + [value for module in modules for value in vars(module).values() if isinstance(value, logging.Logger)]


@contextmanager
def suppress_wire_logs() -> Iterator[None]:
    """Drop what botocore would log about the requests and responses of the calls made inside.

    Levels, handlers and the logging of other threads and tasks are left alone. May be nested. The filter is put in
    place at each entry, since an application may configure logging anew at any time.
    """
    for logger in _loggers():
        logger.addFilter(_FILTER)
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
