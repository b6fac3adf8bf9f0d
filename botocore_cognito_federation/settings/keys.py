"""The catalogue of configuration keys: what each may hold, and whether a variable may set it.

Lengths and patterns are those of the service models (`cognito-identity` 2014-06-30, `sts` 2011-06-15); botocore checks
only the minima, so a value refused here saves a call and gets a better sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

PREFIX = "cognito_"
VARIABLE_PREFIX = "COGNITO_FEDERATION_"

#: Variables of ours that are not twins of a key.
OTHER_VARIABLES = frozenset({"CACHE_DIR", "DEBUG"})

#: A workload's token sources; at most one may be set.
TOKEN_SOURCES = ("token_file", "token_env", "token_url", "token_command", "refresh_handler")


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
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise BadValue("must be a URL") from None
    if parts.username or parts.password:
        raise BadValue("must not hold a user name or a password")
    if parts.scheme == "https" and host:
        return value
    if parts.scheme == "http" and is_loopback(host):
        return value
    raise BadValue("must be an https URL (http only to a literal loopback address such as 127.0.0.1)")


def is_loopback(host: str) -> bool:
    """Whether a host is loopback by what it says itself: ``localhost`` or a literal loopback address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


NAMED_URLS = frozenset({"github-actions", "gcp", "azure"})


def _token_url(value: str) -> str:
    return value if value in NAMED_URLS else _url(value)


_ROLE_ARN = _pattern(
    r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+",
    "a role ARN such as arn:aws:iam::123456789012:role/Analyst, 2048 characters at most",
    20,
    2048,
)
_VARIABLE_NAME = _pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", 1, 256)
_FLOWS = {"enhanced": "enhanced", "basic": "basic", "classic": "basic"}
_GRANTS = {name: name for name in ("auto", "auth-code", "device-code", "remote", "srp")}
_CACHES = {name: name for name in ("file", "keyring", "memory")}
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
    Key("issuer", _url),
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
    Key("refresh_window", _number(0, 43200, "seconds")),
    Key("user_pool_id", _pattern(r"[\w-]+_[0-9a-zA-Z]+", "a user pool ID such as eu-west-1_AbCdEfGhI", 1, 55)),
    Key("username", _text(128)),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _ALL}
