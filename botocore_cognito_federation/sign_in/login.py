"""Signs a person in, then proves it by exchanging the token for AWS credentials; ``login("dev")`` does it in Python.

In a kernel of a notebook the link or the device code is shown as the output of the cell, to click on; elsewhere on
stderr.
"""

from __future__ import annotations

import contextlib
import getpass
import html
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..botocore_plugin.provider import session_of_other_profile
from ..cache.answers import forget_answers
from ..cache.base import Store
from ..cache.sessions import Session
from ..config.loader import default_directory, load_settings
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    clears_frames,
    reworded,
    without_frames,
)
from ..factory import fetcher_for, store_for
from ..messages import shown_lines
from ..oidc.flows import DEFAULT_TIMEOUT, SignInPrompt
from .dialogue import Questions
from .interactive import Environment, LoginOptions, sign_in_only
from .terminal import NOT_THE_ADDRESS, Screen, TerminalScreen, wording

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession


@dataclass(frozen=True)
class SignedIn:
    """A stored and verified sign-in.

    Attributes:
        session: the stored session.
        credentials: its AWS credentials; None for a session without its own identity pool: it is for profiles, or to be
            linked, and an exchange by itself would create an unwanted identity.
        joined: another process signed in while this one waited.
    """

    session: Session
    credentials: FederatedCredentials | None
    joined: bool = False


def sign_in(
    settings: Settings,
    *,
    store: Store,
    screen: Screen,
    options: LoginOptions,
    environment: Environment,
    open_session: Callable[[str], BotocoreSession] | None = None,
) -> SignedIn:
    """Sign a person in and exchange the token.

    Args:
        settings: the configuration.
        store: where the session is stored.
        screen: what the person sees.
        options: what the person asked for.
        environment: the machine.
        open_session: see `fetcher_for`.

    Raises:
        SignInFailedError: refused, cancelled, timed out, or somebody else is signed in.
        ConfigurationError: there is nothing to sign in to, or it cannot work.
        TemporaryError, StorageError, FederationRefusedError: as they say; a session that was kept stays.
        KeyboardInterrupt: at once.
    """
    session, joined = sign_in_only(settings, store=store, screen=screen, options=options, environment=environment)
    if settings.profile is None and settings.origin("identity_pool_id").layer != "session":
        return SignedIn(session, None, joined)
    # Where the provider has ended the sign-in at once, another one would end the same way.
    quiet = replace(settings, auto_login="never")
    federation = fetcher_for(quiet, store=store, environ=environment.environ, open_session=open_session)
    try:
        # Also if usable ones are cached: users sign in again because their groups or the pool's roles have changed.
        credentials = federation.credentials() if joined else federation.fetch_fresh()
    except CognitoFederationError as error:
        raise _though_signed_in(error, session) from None
    if not joined:
        with contextlib.suppress(StorageError):
            forget_answers(default_directory(environment.environ))
    return SignedIn(session, credentials, joined)


def _though_signed_in(error: CognitoFederationError, session: Session) -> CognitoFederationError:
    """Return the failure of the exchange for a user whose sign-in is stored, and who need not sign in again."""
    if isinstance(error, SignInRequiredError):
        return error  # they have signed out meanwhile, or the provider has ended it at once
    remedy = error.remedy
    if isinstance(error, TemporaryError | StorageError):
        remedy = f"{remedy}; there is no need to sign in again" if remedy else "Use the profile; that tries again"
    what = f"{session.who} is signed in, but AWS credentials could not be obtained: {error.what}"
    return without_frames(reworded(error, what=what, remedy=remedy))


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
    )
    screen = screen_of_this_process()
    signed_in = sign_in(
        settings,
        store=store_for(settings, os.environ),
        screen=screen,
        options=options,
        environment=Environment(os.environ),
        open_session=session_of_other_profile,
    )
    assert signed_in.credentials is not None, "a profile has an identity pool"
    until = signed_in.credentials.expiration.astimezone()
    screen.say(f"Signed in as {signed_in.session.who}. AWS credentials until {until:%H:%M}, then renewed")
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
                remedy="Use use_device_code=True, or sign in on a terminal: cognito-federation login",
            ) from None

    @contextmanager
    def dialogue(self, timeout: float) -> Iterator[Questions]:
        """The cell itself; a kernel's input waits as long as it takes."""
        yield self

    def reveal(self, text: str) -> None:
        raise SignInFailedError(
            "The user pool wants a second factor to be set up, and its secret would stay in the notebook",
            remedy="Sign in once on a terminal: cognito-federation login",
        )

    def question(self, text: str, *, secret: bool = False) -> str:
        try:
            return (self._read_secret if secret else self._read)(f"{shown_lines(text)}: ")
        except (EOFError, OSError, RuntimeError):
            raise SignInFailedError(
                "This kernel takes no input", remedy="Set cognito_grant = auth-code, or sign in on a terminal"
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
    from .terminal import read_line

    try:
        return read_line(sys.stdin.fileno(), timeout)
    except (OSError, ValueError, AttributeError):
        return ""
