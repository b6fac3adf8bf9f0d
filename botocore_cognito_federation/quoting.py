"""Words of another party, made safe to show."""

from __future__ import annotations


def printable(text: str, limit: int) -> str:
    """Text of another party made safe to show: printable characters only, one line, at most `limit` characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
