"""Checks this machine and what a sign-in on it needs.

That is: where things are stored, who could change them, locks, other identities in reach; then the client, the
provider's documents and keys, and a way back. All is checked without a browser. What only a browser can show is said to
be untried.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.exceptions import BotoCoreError
from botocore.session import Session as BotocoreSession
from botocore.utils import InstanceMetadataFetcher, resolve_imds_endpoint_mode

from .._fast_path import CacheQuery
from .._util import installation
from ..cache import STORES
from ..cache.answers import holder_of_answer, last_failure
from ..cache.base import NOTES
from ..cache.file import FileStore
from ..cache.local_first import LocalFirstStore
from ..cache.sessions import Session, Sessions, check_storable
from ..config.configure import Files, signs_people_in
from ..config.settings import Settings
from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    StorageError,
    TemporaryError,
    reworded,
)
from ..factory import default_directory
from ..login_token import POOL_ALGORITHMS
from ..messages import clock_difference, login_command, printable, shown_url, span
from ..oidc.authorization import Redirect, authorization_request, loopback_redirect, what_helps, without_browser
from ..oidc.client import OIDCClient, oidc_client, provider_error
from ..oidc.discovery import MemoryDocuments, ProviderMetadata, document
from ..oidc.id_token import matching_keys, what_takes
from ..oidc.tokens import exchange_code
from ..sign_in.browser import can_open_browser
from ..user_pool.passkeys import INSTALL
from . import CheckContext, CheckResult

#: Seconds for which something that happened is worth a word.
_RECENT = 86_400
#: JSON may hold integers that are longer than a float; no time is later than this.
_END_OF_TIME = 1e12
_PROOF = "doctor"


def requirements(_: CheckContext) -> Iterator[CheckResult]:
    """Whether this command's own environment has what the package needs."""
    for flaw in installation.flaws():
        remedy = f"Run: {installation.pip_line(flaw.pip_words)}"
        yield CheckResult("installation", "warning", flaw.what, remedy)


def places(context: CheckContext) -> Iterator[CheckResult]:
    """Whether things can be stored and locked, and by whom else they could be changed."""
    settings, store, environ = context.settings, context.store, context.environ
    try:
        check_storable(store)
        with store.lock(_PROOF, timeout=0):
            pass
        yield CheckResult("store", "ok", f"cognito_cache = {settings.cache} can be written, locked and deleted")
    except StorageError as error:
        yield CheckResult.of("store", error)
    if STORES[settings.cache].outlives_process:
        files = FileStore(default_directory(environ))
        why = files.why_unusable()
        if why is not None:
            yield CheckResult("store", "warning", f"{why.what}, so each call starts anew", why.remedy)
        yield from _locks(context, files)
    where = Files.of(environ)
    for path in dict.fromkeys(
        (where.config, where.credentials, *map(os.path.dirname, (where.config, where.credentials)))
    ):
        with contextlib.suppress(OSError):
            yield from _others_who_can_change(path)
    for name in ("client_assertion_key_file", "client_certificate"):
        yield from _others_who_can_read(getattr(settings, name), f"cognito_{name}")


def _others_who_can_read(path: str | None, name: str) -> Iterator[CheckResult]:
    """Whether another user can read the private key in a file; one that cannot be read itself is found elsewhere."""
    with contextlib.suppress(OSError, ValueError):
        full = os.path.expanduser(os.path.expandvars(path or ""))
        if path and os.name != "nt" and os.stat(full).st_mode & (stat.S_IRGRP | stat.S_IROTH):
            what = f"{full} ({name}) holds a private key, and other users can read it"
            yield CheckResult("permissions", "warning", what, f"Run: chmod go-rwx {full}")


#: Seconds by which the clocks of two hosts may differ: the credentials of one would be renewed early by the other.
_CLOCKS_DIFFER = 120.0


def shared_cache(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the engines of a shared cache take what is written, and whether their clocks agree with this one."""
    store = context.store
    if not isinstance(store, LocalFirstStore):
        return
    try:
        engines = store.engines()
    except CognitoFederationError as error:
        yield CheckResult.of("shared cache", error)
        return
    for engine, url in zip(engines, (context.settings.cache_url, context.settings.cache_sessions_url), strict=False):
        try:
            engine.check()
            ahead = engine.clock_ahead()
        except CognitoFederationError as error:
            yield CheckResult.of("shared cache", error)
            continue
        yield CheckResult("shared cache", "ok", f"{engine.engine} at {shown_url(url or '')} takes what is written")
        if abs(ahead) >= _CLOCKS_DIFFER:
            what = clock_difference(ahead, f"that of {engine.engine}")
            yield CheckResult("clock", "warning", what, "Set the clock, or let it be set (NTP)")


def _locks(context: CheckContext, files: FileStore) -> Iterator[CheckResult]:
    remedy = "If it persists, end that process"
    holder = holder_of_answer(CacheQuery(context.settings.profile, context.environ))
    if holder is not None:
        what = f"{holder} is getting the credentials of this profile, and holds the lock of the cached answer"
        yield CheckResult("locks", "note", what, remedy)
    for name, words in files.holders():
        if name != _PROOF:
            yield CheckResult("locks", "note", f"{words} holds the lock {name}, for which other processes wait", remedy)


def _others_who_can_change(path: str) -> Iterator[CheckResult]:
    """Whether another user can change a file or directory whose content can start programs.

    Raises:
        OSError: it is not there.
    """
    if os.name == "nt":
        return
    status = os.stat(path)
    if status.st_uid not in (0, os.geteuid()):
        what = f"{path} belongs to user {status.st_uid}, who can make you start any program"
        yield CheckResult("permissions", "warning", what, "Give it back to this user (chown)")
    elif status.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        what = f"{path} can be written by other users, who can make you start any program"
        yield CheckResult("permissions", "warning", what, f"Run: chmod go-w {path}")


def notes(context: CheckContext) -> Iterator[CheckResult]:
    """What happened lately and was worth a word."""
    for _, note in context.store.documents(NOTES):
        at = note.get("at")
        if isinstance(at, int | float) and 0 <= at < _END_OF_TIME and time.time() - at < _RECENT:
            yield CheckResult("notes", "note", f"{note.get('text')} ({span(max(0.0, time.time() - at))} ago)")


def failure(context: CheckContext) -> Iterator[CheckResult]:
    """What the helper said last, which a program that started it may not have shown."""
    failed = last_failure(CacheQuery(context.settings.profile, context.environ))
    if failed is not None and time.time() - failed[0] < _RECENT:
        ago = span(max(0.0, time.time() - failed[0]))
        yield CheckResult("credential_process", "note", f"It failed {ago} ago: {failed[1]}")


_OTHERS = "other identities"
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
#: Seconds for all of it: where there is no metadata service, nothing answers at its address.
_TIME_LIMIT = 1
#: The SDKs that go on, measured by the matrix of clients (docs/clients.md).
_FALL_BACK = "Programs on the SDKs for JavaScript and C++ or the AWS Common Runtime use it when this sign-in fails"


def other_identities(context: CheckContext) -> Iterator[CheckResult]:
    """Warn of each that is in reach; the metadata service, which is not on this machine, is left out offline."""
    settings, environ, offline = context.settings, context.environ, context.offline
    if settings.fail_closed:
        yield CheckResult(_OTHERS, "ok", "cognito_fail_closed stops programs from going on to another identity")
        return
    container = next((name for name in _CONTAINER if environ.get(name)), None)
    if container:
        what = f"{container} is set, so the identity of this container is in reach. {_FALL_BACK}"
        yield CheckResult(_OTHERS, "warning", what, f"Unset {container}, or set cognito_fail_closed = true")
    role = None if offline else _role_of_the_machine(settings, environ)
    if role:
        what = f"The role {role} of this machine is in reach. {_FALL_BACK}"
        remedy = "Set cognito_fail_closed = true, or AWS_EC2_METADATA_DISABLED=true where they run"
        yield CheckResult(_OTHERS, "warning", what, remedy)
    if not container and not role and not offline:
        yield CheckResult(_OTHERS, "ok", "No other identity is in reach of programs here")


def _role_of_the_machine(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The role's name, asked for as every SDK asks; botocore asks nothing where AWS_EC2_METADATA_DISABLED is true."""
    found: list[str] = []

    def ask() -> None:
        fetcher = InstanceMetadataFetcher(
            timeout=_TIME_LIMIT, num_attempts=1, env=dict(environ), config=_fetcher_config(settings)
        )
        try:
            found.append(fetcher.retrieve_iam_role_credentials().get("role_name") or "")
        except (BotoCoreError, ValueError):
            return  # what answers there is no metadata service

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_TIME_LIMIT)
    return found[0] if found else None


def _fetcher_config(settings: Settings) -> dict[str, Any]:
    """What the profile says about the metadata service."""
    session = BotocoreSession(profile=settings.profile)
    return {
        "ec2_metadata_service_endpoint": session.get_config_variable("ec2_metadata_service_endpoint"),
        "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(session),
        "ec2_metadata_v1_disabled": session.get_config_variable("ec2_metadata_v1_disabled"),
    }


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
    if context.settings.preferred_challenge == "WEB_AUTHN" and importlib.util.find_spec("fido2") is None:
        what = "cognito_preferred_challenge is WEB_AUTHN, and the library for security keys is not installed"
        yield CheckResult("sign-in", "error", what, INSTALL, ConfigurationError.exit_code)
    found = _signed_in(context)
    if found.severity == "error" and not context.offline and not context.settings.signs_in_to_user_pool:
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
        what = f"The sign-in of {session.user_name} has ended" if session else "Not signed in"
        return CheckResult("sign-in", "error", what, login, 3)
    if session.refresh_token is not None:
        return CheckResult("sign-in", "ok", f"{session.user_name} is signed in, and it renews itself")
    provider = context.settings.provider
    until = f"for another {span(left)}" if left is not None else "with no known end"
    what = f"{session.user_name} is signed in {until}, with no refresh token"
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
    by_browser = settings.grant not in ("device-code", "remote", "srp") and not settings.signs_in_to_user_pool
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
    if oidc is None or context.settings.signs_in_to_user_pool:
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
    """Whether an ID token can be verified here and by an identity pool, which takes RSA only, or by STS.

    Raises:
        CognitoFederationError: the keys cannot be had.
    """
    if metadata.jwks_uri is None:
        return
    http, name = oidc.provider_http.for_issuer(metadata.issuer), oidc.provider.name
    try:
        jwks, _ = document(http, MemoryDocuments(), metadata.jwks_uri, now=oidc.clock.now())
    except CognitoFederationError as error:
        what = f"The signing keys of {name} are not available, and no ID token can be verified: {error.what}"
        remedy = f"Correct jwks_uri in the discovery document of {name}, or let this machine reach it"
        raise reworded(error, what=what, remedy=remedy) from None
    candidates = [matching_keys(jwks, None, algorithm) for algorithm in oidc.algorithms]
    if any(each.keys for each in candidates):
        whom = "identity pools take" if oidc.algorithms == POOL_ALGORITHMS else "STS takes"
        yield CheckResult("signing keys", "ok", f"{name} publishes keys that {whom}")
        return
    published = jwks.get("keys")
    entries = [entry for entry in published if isinstance(entry, dict)] if isinstance(published, list) else []
    kinds = sorted({str(entry.get("alg") or entry.get("kty")) for entry in entries})
    shown = printable(", ".join(kinds), 100) or "none"
    passed_over = next((each.passed_over for each in candidates if each.passed_over), "")
    what = passed_over or f"{name} has no key to sign with (its keys: {shown}), and {what_takes(oidc.algorithms)}"
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
        status, location = oidc.provider_http.redirect_of(request.url)
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
