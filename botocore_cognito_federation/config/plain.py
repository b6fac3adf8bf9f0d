"""Reads the settings of a plain profile with a token file, for the quick way; anything else is left to the long way.

`loader` reads every configuration there is, by botocore's own parser, which takes most of the time of a cold helper.
Here a file counts only while each of its lines means one thing to every parser, a profile only while each of its keys
is one of the few below with a value that needs no interpretation, and the environment only while nothing in it is known
to change how AWS is called. Whatever else there is, right or wrong, is no plain configuration: the answer is None.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .._fast_path import CHAIN_VARIABLE, expanded
from .._util.files import read_regular_file

if TYPE_CHECKING:
    from .._fast_path import CacheQuery
    from .settings import Settings

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_NAME = frozenset(_LETTERS + _LETTERS.upper() + _DIGITS + "_.@+-")
_GRAPHIC = frozenset(map(chr, range(0x21, 0x7F)))
#: Bytes of a plain file: printable ASCII and line feeds.
_PLAIN_BYTES = bytes([0x0A, *range(0x20, 0x7F)])

#: What of the variables whose names begin with AWS_ says nothing of how our unsigned calls are made, or is read here.
_HARMLESS = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_CA_BUNDLE",
        "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY",
        "AWS_EXECUTION_ENV",
        "AWS_PAGER",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)
_VARIABLES_OF_THIS_TOOL = "COGNITO_FEDERATION_"
#: Kinds of sections whose headers botocore splits into words.
_KINDS = ("profile", "services", "sso-session")
#: Domains whose tokens Cognito takes in another form than an ID token's.
_NO_ID_TOKENS = frozenset({"graph.facebook.com", "www.amazon.com", "api.twitter.com"})


class PlainSettings(NamedTuple):
    """The settings of a plain profile, under the names of `Settings`, and what the quick way needs besides.

    Attributes:
        login_key: key of the `Logins` map; None where the token's ``iss`` says it.
        configured_ca: the CA bundle of AWS_CA_BUNDLE, the profile or REQUESTS_CA_BUNDLE; None for that of `certifi`.
    """

    profile: str
    session: str | None
    identity_pool_id: str
    token_file: str
    endpoint: str | None
    login_key: str | None
    account_id: str | None
    role_arn: str | None
    refresh_window: int | None
    configured_ca: str | None
    scope: str

    # What a plain profile does not have.
    identity_id: None = None
    duration_seconds: None = None
    role_session_name: None = None
    assume_role_arn: None = None
    sts_endpoint: None = None
    flow: str = "enhanced"
    cache: str = "file"
    fips: bool = False
    dual_stack: bool = False

    def as_settings(self) -> Settings:
        """These settings for functions that read nothing but what is here."""
        settings: Settings = self  # type: ignore[assignment]
        return settings


def plain_settings(query: CacheQuery) -> PlainSettings | None:
    """The settings of the profile of a query; None where the long way has to read them."""
    environ, profile = query.environ, query.profile
    if sys.platform in ("win32", "darwin", "cygwin") or not _is_plain_environment(environ):
        return None  # those systems have settings of their own for proxies
    if profile is None or not _NAME.issuperset(profile) or any(path.startswith("~") for path in query.files[:2]):
        return None
    sections, shared = (_sections(path) for path in query.files[:2])
    if sections is None or shared is None or profile in shared:
        return None
    own = sections.get("default" if profile == "default" else f"profile {profile}")
    if own is None or (profile == "default" and "profile default" in sections):
        return None
    name = own.get("cognito_session")
    session = sections.get(f"cognito-session {name}") if name else {}
    if session is None or "cognito_session" in session or any(key not in _KEYS for key in own):
        return None
    if any(not key.startswith("cognito_") or key not in _KEYS for key in session):
        return None
    values = {**session, **own}
    if not all(_KEYS[key](value) for key, value in values.items()):
        return None
    return _settings(profile, name, values, environ)


def _settings(
    profile: str, session: str | None, values: Mapping[str, str], environ: Mapping[str, str]
) -> PlainSettings | None:
    pool, file = values.get("cognito_identity_pool_id"), values.get("cognito_token_file")
    configured = (environ.get("AWS_ENDPOINT_URL_COGNITO_IDENTITY"), environ.get("AWS_ENDPOINT_URL"))
    endpoint = next(filter(None, (values.get("cognito_endpoint_url"), *configured)), None)
    bundles = (environ.get("AWS_CA_BUNDLE"), values.get("ca_bundle"), environ.get("REQUESTS_CA_BUNDLE"))
    bundle = next((each for each in bundles if each is not None), None)
    if pool is None or file is None or (endpoint is not None and endpoint_of(endpoint) is None):
        return None
    if endpoint is None and not _is_public_region(pool.partition(":")[0]):
        return None
    if "cognito_provider" not in values and ("cognito_issuer" in values or "cognito_login_key" in values):
        return None
    if bundle is not None and not _is_plain_path(bundle):
        return None
    window = values.get("cognito_refresh_window")
    return PlainSettings(
        profile=profile,
        session=session,
        identity_pool_id=pool,
        token_file=file,
        endpoint=endpoint,
        login_key=_login_key(values),
        account_id=values.get("cognito_account_id"),
        role_arn=values.get("cognito_role_arn"),
        refresh_window=None if window is None else int(window),
        configured_ca=bundle,
        scope=f"session {session}" if session else f"profile {profile}",
    )


def _login_key(values: Mapping[str, str]) -> str | None:
    provider = values.get("cognito_provider")
    if provider is None:
        return None
    named = values.get("cognito_issuer") or provider
    return values.get("cognito_login_key") or named.rpartition("://")[2].removesuffix("/")


def _is_plain_environment(environ: Mapping[str, str]) -> bool:
    for name, value in environ.items():
        if name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            plain = bool(value)  # botocore takes an empty one for the name of a file
        elif name.startswith("AWS_"):
            plain = name in _HARMLESS
        elif name.startswith(_VARIABLES_OF_THIS_TOOL):
            plain = name == f"{_VARIABLES_OF_THIS_TOOL}CACHE_DIR"
        elif name.lower().endswith("_proxy"):
            plain = name.lower() == "no_proxy" or not value
        else:
            plain = name not in (CHAIN_VARIABLE, "SSLKEYLOGFILE") and not name.startswith(("BOTO", "_COGNITO"))
        if not plain:
            return False
    # Where a user has put models of services, botocore reads its endpoints from them too.
    return not os.path.lexists(expanded("~/.aws/models", environ))


def _sections(path: str) -> dict[str, dict[str, str]] | None:
    """The sections of a file by their headers; None unless each line means one thing to every parser."""
    try:
        content = read_regular_file(path)
    except FileNotFoundError:
        return {}
    except OSError:
        return None
    if content.translate(None, _PLAIN_BYTES):
        return None
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    for line in content.decode("ascii").split("\n"):
        if line.startswith("["):
            title = line[1:-1]
            if line[-1] != "]" or title in found or not _is_plain_title(title):
                return None
            section = found[title] = {}
        elif line.strip() and not line.startswith(("#", ";")):
            name, equals, value = line.partition("=")
            key = name.rstrip(" ").lower()
            if section is None or not equals or not key or not _NAME.issuperset(key) or key in section:
                return None
            section[key] = value.strip(" ")
    return found


def _is_plain_title(title: str) -> bool:
    """Whether botocore reads a header letter by letter, and as one of a profile where it looks like one."""
    kind, space, name = title.partition(" ")
    if not kind or not _NAME.issuperset(kind) or kind == "DEFAULT" or (space and not (name and _NAME.issuperset(name))):
        return False
    # botocore takes any word that begins so for one of its own kinds of sections.
    return kind in _KINDS or not title.startswith(_KINDS)


def _is_public_region(region: str) -> bool:
    """Whether a region is one of the partition ``aws``, by botocore's own pattern for regions it does not know."""
    parts = region.split("-")
    known = parts[0] in ("us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx")
    return len(parts) == 3 and known and _consists(parts[1], _LETTERS) and _consists(parts[2], _DIGITS)


def endpoint_of(url: str) -> tuple[str, str, int] | None:
    """The scheme, host and port of a URL that every parser splits alike and that may be spoken to, without a path."""
    scheme, separator, rest = url.partition("://")
    address, _, path = rest.partition("/")
    host, colon, port = address.partition(":")
    octets = host.split(".")
    loopback = len(octets) == 4 and octets[0] == "127" and all(_is_number(octet, 0, 255) for octet in octets)
    if path or not separator or not (loopback or _is_host_name(host)) or (colon and not _is_number(port, 1, 65535)):
        return None
    if scheme != "https" and not (scheme == "http" and loopback):
        return None
    return scheme, host, int(port) if colon else 443 if scheme == "https" else 80


def _is_host_name(host: str) -> bool:
    labels = host.split(".")
    plain = all(_consists(label, _LETTERS + _DIGITS + "-") and label.strip("-") == label for label in labels)
    return plain and len(host) <= 253 and len(labels) > 1 and _consists(labels[-1], _LETTERS)


def _is_number(text: str, least: int, most: int) -> bool:
    return _consists(text, _DIGITS) and len(text) <= 5 and text == str(int(text)) and least <= int(text) <= most


def _consists(text: str, characters: str) -> bool:
    return bool(text) and not text.strip(characters)


def _is_plain_path(text: str) -> bool:
    return text.startswith("/") and len(text) <= 4096 and (_NAME | {"/", " "}).issuperset(text)


def _is_issuer(text: str) -> bool:
    """Whether a text is an issuer's domain or URL, whose Logins key is what stands behind its scheme."""
    url = text if "://" in text else f"https://{text}"
    scheme, _, rest = url.partition("://")
    address, _, path = rest.partition("/")
    if endpoint_of(f"{scheme}://{address}") is None:
        return False
    if len(rest) > 128 or address.partition(":")[0] in _NO_ID_TOKENS or address.startswith("cognito-"):
        return False
    return all(part and _NAME.issuperset(part) for part in path.removesuffix("/").split("/")) if path else True


def _is_pool(text: str) -> bool:
    region, _, guid = text.partition(":")
    return len(text) <= 55 and _consists(region, _LETTERS + _DIGITS + "-") and _consists(guid, _DIGITS + "abcdef-")


def _is_role(text: str) -> bool:
    account, separator, role = text.removeprefix("arn:aws:iam::").partition(":role/")
    named = bool(separator and role) and len(text) <= 2048 and (_NAME | {"/", ",", "="}).issuperset(role)
    return text.startswith("arn:aws:iam::") and named and _is_account(account)


def _is_account(text: str) -> bool:
    return len(text) == 12 and _consists(text, _DIGITS)


def _is_login_key(text: str) -> bool:
    return len(text) <= 128 and _GRAPHIC.issuperset(text) and "://" not in text and text[0] not in "\"'"


def _any(text: str) -> bool:
    """Whether a text is one at all; it says nothing of how our calls are made."""
    return bool(text)


def _are_registries(text: str) -> bool:
    """Whether a text is a list of registries; those of ECR on ``amazonaws.com`` need no pattern to be known."""
    return all(map(_is_registry, text.split(" ")))


def _is_registry(host: str) -> bool:
    account, _, rest = host.partition(".dkr.ecr.")
    words = rest.removesuffix(".amazonaws.com").split("-")
    named = 3 <= len(words) <= 5 and all(_consists(word, _LETTERS) and 2 <= len(word) <= 16 for word in words[:-1])
    named = named and len(words[0]) <= 6
    return _is_account(account) and rest.endswith(".amazonaws.com") and named and _is_number(words[-1], 1, 99)


def _is_name(text: str) -> bool:
    return bool(text) and _NAME.issuperset(text)


#: The keys of a plain profile and of its session, and what makes a value of each a plain one.
_KEYS: Mapping[str, Callable[[str], bool]] = {
    "ca_bundle": _is_plain_path,
    "cli_auto_prompt": _any,
    "cli_pager": lambda text: True,
    "cognito_account_id": _is_account,
    "cognito_cache": lambda text: text == "file",
    "cognito_client_id": lambda text: _is_name(text) and len(text) <= 255,
    "cognito_endpoint_url": lambda text: endpoint_of(text) is not None,
    "cognito_fail_closed": lambda text: text in ("true", "false"),
    "cognito_identity_pool_id": _is_pool,
    "cognito_issuer": lambda text: "://" in text and _is_issuer(text),
    "cognito_login_key": lambda text: bool(text) and _is_login_key(text),
    "cognito_provider": lambda text: "." in text and _is_issuer(text),
    "cognito_refresh_window": lambda text: _consists(text, _DIGITS) and len(text) <= 5 and int(text) <= 43200,
    "cognito_registries": _are_registries,
    "cognito_role_arn": _is_role,
    "cognito_session": _is_name,
    "cognito_token_file": _is_plain_path,
    "credential_process": _any,
    "output": _any,
    "region": _is_name,
}
