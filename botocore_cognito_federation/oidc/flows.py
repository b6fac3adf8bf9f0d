"""What a person is shown during a sign-in; terminals and notebooks each show it in their own way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from .._util.interruption import uninterrupted
from ..errors import CognitoFederationError, SignInFailedError
from . import pages
from .authorization import AuthorizationRequest, Redirect, authorization_request, query_of_pasted, read_answer
from .callback import CallbackServer
from .client import AuthenticationResult, OIDCClient
from .discovery import ProviderMetadata
from .tokens import exchange_code, exchange_for_long_lived, validate_response


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

Accept = Callable[[AuthenticationResult], None]
"""The last word on a verified answer: persist it, or raise to fail the sign-in."""

Announce = Callable[[SignInPrompt], None]


logger = logging.getLogger(__name__)

_PASTE_TRIES = 3

OpenUrl = Callable[[str], bool]


def sign_in_with_browser(
    party: OIDCClient,
    redirect: Redirect,
    *,
    announce: Announce,
    open_url: OpenUrl | None,
    accept: Accept | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    cancel: threading.Event | None = None,
    login_hint: str | None = None,
) -> AuthenticationResult:
    """Sign in with a browser that comes back to this machine.

    Args:
        announce: shows the URL; called in every case, after the browser has been told to open.
        open_url: opens an address in a browser and says whether it could; None where there is no browser. It gets
            a one-shot loopback address, never the real one.
        accept: the last word on the verified answer, before the browser is told that all is well: persist it here,
            refuse another user here. What it raises fails the sign-in, and the page says so.
        timeout: seconds for the user.
        cancel: ends the wait when set.

    Raises:
        SignInFailedError: refused, cancelled, timed out, or an answer that does not hold.
        ConfigurationError, TemporaryError: as the provider's endpoints have it.
        KeyboardInterrupt: at once; the port is free again.
    """
    metadata = party.metadata()
    deadline = party.clock.monotonic() + timeout
    with CallbackServer(redirect, monotonic=party.clock.monotonic) as server:
        request = authorization_request(party, metadata, server.redirect_uri, login_hint=login_hint)
        launch = server.expect(request)
        opened = _opened(open_url, launch)
        announce(SignInPrompt("browser", request.url, browser_opened=opened, expires_in=timeout))
        try:
            code = server.wait(timeout, cancel)
            answer, accepted = _redeemed_and_accepted(party, metadata, request, code, accept)
            if not accepted:
                left = deadline - party.clock.monotonic()
                answer = _with_consent(party, metadata, server, answer, left, cancel, login_hint)
                if accept is not None:
                    uninterrupted(partial(accept, answer))
        except CognitoFederationError as error:
            server.finish(pages.failed(error.what, error.remedy))
            raise
        except BaseException:
            server.finish(pages.failed("The sign-in was stopped before its end", "Start it again"))
            raise
        server.finish(pages.signed_in(answer.user_label))
        return answer


def sign_in_with_paste(
    party: OIDCClient,
    redirect_uri: str,
    *,
    ask: Callable[[SignInPrompt], str],
    accept: Accept | None = None,
    login_hint: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> AuthenticationResult:
    """Sign in with a browser anywhere: the page it ends on need not load, only its address is pasted back.

    Args:
        redirect_uri: as registered at the provider, exactly; any scheme.
        ask: shows the URL and returns what was pasted; asked again where that holds no answer.
        accept: the last word on the verified answer, as in `sign_in_with_browser`.
        timeout: seconds for the user; `ask` is the one to enforce what its prompt says is left.

    Raises:
        SignInFailedError: nothing usable was pasted, the answer belongs to another sign-in, or it was refused.
    """
    metadata = party.metadata()
    # A second round would be a second paste: the consent is asked for at once.
    prompt = "consent" if party.provider.asks_consent_for_refresh_token else None
    request = authorization_request(party, metadata, redirect_uri, login_hint=login_hint, prompt=prompt)
    deadline = party.clock.monotonic() + timeout
    for number in range(_PASTE_TRIES):
        left = max(0.0, deadline - party.clock.monotonic())
        pasted = ask(SignInPrompt("paste", request.url, expires_in=left, again=number > 0))
        try:
            query = query_of_pasted(pasted)
        except ValueError:
            continue
        code = read_answer(request, query)

        def finish(request: AuthorizationRequest = request, code: str = code) -> AuthenticationResult:
            answer = _redeem(party, metadata, request, code)
            if accept is not None:
                accept(answer)
            return answer

        return uninterrupted(finish)
    raise SignInFailedError(
        "What was pasted is not the address the provider redirected to",
        remedy="Sign in again and copy the whole address bar, with code= and state= in it",
    )


def _opened(open_url: OpenUrl | None, launch: str) -> bool:
    if open_url is None:
        return False
    try:
        return open_url(launch)
    except OSError as failure:
        logger.debug("the browser could not be started: %s", type(failure).__name__)
        return False


def _redeemed_and_accepted(
    party: OIDCClient,
    metadata: ProviderMetadata,
    request: AuthorizationRequest,
    code: str,
    accept: Accept | None,
) -> tuple[AuthenticationResult, bool]:
    """Redeem a code and keep what it brings, in one piece; False where the user is to be asked for consent first."""

    def finish() -> tuple[AuthenticationResult, bool]:
        answer = _redeem(party, metadata, request, code)
        if _lacks_refresh_token(party, request, answer):
            return answer, False
        if accept is not None:
            accept(answer)
        return answer, True

    return uninterrupted(finish)


def _redeem(
    party: OIDCClient, metadata: ProviderMetadata, request: AuthorizationRequest, code: str
) -> AuthenticationResult:
    answer = exchange_code(
        party, metadata, code=code, code_verifier=request.code_verifier, redirect_uri=request.redirect_uri
    )
    answer = exchange_for_long_lived(party, metadata, answer)
    return validate_response(party, metadata, answer, nonce=request.nonce)


def _lacks_refresh_token(party: OIDCClient, request: AuthorizationRequest, answer: AuthenticationResult) -> bool:
    """Whether asking for consent may bring the refresh token that did not come.

    Google gives one at the first consent only; elsewhere `offline_access` may be dropped without consent
    (OpenID Connect Core, section 11). Asking for consent at every sign-in would be the alternative.
    """
    if answer.refresh_token is not None or not party.provider.asks_consent_for_refresh_token:
        return False
    if any(name == "prompt" for name, _ in party.authorization_parameters):
        return False
    return "offline_access" in request.scopes or ("access_type", "offline") in party.provider.authorization_parameters


def _with_consent(
    party: OIDCClient,
    metadata: ProviderMetadata,
    server: CallbackServer,
    first: AuthenticationResult,
    timeout: float,
    cancel: threading.Event | None,
    login_hint: str | None,
) -> AuthenticationResult:
    """A second round in the same tab; where it brings nothing better, the first answer is still a sign-in."""
    address = first.claims.get("email")
    hint = login_hint or (address if isinstance(address, str) else None)
    request = authorization_request(party, metadata, server.redirect_uri, login_hint=hint, prompt="consent")
    server.go_on_with(request)
    try:
        second = _redeem(party, metadata, request, server.wait(timeout, cancel))
    except CognitoFederationError as failure:
        if cancel is not None and cancel.is_set():
            raise
        logger.debug("no refresh token, and asking for consent failed: %s", failure.what)
        return first
    return second if second.subject == first.subject else first
