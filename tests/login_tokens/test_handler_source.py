"""Refresh handlers: what they may return, how often they are called, and what they cannot do to their caller."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import sys
import threading
import time
import urllib.error
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, EndpointConnectionError

from botocore_cognito_federation.errors import (
    CognitoFederationError,
    NonRetryableError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.login_tokens.base import RefreshContext
from botocore_cognito_federation.login_tokens.handler import HandlerTokenProvider

NOW = 1_800_000_000.0
USABLE = RefreshContext(has_valid_credentials=True)
SECRET = "eyJ-very-secret"


class Pauses(list[float]):
    """The pauses, none of which is real."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def source(function: Callable[..., Any], pauses: Pauses | None = None, **options: Any) -> HandlerTokenProvider:
    return HandlerTokenProvider(
        function,
        name="The refresh handler of demo",
        clock=lambda: NOW,
        sleep=Pauses() if pauses is None else pauses,
        random=lambda: 0.5,
        **options,
    )


def raising(error: BaseException) -> Callable[[], Any]:
    def handler() -> Any:
        raise error

    return handler


def failure_of(
    function: Callable[..., Any], context: RefreshContext = USABLE, **options: Any
) -> CognitoFederationError:
    with pytest.raises(CognitoFederationError) as caught:
        source(function, **options).fetch(context)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(SECRET, response=response)


def client_error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": SECRET}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X"
    )


def test_a_plain_token_is_taken() -> None:
    assert source(lambda: "  opaque-token\n").fetch(RefreshContext()).value == "opaque-token"


@pytest.mark.parametrize(
    "expires_at",
    [NOW + 60, int(NOW + 60), (NOW + 60) * 1000, datetime.fromtimestamp(NOW + 60, tz=timezone(timedelta(hours=5)))],
    ids=["seconds", "whole seconds", "milliseconds", "aware datetime"],
)
def test_a_mapping_says_when_the_token_expires(expires_at: object) -> None:
    token = source(lambda: {"token": "opaque", "expires_at": expires_at}).fetch(RefreshContext())
    assert token.expires_at == pytest.approx(NOW + 60)


def test_the_identity_id_that_a_handler_leaves_out_is_carried_over() -> None:
    context = RefreshContext(identity_id="eu-west-1:aa")
    assert source(lambda: "opaque").fetch(context).identity_id == "eu-west-1:aa"
    assert (
        source(lambda: {"token": "opaque", "identity_id": "eu-west-1:bb"}).fetch(context).identity_id == "eu-west-1:bb"
    )


def test_the_context_is_passed_to_a_parameter_of_that_name_only() -> None:
    given: list[object] = []

    def named(context: RefreshContext) -> str:
        given.append(context)
        return "t"

    def keyword_only(*, context: RefreshContext) -> str:
        return named(context)

    def positional(context: RefreshContext, /) -> str:
        return named(context)

    def other(something: str = "default") -> str:
        given.append(something)
        return "t"

    def open_ended(*args: object, **kwargs: object) -> str:
        given.append((args, kwargs))
        return "t"

    class Method:
        def handler(self, context: RefreshContext) -> str:
            return named(context)

    context = RefreshContext(provider="corp", attempt=1, previous_expires_at=5.0)
    for handler in (named, keyword_only, positional, Method().handler, functools.partial(named), other, open_ended):
        source(handler).fetch(context)
    assert given == [context] * 5 + ["default", ((), {})]


def test_a_coroutine_function_runs_in_a_loop_of_its_own() -> None:
    async def handler() -> dict[str, object]:
        await asyncio.sleep(0)
        return {"token": "from a coroutine"[:4]}

    assert source(handler).fetch(RefreshContext()).value == "from"


def test_a_coroutine_function_runs_although_a_loop_runs_in_this_thread() -> None:
    async def handler() -> str:
        await asyncio.sleep(0)
        return "inner"

    async def application() -> str:
        return source(handler).fetch(RefreshContext()).value

    assert asyncio.run(application()) == "inner"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "returned nothing"),
        (42, "of type int"),
        (b"bytes", "of type bytes"),
        ([], "of type list"),
        ("", "is empty"),
        ("a token with spaces", "not hold a bare login token"),
        ("x" * 50_001, "50,001 characters"),
        ({}, "no string under 'token'"),
        ({"token": None}, "no string under 'token'"),
        ({"token": 5}, "no string under 'token'"),
        ({"token": "t", "identity_id": 5}, "identity_id that is not a string"),
        ({"token": "t", "expires_at": 3600}, "it must be a time, not a duration"),
        ({"token": "t", "expires_at": "soon"}, "must be a number"),
        ({"token": "t", "expires_at": float("nan")}, "must be a number"),
        ({"token": "t", "expires_at": datetime(2030, 1, 1)}, "without a time zone"),
    ],
)
def test_nonsense_is_refused_at_once(answer: object, said: str) -> None:
    pauses = Pauses()
    error = failure_of(lambda: answer, RefreshContext(), pauses=pauses)
    assert type(error) is TokenRefreshError
    assert said in str(error)
    assert pauses == []


TEMPORARY = [
    ConnectionResetError(SECRET),
    TimeoutError(SECRET),
    asyncio.TimeoutError(SECRET),
    concurrent.futures.TimeoutError(SECRET),
    OSError(101, SECRET),
    requests.ConnectionError(SECRET),
    requests.Timeout(SECRET),
    http_error(500),
    http_error(503),
    http_error(429),
    urllib.error.URLError(ConnectionRefusedError(SECRET)),
    urllib.error.HTTPError("http://x/" + SECRET, 502, SECRET, None, None),  # type: ignore[arg-type]  # as urllib has it
    EndpointConnectionError(endpoint_url="http://" + SECRET),
    client_error("TooManyRequestsException", 400),
    client_error("InternalErrorException", 500),
    TemporaryError("The vault is sealed"),
]


@pytest.mark.parametrize("error", TEMPORARY, ids=lambda error: type(error).__name__)
def test_what_may_pass_is_tried_seven_times_over_some_thirteen_seconds(error: Exception) -> None:
    pauses = Pauses()
    attempts: list[int] = []

    def handler(context: RefreshContext) -> Any:
        attempts.append(context.attempt)
        raise error

    assert isinstance(failure_of(handler, RefreshContext(), pauses=pauses), TemporaryError)
    assert attempts == [1, 2, 3, 4, 5, 6, 7]
    assert 12.6 <= sum(pauses) <= 13.2
    assert pauses == sorted(pauses)


@pytest.mark.parametrize("error", TEMPORARY, ids=lambda error: type(error).__name__)
def test_one_attempt_is_enough_while_credentials_live(error: Exception) -> None:
    pauses = Pauses()
    assert isinstance(failure_of(raising(error), USABLE, pauses=pauses), TemporaryError)
    assert pauses == []


@pytest.mark.parametrize(
    "error",
    [
        KeyError(SECRET),
        TypeError(SECRET),
        ZeroDivisionError(),
        FileNotFoundError(2, SECRET),
        PermissionError(13, SECRET),
        http_error(401),
        http_error(404),
        client_error("NotAuthorizedException", 400),
        urllib.error.URLError(SECRET),
        RecursionError(SECRET),
        SystemExit(SECRET),
        KeyboardInterrupt(SECRET),
        GeneratorExit(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_pass_is_raised_at_once_without_its_text(error: BaseException) -> None:
    pauses = Pauses()
    failure = failure_of(raising(error), RefreshContext(), pauses=pauses)
    assert type(failure) is TokenRefreshError
    assert f"raised {type(error).__name__} (test_handler_source.py, line" in str(failure)
    assert pauses == []


@pytest.mark.parametrize("error", [NonRetryableError("No more"), SignInRequiredError("Sign in to the vault")])
def test_our_own_errors_reach_the_caller_as_they_are(error: CognitoFederationError) -> None:
    assert failure_of(raising(error), RefreshContext()) is error


def test_a_success_after_failures_is_a_success() -> None:
    pauses = Pauses()
    outcomes: list[Any] = [ConnectionError(), ConnectionError(), "at last"]

    def handler() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome).replace(" ", "-")

    assert source(handler, pauses).fetch(RefreshContext()).value == "at-last"
    assert len(pauses) == 2


def test_a_handler_that_never_returns_is_left_behind_and_not_started_again_meanwhile() -> None:
    gate, started = threading.Event(), []

    def handler() -> str:
        started.append(threading.current_thread())
        gate.wait(30)
        return "late"

    slow = source(handler, time_limit=0.2)
    with pytest.raises(TemporaryError, match=r"did not return within 0\.2 s"):
        slow.fetch(RefreshContext())
    with pytest.raises(TemporaryError, match="not returned from an earlier call"):
        slow.fetch(USABLE)
    assert len(started) == 1
    assert started[0].daemon
    gate.set()
    started[0].join(10)
    assert slow.fetch(RefreshContext()).value == "late"


def test_a_coroutine_that_never_returns_is_cancelled() -> None:
    cancelled = threading.Event()

    async def handler() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    error = failure_of(handler, RefreshContext(), time_limit=0.5)
    assert isinstance(error, TemporaryError)
    assert "did not return" in str(error)
    assert cancelled.wait(10)


def test_a_handler_that_hangs_does_not_prevent_the_process_from_ending(tmp_path: Any) -> None:
    import subprocess

    program = """
import time
from botocore_cognito_federation.login_tokens.base import RefreshContext
from botocore_cognito_federation.login_tokens.handler import HandlerTokenProvider
handler = HandlerTokenProvider(lambda: time.sleep(3600), name="h", clock=time.time, sleep=time.sleep, random=lambda: 0,
                             time_limit=0.1)
try:
    handler.fetch(RefreshContext())
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "TemporaryError\n")


def direct(handler: HandlerTokenProvider) -> str:
    return handler.fetch(RefreshContext()).value


def in_a_thread(handler: HandlerTokenProvider, *, daemon: bool | None = None) -> str:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(direct(handler))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=daemon)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return str(outcome[0])


def in_a_daemon(handler: HandlerTokenProvider) -> str:
    return in_a_thread(handler, daemon=True)


def in_a_thread_of_a_thread(handler: HandlerTokenProvider) -> str:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(in_a_thread, handler).result()


def in_an_executor(handler: HandlerTokenProvider) -> str:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(direct, handler).result()


def in_a_task(handler: HandlerTokenProvider) -> str:
    async def main() -> str:
        return await asyncio.create_task(asyncio.to_thread(direct, handler))

    return asyncio.run(main())


def in_the_loops_executor(handler: HandlerTokenProvider) -> str:
    async def main() -> str:
        return await asyncio.get_running_loop().run_in_executor(None, direct, handler)

    return asyncio.run(main())


@pytest.mark.parametrize(
    "way",
    [direct, in_a_thread, in_a_daemon, in_a_thread_of_a_thread, in_an_executor, in_a_task, in_the_loops_executor],
    ids=lambda way: way.__name__,
)
def test_a_handler_that_asks_for_its_own_token_gets_an_error_and_no_deadlock(way: Callable[..., str]) -> None:
    made: list[HandlerTokenProvider] = []
    made.append(source(lambda: way(made[0])))
    with pytest.raises(TokenRefreshError, match="asks for the very credentials that it was called for"):
        made[0].fetch(RefreshContext())


def test_a_handler_may_ask_another_handler() -> None:
    inner = source(lambda: "inner")
    assert source(lambda: inner.fetch(RefreshContext()).value).fetch(RefreshContext()).value == "inner"


def test_two_handlers_that_ask_each_other_get_an_error() -> None:
    made: dict[str, HandlerTokenProvider] = {}
    made["a"] = source(lambda: direct(made["b"]))
    made["b"] = source(lambda: direct(made["a"]))
    with pytest.raises(TokenRefreshError, match="asks for the very credentials"):
        made["a"].fetch(RefreshContext())


def test_threads_of_others_may_ask_at_the_same_time() -> None:
    together = threading.Barrier(3)

    def handler() -> str:
        together.wait(20)
        return "shared"

    shared = source(handler)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(direct, [shared] * 3)) == ["shared"] * 3


def test_what_a_handler_started_may_ask_once_the_handler_has_returned() -> None:
    gate = threading.Event()
    outcome: list[str] = []
    background: list[threading.Thread] = []
    made: list[HandlerTokenProvider] = []

    def afterwards() -> None:
        gate.wait(20)
        outcome.append(direct(made[0]))

    def handler() -> str:
        if not background:
            background.append(threading.Thread(target=afterwards))
            background[0].start()
        return "token"

    made.append(source(handler))
    made[0].fetch(RefreshContext())
    gate.set()
    background[0].join(20)
    assert outcome == ["token"]


def test_no_secret_of_a_handler_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        source(lambda: SECRET).fetch(RefreshContext())
        failure_of(raising(ValueError(SECRET)))
    assert SECRET not in caplog.text


def test_the_answer_shows_no_token_in_its_repr() -> None:
    assert SECRET not in repr(source(lambda: SECRET).fetch(RefreshContext()))


def test_time_is_not_wasted_on_pauses_beyond_the_limit() -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    calls: list[float] = []

    def handler() -> str:
        calls.append(clock[0])
        clock[0] += 20
        raise ConnectionError

    handler_source = HandlerTokenProvider(
        handler, name="h", clock=lambda: NOW, sleep=sleep, random=lambda: 0.5, time_limit=60, monotonic=lambda: clock[0]
    )
    with pytest.raises(TemporaryError):
        handler_source.fetch(RefreshContext())
    assert calls[-1] < 60
    assert len(calls) == 3


@pytest.mark.parametrize("function", [print, time.time, dict], ids=["print", "time", "dict"])
def test_a_callable_written_in_c_is_called_or_refused_with_a_sentence(function: Callable[..., Any]) -> None:
    assert isinstance(failure_of(function), TokenRefreshError)
