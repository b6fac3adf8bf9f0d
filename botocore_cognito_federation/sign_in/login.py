"""Signs a person in: with the browser here, a code on any device, the redirected address pasted, or a password."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from .._fast_path import cache_directory
from .._util.concurrency import Clock
from ..cache.base import Store
from ..cache.file import FileStore
from ..cache.sessions import Session, Sessions, SessionWriter, check_storable
from ..config.keys import TOKEN_SOURCES
from ..config.profiles import every_sign_in
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    StorageError,
    TemporaryError,
    reworded,
    without_frames,
)
from ..messages import login_command
from ..oidc.authorization import Redirect, loopback_redirect, refuse_shared_redirect
from ..oidc.client import DEFAULT_TIMEOUT, AuthenticationResult, OIDCClient, oidc_client
from ..oidc.flows import sign_in_with_browser, sign_in_with_device, sign_in_with_paste
from .browser import BrowserLauncher, can_open_browser
from .logout import revoke_in_time, revokes_one_sign_in
from .terminal import Screen

if TYPE_CHECKING:
    from ..fetcher import CredentialFetcher

Kind = Literal["browser", "device", "paste", "password"]


@dataclass(frozen=True)
class LoginOptions:
    """What the person asked for on the command line or in the call.

    Attributes:
        no_browser: the address is shown, not opened; the answer still comes to this machine.
        use_device_code: sign in with a code.
        remote: sign in by pasting the redirected address.
        browser_command: argument vector of the browser to open.
        port: the only port to listen on.
        timeout: seconds for the person.
        force: somebody else than the one signed in so far may sign in.
        login_hint: the account the provider should suggest.
        in_python: a program asks, whose options are arguments and no flags.
        only_joins: having waited for another sign-in that came to nothing, do not begin one.
    """

    no_browser: bool = False
    use_device_code: bool = False
    remote: bool = False
    browser_command: tuple[str, ...] | None = None
    port: int | None = None
    timeout: float = DEFAULT_TIMEOUT
    force: bool = False
    login_hint: str | None = None
    in_python: bool = False
    only_joins: bool = False


@dataclass(frozen=True)
class Flow:
    """One way to sign in.

    Attributes:
        opens: a browser is opened; otherwise only the address is shown.
        why: why it is not the way most people expect; empty where it is.
        instead: what to try when the provider does not let this client go this way; None where the person chose it.
    """

    kind: Kind
    opens: bool = False
    why: str = ""
    instead: Kind | None = None


def choose_flow(
    settings: Settings,
    options: LoginOptions,
    *,
    browser: tuple[bool, str],
    comes_back_here: bool,
    has_device_codes: Callable[[], bool],
) -> Flow:
    """The way for a configuration, on this machine.

    Args:
        browser: whether a browser can be opened here, else why not.
        comes_back_here: whether the configured redirect is an address of this machine.
        has_device_codes: whether the provider's discovery document has the device grant; asked only where it matters.
    """
    possible, reason = browser
    if options.remote:
        return Flow("paste")
    if options.use_device_code:
        return Flow("device")
    if options.browser_command is not None:
        return Flow("browser", opens=True)
    if options.no_browser:
        return Flow("browser")
    if settings.signs_in_to_user_pool:
        return Flow("password")
    if settings.grant == "device-code":
        return Flow("device")
    if settings.grant == "remote":
        return Flow("paste")
    if settings.grant == "auth-code":
        return Flow("browser", opens=possible, why="" if possible else f"No browser can be opened here: {reason}")
    if not comes_back_here:
        return Flow("paste", why="cognito_redirect_uri is not an address of this machine")
    if possible:
        return Flow("browser", opens=True)
    why = f"No browser can be opened here: {reason}"
    return Flow("device", why=why, instead="paste") if has_device_codes() else Flow("paste", why=why)


#: The port in a redirect that nobody listens on, where any port will do.
_PASTE_PORT = 8400

CanOpen = Callable[[Mapping[str, str]], tuple[bool, str]]


@dataclass(frozen=True)
class Environment:
    """What a sign-in needs of the machine it runs on.

    Attributes:
        environ: the process environment.
        clock: the time.
        can_open: whether a browser can be opened, else why not.
        cancel: ends the sign-in when set.
    """

    environ: Mapping[str, str]
    clock: Clock = field(default_factory=Clock)
    can_open: CanOpen = can_open_browser
    cancel: threading.Event | None = None

    @cached_property
    def files(self) -> FileStore:
        """The files of this user, which hold the responses that are ready to print."""
        return FileStore(cache_directory(self.environ))


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
    fetcher: CredentialFetcher,
) -> SignedIn:
    """Sign a person in and exchange the token.

    Args:
        settings: the configuration.
        store: where the session is stored.
        screen: what the person sees.
        options: what the person asked for.
        environment: the machine.
        fetcher: exchanges the token, which proves the sign-in.

    Raises:
        SignInFailedError: refused, cancelled, timed out, or somebody else is signed in.
        ConfigurationError: there is nothing to sign in to, or it cannot work.
        TemporaryError, StorageError, FederationRefusedError: as they say; a session that was stored stays.
        KeyboardInterrupt: at once.
    """
    session, joined = sign_in_only(settings, store=store, screen=screen, options=options, environment=environment)
    exchange = "role_arn" if settings.identity_pool_id is None else "identity_pool_id"
    if settings.profile is None and settings.origin(exchange).layer != "session":
        return SignedIn(session, None, joined)
    try:
        # Also where valid ones are cached: people sign in again because their groups or the pool's roles have changed.
        if joined:
            credentials = fetcher.credentials()
        else:
            credentials = fetcher.fetch_fresh(token=session.token(), sign_in_epoch=session.sign_out_epoch)
    except CognitoFederationError as error:
        raise _though_signed_in(error, session) from None
    if not joined:
        with contextlib.suppress(StorageError):
            environment.files.forget_answers()
    return SignedIn(session, credentials, joined)


def _though_signed_in(error: CognitoFederationError, session: Session) -> CognitoFederationError:
    """Return the failure of the exchange for a user whose sign-in is stored, and who need not sign in again."""
    if isinstance(error, SignInRequiredError):
        return error  # they have signed out meanwhile, or the provider has ended it at once
    remedy = error.remedy
    if isinstance(error, TemporaryError | StorageError):
        remedy = f"{remedy}; there is no need to sign in again" if remedy else "Use the profile; that tries again"
    what = f"{session.user_name} is signed in, but AWS credentials could not be obtained: {error.what}"
    return without_frames(reworded(error, what=what, remedy=remedy))


def sign_in_only(
    settings: Settings, *, store: Store, screen: Screen, options: LoginOptions, environment: Environment
) -> tuple[Session, bool]:
    """The sign-in without the exchange: the session, and whether it is another process's.

    Raises:
        see `sign_in`.
    """
    try:
        return _sign_in_only(settings, store, screen, options, environment)
    except CognitoFederationError as error:
        # Parts that know no configuration leave the command to be named here.
        if error.sign_in_again is not None:
            profile = (settings.profile or "default") if options.in_python else None
            error = reworded(error, remedy=error.sign_in_again.by(login_command(settings), profile=profile))
        raise without_frames(error) from None


def _sign_in_only(
    settings: Settings, store: Store, screen: Screen, options: LoginOptions, environment: Environment
) -> tuple[Session, bool]:
    refuse_without_sign_in(settings)
    began_at = environment.clock.now()
    sessions = Sessions(settings, store)
    with _turn(sessions, options, screen) as waited:
        found = sessions.read()
        if found is not None and found.signed_in_at >= began_at and not options.force:
            return found, True
        if waited and options.only_joins:
            raise SignInFailedError("The sign-in that was under way did not succeed", remedy="Sign in again")
        check_storable(store)
        session = _sign_in_here(settings, store, screen, options, environment)
    with contextlib.suppress(StorageError):
        environment.files.forget_answers(failures_only=True)
    return session, False


def refuse_without_sign_in(settings: Settings) -> None:
    """Refuse configurations whose tokens do not come from a person.

    Raises:
        ConfigurationError: it is one.
    """
    for name in TOKEN_SOURCES:
        if getattr(settings, name) is not None:
            raise ConfigurationError(
                f"There is nothing to sign in to: the login token comes from cognito_{name} ({settings.origin(name)})",
                remedy="Remove that key to sign in with a browser, or just use the profile",
            )


@contextmanager
def _turn(sessions: Sessions, options: LoginOptions, screen: Screen) -> Iterator[bool]:
    """One sign-in of a scope at a time; gives whether another one had to be waited for."""
    scope = sessions.settings.scope
    with contextlib.ExitStack() as stack:
        waits = not stack.enter_context(sessions.lock_of_sign_in(0))
        if waits:
            stack.close()
            screen.say(f"Another sign-in of {scope} is under way; waiting for it")
            if not stack.enter_context(sessions.lock_of_sign_in(options.timeout)):
                raise TemporaryError(
                    f"Another sign-in of {scope} is still under way after {options.timeout:g} seconds",
                    remedy="Finish or end it, then try again",
                )
        yield waits


def _sign_in_here(
    settings: Settings, store: Store, screen: Screen, options: LoginOptions, environment: Environment
) -> Session:
    oidc = oidc_client(settings, store, environment.environ, clock=environment.clock)
    redirect = _loopback(settings, oidc, options)
    flow = choose_flow(
        settings,
        options,
        browser=environment.can_open(environment.environ),
        comes_back_here=redirect is not None,
        has_device_codes=lambda: oidc.metadata().device_authorization_endpoint is not None,
    )
    if flow.why:
        screen.say(flow.why)
    writer = SessionWriter(settings, store, force=options.force, now=environment.clock.now)
    attempt = _Attempt(settings, store, oidc, redirect, screen, options, environment, writer)
    try:
        with screen:
            attempt.go(flow)
    finally:
        if writer.not_stored is not None:
            revoke_in_time(settings, store, environment.environ, writer.not_stored)
    session, replaced = writer.session, writer.replaced
    assert session is not None, "a sign-in ends with an error or a stored session"
    if replaced is not None and (replaced.subject != session.subject or revokes_one_sign_in(settings)):
        revoke_in_time(settings, store, environment.environ, replaced)
    return session


@dataclass(frozen=True)
class _Attempt:
    settings: Settings
    store: Store
    oidc: OIDCClient
    redirect: Redirect | None
    screen: Screen
    options: LoginOptions
    environment: Environment
    writer: SessionWriter

    def go(self, flow: Flow) -> None:
        try:
            self._go(flow.kind, flow.opens)
        except ConfigurationError as refused:
            # Discovery may offer what this client is not allowed; nobody has been shown anything yet.
            if flow.instead is None or self.writer.session is not None:
                raise
            self.screen.say(refused.what)
            self._go(flow.instead, False)

    def _go(self, kind: Kind, opens: bool) -> None:
        timeout, cancel = self.options.timeout, self.environment.cancel
        if kind in ("browser", "paste"):
            refuse_shared_redirect(self.settings, self.oidc, every_sign_in())
        if kind == "password":
            self._by_password()
        elif kind == "device":
            sign_in_with_device(
                self.oidc, announce=self.screen.announce, accept=self._accept, timeout=timeout, cancel=cancel
            )
        elif kind == "paste":
            sign_in_with_paste(
                self.oidc,
                self._redirect_to_paste(),
                ask=self.screen.ask,
                accept=self._accept,
                login_hint=self.options.login_hint,
                timeout=timeout,
            )
        else:
            self._by_browser(opens)

    def _accept(self, answer: AuthenticationResult) -> None:
        session = answer.session(signed_in_at=self.environment.clock.now(), sign_out_epoch=self.writer.sign_out_epoch)
        self.writer.write(session, answer.user_label)

    def _by_browser(self, opens: bool) -> None:
        browser = BrowserLauncher(
            command=self.options.browser_command, environ=self.environment.environ, say=self.screen.say
        )
        with browser:
            sign_in_with_browser(
                self.oidc,
                self.redirect or _redirect(self.settings, self.oidc, self.options),
                announce=self.screen.announce,
                open_url=browser.open if opens else None,
                arrived=browser.arrived,
                accept=self._accept,
                timeout=self.options.timeout,
                cancel=self.environment.cancel,
                login_hint=self.options.login_hint,
            )

    def _redirect_to_paste(self) -> str:
        """The redirect URI as the provider has it registered; nobody listens on it."""
        if self.redirect is None:
            return self.settings.redirect_uri or ""
        return self.redirect.uri(self.redirect.ports[0] or _PASTE_PORT)

    def _by_password(self) -> None:
        from ..user_pool import user_pool_of
        from .password import session_of_tokens, sign_in_to_user_pool

        name = self.options.login_hint or self.settings.username
        with self.screen.dialogue(self.options.timeout) as ask:
            pool = user_pool_of(self.settings, self.store, self.environment.environ)
            tokens = sign_in_to_user_pool(pool, name, ask, self.settings.preferred_challenge)
        now = self.environment.clock.now()
        session = session_of_tokens(tokens, signed_in_at=now, sign_out_epoch=self.writer.sign_out_epoch)
        self.writer.write(session, session.user_name)


def _redirect(settings: Settings, oidc: OIDCClient, options: LoginOptions) -> Redirect:
    redirect = loopback_redirect(settings.redirect_uri, oidc.provider.redirect_ports)
    return redirect if options.port is None else replace(redirect, ports=(options.port,))


def _loopback(settings: Settings, oidc: OIDCClient, options: LoginOptions) -> Redirect | None:
    try:
        return _redirect(settings, oidc, options)
    except ConfigurationError:
        return None
