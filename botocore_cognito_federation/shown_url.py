"""A URL as messages show it."""

from __future__ import annotations

import re


def shown_url(url: str) -> str:
    """A URL that somebody configured, without what may be secret in it: a name and password, and the query."""
    return re.sub(r"(?<=//)[^/]*@", "", url.partition("?")[0])
