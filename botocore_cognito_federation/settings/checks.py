"""Keys that contradict each other, named together with where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from ..identity_providers import is_developer
from .keys import NAMED_URLS, PREFIX, TOKEN_SOURCES
from .model import Origin

#: Entries of a Logins map, less the own one (GetId).
_MOST_LINKED = 9
_BASIC_ONLY = ("duration_seconds", "role_session_name")
_DEVELOPER_ONLY = ("developer_provider", "developer_user", "developer_profile")
_SOURCE_OPTIONS = {
    "token_audience": ("token_url",),
    "token_headers_env": ("token_url",),
    "token_field": ("token_file", "token_env", "token_url", "token_command"),
}


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
    _token_url(read, origins)
    _developer(read, origins)
    _logins(read, origins)
    for option, sources in _SOURCE_OPTIONS.items():
        if option in read and not any(source in read for source in sources):
            raise ConfigurationError(
                f"{_at(option, origins)} goes only with {' or '.join(PREFIX + source for source in sources)}"
            )


def _at(name: str, origins: Mapping[str, Origin]) -> str:
    return f"{PREFIX}{name} ({origins[name]})"


def _contradiction(names: tuple[str, ...], origins: Mapping[str, Origin], why: str) -> ConfigurationError:
    return ConfigurationError(f"{' and '.join(_at(name, origins) for name in names)} contradict each other: {why}")


def _needs(read: Mapping[str, Any], origins: Mapping[str, Origin], name: str, needed: str) -> None:
    if name in read and needed not in read:
        raise ConfigurationError(f"{_at(name, origins)} needs {PREFIX}{needed} beside it")


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
                f"{_at(name, origins)} goes only with the basic flow; enhanced credentials live one hour",
                remedy="Add cognito_flow = basic and cognito_role_arn, or remove the key",
            )


def _token_url(read: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    url = read.get("token_url")
    if url in ("gcp", "azure") and "token_audience" not in read:
        what = "the resource of the token" if url == "azure" else "the audience of the token"
        raise ConfigurationError(f"{_at('token_url', origins)} is {url}, which needs cognito_token_audience: {what}")
    if url in NAMED_URLS and "token_headers_env" in read:
        raise _contradiction(("token_url", "token_headers_env"), origins, f"{url} knows its own headers")


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
            f"{_at('logins', origins)} names {len(names)} sessions; Cognito takes ten logins, the own one among them"
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
            "The configuration says neither who signs people in nor where a login token comes from",
            remedy="Add cognito_provider (or a token source such as cognito_token_file) to the profile or its session",
        )
