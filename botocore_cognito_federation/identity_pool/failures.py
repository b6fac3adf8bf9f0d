"""Failed calls to AWS as errors of this package, whose text shows no secret that was sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from .._util.urls import not_reached, proxy_failure, proxy_fault, tls_refused
from ..errors import CognitoFederationError, ConfigurationError, FederationRefusedError, Retry, TemporaryError
from ..messages import LONGEST_ANSWER_TEXT, LONGEST_CODE, masked, printable, shown_url
from .errors import CallContext, Explanation, explain


@dataclass(frozen=True)
class ErrorAnswer:
    """An error in a service's answer, its texts cleaned and shortened.

    Attributes:
        code: such as ``NotAuthorizedException``; empty if there was none.
        message: the service's message, without the secrets that were sent.
        status: the HTTP status.
        server_time: see `Answer`.
        retried: whether botocore has already retried it.
        retry_after: its ``Retry-After`` in seconds, if it had one (RFC 9110, section 10.2.3).
    """

    code: str
    message: str
    status: int
    server_time: float | None = None
    retried: bool = False
    retry_after: float | None = None

    @property
    def is_throttling(self) -> bool:
        """Whether the service says that there are too many requests, and not that this one is wrong."""
        return self.status == 429 or self.code.startswith(("TooManyRequests", "Throttling", "Throttled"))


class NotTheServiceError(TemporaryError):
    """The answer is not from the service: a proxy's page, or an answer whose members differ from the model."""


def explanation_of(failure: ErrorAnswer | CognitoFederationError, facts: CallContext) -> Explanation | None:
    """Return the explanation of a failed call; None for an error that explains itself."""
    if isinstance(failure, ErrorAnswer):
        facts = replace(facts, server_time=failure.server_time)
        return explain(failure.code, failure.message, failure.status, facts)
    if isinstance(failure, NotTheServiceError):
        return Explanation(failure.what, failure.remedy, Retry.TRANSIENT)
    return None


def incomplete(missing: list[str]) -> Explanation:
    """Return the explanation of an answer that lacks members: botocore parses a truncated 200 as an empty one."""
    return Explanation(
        f"AWS answered 200 without {' and '.join(missing)}",
        "Try again; if it persists, something between this machine and AWS truncates answers",
        Retry.TRANSIENT,
    )


def error_answer(answer: Mapping[str, Any], secrets: Iterable[str], server_time: float | None) -> ErrorAnswer:
    """Return the error in an answer that botocore has parsed."""
    details = answer.get("Error", {})
    metadata = answer.get("ResponseMetadata", {})
    # Policies of an organization answer with a capital M, which botocore does not convert.
    message = details.get("Message") or answer.get("message") or answer.get("Message")
    return ErrorAnswer(
        code=printable(masked(details.get("Code"), secrets), LONGEST_CODE),
        message=printable(masked(message, secrets), LONGEST_ANSWER_TEXT),
        status=int(metadata.get("HTTPStatusCode") or 0),
        server_time=server_time,
        retried=bool(metadata.get("RetryAttempts", 0)),
        retry_after=_seconds(metadata.get("HTTPHeaders", {}).get("retry-after")),
    )


def _seconds(text: object) -> float | None:
    """The seconds of a ``Retry-After``; None for its other form, a date, which no AWS service sends."""
    return float(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 6 else None


def public_error(diagnosis: Explanation) -> CognitoFederationError:
    """Return the error with the explanation; its class says whether the same call may succeed later."""
    if diagnosis.retry in (Retry.TRANSIENT, Retry.SLOW):
        return TemporaryError(diagnosis.cause, remedy=diagnosis.remedy)
    error = FederationRefusedError(diagnosis.cause, remedy=diagnosis.remedy)
    error.retry = diagnosis.retry
    return error


#: The codes by which services say that a policy does not allow a call.
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorizedException", "UnauthorizedOperation"})
#: The codes by which they say that they do not know the access key.
UNKNOWN_KEYS = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"})


@dataclass(frozen=True)
class MissingPermission:
    """What a policy does not allow.

    Attributes:
        action: such as ``ecr:GetAuthorizationToken``.
        remedy: the statement that grants it, or the policy that denies it.
        is_named: whether the service named the action.
    """

    action: str
    remedy: str
    is_named: bool


def missing_permission(text: str, called: str, *, policy: str) -> MissingPermission:
    """Read a refusal for a missing permission (IAM User Guide, "Troubleshoot access denied error messages").

    Args:
        text: the service's message.
        called: the action that was called, where the message names none.
        policy: where the statement belongs, in words.
    """
    named = re.search(r"not authorized to perform: ([\w-]+:\w+)(?: on resource: (arn:\S+))?", text)
    action = named.group(1) if named else called
    if denied := re.search(r"with an explicit deny in (?:an? )?([\w -]+)", text):
        return MissingPermission(
            action, f"A Deny statement in the {denied.group(1).strip()} has to be lifted", bool(named)
        )
    resource = (named.group(2) or "*").rstrip(".,") if named else "*"
    statement = json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
    return MissingPermission(action, f"Add this statement to {policy}: {statement}", bool(named))


def unreachable(error: Any, whom: str, certificates: object = None) -> CognitoFederationError:
    """The error for a request that got no answer, in the words of `_util.urls`.

    Args:
        error: of botocore.
        whom: the service in words, where the error names no address.
        certificates: the CA certificates that were used; anything but a path is botocore's own.
    """
    from botocore import exceptions

    where = shown_url(str(error.kwargs.get("endpoint_url") or whom))
    if isinstance(error, exceptions.SSLError):
        return tls_refused(where, certificates, os.environ, reads_directories=False)
    if isinstance(error, exceptions.ProxyConnectionError):
        return proxy_failure(where if "endpoint_url" in error.kwargs else whom, str(error.kwargs.get("error", "")))
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
        return TemporaryError(f"{where} did not answer in time", remedy="Check the network or the proxy and try again")
    if not isinstance(error, exceptions.ConnectionError) and (fault := proxy_fault(os.environ)):
        return fault
    return not_reached(where)


def other_failure(error: Any, whom: str, endpoint: str = "") -> CognitoFederationError:
    """The error for what botocore raised otherwise."""
    from botocore import exceptions

    if isinstance(error, exceptions.NoRegionError | exceptions.UnknownRegionError | exceptions.InvalidRegionError):
        return ConfigurationError(f"The region of {whom} is not one botocore can call")
    name = type(error).__name__
    if name == "ResponseParserError":
        return not_the_service(whom, endpoint)
    return ConfigurationError(f"botocore cannot make the call ({name})", remedy="Run: cognito-federation explain")


def not_the_service(whom: str, endpoint: str) -> NotTheServiceError:
    """The error for an answer that is not that of the service.

    Args:
        whom: the service in words.
        endpoint: the address that was asked; empty where that is not known.
    """
    host = urlsplit(endpoint).hostname or ""
    place = shown_url(endpoint) if host else "Something"
    if host and not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        remedy = "A mock or another server listens there: check AWS_ENDPOINT_URL and cognito_endpoint_url"
    else:
        remedy = "A proxy may answer in its place: check HTTPS_PROXY and the endpoint settings"
    return NotTheServiceError(f"{place} answered, but not as {whom} does", remedy=remedy)
