"""Loads the settings of a profile: flag, variable, profile, session, from botocore's own parsed configuration.

That is the order of precedence too. Every value is checked where it is read, and keeps where it came from.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from .. import identity_providers
from .._fast_path import configuration_files, state_of_file
from .._util.urls import check_endpoint, configured_endpoint, is_true
from ..errors import ConfigurationError
from ..messages import flag_of
from .keys import (
    KEYS,
    OTHER_VARIABLES,
    PREFIX,
    SESSION_SECTION,
    TOKEN_SOURCES,
    VARIABLE_PREFIX,
    check_together,
    has_our_keys,
    is_without_pool,
    read_value,
)
from .lines import parse_error
from .mistakes import (
    endpoint_of_another_kind,
    foreign_key,
    key_in_credentials_file,
    no_pool,
    no_session,
    refuse_continued_lines,
    unknown_key,
    unknown_variable,
)
from .settings import Origin, RawValue, Settings, profile_section

if TYPE_CHECKING:
    from botocore.session import Session


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
        ConfigurationError: the profile is one of this tool and wrong, or a configuration file cannot be parsed.
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
    if not is_managed(layers):
        return None
    refuse_files_without_home(config_file, variables)
    _refuse_keys_in_credentials_file(profile or "default", config_file, variables)
    settings = resolve(layers)
    section = layers.profile_section
    cognito = configured_endpoint(full_config, section, variables, service="cognito-identity")
    sts = configured_endpoint(full_config, section, variables, service="sts")
    if cognito is not None and settings.endpoint_url is None:
        check_endpoint(cognito)
    if sts is not None and (settings.flow != "enhanced" or settings.assume_role_arn is not None):
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
    if settings.endpoint and (settings.fips or settings.dual_stack):
        raise endpoint_of_another_kind(settings, f"[{profile_section(profile)}] in {config_file}", variables)
    return settings


def refuse_files_without_home(config_file: str, environ: Mapping[str, str]) -> None:
    """Refuse what botocore reads of a user without a home: ``~/.aws`` in whatever directory is the current one.

    Raises:
        ConfigurationError: there is such a file. Who has made the directory could name a program to run, or a host to
            send the login token to.
    """
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials")
    for path in (_expanded(config_file), _expanded(credentials)):
        if path.startswith("~") and os.path.lexists(path):
            raise ConfigurationError(
                f"There is no such home directory, so {path} is a file in the current directory, which is not used",
                remedy="Set HOME, or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
            )


def _refuse_keys_in_credentials_file(profile: str, config_file: str, environ: Mapping[str, str]) -> None:
    """Refuse keys of this tool in ``~/.aws/credentials``: botocore prefers the values in that file.

    Raises:
        ConfigurationError: it has one. To leave it out would let botocore's chain go on to another identity.
    """
    path = _expanded(environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join("~", ".aws", "credentials"))
    try:
        if not os.path.isfile(path):
            return  # botocore does without it too; a pipe would be waited for
        with open(path, "rb") as file:
            may_have_one = PREFIX.encode() in file.read().lower()
    except OSError:
        return
    found = [key for key in known_sections(path).get(profile, ()) if key.startswith(PREFIX)] if may_have_one else ()
    if found and os.path.realpath(path) != os.path.realpath(_expanded(config_file)):
        raise key_in_credentials_file(found[0], profile, path, config_file)


def _expanded(path: str) -> str:
    """A path as `botocore.configloader.raw_config_parse` expands it."""
    return os.path.expanduser(os.path.expandvars(path))


def session_for_reading(profile: str | None = None) -> Session:
    """A session that reads the configuration, and of which no client is made.

    It has none of the handlers that botocore registers for clients: that takes 15 ms, and all else a third of one.
    """
    from botocore.session import Session

    return Session(profile=profile, include_builtin_handlers=False)


def full_config_of(session: Session) -> Mapping[str, Any]:
    """What botocore has parsed.

    Raises:
        ConfigurationError: a configuration file cannot be parsed.
    """
    from botocore.exceptions import ConfigParseError

    try:
        config: Mapping[str, Any] = session.full_config
    except ConfigParseError as error:
        raise parse_error(str(error.kwargs.get("path", ""))) from None
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


def is_managed(layers: Layers) -> bool:
    """Whether this configuration asks for Cognito federation at all.

    True as soon as the profile has one key of this tool, right or wrong: every failure raises then (invariant 15).
    Without profile keys only ``COGNITO_FEDERATION_IDENTITY_POOL_ID`` makes it one of this tool, or the flow that needs
    none in ``COGNITO_FEDERATION_FLOW``.
    """
    if has_our_keys(layers.profile_section):
        return True
    variables = layers.environ
    return bool(variables.get(KEYS["identity_pool_id"].variable)) or is_without_pool(
        variables.get(KEYS["flow"].variable)
    )


def resolve(layers: Layers) -> Settings:
    """The settings of a configuration of this tool.

    Raises:
        ConfigurationError: an unknown key, a value its key cannot hold, keys that contradict each other, a missing
            session or a missing required key.
    """
    values = _collect(layers)
    if "identity_pool_id" not in values and not ("flow" in values and is_without_pool(values["flow"].text)):
        raise no_pool(_subject(layers), values, _origin_of_profile(layers))
    if any("\n" in value.text for value in values.values()):
        refuse_continued_lines(values, layers.config_file)
    read: dict[str, Any] = {name: read_value(name, value.text, value.origin) for name, value in values.items()}
    origins = {name: value.origin for name, value in values.items()}
    check_together(read, origins)
    provider = _provider(read, origins)
    known = {spec.name for spec in fields(Settings)}
    plain = {name: value for name, value in read.items() if name in known and name != "provider"}
    region = _text(layers.profile_section.get("region"))
    if region is None and "identity_pool_id" not in plain:
        region, variable = region_in(layers.environ)
        origins = {**origins, "region": Origin("environment", variable)} if region else origins
    plain.setdefault("identity_pool_id", None)
    return Settings(**plain, provider=provider, profile=layers.profile, region_name=region, origins=origins)


def region_in(environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The region that a variable names, botocore's own before that of other SDKs, and the variable."""
    found = [(environ[name], name) for name in ("AWS_DEFAULT_REGION", "AWS_REGION") if environ.get(name)]
    return found[0] if found else (None, "")


def _subject(layers: Layers) -> str:
    return f"Profile {layers.profile!r}" if layers.profile else "The environment"


def _origin_of_profile(layers: Layers) -> Origin:
    return Origin("profile", f"[{profile_section(layers.profile)}] in {layers.config_file}")


def _collect(layers: Layers) -> dict[str, RawValue]:
    flags = {name: RawValue(text, Origin("flag", flag_of(name))) for name, text in layers.flags.items()}
    variables = _from_environment(layers.environ)
    profile = _from_section(layers.profile_section, _origin_of_profile(layers))
    upper = (flags, variables, profile)
    named = next((layer["session"] for layer in upper if "session" in layer), None)
    session: dict[str, RawValue] = {}
    if named is not None:
        session_name, named_by = named.text, named.origin
        session = _from_section(
            _session_section(layers, session_name, named_by),
            Origin("session", f"[{SESSION_SECTION}{session_name}] in {layers.config_file}"),
            profile=layers.profile_section,
            profile_title=profile_section(layers.profile),
        )
    return _merge((*upper, session))


def _merge(layers: Iterable[Mapping[str, RawValue]]) -> dict[str, RawValue]:
    """Earlier layers win; a layer that names a token source replaces the sources of all layers below it."""
    merged: dict[str, RawValue] = {}
    for layer in layers:
        source_is_chosen = any(name in merged for name in TOKEN_SOURCES)
        for name, value in layer.items():
            if name in TOKEN_SOURCES and source_is_chosen:
                continue
            merged.setdefault(name, value)
    return merged


def _session_section(layers: Layers, name: str, named_by: Origin) -> Mapping[str, Any]:
    title = SESSION_SECTION + name
    section = layers.full_config.get(title)
    if isinstance(section, Mapping):
        return section
    in_credentials = False
    with contextlib.suppress(ConfigurationError):
        in_credentials = title in known_sections(os.path.join("~", ".aws", "credentials"))
    raise no_session(
        name,
        named_by,
        profile=layers.profile,
        full_config=layers.full_config,
        config_file=layers.config_file,
        subject=named_by.place if named_by.layer in ("flag", "environment") else _subject(layers),
        in_credentials=in_credentials,
    )


def _from_section(
    section: Mapping[str, Any], origin: Origin, profile: Mapping[str, Any] | None = None, profile_title: str = ""
) -> dict[str, RawValue]:
    """The values of a section; of a session, where the `profile` that names it is given."""
    values, is_session = {}, profile is not None
    for key, text in section.items():
        if not key.startswith(PREFIX):
            if is_session:
                raise foreign_key(key, origin, profile_title if key not in (profile or {}) else "")
            continue
        name = key[len(PREFIX) :]
        if name not in KEYS or (is_session and name == "session"):
            raise unknown_key(key, text, origin)
        if not isinstance(text, str):
            raise ConfigurationError(
                f"{key} in {origin} is an indented block",
                remedy="Write flat key = value lines; some AWS SDKs reject the whole file otherwise",
            )
        if not text:
            raise ConfigurationError(f"{key} in {origin} is empty", remedy=f"{origin.removed(key)}, or give it a value")
        values[name] = RawValue(text, origin)
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, RawValue]:
    values = {}
    for variable, text in environ.items():
        if not variable.startswith(VARIABLE_PREFIX):
            continue
        short = variable[len(VARIABLE_PREFIX) :]
        if short in OTHER_VARIABLES or not text:
            continue
        key = KEYS.get(short.lower())
        if key is None or key.variable != variable:
            raise unknown_variable(variable)
        if not key.has_variable:
            raise ConfigurationError(
                f"{variable} is set, but {key.full_name} has no variable, because it runs code",
                remedy=f"Unset {variable}, and write {key.full_name} in the profile",
            )
        values[key.name] = RawValue(text, Origin("environment", variable))
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
        import difflib

        close = difflib.get_close_matches(named.lower(), identity_providers.names(), n=1)
        remedy = origins[source_key].written(f"{PREFIX}{source_key}", close[0]) if close else error.remedy
        raise ConfigurationError(f"{error.what} (from {origins[source_key]})", remedy=remedy) from None


def read_config(path: str) -> dict[str, Any]:
    """A configuration file with its profiles under ``profiles``; a file that is not there has none.

    Raises:
        ConfigurationError: no AWS tool can read it; the message names the line.
    """
    from botocore.configloader import load_config

    return _read(load_config, path) or {"profiles": {}}


def read_sections(path: str) -> dict[str, Any]:
    """The sections of a configuration or credentials file by their headers; a file that is not there has none.

    Raises:
        ConfigurationError: no AWS tool can read it; the message names the line.
    """
    from botocore.configloader import raw_config_parse

    return _read(raw_config_parse, path)


#: The last content of each file, by what parses it and its path.
_parsed: dict[tuple[object, str], tuple[str, Mapping[str, Any]]] = {}


def known_config(path: str) -> Mapping[str, Any]:
    """`read_config`, parsed once for each state of the file; not to be changed."""
    return _known(read_config, path)


def known_sections(path: str) -> Mapping[str, Any]:
    """`read_sections`, parsed once for each state of the file; not to be changed."""
    return _known(read_sections, path)


def _known(read: Callable[[str], Mapping[str, Any]], path: str) -> Mapping[str, Any]:
    path = _expanded(path)
    return _parsed_once(read, path, state_of_file(path))


def _parsed_once(read: Callable[[str], Mapping[str, Any]], path: str, state: str) -> Mapping[str, Any]:
    before = _parsed.get((read, path))
    if before is None or before[0] != state:
        before = _parsed[read, path] = (state, read(path))
    return before[1]


def merged_config(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """What `botocore.session.Session.full_config` makes of its two files, each parsed once for each of its states.

    Args:
        environ: the process environment, which says where the files are.

    Raises:
        ConfigurationError: no AWS tool can read one of them; the message names the line.
    """
    config, credentials, state_of_config, state_of_credentials = configuration_files(environ)
    found = _parsed_once(read_config, config, state_of_config)
    profiles = dict(found["profiles"])
    for name, section in _parsed_once(read_sections, credentials, state_of_credentials).items():
        profiles[name] = {**profiles.get(name, {}), **section}
    return {**found, "profiles": profiles}


def _read(parse: Callable[[str], Mapping[str, Any]], path: str) -> dict[str, Any]:
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    try:
        return dict(parse(path))
    except ConfigNotFound:
        return {}
    except ConfigParseError:
        raise parse_error(path) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
