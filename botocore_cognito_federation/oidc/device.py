"""Sign-in by device code, for machines whose browser is elsewhere (RFC 8628)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .._util.http import HttpAnswer, ServerBusyError
from .._util.processes import uninterrupted
from ..errors import ConfigurationError, SignInFailedError, TemporaryError
from ..messages import SIGN_IN_AGAIN, SignInAnotherWay
from .authorization import configured_parameters, consent_for_offline_access
from .client import AuthenticationResult, OIDCClient, ProviderError, TokenAnswer, error_in
from .discovery import ProviderMetadata
from .flows import DEFAULT_TIMEOUT, Accept, Announce, SignInPrompt
from .tokens import post, secrets_of, text_of_token, token_answer, validate_response

DEFAULT_INTERVAL = 5.0
"""Seconds between polls where the provider names none (RFC 8628, section 3.2)."""

SLOWER_BY = 5.0
MAXIMUM_BACKOFF = 60.0

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLICE = 0.25


@dataclass(frozen=True)
class DeviceAuthorization:
    """The provider's answer to a device authorization request (RFC 8628, section 3.2); times in seconds."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    verification_uri: str
    verification_uri_complete: str | None = field(repr=False)
    expires_in: float
    interval: float


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
        accept: the last word on the verified answer, as in `sign_in.sign_in_with_browser`.
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
    scopes = oidc.effective_scopes(metadata)
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
    return _device_authorization(answer)


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


def _device_authorization(answer: HttpAnswer) -> DeviceAuthorization:
    body = answer.json_object(error=SignInFailedError)
    device_code = text_of_token(body, "device_code")
    user_code = body.get("user_code")
    # Google calls it verification_url, the name in the drafts of RFC 8628.
    uri = body.get("verification_uri", body.get("verification_url"))
    usable = isinstance(user_code, str) and user_code.isprintable() and 0 < len(user_code) <= 64
    if device_code is None or not usable or not _is_showable(uri):
        raise SignInFailedError(f"{answer.host} answered without a usable device code", remedy="Sign in another way")
    complete = body.get("verification_uri_complete")
    return DeviceAuthorization(
        device_code=device_code,
        user_code=str(user_code),
        verification_uri=str(uri),
        verification_uri_complete=complete if _is_showable(complete) else None,
        expires_in=_seconds(body, "expires_in", DEFAULT_TIMEOUT),
        interval=_seconds(body, "interval", DEFAULT_INTERVAL),
    )


def _is_showable(url: object) -> bool:
    """Whether a URL may be shown, and perhaps made clickable: http or https, nothing a terminal would act on."""
    if not isinstance(url, str) or len(url) > 2000 or any(not "!" <= c <= "~" for c in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _seconds(body: Mapping[str, Any], name: str, default: float) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        return default
    return float(value)
