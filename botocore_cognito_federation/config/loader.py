"""Loads the settings of a profile: flag, variable, profile, session, from botocore's own parsed configuration.

That is the order of precedence too. Every value is checked where it is read, and keeps where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from .. import identity_providers
from .._fast_path import expanded
from .._util.urls import check_endpoint, configured_endpoint, is_true
from ..errors import ConfigurationError
from ..messages import did_you_mean, misspelt_title, run_with_profile, shell_command, shown_url
from .keys import KEYS, OTHER_VARIABLES, PREFIX, TOKEN_SOURCES, VARIABLE_PREFIX, check_together, read_value
from .settings import Origin, Settings
from .writer import has_section, known_sections, merged_config, parse_trouble

if TYPE_CHECKING:
    from botocore.session import Session

SESSION_SECTION = "cognito-session "
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
    """The settings of one profile of a botocore session, or None when the profile is not ours.

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
    return settings_of_config(
        full_config_of(session), config_file, profile, in_use=in_use, environ=environ, flags=flags
    )


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
    path = expanded(environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials"))
    if not os.path.exists(path):
        return
    found = [key for key in known_sections(path).get(profile, ()) if key.startswith(PREFIX)]
    if found and os.path.realpath(path) != os.path.realpath(expanded(config_file)):
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
        full_config = full_config_of(session)
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
    meant = did_you_mean(name, full_config.get("profiles", {}), likeness=0.6)
    return ConfigurationError(what, remedy=meant or run_with_profile(name, "configure"))


def full_config_of(session: Session) -> Mapping[str, Any]:
    """What botocore has parsed.

    Raises:
        ConfigurationError: a configuration file cannot be parsed.
    """
    from botocore.exceptions import ConfigParseError

    try:
        config: Mapping[str, Any] = session.full_config
    except ConfigParseError as error:
        raise ConfigurationError(parse_trouble(str(error.kwargs.get("path", "")))) from None
    return config


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


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
    pool = values.get("identity_pool_id")
    if pool is None:
        raise ConfigurationError(
            f"{_subject(layers)} has Cognito federation keys but no cognito_identity_pool_id",
            remedy="Add cognito_identity_pool_id = REGION:GUID to the profile or its [cognito-session]",
        )
    read: dict[str, Any] = {name: read_value(name, value.text, value.origin) for name, value in values.items()}
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
        remedy=misspelt_title(title, layers.full_config)
        or did_you_mean(name, sessions)
        or f"Add that section, or run: {command}",
    )


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
                remedy=did_you_mean(key, [known.full_name for known in KEYS.values()])
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
                remedy=did_you_mean(variable, [known.variable for known in KEYS.values() if known.has_variable])
                or "Unset it",
            )
        if not key.has_variable:
            raise ConfigurationError(
                f"{variable} is set, but {key.full_name} has no variable, because it runs code",
                remedy=f"Unset it and write {key.full_name} in the profile",
            )
        values[key.name] = _Value(text, Origin("environment", variable))
    return values


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
