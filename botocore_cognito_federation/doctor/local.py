"""What can be wrong on this machine: the configuration, the helper, the places things are kept, the ports."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import stat
import time
from collections.abc import Iterator, Mapping

from ..cache.base import NOTES, Store
from ..cache.sessions import Sessions
from ..config.configure import Files, is_ours, signs_people_in
from ..config.precedence import what_shadows
from ..config.settings import Settings
from ..config.writer import profile_section, read_text, section_values
from ..errors import CognitoFederationError, ConfigurationError, StorageError
from ..identity_providers import derive_login_key
from ..messages import login_command, run_with_profile, span
from ..oidc.authorization import Redirect, loopback_redirect
from ..sign_in.login import prove_that_it_can_be_kept
from .findings import Finding

_NOTE_LIFE = 86_400


def shadows(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What takes precedence over the profile."""
    found = [sentence for sentence in what_shadows(settings, environ) if "has no credential_process" not in sentence]
    for sentence in found:
        what, _, remedy = sentence.rpartition(". ")
        yield Finding("precedence", "error", what, remedy, ConfigurationError.exit_code)
    if not found:
        yield Finding("precedence", "ok", "Nothing comes before this profile")


def helper(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether SDKs can start what ``credential_process`` names."""
    profile = settings.profile or "default"
    name = "credential_process"
    configure = run_with_profile(profile, "configure")
    command = section_values(read_text(Files.of(environ).config), profile_section(profile)).get(name)
    if command is None:
        what = f"[{profile_section(profile)}] has no credential_process: only Python with install() uses the profile"
        yield Finding(name, "warning", what, configure)
        return
    words = _words(command)
    if not words or not is_ours(command):
        yield Finding(name, "error", f"[{profile_section(profile)}] starts another helper", configure, 4)
        return
    program = words[0]
    path = program if os.path.isabs(program) else shutil.which(program, path=environ.get("PATH"))
    if path is None or not os.access(path, os.X_OK):
        yield Finding(name, "error", f"{program} cannot be started", configure, 4)
        return
    if '"' in command or "'" in command or " " in program:
        yield Finding(name, "warning", "Its path needs quotes, which SDKs read differently", configure)
    if not os.path.isabs(program):
        what = f"{program} is found on this PATH, but programs started from elsewhere have another one"
        yield Finding(name, "warning", what, configure)
    named = _option(words, "--profile")
    if (named or "default") != profile:
        what = f"It asks for profile {named or 'default'!r}, not {profile!r}"
        yield Finding(name, "error", what, configure, ConfigurationError.exit_code)
    yield Finding(name, "ok", f"{path} can be started")


def places(settings: Settings, store: Store, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether things can be kept, and by whom else they could be changed."""
    try:
        prove_that_it_can_be_kept(store)
        yield Finding("store", "ok", f"cognito_cache = {settings.cache} keeps and forgets")
    except StorageError as error:
        yield Finding.of("store", error)
    for path in (Files.of(environ).config, os.path.dirname(Files.of(environ).config)):
        with contextlib.suppress(OSError):
            mode = os.stat(path).st_mode
            if os.name != "nt" and mode & (stat.S_IWOTH | stat.S_IWGRP):
                what = f"{path} can be written by other users, who can make you start any program"
                yield Finding("permissions", "warning", what, f"Run: chmod go-w {path}")


def notes(store: Store) -> Iterator[Finding]:
    """What happened lately and was worth a word."""
    for _, document in store.documents(NOTES):
        at = document.get("at")
        if isinstance(at, int | float) and time.time() - at < _NOTE_LIFE:
            yield Finding("notes", "note", f"{document.get('text')} ({span(max(0.0, time.time() - at))} ago)")


def names(settings: Settings) -> Iterator[Finding]:
    """Whether the Logins key is the one that Cognito expects of the issuer."""
    provider = settings.provider
    if provider is None or provider.issuer is None or provider.login_key is None:
        return
    derived = derive_login_key(provider.issuer)
    aliases = {derive_login_key(alias) for alias in provider.accepted_issuers}
    if provider.kind == "oidc" and provider.login_key not in aliases:
        what = f"The Logins key is {provider.login_key}, and the issuer {provider.issuer} makes it {derived}"
        yield Finding("login key", "warning", what, "Remove cognito_login_key unless the identity pool has it so")


def sign_in(settings: Settings, store: Store) -> Iterator[Finding]:
    """Whether somebody is signed in, where somebody has to be."""
    if not signs_people_in(settings):
        return
    login = f"Run: {login_command(settings)}"
    try:
        session = Sessions(settings, store).read()
    except CognitoFederationError as error:
        yield Finding.of("sign-in", error)
        return
    token = session.token() if session else None
    left = None if token is None or token.expires_at is None else token.expires_at - time.time()
    if session is None or (session.refresh_token is None and (token is None or (left is not None and left <= 0))):
        what = f"The sign-in of {session.who} has ended" if session else "Nobody is signed in"
        yield Finding("sign-in", "error", what, login, 3)
    elif session.refresh_token is None:
        helps = settings.provider.refresh_remedy if settings.provider else ""
        until = f"for another {span(left)}" if left is not None else "with no known end"
        yield Finding("sign-in", "warning", f"{session.who} is signed in {until}, with no refresh token", helps)
    else:
        yield Finding("sign-in", "ok", f"{session.who} is signed in, and it renews itself")


def redirect_ports(settings: Settings) -> Iterator[Finding]:
    """Whether the browser could come back to this machine."""
    provider = settings.provider
    if provider is None or not signs_people_in(settings) or settings.grant in ("device-code", "remote", "srp"):
        return
    try:
        redirect = loopback_redirect(settings.redirect_uri, settings.redirect_ports or provider.redirect_ports)
    except ConfigurationError as error:
        if settings.grant == "auth-code":
            yield Finding.of("redirect", error)
        return
    free = [port for port in redirect.ports if _is_free(redirect, port)]
    shown = " and ".join(str(port) for port in redirect.ports)
    if free:
        yield Finding("redirect", "ok", "A port for the browser to come back to is free")
    else:
        yield Finding(
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
