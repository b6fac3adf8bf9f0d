from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation._util.http import HttpAnswer, HttpClient
from botocore_cognito_federation.errors import (
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    TemporaryError,
)
from botocore_cognito_federation.oidc.client import AuthenticationResult, OIDCClient, SignInPrompt
from botocore_cognito_federation.oidc.discovery import ProviderMetadata
from botocore_cognito_federation.oidc.flows import authorize_device, poll, sign_in_with_device
from botocore_cognito_federation.oidc.tokens import DeviceAuthorization
from tests.oidc.conftest import FakeClock
from tests.oidc.fake_provider import FakeProvider, refusal


@pytest.fixture
def waiting(provider: FakeProvider, oidc_client: OIDCClient, patient: Clock) -> OIDCClient:
    return replace(oidc_client, clock=patient)


def sign_in(oidc_client: OIDCClient, **more: Any) -> AuthenticationResult:
    return sign_in_with_device(oidc_client, announce=more.pop("announce", lambda prompt: None), **more)


def test_the_code_is_shown_and_the_answer_verified(provider: FakeProvider, waiting: OIDCClient) -> None:
    shown: list[SignInPrompt] = []
    accepted: list[AuthenticationResult] = []
    provider.token_responses.append(refusal("authorization_pending"))
    found = sign_in(waiting, announce=shown.append, accept=accepted.append)
    assert found.subject == "user-1"
    assert accepted == [found]
    assert (shown[0].kind, shown[0].user_code, shown[0].url) == ("device", "ABCD-EFGH", f"{provider.issuer}/activate")
    assert "the-device-code" not in repr(shown)


def test_without_an_interval_five_seconds_pass_between_polls(
    provider: FakeProvider, waiting: OIDCClient, fake_clock: FakeClock
) -> None:
    provider.token_responses += [refusal("authorization_pending") for _ in range(3)]
    sign_in(waiting)
    assert fake_clock.slept == [5, 5, 5, 5]


def test_slow_down_adds_five_seconds_for_good_each_time(
    provider: FakeProvider, waiting: OIDCClient, fake_clock: FakeClock
) -> None:
    answers = ["slow_down", "authorization_pending", "slow_down", "authorization_pending", "authorization_pending"]
    provider.token_responses += [refusal(answer) for answer in answers]
    sign_in(waiting)
    assert fake_clock.slept == [5, 10, 10, 15, 15, 15]


def test_too_many_requests_counts_as_slow_down_and_retry_after_is_respected(
    provider: FakeProvider, waiting: OIDCClient, fake_clock: FakeClock
) -> None:
    provider.token_responses += [
        refusal("slow_down", 429),
        Response("", status=429, headers={"Retry-After": "40"}),
        refusal("authorization_pending", 428),
    ]
    sign_in(waiting)
    assert fake_clock.slept == [5, 10, 40, 15]


def test_a_provider_that_fails_for_a_while_does_not_end_the_sign_in(
    provider: FakeProvider, waiting: OIDCClient, fake_clock: FakeClock
) -> None:
    provider.token_responses += [Response("", status=503), refusal("authorization_pending")]
    sign_in(waiting)
    assert fake_clock.slept == [5, 5, 5]


@given(st.lists(st.sampled_from(["slow_down", "authorization_pending", "network"]), max_size=12))
def test_the_pauses_never_get_shorter(answers: list[str]) -> None:
    clock = FakeClock()
    oidc_client = _scripted(answers, clock)
    poll(oidc_client, METADATA, DEVICE, 100_000)
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 5 if not answers or set(answers) == {"authorization_pending"} else clock.slept[-1] > 5


@pytest.mark.parametrize(
    ("error", "message"),
    [("access_denied", "declined"), ("expired_token", "expired"), ("weird", "ended the sign-in")],
)
def test_a_no_is_final(provider: FakeProvider, waiting: OIDCClient, error: str, message: str) -> None:
    provider.token_responses += [refusal("authorization_pending"), refusal(error)]
    with pytest.raises(SignInFailedError, match=message):
        sign_in(waiting)
    assert len(provider.asked) == 3


def test_a_client_that_may_not_is_a_configuration_error(provider: FakeProvider, waiting: OIDCClient) -> None:
    provider.token_responses.append(refusal("unauthorized_client"))
    with pytest.raises(ConfigurationError, match="unauthorized_client"):
        sign_in(waiting)


@pytest.mark.parametrize(("timeout", "polls"), [(12, 2), (600, 119)])
def test_the_sign_in_ends_at_the_earlier_of_both_limits(
    provider: FakeProvider, waiting: OIDCClient, timeout: float, polls: int
) -> None:
    provider.token_responses += [refusal("authorization_pending") for _ in range(200)]
    with pytest.raises(SignInFailedError, match="The code was not entered"):
        sign_in(waiting, timeout=timeout)
    assert len(provider.asked) - 1 == polls


def test_a_cancelled_sign_in_ends_between_polls(provider: FakeProvider, waiting: OIDCClient) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SignInFailedError, match="cancelled"):
        sign_in(waiting, cancel=cancel)
    assert [path for path, _ in provider.asked] == ["/device"]


def test_ctrl_c_comes_through_at_once(provider: FakeProvider, waiting: OIDCClient) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sign_in(replace(waiting, clock=replace(waiting.clock, sleep=interrupted)))


def test_a_provider_without_device_codes_is_said_to_have_none(provider: FakeProvider, oidc_client: OIDCClient) -> None:
    provider.discovery_changes["device_authorization_endpoint"] = None
    with pytest.raises(ConfigurationError, match="no sign-in by device code"):
        sign_in(oidc_client)


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": None},
        {"user_code": None},
        {"user_code": ""},
        {"user_code": "A\x1b]0;x\x07"},
        {"user_code": "A" * 65},
        {"verification_uri": None},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://x.example/\x1b[2J"},
    ],
)
def test_a_device_answer_that_cannot_be_shown_safely_is_refused(
    make_client: Callable[..., OIDCClient], httpserver: HTTPServer, changes: dict[str, Any]
) -> None:
    answer = {"device_code": "d", "user_code": "U", "verification_uri": "https://x.example/", **changes}
    httpserver.expect_request("/d").respond_with_json(answer)
    metadata = replace(METADATA, device_authorization_endpoint=httpserver.url_for("/d"))
    with pytest.raises(SignInFailedError, match="usable device code"):
        authorize_device(make_client("op.example"), metadata)


def test_googles_verification_url_and_a_complete_uri_are_understood(
    make_client: Callable[..., OIDCClient], httpserver: HTTPServer
) -> None:
    answer = {
        "device_code": "d",
        "user_code": "U",
        "verification_url": "https://www.google.com/device",
        "verification_uri_complete": "https://www.google.com/device?c=U",
        "interval": 7,
    }
    httpserver.expect_request("/d").respond_with_json(answer)
    metadata = replace(METADATA, device_authorization_endpoint=httpserver.url_for("/d"))
    found = authorize_device(make_client("op.example"), metadata)
    assert (found.verification_uri, found.interval) == ("https://www.google.com/device", 7)
    assert found.verification_uri_complete == "https://www.google.com/device?c=U"


def test_signing_in_again_is_never_what_a_failed_device_sign_in_raises(
    provider: FakeProvider, waiting: OIDCClient
) -> None:
    provider.token_changes["id_token"] = None
    with pytest.raises(SignInFailedError, match="no ID token") as caught:
        sign_in(waiting)
    assert not isinstance(caught.value, SignInRequiredError)


METADATA = ProviderMetadata(token_endpoint="https://op.example/token", issuer="https://op.example")
DEVICE = DeviceAuthorization("d", "U", "https://op.example/activate", None, 600, 5)


def _scripted(answers: list[str], clock: FakeClock) -> OIDCClient:
    """A client whose token endpoint answers from a list, and then with success."""
    from botocore_cognito_federation.identity_providers import resolve
    from botocore_cognito_federation.oidc.client import Client

    left = list(answers)

    class Scripted(HttpClient):
        def post_form(self, *args: Any, **more: Any) -> HttpAnswer:
            answer = left.pop(0) if left else ""
            if answer == "network":
                raise TemporaryError("unreachable")
            if answer:
                return HttpAnswer("op.example", 400, {}, b'{"error": "%s"}' % answer.encode())
            return HttpAnswer("op.example", 200, {}, b'{"access_token": "a"}')

    return OIDCClient(
        resolve("op.example"),
        Client("c"),
        http=Scripted(),
        clock=Clock(now=clock, monotonic=clock, sleep=clock.sleep),
    )
