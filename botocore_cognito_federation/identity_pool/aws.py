"""botocore clients for our own calls: unsigned, nested, patient, and never resolving credentials.

A client made without ``UNSIGNED`` resolves credentials, which would start the very provider that is asking
(boto/botocore#1472).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import JSONFileLoader, Loader

from .._util.log import suppress_wire_logs
from .._version import __version__
from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, Retry, TemporaryError
from ..messages import LONGEST_ANSWER_TEXT, LONGEST_CODE, printable, shown_url
from .errors import CallContext, Explanation, explain

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


logger = logging.getLogger(__name__)

#: Further attempts by class.
_FURTHER_ATTEMPTS = {Retry.TRANSIENT: 2, Retry.BRIEF: 2}
_FIRST_PAUSE = 0.2
#: What botocore's parsers raise at a body that is no JSON object, such as a proxy's page or ``null``.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(frozen=True)
class Clock:
    """The clock and the dice, handed in so that tests hold them.

    Attributes:
        sleep: waits so many seconds.
        dice: a number from 0 to 1.
        now: seconds since the epoch.
    """

    sleep: Callable[[float], None]
    dice: Callable[[], float]
    now: Callable[[], float]


@dataclass(frozen=True)
class Answer:
    """A complete answer.

    Attributes:
        body: the parsed answer.
        server_time: its ``Date``, seconds since the epoch, if it had one.
    """

    body: Mapping[str, Any]
    server_time: float | None


def call(
    operation: Callable[..., Mapping[str, Any]],
    *,
    arguments: Mapping[str, Any],
    needs: tuple[str, ...],
    facts: CallContext,
    patience: Clock,
) -> Answer:
    """Call one operation.

    Args:
        operation: a method of a botocore client.
        arguments: its arguments.
        needs: dotted names of what a complete answer holds.
        facts: the circumstances, for the diagnosis.
        patience: clock and dice.

    Raises:
        FederationRefusedError: a definitive refusal; its `retry` says what else may help.
        TemporaryError: network, throttling, 5xx, or an answer that is not Cognito's.
        ConfigurationError: the call cannot be made at all.
    """
    attempt = 0
    while True:
        try:
            return _once(operation, arguments, needs, replace(facts, now=patience.now()))
        except _Refused as refused:
            diagnosis, retried = refused.diagnosis, refused.retried
        if retried or attempt >= _FURTHER_ATTEMPTS.get(diagnosis.retry, 0):
            raise _public(diagnosis)
        attempt += 1
        logger.debug("%s; trying again", diagnosis.cause)
        patience.sleep(_FIRST_PAUSE * 2**attempt * (0.5 + patience.dice()))


class _Refused(Exception):
    """One refused call.

    Attributes:
        diagnosis: what it means.
        retried: whether botocore has tried it several times already.
    """

    def __init__(self, diagnosis: Explanation, *, retried: bool = False) -> None:
        super().__init__(diagnosis.cause)
        self.diagnosis = diagnosis
        self.retried = retried


def _once(
    operation: Callable[..., Mapping[str, Any]],
    arguments: Mapping[str, Any],
    needs: tuple[str, ...],
    facts: CallContext,
) -> Answer:
    from botocore import exceptions

    try:
        with suppress_wire_logs():
            body = operation(**arguments)
    except exceptions.ClientError as error:
        retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        raise _Refused(_diagnosis_of(error, facts), retried=bool(retries)) from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise _unreachable(error) from None
    except exceptions.ParamValidationError:
        # botocore's text would quote the arguments, the login token among them.
        raise ConfigurationError("A value of the configuration does not fit the service's parameters") from None
    except exceptions.BotoCoreError as error:
        if isinstance(error, CognitoFederationError):
            raise
        raise _other(error) from None
    except UNREADABLE:
        raise _Refused(
            Explanation("What answered is not AWS", "Check HTTPS_PROXY and the endpoint settings", Retry.TRANSIENT)
        ) from None
    missing = [name for name in needs if not _has(body, name)]
    if missing:
        # botocore parses a truncated 200 to an empty answer without an error.
        raise _Refused(
            Explanation(
                f"AWS answered 200 without {' and '.join(missing)}",
                "Try again; if it stays, something between here and AWS cuts answers short",
                Retry.TRANSIENT,
            )
        )
    return Answer(body, _date_of(body))


def _has(body: Mapping[str, Any], dotted: str) -> bool:
    value: Any = body
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return bool(value)


def _diagnosis_of(error: Any, facts: CallContext) -> Explanation:
    answer = error.response
    details = answer.get("Error", {})
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    # Policies of an organization answer with a capital M, which botocore leaves where it stands.
    message = details.get("Message") or answer.get("message") or answer.get("Message")
    return explain(
        printable(details.get("Code"), LONGEST_CODE),
        printable(message, LONGEST_ANSWER_TEXT),
        status,
        replace(facts, server_time=_date_of(answer)),
    )


def _date_of(answer: Mapping[str, Any]) -> float | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None


def _public(diagnosis: Explanation) -> CognitoFederationError:
    if diagnosis.retry in (Retry.TRANSIENT, Retry.SLOW):
        return TemporaryError(diagnosis.cause, remedy=diagnosis.remedy)
    error = FederationRefusedError(diagnosis.cause, remedy=diagnosis.remedy)
    error.retry = diagnosis.retry
    return error


def _unreachable(error: Any) -> TemporaryError:
    from botocore import exceptions

    where = shown_url(str(error.kwargs.get("endpoint_url") or "AWS"))
    if isinstance(error, exceptions.SSLError):
        return TemporaryError(
            f"The certificate of {where} could not be verified",
            remedy="Set ca_bundle in the profile (or AWS_CA_BUNDLE) to your proxy's certificate",
        )
    if isinstance(error, exceptions.ProxyConnectionError):
        return TemporaryError("The proxy cannot be reached", remedy="Check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
        return TemporaryError(f"{where} did not answer in time", remedy="Check the network and try again")
    return TemporaryError(
        f"{where} cannot be reached", remedy="Check the network, HTTPS_PROXY and the endpoint settings"
    )


def _other(error: Any) -> CognitoFederationError:
    from botocore import exceptions

    if isinstance(error, exceptions.NoRegionError | exceptions.UnknownRegionError | exceptions.InvalidRegionError):
        return ConfigurationError("The region of the identity pool is not one botocore can call")
    name = type(error).__name__
    if name == "ResponseParserError":
        return TemporaryError("What answered is not AWS", remedy="Check HTTPS_PROXY and the endpoint settings")
    return ConfigurationError(f"botocore cannot make the call ({name})", remedy="Run: cognito-federation explain")


_ITS_OWN = Loader.BUILTIN_DATA_PATH


def share_models(session: Session) -> Session:
    """Let a session take the models that botocore ships from those that were read already; others it reads itself."""
    session.get_component("data_loader").file_loader = _Shared()
    return session


class _Shared(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        return _read(file_path) if file_path.startswith(_ITS_OWN) else super().load_file(file_path)


@lru_cache(maxsize=256)
def _read(file_path: str) -> Any:
    return JSONFileLoader().load_file(file_path)
