"""A call that botocore has made before, made again: the same request with another body.

For each call botocore finds the endpoint anew, asks its hooks, writes the headers and parses by the model. The sign-ins
of a server's users differ in nothing but the body. So the second call of an operation takes the URL and the headers
that botocore found for the first, and goes by botocore's own HTTP session: its proxies, certificates, connections and
time limits, and whatever a test has put in their place. Where a tracer or a mock stands elsewhere in the way of a call,
botocore makes the call.

Only an answer of success that fits the service's model is taken, and a refusal that botocore would not repeat. After
everything else botocore makes the call, with its retries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timezone
from operator import attrgetter
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, HeadersDict
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
    operation: Callable[..., Any],
    name: str,
    session: LimitedSession,
    arguments: Mapping[str, Any],
    *,
    shape: Any,
    quiet: Callable[[], AbstractContextManager[None]],
) -> Received | None:
    """Make one call of an operation; None where botocore has to make it.

    Args:
        operation: the method of the botocore client that made the first call.
        name: of the operation, as in the service's model.
        session: of the client; it has the pattern of the operation's requests.
        arguments: of the operation; botocore makes the call where one is neither a text nor a mapping of texts.
        shape: of the answer, in the service's model.
        quiet: gives the block in which botocore logs nothing.
    """
    if not all(map(_is_plain, arguments.values())):
        return None
    with suppress(Exception):  # whatever it was, botocore meets it too
        client: Any = operation.__self__  # type: ignore[attr-defined]  # a method, or botocore makes the call
        service = client.meta.service_model.service_id.hyphenize()
        if not (
            _is_as_botocore_made_it(operation, client, session)
            and _asks_only_itself(client, session, f"{service}.{name}")
        ):
            return None
        url, shared = (session.patterns or {})[name]
        body = json.dumps(arguments).encode()
        headers: Any = HeadersDict({**shared, "Content-Length": str(len(body))})
        request = AWSPreparedRequest("POST", url, headers, body, True)
        event = f"before-send.{service}.{name}"  # by which tests answer instead of the service
        response = first_non_none_response(client.meta.events.emit(event, request=request))
        return _received(session.sent(request) if response is None else response, shape, quiet)
    return None


def _is_plain(argument: object) -> bool:
    texts = argument.values() if isinstance(argument, Mapping) else (argument,)
    return all(isinstance(text, str) for text in texts)


#: The methods through which a call of botocore goes before its HTTP session: what tracers and mocks replace.
_OF_CLIENTS = ("_make_api_call", "_convert_to_request_dict", "_make_request")
_OF_ENDPOINTS = (
    "make_request",
    "create_request",
    "prepare_request",
    "_send_request",
    "_get_response",
    "_do_get_response",
    "_send",
)
_methods_of_client, _methods_of_endpoint = attrgetter(*_OF_CLIENTS), attrgetter(*_OF_ENDPOINTS)
#: The events of a call but ``before-send``, which is asked here too.
_EVENTS = (
    "provide-client-params",
    "before-parameter-build",
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-parse",
    "response-received",
    "needs-retry",
    "after-call",
    "after-call-error",
)


def _is_as_botocore_made_it(operation: object, client: Any, session: LimitedSession) -> bool:
    """Whether nothing stands in the way of a call: no method of it was replaced, in its class or in the object."""
    endpoint = client._endpoint
    if not (vars(client).keys().isdisjoint(_OF_CLIENTS) and vars(endpoint).keys().isdisjoint(_OF_ENDPOINTS)):
        return False
    if type(operation) is not MethodType:
        return False
    way = (operation.__func__, *_methods_of_client(type(client)), *_methods_of_endpoint(type(endpoint)))
    identities = tuple(map(id, way))  # What wrapt makes is equal to what it wraps.
    if identities not in session.seen_ways:
        if not _are_botocores(list(way)):
            return False
        session.seen_ways[identities] = way
    return True


def _asks_only_itself(client: Any, session: LimitedSession, call: str) -> bool:
    """Whether all hooks of a call are botocore's own: a tracer adds others, and the stubber of botocore.

    Looked at again where the hooks have changed: then botocore begins a new cache of them.
    """
    emitter = client.meta.events._emitter  # botocore has no public way to see its hooks
    present = emitter._lookup_cache
    seen, known = session.seen_hooks
    if seen is not present or call not in known:
        hooks = [hook for event in _EVENTS for hook in emitter._handlers.prefix_search(f"{event}.{call}") or ()]
        are_its_own = _are_botocores([getattr(hook, "__func__", hook) for hook in hooks])
        known = {**(known if seen is present else {}), call: are_its_own}
        session.seen_hooks = present, known
    return known[call]


def _are_botocores(functions: list[Any]) -> bool:
    """Whether functions are botocore's own and not of its stubber, nor wrappers that have the name of its module.

    Those that `functools` and wrapt help to make have it. What botocore's own decorators wrap is looked at too.
    """
    while functions:
        function = functions.pop()
        module = function.__globals__.get("__name__", "") if type(function) is FunctionType else ""
        if not module.startswith("botocore.") or module == "botocore.stub":
            return False
        wrapped = vars(function).get("__wrapped__")
        if wrapped is not None:
            functions.append(wrapped)
    return True


def _received(response: Any, shape: Any, quiet: Callable[[], AbstractContextManager[None]]) -> Received | None:
    kind = response.headers.get("content-type", "").lower()
    if "json" not in kind or "html" in kind:
        return None
    date = response.headers.get("date")
    if response.status_code == 200:
        return Received(_parsed(json.loads(response.content.decode()), shape), False, date)
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
