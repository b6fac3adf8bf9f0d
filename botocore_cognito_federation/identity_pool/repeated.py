"""A call that botocore has made before, made again: the same request with another body.

For each call botocore finds the endpoint anew, asks its hooks, writes the headers and parses by the model. The sign-ins
of a server's users differ in nothing but the body. So the second call of an operation takes the URL and the headers
that botocore found for the first, and goes by botocore's own HTTP session: its proxies, certificates, connections and
time limits, and whatever a test has put in their place. Where a tracer or a mock stands elsewhere in the way of a call,
botocore makes the call.

An application that answers instead of the service, as tests do, is asked before each request. Where there is none, the
two requests of a sign-in are made in one thread.

Only an answer of success that fits the service's model is taken, and a refusal that botocore would not repeat. After
everything else botocore makes the call, with its retries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
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


class Call(NamedTuple):
    """A call of an operation.

    Attributes:
        operation: the method of the botocore client that made the first call.
        name: of the operation, as in the service's model.
        arguments: of the operation; botocore makes the call where one is neither a text nor a mapping of texts.
    """

    operation: Callable[..., Any]
    name: str
    arguments: Mapping[str, Any]


#: The calls asked ahead with their answers; None for one that botocore has to make.
_AHEAD: ContextVar[list[tuple[Call, Any]]] = ContextVar("botocore_cognito_federation_ahead")


def made_again(
    call: Call, session: LimitedSession, *, shape: Any, quiet: Callable[[], AbstractContextManager[None]]
) -> Received | None:
    """Make one call of an operation; None where botocore has to make it.

    Args:
        call: the call.
        session: of the client; it has the pattern of the operation's requests.
        shape: of the answer, in the service's model.
        quiet: gives the block in which botocore logs nothing.
    """
    with suppress(Exception):  # whatever it was, botocore meets it too
        ahead = _AHEAD.get([])
        for index, (asked, response) in enumerate(ahead):
            if asked == call:
                del ahead[index]
                return None if response is None else _received(response, shape, quiet)
        request = _request(call, session)
        if request is None:
            return None
        events = call.operation.__self__.meta.events  # type: ignore[attr-defined]  # a method of a client
        response = first_non_none_response(events.emit(f"before-send.{_event(call)}", request=request))
        return _received(session.sent(request) if response is None else response, shape, quiet)
    return None


@contextmanager
def asked_ahead(session: LimitedSession, first: Call, following: Callable[[str], Call]) -> Iterator[None]:
    """Ask for an identity ID and for what follows from it in one thread; the same calls inside find the answers.

    A thread costs a sixth of a request each time that it takes over and gives back. Nothing is asked where botocore has
    to make one of the calls, or somebody else may answer it.

    Args:
        session: of the client.
        first: the call of GetId.
        following: gives the next call, by the identity ID.
    """
    answers: list[tuple[Call, Any]] = []
    with suppress(Exception):  # whatever it was, the calls meet it too
        answers = _answers(session, first, following)
    token = _AHEAD.set(answers)
    try:
        yield
    finally:
        _AHEAD.reset(token)


def _answers(session: LimitedSession, first: Call, following: Callable[[str], Call]) -> list[tuple[Call, Any]]:
    request = _request(first, session)
    if request is None or _hooks(first, session).may_answer:
        return []
    asked, url = [first], request.url

    def next_request(response: Any) -> Any:
        if response.status_code != 200:
            return None
        call = following(json.loads(response.content.decode())["IdentityId"])
        request = _request(call, session)
        if request is None or request.url != url or _hooks(call, session).may_answer:
            return None
        asked.append(call)
        return request

    try:
        return list(zip(asked, session.sent_with_next(request, next_request), strict=False))
    except Exception:  # noqa: BLE001 - botocore meets it too
        return [(first, None)]


def _request(call: Call, session: LimitedSession) -> Any:
    """The request of a call; None where botocore has to make the call."""
    pattern = (session.patterns or {}).get(call.name)
    if pattern is None or not all(map(_is_plain, call.arguments.values())):
        return None
    if not (_is_as_botocore_made_it(call.operation, session) and _hooks(call, session).are_botocores):
        return None
    url, shared = pattern
    body = json.dumps(call.arguments).encode()
    headers: Any = HeadersDict({**shared, "Content-Length": str(len(body))})
    return AWSPreparedRequest("POST", url, headers, body, True)


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


def _is_as_botocore_made_it(operation: Any, session: LimitedSession) -> bool:
    """Whether nothing stands in the way of a call: no method of it was replaced, in its class or in the object."""
    if type(operation) is not MethodType:
        return False
    client: Any = operation.__self__
    endpoint = client._endpoint
    if not (vars(client).keys().isdisjoint(_OF_CLIENTS) and vars(endpoint).keys().isdisjoint(_OF_ENDPOINTS)):
        return False
    way = (operation.__func__, *_methods_of_client(type(client)), *_methods_of_endpoint(type(endpoint)))
    identities = tuple(map(id, way))  # What wrapt makes is equal to what it wraps.
    if identities not in session.seen_ways:
        if not _are_botocores(list(way)):
            return False
        session.seen_ways[identities] = way
    return True


def _event(call: Call) -> str:
    """The part of the names of its events that is a call's own."""
    model = call.operation.__self__.meta.service_model  # type: ignore[attr-defined]  # a method of a client
    return f"{model.service_id.hyphenize()}.{call.name}"


class Hooks(NamedTuple):
    """Who has hooks of a call.

    Attributes:
        are_botocores: whether those of all events but ``before-send`` are botocore's own: a tracer adds others, and
            botocore's stubber.
        may_answer: whether there is one of ``before-send``, which may answer instead of the service.
    """

    are_botocores: bool
    may_answer: bool


def _hooks(call: Call, session: LimitedSession) -> Hooks:
    """Who has hooks of a call; looked at again where they have changed: then botocore begins a new cache of them."""
    emitter = call.operation.__self__.meta.events._emitter  # type: ignore[attr-defined]  # there is no public way
    present = emitter._lookup_cache
    seen, known = session.seen_hooks
    if seen is not present or call.name not in known:
        event = _event(call)
        hooks = [hook for each in _EVENTS for hook in emitter._handlers.prefix_search(f"{each}.{event}") or ()]
        are_botocores = _are_botocores([getattr(hook, "__func__", hook) for hook in hooks])
        found = Hooks(are_botocores, bool(emitter._handlers.prefix_search(f"before-send.{event}")))
        known = {**(known if seen is present else {}), call.name: found}
        session.seen_hooks = present, known
    return known[call.name]


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
