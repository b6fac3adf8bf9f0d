"""A scripted browser: plain HTTP with cookies, filling in the forms of oidc-provider's own pages."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import requests

_FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.S)
_INPUT = re.compile(r"<input([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_BUTTON = re.compile(r"<button([^>]*)>")
_REFRESH = re.compile(r'<meta http-equiv="refresh" content="0;url=([^"]*)">')
_ABORT = re.compile(r'<a href="([^"]*/abort)"')


def followed(url: str) -> str:
    """Return where a page in a local file redirects a browser; any other address is returned unchanged."""
    if urlsplit(url).scheme != "file":
        return url
    page = Path(unquote(urlsplit(url).path)).read_text(encoding="utf-8")
    refresh = _REFRESH.search(page)
    assert refresh, page
    return html.unescape(refresh.group(1))


@dataclass
class ScriptedBrowser:
    """Follows redirects itself, so that `visited` has every address.

    Attributes:
        login: the user; a page that asks who it is has a button with this value.
        hosts: further hosts that it may visit, which are on this machine too.
    """

    login: str = "ada"
    session: requests.Session = field(default_factory=requests.Session)
    visited: list[str] = field(default_factory=list)
    cancels: bool = False
    hosts: tuple[str, ...] = ()

    def open(self, url: str) -> requests.Response:
        """Open `url` and continue, through sign-in and consent, until a page has no form."""
        answer = self._get(followed(url))
        for _ in range(30):
            if answer.is_redirect:
                answer = self._get(urljoin(answer.url, answer.headers["location"]))
                continue
            if self.cancels and (abort := _ABORT.search(answer.text)):
                answer = self._get(urljoin(answer.url, html.unescape(abort.group(1))))
                continue
            form = _FORM.search(answer.text)
            if form is None or answer.status_code >= 400:
                return answer
            answer = self._submit(answer, form.group(1), form.group(2))
        raise AssertionError(f"no end after {self.visited}")

    def _get(self, url: str) -> requests.Response:
        assert urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1", *self.hosts), url
        self.visited.append(url)
        return self.session.get(url, allow_redirects=False, timeout=90)

    def _submit(self, answer: requests.Response, head: str, body: str) -> requests.Response:
        action = dict(_ATTRIBUTE.findall(head)).get("action", answer.url)
        fields = {}
        for found in _INPUT.findall(body):
            attributes = dict(_ATTRIBUTE.findall(found))
            if "name" in attributes:
                fields[attributes["name"]] = html.unescape(attributes.get("value", ""))
        for found in _BUTTON.findall(body):
            attributes = dict(_ATTRIBUTE.findall(found))
            if attributes.get("value") == self.login:
                fields[attributes["name"]] = self.login
        if "login" in fields:
            fields |= {"login": self.login, "password": "secret"}
        target = urljoin(answer.url, html.unescape(action))
        self.visited.append(target)
        return self.session.post(target, data=fields, allow_redirects=False, timeout=90)
