"""One call to Cognito or STS: no secret logged, every failure diagnosed, what may pass by itself tried again.

botocore's standard retry mode comes first; this layer is for what it does not retry: refusals that Cognito sends with
HTTP 400 although they pass (a key not yet seen, a provider that does not answer), and 200 answers without their keys.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from .._util.log import quiet_botocore
from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, Retry, TemporaryError
from ..messages import shown_url
from .diagnosis import CallFacts, Diagnosis, diagnose

logger = logging.getLogger(__name__)

#: Further attempts by class.
_FURTHER_ATTEMPTS = {Retry.TRANSIENT: 2, Retry.BRIEF: 2}
_FIRST_PAUSE = 0.2
#: What botocore's parsers raise at a body that is no JSON object, such as a proxy's page or ``null``.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)


@dataclass(frozen=True)
class Patience:
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
    facts: CallFacts,
    patience: Patience,
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

    def __init__(self, diagnosis: Diagnosis, *, retried: bool = False) -> None:
        super().__init__(diagnosis.cause)
        self.diagnosis = diagnosis
        self.retried = retried


def _once(
    operation: Callable[..., Mapping[str, Any]], arguments: Mapping[str, Any], needs: tuple[str, ...], facts: CallFacts
) -> Answer:
    from botocore import exceptions

    try:
        with quiet_botocore():
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
            Diagnosis("What answered is not AWS", "Check HTTPS_PROXY and the endpoint settings", Retry.TRANSIENT)
        ) from None
    missing = [name for name in needs if not _has(body, name)]
    if missing:
        # botocore parses a truncated 200 to an empty answer without an error.
        raise _Refused(
            Diagnosis(
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


def _diagnosis_of(error: Any, facts: CallFacts) -> Diagnosis:
    answer = error.response
    details = answer.get("Error", {})
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    # Policies of an organization answer with a capital M, which botocore leaves where it stands.
    message = str(details.get("Message") or answer.get("message") or answer.get("Message") or "")
    return diagnose(str(details.get("Code", "")), message, status, replace(facts, server_time=_date_of(answer)))


def _date_of(answer: Mapping[str, Any]) -> float | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None


def _public(diagnosis: Diagnosis) -> CognitoFederationError:
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
