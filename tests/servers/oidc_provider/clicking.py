"""oidc-provider's own pages, clicked through in a real browser, and the last page of a sign-in."""

from __future__ import annotations

from pathlib import Path

from tests.servers.chromium import Tab

#: The views of a page: a desktop and a phone, light and dark.
SIZES = {"desktop": (900, 640), "phone": (360, 640)}


def enter_password(browser: Tab, user: str = "ada") -> None:
    browser.wait_for("document.querySelector('input[name=login]')")
    browser.evaluate(f"document.querySelector('input[name=login]').value = '{user}'")
    browser.evaluate("document.querySelector('input[name=password]').value = 'x'")
    browser.evaluate("document.querySelector('button[type=submit]').click()")


def consent(browser: Tab) -> None:
    browser.wait_for("document.querySelector('input[name=prompt][value=consent]')")
    browser.evaluate("document.querySelector('button[type=submit]').click()")


def sign_in_and_consent(browser: Tab, user: str = "ada") -> None:
    """Act as the user who signs in, and grant the request, including a refresh token."""
    enter_password(browser, user)
    consent(browser)


def on_last_page(browser: Tab, title: str) -> str:
    """Return the text of the last page of the sign-in."""
    browser.wait_for(f"location.pathname === '/done' && document.title === '{title}'")
    return str(browser.evaluate("document.body.innerText"))


def take_pictures(browser: Tab, folder: Path, name: str) -> None:
    """Yield the page in each size, light and dark; no part of it may exceed the window."""
    for size, (width, height) in SIZES.items():
        browser.resize(width, height)
        shown = {}
        for scheme in ("light", "dark"):
            path = folder / f"{name}-{size}-{scheme}.png"
            browser.screenshot(path, scheme)
            shown[scheme] = path.read_bytes()
        assert shown["light"] != shown["dark"], "light and dark look the same: the style was not applied"
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{size} scrolls sideways"
