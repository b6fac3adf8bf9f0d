"""``docker-credential-cognito-federation``: passwords of Amazon ECR for docker, podman and other container programs.

The protocol is that of docker's credential helpers (github.com/docker/docker-credential-helpers): the action is the one
argument, its input is on stdin, its output on stdout. So is the line of a failure, with exit status 1. It is on stderr
too, which docker passes on: some of its commands (28.2: manifest inspect) drop what is on stdout, and go on without a
password.

Each ``get`` asks ECR for a password with the credentials of a profile. Nothing is stored. As ``credsStore`` the helper
is started for every registry, so everything else is imported only for those of ECR.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .._fast_path import CacheQuery
from ..config.registries import Registry, registry_in

PROGRAM = "docker-credential-cognito-federation"
#: docker goes on without a password if a helper prints just this (``errCredentialsNotFoundMessage``).
NOT_FOUND = "credentials not found in native keychain"
#: What docker's own helpers say of an empty input (``errCredentialsMissingServerURLMessage``).
NO_ADDRESS = "no credentials server URL"
#: Characters of an input; a host name has 253 at most.
_LONGEST_INPUT = 64 * 1024


class _HelperError(Exception):
    """A failure; its text is the line that is printed."""


def main() -> None:
    """Run the helper and end the process with its exit code."""
    code, text = _ended_with(sys.argv[1:])
    is_for_people = code != 0 and text != NOT_FOUND
    try:
        for stream in filter(None, (sys.stderr if is_for_people else None, sys.stdout)):  # None if closed at the start
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
            stream.write(text and f"{text}\n")
            stream.flush()
    except OSError:
        os._exit(1)  # the reader has gone, or the disk is full: Python would try once more at its exit
    raise SystemExit(code)


def _ended_with(arguments: list[str]) -> tuple[int, str]:
    """Return the exit code, and what is printed."""
    action = _ACTIONS.get(arguments[0]) if len(arguments) == 1 else None
    if action is None:
        return 1, f"Usage: {PROGRAM} {'|'.join(name for name in _ACTIONS if name.isalpha())}"
    try:
        return 0, action()
    except _HelperError as failure:
        return 1, str(failure)
    except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
        return 1, _line_of(error)


def _line_of(error: Exception) -> str:
    from .._util.log import unexpected
    from ..errors import CognitoFederationError
    from ..messages import shown_line

    return shown_line((error if isinstance(error, CognitoFederationError) else unexpected(error)).line)


def _get() -> str:
    address = _address(_input())
    registry = registry_in(address)
    if registry is None:
        raise _HelperError(NOT_FOUND)
    from .._util.log import VARIABLE, start_debug_log
    from .._util.processes import hold_signals

    hold_signals()
    if where := os.environ.get(VARIABLE):
        start_debug_log(where)
    profile = profile_of(registry, os.environ)
    if profile is None:
        raise _HelperError(NOT_FOUND)
    from ..serve.issued_tokens import USER_OF_ECR, caller_of, ecr_token
    from .app import fetcher_of_profile

    settings, fetcher = fetcher_of_profile(profile)
    token = ecr_token(caller_of(settings, fetcher.credentials()), registry.region, registry)
    return json.dumps({"ServerURL": address, "Username": USER_OF_ECR, "Secret": token.value})


def _list() -> str:
    from ..config.loader import merged_config
    from ..serve.issued_tokens import USER_OF_ECR

    return json.dumps({host: USER_OF_ECR for _, host in _named_registries(merged_config(os.environ), os.environ)})


def _store() -> str:
    """Refuse: a stored password would not be the one that is used. The input holds it, and is not shown."""
    try:
        address = _address(str(json.loads(_input())["ServerURL"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        raise _HelperError(NO_ADDRESS) from None
    registry = registry_in(address)
    if registry is None:
        raise _HelperError(f"{PROGRAM} stores no passwords. Name it in credHelpers only, for registries of Amazon ECR")
    raise _HelperError(
        f"{PROGRAM} gets the password of {registry.host} whenever it is used; docker login is not needed"
    )


def _erase() -> str:
    registry = registry_in(_address(_input()))
    if registry is None:
        return ""  # as after any logout, nothing is stored
    raise _HelperError(
        f"No password of {registry.host} is stored. To end the sign-in behind it, run: cognito-federation logout"
    )


def _version() -> str:
    from .. import __version__

    return f"{PROGRAM} (botocore-cognito-federation) {__version__}"


_ACTIONS: Mapping[str, Callable[[], str]] = {
    "get": _get,
    "list": _list,
    "store": _store,
    "erase": _erase,
    "version": _version,
    "--version": _version,
}


def _input() -> str:
    # None if it was closed at the start.
    return sys.stdin.read(_LONGEST_INPUT) if sys.stdin is not None else ""


def _address(text: str) -> str:
    address = text.strip()
    if not address:
        raise _HelperError(NO_ADDRESS)
    return address


def profile_of(registry: Registry, environ: Mapping[str, str]) -> str | None:
    """Return the profile whose credentials are for a registry.

    It is the one that names the registry in ``cognito_registries``, and otherwise the profile in use.

    Args:
        registry: the registry.
        environ: the process environment.

    Returns:
        The profile's name; None for the public registry if no profile names it: its images need no password.

    Raises:
        ConfigurationError: no profile of this tool is named, or several are.
    """
    from ..config.keys import KEYS
    from ..config.loader import Layers, is_managed, merged_config
    from ..errors import ConfigurationError

    key = KEYS["registries"].full_name
    config, in_use = merged_config(environ), CacheQuery(None, environ).profile
    naming = [profile for profile, host in _named_registries(config, environ) if host == registry.host]
    if in_use in naming:
        return in_use
    if len(naming) > 1:
        raise ConfigurationError(
            f"Profiles {', '.join(naming)} name {registry.host} in {key}",
            remedy="Set AWS_PROFILE to one of them, or leave the registry to one of them",
        )
    if naming or registry.is_public:
        return naming[0] if naming else None
    known = in_use if in_use in config.get("profiles", {}) else None
    if not is_managed(Layers(profile=known, full_config=config, config_file="", environ=environ, flags={})):
        raise ConfigurationError(
            f"No profile is named for {registry.host}, and {in_use} is none of this tool",
            remedy=f"Write {key} = {registry.host} in a profile of this tool, or set AWS_PROFILE to one",
        )
    return in_use


def _named_registries(config: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each profile with each registry that it, its session or the variable of the profile in use names."""
    from ..config.keys import KEYS, PREFIX, SESSION_SECTION, has_our_keys

    key, texts = KEYS["registries"], dict[str, str]()
    for name, section in config.get("profiles", {}).items():
        if isinstance(section, Mapping) and has_our_keys(section):
            session = config.get(f"{SESSION_SECTION}{section.get(f'{PREFIX}session')}")
            layers = (section, session if isinstance(session, Mapping) else {})
            texts[name] = next((str(each[key.full_name]) for each in layers if each.get(key.full_name)), "")
    if variable := environ.get(key.variable):
        texts[CacheQuery(None, environ).profile] = variable
    for name, text in texts.items():
        # A word that is no registry is reported with the settings of its profile.
        for registry in filter(None, map(registry_in, text.replace(",", " ").split())):
            yield name, registry.host
