"""The catalogue of configuration keys: what each may hold, and whether a variable may set it.

Lengths and patterns are those of the service models (`cognito-identity` 2014-06-30, `sts` 2011-06-15); botocore checks
only the minima, so a value refused here saves a call and gets a better sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._util.urls import LOCALHOST, UnsafeURLError, parse_url
from ..cache import STORES
from ..errors import ConfigurationError
from ..identity_providers import is_developer
from ..login_tokens import registry
from .settings import Origin

PREFIX = "cognito_"
VARIABLE_PREFIX = "COGNITO_FEDERATION_"

#: Variables of this tool that do not correspond to a key.
OTHER_VARIABLES = frozenset({"CACHE_DIR", "DEBUG", "EXEC_PROFILE"})

#: A workload's token sources; at most one may be set.
TOKEN_SOURCES = registry.workload_keys()


class BadValue(ValueError):
    """A value that its key cannot hold; the text says what it must be and never quotes a secret."""


Reader = Callable[[str], object]


@dataclass(frozen=True)
class Key:
    """One configuration key.

    Attributes:
        name: the key without its ``cognito_`` prefix.
        read: turns the text into the value, or raises `BadValue`.
        has_variable: whether ``COGNITO_FEDERATION_<NAME>`` may set it. Commands and Python handlers have none: whoever
            controls a variable would otherwise run code in every process with our profile.
    """

    name: str
    read: Reader
    has_variable: bool = True

    @property
    def full_name(self) -> str:
        return PREFIX + self.name

    @property
    def variable(self) -> str:
        return VARIABLE_PREFIX + self.name.upper()


def _text(most: int = 2048) -> Reader:
    def read(value: str) -> str:
        if len(value) > most:
            raise BadValue(f"may have {most} characters at most and has {len(value)}")
        if "\n" in value:
            raise BadValue("must stand on one line")
        return value

    return read


def _pattern(pattern: str, shape: str, least: int, most: int) -> Reader:
    compiled = re.compile(pattern)

    def read(value: str) -> str:
        if not least <= len(value) <= most or not compiled.fullmatch(value):
            raise BadValue(f"must be {shape}")
        return value

    return read


def _one_of(choices: Mapping[str, str]) -> Reader:
    def read(value: str) -> str:
        chosen = choices.get(value.lower())
        if chosen is None:
            raise BadValue(f"must be one of {', '.join(choices)}")
        return chosen

    return read


def _number(least: int, most: int, unit: str) -> Reader:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise BadValue(f"must be a whole number of {unit} from {least} to {most}")
        return int(value)

    return read


def _truth(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise BadValue("must be true or false")
    return value.lower() == "true"


def _words(value: str) -> tuple[str, ...]:
    return tuple(value.replace(",", " ").split())


def _ports(value: str) -> tuple[int, ...]:
    words = _words(value)
    if not words or not all(re.fullmatch(r"[0-9]{1,5}", word) and int(word) <= 65535 for word in words):
        raise BadValue("must be port numbers separated by spaces, 0 for any free port")
    return tuple(int(word) for word in words)


def _name_value_pairs(value: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in value.split():
        name, equals, content = word.partition("=")
        if not name or not equals:
            raise BadValue("must be name=value pairs separated by spaces")
        pairs.append((name, content))
    return tuple(pairs)


def _url(value: str) -> str:
    """https, or http to a literal loopback address: a token must not cross a network in the clear."""
    return _safe_url(value, ())


def _issuer_url(value: str) -> str:
    """The same, and http to ``localhost``: an issuer's name is in its own documents and cannot be written otherwise."""
    return _safe_url(value, (LOCALHOST,))


def _safe_url(value: str, plain_http_hosts: tuple[str, ...]) -> str:
    try:
        parse_url(value, plain_http_hosts=plain_http_hosts)
    except UnsafeURLError as flaw:
        raise BadValue(f"{flaw}. {flaw.remedy}".removesuffix(". ")) from None
    return value


def _token_url(value: str) -> str:
    return value if value in registry.names_of("token_url") else _url(value)


def _token_source(value: str) -> str:
    names = registry.names_of("token_source")
    if value not in names:
        raise BadValue(f"must be one of {', '.join(names)}")
    return value


_ROLE_ARN = _pattern(
    r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+",
    "a role ARN such as arn:aws:iam::123456789012:role/Analyst, 2048 characters at most",
    20,
    2048,
)
_VARIABLE_NAME = _pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", 1, 256)
_FLOWS = {"enhanced": "enhanced", "basic": "basic", "classic": "basic"}
_GRANTS = {name: name for name in ("auto", "auth-code", "device-code", "remote", "srp")}
_CACHES = {name: name for name in STORES}
_AUTO_LOGIN = {name: name for name in ("never", "tty", "always")}

_ALL = (
    Key(
        "identity_pool_id",
        _pattern(
            r"[\w-]+:[0-9a-f-]+",
            "REGION:GUID, such as eu-west-1:11111111-2222-3333-4444-555555555555",
            1,
            55,
        ),
    ),
    Key("session", _text(256)),
    Key("provider", _text(255)),
    Key("issuer", _issuer_url),
    Key("login_key", _text(128)),
    Key("client_id", _text(255)),
    Key("client_secret_env", _VARIABLE_NAME),
    Key("client_secret_command", _text(8192), has_variable=False),
    Key("scopes", _words),
    Key("auth_params", _name_value_pairs),
    Key("grant", _one_of(_GRANTS)),
    Key("redirect_uri", _text()),
    Key("redirect_ports", _ports),
    Key("token_file", _text(4096)),
    Key("token_env", _VARIABLE_NAME),
    Key("token_url", _token_url),
    Key("token_source", _token_source),
    Key("token_command", _text(8192), has_variable=False),
    Key(
        "refresh_handler",
        _pattern(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", "package.module:function", 3, 512),
        has_variable=False,
    ),
    Key("token_audience", _text(1024)),
    Key("token_field", _text(256)),
    Key("token_headers_env", _VARIABLE_NAME),
    Key(
        "developer_provider",
        _pattern(r"[\w._-]+", "a developer provider name of 1 to 128 letters, digits, . _ -", 1, 128),
    ),
    Key("developer_user", _text(1024)),
    Key("developer_profile", _text(256)),
    Key("identity_id", _pattern(r"[\w-]+:[0-9a-f-]+", "an identity ID, REGION:GUID", 1, 55)),
    Key("role_arn", _ROLE_ARN),
    Key("flow", _one_of(_FLOWS)),
    Key("duration_seconds", _number(900, 43200, "seconds")),
    Key("role_session_name", _pattern(r"[\w+=,.@-]+", "2 to 64 letters, digits and +=,.@-_", 2, 64)),
    Key("assume_role_arn", _ROLE_ARN),
    Key("logins", _words),
    Key("account_id", _pattern(r"[0-9]{12}", "an AWS account number of 12 digits", 12, 12)),
    Key("endpoint_url", _url),
    Key("cache", _one_of(_CACHES)),
    Key("auto_login", _one_of(_AUTO_LOGIN)),
    Key("fail_closed", _truth),
    Key("refresh_window", _number(0, 43200, "seconds")),
    Key("user_pool_id", _pattern(r"[\w-]+_[0-9a-zA-Z]+", "a user pool ID such as eu-west-1_AbCdEfGhI", 1, 55)),
    Key("username", _text(128)),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _ALL}


#: Entries of a Logins map, less the own one (GetId).
_MOST_LINKED = 9
_BASIC_ONLY = ("duration_seconds", "role_session_name")
_DEVELOPER_ONLY = ("developer_provider", "developer_user", "developer_profile")


def check_together(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    """Refuse a configuration whose single values are right but do not go together.

    Raises:
        ConfigurationError: naming both keys and both places.
    """
    _one_token_source(read, origins)
    _flow(read, origins)
    _provider_and_source(read, origins)
    _needs(read, origins, "client_secret_env", "client_id")
    _needs(read, origins, "client_secret_command", "client_id")
    if "client_secret_env" in read and "client_secret_command" in read:
        raise _contradiction(("client_secret_env", "client_secret_command"), origins, "give one of them")
    _source_options(read, origins)
    _developer(read, origins)
    _logins(read, origins)


def _at(name: str, origins: Mapping[str, Origin]) -> str:
    return f"{PREFIX}{name} ({origins[name]})"


def _contradiction(names: tuple[str, ...], origins: Mapping[str, Origin], why: str) -> ConfigurationError:
    return ConfigurationError(f"{' and '.join(_at(name, origins) for name in names)} contradict each other: {why}")


def _needs(read: Mapping[str, Any], origins: Mapping[str, Origin], name: str, needed: str) -> None:
    if name in read and needed not in read:
        raise ConfigurationError(f"{_at(name, origins)} also needs {PREFIX}{needed}")


def _one_token_source(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    sources = tuple(name for name in TOKEN_SOURCES if name in read)
    if len(sources) > 1:
        raise _contradiction(sources, origins, "a profile has one token source")


def _flow(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    basic = read.get("flow") == "basic"
    if basic:
        _needs(read, origins, "flow", "role_arn")
        if str(read.get("provider", "")).lower() == "saml":
            raise _contradiction(("flow", "provider"), origins, "SAML works in the enhanced flow only")
        return
    for name in _BASIC_ONLY:
        if name in read:
            raise ConfigurationError(
                f"{_at(name, origins)} goes only with the basic flow; enhanced credentials are valid for one hour",
                remedy="Add cognito_flow = basic and cognito_role_arn, or remove the key",
            )


def _source_options(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    """Refuse options that the token source does not have, and a source without those it needs."""
    source = registry.selected(read)
    key = next((name for name in TOKEN_SOURCES if name in read), "")
    for option in registry.options():
        if option in read and (source is None or option not in source.options):
            if source is not None and source.name:
                raise _contradiction((key, option), origins, f"{source.name} takes no {PREFIX}{option}")
            raise ConfigurationError(f"{_at(option, origins)} goes only with {' or '.join(_sources_with(option))}")
    for option, what in source.required.items() if source is not None else ():
        if option not in read:
            raise ConfigurationError(f"{_at(key, origins)} is {read[key]}, which needs {PREFIX}{option}: {what}")


def _sources_with(option: str) -> tuple[str, ...]:
    """The keys of the sources that have an option."""
    return tuple(dict.fromkeys(PREFIX + source.key for source in registry.SOURCES if option in source.options))


def _developer(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    given = [name for name in _DEVELOPER_ONLY if name in read]
    for name in given:
        for needed in _DEVELOPER_ONLY:
            _needs(read, origins, name, needed)
    if given and "logins" in read:
        raise _contradiction(
            (given[0], "logins"), origins, "further logins of a developer's user are linked by the developer"
        )


def _logins(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    names = read.get("logins", ())
    if len(names) > _MOST_LINKED:
        raise ConfigurationError(
            f"{_at('logins', origins)} names {len(names)} sessions; "
            "Cognito takes ten logins, the profile's own included"
        )
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{_at('logins', origins)} names a session twice")
    if names and read.get("session") in names:
        raise ConfigurationError(f"{_at('logins', origins)} names the profile's own session")
    if names and str(read.get("provider", "")).lower() == "guest":
        raise _contradiction(("provider", "logins"), origins, "guests have no login")
    if names and "identity_id" in read:
        raise _contradiction(("identity_id", "logins"), origins, "linking may change the identity")


def _provider_and_source(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    provider = str(read.get("provider", "")).lower()
    source = next((name for name in TOKEN_SOURCES if name in read), None)
    if provider == "guest":
        for name in (source, "client_id", "login_key", "issuer"):
            if name and name in read:
                raise _contradiction(("provider", name), origins, "guests have no login")
    if provider != "user-pool" and "user_pool_id" in read and "provider" in read:
        raise _contradiction(
            ("provider", "user_pool_id"), origins, "a user pool goes with cognito_provider = user-pool"
        )
    if read.get("grant") == "srp" and "user_pool_id" not in read:
        raise ConfigurationError(f"{_at('grant', origins)} is srp, which needs cognito_user_pool_id")
    for name in _DEVELOPER_ONLY:
        if name in read and not is_developer(provider):
            raise ConfigurationError(f"{_at(name, origins)} goes only with cognito_provider = developer")
    if "developer_user" in read and source:
        raise _contradiction(("developer_user", source), origins, "a developer login has one source")
    if not provider and source is None and not any(name in read for name in ("issuer", "login_key", "user_pool_id")):
        raise ConfigurationError(
            "The configuration names neither an identity provider nor a token source",
            remedy="Add cognito_provider (or a token source such as cognito_token_file) to the profile or its session",
        )
