"""botocore clients for our own calls, to identity pools, user pools and STS: one factory, one set of limits.

They are unsigned and nested, and never resolve credentials.

A client made without ``UNSIGNED`` resolves credentials, which would start the very provider that is asking
(boto/botocore#1472).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import JSONFileLoader, Loader

from .. import __version__
from .._util.urls import UnsafeURLError, is_loopback, parse_url
from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, Retry, TemporaryError
from ..messages import LONGEST_ANSWER_TEXT, LONGEST_CODE, masked, printable, shown_url
from .aws_http import ATTEMPTS, CONNECT_TIMEOUT, READ_TIMEOUT, call_limit, limit_answers, suppress_wire_logs
from .errors import CallContext, Explanation, explain

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

    from ..config.settings import Settings

#: Connections that a client keeps; they are opened as they are needed, and a server's threads share a client.
_CONNECTIONS = 50
#: Ways to call Cognito that one process keeps at once: pools' regions, endpoints, and variables that change.
_MOST_SHARED = 8
#: The settings that a client depends on.
_OF_CLIENTS = ("identity_pool_id", "region_name", "endpoint_url")
#: Variables that botocore reads beside AWS_* and *_PROXY; and those that our unsigned calls do not depend on.
_OTHERS = ("HOME", "USERPROFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(eq=False, repr=False)
class Clients:
    """Makes and keeps the clients of one configuration.

    Args:
        settings: the configuration.
        session: gives the botocore session whose endpoints, proxies and certificates apply. It is called on first
            use only.
    """

    settings: Settings
    session: Callable[[], Session]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _process: int = field(default_factory=os.getpid, init=False)
    _made: dict[str, Any] = field(default_factory=dict, init=False)

    def cognito_identity(self) -> Any:
        """The client for GetId, GetCredentialsForIdentity and GetOpenIdToken, in the region of the pool."""
        return self._made_once(
            "cognito-identity", region_name=self.settings.pool_region, endpoint_url=self.settings.endpoint_url
        )

    def unsigned_sts(self) -> Any:
        """The client for AssumeRoleWithWebIdentity."""
        return self._made_once("sts", region_name=self._sts_region)

    def sts(self, *, access_key: str, secret_key: str, token: str) -> Any:
        """A client that signs with the given credentials, for AssumeRole."""
        return make_client(
            self.session(),
            "sts",
            region_name=self._sts_region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
        )

    def signing_cognito_identity(self, credentials: ReadOnlyCredentials) -> Any:
        """A client that signs with the given credentials, for GetOpenIdTokenForDeveloperIdentity."""
        return make_client(
            self.session(),
            "cognito-identity",
            region_name=self.settings.pool_region,
            endpoint_url=self.settings.endpoint_url,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
        )

    def _made_once(self, service: str, **arguments: Any) -> Any:
        if os.getpid() != self._process:
            # A forked child must not share its parent's connections, nor a lock that was held at the fork.
            self._lock, self._process, self._made = threading.Lock(), os.getpid(), {}
        with self._lock:
            if service not in self._made:
                self._made[service] = make_client(self.session(), service, **arguments)
            return self._made[service]

    @property
    def _sts_region(self) -> str:
        return self.settings.region_name or self.settings.pool_region


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


def make_client(session: Session, service: str, **arguments: Any) -> Any:
    """Make a botocore client whose calls have our limits, and whose endpoint may be spoken to.

    Args:
        session: a botocore session, whose endpoint, proxy and certificate settings apply.
        service: such as ``cognito-idp``.
        arguments: of ``create_client``; without ``aws_access_key_id`` the client is unsigned.

    Raises:
        ConfigurationError: the session's configuration does not give a client, or its endpoint may not be spoken to;
            the message names where the endpoint was set.
    """
    from botocore.config import Config
    from botocore.utils import get_environ_proxies

    config = _limits(signed="aws_access_key_id" in arguments)
    client = _created(session, service, config=config, **arguments)
    url = client.meta.endpoint_url
    try:
        host = parse_url(url).hostname or ""
    except UnsafeURLError as flaw:
        raise _unsafe_endpoint(session, service, flaw) from None
    if is_loopback(host) and (client.meta.config.proxies or get_environ_proxies(url)):
        # A proxy has another loopback than this machine, whatever NO_PROXY says.
        client = _created(session, service, config=config.merge(Config(proxies={})), **arguments)
    return limit_answers(client)


def _limits(*, signed: bool) -> Config:
    from botocore import UNSIGNED
    from botocore.config import Config

    return Config(
        signature_version=None if signed else UNSIGNED,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_pool_connections=_CONNECTIONS,
        # Cognito throttles with HTTP 400, which botocore's legacy mode never retries.
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra=f"lib/botocore-cognito-federation#{__version__}",
    )


def _unsafe_endpoint(session: Session, service: str, flaw: UnsafeURLError) -> ConfigurationError:
    from .._util.urls import configured_endpoint, unsafe_endpoint

    found = configured_endpoint(session.full_config, session.get_scoped_config(), os.environ, service=service)
    return unsafe_endpoint(service, found.origin if found else f"The endpoint of {service}", flaw)


def _created(session: Session, service: str, **arguments: Any) -> Any:
    from botocore.exceptions import BotoCoreError

    try:
        return _nested_client(session, service, **arguments)
    except BotoCoreError as error:
        # Of the profile's other keys, such as an sso_session that is not there; its text quotes only names.
        raise ConfigurationError(f"botocore cannot make a client for {service}: {error}") from None
    except ValueError:
        raise ConfigurationError(
            f"botocore cannot make a client for {service}: the endpoint configured for it is not a URL",
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
#: What botocore's parsers raise at a body that is not the service's: a proxy's page, ``null``, a time of 1e999.
_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, OSError)
#: Shorter strings of a request are words of the configuration, and masking them would spoil messages.
_SHORTEST_SECRET = 16


@dataclass(frozen=True)
class Clock:
    """The clock and the random, handed in so that tests hold them.

    Attributes:
        sleep: waits so many seconds.
        random: a number from 0 to 1.
        now: seconds since the epoch.
    """

    sleep: Callable[[float], None]
    random: Callable[[], float]
    now: Callable[[], float]


@dataclass(frozen=True)
class Answer:
    """A complete answer; each member has the type that the service's model gives it.

    Attributes:
        body: the parsed answer.
        server_time: its ``Date``, seconds since the epoch, if it had one.
    """

    body: Mapping[str, Any]
    server_time: float | None


@dataclass(frozen=True)
class ErrorAnswer:
    """An error that a service answered, its texts cleaned and cut.

    Attributes:
        code: such as ``NotAuthorizedException``; empty where it had none.
        message: the service's words, without the secrets that were sent.
        status: the HTTP status.
        server_time: as in `Answer`.
        retried: whether botocore has tried it several times already.
    """

    code: str
    message: str
    status: int
    server_time: float | None = None
    retried: bool = False


class NotTheServiceError(TemporaryError):
    """What answered is not the service: a proxy's page, or an answer whose members are not those of the model."""


def ask(
    operation: Callable[..., Any], arguments: Mapping[str, Any], *, whom: str = "AWS", secrets: Iterable[str] = ()
) -> Answer | ErrorAnswer:
    """Make one call, with botocore's own attempts.

    Args:
        operation: a method of a botocore client.
        arguments: its arguments.
        whom: the service in words, for messages.
        secrets: what of the arguments no message may show.

    Raises:
        TemporaryError: no connection, no answer in time, or `NotTheServiceError`.
        ConfigurationError: the call cannot be made at all.
    """
    with call_limit():
        outcome = _outcome(operation, arguments, whom, secrets)
    if isinstance(outcome, CognitoFederationError):
        # Raised here and not in an except clause: an error of botocore as its context would hold the request.
        raise outcome
    return outcome


def call(
    operation: Callable[..., Any],
    *,
    arguments: Mapping[str, Any],
    needs: tuple[str, ...],
    facts: CallContext,
    clock: Clock,
) -> Answer:
    """Call one operation of an identity pool or of STS.

    Args:
        operation: a method of a botocore client.
        arguments: its arguments.
        needs: dotted names of what a complete answer holds.
        facts: the circumstances, for the diagnosis.
        clock: the clock.

    Raises:
        FederationRefusedError: a definitive refusal; its `retry` says what else may help.
        TemporaryError: network, throttling, 5xx, or an answer that is not Cognito's.
        ConfigurationError: the call cannot be made at all.
    """
    secrets = _secrets_of(arguments)
    with call_limit():
        for further in range(max(_FURTHER_ATTEMPTS.values()) + 1):
            outcome = _outcome(operation, arguments, "AWS", secrets)
            diagnosis = _diagnosis_of(outcome, needs, replace(facts, now=clock.now()))
            if isinstance(outcome, Answer) and diagnosis is None:
                return outcome
            if diagnosis is None:
                break
            retried = isinstance(outcome, ErrorAnswer) and outcome.retried
            if retried or further >= _FURTHER_ATTEMPTS.get(diagnosis.retry, 0):
                raise _public(diagnosis)
            logger.debug("%s; trying again", diagnosis.cause)
            clock.sleep(_FIRST_PAUSE * 2 ** (further + 1) * (0.5 + clock.random()))
    assert isinstance(outcome, CognitoFederationError), "everything else has a diagnosis"
    raise outcome


def _secrets_of(arguments: Mapping[str, Any]) -> list[str]:
    """The login tokens in the arguments of an identity pool or of STS."""
    values = [*arguments.get("Logins", {}).values(), arguments.get("WebIdentityToken")]
    return [value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_SECRET]


def _outcome(
    operation: Callable[..., Any], arguments: Mapping[str, Any], whom: str, secrets: Iterable[str]
) -> Answer | ErrorAnswer | CognitoFederationError:
    from botocore import exceptions

    try:
        with suppress_wire_logs():
            body = operation(**arguments)
    except exceptions.ClientError as error:
        return _error_answer(error.response, secrets)
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        return _unreachable(error, whom)
    except exceptions.ParamValidationError:
        # botocore's text would quote the arguments, the login token among them.
        return ConfigurationError("A value of the configuration does not fit the service's parameters")
    except CognitoFederationError as error:
        return error.with_traceback(None)
    except exceptions.BotoCoreError as error:
        return _other(error, whom)
    except _UNREADABLE:
        return _not_the_service(whom)
    if not _is_of_the_service(body, operation):
        return _not_the_service(whom)
    return Answer(body, _date_of(body))


def _is_of_the_service(body: object, operation: Callable[..., Any]) -> bool:
    """Whether an answer with HTTP 200 may be read.

    botocore reads HTML as an answer without members, which would look like success where an operation answers nothing;
    and it hands on members of any type that JSON has.
    """
    if not isinstance(body, Mapping):
        return False
    headers = body.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    shape = _output_shape(operation)
    return "html" not in str(headers.get("content-type", "")).lower() and (shape is None or _fits(body, shape))


def _output_shape(operation: Callable[..., Any]) -> Any:
    """What the service's model says of an operation's answer; None for a client that is not botocore's."""
    meta = getattr(getattr(operation, "__self__", None), "meta", None)
    name = getattr(meta, "method_to_api_mapping", {}).get(getattr(operation, "__name__", ""))
    return meta.service_model.operation_model(name).output_shape if meta is not None and name else None


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime,),
    "blob": (bytes,),
}


def _fits(value: object, shape: Any) -> bool:
    """Whether a parsed value has the type its shape says; members that are not there fit."""
    kind = shape.type_name
    if kind == "structure":
        return isinstance(value, Mapping) and all(
            _fits(value[name], member) for name, member in shape.members.items() if value.get(name) is not None
        )
    if kind == "list":
        return isinstance(value, list) and all(_fits(entry, shape.member) for entry in value)
    if kind == "map":
        return isinstance(value, Mapping) and all(_fits(entry, shape.value) for entry in value.values())
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    return isinstance(value, _PYTHON_TYPES.get(kind, (object,)))


def _diagnosis_of(
    outcome: Answer | ErrorAnswer | CognitoFederationError, needs: tuple[str, ...], facts: CallContext
) -> Explanation | None:
    """What is wrong with an outcome; None for a complete answer and for an error that says it itself."""
    if isinstance(outcome, ErrorAnswer):
        facts = replace(facts, server_time=outcome.server_time)
        return explain(outcome.code, outcome.message, outcome.status, facts)
    if isinstance(outcome, NotTheServiceError):
        return Explanation(outcome.what, outcome.remedy, Retry.TRANSIENT)
    if isinstance(outcome, CognitoFederationError):
        return None
    missing = [name for name in needs if not _has(outcome.body, name)]
    if not missing:
        return None
    # botocore parses a truncated 200 to an empty answer without an error.
    return Explanation(
        f"AWS answered 200 without {' and '.join(missing)}",
        "Try again; if it persists, something between here and AWS cuts answers short",
        Retry.TRANSIENT,
    )


def _has(body: Mapping[str, Any], dotted: str) -> bool:
    value: Any = body
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    # Keys, tokens and identity IDs are printable ASCII; anything else would be printed, exported and sent on.
    return value.isascii() and value.isprintable() and bool(value) if isinstance(value, str) else bool(value)


def _error_answer(answer: Mapping[str, Any], secrets: Iterable[str]) -> ErrorAnswer:
    details = answer.get("Error", {})
    metadata = answer.get("ResponseMetadata", {})
    # Policies of an organization answer with a capital M, which botocore leaves where it stands.
    message = details.get("Message") or answer.get("message") or answer.get("Message")
    return ErrorAnswer(
        code=printable(masked(details.get("Code"), secrets), LONGEST_CODE),
        message=printable(masked(message, secrets), LONGEST_ANSWER_TEXT),
        status=int(metadata.get("HTTPStatusCode") or 0),
        server_time=_date_of(answer),
        retried=bool(metadata.get("RetryAttempts", 0)),
    )


def _date_of(answer: Mapping[str, Any]) -> float | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _public(diagnosis: Explanation) -> CognitoFederationError:
    if diagnosis.retry in (Retry.TRANSIENT, Retry.SLOW):
        return TemporaryError(diagnosis.cause, remedy=diagnosis.remedy)
    error = FederationRefusedError(diagnosis.cause, remedy=diagnosis.remedy)
    error.retry = diagnosis.retry
    return error


def _unreachable(error: Any, whom: str) -> TemporaryError:
    from botocore import exceptions

    where = shown_url(str(error.kwargs.get("endpoint_url") or whom))
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


def _other(error: Any, whom: str) -> CognitoFederationError:
    from botocore import exceptions

    if isinstance(error, exceptions.NoRegionError | exceptions.UnknownRegionError | exceptions.InvalidRegionError):
        return ConfigurationError(f"The region of {whom} is not one botocore can call")
    name = type(error).__name__
    if name == "ResponseParserError":
        return _not_the_service(whom)
    return ConfigurationError(f"botocore cannot make the call ({name})", remedy="Run: cognito-federation explain")


def _not_the_service(whom: str) -> NotTheServiceError:
    return NotTheServiceError(f"What answered is not {whom}", remedy="Check HTTPS_PROXY and the endpoint settings")


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
