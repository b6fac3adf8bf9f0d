"""What can be wrong on this machine: the configuration, the helper, the places things are kept, the ports."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime

from botocore.session import Session

from .._fast_path import CacheQuery
from .._util.http import HttpClient, ServerBusyError
from ..botocore_plugin.provider import session_of_other_profile
from ..cache import STORES
from ..cache import answers as ready_answer
from ..cache.base import NOTES, Store
from ..cache.file import FileStore
from ..cache.sessions import Sessions
from ..config.configure import Files, check_provider, is_ours, is_slow, signs_people_in
from ..config.loader import default_directory, load_settings
from ..config.precedence import find_overrides, limit_of_window
from ..config.settings import Settings
from ..config.writer import known_config, profile_section
from ..errors import CognitoFederationError, ConfigurationError, SignInRequiredError, StorageError, TemporaryError
from ..factory import fetcher_for, identity_pool_for, store_for
from ..identity_pool.aws import suppress_wire_logs
from ..identity_pool.client import Clients, fixed_identity
from ..identity_providers import derive_login_key
from ..login_token import Login
from ..messages import login_command, run_with_profile, span
from ..oidc.authorization import Redirect, loopback_redirect
from ..sign_in.interactive import check_storable
from .report import CheckResult, by_severity, other_identities

_NOTE_LIFE = 86_400
#: JSON may hold integers that are longer than a float; no time is later than this.
_END_OF_TIME = 1e12


def shadows(settings: Settings, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """What takes precedence over the profile."""
    found = [sentence for sentence in find_overrides(settings, environ) if "has no credential_process" not in sentence]
    for sentence in found:
        what, _, remedy = sentence.rpartition(". ")
        yield CheckResult("precedence", "error", what, remedy, ConfigurationError.exit_code)
    if not found:
        yield CheckResult("precedence", "ok", "Nothing takes precedence over this profile")


def window(settings: Settings) -> Iterator[CheckResult]:
    """Whether the credentials can be renewed as early as is configured."""
    what, _, remedy = limit_of_window(settings).rpartition(". ")
    if what:
        yield CheckResult("refresh window", "warning", what, remedy)


def helper(settings: Settings, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Whether SDKs can start what ``credential_process`` names."""
    profile = settings.profile or "default"
    name = "credential_process"
    configure = run_with_profile(profile, "configure")
    command = known_config(Files.of(environ).config)["profiles"].get(profile, {}).get(name)
    if command is None:
        what = (
            f"[{profile_section(profile)}] has no credential_process: only Python with install() uses the profile, "
            "and worker processes that start as new interpreters do not"
        )
        yield CheckResult(name, "warning", what, configure)
        return
    words = _words(command)
    if not words or not is_ours(command):
        yield CheckResult(name, "error", f"[{profile_section(profile)}] starts another helper", configure, 4)
        return
    program = words[0]
    path = program if os.path.isabs(program) else shutil.which(program, path=environ.get("PATH"))
    if path is None or not os.access(path, os.X_OK):
        yield CheckResult(name, "error", f"{program} cannot be started", configure, 4)
        return
    if '"' in command or "'" in command or " " in program:
        yield CheckResult(name, "warning", "Its path needs quotes, which SDKs read differently", configure)
    if not os.path.isabs(program):
        what = f"{program} is found on this PATH, but programs started from elsewhere have another one"
        yield CheckResult(name, "warning", what, configure)
    named = _option(words, "--profile")
    if (named or "default") != profile:
        what = f"It asks for profile {named or 'default'!r}, not {profile!r}"
        yield CheckResult(name, "error", what, configure, ConfigurationError.exit_code)
    if is_slow(words):
        yield CheckResult(name, "note", "It was written before there was a quicker line", configure)
    yield CheckResult(name, "ok", f"{path} can be started")


def places(settings: Settings, store: Store, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Whether things can be kept, and by whom else they could be changed."""
    try:
        check_storable(store)
        yield CheckResult("store", "ok", f"cognito_cache = {settings.cache} can be written and deleted")
    except StorageError as error:
        yield CheckResult.of("store", error)
    if STORES[settings.cache].outlives_process:
        files = FileStore(default_directory(environ))
        why = files.why_unusable()
        if why is not None:
            remedy = "Give it back to this user (chown), or set COGNITO_FEDERATION_CACHE_DIR"
            yield CheckResult("store", "warning", f"{why}, so each call starts anew", remedy)
        for name, holder in files.holders():
            what = f"{holder} holds the lock {name}, for which other processes wait"
            yield CheckResult("locks", "note", what, "If it persists, end that process")
    where = Files.of(environ)
    for path in dict.fromkeys(
        (where.config, where.credentials, *map(os.path.dirname, (where.config, where.credentials)))
    ):
        with contextlib.suppress(OSError):
            yield from _who_else_can_change(path)


def _who_else_can_change(path: str) -> Iterator[CheckResult]:
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


def notes(store: Store) -> Iterator[CheckResult]:
    """What happened lately and was worth a word."""
    for _, document in store.documents(NOTES):
        at = document.get("at")
        if isinstance(at, int | float) and 0 <= at < _END_OF_TIME and time.time() - at < _NOTE_LIFE:
            yield CheckResult("notes", "note", f"{document.get('text')} ({span(max(0.0, time.time() - at))} ago)")


def last_failure(settings: Settings, environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """What the helper said last, which a program that started it may not have shown."""
    failed = ready_answer.last_failure(CacheQuery(settings.profile, environ))
    if failed is not None and time.time() - failed[0] < _NOTE_LIFE:
        ago = span(max(0.0, time.time() - failed[0]))
        yield CheckResult("credential_process", "note", f"It failed {ago} ago: {failed[1]}")


def names(settings: Settings) -> Iterator[CheckResult]:
    """Whether the Logins key is the one that Cognito expects of the issuer."""
    provider = settings.provider
    if provider is None or provider.issuer is None or provider.login_key is None:
        return
    derived = derive_login_key(provider.issuer)
    aliases = {derive_login_key(alias) for alias in provider.accepted_issuers}
    if provider.kind == "oidc" and provider.login_key not in aliases:
        what = f"The Logins key is {provider.login_key}, and the issuer {provider.issuer} makes it {derived}"
        yield CheckResult("login key", "warning", what, "Remove cognito_login_key unless the identity pool has it so")


def sign_in(settings: Settings, store: Store) -> Iterator[CheckResult]:
    """Whether somebody is signed in, where somebody has to be."""
    if not signs_people_in(settings):
        return
    login = f"Run: {login_command(settings)}"
    try:
        session = Sessions(settings, store).read()
    except CognitoFederationError as error:
        yield CheckResult.of("sign-in", error)
        return
    token = session.token() if session else None
    left = None if token is None or token.expires_at is None else token.expires_at - time.time()
    if session is None or (session.refresh_token is None and (token is None or (left is not None and left <= 0))):
        what = f"The sign-in of {session.who} has ended" if session else "Not signed in"
        yield CheckResult("sign-in", "error", what, login, 3)
    elif session.refresh_token is None:
        helps = settings.provider.refresh_remedy if settings.provider else ""
        until = f"for another {span(left)}" if left is not None else "with no known end"
        yield CheckResult("sign-in", "warning", f"{session.who} is signed in {until}, with no refresh token", helps)
    else:
        yield CheckResult("sign-in", "ok", f"{session.who} is signed in, and it renews itself")


def redirect_ports(settings: Settings) -> Iterator[CheckResult]:
    """Whether the browser could come back to this machine."""
    provider = settings.provider
    if provider is None or not signs_people_in(settings) or settings.grant in ("device-code", "remote", "srp"):
        return
    try:
        redirect = loopback_redirect(settings.redirect_uri, settings.redirect_ports or provider.redirect_ports)
    except ConfigurationError as error:
        if settings.grant == "auth-code":
            yield CheckResult.of("redirect", error)
        return
    free = [port for port in redirect.ports if _is_free(redirect, port)]
    shown = " and ".join(str(port) for port in redirect.ports)
    if free:
        yield CheckResult("redirect", "ok", "A port for the browser to come back to is free")
    else:
        yield CheckResult(
            "redirect",
            "error",
            f"Port {shown} on {redirect.host} cannot be listened on: something else uses it",
            "End that, or register another redirect at the provider and set cognito_redirect_ports",
            5,
        )


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


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command, posix=os.name != "nt")
    except ValueError:
        return []


def _option(words: list[str], name: str) -> str | None:
    for number, word in enumerate(words):
        if word == name and number + 1 < len(words):
            return words[number + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


logger = logging.getLogger(__name__)

#: Seconds by which a clock may be off unnoticed; AWS refuses signatures from 300.
_UNNOTICED = 60.0
_REFUSED_FROM = 240.0


def provider(settings: Settings, store: Store) -> Iterator[CheckResult]:
    """Whether the identity provider is there and is who it says."""
    if not signs_people_in(settings):
        return
    try:
        check_provider(settings, store)
        yield CheckResult(
            "provider", "ok", f"{settings.provider.name if settings.provider else ''} answers for its issuer"
        )
    except CognitoFederationError as error:
        yield CheckResult.of("provider", error)


def clocks(settings: Settings, clients: Clients) -> Iterator[CheckResult]:
    """Whether this machine's clock agrees with the provider's and with AWS's."""
    addresses = {}
    if settings.provider is not None and settings.provider.issuer is not None and signs_people_in(settings):
        issuer = settings.provider.issuer.removesuffix("/")
        addresses["the identity provider"] = f"{issuer}/.well-known/openid-configuration"
    with suppress_wire_logs():
        addresses["Cognito"] = str(clients.cognito_identity().meta.endpoint_url)
    http = HttpClient(ca_bundle=settings.ca_bundle)
    for whose, address in addresses.items():
        yield from _clock(whose, address, http.for_issuer(address))


def _clock(whose: str, address: str, http: HttpClient) -> Iterator[CheckResult]:
    try:
        theirs = _date(http.get(address).headers.get("date"))
    except ServerBusyError:
        return
    except TemporaryError as error:
        yield CheckResult.of("network" if whose == "Cognito" else "provider", error)
        return
    except CognitoFederationError as error:
        logger.debug("No clock to compare with at %s: %s", address, error.what)
        return
    if theirs is None:
        return
    ahead = time.time() - theirs
    side = "ahead of" if ahead > 0 else "behind"
    what = f"This machine's clock is {abs(round(ahead))} s {side} that of {whose}"
    if abs(ahead) >= _REFUSED_FROM:
        yield CheckResult("clock", "error", what, "Set the clock, or let it be set (NTP)", ConfigurationError.exit_code)
    elif abs(ahead) >= _UNNOTICED:
        yield CheckResult("clock", "warning", what, "Set the clock, or let it be set (NTP)")
    else:
        yield CheckResult("clock", "ok", f"This machine's clock agrees with that of {whose}")


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def token_and_pool(settings: Settings, store: Store, clients: Clients) -> Iterator[CheckResult]:
    """Whether the login token fits the configuration, the identity pool takes it, and the roles can be had.

    Guests are not tried: every try without a known identity would make a new one.
    """
    if settings.is_guest:
        return
    try:
        # An examination never opens a browser.
        login = fetcher_for(
            replace(settings, auto_login="never"), store=store, open_session=session_of_other_profile
        ).login()
    except SignInRequiredError:
        return  # said already
    except CognitoFederationError as error:
        yield CheckResult.of("login token", error)
        return
    if login is None:
        return
    yield from _claims(settings, login)
    pool = identity_pool_for(settings)
    try:
        identity_id = fixed_identity(settings, login) or pool.get_id(login)
        credentials = pool.exchange(identity_id, login).credentials
    except CognitoFederationError as error:
        yield CheckResult.of("identity pool", error)
        return
    what = f"{settings.identity_pool_id} takes the token and gives credentials: identity {credentials.identity_id}"
    yield CheckResult("identity pool", "ok", what)


def _claims(settings: Settings, login: Login) -> Iterator[CheckResult]:
    claims = login.token.claims
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if settings.client_id is not None and audiences and settings.client_id not in audiences:
        what = f"The login token is for {', '.join(map(str, audiences))[:200]}, not for cognito_client_id"
        yield CheckResult(
            "audience", "warning", what, "Let the identity pool's provider have the audience of the token"
        )
    issuer = login.token.issuer
    configured = settings.provider.accepted_issuers if settings.provider else ()
    if issuer is not None and configured and issuer.removesuffix("/") not in {i.removesuffix("/") for i in configured}:
        what = f"The login token comes from {issuer[:200]}, and the configuration names {configured[0]}"
        yield CheckResult("issuer", "error", what, f"Set cognito_provider = {derive_login_key(issuer)[:200]}", 4)


def run_checks(profile: str | None, environ: Mapping[str, str], *, offline: bool = False) -> list[CheckResult]:
    """Look at everything; worst first. Nothing is changed, and nobody is asked to sign in."""
    try:
        settings = load_settings(profile)
    except CognitoFederationError as error:
        return [CheckResult.of("configuration", error)]
    found = [CheckResult("configuration", "ok", f"Profile {settings.profile or 'default'} is a configuration")]
    for look in _looks(settings, environ, offline):
        try:
            found.extend(look())
        except CognitoFederationError as error:
            found.append(CheckResult.of("examination", error))
    return by_severity(found)


def _looks(
    settings: Settings, environ: Mapping[str, str], offline: bool
) -> Iterator[Callable[[], Iterator[CheckResult]]]:
    store = store_for(settings, environ)
    yield lambda: shadows(settings, environ)
    yield lambda: helper(settings, environ)
    yield lambda: places(settings, store, environ)
    yield lambda: names(settings)
    yield lambda: window(settings)
    yield lambda: sign_in(settings, store)
    yield lambda: redirect_ports(settings)
    yield lambda: other_identities(settings, environ, offline=offline)
    yield lambda: last_failure(settings, environ)
    yield lambda: notes(store)
    if offline:
        return
    clients = Clients(settings, lambda: Session(profile=settings.profile))
    yield lambda: provider(settings, store)
    yield lambda: clocks(settings, clients)
    yield lambda: token_and_pool(settings, store, clients)
