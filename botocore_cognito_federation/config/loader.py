"""Loads settings from botocore's own parsed configuration and the process environment."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._fast_path import cache_directory
from .._util.urls import check_endpoint, configured_endpoint, is_true
from ..errors import ConfigurationError
from ..messages import run_with_profile, shown_url
from .keys import PREFIX
from .precedence import SESSION_SECTION, Layers, has_our_keys, is_ours, resolve
from .settings import Origin
from .writer import expanded_path, has_section, known_config, known_sections, merged_config, parse_trouble

if TYPE_CHECKING:
    from botocore.session import Session

    from .settings import Settings

#: How many profiles a message names.
_MOST_NAMED = 5


def settings_of_session(
    session: Session,
    profile: str | None,
    *,
    in_use: bool = True,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Settings | None:
    """Return the settings of one profile of a botocore session, or None if this tool does not manage the profile.

    Args:
        session: any botocore session; its parsed configuration is used, so nothing is read twice.
        profile: the profile's name; None is the default profile.
        in_use: whether this is the profile in use. Variables touch only that one, never the parent of a
            ``source_profile``.
        environ: the process environment; default `os.environ`.
        flags: key name without prefix -> text, from a command line.

    Raises:
        ConfigurationError: the profile is ours and wrong, or a configuration file cannot be parsed.
    """
    config_file = str(session.get_config_variable("config_file"))
    return settings_of_config(_full_config(session), config_file, profile, in_use=in_use, environ=environ, flags=flags)


def settings_of_config(
    full_config: Mapping[str, Any],
    config_file: str,
    profile: str | None,
    *,
    in_use: bool = True,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Settings | None:
    """The same for a configuration that botocore has parsed from `config_file`; see `settings_of_session`."""
    variables = os.environ if environ is None else environ
    layers = Layers(
        profile=profile,
        full_config=full_config,
        config_file=config_file,
        environ=variables if in_use else {},
        flags=flags or {},
    )
    if not is_ours(layers):
        return None
    _refuse_keys_in_credentials_file(profile or "default", config_file, variables)
    settings = resolve(layers)
    section = layers.profile_section
    cognito = configured_endpoint(full_config, section, variables, service="cognito-identity")
    sts = configured_endpoint(full_config, section, variables, service="sts")
    if cognito is not None and settings.endpoint_url is None:
        check_endpoint(cognito)
    if sts is not None and (settings.flow == "basic" or settings.assume_role_arn is not None):
        check_endpoint(sts)
    if settings.endpoint_url is None and cognito is not None:
        settings = replace(settings, origins={**settings.origins, "endpoint": Origin("botocore", cognito.origin)})
    settings = replace(
        settings,
        endpoint=settings.endpoint_url or (cognito.url if cognito else None),
        sts_endpoint=sts.url if sts else None,
        fips=is_true(variables.get("AWS_USE_FIPS_ENDPOINT") or section.get("use_fips_endpoint")),
        dual_stack=is_true(variables.get("AWS_USE_DUALSTACK_ENDPOINT") or section.get("use_dualstack_endpoint")),
        ca_bundle=_text(section.get("ca_bundle")),
    )
    _check_endpoint(settings)
    return settings


def _refuse_keys_in_credentials_file(profile: str, config_file: str, environ: Mapping[str, str]) -> None:
    """Refuse keys of ours in ``~/.aws/credentials``: botocore joins that file with the other and prefers its values.

    Raises:
        ConfigurationError: it has one. To leave it out would let botocore's chain go on to another identity.
    """
    path = expanded_path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials"))
    found = [key for key in known_sections(path).get(profile, ()) if key.startswith(PREFIX)]
    if found and os.path.realpath(path) != os.path.realpath(expanded_path(config_file)):
        title = "default" if profile == "default" else f"profile {profile}"
        raise ConfigurationError(
            f"{path} has {found[0]} in [{profile}], but cognito_ keys count only in {config_file}",
            remedy=f"Move the cognito_ keys of [{profile}] into [{title}] of {config_file}",
        )


def _check_endpoint(settings: Settings) -> None:
    """Say in our words what botocore's endpoint rules refuse at the first call."""
    for wanted, key, kind in (
        (settings.fips, "use_fips_endpoint", "FIPS"),
        (settings.dual_stack, "use_dualstack_endpoint", "dual-stack"),
    ):
        if wanted and settings.endpoint:
            shown = shown_url(settings.endpoint)
            raise ConfigurationError(
                f"{key} asks for AWS's {kind} endpoints, and {shown} is configured as the endpoint",
                remedy=f"Remove {key} (or AWS_{key.upper()}), or the endpoint URL",
            )


def load_settings(
    profile: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    session: Session | None = None,
) -> Settings:
    """The settings of a profile, for a command line or an application.

    Args:
        profile: the profile's name; default is botocore's own order (``AWS_DEFAULT_PROFILE``, then ``AWS_PROFILE``),
            then the default profile.
        session: what has read the configuration, or is to; default a new one.

    Raises:
        ConfigurationError: there is no such profile, it has no key of ours, or it is wrong.
    """
    if session is None:
        from botocore.session import Session

        session = Session()
        paths = [str(session.get_config_variable(name)) for name in ("config_file", "credentials_file")]
        full_config = merged_config(*paths)
    else:
        full_config = _full_config(session)
    name = profile or session.get_config_variable("profile") or "default"
    config_file = str(session.get_config_variable("config_file"))
    known = full_config.get("profiles", {})
    if name not in known and name != "default":
        raise _no_profile(name, full_config, config_file)
    chosen = name if name in known else None
    settings = settings_of_config(full_config, config_file, chosen, environ=environ, flags=flags)
    if settings is None:
        raise _not_ours(name, known)
    return settings


def source_of_chain(profile: str | None, environ: Mapping[str, str]) -> str | None:
    """The profile of this tool with whose credentials a profile assumes its role; None where that is not so.

    Args:
        profile: the profile's name; None for the one in use.
        environ: the process environment.
    """
    from .._fast_path import configuration_files

    name = profile or environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"
    profiles = merged_config(*configuration_files(environ)[:2])["profiles"]
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


def every_settings(environ: Mapping[str, str] | None = None) -> list[Settings]:
    """The settings of each profile that is a configuration; one that is wrong is left out."""
    from botocore.session import Session

    with contextlib.suppress(ConfigurationError):
        return list(_of_every_profile(Session(), environ=environ))
    return []


def every_sign_in() -> list[Settings]:
    """The settings of each profile and each ``[cognito-session]`` by itself; one that is wrong is left out.

    No variable touches them.
    """
    from botocore.session import Session

    session = Session()
    config = _full_config(session)
    found = list(_of_every_profile(session, in_use=False))
    for title in config:
        if title.startswith(SESSION_SECTION):
            with contextlib.suppress(ConfigurationError):
                found.append(load_session_settings(title[len(SESSION_SECTION) :], environ={}, session=session))
    return found


def _of_every_profile(
    session: Session, *, in_use: bool = True, environ: Mapping[str, str] | None = None
) -> Iterator[Settings]:
    for name, section in _full_config(session).get("profiles", {}).items():
        if isinstance(section, Mapping) and has_our_keys(section):
            with contextlib.suppress(ConfigurationError):
                settings = settings_of_session(session, name, in_use=in_use, environ=environ)
                if settings is not None:
                    yield settings


def names_in_configuration(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The names of the profiles that this tool manages, and of the sessions; none where the file cannot be read."""
    try:
        config = known_config(environ.get("AWS_CONFIG_FILE") or os.path.join("~", ".aws", "config"))
    except ConfigurationError:
        return [], []
    profiles = [name for name, section in config["profiles"].items() if has_our_keys(section)]
    return profiles, [title.removeprefix(SESSION_SECTION) for title in config if title.startswith(SESSION_SECTION)]


def _not_ours(name: str, profiles: Mapping[str, Any]) -> ConfigurationError:
    """Nothing of ours in a profile, which perhaps nobody named: the default one. The ones that were meant are named."""
    ours = [other for other, section in profiles.items() if has_our_keys(section)]
    shown = ", ".join([*ours[:_MOST_NAMED], *(["…"] if len(ours) > _MOST_NAMED else [])])
    return ConfigurationError(
        f"Profile {name!r} has no cognito_ keys",
        remedy=f"Name one that has them with --profile: {shown}" if ours else run_with_profile(name, "configure"),
    )


def _no_profile(name: str, full_config: Mapping[str, Any], config_file: str) -> ConfigurationError:
    """Why there is no such profile: botocore takes a config file that it cannot read for an empty one."""
    path = os.path.expandvars(os.path.expanduser(config_file))
    what = f"There is no profile {name!r} in {config_file}"
    if not os.path.exists(path):
        what = f"There is no profile {name!r}, because {config_file} does not exist"
    elif not os.path.isfile(path) or not os.access(path, os.R_OK):
        why = "cannot be read by this user" if os.path.isfile(path) else "is not a file"
        return ConfigurationError(f"{config_file} {why}", remedy="Fix that, or set AWS_CONFIG_FILE")
    if isinstance(full_config.get(name), Mapping) and has_our_keys(full_config[name]):
        return ConfigurationError(what, remedy=f"Write [profile {name}] instead of [{name}] there")

    if " " in name and has_section(path, f"profile {name}"):
        return ConfigurationError(f"{what} for any AWS tool", remedy=f'Write [profile "{name}"] there')
    close = difflib.get_close_matches(name, full_config.get("profiles", {}), n=1, cutoff=0.6)
    return ConfigurationError(
        what, remedy=f"Did you mean {close[0]}?" if close else run_with_profile(name, "configure")
    )


def _pool_of_who_uses(name: str, full_config: Mapping[str, Any]) -> str:
    """The identity pool of a profile that uses a session or links it."""
    for profile in full_config.get("profiles", {}).values():
        if not isinstance(profile, Mapping):
            continue
        other = full_config.get(f"{SESSION_SECTION}{profile.get('cognito_session')}", {})
        values = {**other, **profile} if isinstance(other, Mapping) else profile
        links = str(values.get("cognito_logins", "")).replace(",", " ").split()
        if "cognito_identity_pool_id" in values and name in (values.get("cognito_session"), *links):
            return str(values["cognito_identity_pool_id"])
    raise ConfigurationError(
        f"[{SESSION_SECTION}{name}] has no cognito_identity_pool_id, nor has a profile that uses it",
        remedy="Add cognito_identity_pool_id to it",
    )


def settings_of_linked_session(settings: Settings, name: str) -> Settings:
    """The settings of another ``[cognito-session NAME]``, for the identity pool of `settings`.

    Nothing of the profile and no variable touches it: it is somebody's other sign-in.

    Raises:
        ConfigurationError: there is no such session, or it is wrong.
    """
    from botocore.session import Session

    session = Session(profile=settings.profile)
    sections = {**_full_config(session), "profiles": {}}
    layers = Layers(
        profile=None,
        full_config=sections,
        config_file=str(session.get_config_variable("config_file")),
        environ={},
        flags={"session": name, "identity_pool_id": settings.identity_pool_id},
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
        from botocore.session import Session

        session = Session()
    everything = _full_config(session)
    full_config = {key: value for key, value in everything.items() if key != "profiles"}
    flags = {"session": name}
    section = full_config.get(SESSION_SECTION + name)
    if isinstance(section, Mapping) and "cognito_identity_pool_id" not in section:
        flags["identity_pool_id"] = _pool_of_who_uses(name, everything)
    settings = resolve(Layers(None, full_config, str(session.get_config_variable("config_file")), {}, flags))
    variables = os.environ if environ is None else environ
    found = configured_endpoint(full_config, {}, variables, service="cognito-identity")
    return replace(settings, endpoint=settings.endpoint_url or (found.url if found else None))


def _full_config(session: Session) -> Mapping[str, Any]:
    from botocore.exceptions import ConfigParseError

    try:
        config: Mapping[str, Any] = session.full_config
    except ConfigParseError as error:
        raise ConfigurationError(parse_trouble(str(error.kwargs.get("path", "")))) from None
    return config


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def default_directory(environ: Mapping[str, str]) -> str:
    """Where files are kept.

    Raises:
        ConfigurationError: the place is not certain: it would be another one for each working directory.
    """
    directory = cache_directory(environ)
    if os.path.isabs(directory):
        return directory
    if environ.get("COGNITO_FEDERATION_CACHE_DIR"):
        raise ConfigurationError(
            f"COGNITO_FEDERATION_CACHE_DIR is {directory!r}, which is another directory for each working directory",
            remedy="Set it to an absolute path",
        )
    raise ConfigurationError(
        "This user has no home directory: HOME is not set, and the user is not in the passwd database",
        remedy="Set HOME, or set COGNITO_FEDERATION_CACHE_DIR to an absolute path",
    )
