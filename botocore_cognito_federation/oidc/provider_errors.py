"""What a provider says when it refuses (RFC 6749, sections 4.1.2.1 and 5.2), made safe to show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._util.http import HttpAnswer
from ..messages import printable

# A description may quote what was sent, and a code, token or assertion is a long run of these characters.
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_\-.~+/=|%]{40,}")


@dataclass(frozen=True)
class ProviderError:
    """An OAuth error answer.

    Attributes:
        code: the provider's error code (`invalid_grant`), empty where there was none.
        description: its description, without anything that looks like a token, at most 200 characters.
    """

    code: str
    description: str = ""

    def __str__(self) -> str:
        code = self.code or "no error code"
        return f"{code}: {self.description}" if self.description else code


def provider_error(code: object, description: object, *, secrets: Iterable[str | None] = ()) -> ProviderError:
    """Clean what a provider sent.

    Args:
        secrets: what was sent to it and must not come back to the screen.
    """
    text = description if isinstance(description, str) else ""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    text = _TOKEN_LIKE.sub("…", text)
    found = printable(code, 64) if isinstance(code, str) else ""
    return ProviderError(_TOKEN_LIKE.sub("…", found), printable(text, 200))


def error_in(answer: HttpAnswer, *, secrets: Iterable[str | None] = ()) -> ProviderError:
    """The error of a token, device or revocation endpoint; Facebook nests its own shape in `error`."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ProviderError("")
    if not isinstance(body, dict):
        return ProviderError("")
    error = body.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        return provider_error(
            str(code) if code is not None else error.get("type"), error.get("message"), secrets=secrets
        )
    return provider_error(error, body.get("error_description"), secrets=secrets)
