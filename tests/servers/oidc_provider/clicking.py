"""oidc-provider's own pages, clicked through in a real browser, and the page a sign-in ends on."""

from __future__ import annotations

from pathlib import Path

from tests.servers.chromium import Tab

#: What a page looks like to people: a desktop and a phone, by day and by night.
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
    """As the one who signs in, and allows what is asked for: a refresh token too."""
    enter_password(browser, user)
    consent(browser)


def on_last_page(browser: Tab, title: str) -> str:
    """The words of the page the sign-in ends on."""
    browser.wait_for(f"location.pathname === '/done' && document.title === '{title}'")
    return str(browser.evaluate("document.body.innerText"))


def take_pictures(browser: Tab, folder: Path, name: str) -> None:
    """The page in each size, light and dark; nothing of it stands beyond the edge of the window."""
    for size, (width, height) in SIZES.items():
        browser.resize(width, height)
        shown = {}
        for scheme in ("light", "dark"):
            path = folder / f"{name}-{size}-{scheme}.png"
            browser.screenshot(path, scheme)
            shown[scheme] = path.read_bytes()
        assert shown["light"] != shown["dark"], "light and dark look the same: the style was not applied"
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{size} scrolls sideways"
