"""The sign-in flows: a browser opened here, a redirected address pasted, or a code entered on any device (RFC 8628)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal

from .._util.http import HttpAnswer, ServerBusyError
from .._util.loopback import BROWSER_PATIENCE, BROWSER_TIME
from .._util.processes import uninterrupted
from ..errors import (
    SIGN_IN_AGAIN,
    CognitoFederationError,
    ConfigurationError,
    SignInAnotherWay,
    SignInFailedError,
    TemporaryError,
)
from .authorization import (
    AuthorizationRequest,
    Redirect,
    authorization_request,
    configured_parameters,
    consent_for_offline_access,
    effective_scopes,
    query_of_pasted,
    read_answer,
)
from .callback import CallbackServer, Reminder, page_of_failure, page_of_success, when_the_page_shows_an_error
from .client import (
    DEFAULT_TIMEOUT,
    Accept,
    Announce,
    AuthenticationResult,
    OIDCClient,
    ProviderError,
    SignInPrompt,
    TokenAnswer,
    error_in,
)
from .discovery import ProviderMetadata
from .tokens import (
    DeviceAuthorization,
    device_authorization_in,
    exchange_code,
    exchange_for_long_lived,
    post,
    secrets_of,
    token_answer,
    validate_response,
)

logger = logging.getLogger(__name__)

_PASTE_TRIES = 3

ANSWER_TIME = 30.0
"""Seconds a person has at the provider before they read what to do when its page shows an error."""

OpenUrl = Callable[[str], bool]


def sign_in_with_browser(
    oidc: OIDCClient,
    redirect: Redirect,
    *,
    announce: Announce,
    open_url: OpenUrl | None,
    arrived: Callable[[], None] | None = None,
    accept: Accept | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    cancel: threading.Event | None = None,
    login_hint: str | None = None,
) -> AuthenticationResult:
    """Sign in with a browser that comes back to this machine.

    Args:
        announce: shows the address of the start page; called in every case, after the browser has been told to open,
            and again when the sign-in does not get on.
        open_url: opens an address in a browser and says whether it could; None where there is no browser. It gets the
            address of the start page, which no other user of the machine may learn before the browser is there.
        arrived: called when a browser has fetched the start page, or so late that none will; perhaps twice.
        accept: the last word on the verified answer, before the browser is told that all is well: persist it here,
            refuse another user here. What it raises fails the sign-in, and the page says so.
        timeout: seconds for the user.
        cancel: ends the wait when set.

    Raises:
        SignInFailedError: refused, cancelled, timed out, opened in two browsers, or an answer that does not hold.
        ConfigurationError, TemporaryError: as the provider's endpoints have it.
        KeyboardInterrupt: at once; the port is free again.
    """
    metadata = oidc.metadata()
    deadline = oidc.clock.monotonic() + timeout
    with CallbackServer(redirect, monotonic=oidc.clock.monotonic) as server:
        request = authorization_request(oidc, metadata, server.redirect_uri, login_hint=login_hint)
        start = server.expect(request, arrived=arrived)
        prompt = SignInPrompt("browser", start, browser_opened=_opened(open_url, start), expires_in=timeout)
        announce(prompt)

        def take(answer: AuthenticationResult) -> None:
            server.commit()
            if accept is not None:
                accept(answer)

        with _failure_shown(server):
            helps = partial(when_the_page_shows_an_error, request, redirect, server.port)
            code = server.wait(timeout, cancel, reminders=_reminders(prompt, announce, arrived, helps))
            answer, taken = _redeemed_and_taken(oidc, metadata, request, code, take)
            if not taken:
                left = deadline - oidc.clock.monotonic()
                answer = _with_consent(oidc, metadata, server, answer, left, cancel, login_hint)
                uninterrupted(partial(take, answer))
        server.finish(page_of_success(answer.user_label))
        return answer


@contextmanager
def _failure_shown(server: CallbackServer) -> Iterator[None]:
    """Show the browser that waits why the sign-in failed, where it does."""
    try:
        yield
    except CognitoFederationError as error:
        server.finish(page_of_failure(error.what, error.remedy))
        raise
    except BaseException:
        server.finish(page_of_failure("The sign-in was stopped before its end", "Start it again"))
        raise


def _reminders(
    prompt: SignInPrompt, announce: Announce, arrived: Callable[[], None] | None, helps: Callable[[], str]
) -> list[Reminder]:
    def stalled(why: Literal["unopened", "unanswered"]) -> Callable[[], None]:
        return lambda: announce(replace(prompt, stalled=why, helps=helps()))

    found = [Reminder(ANSWER_TIME, True, stalled("unanswered"))]
    if prompt.browser_opened:
        found.append(Reminder(BROWSER_PATIENCE, False, stalled("unopened")))
    if arrived is not None:
        found.append(Reminder(BROWSER_TIME, False, arrived))
    return found


def sign_in_with_paste(
    oidc: OIDCClient,
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
    metadata = oidc.metadata()
    # A second round would be a second paste: Google's consent is asked for at once.
    google = ("access_type", "offline") in oidc.provider.authorization_parameters
    prompt = "consent" if google and oidc.provider.asks_consent_for_refresh_token else None
    request = authorization_request(oidc, metadata, redirect_uri, login_hint=login_hint, prompt=prompt)
    deadline = oidc.clock.monotonic() + timeout
    for number in range(_PASTE_TRIES):
        left = max(0.0, deadline - oidc.clock.monotonic())
        has_codes = metadata.device_authorization_endpoint is not None
        prompted = SignInPrompt("paste", request.url, expires_in=left, again=number > 0, has_device_codes=has_codes)
        pasted = ask(prompted)
        try:
            query = query_of_pasted(pasted)
        except ValueError:
            continue
        code = read_answer(request, query)

        def finish(request: AuthorizationRequest = request, code: str = code) -> AuthenticationResult:
            answer = _redeem(oidc, metadata, request, code)
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


def _redeemed_and_taken(
    oidc: OIDCClient, metadata: ProviderMetadata, request: AuthorizationRequest, code: str, take: Accept
) -> tuple[AuthenticationResult, bool]:
    """Redeem a code and store the result, in one step; False if the user has to be asked for consent first."""

    def finish() -> tuple[AuthenticationResult, bool]:
        answer = _redeem(oidc, metadata, request, code)
        if _lacks_refresh_token(oidc, request, answer):
            return answer, False
        take(answer)
        return answer, True

    return uninterrupted(finish)


def _redeem(
    oidc: OIDCClient, metadata: ProviderMetadata, request: AuthorizationRequest, code: str
) -> AuthenticationResult:
    answer = exchange_code(
        oidc, metadata, code=code, code_verifier=request.code_verifier, redirect_uri=request.redirect_uri
    )
    answer = exchange_for_long_lived(oidc, metadata, answer)
    return validate_response(oidc, metadata, answer, nonce=request.nonce)


def _lacks_refresh_token(oidc: OIDCClient, request: AuthorizationRequest, answer: AuthenticationResult) -> bool:
    """Return whether asking for consent may bring the refresh token that did not come.

    Google gives one at the first consent only, and asking for consent at every sign-in would be the alternative. With
    `offline_access` the request has asked for consent, or the provider knows no such prompt.
    """
    if answer.refresh_token is not None or not oidc.provider.asks_consent_for_refresh_token:
        return False
    return request.prompt is None and ("access_type", "offline") in oidc.provider.authorization_parameters


def _with_consent(
    oidc: OIDCClient,
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
    request = authorization_request(oidc, metadata, server.redirect_uri, login_hint=hint, prompt="consent")
    server.go_on_with(request)
    try:
        second = _redeem(oidc, metadata, request, server.wait(timeout, cancel))
    except CognitoFederationError as failure:
        if cancel is not None and cancel.is_set():
            raise
        logger.debug("no refresh token, and asking for consent failed: %s", failure.what)
        return first
    return second if second.subject == first.subject else first


SLOWER_BY = 5.0
MAXIMUM_BACKOFF = 60.0
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLICE = 0.25


def sign_in_with_device(
    oidc: OIDCClient,
    *,
    announce: Announce,
    accept: Accept | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    cancel: threading.Event | None = None,
) -> AuthenticationResult:
    """Sign in with a code the user enters on any device.

    Args:
        announce: shows the code and where to enter it.
        accept: the last word on the verified answer, as in `sign_in_with_browser`.
        timeout: seconds for the user; the provider's own limit counts too.
        cancel: ends the wait when set.

    Raises:
        SignInFailedError: refused, expired, cancelled, or an answer that does not hold.
        ConfigurationError: the provider or this client has no device grant.
        TemporaryError: the provider could not be asked at the start.
    """
    metadata = oidc.metadata()
    device = authorize_device(oidc, metadata)
    limit = min(timeout, device.expires_in)
    announce(
        SignInPrompt(
            "device",
            device.verification_uri,
            user_code=device.user_code,
            complete_url=device.verification_uri_complete,
            expires_in=limit,
        )
    )
    answer = poll(oidc, metadata, device, limit, cancel)

    def finish() -> AuthenticationResult:
        signed_in = validate_response(oidc, metadata, answer)
        if accept is not None:
            accept(signed_in)
        return signed_in

    return uninterrupted(finish)


def authorize_device(oidc: OIDCClient, metadata: ProviderMetadata) -> DeviceAuthorization:
    """Ask for a device code.

    Raises:
        ConfigurationError, SignInFailedError, TemporaryError: see `sign_in_with_device`.
    """
    if metadata.device_authorization_endpoint is None:
        raise ConfigurationError(
            f"{oidc.provider.name} has no sign-in by device code",
            remedy=SignInAnotherWay(ways=("browser", "paste")),
        )
    scopes = effective_scopes(oidc, metadata)
    form = {**configured_parameters(oidc), "scope": " ".join(scopes)}
    prompt = consent_for_offline_access(oidc, metadata, scopes)
    if prompt is not None:
        form.setdefault("prompt", prompt)
    answer = post(oidc, metadata, metadata.device_authorization_endpoint, form)
    if answer.status != 200:
        error = error_in(answer, secrets=secrets_of(oidc.client, form))
        raise ConfigurationError(
            f"{answer.host} gives this client no device code ({error})",
            remedy="Allow the device authorization grant for the client at the provider, or sign in another way",
        )
    return device_authorization_in(answer)


def poll(
    oidc: OIDCClient,
    metadata: ProviderMetadata,
    device: DeviceAuthorization,
    limit: float,
    cancel: threading.Event | None = None,
) -> TokenAnswer:
    """Ask until the user has decided (RFC 8628, section 3.5).

    Raises:
        SignInFailedError: the user or the provider said no, or `limit` seconds have passed.
    """
    clock = oidc.clock
    deadline = clock.monotonic() + limit
    interval = device.interval
    form = {"grant_type": _GRANT, "device_code": device.device_code}
    pause = interval
    while True:
        _sleep(oidc, min(pause, max(deadline - clock.monotonic(), 0.0)), cancel)
        if clock.monotonic() >= deadline:
            raise SignInFailedError(f"The code was not entered within {limit:g} seconds", remedy=SIGN_IN_AGAIN)
        pause = interval
        try:
            answer = post(oidc, metadata, metadata.token_endpoint, form)
        except ServerBusyError as busy:
            if busy.status == 429:  # Auth0 says slow_down with this status
                interval += SLOWER_BY
            pause = max(interval, busy.retry_after or 0.0)
            continue
        except TemporaryError:
            # Section 3.5: after a connection timeout, less often; here doubling, as it suggests.
            interval = pause = min(interval * 2, max(interval, MAXIMUM_BACKOFF))
            continue
        if answer.status == 200:
            return token_answer(oidc, answer, error=SignInFailedError)
        error = error_in(answer, secrets=secrets_of(oidc.client, form))
        if error.code == "slow_down":
            interval += SLOWER_BY  # "for this and all subsequent requests"
        elif error.code != "authorization_pending":
            raise _refused(answer, error)
        pause = interval


def _sleep(oidc: OIDCClient, seconds: float, cancel: threading.Event | None) -> None:
    end = oidc.clock.monotonic() + seconds
    while (left := end - oidc.clock.monotonic()) > 0:
        if cancel is not None and cancel.is_set():
            raise SignInFailedError("The sign-in was cancelled", remedy="Start it again when you are ready")
        oidc.clock.sleep(left if cancel is None else min(left, _SLICE))


def _refused(answer: HttpAnswer, error: ProviderError) -> SignInFailedError | ConfigurationError:
    if error.code == "access_denied":
        return SignInFailedError(f"The sign-in was declined ({error})", remedy=SIGN_IN_AGAIN)
    if error.code == "expired_token":
        return SignInFailedError("The code expired before it was entered", remedy=SIGN_IN_AGAIN)
    if error.code in ("invalid_client", "unauthorized_client", "unsupported_grant_type"):
        return ConfigurationError(
            f"{answer.host} does not take this client ({error})",
            remedy="Check cognito_client_id and its secret, and allow the device authorization grant at the provider",
        )
    return SignInFailedError(f"{answer.host} ended the sign-in ({error})", remedy=SIGN_IN_AGAIN)
