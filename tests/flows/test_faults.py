"""Possible faults of a call, and their results."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from botocore_cognito_federation.errors import FederationRefusedError, TemporaryError


@pytest.fixture
def quick(inside, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    return inside


PASSING = {
    "keys missing": {"missing_keys": ("Credentials.SecretKey",)},
    "no credentials": {"missing_keys": ("Credentials",)},
    "body cut": {"truncate": True},
    "body empty": {"empty_body": True},
    "throttled with 400": {"code": "TooManyRequestsException", "message": "Rate exceeded"},
    "internal error": {"code": "InternalErrorException", "status": 500},
    "a proxy's page": {"status": 502},
    "connection gone": {"close": True},
    "key not yet seen": {
        "code": "NotAuthorizedException",
        "message": "Invalid login token. Couldn\N{RIGHT SINGLE QUOTATION MARK}t verify signed token.",
    },
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", PASSING)
def test_what_passes_by_itself_is_tried_again(quick, name):
    quick.world.fault("GetCredentialsForIdentity", **PASSING[name])
    assert quick.federation().credentials()
    assert quick.spent == (1, 2)


@pytest.mark.parametrize("name", PASSING)
def test_what_stays_is_an_error_after_few_attempts_and_loses_nothing(quick, name):
    first = quick.federation().credentials()
    quick.age(seconds_left=600)
    quick.world.fault("GetCredentialsForIdentity", times=99, **PASSING[name])
    if name == "key not yet seen":
        with pytest.raises(FederationRefusedError):
            quick.federation().credentials()
    else:
        assert quick.federation().credentials().access_key == first.access_key
        quick.age(seconds_left=30)
        for path in quick.documents("failures"):
            path.unlink()
        with pytest.raises(TemporaryError):
            quick.federation().credentials()
    # While it throttles, whoever has nothing that is usable goes on for three quarters of a minute.
    most = 3 * 40 if name == "throttled with 400" else 9
    assert quick.count("GetCredentialsForIdentity") <= 1 + 9 + most
    (stored,) = quick.documents("credentials")
    assert json.loads(stored.read_text())["access_key"] == first.access_key


def test_an_identity_that_is_gone_is_looked_up_once(quick):
    first = quick.federation().credentials()
    quick.world.forget_identities()
    quick.age(seconds_left=-5)
    second = quick.federation().credentials()
    assert second.identity_id != first.identity_id
    assert quick.spent == (2, 3)


def test_a_pool_that_is_gone_is_another_thing_than_an_identity_that_is_gone(quick):
    quick.federation().credentials()
    quick.age(seconds_left=-5)
    quick.world.fault(
        "GetCredentialsForIdentity", code="ResourceNotFoundException", message="IdentityPool 'eu-west-1:x' not found."
    )
    with pytest.raises(FederationRefusedError, match="does not exist in its region"):
        quick.federation().credentials()
    assert quick.spent == (1, 2)


def test_with_a_clock_far_ahead_the_clock_is_named_and_nothing_dead_is_printed(quick):
    quick.world.clock_offset = -2 * 3600
    quick.world.write_token(quick.path)
    assert "clock" in quick.ask().refused(7)


def test_only_the_guest_pool_takes_guests(quick):
    assert quick.federation("guest").credentials().authenticated is False
    quick.profile("noguests", cognito_provider="guest", cognito_issuer="")
    with pytest.raises(FederationRefusedError, match="no guest access"):
        quick.federation("noguests").credentials()


def test_an_issuer_too_long_for_a_logins_key_costs_no_call(quick):
    quick.profile("bare", cognito_provider="", cognito_issuer="", cognito_token_file=str(quick.token))
    assert quick.federation("bare").credentials()
    quick.world.reset_journal()
    quick.world.write_token(quick.path, iss="https://idp.example/" + "x" * 200)
    line = quick.ask("bare").refused(5)
    assert "cognito_login_key" in line
    assert quick.spent == (0, 0)


def test_a_login_at_a_pool_that_takes_guests_is_never_sent_as_a_guest(quick):
    quick.profile("open", cognito_identity_pool_id=quick.world.guest_pool_id, cognito_token_file=str(quick.token))
    first = quick.federation("open").credentials()
    for path in quick.cache.rglob("*.json"):
        path.unlink()
    # Guests get a new identity with each GetId; a login has the same one each time.
    assert quick.federation("open").credentials().identity_id == first.identity_id


@pytest.mark.parametrize(
    "body",
    [b"\x00\xff", b"null", b"[]", b"5", b'{"Credentials": "x"}', b"[" * 100_000],
    ids=lambda body: repr(body[:6]),
)
def test_a_200_that_is_not_of_aws_is_temporary_and_takes_nothing_away(quick, httpserver, body):
    identity_id = "eu-west-1:11111111-2222-3333-4444-555555555555"
    keys = {"AccessKeyId": "ASIAFIRST", "SecretKey": "s", "SessionToken": "t", "Expiration": time.time() + 3600}
    good = {"IdentityId": identity_id, "Credentials": keys}
    httpserver.expect_oneshot_request("/").respond_with_json(good)
    httpserver.expect_oneshot_request("/").respond_with_json(good)
    httpserver.expect_request("/").respond_with_data(body, content_type="application/x-amz-json-1.1")
    url = httpserver.url_for("/").replace("localhost", "127.0.0.1")
    quick.profile("elsewhere", cognito_endpoint_url=url, cognito_token_file=str(quick.token))
    assert quick.federation("elsewhere").credentials().access_key == "ASIAFIRST"
    quick.age(seconds_left=600)
    assert quick.federation("elsewhere").credentials().access_key == "ASIAFIRST"
    quick.age(seconds_left=-1)
    for path in quick.documents("failures"):
        path.unlink()
    with pytest.raises(TemporaryError):
        quick.federation("elsewhere").credentials()


@pytest.mark.parametrize("status", [302, 403, 404, 407])
def test_an_answer_between_here_and_aws_is_no_refusal_of_aws(quick, status):
    first = quick.federation().credentials()
    quick.age(seconds_left=600)
    quick.world.fault("GetCredentialsForIdentity", times=99, status=status)
    assert quick.federation().credentials().access_key == first.access_key


_DRIPPING = """
import socket, time
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100000\\r\\n\\r\\n")
        try:
            while True:
                connection.sendall(b" ")
                time.sleep(0.5)
        except OSError:
            connection.close()
"""


@pytest.mark.slow
def test_an_answer_that_comes_byte_by_byte_ends_the_helper_before_an_sdk_would(home):
    with subprocess.Popen([sys.executable, "-c", _DRIPPING], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().strip()
            home.profile("slow", cognito_endpoint_url=f"http://127.0.0.1:{port}", cognito_token_file=str(home.token))
            assert "did not answer in time" in home.ask("slow").refused(7)
        finally:
            server.kill()
