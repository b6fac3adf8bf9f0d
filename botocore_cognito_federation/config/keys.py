"""The catalogue of configuration keys: what each may hold, and whether a variable may set it.

Lengths and patterns are those of the service models (`cognito-identity` 2014-06-30, `sts` 2011-06-15); botocore checks
only the minima, so a value refused here saves a call and gets a better sentence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .. import login_tokens
from .._util.urls import LOCALHOST, UnsafeURLError, parse_url
from ..cache import ENGINES, STORES
from ..errors import ConfigurationError
from ..identity_providers import TOKEN_TYPES, is_developer
from . import further_role, registries
from .settings import DEFAULT, Origin

PREFIX = "cognito_"
#: The value of ``cognito_flow`` by which STS is asked for the role directly, and no identity pool.
WITHOUT_POOL = "web-identity"
#: How the header of a session begins.
SESSION_SECTION = "cognito-session "
VARIABLE_PREFIX = "COGNITO_FEDERATION_"

#: Variables of this tool that do not correspond to a key.
OTHER_VARIABLES = frozenset({"CACHE_DIR", "DEBUG", "EXEC_PROFILE"})

#: A workload's token sources; at most one may be set.
TOKEN_SOURCES = login_tokens.workload_keys()


class BadValue(ValueError):
    """A value that its key cannot hold; the text says what it must be and never quotes a secret.

    Args:
        text: what it must be.
        instead: the value that is meant, where that can be told; words in capitals are the user's to replace.
    """

    def __init__(self, text: str, instead: str = "") -> None:
        super().__init__(text)
        self.instead = instead


Reader = Callable[[str], object]


@dataclass(frozen=True)
class Key:
    """One configuration key.

    Attributes:
        name: the key without its ``cognito_`` prefix.
        read: turns the text into the value, or raises `BadValue`.
        has_variable: whether ``COGNITO_FEDERATION_<NAME>`` may set it. Commands and Python handlers have none: whoever
            controls a variable would otherwise run code in every process with our profile.
        may_hold_spaces: whether ``#`` or ``;`` behind a space may be meant; in other values it begins a comment, which
            configuration files do not have behind a value.
    """

    name: str
    read: Reader
    has_variable: bool = True
    may_hold_spaces: bool = False

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


def _pattern(pattern: str, shape: str, least: int, most: int, meant: Callable[[str], str] = lambda value: "") -> Reader:
    compiled = re.compile(pattern, re.ASCII)

    def read(value: str) -> str:
        if not least <= len(value) <= most or not compiled.fullmatch(value):
            raise BadValue(f"must be {shape}", meant(value))
        return value

    return read


def _one_of(choices: Mapping[str, str]) -> Reader:
    def read(value: str) -> str:
        chosen = choices.get(value.lower())
        if chosen is None:
            close = difflib.get_close_matches(value.lower(), choices, n=1)
            raise BadValue(f"must be one of {', '.join(choices)}", choices[close[0]] if close else "")
        return chosen

    return read


def _number(least: int, most: int, unit: str) -> Reader:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise BadValue(f"must be a whole number of {unit} from {least} to {most}", _in_seconds(value, least, most))
        return int(value)

    return read


def _in_seconds(value: str, least: int, most: int) -> str:
    """A span such as ``1h`` or ``90 min`` in seconds, as far as the key takes it."""
    found = re.fullmatch(r"([0-9]{1,6})\s*([smh])[a-z]*", value.lower())
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else 0
    if re.fullmatch(r"[0-9]{1,9}", value):
        seconds = min(max(int(value), least), most)
    return str(seconds) if least <= seconds <= most and seconds else ""


def _by(check: Callable[[str], object]) -> Reader:
    """The reader that a function is which raises `ValueError`."""

    def read(value: str) -> object:
        try:
            return check(value)
        except ValueError as bad:
            raise BadValue(str(bad)) from None

    return read


def _truth(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        meant = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}
        raise BadValue("must be true or false", meant.get(value.lower(), ""))
    return value.lower() == "true"


def _words(value: str) -> tuple[str, ...]:
    return tuple(value.replace(",", " ").split())


def _ports(value: str) -> tuple[int, ...]:
    words = _words(value)
    if not words or not all(re.fullmatch(r"[0-9]{1,5}", word) and int(word) <= 65535 for word in words):
        raise BadValue("must be port numbers separated by spaces, 0 for any free port", _ports_of_range(value))
    return tuple(int(word) for word in words)


def _ports_of_range(value: str) -> str:
    """The first ports of a range such as ``8400-8402``: each has to be registered at the provider."""
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", value)
    return " ".join(map(str, range(int(found[1]), int(found[2]) + 1)[:10])) if found else ""


def _pool_that_is_meant(value: str) -> str:
    """An identity pool's ID in what was written in its place: an ARN, or the ID without its region."""
    found = re.search(r"[\w-]+:[0-9a-f]{8}-[0-9a-f-]{27}\Z", value)
    if found and value.startswith("arn:"):
        return found[0].rpartition("/")[2]
    return f"REGION:{value}" if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", value) else "REGION:GUID"


def _pool_shape(value: str) -> str:
    """What the value is in its place, as far as it can be told."""
    if value.startswith("arn:"):
        return "; it is an ARN"
    return "; it is the ID of a user pool" if re.fullmatch(r"[\w-]+_[0-9a-zA-Z]+", value) else ""


def _identity_pool(value: str) -> str:
    if len(value) > 55 or not re.fullmatch(r"[\w-]+:[0-9a-f-]+", value):
        shape = "REGION:GUID, such as eu-west-1:11111111-2222-3333-4444-555555555555"
        raise BadValue(f"must be {shape}{_pool_shape(value)}", _pool_that_is_meant(value))
    return value


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
    if value.endswith(_DISCOVERY):
        raise BadValue(
            "ends in /.well-known/openid-configuration, which belongs to the discovery document",
            value.removesuffix(_DISCOVERY),
        )
    return _safe_url(value, (LOCALHOST,))


_DISCOVERY = "/.well-known/openid-configuration"


def _provider(value: str) -> str:
    """A provider's name, its domain, or its issuer URL."""
    if len(value) > 255:
        raise BadValue(f"may have 255 characters at most and has {len(value)}")
    return _issuer_url(value) if "://" in value or value.endswith(_DISCOVERY) else value


def _safe_url(value: str, plain_http_hosts: tuple[str, ...]) -> str:
    try:
        parse_url(value, plain_http_hosts=plain_http_hosts)
    except UnsafeURLError as flaw:
        raise BadValue(
            str(flaw) if flaw.instead else f"{flaw}. {flaw.remedy}".removesuffix(". "), flaw.instead
        ) from None
    return value


def _token_url(value: str) -> str:
    return value if value in login_tokens.names_of("token_url") else _url(value)


def _token_source(value: str) -> str:
    names = login_tokens.names_of("token_source")
    if value not in names:
        raise BadValue(f"must be one of {', '.join(names)}")
    return value


def _token_type(value: str) -> str:
    """A kind of token by its short name or its URI (RFC 8693, section 3)."""
    if value in TOKEN_TYPES:
        return TOKEN_TYPES[value]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", value):
        close = difflib.get_close_matches(value.lower().replace("-", "_"), TOKEN_TYPES, n=1)
        raise BadValue(f"must be one of {', '.join(TOKEN_TYPES)}, or a URI", close[0] if close else "")
    return value


_A_ROLE = "arn:aws:iam::123456789012:role/Analyst"
_ROLE_ARN = _pattern(
    r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+",
    "a role ARN such as arn:aws:iam::123456789012:role/Analyst, 2048 characters at most",
    20,
    2048,
    lambda value: _A_ROLE,
)
_SESSION_NAME = _pattern(r"[\w+=,.@-]+", "2 to 64 letters, digits and +=,.@-_", 2, 64)
_VARIABLE_NAME = _pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", 1, 256)
_ACCOUNT = _pattern(r"[0-9]{12}", "an AWS account number of 12 digits", 12, 12, lambda value: value.replace("-", ""))
_FLOWS = {"enhanced": "enhanced", "basic": "basic", "classic": "basic", "web-identity": "web-identity"}
_GRANTS = {name: name for name in ("auto", "auth-code", "device-code", "remote", "srp")}
#: The first challenges of a user pool's choice-based sign-in, as the API spells them; ``choice`` asks the person.
_CHALLENGES = {
    "choice": "choice",
    **{name.lower(): name for name in ("PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN")},
}
_CACHES = {name: name for name in STORES}
#: Redis only as ``same``: alone it is no place for what must not be lost.
_PLACES_OF_SESSIONS = {name: name for name in ("local", "same", *ENGINES) if name != "redis"}
_AUTO_LOGIN = {name: name for name in ("never", "tty", "always")}

_ALL = (
    Key("identity_pool_id", _identity_pool),
    Key("session", _text(256)),
    Key("provider", _provider),
    Key("issuer", _issuer_url),
    Key("login_key", _text(128)),
    Key("client_id", _text(255)),
    Key("client_secret_env", _VARIABLE_NAME),
    Key("client_secret_command", _text(8192), has_variable=False, may_hold_spaces=True),
    Key("client_assertion_key_file", _text(4096)),
    Key("client_assertion_key_command", _text(8192), has_variable=False, may_hold_spaces=True),
    Key("client_certificate", _text(4096)),
    Key("scopes", _words),
    Key("auth_params", _name_value_pairs, may_hold_spaces=True),
    Key("grant", _one_of(_GRANTS)),
    Key("redirect_uri", _text()),
    Key("redirect_ports", _ports),
    Key("token_file", _text(4096)),
    Key("token_env", _VARIABLE_NAME),
    Key("token_url", _token_url),
    Key("token_source", _token_source),
    Key("token_command", _text(8192), has_variable=False, may_hold_spaces=True),
    Key(
        "refresh_handler",
        _pattern(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", "package.module:function", 3, 512),
        has_variable=False,
    ),
    Key("token_audience", _text(1024), may_hold_spaces=True),
    Key("token_field", _text(256), may_hold_spaces=True),
    Key("token_headers_env", _VARIABLE_NAME),
    Key("subject_token_file", _text(4096)),
    Key("subject_token_env", _VARIABLE_NAME),
    Key("subject_token_type", _token_type),
    Key("requested_token_type", _token_type),
    Key(
        "developer_provider",
        _pattern(r"[\w._-]+", "a developer provider name of 1 to 128 letters, digits, . _ -", 1, 128),
    ),
    Key("developer_user", _text(1024), may_hold_spaces=True),
    Key("developer_profile", _text(256)),
    Key("identity_id", _pattern(r"[\w-]+:[0-9a-f-]+", "an identity ID, REGION:GUID", 1, 55)),
    Key("role_arn", _ROLE_ARN),
    Key("flow", _one_of(_FLOWS)),
    Key("duration_seconds", _number(900, 43200, "seconds")),
    Key("role_session_name", _SESSION_NAME),
    Key("assume_role_arn", _ROLE_ARN),
    Key("assume_role_session_name", _SESSION_NAME),
    Key("assume_role_duration_seconds", _number(further_role.LEAST_SECONDS, further_role.MOST_SECONDS, "seconds")),
    Key("assume_role_external_id", _pattern(r"[\w+=,.@:/-]+", "2 to 1224 letters, digits and +=,.@:/-_", 2, 1224)),
    Key("assume_role_policy", _by(further_role.read_policy), may_hold_spaces=True),
    Key("assume_role_policy_arns", _by(further_role.read_policy_arns)),
    Key("assume_role_tags", _by(further_role.read_tags), may_hold_spaces=True),
    Key("assume_role_source_identity", _SESSION_NAME),
    Key("logins", _words),
    Key("registries", _by(registries.read_registries)),
    Key("account_id", _ACCOUNT),
    Key("endpoint_url", _url),
    Key("cache", _one_of(_CACHES)),
    Key("cache_url", _text()),
    Key("cache_key_env", _VARIABLE_NAME),
    Key("cache_key_file", _text(4096)),
    Key("cache_key_command", _text(8192), has_variable=False, may_hold_spaces=True),
    Key("cache_sessions", _one_of(_PLACES_OF_SESSIONS)),
    Key("cache_sessions_url", _text()),
    Key("auto_login", _one_of(_AUTO_LOGIN)),
    Key("fail_closed", _truth),
    Key("refresh_window", _number(0, 43200, "seconds")),
    Key("retry_seconds", _number(0, 3600, "seconds")),
    Key("user_pool_id", _pattern(r"[\w-]+_[0-9a-zA-Z]+", "a user pool ID such as eu-west-1_AbCdEfGhI", 1, 55)),
    Key("username", _text(128), may_hold_spaces=True),
    Key("preferred_challenge", _one_of(_CHALLENGES)),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _ALL}


def read_value(name: str, text: str, origin: Origin) -> object:
    """The value of a key.

    Raises:
        ConfigurationError: the key cannot hold it; the message names where it stands.
    """
    text, key = text.strip(), KEYS[name]
    subject = f"{key.full_name} (from {origin})"
    bare = text if key.may_hold_spaces else unspoilt(text)
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


QUOTES = "\"'\u201c\u2018\u201e\u00ab"
_CLOSING = "\"'\u201d\u2019\u201c\u00bb"


def unspoilt(text: str) -> str:
    """A value without the quotes around it or the comment behind it, which a configuration file makes part of it."""
    bare = re.split(r"\s+[#;]", text, maxsplit=1)[0]
    return bare[1:-1] if len(bare) > 2 and bare[0] in QUOTES and bare[-1] in _CLOSING else bare


def has_our_keys(section: Mapping[str, Any]) -> bool:
    """Whether a section of the file has a key of ours, right or wrong."""
    return any(name.startswith(PREFIX) for name in section)


def is_without_pool(flow: object) -> bool:
    """Whether the value of ``cognito_flow`` is the flow that needs no identity pool."""
    return isinstance(flow, str) and flow.strip().lower() == WITHOUT_POOL


#: Entries of a Logins map, less the own one (GetId).
_MOST_LINKED = 9
#: Options of the role that STS is asked for, and why the enhanced flow has none.
_OF_STS_ONLY = {
    "duration_seconds": "enhanced credentials are valid for one hour",
    "role_session_name": "Cognito names the sessions of the enhanced flow itself",
}
#: Keys about an identity pool, and why the flow without one has no use for them.
_OF_POOL_ONLY = {
    "identity_pool_id": "web-identity asks STS, and no identity pool",
    "identity_id": "without an identity pool there are no identities",
    "logins": "only an identity pool links logins",
    "endpoint_url": "it is the endpoint of identity pools; that of STS is set by AWS_ENDPOINT_URL_STS",
}
#: What proves a confidential client to its provider.
_CLIENT_PROOFS = (
    "client_secret_env",
    "client_secret_command",
    "client_assertion_key_file",
    "client_assertion_key_command",
    "client_certificate",
)
_DEVELOPER_ONLY = ("developer_provider", "developer_user", "developer_profile")


def check_together(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    """Refuse a configuration whose single values are right but do not go together.

    Raises:
        ConfigurationError: naming both keys and both places.
    """
    _one_token_source(read, origins)
    check_roles(read, origins)
    _provider_and_source(read, origins)
    proofs = tuple(name for name in _CLIENT_PROOFS if name in read)
    for name in proofs:
        _needs(read, origins, name, "client_id")
    if len(proofs) > 1:
        raise _contradiction(proofs, origins, "give one of them")
    _source_options(read, origins)
    _developer(read, origins)
    _logins(read, origins)
    _shared_cache(read, origins)


def _at(name: str, origins: Mapping[str, Origin]) -> str:
    origin = origins[name]
    return str(origin) if origin.layer == "argument" else f"{PREFIX}{name} ({origin})"


def _contradiction(names: tuple[str, ...], origins: Mapping[str, Origin], why: str) -> ConfigurationError:
    last = names[-1]
    return ConfigurationError(
        f"{' and '.join(_at(name, origins) for name in names)} contradict each other: {why}",
        remedy=origins[last].removed(PREFIX + last),
    )


def _needs(read: Mapping[str, Any], origins: Mapping[str, Origin], name: str, needed: str) -> None:
    if name in read and needed not in read:
        prefix = "" if origins[name].layer == "argument" else PREFIX
        what = f"{_at(name, origins)} also needs {prefix}{needed}"
        raise ConfigurationError(
            what, remedy=origins[name].added(prefix + needed, _EXAMPLES.get(needed, needed.upper()))
        )


_SOME_ROLE = "arn:aws:iam::123456789012:role/NAME"
#: What a remedy writes behind a key that is to be added; the words in capitals are the user's to replace.
_EXAMPLES = {"role_arn": _SOME_ROLE, "assume_role_arn": _SOME_ROLE}


def _one_token_source(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    sources = tuple(name for name in TOKEN_SOURCES if name in read)
    if len(sources) > 1:
        raise _contradiction(sources, origins, "a profile has one token source")


def check_roles(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    """Refuse options of the two roles that the flow or a missing role would leave unused.

    Raises:
        ConfigurationError: naming the option and where it was given.
    """
    for name in further_role.OPTIONS:
        _needs(read, origins, name, "assume_role_arn")
    flow = read.get("flow", "enhanced")
    if flow != "enhanced":
        _needs(read, origins, "flow", "role_arn")
        if str(read.get("provider", "")).lower() == "saml":
            raise _contradiction(("flow", "provider"), origins, "SAML works in the enhanced flow only")
        if flow == WITHOUT_POOL:
            _without_pool(read, origins)
        return
    for name, why in _OF_STS_ONLY.items():
        if name in read:
            raise _of_sts_only(name, why, origins[name], further="assume_role_arn" in read)


def _without_pool(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    for name, why in _OF_POOL_ONLY.items():
        if name in read:
            raise _contradiction(("flow", name), origins, why)
    provider = str(read.get("provider", "")).lower()
    if provider in ("guest", "twitter") or is_developer(provider):
        raise _contradiction(("flow", "provider"), origins, f"STS takes no login of {provider}")


def _of_sts_only(name: str, why: str, origin: Origin, *, further: bool) -> ConfigurationError:
    what, removed = (
        f"{_at(name, {name: origin})} goes only with the flows basic and web-identity; {why}",
        origin.removed(PREFIX + name),
    )
    prefix = "" if origin.layer == "argument" else PREFIX
    if further:
        return ConfigurationError(what, remedy=f"For the further role give {prefix}assume_role_{_bare_name(name)}")
    basic = origin.added(f"{prefix}flow", "basic")
    return ConfigurationError(what, remedy=f"{removed}, or {basic[0].lower()}{basic[1:]}, and {prefix}role_arn")


def _bare_name(name: str) -> str:
    """The name of an option of the first role, as the same option of the further role ends."""
    return name.removeprefix("role_")


def _source_options(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    """Refuse options that the token source does not have, and a source without those it needs."""
    source = login_tokens.selected(read)
    key = next((name for name in TOKEN_SOURCES if name in read), "")
    for option in login_tokens.options():
        if option in read and (source is None or option not in source.options):
            if source is not None and source.name:
                raise _contradiction((key, option), origins, f"{source.name} takes no {PREFIX}{option}")
            what = f"{_at(option, origins)} goes only with {' or '.join(_sources_with(option))}"
            raise ConfigurationError(what, remedy=origins[option].removed(PREFIX + option))
    for option, what in source.required.items() if source is not None else ():
        if option not in read:
            raise ConfigurationError(
                f"{_at(key, origins)} is {read[key]}, which needs {PREFIX}{option}: {what}",
                remedy=origins[key].added(PREFIX + option, option.upper()),
            )
    if source is not None and source.one_of:
        _exactly_one(source.one_of, key, read, origins)


def _exactly_one(choices: Mapping[str, str], key: str, read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    given = tuple(name for name in choices if name in read)
    if len(given) > 1:
        raise _contradiction(given, origins, f"{read[key]} takes one of them")
    if not given:
        named = " or ".join(f"{PREFIX}{name} ({what})" for name, what in choices.items())
        first = next(iter(choices))
        raise ConfigurationError(
            f"{_at(key, origins)} is {read[key]}, which needs {named}",
            remedy=origins[key].added(PREFIX + first, first.upper()),
        )


def _sources_with(option: str) -> tuple[str, ...]:
    """The keys of the sources that have an option."""
    return tuple(dict.fromkeys(PREFIX + source.key for source in login_tokens.SOURCES if option in source.options))


def _developer(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    given = [name for name in _DEVELOPER_ONLY if name in read]
    for name in given:
        for needed in _DEVELOPER_ONLY:
            _needs(read, origins, name, needed)
    if given and "logins" in read:
        raise _contradiction(
            (given[0], "logins"), origins, "further logins of a developer's user are linked by the developer"
        )


_KEYS_OF_CACHE = ("cache_key_env", "cache_key_file", "cache_key_command")


def _shared_cache(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    engine, sessions = read.get("cache"), read.get("cache_sessions", "local")
    if engine not in ENGINES:
        if sessions != "local":
            raise ConfigurationError(
                f"{_at('cache_sessions', origins)} goes only with a shared cache ({', '.join(ENGINES)})",
                remedy=origins["cache_sessions"].removed(f"{PREFIX}cache_sessions"),
            )
        return
    _needs(read, origins, "cache", "cache_url")
    given = tuple(name for name in _KEYS_OF_CACHE if name in read)
    if not given:
        _needs(read, origins, "cache", "cache_key_file")
    if len(given) > 1:
        raise _contradiction(given, origins, "give one of them")
    _url_of_engine("cache_url", str(engine), read, origins)
    if sessions in ENGINES:
        _needs(read, origins, "cache_sessions", "cache_sessions_url")
        _url_of_engine("cache_sessions_url", sessions, read, origins)


def _url_of_engine(name: str, engine: str, read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    url, origin, schemes = str(read[name]), origins[name], STORES[engine].schemes
    if not url.startswith(schemes):
        raise ConfigurationError(f"{_at(name, origins)} must begin with {' or '.join(schemes)} for {engine}")
    if not _is_whole(url):
        raise ConfigurationError(
            f"{_at(name, origins)} is not a URL: its host or port holds something else",
            remedy="In a user name and a password write %2F for /, %3F for ?, %23 for # and %40 for @",
        )
    if origin.layer != "environment" and _has_password(url):
        raise ConfigurationError(
            f"{_at(name, origins)} has a password in it, which would be in the clear in the file",
            remedy=f"Set {KEYS[name].variable} to this URL instead, or give PostgreSQL's password by ~/.pgpass",
        )


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.password is not None or any("password" in name.lower() for name in parse_qs(parts.query))


#: One of the hosts in a URL of PostgreSQL, the only one in others.
_HOST_AND_PORT = re.compile(r"([^:\[\]@]*|\[[0-9A-Fa-f:.]+\])(:\d*)?")


def _is_whole(url: str) -> bool:
    """Return whether no character of a password ends it too early: the rest would be shown as host, port or path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")
    is_query = not parts.query or all("=" in each for each in parts.query.split("&"))
    return is_query and "@" not in parts.path + parts.fragment and all(map(_HOST_AND_PORT.fullmatch, hosts))


def _logins(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    names = read.get("logins", ())
    if len(names) > _MOST_LINKED:
        raise ConfigurationError(
            f"{_at('logins', origins)} names {len(names)} sessions; "
            "Cognito takes ten logins, the profile's own included",
            remedy=f"Remove the names that are not needed from {_at('logins', origins)}",
        )
    if len(set(names)) < len(names):
        once = " ".join(dict.fromkeys(names))
        what = f"{_at('logins', origins)} names a session twice"
        raise ConfigurationError(what, remedy=origins["logins"].written(f"{PREFIX}logins", once))
    if names and read.get("session") in names:
        others = " ".join(name for name in names if name != read["session"])
        origin, key = origins["logins"], f"{PREFIX}logins"
        remedy = origin.written(key, others) if others else origin.removed(key)
        raise ConfigurationError(f"{_at('logins', origins)} names the profile's own session", remedy=remedy)
    if names and str(read.get("provider", "")).lower() == "guest":
        raise _contradiction(("provider", "logins"), origins, "guests have no login")
    if names and "identity_id" in read:
        raise _contradiction(("identity_id", "logins"), origins, "linking may change the identity")


def _without_developer(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> str:
    """The remedy that takes a developer's keys away from another provider's configuration."""
    given = [name for name in _DEVELOPER_ONLY if name in read]
    places = {str(origins[name]) for name in given}
    keys = " and ".join(PREFIX + name for name in given)
    return f"Remove {keys} from {places.pop()}" if len(places) == 1 else f"Remove {keys}"


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
        raise ConfigurationError(
            f"{_at('grant', origins)} is srp, which needs cognito_user_pool_id",
            remedy=origins["grant"].added("cognito_user_pool_id", "REGION_ID"),
        )
    if "preferred_challenge" in read:
        _needs(read, origins, "preferred_challenge", "user_pool_id")
        if read.get("grant") not in (None, "auto", "srp"):
            raise _contradiction(
                ("grant", "preferred_challenge"), origins, "the pages of the user pool let people choose by themselves"
            )
    for name in _DEVELOPER_ONLY:
        if name in read and not is_developer(provider):
            what = f"{_at(name, origins)} goes only with cognito_provider = developer"
            raise ConfigurationError(what, remedy=_without_developer(read, origins))
    if "developer_user" in read and source:
        raise _contradiction(("developer_user", source), origins, "a developer login has one source")
    if not provider and source is None and not any(name in read for name in ("issuer", "login_key", "user_pool_id")):
        raise ConfigurationError(
            "The configuration names neither an identity provider nor a token source",
            remedy=origins.get("identity_pool_id", origins.get("flow", DEFAULT)).added("cognito_provider", "PROVIDER")
            + ", or a token source such as cognito_token_file",
        )
