"""What a person is shown during a sign-in; terminals and notebooks each show it in their own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .party import SignInAnswer


@dataclass(frozen=True)
class SignInPrompt:
    """One thing for the user to do.

    Attributes:
        kind: ``browser``: the answer comes to this machine; ``paste``: the redirected URL is to be pasted;
            ``device``: `user_code` is to be entered at `url`, on any device.
        url: to open. Not a secret for the terminal, but not for argv either.
        complete_url: `url` with the code filled in (RFC 8628, section 3.3.1), where the provider has one.
        browser_opened: a browser has been told to open it.
        expires_in: seconds until the sign-in gives up.
        again: what was pasted before held no answer; the address is the same.
    """

    kind: Literal["browser", "paste", "device"]
    url: str = field(repr=False)
    user_code: str | None = field(default=None, repr=False)
    complete_url: str | None = field(default=None, repr=False)
    browser_opened: bool = False
    expires_in: float = 0.0
    again: bool = False


DEFAULT_TIMEOUT = 300.0
"""Seconds a user has for a sign-in."""

Accept = Callable[[SignInAnswer], None]
"""The last word on a verified answer: persist it, or raise to fail the sign-in."""

Announce = Callable[[SignInPrompt], None]
