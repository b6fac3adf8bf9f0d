"""Questions a person answers by typing: on the terminal device, for what must not come from anywhere else.

A password has no business in a pipe, an argument or a variable, where scripts, process lists and core dumps keep it. So
it is read from the terminal itself, whatever stdin is, without being shown; without a terminal nobody is asked.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..errors import SignInFailedError
from ..messages import shown_lines

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
    """

    def __init__(self, device: Device, timeout: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._device = device
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
                raise SignInFailedError(f"No answer was typed within {self._timeout:g} seconds", remedy="Sign in again")
            if line:
                return line
        raise SignInFailedError("Nothing was typed", remedy="Sign in again")


@contextmanager
def terminal_dialogue(timeout: float) -> Iterator[Dialogue]:
    """Questions on the terminal this process is controlled by.

    Args:
        timeout: seconds for everything that is asked.

    Raises:
        SignInFailedError: there is no terminal.
    """
    try:
        device, close = _open_device()
    except OSError:
        raise SignInFailedError(
            "The password is typed on the terminal only, and this process has none",
            remedy="Sign in from a terminal, or set cognito_grant = auth-code to sign in on the user pool's pages",
        ) from None
    try:
        yield Dialogue(device, timeout)
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

    @contextmanager
    def _line_mode(self, shown: bool) -> Iterator[None]:
        import termios

        before = termios.tcgetattr(self._descriptor)
        changed = termios.tcgetattr(self._descriptor)
        changed[3] |= termios.ICANON | termios.ISIG
        changed[3] = changed[3] | termios.ECHO if shown else changed[3] & ~termios.ECHO
        # TCSAFLUSH for a secret: what was typed before it is not part of it.
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN if shown else termios.TCSAFLUSH, changed)
        try:
            yield
        finally:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)


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
