"""Opens the engines that a configuration names: by URL, with encryption keys from a variable, a file or a command."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .._util.files import is_own, read_regular_file
from .._util.processes import environment_without_chain, run_for_output
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..config.settings import Settings
    from .shared import SharedStore

#: Seconds for a connection to the engine, and for its answer: a helper has 50 in all.
_CONNECT, _ANSWER = 2.0, 5.0
_KEY_COMMAND = 10.0
_MOST_BYTES = 1 << 16


def open_engine(engine: str, key: str, settings: Settings, environ: Mapping[str, str]) -> SharedStore:
    """Open an engine; no connection is made yet.

    Args:
        engine: ``redis``, ``postgres`` or ``dynamodb``.
        key: the setting that has its URL: ``cache_url`` or ``cache_sessions_url``.
        settings: the configuration.
        environ: the process environment.

    Raises:
        ConfigurationError: the URL or the keys are wrong, or a package is missing.
    """
    url = str(getattr(settings, key))
    name, keys = encryption_keys(settings, environ)
    try:
        store = _OPENERS[engine](url, keys, settings)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"cognito_cache = {engine} needs a package that is not installed",
            remedy=f'Run: pip install "botocore-cognito-federation[{engine}]"',
        ) from None
    except ValueError:  # whose text may hold a password of the URL
        raise ConfigurationError(f"cognito_{key} is not a URL for {engine}", remedy=_FORMS[engine]) from None
    store.keys_named = name
    return store


def encryption_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the name of the setting that has the keys, and the keys.

    Raises:
        ConfigurationError: they cannot be read, or others can read them.
    """
    if settings.cache_key_env:
        name = f"cognito_cache_key_env ({settings.cache_key_env})"
        text = environ.get(settings.cache_key_env, "")
    elif settings.cache_key_file:
        name = f"cognito_cache_key_file ({settings.cache_key_file})"
        text = _private_text(os.path.expanduser(os.path.expandvars(settings.cache_key_file)), name)
    else:
        name, command = "cognito_cache_key_command", settings.cache_key_command or ""
        printed = run_for_output(
            command, name=name, environ=environment_without_chain(environ), time_limit=_KEY_COMMAND
        )
        text = printed.decode("ascii", "replace")
    keys = [word for word in text.replace(",", " ").split() if word]
    if not keys:
        raise ConfigurationError(f"{name} holds no key", remedy="Put 32 random bytes in base64 there")
    return name, keys


def _private_text(path: str, name: str) -> str:
    try:
        status = os.stat(path)
        content = read_regular_file(path, _MOST_BYTES)
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
    if os.name != "nt" and (
        status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or not (is_own(status) or not status.st_uid)
    ):
        raise ConfigurationError(
            f"{name} can be read or written by others than this user", remedy=f"Run: chmod 600 {path}"
        )
    return content.decode("ascii", "replace")


def _redis(url: str, keys: list[str], settings: Settings) -> SharedStore:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from .redis import RedisCache

    client = redis.Redis.from_url(
        url, socket_connect_timeout=_CONNECT, socket_timeout=_ANSWER, retry=Retry(NoBackoff(), 1)
    )
    return RedisCache(client, encryption_keys=keys)


def _postgres(url: str, keys: list[str], settings: Settings) -> SharedStore:
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo
    from psycopg_pool import ConnectionPool

    from .postgres import PostgresCache

    statements = f"-c statement_timeout={round(_ANSWER * 1000)}"
    try:
        address = make_conninfo(url, connect_timeout=round(_CONNECT), options=statements)
    except ProgrammingError:
        raise ValueError from None
    pool = ConnectionPool(address, min_size=0, max_size=4, timeout=_CONNECT, open=True)
    return PostgresCache(pool, encryption_keys=keys)


def _dynamodb(url: str, keys: list[str], settings: Settings) -> SharedStore:
    from botocore.config import Config

    from .dynamodb import DynamoDBCache

    parts = urlsplit(url)
    profile = parse_qs(parts.query).get("profile", [""])[0]
    if not parts.hostname or not parts.path.strip("/"):
        raise ValueError
    if profile and profile == (settings.profile or "default"):
        raise ConfigurationError(
            f"The shared cache of profile {profile!r} has the credentials of that profile itself",
            remedy="Name a profile with credentials of its own",
        )
    limits = Config(connect_timeout=_CONNECT, read_timeout=_ANSWER, retries={"total_max_attempts": 2})
    client = _session_with_credentials(profile).create_client("dynamodb", region_name=parts.hostname, config=limits)
    return DynamoDBCache(client, encryption_keys=keys, table=parts.path.strip("/"))


#: Sources of credentials that belong to the machine or its variables, and not to a profile.
_OF_THE_MACHINE = frozenset({"env", "container-role", "iam-role", "assume-role-with-web-identity"})


def _session_with_credentials(profile: str) -> Any:
    """A session of a profile; without one, of the machine: this very profile's credentials come from the cache."""
    from botocore.credentials import CredentialResolver, create_credential_resolver
    from botocore.session import Session

    if profile:
        return Session(profile=profile)
    session = Session(session_vars={"profile": (None, None, None, None)})
    providers = [each for each in create_credential_resolver(session).providers if each.METHOD in _OF_THE_MACHINE]
    session.register_component("credential_provider", CredentialResolver(providers))
    return session


_FORMS = {
    "redis": "Write redis://USER@HOST:PORT/DATABASE, or rediss:// for TLS",
    "postgres": "Write postgresql://USER@HOST:PORT/DATABASE",
    "dynamodb": "Write dynamodb://REGION/TABLE, with ?profile=NAME where credentials are in a profile",
}
_OPENERS = {"redis": _redis, "postgres": _postgres, "dynamodb": _dynamodb}
