from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError
from botocore_cognito_federation.oidc.authorization import (
    AuthorizationRequest,
    NotOurAnswerError,
    authorization_request,
    effective_scopes,
    loopback_redirect,
    query_of_pasted,
    read_answer,
)
from botocore_cognito_federation.oidc.client import OIDCClient
from botocore_cognito_federation.oidc.discovery import ProviderMetadata

METADATA = ProviderMetadata(
    issuer="https://op.example",
    issuers=("https://op.example",),
    authorization_endpoint="https://op.example/authorize?tenant=a",
    token_endpoint="https://op.example/token",
    scopes_supported=frozenset({"openid", "email", "offline_access"}),
)
REQUEST = AuthorizationRequest("u", "r", (), "the-state", "the-nonce", "v" * 43, "https://op.example", True)
GOOD = {"code": "c", "state": "the-state", "iss": "https://op.example"}


@pytest.fixture
def some_client(make_client: Callable[..., OIDCClient]) -> OIDCClient:
    return make_client("op.example")


def asked(request: AuthorizationRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


def test_a_request_has_state_nonce_and_an_s256_challenge_of_its_verifier(some_client: OIDCClient) -> None:
    request = authorization_request(some_client, METADATA, "http://127.0.0.1:8400/callback", login_hint="ada")
    found = asked(request)
    digest = hashlib.sha256(request.code_verifier.encode()).digest()
    assert found["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert found["code_challenge_method"] == "S256"
    assert 43 <= len(request.code_verifier) <= 128
    assert (found["state"], found["nonce"]) == (request.state, request.nonce)
    assert found["redirect_uri"] == "http://127.0.0.1:8400/callback"
    assert found["scope"] == "openid email offline_access"
    assert (found["tenant"], found["response_type"], found["login_hint"]) == ("a", "code", "ada")


def test_no_two_requests_share_a_secret_and_none_shows_one(some_client: OIDCClient) -> None:
    requests = [authorization_request(some_client, METADATA, "r") for _ in range(20)]
    for name in ("state", "nonce", "code_verifier"):
        assert len({getattr(request, name) for request in requests}) == 20
        assert getattr(requests[0], name) not in repr(requests[0])


def test_configured_parameters_are_sent_along(some_client: OIDCClient) -> None:
    oidc_client = replace(some_client, authorization_parameters=(("connection", "corp"), ("prompt", "login")))
    found = asked(authorization_request(oidc_client, METADATA, "r", prompt="consent"))
    assert (found["connection"], found["prompt"]) == ("corp", "login")


@pytest.mark.parametrize("name", ["state", "redirect_uri", "code_challenge", "scope", "response_mode", "request_uri"])
def test_parameters_that_protect_the_sign_in_cannot_be_configured(some_client: OIDCClient, name: str) -> None:
    oidc_client = replace(some_client, authorization_parameters=((name, "x"),))
    with pytest.raises(ConfigurationError, match=f"must not set {name}"):
        authorization_request(oidc_client, METADATA, "r")


def test_configured_scopes_are_taken_as_they_are_but_never_without_openid(some_client: OIDCClient) -> None:
    assert effective_scopes(replace(some_client, scopes=("a", "b")), METADATA) == ("openid", "a", "b")
    assert effective_scopes(replace(some_client, scopes=("b", "openid")), METADATA) == ("b", "openid")


def test_google_gets_offline_access_its_own_way(make_client: Callable[..., OIDCClient]) -> None:
    found = asked(authorization_request(make_client("google"), METADATA, "r"))
    assert found["access_type"] == "offline"
    assert "offline_access" not in found["scope"]
    assert "prompt" not in found


def test_the_code_is_taken_from_a_good_answer() -> None:
    assert read_answer(REQUEST, urlencode(GOOD)) == "c"


@given(st.text(max_size=60))
def test_an_answer_with_any_other_state_belongs_to_another_sign_in(state: str) -> None:
    if state == "the-state":
        return
    for more in ({}, {"error": "access_denied"}):
        with pytest.raises(NotOurAnswerError):
            read_answer(REQUEST, urlencode({**GOOD, **more, "state": state}, errors="replace"))


@given(st.text(max_size=300))
def test_no_query_whatever_breaks_the_reader(query: str) -> None:
    with pytest.raises(SignInFailedError):
        read_answer(REQUEST, query)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iss": None}, "names no issuer"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": "https://op.example/"}, "another issuer"),
        ({"code": None}, "no authorization code"),
        ({"code": ""}, "no authorization code"),
        ({"code": None, "error": "access_denied"}, "access_denied"),
        ({"error": "server_error"}, "server_error"),
    ],
)
def test_an_answer_for_this_sign_in_that_is_invalid_fails_the_sign_in(
    changes: dict[str, str | None], message: str
) -> None:
    query = urlencode({name: value for name, value in {**GOOD, **changes}.items() if value is not None})
    with pytest.raises(SignInFailedError, match=message) as caught:
        read_answer(REQUEST, query)
    assert not isinstance(caught.value, NotOurAnswerError)


def test_a_repeated_parameter_fails_the_sign_in() -> None:
    with pytest.raises(SignInFailedError, match="repeats"):
        read_answer(REQUEST, urlencode(GOOD) + "&code=other")


def test_an_issuer_is_not_missed_where_it_was_not_promised() -> None:
    request = replace(REQUEST, needs_iss=False)
    assert read_answer(request, urlencode({"code": "c", "state": "the-state"})) == "c"
    with pytest.raises(SignInFailedError, match="another issuer"):
        read_answer(request, urlencode({**GOOD, "iss": "https://evil.example"}))


def test_a_description_is_quoted_short_clean_and_without_anything_like_a_token() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9." + "A" * 300
    description = f"No\x1b[31m access\n<b>for</b> {token} the-state " + "really " * 100
    with pytest.raises(SignInFailedError) as caught:
        read_answer(REQUEST, urlencode({**GOOD, "error": "access_denied", "error_description": description}))
    text = str(caught.value)
    assert "No [31m access <b>for</b>" in text
    assert token not in text
    assert "the-state" not in text
    assert len(text) < 450
    assert text.isprintable()


@pytest.mark.parametrize(
    "pasted",
    [
        "http://127.0.0.1:8400/callback?code=c&state=s",
        "  http://127.0.0.1:8400/callback?code=c&\n  state=s  ",
        "'http://127.0.0.1:8400/callback?code=c&state=s#_=_'",
        "?code=c&state=s",
        "code=c&state=s",
    ],
)
def test_a_pasted_url_or_query_is_understood(pasted: str) -> None:
    assert query_of_pasted(pasted) == "code=c&state=s"


@pytest.mark.parametrize(
    "pasted",
    ["", "hello", "https://op.example/consent", "abc123", "https://op.example/auth?response_type=code&state=s&nonce=n"],
)
def test_anything_else_that_is_pasted_is_not(pasted: str) -> None:
    with pytest.raises(ValueError, match="no answer"):
        query_of_pasted(pasted)


@pytest.mark.parametrize(
    ("uri", "expected", "addresses"),
    [
        (None, "http://127.0.0.1:5/callback", ("127.0.0.1",)),
        ("http://127.0.0.1:<port>/callback", "http://127.0.0.1:5/callback", ("127.0.0.1",)),
        ("http://localhost", "http://localhost:5", ("127.0.0.1", "::1")),
        ("http://localhost/auth/cb", "http://localhost:5/auth/cb", ("127.0.0.1", "::1")),
        ("http://[::1]/callback", "http://[::1]:5/callback", ("::1",)),
    ],
)
def test_a_redirect_is_what_is_registered_with_the_port_put_in(
    uri: str | None, expected: str, addresses: tuple[str, ...]
) -> None:
    redirect = loopback_redirect(uri, (5, 6))
    assert redirect.uri(5) == expected
    assert redirect.addresses == addresses
    assert redirect.ports == (5, 6)


def test_a_port_in_the_redirect_is_the_only_one() -> None:
    assert loopback_redirect("http://localhost:9999/x", (5, 6)).ports == (9999,)


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1/callback",
        "http://example.com/callback",
        "http://0.0.0.0/callback",
        "http://127.0.0.1/c?x=y",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/done",
        "callback",
    ],
)
def test_a_redirect_that_is_not_plain_loopback_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="cognito_redirect_uri"):
        loopback_redirect(uri, (5,))
