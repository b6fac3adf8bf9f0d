"""``cognito_auto_login``: an automatic sign-in, only where a user can see it.

It is never a surprise (DESIGN, invariant 6): not in CI, not without a terminal in the foreground (or, under ``always``,
a browser), and not for a while after one that failed, because a helper that opens a tab at every call of every SDK
fills a screen overnight (int128/kubelogin#1330). It speaks on the terminal device: SDKs keep a helper's stderr to
themselves, and stdin belongs to the program that called.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeVar

from ..cache.base import FAILURES, Store, cache_key, scope_key
from ..errors import CognitoFederationError, SignInFailedError, SignInRequiredError, StorageError
from ..login_tokens.base import CachedTokenProvider

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..login_token import LoginToken
    from ..login_tokens.base import RefreshContext, SourceContext

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Seconds of the caller's time that are left for the exchange.
_RESERVE = 10.0
#: Less than that is no time for a person.
_LEAST = 10.0
#: Seconds of the first pause after a failure, and of the longest.
_FIRST_PAUSE = 300.0
_LONGEST_PAUSE = 3600.0
#: Seconds after which a failure says nothing of the next one.
_FORGOTTEN_AFTER = 4 * _LONGEST_PAUSE

OpenTerminal = Callable[[], TextIO | None]


class AutomaticLogin(CachedTokenProvider):
    """A token provider that signs a person in where nobody is signed in, then asks its inner provider again.

    Args:
        provider: the inner provider, that of a sign-in.
        settings: the configuration.
        context: what the provider may use; its `time_left` limits the sign-in.
    """

    def __init__(self, provider: CachedTokenProvider, settings: Settings, context: SourceContext) -> None:
        self._provider = provider
        self._settings = settings
        self._context = context

    @property
    def description(self) -> str:
        return self._provider.description

    def cached_token(self) -> LoginToken:
        return self._signed_in(self._provider.cached_token)

    def fetch(self, context: RefreshContext) -> LoginToken:
        if context.has_valid_credentials:
            # Usable credentials need no sign-in; the user is asked when they have expired.
            return self._provider.fetch(context)
        return self._signed_in(lambda: self._provider.fetch(context))

    def _signed_in(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except SignInRequiredError as required:
            context = self._context
            now = context.clock.now
            if not signed_in_automatically(self._settings, context.store, context.environ, now, context.time_left):
                raise
            logger.debug("Signed in because of: %s", required.what)
            return ask()


class Backoff:
    """How long to leave people alone after an automatic sign-in that failed: 5 minutes, doubling to an hour.

    A sign-in forgets it with all other failures; see `SessionWriter`.
    """

    def __init__(self, settings: Settings, store: Store, now: Callable[[], float]) -> None:
        self._key = cache_key({"what": "automatic sign-in", "scope": scope_key(settings.scope)})
        self._store = store
        self._now = now

    def left(self) -> float:
        """Seconds until the next automatic sign-in may begin."""
        document = self._store.read(FAILURES, self._key) or {}
        at, pause = document.get("at"), document.get("pause")
        if not isinstance(at, int | float) or not isinstance(pause, int | float):
            return 0.0
        now = self._now()
        return max(0.0, at + min(pause, _LONGEST_PAUSE) - now) if at <= now + 1 else 0.0

    def failed(self) -> None:
        """Begin the next pause, twice as long as the last one; one that is on already is for the same failure."""
        if self.left() > 0:
            return
        document = self._store.read(FAILURES, self._key) or {}
        at, before, now = document.get("at"), document.get("pause"), self._now()
        pause = _FIRST_PAUSE
        if isinstance(at, int | float) and isinstance(before, int | float) and at <= now + 1 <= at + _FORGOTTEN_AFTER:
            pause = min(before * 2, _LONGEST_PAUSE)
        with contextlib.suppress(StorageError):
            self._store.write(FAILURES, self._key, {"at": now, "pause": pause})


def signed_in_automatically(
    settings: Settings,
    store: Store,
    environ: Mapping[str, str],
    now: Callable[[], float],
    time_left: Callable[[], float] | None = None,
    *,
    open_terminal: OpenTerminal | None = None,
) -> bool:
    """Sign in if the policy allows it here and now; return whether the user signed in.

    Args:
        time_left: seconds the caller has; None for one that can wait for a person.

    Raises:
        SignInRequiredError: it was tried and failed; the remedy is the command.
        KeyboardInterrupt: at once; it counts as a failure.
    """
    if environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    limit = None if time_left is None else time_left() - _RESERVE
    if limit is not None and limit < _LEAST:
        return False
    cool_down = Backoff(settings, store, now)
    if cool_down.left() > 0:
        logger.debug("No automatic sign-in for another %.0f s", cool_down.left())
        return False
    with _terminal(open_terminal or foreground_terminal) as terminal:
        needs_none = settings.auto_login == "always" and not settings.signs_in_to_user_pool and _has_browser(environ)
        if terminal is None and not needs_none:
            return False
        return _tried(settings, store, environ, terminal, limit, cool_down)


def _tried(
    settings: Settings,
    store: Store,
    environ: Mapping[str, str],
    terminal: TextIO | None,
    limit: float | None,
    cool_down: Backoff,
) -> bool:
    from ..messages import login_command
    from ..oidc.client import DEFAULT_TIMEOUT
    from .login import Environment, LoginOptions, sign_in_only
    from .terminal import TerminalScreen

    screen = TerminalScreen(terminal if terminal is not None else _nowhere())
    try:
        screen.say(f"\ncognito-federation: {settings.scope} needs a sign-in")
        options = LoginOptions(
            timeout=DEFAULT_TIMEOUT if limit is None else min(limit, DEFAULT_TIMEOUT), only_joins=True
        )
        session, _ = sign_in_only(
            settings, store=store, screen=screen, options=options, environment=Environment(environ)
        )
    except KeyboardInterrupt:
        cool_down.failed()
        raise
    except SignInFailedError as failure:
        cool_down.failed()
        raise SignInRequiredError(
            f"Not signed in, and the automatic sign-in failed: {failure.what}",
            remedy=f"Run: {login_command(settings)}",
        ) from None
    except CognitoFederationError:
        cool_down.failed()
        raise
    screen.say(f"cognito-federation: signed in as {session.user_name}")
    return True


@contextmanager
def _terminal(open_terminal: OpenTerminal) -> Iterator[TextIO | None]:
    terminal = open_terminal()
    try:
        yield terminal
    finally:
        if terminal is not None:
            with contextlib.suppress(OSError):
                terminal.close()


def foreground_terminal() -> TextIO | None:
    """The terminal this process is shown on, or None where it runs in the background or without one."""
    try:
        if sys.platform == "win32":
            return open("CONOUT$", "w", encoding="utf-8")
        descriptor = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        visible = os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        visible = False
    if not visible:
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "w", encoding="utf-8")


def _has_browser(environ: Mapping[str, str]) -> bool:
    from .browser import can_open_browser, why_no_file_is_read

    # A link that is not opened automatically needs a user who reads it.
    return can_open_browser(environ)[0] and not why_no_file_is_read(environ)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
