"""The settings of a profile by its name, of sessions and of all profiles, and what takes precedence over a profile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._fast_path import EXEC_PROFILE, configuration_files
from .._util.urls import configured_endpoint
from ..credentials import WIDEST_WINDOW
from ..errors import ConfigurationError
from ..messages import run_with_profile
from .keys import PREFIX, SESSION_SECTION, has_our_keys, is_without_pool
from .loader import (
    Layers,
    full_config_of,
    known_config,
    known_sections,
    merged_config,
    refuse_files_without_home,
    resolve,
    session_for_reading,
    settings_of_config,
    settings_of_session,
)
from .mistakes import no_keys, no_profile
from .settings import Settings, profile_section

if TYPE_CHECKING:
    from botocore.session import Session


def load_settings(
    profile: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    session: Session | None = None,
    in_use: bool = True,
    through_chain: bool = False,
) -> Settings:
    """The settings of a profile, for a command line or an application.

    Args:
        profile: the profile's name; default is botocore's own order (``AWS_DEFAULT_PROFILE``, then ``AWS_PROFILE``),
            then the default profile.
        in_use: see `settings_of_session`.
        session: what has read the configuration, or is to; default a new one.
        through_chain: whether a profile that assumes a role with the credentials of one of this tool stands for the
            latter.

    Raises:
        ConfigurationError: there is no such profile, it has no key of this tool, or it is wrong.
    """
    if session is None:
        session = session_for_reading()
        full_config = merged_config(os.environ)
    else:
        full_config = full_config_of(session)
    name = profile or session.get_config_variable("profile") or "default"
    config_file = str(session.get_config_variable("config_file"))
    known = full_config.get("profiles", {})
    source = source_in(known, name) if through_chain else None
    if source is not None:
        name, in_use = source, False  # variables touch the profile in use only
    if name not in known and name != "default":
        raise no_profile(name, full_config, config_file, os.environ if environ is None else environ)
    chosen = name if name in known else None
    settings = settings_of_config(full_config, config_file, chosen, in_use=in_use, environ=environ, flags=flags)
    if settings is None:
        raise no_keys(name, known, config_file, source=source_in(known, name))
    return settings


def source_in(profiles: Mapping[str, Any], name: str) -> str | None:
    """The profile of this tool at the end of the `source_profile` chain of a profile; None where there is no chain."""
    seen: list[str] = []
    while name not in seen:
        section = profiles.get(name, {})
        if not isinstance(section, Mapping) or has_our_keys(section):
            return name if seen and isinstance(section, Mapping) else None
        if "role_arn" not in section or not isinstance(section.get("source_profile"), str):
            return None
        seen.append(name)
        name = section["source_profile"]
    return None


def source_of_chain(profile: str | None, environ: Mapping[str, str]) -> str | None:
    """The profile of this tool with whose credentials a profile assumes its role; None where that is not so.

    Args:
        profile: the profile's name; None for the one in use.
        environ: the process environment.
    """
    name = profile or environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"
    return source_in(merged_config(environ)["profiles"], name)


def every_settings(environ: Mapping[str, str] | None = None) -> list[Settings]:
    """The settings of each profile that is a configuration; one that is wrong is left out."""
    with contextlib.suppress(ConfigurationError):
        return list(_of_every_profile(session_for_reading(), environ=environ))
    return []


def every_sign_in() -> list[Settings]:
    """The settings of each profile and each ``[cognito-session]`` by itself; one that is wrong is left out.

    No variable touches them.
    """
    session = session_for_reading()
    config = full_config_of(session)
    found = list(_of_every_profile(session, in_use=False))
    for title in config:
        if title.startswith(SESSION_SECTION):
            with contextlib.suppress(ConfigurationError):
                found.append(load_session_settings(title[len(SESSION_SECTION) :], environ={}, session=session))
    return found


def _of_every_profile(
    session: Session, *, in_use: bool = True, environ: Mapping[str, str] | None = None
) -> Iterator[Settings]:
    for name, section in full_config_of(session).get("profiles", {}).items():
        if isinstance(section, Mapping) and has_our_keys(section):
            with contextlib.suppress(ConfigurationError):
                settings = settings_of_session(session, name, in_use=in_use, environ=environ)
                if settings is not None:
                    yield settings


def names_in_configuration(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The names of the profiles that this tool manages, and of the sessions; none where the file cannot be read."""
    try:
        config = known_config(configuration_files(environ)[0])
    except ConfigurationError:
        return [], []
    profiles = [name for name, section in config["profiles"].items() if has_our_keys(section)]
    return profiles, [title.removeprefix(SESSION_SECTION) for title in config if title.startswith(SESSION_SECTION)]


def _names_exchange(section: Mapping[str, Any]) -> bool:
    """Whether a section says where login tokens are exchanged: an identity pool, or a role without one."""
    is_role = is_without_pool(section.get("cognito_flow")) and "cognito_role_arn" in section
    return is_role or "cognito_identity_pool_id" in section


def _exchange_of_user_of(name: str, full_config: Mapping[str, Any]) -> dict[str, str]:
    """The identity pool of a profile that uses a session or links it, or the flow and the role that it has instead."""
    for profile in full_config.get("profiles", {}).values():
        if not isinstance(profile, Mapping):
            continue
        other = full_config.get(f"{SESSION_SECTION}{profile.get('cognito_session')}", {})
        values = {**other, **profile} if isinstance(other, Mapping) else profile
        links = str(values.get("cognito_logins", "")).replace(",", " ").split()
        if name not in (values.get("cognito_session"), *links):
            continue
        if _names_exchange(values):
            names = ("flow", "role_arn") if is_without_pool(values.get("cognito_flow")) else ("identity_pool_id",)
            return {each: str(values[PREFIX + each]) for each in names}
    raise ConfigurationError(
        f"[{SESSION_SECTION}{name}] has no cognito_identity_pool_id, nor has a profile that uses it",
        remedy=f"Add cognito_identity_pool_id = REGION:GUID to [{SESSION_SECTION}{name}]",
    )


def settings_of_linked_session(settings: Settings, name: str) -> Settings:
    """The settings of another ``[cognito-session NAME]``, for the identity pool of `settings`.

    Nothing of the profile and no variable touches it: it is somebody's other sign-in.

    Raises:
        ConfigurationError: there is no such session, or it is wrong.
    """
    session = session_for_reading(settings.profile)
    sections = {**full_config_of(session), "profiles": {}}
    layers = Layers(
        profile=None,
        full_config=sections,
        config_file=str(session.get_config_variable("config_file")),
        environ={},
        flags={"session": name, "identity_pool_id": settings.identity_pool_id or ""},
    )
    return replace(
        resolve(layers),
        endpoint=settings.endpoint,
        fips=settings.fips,
        dual_stack=settings.dual_stack,
        ca_bundle=settings.ca_bundle,
    )


def load_session_settings(
    name: str, *, environ: Mapping[str, str] | None = None, session: Session | None = None
) -> Settings:
    """The settings of a ``[cognito-session]`` by itself, for signing in and out of what several profiles share.

    Args:
        name: the session's name. Variables touch the profile in use, and here none is.
        session: what has read the configuration, or is to; default a new one.

    Raises:
        ConfigurationError: there is no such session, or it is wrong.
    """
    if session is None:
        session = session_for_reading()
    config_file, variables = str(session.get_config_variable("config_file")), os.environ if environ is None else environ
    everything = full_config_of(session)
    refuse_files_without_home(config_file, variables)
    full_config = {key: value for key, value in everything.items() if key != "profiles"}
    flags = {"session": name}
    section = full_config.get(SESSION_SECTION + name)
    if isinstance(section, Mapping) and not _names_exchange(section):
        flags.update(_exchange_of_user_of(name, everything))
    settings = resolve(Layers(None, full_config, config_file, {}, flags))
    found = configured_endpoint(full_config, {}, variables, service="cognito-identity")
    return replace(settings, endpoint=settings.endpoint_url or (found.url if found else None))


#: Seconds that credentials of the enhanced flow are valid, and those of STS unless something else is configured.
_HOUR = 3600


def limit_of_window(settings: Settings) -> str:
    """The sentence on a ``cognito_refresh_window`` that is wider than the credentials' lifetime; empty for others."""
    window, lifetime = settings.refresh_window, settings.duration_seconds or _HOUR
    if settings.assume_role_arn is not None:
        lifetime = settings.assume_role_duration_seconds or _HOUR
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
    config, shared = configuration_files(environ)[:2]
    if "aws_access_key_id" in _sections(shared).get(profile, {}):
        found.append(
            f"{shared} has static keys in [{profile}], which every client uses instead."
            f" Remove [{profile}] from {shared}"
        )
    section = profile_section(profile)
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
