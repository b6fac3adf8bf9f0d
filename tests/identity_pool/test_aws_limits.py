"""Calls to AWS end in time and read a limited amount, for identity pools, user pools and STS."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.errors import CognitoFederationError, TemporaryError
from botocore_cognito_federation.identity_pool import aws
from botocore_cognito_federation.identity_pool.aws import call
from botocore_cognito_federation.identity_pool.client import make_client
from botocore_cognito_federation.identity_pool.errors import CallContext
from botocore_cognito_federation.user_pool import UserPool, UserPoolTokens
from tests.user_pool import wire as w

pytestmark = pytest.mark.thorough

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
CLOCK = Clock(sleep=lambda _: None, random=lambda: 0.5, now=lambda: 1_800_000_000.0)
KEYS = ("Credentials.AccessKeyId", "Credentials.SecretKey", "Credentials.SessionToken", "Credentials.Expiration")


def client_at(url: str, service: str = "cognito-identity") -> Any:
    return make_client(w.shared_session(), service, region_name="eu-west-1", endpoint_url=url)


def get_id(url: str) -> object:
    arguments = {"IdentityPoolId": POOL, "Logins": {"idp.example.com": "a-login-token-of-some-length"}}
    operation = client_at(url).get_id
    facts = CallContext(POOL, "demo")
    return call(operation, arguments=arguments, needs=("IdentityId",), facts=lambda: facts, clock=CLOCK)


def renewal(url: str) -> object:
    return w.Wire(url, {}).pool().refresh(w.TOKENS)


#: A call of an identity pool and one of a user pool.
CALLS = [get_id, renewal]


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "ATTEMPT_LIMIT", 0.2)
    monkeypatch.setattr(aws, "CALL_LIMIT", 0.3)
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes, bytes], tuple[str, list[int]]]]:
    """A server that sends `first` and then endlessly `more`; returns its URL and the number of bytes sent."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)

    def start(first: bytes, more: bytes, pause: float = 0.0) -> tuple[str, list[int]]:
        sent: list[int] = []

        def speak(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(first)
                while not stop.wait(pause):
                    client.sendall(more)
                    sent.append(len(more))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=speak, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", sent

    yield start
    stop.set()
    listener.close()


@pytest.mark.parametrize("called", CALLS)
@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    ],
    ids=["silence", "a header without end", "a body by drops"],
)
def test_a_call_ends_though_the_server_never_does(
    raw_server: Any, short_limits: None, called: Callable[[str], object], first: bytes, more: bytes
) -> None:
    url, _ = raw_server(first, more, 0.02)
    with pytest.raises(TemporaryError, match="did not answer in time"):
        called(url)


@pytest.mark.parametrize("called", CALLS)
def test_a_name_server_that_never_answers_does_not_hold_a_call(
    monkeypatch: pytest.MonkeyPatch, short_limits: None, called: Callable[[str], object]
) -> None:
    released = threading.Event()

    def never(*_: object, **__: object) -> object:
        released.wait(60)
        raise socket.gaierror("no name server")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        with pytest.raises(TemporaryError, match="did not answer in time"):
            called("https://cognito.example.com")
    finally:
        released.set()


@pytest.mark.parametrize("called", CALLS)
def test_an_answer_of_a_gigabyte_is_cut_off(
    raw_server: Any, monkeypatch: pytest.MonkeyPatch, called: Callable[[str], object]
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    url, sent = raw_server(f"HTTP/1.1 200 OK\r\nContent-Length: {2**30}\r\n\r\n".encode(), b"{" * 65536)
    with pytest.raises(TemporaryError, match="more than 1,048,576 bytes"):
        called(url)
    assert sum(sent) < 64 * 2**20


@contextlib.contextmanager
def answering_late(answer: object, between: Callable[[], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that calls `between` in the middle of each answer; gives its URL and what it was asked."""
    asked: list[bytes] = []
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    asked.append(client.recv(65536))
                    client.sendall(head.encode() + body[:20])
                    between()
                    client.sendall(body[20:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def test_a_renewal_takes_the_answer_that_came_while_the_process_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user pool that rotates refresh tokens takes the one that was sent no second time."""
    stopped = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: monotonic() + stopped[0])

    def stop() -> None:
        stopped[0] += 3600

    with answering_late(w.tokens(), stop) as (url, asked):
        assert renewal(url) is not None
    assert len(asked) == 1


def test_nothing_is_sent_whose_answer_could_not_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "CALL_LIMIT", 0.0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with answering_late(w.tokens(), lambda: None) as (url, asked):
        with pytest.raises(TemporaryError, match="did not answer in time"):
            renewal(url)
        assert asked == []


def test_user_pools_identity_pools_and_sts_are_asked_with_the_same_limits() -> None:
    session = botocore.session.Session()
    made = [
        make_client(session, service, region_name="eu-west-1") for service in ("cognito-identity", "cognito-idp", "sts")
    ]
    made.append(UserPool(w.POOL, w.CLIENT)._api._ready_client())
    limits = {
        (c.meta.config.connect_timeout, c.meta.config.read_timeout, c.meta.config.retries["total_max_attempts"])
        for c in made
    }
    assert limits == {(5, 10, 3)}
    assert all(isinstance(client._endpoint.http_session, aws.LimitedSession) for client in made)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def answered(httpserver: HTTPServer, answer: object) -> str:
    httpserver.clear()
    httpserver.expect_request("/").respond_with_data(
        json.dumps(answer), content_type="application/x-amz-json-1.1", headers={"Connection": "close"}
    )
    return httpserver.url_for("/")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["IdentityId", "Credentials", *(key.partition(".")[2] for key in KEYS)]), _JSON)
def test_a_member_of_any_type_in_an_answer_of_an_identity_pool_is_not_aws_or_does_not_matter(
    httpserver: HTTPServer, member: str, value: object
) -> None:
    keys: dict[str, object] = {"AccessKeyId": "A", "SecretKey": "s", "SessionToken": "t", "Expiration": 1.9e9}
    answer: dict[str, object] = {"IdentityId": POOL, "Credentials": keys}
    (keys if member in keys else answer)[member] = value
    operation = client_at(answered(httpserver, answer)).get_credentials_for_identity
    facts = CallContext(POOL, "demo")
    try:
        found = call(operation, arguments={"IdentityId": POOL}, needs=KEYS, facts=lambda: facts, clock=CLOCK).body
    except TemporaryError:
        return
    assert all(isinstance(found["Credentials"][name], str) for name in ("AccessKeyId", "SecretKey", "SessionToken"))
    assert str(found["Credentials"]["AccessKeyId"]).isprintable()
    assert isinstance(found["Credentials"]["Expiration"].timestamp(), float)


@pytest.mark.parametrize("time", [1e14, 1e17, -1e17, 1e300])
def test_an_expiry_that_no_calendar_has_is_not_of_aws(httpserver: HTTPServer, time: float) -> None:
    """botocore raises what its parser meets, which depends on the size of the number."""
    keys = {"AccessKeyId": "A", "SecretKey": "s", "SessionToken": "t", "Expiration": time}
    operation = client_at(answered(httpserver, {"IdentityId": POOL, "Credentials": keys})).get_credentials_for_identity
    with pytest.raises(TemporaryError):
        call(
            operation, arguments={"IdentityId": POOL}, needs=KEYS, facts=lambda: CallContext(POOL, "demo"), clock=CLOCK
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["exp", "sub", "iss", "aud", "cognito:username", "username", "token_use"]), _JSON)
def test_a_claim_of_any_type_in_a_token_of_a_user_pool_is_refused_in_words(
    httpserver: HTTPServer, claim: str, value: object
) -> None:
    answer = w.tokens(IdToken=w.token(**{claim: value}), AccessToken=w.token("access", **{claim: value}))
    pool = w.Wire(answered(httpserver, answer), {}).pool()
    with contextlib.suppress(CognitoFederationError):
        found = pool.sign_in("ada", "pw", auth_flow="USER_PASSWORD_AUTH")
        assert isinstance(found, UserPoolTokens)
        assert isinstance(found.username, str)
        assert 0 <= found.expires_at < 1e13


def test_an_expiry_that_is_no_time_does_not_count(httpserver: HTTPServer) -> None:
    answer = w.tokens(IdToken=w.token(exp=10**400))
    pool = w.Wire(answered(httpserver, answer), {}).pool()
    found = pool.sign_in("ada", "pw", auth_flow="USER_PASSWORD_AUTH")
    assert isinstance(found, UserPoolTokens)
    assert found.expires_at == w.NOW + 3600


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["AuthenticationResult", "IdToken", "AccessToken", "ExpiresIn", "ChallengeParameters"]), _JSON)
def test_a_member_of_any_type_in_an_answer_of_a_user_pool_is_refused_in_words(
    httpserver: HTTPServer, member: str, value: object
) -> None:
    answer = w.tokens()
    (answer["AuthenticationResult"] if member in ("IdToken", "AccessToken", "ExpiresIn") else answer)[member] = value
    with contextlib.suppress(CognitoFederationError):
        w.Wire(answered(httpserver, answer), {}).pool().sign_in("ada", "pw", auth_flow="USER_PASSWORD_AUTH")
