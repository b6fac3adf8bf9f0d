"""The pages of the callback server: plain, self-contained, readable in light and dark, everything escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from .._util.loopback import Response
from ..messages import printable

Mood = Literal["good", "bad", "neutral"]

_STYLE = """
:root { color-scheme: light dark; --paper: #f4f5f7; --card: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d5d9df;
  --good: #1a7f37; --bad: #c0262d; --neutral: #57606a; }
@media (prefers-color-scheme: dark) { :root { --paper: #0e1116; --card: #171b22; --ink: #e8ebef; --soft: #9ba5b1;
  --line: #2d333c; --good: #4cc26a; --bad: #ff7b72; --neutral: #9ba5b1; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center; padding: 1.5rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif; }
main { width: 100%; max-width: 34rem; background: var(--card); border: 1px solid var(--line);
  border-top: 4px solid var(--tone); border-radius: 10px; padding: 2rem 2.25rem 1.5rem; overflow-wrap: anywhere; }
.good { --tone: var(--good); } .bad { --tone: var(--bad); } .neutral { --tone: var(--neutral); }
h1 { display: flex; gap: .6rem; margin: 0 0 1rem; font-size: 1.45rem; line-height: 1.3; font-weight: 600; }
h1 span { color: var(--tone); }
p { margin: 0 0 .9rem; }
p strong { font-weight: 600; }
.remedy { border-left: 3px solid var(--tone); padding-left: .9rem; }
.remedy span { white-space: nowrap; }
footer { margin-top: 1.5rem; padding-top: .9rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .85rem; }
@media (max-width: 30rem) { body { padding: 1rem; } main { padding: 1.5rem 1.25rem 1.25rem; } }
"""

#: An option of a command in escaped text; a browser would break the line after its dashes.
_COMMAND_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
_MARK = {"good": "✓", "bad": "✕", "neutral": "…"}


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        title: the heading, and the name of the tab.
        lead: what happened, one or two sentences.
        emphasis: shown in bold after `lead`: the user who signed in.
        remedy: what to do; may be empty.
        closing: the last line of the text.
    """

    mood: Mood
    title: str
    lead: str
    emphasis: str = ""
    remedy: str = ""
    closing: str = "You can close this tab and return to where you started the sign-in."


def signed_in(user: str) -> Page:
    """The sign-in worked; `user` as the provider named them."""
    return Page("good", "You are signed in", "Signed in as", emphasis=printable(user, 200))


def failed(what: str, remedy: str) -> Page:
    """The sign-in did not finish."""
    # No full stop after the remedy: it often ends in a command, which people copy.
    return Page("bad", "The sign-in did not finish", f"{printable(what, 2000)}.", remedy=printable(remedy, 2000))


WORKING = Page(
    "neutral",
    "Still working",
    "The identity provider has answered, and the sign-in is being completed.",
    closing="Look at where you started the sign-in for how it ends; you can close this tab.",
)
NOTHING_HERE = Page(
    "neutral",
    "Nothing to see here",
    "This address only waits for the end of a sign-in that was started on this machine.",
    closing="You can close this tab.",
)
OTHER_SIGN_IN = Page(
    "bad",
    "Not the sign-in that is waiting",
    "This answer belongs to another sign-in, perhaps an older one, and was ignored.",
    remedy="Finish the sign-in in its newest tab, or start it again.",
    closing="You can close this tab.",
)
USED = Page(
    "bad",
    "This sign-in was opened in two browsers",
    "The sign-in was stopped: its address belongs to the one browser that opens it first, and another one did.",
    remedy="Start the sign-in again and open it in one browser only.",
)
NOT_THIS_BROWSER = Page(
    "bad",
    "Not the browser that began this sign-in",
    "This browser did not open the address of the sign-in, or it stores no cookies for this machine. Its answer was"
    " ignored, and the sign-in still waits.",
    remedy="Finish in the browser in which the sign-in began. If there is none, open the address that is shown where"
    " you started the sign-in, and allow cookies.",
    closing="You can close this tab.",
)


def render(page: Page) -> bytes:
    """The page as UTF-8 HTML."""
    e = html.escape
    emphasis = f" <strong>{e(page.emphasis)}</strong>." if page.emphasis else ""
    steps = _COMMAND_OPTION.sub(r"<span>\g<0></span>", e(page.remedy))
    remedy = f'\n<p class="remedy">{steps}</p>' if steps else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{e(page.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main class="{page.mood}">
<h1><span aria-hidden="true">{_MARK[page.mood]}</span>{e(page.title)}</h1>
<p>{e(page.lead)}{emphasis}</p>{remedy}
<p>{e(page.closing)}</p>
<footer>cognito-federation, on this machine</footer>
</main>
</body>
</html>
""".encode("utf-8", "replace")


def response(
    status: HTTPStatus,
    page: Page | None = None,
    *,
    location: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    sent: Callable[[], None] | None = None,
) -> Response:
    """The answer that shows a page, or redirects to `location`.

    Args:
        headers: further ones.
        sent: called once it is on its way.
    """
    return Response(
        status,
        b"" if page is None else render(page),
        content_type="text/html; charset=utf-8",
        location=location,
        policy=_policy(),
        headers=(("Cross-Origin-Opener-Policy", "same-origin"), *headers),
        sent=sent,
    )


@functools.cache
def _policy() -> str:
    """The pages fetch nothing and run nothing; their one style is allowed by its digest."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
