from __future__ import annotations

import base64
import hashlib
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Response

from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError, StorageError, TemporaryError
from botocore_cognito_federation.identity_providers import Endpoints, resolve
from botocore_cognito_federation.oidc.authorization import Redirect
from botocore_cognito_federation.oidc.client import AuthenticationResult, Client, OIDCClient, SignInPrompt
from botocore_cognito_federation.oidc.flows import sign_in_with_browser, sign_in_with_paste
from tests.oidc.conftest import Tab
from tests.oidc.fake_provider import FakeProvider, SigningKey, hmac_signed, refusal, unsigned

pytestmark = pytest.mark.thorough

EPHEMERAL = Redirect("127.0.0.1", "/callback", (0,))


def sign_in(oidc_client: OIDCClient, tab: Callable[[str], bool] | None, **more: Any) -> AuthenticationResult:
    more = {"announce": lambda prompt: None, "timeout": 20, **more}
    return sign_in_with_browser(oidc_client, EPHEMERAL, open_url=tab, **more)


def test_a_sign_in_ends_with_verified_tokens_and_a_page_that_names_the_user(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    shown: list[SignInPrompt] = []
    accepted: list[AuthenticationResult] = []
    found = sign_in(oidc_client, tab, announce=shown.append, accept=accepted.append)
    assert (found.subject, found.issuer, found.refresh_token) == ("user-1", provider.issuer, "the-refresh-token")
    assert found.login_token == found.id_token
    assert accepted == [found]
    assert "Ada (ada@example.com)" in tab.page().text
    assert "code=" not in tab.page().url
    assert (shown[0].kind, shown[0].browser_opened) == ("browser", True)
    assert urlsplit(shown[0].url).path.startswith("/start/")


def test_the_exchange_sends_the_verifier_of_the_challenge_and_the_same_redirect(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    sign_in(oidc_client, tab)
    form, request = provider.asked[-1][1], provider.authorizations[-1]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == request["code_challenge"]
    assert form["redirect_uri"] == request["redirect_uri"]


def test_a_browser_launcher_never_sees_the_real_address(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    launched: list[str] = []

    def launcher(url: str) -> bool:
        launched.append(url)
        return tab(url)

    sign_in(oidc_client, launcher)
    assert not parse_qs(urlsplit(launched[0]).query)
    assert urlsplit(launched[0]).path.startswith("/start/")


def test_without_a_browser_the_printed_url_works_by_itself(oidc_client: OIDCClient, tab: Tab) -> None:
    assert sign_in(oidc_client, None, announce=lambda prompt: tab(prompt.url) and None).subject == "user-1"


def test_a_launcher_that_cannot_start_does_not_end_the_sign_in(oidc_client: OIDCClient, tab: Tab) -> None:
    def broken(url: str) -> bool:
        raise FileNotFoundError

    def announce(prompt: SignInPrompt) -> None:
        assert not prompt.browser_opened
        tab(prompt.url)

    assert sign_in(oidc_client, broken, announce=announce).subject == "user-1"


def test_tampered_state_is_ignored_and_the_sign_in_times_out(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.redirect_changes["state"] = "tampered"
    with pytest.raises(SignInFailedError, match="The sign-in was not finished"):
        sign_in(oidc_client, tab, timeout=1)
    assert not provider.asked
    assert "another sign-in" in tab.page().text


@pytest.mark.parametrize(("issuer", "message"), [(None, "names no issuer"), ("https://evil.example", "another issuer")])
def test_a_missing_or_wrong_iss_is_refused_before_the_code_is_spent(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab, issuer: str | None, message: str
) -> None:
    provider.redirect_changes["iss"] = issuer
    with pytest.raises(SignInFailedError, match=message):
        sign_in(oidc_client, tab)
    assert not provider.asked
    assert "did not finish" in tab.page().text


def spoil_nonce(provider: FakeProvider, other: SigningKey) -> None:
    provider.claim_changes["nonce"] = "wrong"


def spoil_signature(provider: FakeProvider, other: SigningKey) -> None:
    provider.key = SigningKey(provider.key.kid, other.private)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(spoil_nonce, r"another sign-in \(nonce\)"), (spoil_signature, "not the provider's")],
)
def test_a_wrong_nonce_or_a_foreign_signature_is_refused_and_the_page_says_so(
    provider: FakeProvider,
    oidc_client: OIDCClient,
    tab: Tab,
    other_rsa_key: SigningKey,
    spoil: Callable[[FakeProvider, SigningKey], None],
    message: str,
) -> None:
    spoil(provider, other_rsa_key)
    with pytest.raises(SignInFailedError, match=message):
        sign_in(oidc_client, tab)
    assert "did not finish" in tab.page().text
    assert "You are signed in" not in tab.page().text


@pytest.mark.parametrize("kind", ["none", "HS256"])
def test_alg_none_and_hs256_with_the_public_key_are_refused(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab, kind: str
) -> None:
    claims = provider.claims()
    provider.id_token = unsigned(claims) if kind == "none" else hmac_signed(claims, provider.key.pem(), "key-1")
    with pytest.raises(SignInFailedError, match=f"'{kind}', which proves nothing"):
        sign_in(oidc_client, tab)
    assert "proves nothing" in tab.page().text


def test_keys_that_rotate_between_two_sign_ins_are_found(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab, other_rsa_key: SigningKey
) -> None:
    sign_in(oidc_client, tab)
    provider.key, provider.published = other_rsa_key, [other_rsa_key.jwk()]
    with pytest.raises(SignInFailedError, match="does not publish"):
        sign_in(oidc_client, tab)
    later = replace(oidc_client, clock=replace(oidc_client.clock, now=lambda: time.time() + 61))
    assert sign_in(later, tab).subject == "user-1"
    assert provider.jwks_fetches == 2


def test_a_token_endpoint_that_redirects_elsewhere_is_not_followed(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/elsewhere").respond_with_json({})
    provider.token_responses.append(Response(status=307, headers={"Location": f"{provider.issuer}/elsewhere"}))
    with pytest.raises(ConfigurationError, match="redirects are not followed"):
        sign_in(oidc_client, tab)
    assert not [request for request, _ in httpserver.log if request.path == "/elsewhere"]
    assert "redirects are not followed" in tab.page().text


def test_a_provider_that_is_down_at_the_exchange_is_temporary_and_shown(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.token_responses.append(Response("", status=503))
    with pytest.raises(TemporaryError):
        sign_in(oidc_client, tab)
    assert "answered 503" in tab.page().text


def test_the_users_no_is_shown_with_what_to_do(provider: FakeProvider, oidc_client: OIDCClient, tab: Tab) -> None:
    provider.redirect_changes |= {"code": None, "error": "access_denied", "error_description": "<b>no</b>"}
    with pytest.raises(SignInFailedError, match="access_denied: <b>no</b>"):
        sign_in(oidc_client, tab)
    assert "access_denied: &lt;b&gt;no&lt;/b&gt;" in tab.page().text


def test_what_the_caller_refuses_is_refused_on_the_page_too(oidc_client: OIDCClient, tab: Tab) -> None:
    def other_user(answer: AuthenticationResult) -> None:
        raise SignInFailedError("Ada is not the user who was signed in", remedy="Use --force")

    with pytest.raises(SignInFailedError, match="--force"):
        sign_in(oidc_client, tab, accept=other_user)
    assert "Ada is not the user" in tab.page().text
    assert "Use <span>--force</span>" in tab.page().text


def test_a_store_that_breaks_in_an_unexpected_way_still_ends_the_page(oidc_client: OIDCClient, tab: Tab) -> None:
    def broken(answer: AuthenticationResult) -> None:
        raise RuntimeError("secret detail")

    with pytest.raises(RuntimeError):
        sign_in(oidc_client, tab, accept=broken)
    assert "stopped before its end" in tab.page().text
    assert "secret detail" not in tab.page().text


def test_two_browsers_at_the_start_page_end_the_sign_in(oidc_client: OIDCClient) -> None:
    def read_twice(url: str) -> bool:
        for _ in range(2):
            requests.get(url, allow_redirects=False, timeout=10)
        return True

    with pytest.raises(SignInFailedError, match="opened in two browsers"):
        sign_in(oidc_client, read_twice)


def test_another_user_who_is_first_at_the_start_page_and_finishes_is_found_out_when_the_own_browser_comes(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    stored: list[AuthenticationResult] = []
    start: list[str] = []

    def other_user(url: str) -> bool:
        start.append(url)
        return tab(url)

    def own_browser_comes_late(answer: Any) -> None:
        assert requests.get(start[0], allow_redirects=False, timeout=10).status_code == 410

    # While the other user's code is being exchanged, the intended browser opens the start page.
    provider.on_token = own_browser_comes_late
    with pytest.raises(SignInFailedError, match="opened in two browsers"):
        sign_in(oidc_client, other_user, accept=stored.append)
    assert not stored
    assert "opened in two browsers" in tab.page().text


def test_who_has_state_and_code_but_not_the_cookie_cannot_sign_in(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    """Even an attacker who reads every address of the browser, as in a proxy's log, cannot answer for it."""

    def eavesdropped(url: str) -> bool:
        first = requests.get(url, allow_redirects=False, timeout=10)
        answer = requests.get(first.headers["Location"], allow_redirects=False, timeout=10).headers["Location"]
        refused = requests.get(answer, timeout=10)
        assert refused.status_code == 403
        assert "Not the browser" in refused.text
        return True

    with pytest.raises(SignInFailedError, match="The sign-in was not finished"):
        sign_in(oidc_client, eavesdropped, timeout=0.5)
    assert not provider.asked


def test_ctrl_c_is_immediate_and_frees_the_port(oidc_client: OIDCClient) -> None:
    ports: list[int] = []

    def interrupt(prompt: SignInPrompt) -> None:
        ports.append(urlsplit(prompt.url).port or 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sign_in(oidc_client, None, announce=interrupt)
    socket.create_server(("127.0.0.1", ports[0])).close()


INTERRUPTED = """
import sys
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.client import Client, OIDCClient
from botocore_cognito_federation.oidc.authorization import Redirect
from botocore_cognito_federation.oidc.flows import sign_in_with_browser
party = OIDCClient(resolve(sys.argv[1]), Client("client-1"))
redirect = Redirect("127.0.0.1", "/callback", (0,))
try:
    sign_in_with_browser(party, redirect, announce=lambda p: print("waiting", flush=True), open_url=None, timeout=600)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send on Windows")
def test_a_real_ctrl_c_ends_a_waiting_process_without_a_word_on_stderr(provider: FakeProvider) -> None:
    command = [sys.executable, "-c", INTERRUPTED, provider.issuer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


def test_a_cancelled_sign_in_frees_the_port_and_says_so(oidc_client: OIDCClient) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SignInFailedError, match="cancelled"):
        sign_in(oidc_client, None, cancel=cancel)


def wants_consent(provider: FakeProvider, oidc_client: OIDCClient) -> OIDCClient:
    """Like Google: no `offline_access`, and a refresh token only at the first consent."""
    like_google = replace(oidc_client.provider, authorization_parameters=(("access_type", "offline"),))
    return replace(oidc_client, provider=like_google)


def with_offline_access(provider: FakeProvider, prompts: list[str] | None) -> None:
    provider.discovery_changes |= {"scopes_supported": ["openid", "offline_access"], "prompt_values_supported": prompts}


@pytest.mark.parametrize("prompts", [None, ["none", "login", "consent"]])
def test_a_provider_that_gives_offline_access_only_with_consent_is_asked_for_it_at_once(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab, prompts: list[str] | None
) -> None:
    provider.strict_consent = True
    with_offline_access(provider, prompts)
    assert sign_in(oidc_client, tab).refresh_token == "the-refresh-token"
    assert [request.get("prompt") for request in provider.authorizations] == ["consent"]


def test_a_provider_that_knows_no_consent_prompt_or_needs_none_is_not_asked_for_it(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    with_offline_access(provider, ["none", "login"])
    assert sign_in(oidc_client, tab).refresh_token
    with_offline_access(provider, None)
    needs_none = replace(oidc_client, provider=replace(oidc_client.provider, asks_consent_for_refresh_token=False))
    assert sign_in(needs_none, tab).refresh_token
    assert [request.get("prompt") for request in provider.authorizations] == [None, None]


def test_a_prompt_that_is_configured_is_the_one_that_is_sent(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    with_offline_access(provider, None)
    sign_in(replace(oidc_client, authorization_parameters=(("prompt", "select_account"),)), tab)
    assert [request.get("prompt") for request in provider.authorizations] == ["select_account"]


def test_entra_gives_refresh_tokens_without_a_consent_that_administrators_reserve() -> None:
    assert not resolve("login.microsoftonline.com/tenant/v2.0").asks_consent_for_refresh_token
    assert resolve("login.microsoftonline.com.example.com").asks_consent_for_refresh_token


def test_an_error_on_the_providers_own_page_ends_with_what_to_do_about_it(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.strict_consent = True
    with_offline_access(provider, None)
    oidc_client = replace(oidc_client, authorization_parameters=(("prompt", "login"),))
    with pytest.raises(SignInFailedError, match="The sign-in was not finished") as caught:
        sign_in(oidc_client, tab, timeout=0.5)
    assert "set cognito_auth_params = prompt=consent" in caught.value.remedy
    assert "register http://127.0.0.1/callback" in caught.value.remedy


def test_a_user_at_a_page_that_never_returns_is_told_what_helps(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore_cognito_federation.oidc.flows.ANSWER_TIME", 0.0)
    provider.strict_consent = True
    with_offline_access(provider, ["login"])
    shown: list[SignInPrompt] = []
    with pytest.raises(SignInFailedError, match="The sign-in was not finished"):
        sign_in(oidc_client, tab, timeout=1, announce=shown.append)
    assert [prompt.stalled for prompt in shown] == ["", "unanswered"]
    assert "prompt=consent" in shown[1].helps


def test_a_browser_that_does_not_come_is_reported_and_its_file_given_up(
    oidc_client: OIDCClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BROWSER_PATIENCE", "BROWSER_TIME"):
        monkeypatch.setattr(f"botocore_cognito_federation.oidc.flows.{name}", 0.0)
    shown: list[SignInPrompt] = []
    given_up: list[bool] = []
    with pytest.raises(SignInFailedError, match="The sign-in was not finished"):
        sign_in(
            oidc_client, lambda url: True, timeout=0.1, announce=shown.append, arrived=lambda: given_up.append(True)
        )
    assert [prompt.stalled for prompt in shown] == ["", "unopened"]
    assert shown[0].url == shown[1].url
    assert given_up == [True]


def test_a_missing_refresh_token_is_asked_for_with_consent_in_the_same_tab(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.token_changes_in_turn = [{"refresh_token": None}, {"refresh_token": "second-refresh-token"}]
    found = sign_in(wants_consent(provider, oidc_client), tab)
    assert found.refresh_token == "second-refresh-token"
    assert [request.get("prompt") for request in provider.authorizations] == [None, "consent"]
    assert provider.authorizations[1]["login_hint"] == "ada@example.com"
    assert len(tab.pages) == len(tab.threads) == 1
    assert "You are signed in" in tab.page().text


def test_consent_that_is_refused_leaves_the_first_sign_in_standing(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.token_changes["refresh_token"] = None
    provider.redirect_changes_in_turn = [{}, {"code": None, "error": "access_denied"}]
    found = sign_in(wants_consent(provider, oidc_client), tab)
    assert found.refresh_token is None
    assert len(provider.authorizations) == 2
    assert len(provider.asked) == 1
    assert "You are signed in" in tab.page().text


def test_a_second_round_that_signs_in_another_user_is_not_accepted(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.token_changes_in_turn = [{"refresh_token": None}, {}]
    provider.claim_changes_in_turn = [{}, {"sub": "user-2"}]
    found = sign_in(wants_consent(provider, oidc_client), tab)
    assert (found.subject, found.refresh_token) == ("user-1", None)
    assert len(provider.asked) == 2


def test_no_second_round_where_a_prompt_is_configured_or_nothing_offline_was_asked(
    provider: FakeProvider, oidc_client: OIDCClient, tab: Tab
) -> None:
    provider.token_changes["refresh_token"] = None
    assert sign_in(oidc_client, tab).refresh_token is None
    with_prompt = replace(wants_consent(provider, oidc_client), authorization_parameters=(("prompt", "login"),))
    assert sign_in(with_prompt, tab).refresh_token is None
    assert len(provider.authorizations) == 2


def test_a_provider_with_access_tokens_signs_in_and_names_the_user(
    provider: FakeProvider, httpserver: HTTPServer, tab: Tab
) -> None:
    httpserver.expect_request("/me", headers={"Authorization": "Bearer the-access-token"}).respond_with_json(
        {"user_id": "amzn1.account.A", "name": "Ada", "email": "ada@example.com"}
    )
    local = Endpoints(f"{provider.issuer}/authorize", f"{provider.issuer}/token", f"{provider.issuer}/me", "user_id")
    found = sign_in(OIDCClient(replace(resolve("amazon"), endpoints=local), Client("c", "s")), tab)
    assert (found.login_token, found.subject) == ("the-access-token", "amzn1.account.A")
    assert found.expires_at is not None
    assert "nonce" not in provider.authorizations[0]
    assert "Ada (ada@example.com)" in tab.page().text


def test_a_user_info_that_fails_does_not_fail_the_sign_in(provider: FakeProvider, tab: Tab) -> None:
    local = Endpoints(f"{provider.issuer}/authorize", f"{provider.issuer}/token", f"{provider.issuer}/none", "id")
    found = sign_in(OIDCClient(replace(resolve("amazon"), endpoints=local), Client("c", "s")), tab)
    assert found.claims == {}


@pytest.mark.parametrize(
    ("claims", "label"),
    [
        ({"name": "Ada", "email": "ada@example.com", "sub": "1"}, "Ada (ada@example.com)"),
        ({"name": "ada@example.com", "email": "ada@example.com"}, "ada@example.com"),
        ({"preferred_username": "ada", "sub": "1"}, "ada"),
        ({"email": "ada@example.com"}, "ada@example.com"),
        ({"name": " ", "sub": "1"}, "1"),
        ({"name": "A\x1b]0;pwned\x07da\n", "sub": "1"}, "A ]0;pwned da"),
        ({"name": ["x"], "sub": 1}, "an unnamed user"),
        ({"name": "A" * 5000}, "A" * 99 + "…"),
    ],
)
def test_the_user_is_named_as_the_provider_says_and_safely_for_a_terminal(claims: dict[str, Any], label: str) -> None:
    assert AuthenticationResult("id_token", "t", None, None, None, claims, "i").user_label == label


def paste(url: str) -> str:
    """Return the final content of the address bar, on a machine where nothing listens."""
    found = requests.get(url, allow_redirects=False, timeout=10).headers["Location"]
    return str(found)


@pytest.mark.parametrize("shape", ["{}", "  {}\n", "?{query}"])
def test_the_pasted_address_signs_in(oidc_client: OIDCClient, shape: str) -> None:
    def ask(prompt: SignInPrompt) -> str:
        url = paste(prompt.url)
        return shape.format(url, query=urlsplit(url).query)

    assert sign_in_with_paste(oidc_client, "http://127.0.0.1:8400/callback", ask=ask).subject == "user-1"


def test_paste_asks_again_for_what_holds_no_answer_and_gives_up_in_the_end(oidc_client: OIDCClient) -> None:
    answers = iter(["", "what?"])
    found = sign_in_with_paste(
        oidc_client, "https://example.com/cb", ask=lambda prompt: next(answers, None) or (paste(prompt.url))
    )
    assert found.subject == "user-1"
    with pytest.raises(SignInFailedError, match="not the address"):
        sign_in_with_paste(oidc_client, "https://example.com/cb", ask=lambda prompt: "nothing")


def test_a_pasted_answer_of_another_sign_in_is_refused(provider: FakeProvider, oidc_client: OIDCClient) -> None:
    provider.redirect_changes["state"] = "other"
    with pytest.raises(SignInFailedError, match="state"):
        sign_in_with_paste(oidc_client, "https://example.com/cb", ask=lambda prompt: paste(prompt.url))
    assert not provider.asked


def test_what_accept_raises_fails_a_pasted_sign_in_too(oidc_client: OIDCClient) -> None:
    def read_only(answer: AuthenticationResult) -> None:
        raise StorageError("read-only")

    with pytest.raises(StorageError):
        sign_in_with_paste(oidc_client, "https://e.example/cb", ask=lambda prompt: paste(prompt.url), accept=read_only)


def test_no_secret_of_a_sign_in_reaches_logs_repr_or_errors(
    provider: FakeProvider, make_client: Callable[..., OIDCClient], tab: Tab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "werkzeug")  # the provider's own log
    oidc_client = make_client(provider.issuer, secret="the-client-secret")
    shown: list[str] = []
    found = sign_in(oidc_client, tab, announce=lambda prompt: shown.append(repr(prompt)))
    provider.token_responses.append(refusal("invalid_grant", error_description="the-code of the-client-secret"))
    with pytest.raises(SignInFailedError) as caught:
        sign_in(oidc_client, tab)
    shown += [caplog.text, repr(found), repr(oidc_client), "".join(traceback.format_exception(caught.value))]
    secrets = ["the-code", "the-access-token", "the-refresh-token", "the-client-secret", found.login_token]
    secrets += [form[1]["code_verifier"] for form in provider.asked]
    secrets += [request[name] for request in provider.authorizations for name in ("state", "nonce")]
    assert not [secret for secret in secrets for text in shown if secret in text]
