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
from ..messages import configure_command, printable, run_with_profile
from .keys import KEYS, OTHER_VARIABLES, PREFIX, TOKEN_SOURCES, VARIABLE_PREFIX, BadValue, check_together
from .lines import continued, line_of, near_header
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
    """Whether a section of the file has a key of ours, right or wrong."""
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
    if "identity_pool_id" not in values:
        _refuse_pool_under_other_key(values)
        raise ConfigurationError(
            f"{_subject(layers)} has Cognito federation keys but no cognito_identity_pool_id",
            remedy=_place_for_pool(layers, values).added("cognito_identity_pool_id", "REGION:GUID"),
        )
    _refuse_continued_lines(layers, values)
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


_IDENTITY_POOL_ID = re.compile(r"[\w-]+:[0-9a-f]{8}-[0-9a-f-]{27}")


def _refuse_pool_under_other_key(values: Mapping[str, _Value]) -> None:
    """Refuse the ID of an identity pool under the user pool's key.

    Raises:
        ConfigurationError: it stands there.
    """
    value = values.get("user_pool_id")
    if value is not None and _IDENTITY_POOL_ID.fullmatch(value.text):
        key = f"{PREFIX}user_pool_id"
        raise ConfigurationError(
            f"{key} (from {value.origin}) holds the ID of an identity pool",
            remedy=f"Write {PREFIX}identity_pool_id instead of {key} in {value.origin}",
        )


def _refuse_continued_lines(layers: Layers, values: Mapping[str, _Value]) -> None:
    """Refuse a value to which an indented line has added itself.

    Raises:
        ConfigurationError: naming the line.
    """
    for name, value in values.items():
        if "\n" in value.text and value.origin.layer in ("profile", "session"):
            title = value.origin.place.partition("]")[0].removeprefix("[")
            error = continued(layers.config_file, title, KEYS[name].full_name)
            if error is not None:
                raise error


def _place_for_pool(layers: Layers, values: Mapping[str, _Value]) -> Origin:
    """Where the pool belongs: the session, where one is named, else the profile."""
    for layer in ("session", "profile"):
        found = next((value.origin for value in values.values() if value.origin.layer == layer), None)
        if found is not None:
            return found
    return Origin("profile", f"[{_section_name(layers.profile)}] in {layers.config_file}")


def _subject(layers: Layers) -> str:
    return f"Profile {layers.profile!r}" if layers.profile else "The environment"


def _collect(layers: Layers) -> dict[str, _Value]:
    profile_place = f"[{_section_name(layers.profile)}] in {layers.config_file}"
    flags = {name: _Value(text, Origin("flag", f"--{name.replace('_', '-')}")) for name, text in layers.flags.items()}
    variables = _from_environment(layers.environ)
    profile = _from_section(layers.profile_section, Origin("profile", profile_place))
    upper = (flags, variables, profile)
    named = next((layer["session"] for layer in upper if "session" in layer), None)
    session: dict[str, _Value] = {}
    if named is not None:
        session_name, named_by = named.text, named.origin
        session = _from_section(
            _session_section(layers, session_name, named_by),
            Origin("session", f"[{SESSION_SECTION}{session_name}] in {layers.config_file}"),
            profile=layers.profile_section,
            profile_title=_section_name(layers.profile),
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


def _session_section(layers: Layers, name: str, named_by: Origin) -> Mapping[str, Any]:
    section = layers.full_config.get(SESSION_SECTION + name)
    if isinstance(section, Mapping):
        return section
    bare = _unspoilt(name)
    if bare != name:
        why = "quotes" if name[0] in _QUOTES else "a comment"
        raise ConfigurationError(
            f"cognito_session (from {named_by}) has {why} in its value",
            remedy=named_by.written("cognito_session", bare),
        )
    title = SESSION_SECTION + name
    sessions = [key[len(SESSION_SECTION) :] for key in layers.full_config if key.startswith(SESSION_SECTION)]
    close = [each for each in sessions if each.lower() == name.lower()]
    close = close or difflib.get_close_matches(name, sessions, n=1, cutoff=0.7)
    what = f"{_subject(layers)} names cognito_session = {name!r}, but {layers.config_file} has no [{title}]"
    credentials = os.path.join("~", ".aws", "credentials")
    if title in _sections(expanded_path(credentials)):
        what = f"{what}. It is in {credentials}"
        raise ConfigurationError(what, remedy=f"Move [{title}] from {credentials} to {layers.config_file}")
    near = near_header(layers.config_file, title, PREFIX)
    if near is not None:
        raise ConfigurationError(f"{what}; {near.found}", remedy=near.remedy)
    if close:
        raise ConfigurationError(what, remedy=named_by.written("cognito_session", close[0]))
    add = configure_command(layers.profile) if layers.profile else f"Add [{title}] to {layers.config_file}"
    raise ConfigurationError(what, remedy=add)


_QUOTES = "\"'\u201c\u2018\u201e\u00ab"


def _unspoilt(text: str) -> str:
    """A value without the quotes around it or the comment behind it, which a configuration file makes part of it."""
    bare = re.split(r"\s+[#;]", text, maxsplit=1)[0]
    return bare[1:-1] if len(bare) > 2 and bare[0] in _QUOTES and bare[-1] in _CLOSING else bare


_CLOSING = "\"'\u201d\u2019\u201c\u00bb"


def lost_keys(section: Mapping[str, Any], place: str) -> ConfigurationError | None:
    """The error of a profile in which a key of this tool is written so that it is none."""
    for key, value in section.items():
        if not isinstance(value, str):
            if _plain(key) in ("cognito", "cognito_federation"):
                keys = ", ".join(PREFIX + name for name in value if name in KEYS)
                return ConfigurationError(
                    f"{key!r} in {place} is an indented block", remedy=f"Write its keys as flat lines: {keys}"
                )
            continue
        meant = near_key(key, in_session=False)
        if meant is not None:
            return ConfigurationError(
                f"{place} has {key!r}, which is not a key", remedy=f"Write {meant} instead of {key} in {place}"
            )
    return None


def near_key(key: str, *, in_session: bool) -> str | None:
    """The key of this tool that a misspelt one probably is meant to be; None where nothing is near.

    Args:
        key: what stands in the section.
        in_session: whether the section is wholly of this tool, so that every name in it is meant as a key.
    """
    plain = _plain(key)
    if plain == "cognito_pool_id":
        return "cognito_identity_pool_id"
    if plain.removeprefix(PREFIX) in KEYS:
        # A profile has keys of AWS and of other tools, and few names of this tool can be none of theirs.
        meant = plain.removeprefix(PREFIX)
        is_ours_alone = plain.startswith(PREFIX) or meant in _NAMES_OF_ITS_OWN
        return PREFIX + meant if (in_session or is_ours_alone) and key != PREFIX + meant else None
    cutoff = 0.7 if key.startswith(PREFIX) else 0.85
    close = difflib.get_close_matches(plain, [known.full_name for known in KEYS.values()], n=1, cutoff=cutoff)
    return close[0] if close else None


#: Names without prefix that no AWS tool and hardly another program uses in a profile.
_NAMES_OF_ITS_OWN = frozenset(
    {"session", "identity_pool_id", "token_file", "login_key", "refresh_handler", "user_pool_id"}
)


def _plain(key: str) -> str:
    """A key without what makes it another one: case, dashes, dots, invisible characters, the ``export`` of shells."""
    return re.sub(r"[-.\s]+", "_", printable(key).lower().removeprefix("export ").strip())


def near_misses(section: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The keys of a profile that nearly are one of this tool, which is without effect, each with the one meant."""
    found = ((key, near_key(key, in_session=False)) for key in section if not key.startswith(PREFIX))
    return [(key, meant) for key, meant in found if meant is not None and meant not in section]


def _from_section(
    section: Mapping[str, Any], origin: Origin, profile: Mapping[str, Any] | None = None, profile_title: str = ""
) -> dict[str, _Value]:
    """The values of a section; of a session, where the `profile` that names it is given."""
    values, is_session = {}, profile is not None
    for key, text in section.items():
        if not key.startswith(PREFIX):
            if is_session:
                raise _foreign_key(key, origin, profile_title if key not in (profile or {}) else "")
            continue
        name = key[len(PREFIX) :]
        if name not in KEYS or (is_session and name == "session"):
            raise _unknown_key(key, text, origin)
        if not isinstance(text, str):
            raise ConfigurationError(
                f"{key} in {origin} is an indented block",
                remedy="Write flat key = value lines; some AWS SDKs reject the whole file otherwise",
            )
        if not text:
            raise ConfigurationError(f"{key} in {origin} is empty", remedy=f"{origin.removed(key)}, or give it a value")
        values[name] = _Value(text, origin)
    return values


def _unknown_key(key: str, text: object, origin: Origin) -> ConfigurationError:
    what = f"{origin} has the unknown key {printable(key)!r}"
    title, _, file = str(origin).partition(" in ")
    number = line_of(file, title.strip("[]"), key) or 0
    if printable(key) != key:
        again = f"Write the key on line {number} of {file} again: {near_key(key, in_session=True) or printable(key)}"
        return ConfigurationError(f"{what} with an invisible character in it", remedy=again)
    if not isinstance(text, str):
        flat = f"Remove the spaces in front of line {number + 1} of {file}. Remove line {number} of {file}"
        return ConfigurationError(f"{what}, which begins an indented block on line {number}", remedy=flat)
    word = key.partition(" ")[0]
    if word != key and word.removeprefix(PREFIX) in KEYS:
        what = f"Line {number} of {file} has no = behind {word}"
        return ConfigurationError(what, remedy=f"Put = behind {word} on line {number} of {file}")
    if key == f"{PREFIX}session":
        what = f"{origin} has {key}, which only a profile may have"
        return ConfigurationError(what, remedy=origin.removed(key))
    meant = near_key(key, in_session=True)
    if meant is None:
        return ConfigurationError(
            what, remedy=f"{origin.removed(key)}. The keys are listed by: cognito-federation explain --keys"
        )
    return ConfigurationError(what, remedy=f"Write {meant} instead of {key} in {origin}")


def _foreign_key(key: str, origin: Origin, profile_title: str) -> ConfigurationError:
    """A session holds nothing but keys of this tool: what is misspelt in it would have no effect, and say nothing.

    Args:
        profile_title: the header of the profile that names the session; empty where that has the key itself.
    """
    meant = near_key(key, in_session=True)
    what = f"{origin} has {printable(key)!r}, which is not a key"
    if meant is not None:
        return ConfigurationError(what, remedy=f"Write {meant} instead of {key} in {origin}")
    if key in _OF_THE_PROFILE:
        what = f"{origin} has {key!r}, which AWS tools read in the profile only"
        place, _, file = str(origin).partition(" in ")
        moved = f"Move {key} from {place} to [{profile_title}] in {file}"
        return ConfigurationError(what, remedy=moved if profile_title else origin.removed(key))
    return ConfigurationError(what, remedy=origin.removed(key))


_OF_THE_PROFILE = frozenset({"region", "ca_bundle", "output", "credential_process", "endpoint_url", "services"})


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
                remedy=f"Unset {variable}{_near_variable(variable)}",
            )
        if not key.has_variable:
            raise ConfigurationError(
                f"{variable} is set, but {key.full_name} has no variable, because it runs code",
                remedy=f"Unset {variable}, and write {key.full_name} in the profile",
            )
        values[key.name] = _Value(text, Origin("environment", variable))
    return values


def _near_variable(variable: str) -> str:
    close = difflib.get_close_matches(
        variable, [known.variable for known in KEYS.values() if known.has_variable], n=1, cutoff=0.7
    )
    return f", or write {close[0]}" if close else ""


def _read(name: str, value: _Value) -> object:
    text, key, origin = value.text.strip(), KEYS[name], value.origin
    subject = f"{key.full_name} (from {origin})"
    bare = text if key.may_hold_spaces else _unspoilt(text)
    if not name.endswith("_command") and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ConfigurationError(
            f"{subject} is in quotes, which are part of it", remedy=origin.written(key.full_name, text[1:-1])
        )
    if bare != text and "\n" not in text:
        what = f"{subject} has a comment behind it or quotes around it, which are part of the value"
        raise ConfigurationError(what, remedy=origin.written(key.full_name, bare))
    try:
        return key.read(text)
    except BadValue as bad:
        raise _bad_value(name, f"{subject} {bad}", text, bad, origin) from None


def _bad_value(name: str, what: str, text: str, bad: BadValue, origin: Origin) -> ConfigurationError:
    key = KEYS[name].full_name
    return ConfigurationError(what, remedy=origin.written(key, bad.instead) if bad.instead else "")


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
        close = difflib.get_close_matches(named.lower(), identity_providers.names(), n=1)
        remedy = origins[source_key].written(f"{PREFIX}{source_key}", close[0]) if close else error.remedy
        raise ConfigurationError(f"{error.what} (from {origins[source_key]})", remedy=remedy) from None


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


#: Keys by which botocore gets credentials in another way before it asks a helper, each kind with all that belong to it.
_EARLIER_IN_THE_CHAIN = (
    (
        ("role_arn", "web_identity_token_file"),
        ("source_profile", "credential_source", "external_id", "mfa_serial", "role_session_name", "duration_seconds"),
    ),
    (("sso_session", "sso_start_url", "sso_account_id", "sso_role_name"), ("sso_region", "sso_registration_scopes")),
    (("login_session",), ()),
)
_STATIC_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def find_overrides(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """One sentence for each thing that takes precedence over this profile, with the remedy; no value is shown."""
    profile = settings.profile or "default"
    found = []
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get(EXEC_PROFILE) != profile:  # else they are those of `exec`
        given = [key.upper() for key in _STATIC_KEYS if environ.get(key.upper())]
        found.append(
            "AWS_ACCESS_KEY_ID is set: clients without an explicit profile use it instead of this profile."
            f" Unset {_listed(given)}"
        )
    shared = expanded_path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials"))
    if "aws_access_key_id" in _sections(shared).get(profile, {}):
        found.append(
            f"{shared} has static keys in [{profile}], which every client uses instead."
            f" Remove [{profile}] from {shared}"
        )
    config = expanded_path(environ.get("AWS_CONFIG_FILE") or os.path.join("~", ".aws", "config"))
    section = "default" if profile == "default" else f"profile {profile}"
    own = _profile(config, profile)
    if "aws_access_key_id" in own:
        keys = _listed([key for key in _STATIC_KEYS if key in own])
        found.append(
            f"{config} has aws_access_key_id in [{section}], which the JavaScript and C++ SDKs use instead."
            f" Remove {keys} from [{section}] in {config}"
        )
    for triggers, others in _EARLIER_IN_THE_CHAIN:
        if any(key in own for key in triggers):
            keys = _listed([key for key in (*triggers, *others) if key in own])
            found.append(
                f"[{section}] has {keys}, which AWS clients act on before this sign-in."
                f" Remove {keys} from [{section}] in {config}"
            )
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        found.append(
            "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set: clients without an explicit profile use them"
            " instead of this profile. Unset AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN"
        )
    if "credential_process" not in own:
        found.append(
            f"[{section}] has no credential_process, so only Python with install() or `native enable` uses it."
            f" {run_with_profile(profile, 'configure')}"
        )
    return found


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


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
