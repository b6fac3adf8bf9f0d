"""Checks everything that a sign-in needs: the client, the provider's documents and keys, a way back, and a store.

It is checked without a browser. What only a browser can show is said to be untried.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from ..cache.sessions import Session, Sessions
from ..config.configure import signs_people_in
from ..errors import CognitoFederationError, ConfigurationError, SignInFailedError, TemporaryError, reworded
from ..messages import login_command, printable, span
from ..oidc.authorization import Redirect, authorization_request, loopback_redirect, what_helps, without_browser
from ..oidc.client import OIDCClient, oidc_client, provider_error
from ..oidc.discovery import MemoryDocuments, ProviderMetadata, document
from ..oidc.id_token import ACCEPTED_ALGORITHMS, matching_keys
from ..oidc.tokens import exchange_code
from ..sign_in.browser import can_open_browser
from . import CheckContext, CheckResult

#: Answers to ``prompt=none`` that say: the client and its redirect are known, and a person has to sign in (OpenID
#: Connect Core, section 3.1.2.6).
_NEEDS_A_PERSON = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)
#: The port in a redirect URI that is only shown to the provider, where any port will do.
_SHOWN_PORT = 8400


def sign_in(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the user is signed in, and where not, whether the sign-in can work."""
    if not signs_people_in(context.settings):
        return
    found = _signed_in(context)
    if found.severity == "error" and not context.offline and not context.settings.signs_in_by_password:
        yield from _client_is_known(context)
    yield found


def _signed_in(context: CheckContext) -> CheckResult:
    login = f"Run: {login_command(context.settings)}"
    try:
        session = Sessions(context.settings, context.store).read()
    except CognitoFederationError as error:
        return CheckResult.of("sign-in", error)
    left = _seconds_left(session)
    if session is None or (session.refresh_token is None and left is not None and left <= 0):
        what = f"The sign-in of {session.who} has ended" if session else "Not signed in"
        return CheckResult("sign-in", "error", what, login, 3)
    if session.refresh_token is not None:
        return CheckResult("sign-in", "ok", f"{session.who} is signed in, and it renews itself")
    provider = context.settings.provider
    until = f"for another {span(left)}" if left is not None else "with no known end"
    what = f"{session.who} is signed in {until}, with no refresh token"
    return CheckResult("sign-in", "warning", what, provider.refresh_remedy if provider else "")


def _seconds_left(session: Session | None) -> float | None:
    """For how long a login token can still be used; None where that has no known end, 0 where there is none."""
    token = session.token() if session else None
    if token is None:
        return 0.0
    return None if token.expires_at is None else token.expires_at - time.time()


def client(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the configuration has what a sign-in and a renewal send: the client ID, and its secret."""
    if not signs_people_in(context.settings):
        return
    try:
        oidc = oidc_client(context.settings, context.store, context.environ)
        yield CheckResult("sign-in client", "ok", "The client ID is configured")
    except CognitoFederationError as error:
        yield CheckResult.of("sign-in client", error)
        # The provider can be examined all the same.
        plain = replace(context.settings, client_id="none", client_secret_env=None, client_secret_command=None)
        oidc = oidc_client(plain, context.store, context.environ)
    context.oidc = replace(oidc, documents=MemoryDocuments())


def redirect_ports(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the browser could come back to this machine."""
    settings = context.settings
    provider = settings.provider
    by_browser = settings.grant not in ("device-code", "remote", "srp") and not settings.signs_in_by_password
    if provider is None or not signs_people_in(settings) or not by_browser:
        return
    try:
        redirect = loopback_redirect(settings.redirect_uri, settings.redirect_ports or provider.redirect_ports)
    except ConfigurationError as error:
        if settings.grant == "auth-code":
            yield CheckResult.of("redirect", error)
        return
    possible, why = can_open_browser(context.environ)
    if not possible:
        yield CheckResult("redirect", "note", f"login opens no browser here: {why}")
    shown = " and ".join(str(port) for port in redirect.ports)
    if any(_is_free(redirect, port) for port in redirect.ports):
        yield CheckResult("redirect", "ok", "A port for the browser to come back to is free")
    else:
        what = f"Port {shown} on {redirect.host} cannot be listened on: something else uses it"
        remedy = "End that, or register another redirect at the provider and set cognito_redirect_ports"
        yield CheckResult("redirect", "error", what, remedy, SignInFailedError.exit_code)


def _is_free(redirect: Redirect, port: int) -> bool:
    for address in redirect.addresses[:1]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            if os.name != "nt":
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((address, port))
            except OSError:
                return False
    return True


def provider(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the provider answers now, is who it says, and has keys that an identity pool takes."""
    oidc = context.oidc
    if oidc is None or context.settings.signs_in_by_password:
        return
    try:
        metadata = oidc.metadata()
        yield from _endpoints(context, metadata)
        yield from _keys(oidc, metadata)
    except TemporaryError as error:
        context.unreachable.append("the identity provider")
        yield CheckResult.of("provider", error)
    except CognitoFederationError as error:
        yield CheckResult.of("provider", error)


def _endpoints(context: CheckContext, metadata: ProviderMetadata) -> Iterator[CheckResult]:
    name, grant = context.settings.provider.name if context.settings.provider else "", context.settings.grant
    if grant == "device-code" and metadata.device_authorization_endpoint is None:
        what = f"{name} offers no sign-in by device code"
        yield CheckResult("provider", "error", what, "Set cognito_grant = auto", ConfigurationError.exit_code)
    elif metadata.authorization_endpoint is None and (
        grant in ("auth-code", "remote") or metadata.device_authorization_endpoint is None
    ):
        what = f"{name} offers no sign-in by browser: its discovery document has no authorization_endpoint"
        yield CheckResult("provider", "error", what, without_browser(metadata), ConfigurationError.exit_code)
    else:
        yield CheckResult("provider", "ok", f"{name} answers for its issuer")


def _keys(oidc: OIDCClient, metadata: ProviderMetadata) -> Iterator[CheckResult]:
    """Whether an ID token can be verified here and by an identity pool, which takes RSA only.

    Raises:
        CognitoFederationError: the keys cannot be had.
    """
    if metadata.jwks_uri is None:
        return
    http, name = oidc.http.for_issuer(metadata.issuer), oidc.provider.name
    try:
        jwks, _ = document(http, MemoryDocuments(), metadata.jwks_uri, now=oidc.clock.now())
    except CognitoFederationError as error:
        what = f"The signing keys of {name} are not available, and no ID token can be verified: {error.what}"
        remedy = f"Correct jwks_uri in the discovery document of {name}, or let this machine reach it"
        raise reworded(error, what=what, remedy=remedy) from None
    candidates = [matching_keys(jwks, None, algorithm) for algorithm in ACCEPTED_ALGORITHMS]
    if any(each.keys for each in candidates):
        yield CheckResult("signing keys", "ok", f"{name} publishes keys that identity pools take")
        return
    published = jwks.get("keys")
    entries = [entry for entry in published if isinstance(entry, dict)] if isinstance(published, list) else []
    kinds = sorted({str(entry.get("alg") or entry.get("kty")) for entry in entries})
    shown = printable(", ".join(kinds), 100) or "none"
    passed_over = next((each.passed_over for each in candidates if each.passed_over), "")
    what = passed_over or f"{name} has no RSA key to sign with (its keys: {shown}); identity pools take RSA"
    remedy = "Let it sign the ID tokens of this client with RS256"
    yield CheckResult("signing keys", "error", what, remedy, SignInFailedError.exit_code)


def _client_is_known(context: CheckContext) -> Iterator[CheckResult]:
    """Ask the provider for this client as far as it answers without a person.

    The authorization endpoint is asked with ``prompt=none``: it comes back to the redirect URI only for a client and a
    redirect that it knows (RFC 6749, section 4.1.2.1). The token endpoint is asked with a code that never was: it says
    ``invalid_grant`` only to a client that it knows (RFC 6749, section 5.2).
    """
    settings, oidc = context.settings, context.oidc
    if settings.client_id is None or oidc is None or context.unreachable:
        return
    try:
        metadata = oidc.metadata()
        redirect = loopback_redirect(settings.redirect_uri, oidc.provider.redirect_ports)
        uri = redirect.uri(redirect.ports[0] or _SHOWN_PORT)
    except CognitoFederationError:
        return  # said already
    found = _asked_for_nobody(oidc, metadata, uri) if metadata.authorization_endpoint is not None else None
    try:
        exchange_code(
            oidc, metadata, code=secrets.token_urlsafe(), code_verifier=secrets.token_urlsafe(), redirect_uri=uri
        )
    except ConfigurationError as error:
        found = CheckResult.of("sign-in client", error)
    except CognitoFederationError:
        pass  # the code was refused, as it has to be
    if found is not None:
        yield found


def _asked_for_nobody(oidc: OIDCClient, metadata: ProviderMetadata, redirect_uri: str) -> CheckResult | None:
    request = authorization_request(oidc, metadata, redirect_uri, prompt="none")
    check = "sign-in client"
    try:
        status, location = oidc.http.redirect_of(request.url)
    except CognitoFederationError as error:
        return CheckResult(check, "skipped", f"The client was not tried at the provider's page: {error.what}")
    target = urlsplit(location)
    comes_back = location.partition("?")[0] == redirect_uri
    if 400 <= status < 500:
        what = f"The provider refuses to sign in for client {oidc.client.client_id} with {redirect_uri} (HTTP {status})"
        remedy = f"Check cognito_client_id, and register {redirect_uri} for it at the provider"
        return CheckResult(check, "error", what, remedy, SignInFailedError.exit_code)
    answer = dict(parse_qsl(target.query)) if comes_back else {}
    code = answer.get("error", "")
    if not comes_back:
        return CheckResult(check, "skipped", f"Whether {redirect_uri} is registered is seen only in a browser")
    if not code or code in _NEEDS_A_PERSON:
        return CheckResult(check, "ok", "The provider knows the client and its redirect URI")
    said = provider_error(code, answer.get("error_description"), secrets=(request.state,))
    what = f"The provider would refuse the sign-in ({said})"
    return CheckResult(check, "error", what, str(what_helps(said)), SignInFailedError.exit_code)
