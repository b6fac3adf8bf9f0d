"""The terminal as the place of a sign-in: what is shown, and the one line that is typed or pasted.

A terminal in its usual mode cuts a pasted line at 4,095 characters on Linux and 1,023 on macOS (MAX_CANON, POSIX
General Terminal Interface), and the redirects of some providers are longer. So the line mode is off meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, TextIO

from ..errors import SignInFailedError
from ..messages import SignInAnotherWay, shown_lines
from ..oidc.client import SignInPrompt
from .dialogue import Questions, terminal_dialogue

_MOST = 100_000
_ERASE = (b"\x7f", b"\x08")


def read_line(descriptor: int, timeout: float) -> str:
    """A line from a terminal or a pipe; empty at the end of the input, or when the time is over.

    Args:
        timeout: seconds.
    """
    if sys.platform == "win32":
        return _line_by_thread(timeout)
    with _without_line_mode(descriptor):
        return _line(descriptor, time.monotonic() + timeout)


def _line(descriptor: int, deadline: float) -> str:
    line = bytearray()
    while len(line) < _MOST and (left := deadline - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        # One byte at a time: the text after the line belongs to the next reader.
        byte = os.read(descriptor, 1)
        if byte in (b"", b"\x04"):
            break
        if byte in (b"\n", b"\r"):
            if line.strip():
                return line.decode("utf-8", "replace")
            line.clear()
            continue
        if byte in _ERASE:
            del line[-1:]
        else:
            line += byte
    else:
        return ""
    return line.decode("utf-8", "replace") if line.strip() else ""


@contextmanager
def _without_line_mode(descriptor: int) -> Iterator[None]:
    if not os.isatty(descriptor):
        yield
        return
    import termios

    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~termios.ICANON  # Ctrl-C still interrupts, and what is typed is still shown
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _line_by_thread(timeout: float) -> str:
    """Windows cannot wait for a console with a limit; the thread that does ends with the process."""
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(sys.stdin.readline()), daemon=True).start()
    try:
        return lines.get(timeout=timeout).strip()
    except queue.Empty:
        return ""


_CLEAR_LINE = "\r\x1b[K"

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
        clean = shown_lines(text)
        print(clean if self._countdown is None else f"{_CLEAR_LINE}{clean}", file=self._out, flush=True)

    def announce(self, prompt: SignInPrompt) -> None:
        if prompt.stalled == "unanswered" and not self._out.isatty():
            return  # for a user who looks at the page and the terminal in turn
        self.say(wording(prompt))
        if self._out.isatty() and self._countdown is None:
            self._countdown = _Countdown(self._out, prompt.expires_in)
            self._countdown.start()

    def ask(self, prompt: SignInPrompt) -> str:
        if self._read_line is None:
            raise SignInFailedError(
                "The address has to be pasted, and there is no terminal to type on", remedy=without_typing(prompt)
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


def without_typing(prompt: SignInPrompt) -> SignInAnotherWay:
    """What helps where nobody can paste: a device code, if the provider gives one, else a terminal."""
    return SignInAnotherWay(ways=("device",) if prompt.has_device_codes else ())


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
    if prompt.stalled == "unopened":
        return f"No browser has come yet. Open this URL on this machine:\n\n  {prompt.url}\n"
    if prompt.stalled == "unanswered":
        return f"The browser has not come back yet. {prompt.helps}\n"
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
        self._write(_CLEAR_LINE)

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._over.set()
