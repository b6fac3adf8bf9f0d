"""Signs a person in: with the browser here, a code on any device, the redirected address pasted, or a password."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from .._util.concurrency import BackendTimeoutError, TimeLimit
from ..cache.answers import forget_failed_answers
from ..cache.base import FAILURES, SECRETS, Store, cache_key, scope_key
from ..cache.sessions import Session, Sessions
from ..config.keys import TOKEN_SOURCES
from ..config.loader import default_directory, every_sign_in
from ..config.settings import Settings
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    StorageError,
    TemporaryError,
    reworded,
    without_frames,
)
from ..messages import login_command
from ..oidc.authorization import Redirect, loopback_redirect, refuse_shared_redirect
from ..oidc.client import Now, OIDCClient, oidc_client
from ..oidc.device import sign_in_with_device
from ..oidc.flows import DEFAULT_TIMEOUT, sign_in_with_browser, sign_in_with_paste
from .browser import BrowserLauncher, can_open_browser
from .sessions import SessionWriter, revoke_session
from .terminal import Screen

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
    if settings.signs_in_by_password:
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


logger = logging.getLogger(__name__)

#: Seconds for revoking a refresh token that is given up; a person waits for the command to end.
_REVOCATION_TIME = 5.0
#: The port in a redirect without a listener, if any port will do.
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
    clock: Now = field(default_factory=Now)
    can_open: CanOpen = can_open_browser
    cancel: threading.Event | None = None


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
            error = reworded(error, remedy=error.sign_in_again.by(login_command(settings)))
        raise without_frames(error) from None


def _sign_in_only(
    settings: Settings, store: Store, screen: Screen, options: LoginOptions, environment: Environment
) -> tuple[Session, bool]:
    refuse_without_sign_in(settings)
    began_at = environment.clock.now()
    sessions = Sessions(settings, store)
    with _turn(settings, store, options, screen) as waited:
        found = sessions.read()
        if found is not None and found.signed_in_at >= began_at and not options.force:
            return found, True
        if waited and options.only_joins:
            raise SignInFailedError("The sign-in that was under way did not succeed", remedy="Sign in again")
        check_storable(store)
        session = _sign_in_here(settings, store, screen, options, environment)
    forget_failures(store, environment.environ)
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


def forget_failures(store: Store, environ: Mapping[str, str]) -> None:
    """Remove cached failures from before the sign-in."""
    with contextlib.suppress(StorageError):
        for key, _ in list(store.documents(FAILURES)):
            store.delete(FAILURES, key)
        forget_failed_answers(default_directory(environ))


@contextmanager
def _turn(settings: Settings, store: Store, options: LoginOptions, screen: Screen) -> Iterator[bool]:
    """One sign-in of a scope at a time; gives whether another one had to be waited for."""
    name = f"login-{scope_key(settings.scope)}"
    with contextlib.ExitStack() as stack:
        waits = not stack.enter_context(store.lock(name, timeout=0))
        if waits:
            stack.close()
            screen.say(f"Another sign-in of {settings.scope} is under way; waiting for it")
            if not stack.enter_context(store.lock(name, timeout=options.timeout)):
                raise TemporaryError(
                    f"Another sign-in of {settings.scope} is still under way after {options.timeout:g} seconds",
                    remedy="Finish or end it, then try again",
                )
        yield waits


def check_storable(store: Store) -> None:
    """Check the store before the browser opens: a full disk or a locked keyring would make the sign-in worthless.

    Raises:
        StorageError: a sign-in cannot be stored.
    """
    key = cache_key({"what": "proof that a sign-in can be stored"})
    store.write(SECRETS, key, {"scope": ""})
    store.delete(SECRETS, key)


def _sign_in_here(
    settings: Settings, store: Store, screen: Screen, options: LoginOptions, environment: Environment
) -> Session:
    oidc = replace(oidc_client(settings, store, environment.environ), clock=environment.clock)
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
    keeper = SessionWriter(settings, store, force=options.force, now=environment.clock.now)
    attempt = _Attempt(settings, store, oidc, redirect, screen, options, environment, keeper)
    try:
        with screen:
            attempt.go(flow)
    finally:
        if keeper.not_kept is not None:
            _revoke_in_time(settings, store, environment, keeper.not_kept)
    session, replaced = keeper.session, keeper.replaced
    assert session is not None, "a sign-in ends with an error or a stored session"
    if replaced is not None and (replaced.subject != session.subject or _revokes_one_sign_in(settings)):
        _revoke_in_time(settings, store, environment, replaced)
    return session


def _revokes_one_sign_in(settings: Settings) -> bool:
    """Whether revoking an earlier refresh token of a user leaves the one of the new sign-in as it is.

    A Cognito user pool revokes the tokens of one sign-in (API reference, RevokeToken). Others end everything that the
    user has given this client: Google takes the consent away, Auth0 deletes the grant, Keycloak detaches the client
    from the browser's session. There the new sign-in would end with the old one.
    """
    return settings.user_pool_id is not None


def _revoke_in_time(settings: Settings, store: Store, environment: Environment, session: Session) -> None:
    """Revoke the refresh token of a session that nothing will know of any more, as well as it goes in a moment."""
    token = session.refresh_token
    if token is None:
        return
    try:
        outcome = TimeLimit(_REVOCATION_TIME)(lambda: revoke_session(settings, store, environment.environ, token))
    except BackendTimeoutError:
        logger.debug("The provider has not answered a revocation within %g s", _REVOCATION_TIME)
        return
    logger.debug("Revoked the refresh token of a session that is not stored: %s", outcome)


@dataclass(frozen=True)
class _Attempt:
    settings: Settings
    store: Store
    oidc: OIDCClient
    redirect: Redirect | None
    screen: Screen
    options: LoginOptions
    environment: Environment
    keeper: SessionWriter

    def go(self, flow: Flow) -> None:
        try:
            self._go(flow.kind, flow.opens)
        except ConfigurationError as refused:
            # Discovery may offer a flow that this client may not use; the user has seen nothing yet.
            if flow.instead is None or self.keeper.session is not None:
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
                self.oidc, announce=self.screen.announce, accept=self.keeper, timeout=timeout, cancel=cancel
            )
        elif kind == "paste":
            sign_in_with_paste(
                self.oidc,
                self._redirect_to_paste(),
                ask=self.screen.ask,
                accept=self.keeper,
                login_hint=self.options.login_hint,
                timeout=timeout,
            )
        else:
            self._by_browser(opens)

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
                accept=self.keeper,
                timeout=self.options.timeout,
                cancel=self.environment.cancel,
                login_hint=self.options.login_hint,
            )

    def _redirect_to_paste(self) -> str:
        """Return the redirect URI as registered at the provider; nothing listens on it."""
        if self.redirect is None:
            return self.settings.redirect_uri or ""
        return self.redirect.uri(self.redirect.ports[0] or _PASTE_PORT)

    def _by_password(self) -> None:
        from ..user_pool import user_pool_of
        from .password import session_of_tokens, sign_in_with_password

        name = self.options.login_hint or self.settings.username
        with self.screen.dialogue(self.options.timeout) as ask:
            pool = user_pool_of(self.settings, self.store, self.environment.environ)
            tokens = sign_in_with_password(pool, name, ask)
        now = self.environment.clock.now()
        session = session_of_tokens(tokens, signed_in_at=now, sign_out_epoch=self.keeper.sign_out_epoch)
        self.keeper.keep(session, session.who)


def _redirect(settings: Settings, oidc: OIDCClient, options: LoginOptions) -> Redirect:
    redirect = loopback_redirect(settings.redirect_uri, oidc.provider.redirect_ports)
    return redirect if options.port is None else replace(redirect, ports=(options.port,))


def _loopback(settings: Settings, oidc: OIDCClient, options: LoginOptions) -> Redirect | None:
    try:
        return _redirect(settings, oidc, options)
    except ConfigurationError:
        return None
