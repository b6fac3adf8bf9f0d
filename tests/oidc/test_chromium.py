"""The real sign-in in a real browser: clicks through the pages of providers and checks the last page."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.oidc.authorization import AuthorizationRequest, Redirect, authorization_request
from botocore_cognito_federation.oidc.client import AuthenticationResult, OIDCClient
from botocore_cognito_federation.oidc.flows import sign_in_with_browser
from botocore_cognito_federation.sign_in.browser import PrivatePage
from tests.servers.chromium import Tab, chromium
from tests.servers.oidc_provider import OidcProvider
from tests.servers.oidc_provider.clicking import on_last_page, sign_in_and_consent, take_pictures

pytestmark = pytest.mark.slow


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Tab]:
    with chromium(tmp_path / "profile") as tab:
        yield tab


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The directory of the screenshots; with PICTURES it is not deleted."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def start(
    oidc_client: OIDCClient,
    browser: Tab,
    pool: ThreadPoolExecutor,
    accept: Callable[[AuthenticationResult], None] | None = None,
) -> Future[AuthenticationResult]:
    """Sign in with a browser that gets a private page, as from `login`."""

    def sign_in() -> AuthenticationResult:
        with ExitStack() as pages:

            def open_page(address: str) -> bool:
                page = pages.enter_context(PrivatePage(address, os.environ))
                return browser.go(page.uri)

            return sign_in_with_browser(
                oidc_client, redirect, announce=lambda p: None, open_url=open_page, accept=accept, timeout=90
            )

    redirect = Redirect("127.0.0.1", "/callback", (0,))
    return pool.submit(sign_in)


def test_a_sign_in_clicked_through_ends_on_a_page_that_says_who_signed_in(
    world: World, make_client: Callable[..., OIDCClient], browser: Tab, pictures: Path
) -> None:
    provider = world.provider
    with ThreadPoolExecutor(1) as pool:
        signing_in = start(make_client(provider.issuer, provider.client_id), browser, pool)
        browser.wait_for("document.querySelector('button[value=ada]')")
        take_pictures(browser, pictures, "demo")
        browser.evaluate("document.querySelector('button[value=ada]').click()")
        text = on_last_page(browser, "You are signed in")
        found = signing_in.result(60)
    assert found.refresh_token
    assert "Signed in as Ada Lovelace (ada@example.com)." in text
    entries = browser.command("Page.getNavigationHistory")["entries"]
    assert not [entry["url"] for entry in entries if "code=" in entry["url"]]
    assert browser.evaluate("getComputedStyle(document.querySelector('main')).borderTopWidth") == "4px"
    take_pictures(browser, pictures, "success")


def test_a_second_provider_of_its_own_pages_ends_on_the_same_page(
    certified: OidcProvider, make_client: Callable[..., OIDCClient], browser: Tab
) -> None:
    with ThreadPoolExecutor(1) as pool:
        signing_in = start(make_client(certified.issuer, "native"), browser, pool)
        sign_in_and_consent(browser)
        assert "Signed in as Ada (ada@example.com)." in on_last_page(browser, "You are signed in")
        assert signing_in.result(60).refresh_token


def test_a_sign_in_that_is_refused_ends_on_a_page_that_says_why(
    certified: OidcProvider, make_client: Callable[..., OIDCClient], browser: Tab, pictures: Path
) -> None:
    def refuse(answer: AuthenticationResult) -> None:
        raise SignInFailedError(
            f"{answer.user_label} is not the user this session belongs to",
            remedy="To change the user: cognito-federation login --force",
        )

    with ThreadPoolExecutor(1) as pool:
        signing_in = start(make_client(certified.issuer, "native"), browser, pool, refuse)
        sign_in_and_consent(browser)
        text = on_last_page(browser, "The sign-in did not finish")
        with pytest.raises(SignInFailedError):
            signing_in.result(60)
    assert "Ada (ada@example.com) is not the user this session belongs to." in text
    assert "To change the user: cognito-federation login --force" in text
    take_pictures(browser, pictures, "failure")


def test_cancelling_at_the_provider_is_shown_on_the_last_page(
    world: World, make_client: Callable[..., OIDCClient], browser: Tab
) -> None:
    with ThreadPoolExecutor(1) as pool:
        signing_in = start(make_client(world.provider.issuer, world.provider.client_id), browser, pool)
        browser.wait_for("document.querySelector('button[value=\"\"]')")
        browser.evaluate("document.querySelector('button[value=\"\"]').click()")
        assert "access_denied" in on_last_page(browser, "The sign-in did not finish")
        with pytest.raises(SignInFailedError, match="access_denied"):
            signing_in.result(60)


def test_an_answer_that_comes_in_a_second_browser_is_refused_there_and_ends_nothing(
    certified: OidcProvider,
    make_client: Callable[..., OIDCClient],
    browser: Tab,
    tmp_path: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The provider's address is copied into another browser, as by users or an attacker."""
    asked: list[str] = []

    def noted(*given: Any, **more: Any) -> AuthorizationRequest:
        request = authorization_request(*given, **more)
        asked.append(request.url)
        return request

    monkeypatch.setattr("botocore_cognito_federation.oidc.flows.authorization_request", noted)
    with ThreadPoolExecutor(1) as pool, chromium(tmp_path / "other") as other:
        signing_in = start(make_client(certified.issuer, "native"), browser, pool)
        browser.wait_for("document.querySelector('input[name=login]')")
        other.go(asked[0])
        sign_in_and_consent(other, "grace")
        other.wait_for("document.title === 'Not the browser that began this sign-in'")
        take_pictures(other, pictures, "other-browser")
        assert not signing_in.done()
        sign_in_and_consent(browser)
        on_last_page(browser, "You are signed in")
        assert signing_in.result(60).subject == "ada"


def test_a_reload_of_the_start_page_in_the_same_browser_spoils_nothing_and_a_second_browser_does(
    certified: OidcProvider, make_client: Callable[..., OIDCClient], browser: Tab, tmp_path: Path, pictures: Path
) -> None:
    started: list[str] = []

    def go_twice(address: str) -> bool:
        for _ in range(2):
            browser.go(address)
            browser.wait_for("document.querySelector('input[name=login]')")
        started.append(address)
        return True

    oidc_client, redirect = make_client(certified.issuer, "native"), Redirect("localhost", "", (0,))
    with ThreadPoolExecutor(1) as pool, chromium(tmp_path / "other") as other:
        signing_in = pool.submit(
            sign_in_with_browser, oidc_client, redirect, announce=lambda p: None, open_url=go_twice, timeout=90
        )
        while not started:
            assert not signing_in.done(), signing_in.result()
            time.sleep(0.01)
        other.go(started[0])
        other.wait_for("document.title === 'This sign-in was opened in two browsers'")
        take_pictures(other, pictures, "two-browsers")
        with pytest.raises(SignInFailedError, match="opened in two browsers"):
            signing_in.result(60)
