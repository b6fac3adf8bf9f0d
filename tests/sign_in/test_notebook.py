"""`login("dev")` in Python: a link in a cell, no terminal."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest
import requests

from botocore_cognito_federation import login
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.oidc.client import OIDCClient, SignInPrompt
from botocore_cognito_federation.oidc.discovery import ProviderMetadata
from botocore_cognito_federation.sign_in.notebook import CellScreen, kernel_display
from tests.servers.oidc_provider.browser import ScriptedBrowser
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough

_LINK = re.compile(r'href="([^"]+)"')


def follow(url: str) -> None:
    """Sign in by a link; where the address is to be pasted, nothing listens at its end."""
    with suppress(requests.ConnectionError):
        ScriptedBrowser().open(url)


@pytest.fixture
def cell(home: SignInHome, monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """A kernel whose cell output is this list; a link there is followed to sign in."""
    import html

    for name, value in home.world.environment(home.path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SSH_TTY", "/dev/pts/0")
    monkeypatch.delenv("CI", raising=False)
    shown: list[Mapping[str, str]] = []

    def display(forms: Mapping[str, str], raw: bool) -> None:
        assert raw
        shown.append(forms)
        link = _LINK.search(forms["text/html"])
        if link:
            url = html.unescape(link.group(1))
            threading.Thread(target=follow, args=(url,), daemon=True).start()

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]  # a stand-in
    module.display = display  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_device_code_is_a_link_in_the_cell(home: SignInHome, cell: list[Mapping[str, str]]) -> None:
    credentials = login("dev", timeout=60)
    assert credentials.identity_id.startswith("eu-west-1:")
    markup = "".join(forms["text/html"] for forms in cell)
    assert "No browser can be opened here" in markup
    assert re.search(r"<code>[A-Z]{4}-[A-Z]{4}</code>", markup)
    assert "Signed in as ada@example.com" in markup
    assert home.run("credential-process").code == 0


def test_a_link_comes_back_to_this_machine_with_no_browser(home: SignInHome, cell: list[Mapping[str, str]]) -> None:
    assert login("dev", no_browser=True, timeout=60).authenticated
    assert "/start/" in "".join(forms["text/html"] for forms in cell)


def test_nothing_of_a_provider_gets_into_the_page_as_markup() -> None:
    shown: list[Mapping[str, str]] = []
    screen = CellScreen(shown.append)
    url = 'https://x.example/?a="><script>alert(1)</script>'
    screen.announce(SignInPrompt("device", url, user_code="<b>A</b>", complete_url=None))
    screen.say("<script>")
    assert all("<script>" not in forms["text/html"] and "<b>" not in forms["text/html"] for forms in shown)


def test_a_kernel_without_input_says_what_to_do_instead_of_pasting() -> None:
    def no_input(prompt: str) -> str:
        raise RuntimeError("raw_input was called, but this frontend does not support input requests")

    screen = CellScreen(lambda forms: None, read=no_input)
    prompt = SignInPrompt("paste", "https://x.example/", has_device_codes=True)
    with pytest.raises(SignInFailedError) as caught:
        screen.ask(prompt)
    way = caught.value.sign_in_again
    assert way is not None
    command = "cognito-federation login --profile dev"
    assert way.by(command, profile="dev") == f"Call login('dev', use_device_code=True), or run in a terminal: {command}"
    with pytest.raises(SignInFailedError) as caught:
        screen.ask(replace(prompt, has_device_codes=False))
    assert caught.value.sign_in_again is not None
    assert caught.value.sign_in_again.by(command, profile="dev") == f"Run in a terminal: {command}"


def test_a_kernel_without_input_and_device_codes_is_sent_to_a_terminal_and_not_in_a_circle(
    home: SignInHome, cell: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_input(prompt: str = "") -> str:
        raise RuntimeError("raw_input was called, but this frontend does not support input requests")

    monkeypatch.setattr("builtins.input", no_input)
    document = ProviderMetadata(
        token_endpoint=f"{home.provider.issuer}/token",
        authorization_endpoint=f"{home.provider.issuer}/auth",
        issuer=home.provider.issuer,
    )
    monkeypatch.setattr(OIDCClient, "metadata", lambda _: document)
    command = "cognito-federation login --profile dev"
    with pytest.raises(SignInFailedError) as pasting:
        login("dev", remote=True, timeout=5)
    assert pasting.value.remedy == f"Run in a terminal: {command}"
    with pytest.raises(ConfigurationError) as by_code:
        login("dev", use_device_code=True, timeout=5)
    calls = "Call login('dev', no_browser=True), or login('dev', remote=True)"
    assert by_code.value.remedy == f"{calls}, or run in a terminal: {command}"


def test_outside_a_kernel_there_is_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: None  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert kernel_display() is None
    monkeypatch.delitem(sys.modules, "IPython")
    assert kernel_display() is None


def test_two_ways_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two ways"):
        login("dev", use_device_code=True, remote=True)


def test_a_sign_in_stored_in_memory_works_in_this_process(home: SignInHome, cell: list[Mapping[str, str]]) -> None:
    home.write(cognito_cache="memory")
    first = login("dev", timeout=60)
    assert fetcher_for(load_settings("dev")).credentials() == first
    assert not list(home.cache.rglob("*.json"))
    assert home.run("login").code == 4
