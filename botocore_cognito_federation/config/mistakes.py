"""What is wrong with a configuration that cannot be loaded, and what was probably meant.

The way of a configuration that is right does not come here.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from .._fast_path import expanded
from ..errors import ConfigurationError
from ..messages import configure_command, printable, shown_url
from .keys import KEYS, PREFIX, QUOTES, SESSION_SECTION, has_our_keys, unspoilt
from .lines import continued, line_of, near_header
from .settings import Origin, RawValue, Settings, profile_section

#: How many profiles a message names.
_MOST_NAMED = 5


def no_keys(name: str, profiles: Mapping[str, Any], config_file: str, *, source: str | None) -> ConfigurationError:
    """A profile has no key of this tool: a line of it is written so that it is none, or another profile was meant.

    Args:
        name: the profile.
        profiles: all profiles of the configuration.
        config_file: its path, for messages.
        source: the profile of this tool with whose credentials the profile assumes a role.
    """
    if source is not None:
        return ConfigurationError(
            f"Profile {name!r} assumes a role with the credentials of profile {source!r}, which AWS clients do",
            remedy=f"Give the profile's name to the AWS client, or use --profile {source}",
        )
    title = profile_section(name)
    lost = continued(config_file, title, mark=PREFIX) or lost_keys(
        profiles.get(name, {}), f"[{title}] in {config_file}"
    )
    if lost is not None:
        return lost
    managed = [other for other, section in profiles.items() if has_our_keys(section)]
    shown = ", ".join([*managed[:_MOST_NAMED], *(["…"] if len(managed) > _MOST_NAMED else [])])
    return ConfigurationError(
        f"Profile {name!r} has no cognito_ keys",
        remedy=f"Name one that has them with --profile: {shown}" if managed else configure_command(name),
    )


def no_profile(
    name: str, full_config: Mapping[str, Any], config_file: str, environ: Mapping[str, str]
) -> ConfigurationError:
    """Why there is no such profile: botocore takes a config file that it cannot read for an empty one."""
    path = expanded(config_file)
    what = f"There is no profile {name!r} in {config_file}"
    variable = "AWS_CONFIG_FILE" if environ.get("AWS_CONFIG_FILE") else ""
    if not config_file:
        empty = f"There is no profile {name!r}, because AWS_CONFIG_FILE is empty, so that botocore reads no file"
        return ConfigurationError(empty, remedy="Unset AWS_CONFIG_FILE")
    if path.startswith("~/"):
        homeless = "this user has no home directory: HOME is not set, and the user is not in the passwd database"
        return ConfigurationError(f"{what}, because {homeless}", remedy="Set HOME, or set AWS_CONFIG_FILE")
    if os.path.exists(path) and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        why = "cannot be read by this user" if os.path.isfile(path) else "is not a file"
        named = f", which AWS_CONFIG_FILE names, {why}" if variable else f" {why}"
        remedy = "Unset AWS_CONFIG_FILE, or let it name your configuration file"
        return ConfigurationError(
            f"{config_file}{named}", remedy=remedy if variable else _MOVE_AWAY.format(config_file)
        )
    if not os.path.exists(path):
        what = f"There is no profile {name!r}, because {path} does not exist"
        if variable:
            remedy = f"Unset {variable}, or let it name your configuration file"
            return ConfigurationError(f"{what}. {variable} names that file", remedy=remedy)
        return ConfigurationError(what, remedy=configure_command(name))
    quoted = f'"{name}"' if " " in name else name  # botocore splits a header as a shell does
    near = near_header(config_file, f"profile {quoted}", PREFIX)
    if near is not None:
        return ConfigurationError(f"{what}; {near.found}", remedy=near.remedy)
    close = difflib.get_close_matches(name, full_config.get("profiles", {}), n=1, cutoff=0.6)
    asked = next((each for each in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE") if environ.get(each) == name), "")
    if asked:
        return ConfigurationError(f"{what}. {asked} names it", remedy=_other_profile(asked, close, full_config))
    return ConfigurationError(what, remedy=f"Did you mean {close[0]}?" if close else configure_command(name))


_MOVE_AWAY = "Move it away, or set AWS_CONFIG_FILE"


def _other_profile(variable: str, close: list[str], full_config: Mapping[str, Any]) -> str:
    if close:
        return f"Set {variable}={close[0]}"
    managed = [other for other, section in full_config.get("profiles", {}).items() if has_our_keys(section)]
    return (
        f"Set {variable}={managed[0]}"
        if len(managed) == 1
        else f"Unset {variable}, or set it to a profile that is there"
    )


def no_session(
    name: str,
    named_by: Origin,
    *,
    profile: str | None,
    full_config: Mapping[str, Any],
    config_file: str,
    subject: str,
    in_credentials: bool,
) -> ConfigurationError:
    """Why there is no such session: its header is spelt differently, or the name is."""
    bare = unspoilt(name)
    if bare != name:
        why = "quotes" if name[0] in QUOTES else "a comment"
        return ConfigurationError(
            f"cognito_session (from {named_by}) has {why} in its value",
            remedy=named_by.written("cognito_session", bare),
        )
    title = SESSION_SECTION + name
    sessions = [key[len(SESSION_SECTION) :] for key in full_config if key.startswith(SESSION_SECTION)]
    close = [each for each in sessions if each.lower() == name.lower()]
    close = close or difflib.get_close_matches(name, sessions, n=1, cutoff=0.7)
    what = f"{subject} names cognito_session = {name!r}, but {config_file} has no [{title}]"
    credentials = os.path.join("~", ".aws", "credentials")
    if in_credentials:
        what = f"{what}. It is in {credentials}"
        return ConfigurationError(what, remedy=f"Move [{title}] from {credentials} to {config_file}")
    near = near_header(config_file, title, PREFIX)
    if near is not None:
        return ConfigurationError(f"{what}; {near.found}", remedy=near.remedy)
    if close:
        return ConfigurationError(what, remedy=named_by.written("cognito_session", close[0]))
    add = configure_command(profile) if profile else f"Add [{title}] to {config_file}"
    return ConfigurationError(what, remedy=add)


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
        is_of_this_tool_alone = plain.startswith(PREFIX) or meant in _NAMES_OF_ITS_OWN
        return PREFIX + meant if (in_session or is_of_this_tool_alone) and key != PREFIX + meant else None
    cutoff = 0.7 if key.startswith(PREFIX) else 0.85
    return _nearest(plain, [known.full_name for known in KEYS.values()], cutoff)


def _nearest(word: str, known: Collection[str], cutoff: float) -> str | None:
    """The name that a misspelt one probably is meant to be: one with the same letters in another order goes first."""
    swapped = (name for name in known if sorted(name) == sorted(word))
    return next(swapped, None) or next(iter(difflib.get_close_matches(word, known, n=1, cutoff=cutoff)), None)


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


def unknown_key(key: str, text: object, origin: Origin) -> ConfigurationError:
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


def foreign_key(key: str, origin: Origin, profile_title: str) -> ConfigurationError:
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


def unknown_variable(variable: str) -> ConfigurationError:
    known = [key.variable for key in KEYS.values() if key.has_variable]
    meant = _nearest(variable, known, 0.7)
    near = f", or write {meant}" if meant else ""
    return ConfigurationError(f"The environment has the unknown variable {variable}", remedy=f"Unset {variable}{near}")


def key_in_credentials_file(key: str, profile: str, path: str, config_file: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} has {key} in [{profile}], but cognito_ keys count only in {config_file}",
        remedy=f"Move the cognito_ keys of [{profile}] into [{profile_section(profile)}] of {config_file}",
    )


_IDENTITY_POOL_ID = re.compile(r"[\w-]+:[0-9a-f]{8}-[0-9a-f-]{27}")


def no_pool(subject: str, values: Mapping[str, RawValue], profile: Origin) -> ConfigurationError:
    """A configuration names no identity pool, or has its ID under the user pool's key.

    Args:
        subject: whose configuration it is, in words.
        values: what is given.
        profile: the section of the profile, where the pool belongs unless a session is named.
    """
    value = values.get("user_pool_id")
    if value is not None and _IDENTITY_POOL_ID.fullmatch(value.text):
        key = f"{PREFIX}user_pool_id"
        return ConfigurationError(
            f"{key} (from {value.origin}) holds the ID of an identity pool",
            remedy=f"Write {PREFIX}identity_pool_id instead of {key} in {value.origin}",
        )
    places = {each.origin.layer: each.origin for each in values.values()}
    place = places.get("session") or places.get("profile") or profile
    return ConfigurationError(
        f"{subject} has Cognito federation keys but no cognito_identity_pool_id",
        remedy=place.added("cognito_identity_pool_id", "REGION:GUID"),
    )


def refuse_continued_lines(values: Mapping[str, RawValue], config_file: str) -> None:
    """Refuse a value to which an indented line has added itself.

    Raises:
        ConfigurationError: naming the line.
    """
    for name, value in values.items():
        if "\n" in value.text and value.origin.layer in ("profile", "session"):
            title = value.origin.place.partition("]")[0].removeprefix("[")
            error = continued(config_file, title, KEYS[name].full_name)
            if error is not None:
                raise error


def endpoint_of_another_kind(settings: Settings, place: str, environ: Mapping[str, str]) -> ConfigurationError:
    """Say in our words what botocore's endpoint rules refuse at the first call."""
    key, kind = ("use_fips_endpoint", "FIPS") if settings.fips else ("use_dualstack_endpoint", "dual-stack")
    shown, variable = shown_url(settings.endpoint or ""), f"AWS_{key.upper()}"
    remedy = f"Unset {variable}" if environ.get(variable) else f"Remove {key} from {place}"
    return ConfigurationError(
        f"{key} asks for AWS's {kind} endpoints, and {shown} is configured as the endpoint",
        remedy=f"{remedy}, or remove the endpoint URL",
    )
