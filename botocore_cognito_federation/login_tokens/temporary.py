"""Which exceptions of other libraries mean "ask again later": the network, throttling, a server's 5xx.

By class name and module, because a handler may use any HTTP library, and none is imported to find out.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from concurrent.futures import TimeoutError as FuturesTimeoutError
from http.client import HTTPException

from ..errors import TemporaryError

_BUILT_IN = (
    TemporaryError,
    ConnectionError,
    TimeoutError,
    # Classes of their own before Python 3.11.
    asyncio.TimeoutError,
    FuturesTimeoutError,
    socket.gaierror,
    socket.herror,
    HTTPException,
)
_NETWORK_ERRORS = frozenset(
    {errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT}
)
#: Library -> base classes of what it raises when the network fails.
_OF_LIBRARIES = {
    "requests": ("ConnectionError", "Timeout", "ChunkedEncodingError", "ContentDecodingError"),
    "urllib3": ("HTTPError",),
    "urllib": ("ContentTooShortError",),
    "httpx": ("TransportError",),
    "httpcore": ("NetworkError", "TimeoutException", "ProtocolError"),
    "aiohttp": ("ClientConnectionError", "ClientPayloadError"),
    "botocore": ("HTTPClientError", "ConnectionError"),
    "google": ("TransportError",),
    "azure": ("ServiceRequestError", "ServiceResponseError"),
}
_THROTTLING_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "LimitExceededException",
    }
)


def is_temporary(error: BaseException) -> bool:
    """Whether the same call may succeed later, as far as the exception tells."""
    status = _status_of(error)
    if status is not None and status >= 400:
        return status in (408, 425, 429) or status >= 500 or _is_throttling(error)
    if isinstance(error, _BUILT_IN) or _is_of_library(error):
        return True
    reason = getattr(error, "reason", None)  # urllib.error.URLError wraps what really happened
    if isinstance(error, OSError) and isinstance(reason, BaseException) and reason is not error:
        return is_temporary(reason)
    return isinstance(error, OSError) and error.errno in _NETWORK_ERRORS


def _is_of_library(error: BaseException) -> bool:
    return any(cls.__name__ in _OF_LIBRARIES.get(cls.__module__.partition(".")[0], ()) for cls in type(error).__mro__)


def _status_of(error: BaseException) -> int | None:
    """The HTTP status in an exception: of urllib, requests, httpx, aiohttp or botocore."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        metadata = response.get("ResponseMetadata")
        found = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    else:
        candidates = (
            getattr(response, "status_code", None),
            getattr(error, "code", None),
            getattr(error, "status", None),
        )
        found = next((value for value in candidates if type(value) is int), None)
    return found if type(found) is int else None


def _is_throttling(error: BaseException) -> bool:
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, dict) else None
    return isinstance(details, dict) and details.get("Code") in _THROTTLING_CODES
