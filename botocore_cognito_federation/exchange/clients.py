"""botocore clients for our own calls: unsigned, nested, patient, and never resolving credentials.

A client made without ``UNSIGNED`` resolves credentials, which would start the very provider that is asking
(boto/botocore#1472).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from ..settings import Settings

#: Three attempts of at most 5 + 10 s stay under the 50 s that a credential helper has.
_CONNECT_TIMEOUT = 5
_READ_TIMEOUT = 10
_ATTEMPTS = 3


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


def _make(session: Session, service: str, **arguments: Any) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    signed = "aws_access_key_id" in arguments
    config = Config(
        signature_version=None if signed else UNSIGNED,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
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
