"""A browser as a program, for machines without one: it signs somebody in on the demo's pages by plain HTTP.

``python scripted_browser.py PERSON ADDRESS`` opens an address as a browser would, chooses the person on the page that
asks who it is (an empty name refuses), and prints the title of the page at which it ends. It needs the standard library
only, speaks to loopback only, and imports nothing of this package, which would take longer than all the rest.
"""

from __future__ import annotations

import http.cookiejar
import sys
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode, urljoin, urlsplit

_MOST_PAGES = 10
_SECONDS = 60


class _Page(HTMLParser):
    """What a browser would see of a page: its title, where it sends the browser, and its form."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = self.refresh = self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self._in_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        if tag == "meta" and found.get("http-equiv") == "refresh":
            self.refresh = found.get("content", "").partition("url=")[2]
        elif tag == "form":
            self.action = found.get("action", "")
        elif tag == "input" and "name" in found:
            self.fields[found["name"]] = found.get("value", "")
        elif tag == "button" and "name" in found:
            self.buttons.append((found["name"], found.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title, self._in_title = data.strip(), False


def sign_in(person: str, address: str) -> str:
    """Sign in and return the title of the last page.

    Args:
        person: the value of the button to press.
        address: http on loopback, or a file whose page leads there.

    Raises:
        ValueError: an address is not on this machine, a page has no button for the person, or there is no end.
        OSError: a page cannot be had.
    """
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
    form: bytes | None = None
    for _ in range(_MOST_PAGES):
        address, page = _opened(opener, address, form)
        form = None
        if page.refresh:
            address = urljoin(address, page.refresh)
        elif page.buttons:
            if ("person", person) not in page.buttons:
                raise ValueError(f"the page {page.title!r} has no button for {person!r}")
            form = urlencode({**page.fields, "person": person}).encode()
            address = urljoin(address, page.action)
        else:
            return page.title
    raise ValueError(f"no end after {_MOST_PAGES} pages")


def _opened(opener: urllib.request.OpenerDirector, address: str, form: bytes | None) -> tuple[str, _Page]:
    parts = urlsplit(address)
    if parts.scheme == "file":
        return address, _Page(Path(unquote(parts.path)).read_text(encoding="utf-8"))
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError("an address that is not on this machine")
    try:
        with opener.open(address, form, timeout=_SECONDS) as answer:
            return answer.url, _Page(answer.read().decode("utf-8", "replace"))
    except HTTPError as refused:
        return address, _Page(refused.read().decode("utf-8", "replace"))


if __name__ == "__main__":
    sys.stdout.write(f"{sign_in(sys.argv[1], sys.argv[2])}\n")
