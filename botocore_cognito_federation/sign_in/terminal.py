"""The terminal as the place of a sign-in: what is shown, and the one line that is typed or pasted.

A terminal in its usual mode cuts a pasted line at 4,095 characters on Linux and 1,023 on macOS (MAX_CANON, POSIX
General Terminal Interface), and the redirects of some providers are longer. So the line mode is off meanwhile.

A password has no business in a pipe, an argument or a variable, where scripts, process lists and core dumps keep it. So
it is read from the terminal itself, whatever stdin is, without being shown; without a terminal there is no question.
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

from ..errors import SignInAnotherWay, SignInFailedError
from ..messages import shown_lines
from ..oidc.client import SignInPrompt

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

    # Ctrl-C still interrupts, and what is typed is still shown.
    with _local_modes(descriptor, lambda modes: modes & ~termios.ICANON):
        yield


@contextmanager
def _local_modes(descriptor: int, changed: Callable[[int], int], *, flush: bool = False) -> Iterator[None]:
    """Change the local modes of a terminal for a while.

    Args:
        changed: from the modes of before to those of meanwhile.
        flush: drop what was typed before.
    """
    import termios

    before, meanwhile = termios.tcgetattr(descriptor), termios.tcgetattr(descriptor)
    meanwhile[3] = changed(meanwhile[3])
    termios.tcsetattr(descriptor, termios.TCSAFLUSH if flush else termios.TCSADRAIN, meanwhile)
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


#: How often an empty line is no answer.
_EMPTY_LINES = 3
_CONSOLE_INTERVAL = 0.05


class Questions(Protocol):
    """The source of answers."""

    def say(self, text: str) -> None: ...

    def reveal(self, text: str) -> None:
        """Show what only the person may see, and only now."""
        ...

    def question(self, text: str, *, secret: bool = False) -> str:
        """The answer to a question; not shown while it is typed where it is secret.

        Raises:
            SignInFailedError: there is none.
        """
        ...


class Device(Protocol):
    """A terminal, one line at a time."""

    def write(self, text: str) -> None: ...

    def ask(self, prompt: str, *, shown: bool, deadline: float) -> str | None:
        """The line typed after the prompt, without its end; None where the time is over.

        Raises:
            EOFError: the terminal is at its end.
        """
        ...


class Dialogue:
    """Questions on a device, all of them within one time limit.

    Args:
        timeout: seconds for everything that is asked.
        again: the remedy where nothing was typed.
    """

    def __init__(
        self,
        device: Device,
        timeout: float,
        *,
        again: str = "Sign in again",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._again = again
        self._timeout = timeout
        self._deadline = monotonic() + timeout

    def say(self, text: str) -> None:
        self._device.write(f"{shown_lines(text)}\n")

    def reveal(self, text: str) -> None:
        self.say(text)

    def question(self, text: str, *, secret: bool = False) -> str:
        for _ in range(_EMPTY_LINES):
            try:
                line = self._device.ask(f"{shown_lines(text)}: ", shown=not secret, deadline=self._deadline)
            except (OSError, EOFError):
                break
            except UnicodeDecodeError:
                raise SignInFailedError("What was typed is not UTF-8", remedy="Use a terminal in UTF-8") from None
            if line is None:
                raise SignInFailedError(f"No answer was typed within {self._timeout:g} seconds", remedy=self._again)
            if line:
                return line
        raise SignInFailedError("Nothing was typed", remedy=self._again)


_PAGES = "Sign in from a terminal, or set cognito_grant = auth-code to sign in on the user pool's pages"


@contextmanager
def terminal_dialogue(timeout: float, *, again: str = "Sign in again", elsewhere: str = _PAGES) -> Iterator[Dialogue]:
    """Questions on the terminal this process is controlled by.

    Args:
        timeout: seconds for everything that is asked.
        again: the remedy where nothing was typed.
        elsewhere: the remedy where there is no terminal.

    Raises:
        SignInFailedError: there is no terminal.
    """
    try:
        device, close = _open_device()
    except OSError:
        raise SignInFailedError(
            "The password is typed on the terminal only, and this process has none",
            remedy=elsewhere,
        ) from None
    try:
        yield Dialogue(device, timeout, again=again)
    finally:
        close()


def _open_device() -> tuple[Device, Callable[[], None]]:
    if sys.platform == "win32":
        console = os.open("CONIN$", os.O_RDWR)  # fails where there is no console
        return _Console(), lambda: os.close(console)
    descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return PosixTerminal(descriptor), lambda: os.close(descriptor)


class PosixTerminal:
    """A terminal device in its line mode, whose own editing keys (erase, kill) work on what is not shown, too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def ask(self, prompt: str, *, shown: bool, deadline: float) -> str | None:
        with self._line_mode(shown):
            # Only now: what is typed ahead of the prompt of a secret would have been shown.
            self.write(prompt)
            line = self._line(deadline)
        if not shown:
            self.write("\n")
        return line if line is None else line.decode().rstrip("\r\n")

    def _line(self, deadline: float) -> bytes | None:
        line = b""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._descriptor], [], [], left)[0]:
                break
            piece = os.read(self._descriptor, 4096)
            line += piece
            if not piece and not line:
                raise EOFError
            if not piece or line.endswith(b"\n"):
                return line
        return None

    def _line_mode(self, shown: bool) -> AbstractContextManager[None]:
        import termios

        def changed(modes: int) -> int:
            modes |= termios.ICANON | termios.ISIG
            return modes | termios.ECHO if shown else modes & ~termios.ECHO

        # What was typed before a secret is not part of it.
        return _local_modes(self._descriptor, changed, flush=not shown)


class _Console:
    """The console of Windows, key by key: it has no reading with a time limit."""

    def write(self, text: str) -> None:
        if sys.platform == "win32":
            import msvcrt

            for character in text.replace("\n", "\r\n"):
                msvcrt.putwch(character)

    def ask(self, prompt: str, *, shown: bool, deadline: float) -> str | None:
        self.write(prompt)
        line = ""
        if sys.platform == "win32":
            import msvcrt

            while time.monotonic() < deadline:
                if not msvcrt.kbhit():
                    time.sleep(_CONSOLE_INTERVAL)
                    continue
                key = msvcrt.getwch()
                if key in "\r\n":
                    self.write("\n")
                    return line
                if key == "\x03":
                    raise KeyboardInterrupt
                if key == "\x1a":
                    raise EOFError
                erased = key == "\b"
                line = line[:-1] if erased else line + key
                if shown:
                    self.write("\b \b" if erased else key)
        return None
