"""Flag, variable, profile, session: from the four layers to one validated `Settings`.

Precedence is flag, environment variable, profile, session. The layers are given as mappings, so that this module
reads neither files nor the process environment.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .. import identity_providers
from .._fast_path import EXEC_PROFILE
from ..credentials import WIDEST_WINDOW
from ..errors import ConfigurationError
from ..messages import run_with_profile, shell_command
from .keys import KEYS, OTHER_VARIABLES, PREFIX, TOKEN_SOURCES, VARIABLE_PREFIX, BadValue, check_together
from .settings import Origin, Settings
from .writer import expanded_path, known_config, known_sections

SESSION_SECTION = "cognito-session "


@dataclass(frozen=True)
class Layers:
    """The raw text of a configuration.

    Attributes:
        profile: the profile's name, for messages and for the settings; None when no profile is in use.
        full_config: botocore's parsed configuration (``profiles`` and foreign sections such as ``cognito-session X``).
        config_file: the path of the configuration file, for messages.
        environ: the variables that may set keys; empty for the parent of a ``source_profile``, which variables
            do not touch.
        flags: key name (without prefix) -> text, from the command line.
    """

    profile: str | None
    full_config: Mapping[str, Any]
    config_file: str
    environ: Mapping[str, str]
    flags: Mapping[str, str]

    @property
    def profile_section(self) -> Mapping[str, Any]:
        profiles = self.full_config.get("profiles", {})
        section = profiles.get(self.profile or "default", {})
        return section if isinstance(section, Mapping) else {}


@dataclass(frozen=True)
class _Value:
    text: str
    origin: Origin


def has_our_keys(section: Mapping[str, Any]) -> bool:
    """Return whether a section of the file has a key of this tool, valid or not."""
    return any(name.startswith(PREFIX) for name in section)


def is_ours(layers: Layers) -> bool:
    """Whether this configuration asks for Cognito federation at all.

    True as soon as the profile has one key of ours, right or wrong: from then on every failure raises (invariant 15).
    Without profile keys only ``COGNITO_FEDERATION_IDENTITY_POOL_ID`` makes a configuration ours.
    """
    if has_our_keys(layers.profile_section):
        return True
    return bool(layers.environ.get(KEYS["identity_pool_id"].variable))


def resolve(layers: Layers) -> Settings:
    """The settings of a configuration that is ours.

    Raises:
        ConfigurationError: an unknown key, a value its key cannot hold, keys that contradict each other, a missing
            session or a missing required key.
    """
    values = _collect(layers)
    pool = values.get("identity_pool_id")
    if pool is None:
        raise ConfigurationError(
            f"{_subject(layers)} has Cognito federation keys but no cognito_identity_pool_id",
            remedy="Add cognito_identity_pool_id = REGION:GUID to the profile or its [cognito-session]",
        )
    read: dict[str, Any] = {name: _read(name, value) for name, value in values.items()}
    origins = {name: value.origin for name, value in values.items()}
    check_together(read, origins)
    provider = _provider(read, origins)
    known = {spec.name for spec in fields(Settings)}
    plain = {name: value for name, value in read.items() if name in known and name != "provider"}
    region = layers.profile_section.get("region")
    return Settings(
        **plain,
        provider=provider,
        profile=layers.profile,
        region_name=region if isinstance(region, str) and region else None,
        origins=origins,
    )


def _subject(layers: Layers) -> str:
    return f"Profile {layers.profile!r}" if layers.profile else "The environment"


def _collect(layers: Layers) -> dict[str, _Value]:
    profile_place = f"[{_section_name(layers.profile)}] in {layers.config_file}"
    flags = {name: _Value(text, Origin("flag", f"--{name.replace('_', '-')}")) for name, text in layers.flags.items()}
    variables = _from_environment(layers.environ)
    profile = _from_section(layers.profile_section, Origin("profile", profile_place))
    upper = (flags, variables, profile)
    session_name = next((layer["session"].text for layer in upper if "session" in layer), None)
    session: dict[str, _Value] = {}
    if session_name is not None:
        session = _from_section(
            _session_section(layers, session_name),
            Origin("session", f"[{SESSION_SECTION}{session_name}] in {layers.config_file}"),
            is_session=True,
        )
    return _merge((*upper, session))


def _section_name(profile: str | None) -> str:
    return "default" if profile in (None, "default") else f"profile {profile}"


def _merge(layers: Iterable[Mapping[str, _Value]]) -> dict[str, _Value]:
    """Earlier layers win; a layer that names a token source replaces the sources of all layers below it."""
    merged: dict[str, _Value] = {}
    for layer in layers:
        source_is_chosen = any(name in merged for name in TOKEN_SOURCES)
        for name, value in layer.items():
            if name in TOKEN_SOURCES and source_is_chosen:
                continue
            merged.setdefault(name, value)
    return merged


def _session_section(layers: Layers, name: str) -> Mapping[str, Any]:
    section = layers.full_config.get(SESSION_SECTION + name)
    if isinstance(section, Mapping):
        return section
    title = SESSION_SECTION + name
    sessions = [key[len(SESSION_SECTION) :] for key in layers.full_config if key.startswith(SESSION_SECTION)]
    command = shell_command("cognito-federation", "configure", "--session", name)
    raise ConfigurationError(
        f"{_subject(layers)} names cognito_session = {name!r}, but {layers.config_file} has no [{title}]",
        remedy=_misspelt_title(title, layers.full_config)
        or _did_you_mean(name, sessions)
        or f"Add that section, or run: {command}",
    )


def _misspelt_title(title: str, full_config: Mapping[str, Any]) -> str:
    """The remedy where a section differs from `title` in case, spaces, quotes or the order of its words only."""

    def plain(text: str) -> list[str]:
        return sorted(re.findall(r"[^\s\"'_-]+", text.lower()))

    found = next((key for key in full_config if plain(key) == plain(title)), None)
    if found is None:
        return ""
    shown = f"[{found}]" if found.split() != title.split() else "it with more spaces"
    return f"Write [{title}] instead of {shown} there"


def _from_section(section: Mapping[str, Any], origin: Origin, *, is_session: bool = False) -> dict[str, _Value]:
    values = {}
    for key, text in section.items():
        if not key.startswith(PREFIX):
            if is_session and key in KEYS:
                raise ConfigurationError(f"{origin} has {key!r}, which is not a key", remedy=f"Write {PREFIX}{key}")
            continue
        name = key[len(PREFIX) :]
        if name not in KEYS or (is_session and name == "session"):
            raise ConfigurationError(
                f"{origin} has the unknown key {key!r}",
                remedy=_did_you_mean(key, [known.full_name for known in KEYS.values()])
                or "The keys are listed by: cognito-federation explain --keys",
            )
        if not isinstance(text, str):
            raise ConfigurationError(
                f"{key} in {origin} is an indented block",
                remedy="Write flat key = value lines; some AWS SDKs reject the whole file otherwise",
            )
        if not text:
            raise ConfigurationError(f"{key} in {origin} is empty", remedy="Give it a value or remove the line")
        values[name] = _Value(text, origin)
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Value]:
    values = {}
    for variable, text in environ.items():
        if not variable.startswith(VARIABLE_PREFIX):
            continue
        short = variable[len(VARIABLE_PREFIX) :]
        if short in OTHER_VARIABLES or not text:
            continue
        key = KEYS.get(short.lower())
        if key is None or key.variable != variable:
            raise ConfigurationError(
                f"The environment has the unknown variable {variable}",
                remedy=_did_you_mean(variable, [known.variable for known in KEYS.values() if known.has_variable])
                or "Unset it",
            )
        if not key.has_variable:
            raise ConfigurationError(
                f"{variable} is set, but {key.full_name} has no variable, because it runs code",
                remedy=f"Unset it and write {key.full_name} in the profile",
            )
        values[key.name] = _Value(text, Origin("environment", variable))
    return values


def _did_you_mean(word: str, candidates: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.7)
    return f"Did you mean {close[0]}?" if close else ""


def _read(name: str, value: _Value) -> object:
    text = value.text.strip()
    subject = f"{KEYS[name].full_name} (from {value.origin})"
    if not name.endswith("_command") and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ConfigurationError(f"{subject} is in quotes, which would be part of it", remedy="Write it without quotes")
    try:
        return KEYS[name].read(text)
    except BadValue as bad:
        raise ConfigurationError(f"{subject} {bad}", remedy=_swallowed(text)) from None


def _swallowed(text: str) -> str:
    """What a configuration file makes part of a value without its writer's knowing."""
    if "\n" in text:
        return "The indented line below it is taken for part of it: let every key begin its line"
    if re.search(r"\s[#;]", text):
        return "What follows it is taken for part of it: put comments on lines of their own"
    return ""


def _provider(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> identity_providers.IdentityProvider | None:
    """The identity provider, or None when the login token itself is to say whose it is."""
    source_key = next((name for name in ("provider", "issuer", "login_key", "user_pool_id") if name in read), None)
    if source_key is None:
        return None
    named = "user-pool" if source_key == "user_pool_id" else str(read[source_key])
    try:
        return identity_providers.resolve(
            named,
            issuer=read.get("issuer"),
            login_key=read.get("login_key"),
            user_pool_id=read.get("user_pool_id"),
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{error.what} (from {origins[source_key]})", remedy=error.remedy) from None


#: Seconds that credentials of the enhanced flow are valid, and those of STS unless something else is configured.
_HOUR = 3600


def limit_of_window(settings: Settings) -> str:
    """The sentence on a ``cognito_refresh_window`` that is wider than the credentials' lifetime; empty for others."""
    window, lifetime = settings.refresh_window, settings.duration_seconds or _HOUR
    if settings.assume_role_arn is not None:
        lifetime = _HOUR  # of a role that is assumed with the credentials of another
    most = round(WIDEST_WINDOW * lifetime)
    if window is None or window <= most:
        return ""
    return (
        f"cognito_refresh_window is {window} s, and the credentials are valid for {lifetime} s: they are renewed when"
        f" {most} s are left. Set it to {most} or less"
    )


#: Keys by which botocore gets credentials in another way before it asks a helper.
_EARLIER_IN_THE_CHAIN = ("role_arn", "sso_session", "sso_start_url", "web_identity_token_file", "login_session")


def find_overrides(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return one sentence with its remedy for each setting that takes precedence over this profile, without values."""
    profile = settings.profile or "default"
    found = []
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get(EXEC_PROFILE) != profile:  # else they are those of `exec`
        found.append(
            "AWS_ACCESS_KEY_ID is set: clients without an explicit profile use it instead of this profile. Unset it"
        )
    shared = expanded_path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials"))
    if "aws_access_key_id" in _sections(shared).get(profile, {}):
        found.append(f"{shared} has static keys in [{profile}], which every client uses instead. Remove that section")
    config = expanded_path(environ.get("AWS_CONFIG_FILE") or os.path.join("~", ".aws", "config"))
    section = "default" if profile == "default" else f"profile {profile}"
    own = _profile(config, profile)
    if "aws_access_key_id" in own:
        found.append(
            f"{config} has aws_access_key_id in [{section}], which the JavaScript and C++ SDKs use instead. Remove it"
        )
    for key in _EARLIER_IN_THE_CHAIN:
        if key in own:
            found.append(f"[{section}] has {key}, which AWS clients act on before this sign-in. Remove it")
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        found.append(
            "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set: clients without an explicit profile use them"
            " instead of this profile. Unset them"
        )
    if "credential_process" not in own:
        found.append(
            f"[{section}] has no credential_process, so only Python with install() or `native enable` uses it."
            f" {run_with_profile(profile, 'configure')}"
        )
    return found


def _sections(path: str) -> Mapping[str, Any]:
    try:
        return known_sections(path)
    except ConfigurationError:
        return {}


def _profile(path: str, name: str) -> Mapping[str, Any]:
    try:
        found = known_config(path)["profiles"].get(name, {})
    except ConfigurationError:
        return {}
    return found if isinstance(found, Mapping) else {}
