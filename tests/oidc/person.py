"""A user with a browser, faster than any person, for sign-ins."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests

from botocore_cognito_federation.oidc.authorization import Redirect
from botocore_cognito_federation.oidc.client import AuthenticationResult, OIDCClient
from botocore_cognito_federation.oidc.flows import sign_in_with_browser


class Browser(Protocol):
    """Opens an address and completes each page until none is left; `visited` holds the addresses."""

    visited: list[str]

    def open(self, url: str) -> requests.Response: ...


@dataclass
class Person:
    """Called as a browser launcher; the browser runs in a thread."""

    browser: Browser
    last: list[requests.Response] = field(default_factory=list)
    thread: threading.Thread | None = None

    def __call__(self, url: str) -> bool:
        self.thread = threading.Thread(target=lambda: self.last.append(self.browser.open(url)), daemon=True)
        self.thread.start()
        return True

    def page(self) -> str:
        """The page at which the browser ended."""
        return self.answer().text

    def answer(self) -> requests.Response:
        assert self.thread is not None
        self.thread.join(60)
        return self.last[-1]


def sign_in(oidc_client: OIDCClient, person: Person, redirect: Redirect, **more: Any) -> AuthenticationResult:
    return sign_in_with_browser(
        oidc_client, redirect, announce=lambda p: None, open_url=person, **{"timeout": 60, **more}
    )
