"""The people of the demo world, and the pages on which they sign in. They are invented and have no passwords."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from .wire import HttpAnswer


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in.

    Attributes:
        subject: the ``sub`` of their tokens.
        name: their name.
        groups: the ``groups`` claim.
    """

    subject: str
    name: str
    groups: tuple[str, ...]

    @property
    def claims(self) -> dict[str, Any]:
        """The claims about them, besides ``sub``."""
        return {"name": self.name, "email": f"{self.subject}@example.com", "groups": list(self.groups)}


PEOPLE = {
    person.subject: person
    for person in (
        Person("ada", "Ada Lovelace", ("developers", "administrators")),
        Person("bob", "Bob Kowalski", ("developers",)),
        Person("zofia", "Žofie Nováková", ("analysts",)),
    )
}

_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_STYLE = """
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { max-width: 30rem; margin: 10vh auto; padding: 0 1rem }
button, input { display: block; width: 100%; margin: .6rem 0; padding: .7rem; font: inherit; box-sizing: border-box }
"""


def page(title: str, body: str, status: int = 200, *headers: tuple[str, str]) -> HttpAnswer:
    """Return a page. `body` is HTML, `title` text."""
    text = (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n{body}</main></body>\n</html>\n"
    )
    return HttpAnswer(status, (*_HEADERS, *headers), text.encode(), "" if status < 400 else str(status))


def said(title: str, text: str, status: int = 200, *headers: tuple[str, str]) -> HttpAnswer:
    """Return a page with one paragraph."""
    return page(title, f"<p>{escape(text)}</p>\n", status, *headers)


def choice(action: str, hidden: dict[str, str], client_id: str, *, first: str = "", signed_in: str = "") -> str:
    """Return the form in which somebody is chosen, or the sign-in is refused.

    Args:
        action: where the form is sent.
        hidden: its hidden fields.
        client_id: the application that asks.
        first: the subject of the person who stands first.
        signed_in: the subject of the person who is signed in at the provider in this browser.
    """
    order = sorted(PEOPLE.values(), key=lambda person: person.subject not in (first or signed_in))
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n' for name, value in hidden.items()
    )
    buttons = "".join(
        f'<button name="person" value="{person.subject}">'
        f"{'Continue' if person.subject == signed_in else 'Sign in'} as {escape(person.name)}</button>\n"
        for person in order
    )
    return (
        f"<p>The application <b>{escape(client_id)}</b> on this computer asks who you are."
        " These people are invented, and have no passwords.</p>\n"
        f'<form method="post" action="{escape(action)}">\n{fields}{buttons}'
        '<button name="person" value="">Refuse</button>\n</form>\n'
    )


def code_form(action: str, user_code: str) -> str:
    """Return the form for the code that a device shows."""
    return (
        "<p>Enter the code that the program on the other device shows.</p>\n"
        f'<form method="get" action="{escape(action)}">\n'
        f'<input name="user_code" value="{escape(user_code)}" autofocus autocomplete="off">\n'
        "<button>Continue</button>\n</form>\n"
    )
