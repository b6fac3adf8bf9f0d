"""A call that botocore has made before, made again: the same request with another body.

For each call botocore finds the endpoint anew, asks its hooks, writes the headers and parses by the model. The sign-ins
of a server's users differ in nothing but the body. So the second call of an operation takes the URL and the headers
that botocore found for the first, and goes by botocore's own HTTP session: its proxies, certificates, connections and
time limits, and whatever a test has put in their place.

Only an answer of success that fits the service's model is taken, and a refusal that botocore would not repeat. After
everything else botocore makes the call, with its retries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timezone
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.client import BaseClient
from botocore.hooks import first_non_none_response
from botocore.parsers import create_parser
from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from .aws import LimitedSession


#: What the service refuses for good. botocore repeats every other refusal, and so makes the call.
_REFUSALS = (
    "InvalidIdentityPoolConfigurationException",
    "InvalidParameterException",
    "NotAuthorizedException",
    "ResourceConflictException",
    "ResourceNotFoundException",
)


class Received(NamedTuple):
    """An answer.

    Attributes:
        body: its members as botocore parses them; of a refusal, all that `ClientError` has.
        is_refusal: whether it is one.
        date: its ``Date``.
    """

    body: Mapping[str, Any]
    is_refusal: bool
    date: str | None


def made_again(
    client: Any,
    name: str,
    session: LimitedSession,
    arguments: Mapping[str, Any],
    *,
    shape: Any,
    quiet: Callable[[], AbstractContextManager[None]],
) -> Received | None:
    """Make one call of an operation; None where botocore has to make it.

    Args:
        client: the botocore client that made the first call.
        name: of the operation, as in the service's model.
        session: of the client; it has the pattern of the operation's requests.
        arguments: of the operation; botocore makes the call where one is neither a text nor a mapping of texts.
        shape: of the answer, in the service's model.
        quiet: gives the block in which botocore logs nothing.
    """
    if not _is_as_botocore_made_it(client) or not all(map(_is_plain, arguments.values())):
        return None
    with suppress(Exception):  # whatever it was, botocore meets it too
        url, shared = (session.patterns or {})[name]
        body = json.dumps(arguments).encode()
        headers: Any = HeadersDict({**shared, "Content-Length": str(len(body))})
        request = AWSPreparedRequest("POST", url, headers, body, True)
        service = client.meta.service_model.service_id.hyphenize()
        event = f"before-send.{service}.{name}"  # by which tests answer instead of the service
        response = first_non_none_response(client.meta.events.emit(event, request=request))
        return _received(session.sent(request) if response is None else response, shape, quiet)
    return None


def _is_plain(argument: object) -> bool:
    texts = argument.values() if isinstance(argument, Mapping) else (argument,)
    return all(isinstance(text, str) for text in texts)


def _is_as_botocore_made_it(client: Any) -> bool:
    """Whether nothing stands before the calls of clients: a tracer and a mock replace this method."""
    method = BaseClient._make_api_call  # type: ignore[attr-defined]  # botocore's own, and what others replace
    is_its_own = isinstance(method, FunctionType) and method.__module__ == BaseClient.__module__
    return is_its_own and "_make_api_call" not in vars(client)


def _received(response: Any, shape: Any, quiet: Callable[[], AbstractContextManager[None]]) -> Received | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    date = response.headers.get("date")
    if response.status_code == 200:
        return Received(_parsed(json.loads(response.content), shape), False, date)
    if response.status_code != 400:
        return None
    told = {"status_code": response.status_code, "headers": response.headers, "body": response.content}
    with quiet():
        body = create_parser("json").parse(told, shape)
    return Received(body, True, date) if body["Error"]["Code"] in _REFUSALS else None


def _parsed(value: Any, shape: Any) -> Any:
    """A value of JSON as botocore gives it: without members that the model does not know, and with times."""
    kind = shape.type_name
    if kind == "structure":
        return {name: _parsed(value[name], of) for name, of in shape.members.items() if value.get(name) is not None}
    if kind in ("list", "map"):
        raise ValueError("no operation that is repeated answers with any")
    if kind == "timestamp":  # as a number it is in UTC; botocore would take its time to find the zone of this machine
        return datetime.fromtimestamp(value, timezone.utc) if type(value) in (int, float) else parse_timestamp(value)
    return value
