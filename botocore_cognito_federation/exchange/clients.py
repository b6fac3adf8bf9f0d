"""botocore clients for our own calls: unsigned, nested, patient, and never resolving credentials.

A client made without ``UNSIGNED`` resolves credentials, which would start the very provider that is asking
(boto/botocore#1472).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from ..config.settings import Settings

#: Three attempts of at most 5 + 10 s stay under the 50 s that a credential helper has.
_CONNECT_TIMEOUT = 5
_READ_TIMEOUT = 10
_ATTEMPTS = 3
#: Connections that a client keeps; they are opened as they are needed, and a server's threads share a client.
_CONNECTIONS = 50
#: Ways to call Cognito that one process keeps at once: pools' regions, endpoints, and variables that change.
_MOST_SHARED = 8
#: The settings that a client depends on.
_OF_CLIENTS = ("identity_pool_id", "region_name", "endpoint_url")
#: Variables that botocore reads beside AWS_* and *_PROXY; and those that our unsigned calls do not depend on.
_OTHERS = ("HOME", "USERPROFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Clients:
    """Makes and keeps the clients of one configuration.

    Args:
        settings: the configuration.
        session: gives the botocore session whose endpoints, proxies and certificates apply. It is called on first
            use only.
    """

    def __init__(self, settings: Settings, session: Callable[[], Session]) -> None:
        self._settings = settings
        self._session = session
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._kept: dict[str, Any] = {}

    def cognito_identity(self) -> Any:
        """The client for GetId, GetCredentialsForIdentity and GetOpenIdToken, in the region of the pool."""
        return self._made_once(
            "cognito-identity", region_name=self._settings.pool_region, endpoint_url=self._settings.endpoint_url
        )

    def unsigned_sts(self) -> Any:
        """The client for AssumeRoleWithWebIdentity."""
        return self._made_once("sts", region_name=self._sts_region)

    def sts(self, *, access_key: str, secret_key: str, token: str) -> Any:
        """A client that signs with the given credentials, for AssumeRole."""
        return _make(
            self._session(),
            "sts",
            region_name=self._sts_region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
        )

    def signing_cognito_identity(self, credentials: ReadOnlyCredentials) -> Any:
        """A client that signs with the given credentials, for GetOpenIdTokenForDeveloperIdentity."""
        return _make(
            self._session(),
            "cognito-identity",
            region_name=self._settings.pool_region,
            endpoint_url=self._settings.endpoint_url,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
        )

    def _made_once(self, service: str, **arguments: Any) -> Any:
        if os.getpid() != self._process:
            # A forked child must not share its parent's connections, nor a lock that was held at the fork.
            self._lock, self._process, self._kept = threading.Lock(), os.getpid(), {}
        with self._lock:
            if service not in self._kept:
                self._kept[service] = _make(self._session(), service, **arguments)
            return self._kept[service]

    @property
    def _sts_region(self) -> str:
        return self._settings.region_name or self._settings.pool_region


def shared_clients(settings: Settings, environ: Mapping[str, str]) -> Clients:
    """The clients that all federations of this process with the same endpoints have in common.

    An application makes a federation for each of its users, and one client costs what a hundred calls do: 190 ms and
    8 MB, measured with botocore 1.44. What the variables say of endpoints, proxies and certificates is part of the key.
    """
    variables = tuple(sorted(each for each in environ.items() if _shapes_calls(each[0])))
    return _shared(type(settings)(**{name: getattr(settings, name) for name in _OF_CLIENTS}), variables)


@lru_cache(maxsize=_MOST_SHARED)
def _shared(settings: Settings, variables: tuple[tuple[str, str], ...]) -> Clients:
    from botocore.session import Session

    from .shared_models import share_models

    return Clients(settings, lambda: share_models(Session()))


def _shapes_calls(variable: str) -> bool:
    if variable in _KEYS:
        return False
    return variable.startswith("AWS_") or variable.lower().endswith("_proxy") or variable in _OTHERS


def _make(session: Session, service: str, **arguments: Any) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    signed = "aws_access_key_id" in arguments
    config = Config(
        signature_version=None if signed else UNSIGNED,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        max_pool_connections=_CONNECTIONS,
        # Cognito throttles with HTTP 400, which botocore's legacy mode never retries.
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra=f"lib/botocore-cognito-federation#{__version__}",
    )
    try:
        return _nested_client(session, service, config=config, **arguments)
    except BotoCoreError as error:
        # Of the profile's other keys, such as an sso_session that is not there; its text quotes only names.
        raise ConfigurationError(f"botocore can make no client for {service}: {error}") from None
    except ValueError:
        raise ConfigurationError(
            f"botocore can make no client for {service}: the endpoint configured for it is not a URL",
            remedy="Correct AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> or endpoint_url",
        ) from None


def _nested_client(session: Session, service: str, **arguments: Any) -> Any:
    try:
        from botocore.utils import create_nested_client  # type: ignore[attr-defined,unused-ignore]  # botocore 1.39.8
    except ImportError:
        return session.create_client(service, **arguments)
    return create_nested_client(session, service, **arguments)
