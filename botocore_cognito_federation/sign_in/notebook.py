"""``login("dev")`` signs a person in from Python.

In a kernel of a notebook the link or the device code is shown as the output of the cell, to click on; elsewhere on
stderr.
"""

from __future__ import annotations

import getpass
import html
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from ..botocore_plugin.provider import session_of_other_profile
from ..config.profiles import load_settings
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, SignInAnotherWay, SignInFailedError, clears_frames
from ..factory import signed_in_here
from ..messages import shown_lines
from ..oidc.client import DEFAULT_TIMEOUT, SignInPrompt
from .login import LoginOptions
from .terminal import NOT_THE_ADDRESS, Questions, Screen, TerminalScreen, read_line, without_typing, wording

Display = Callable[[Mapping[str, str]], None]


@clears_frames
def login(
    profile: str | None = None,
    *,
    use_device_code: bool = False,
    remote: bool = False,
    no_browser: bool = False,
    force: bool = False,
    login_hint: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> FederatedCredentials:
    """Sign in for a profile; from then on every AWS client of the profile has credentials.

    Args:
        profile: its name; default is botocore's own order.
        use_device_code: sign in with a code to enter on any device.
        remote: sign in by pasting the address the provider redirects to.
        no_browser: show the link, open nothing.
        force: somebody else than the one signed in so far may sign in.
        login_hint: the account the provider should suggest.
        timeout: seconds for the person.

    Returns:
        The AWS credentials, to look at; clients get and renew them by themselves.

    Raises:
        SignInFailedError: refused, cancelled, timed out, or somebody else is signed in.
        ConfigurationError: the profile is wrong, or is none that people sign in for.
        TemporaryError, StorageError, FederationRefusedError: as they say.
    """
    if use_device_code and remote:
        raise ConfigurationError("use_device_code and remote are two ways to sign in", remedy="Choose one")
    settings = load_settings(profile)
    options = LoginOptions(
        no_browser=no_browser,
        use_device_code=use_device_code,
        remote=remote,
        timeout=timeout,
        force=force,
        login_hint=login_hint,
        in_python=True,
    )
    screen = screen_of_this_process()
    signed_in = signed_in_here(settings, screen, options, open_session=session_of_other_profile)
    assert signed_in.credentials is not None, "a profile has an identity pool"
    until = signed_in.credentials.expiration.astimezone()
    screen.say(f"Signed in as {signed_in.session.user_name}. AWS credentials until {until:%H:%M}, then renewed")
    return signed_in.credentials


def screen_of_this_process() -> Screen:
    """The cell of a kernel, else stderr."""
    display = kernel_display()
    if display is not None:
        return CellScreen(display)
    return TerminalScreen(sys.stderr, read_line=_by_input)


def kernel_display() -> Display | None:
    """What shows things in the cell that runs, or None outside a kernel; IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None

    def display(forms: Mapping[str, str]) -> None:
        from IPython.display import display as show  # type: ignore[import-not-found,unused-ignore]  # no requirement

        show(dict(forms), raw=True)

    return display


class CellScreen:
    """The output of a notebook cell.

    Args:
        display: shows it.
        read: asks for a line; in a kernel `input` shows a field below the cell.
        read_secret: the same without showing what is typed; kernels replace `getpass`.
    """

    def __init__(
        self,
        display: Display,
        *,
        read: Callable[[str], str] | None = None,
        read_secret: Callable[[str], str] | None = None,
    ) -> None:
        self._display = display
        # Looked up now: a kernel puts its own in their places while a cell runs.
        self._read = read or input
        self._read_secret = read_secret or getpass.getpass

    def __enter__(self) -> CellScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing runs beside the cell."""

    def say(self, text: str) -> None:
        shown = shown_lines(text)
        self._display({"text/plain": shown, "text/html": f"<p>{html.escape(shown)}</p>"})

    def announce(self, prompt: SignInPrompt) -> None:
        self._display({"text/plain": shown_lines(wording(prompt)), "text/html": shown_lines(_markup(prompt))})

    def ask(self, prompt: SignInPrompt) -> str:
        self.announce(prompt)
        try:
            return self._read("Paste the address here: ")
        except (EOFError, OSError, RuntimeError):
            raise SignInFailedError(
                "The address has to be pasted, and this kernel takes no input",
                remedy=without_typing(prompt),
            ) from None

    @contextmanager
    def dialogue(self, timeout: float) -> Iterator[Questions]:
        """The cell itself; a kernel's input waits as long as it takes."""
        yield self

    def reveal(self, text: str) -> None:
        raise SignInFailedError(
            "The user pool wants a second factor to be set up, and its secret would stay in the notebook",
            remedy=SignInAnotherWay(),
        )

    def question(self, text: str, *, secret: bool = False) -> str:
        try:
            return (self._read_secret if secret else self._read)(f"{shown_lines(text)}: ")
        except (EOFError, OSError, RuntimeError):
            raise SignInFailedError(
                "This kernel takes no input, and the password has to be typed", remedy=SignInAnotherWay()
            ) from None


def _markup(prompt: SignInPrompt) -> str:
    """A link to click on; every part that comes from the provider is escaped, and only http and https get here."""
    if prompt.again:
        return f"<p>{html.escape(NOT_THE_ADDRESS)}</p>"
    if prompt.stalled == "unanswered":
        return f"<p>{html.escape(wording(prompt))}</p>"
    target = html.escape(prompt.complete_url or prompt.url, quote=True)
    link = f'<a href="{target}" target="_blank" rel="noopener noreferrer">'
    if prompt.kind == "device":
        code = html.escape(prompt.user_code or "")
        shown = html.escape(prompt.url)
        return f"<p>{link}Sign in</a> and confirm the code <code>{code}</code> (or enter it at {shown}).</p>"
    if prompt.kind == "paste":
        return f"<p>{link}Sign in</a>, then copy the address of the page it ends on, which may not load.</p>"
    opens = prompt.browser_opened and not prompt.stalled
    return f"<p>{link}Sign in</a>{' (a browser opens by itself)' if opens else ''}</p>"


def _by_input(timeout: float) -> str:
    try:
        return read_line(sys.stdin.fileno(), timeout)
    except (OSError, ValueError, AttributeError):
        return ""
