"""Servers that fail for a moment, and what a source of login tokens makes of it where no credentials are valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.errors import TemporaryError, TokenRefreshError
from botocore_cognito_federation.login_tokens import RetryingTokenProvider
from botocore_cognito_federation.login_tokens.base import RefreshContext
from botocore_cognito_federation.login_tokens.url import UrlTokenProvider
from tests.login_tokens.metadata_server import MetadataServer

GOOD = "a-login-token"


@dataclass
class Time:
    """Goes on by the pauses, and by what a call takes."""

    now: float = 1_800_000_000.0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    with MetadataServer() as found:
        yield found


def answers(
    server: MetadataServer, *statuses: int, before: Callable[[], object] = lambda: None, wait: str = ""
) -> None:
    """Let the server answer with these, one after another, then with a token."""
    left = list(statuses)

    def answer(request: BaseHTTPRequestHandler) -> None:
        before()
        status = left.pop(0) if left else 200
        body = GOOD.encode() if status == 200 else b""
        request.send_response(status)
        if wait:
            request.send_header("Retry-After", wait)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    server.answer = answer


def source(server: MetadataServer, time: Time, *, random: float = 0.5) -> RetryingTokenProvider:
    url = UrlTokenProvider(
        f"http://{server.host}/", audience=None, field=None, headers_env=None, environ={}, clock=lambda: time.now
    )
    return RetryingTokenProvider(url, Clock(sleep=time.sleep, random=lambda: random, now=lambda: time.now))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_two_errors_in_a_row_are_waited_out(server: MetadataServer, status: int) -> None:
    time = Time()
    answers(server, status, status)
    assert source(server, time).fetch(RefreshContext()).value == GOOD
    assert time.pauses == [0.5, 1.5]


def test_the_third_error_is_told_and_the_pauses_are_not_the_same_for_all(server: MetadataServer) -> None:
    shortest, longest = Time(), Time()
    for time, random in ((shortest, 0.0), (longest, 1.0)):
        answers(server, 503, 503, 503)
        with pytest.raises(TemporaryError, match="answered 503"):
            source(server, time, random=random).fetch(RefreshContext())
    assert (shortest.pauses, longest.pauses) == ([0.375, 1.125], [0.625, 1.875])
    assert len(server.seen) == 6


def test_a_server_that_says_how_long_to_wait_is_asked_then(server: MetadataServer) -> None:
    time = Time()
    answers(server, 503, wait="3")
    assert source(server, time).fetch(RefreshContext()).value == GOOD
    assert time.pauses == [3.0]


def test_no_caller_waits_for_a_server_that_asks_for_a_minute(server: MetadataServer) -> None:
    time = Time()
    answers(server, 503, wait="60")
    with pytest.raises(TemporaryError, match="asks to wait 60 seconds"):
        source(server, time).fetch(RefreshContext())
    assert (time.pauses, len(server.seen)) == ([], 1)


def test_a_slow_failure_is_not_repeated(server: MetadataServer) -> None:
    time = Time()
    answers(server, 503, before=lambda: time.sleep(4.0))
    with pytest.raises(TemporaryError):
        source(server, time).fetch(RefreshContext())
    assert len(server.seen) == 1


def test_one_attempt_is_enough_where_credentials_are_valid(server: MetadataServer) -> None:
    time = Time()
    answers(server, 503)
    with pytest.raises(TemporaryError):
        source(server, time).fetch(RefreshContext(has_valid_credentials=True))
    assert (time.pauses, len(server.seen)) == ([], 1)


def test_a_refusal_is_not_asked_for_again(server: MetadataServer) -> None:
    time = Time()
    answers(server, 403)
    with pytest.raises(TokenRefreshError):
        source(server, time).fetch(RefreshContext())
    assert (time.pauses, len(server.seen)) == ([], 1)
