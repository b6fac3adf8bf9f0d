"""What a person sees of a sign-in on a terminal: the address, the code, the time left. All of it on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, TextIO

from ..errors import SignInFailedError
from ..oidc.flows import SignInPrompt
from .dialogue import Questions, terminal_dialogue

ReadLine = Callable[[float], str]
"""A line the person typed within so many seconds; empty at the end of the input."""


class Screen(Protocol):
    """Where a sign-in shows itself."""

    def say(self, text: str) -> None: ...

    def announce(self, prompt: SignInPrompt) -> None: ...

    def ask(self, prompt: SignInPrompt) -> str: ...

    def dialogue(self, timeout: float) -> AbstractContextManager[Questions]:
        """Where the person is asked for what is typed.

        Raises:
            SignInFailedError: nobody can be asked.
        """
        ...

    def __enter__(self) -> Screen: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class TerminalScreen:
    """A terminal, or a pipe in its place: then there is no countdown. A context manager that ends the countdown.

    Args:
        out: where everything is written; never stdout, which holds data.
        read_line: reads what is pasted; None where nobody can type.
    """

    def __init__(self, out: TextIO | None = None, *, read_line: ReadLine | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._read_line = read_line
        self._countdown: _Countdown | None = None

    def __enter__(self) -> TerminalScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._countdown is not None:
            self._countdown.stop()
            self._countdown = None

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def announce(self, prompt: SignInPrompt) -> None:
        self.say(wording(prompt))
        if self._out.isatty():
            self._countdown = _Countdown(self._out, prompt.expires_in)
            self._countdown.start()

    def ask(self, prompt: SignInPrompt) -> str:
        if self._read_line is None:
            raise SignInFailedError(
                "The address has to be pasted, and there is no terminal to type on", remedy="Use --use-device-code"
            )
        self.say(wording(prompt))
        self._out.write("Paste the address here: ")
        self._out.flush()
        line = self._read_line(prompt.expires_in)
        if not line:
            raise SignInFailedError("Nothing was pasted", remedy="Sign in again and paste the whole address")
        return line

    def dialogue(self, timeout: float) -> AbstractContextManager[Questions]:
        return terminal_dialogue(timeout)


#: What was pasted is something else, perhaps the address that was to be opened.
NOT_THE_ADDRESS = (
    "That is not the address of the page the sign-in ended on: it has code= and state= in it. Copy the whole of it."
)


def wording(prompt: SignInPrompt) -> str:
    """What to do, in words; the URL stands on a line of its own."""
    if prompt.kind == "device":
        full = f"\n\nThe same with the code filled in:\n\n  {prompt.complete_url}" if prompt.complete_url else ""
        return (
            f"On any device, open this page and enter the code {prompt.user_code}\n\n  {prompt.url}{full}\n\n"
            "Go on only if the page shows the same code."
        )
    if prompt.again:
        return NOT_THE_ADDRESS
    if prompt.kind == "paste":
        return (
            f"Open this URL in any browser and sign in:\n\n  {prompt.url}\n\n"
            "It ends on a page that may not load. Copy the whole address of that page."
        )
    if prompt.browser_opened:
        return f"A browser opens for the sign-in. If it does not, open this URL on this machine:\n\n  {prompt.url}\n"
    return f"Open this URL in a browser on this machine:\n\n  {prompt.url}\n"


class _Countdown:
    """The time left, on one line that replaces itself."""

    def __init__(self, out: TextIO, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cognito-federation-countdown", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(1)

    def _run(self) -> None:
        while not self._over.is_set() and (left := round(self._deadline - self._monotonic())) > 0:
            self._write(f"\rWaiting for the sign-in, {left // 60}:{left % 60:02} left (Ctrl-C stops it) ")
            self._over.wait(1)
        self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._over.set()
