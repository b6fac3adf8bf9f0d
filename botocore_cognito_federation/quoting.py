"""What others have said or configured, made safe to show."""

from __future__ import annotations

import re


def printable(text: str, limit: int) -> str:
    """Text of another party made safe to show: printable characters only, one line, at most `limit` characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def shown_url(url: str) -> str:
    """A URL that somebody configured, without what may be secret in it: a name and password, and the query."""
    return re.sub(r"(?<=//)[^/]*@", "", url.partition("?")[0])
