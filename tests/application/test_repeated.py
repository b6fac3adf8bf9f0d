"""Sign-ins after the first of a process are sent without botocore's own work: they differ in what they cost alone."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import pytest
from botocore import UNSIGNED, handlers
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.endpoint import Endpoint
from botocore.session import Session
from botocore.stub import Stubber

from botocore_cognito_federation import CognitoFederation
from botocore_cognito_federation._util.concurrency import _end_idle
from botocore_cognito_federation.application.sign_in import _shared, shared_clients
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.demo.refusals import Refusal
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.errors import CognitoFederationError, FederationRefusedError, TemporaryError
from botocore_cognito_federation.identity_pool import aws
from botocore_cognito_federation.identity_pool.client import Clients
from botocore_cognito_federation.identity_pool.repeated import Call, asked_ahead, made_again
from tests.flows.test_quick_way import ALWAYS, MISSING, OPERATIONS, REFUSALS, SPOILED

from .conftest import Maker

SignIn = Callable[[str], CognitoFederation]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _shared.cache_clear()
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    yield
    _shared.cache_clear()


@pytest.fixture(autouse=True)
def _no_hook_of_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's S3 is moto's, which adds a hook to all clients of the process: it might answer for the service."""
    its_own = [each for each in handlers.BUILTIN_HANDLERS if "moto" not in getattr(each[1], "__module__", "")]
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", its_own)


@pytest.fixture
def sign_in(world: World, make: Maker) -> SignIn:
    def signed_in(person: str, **options: Any) -> CognitoFederation:
        federation = make(**options)
        federation.federated_sign_in(world.provider.login_key, world.provider.issue(person))
        return federation

    return signed_in


@pytest.fixture
def by_botocore(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that botocore works on."""
    made: list[str] = []
    original = aws.LimitedSession.send

    def send(self: aws.LimitedSession, request: Any) -> Any:
        made.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])
        return original(self, request)

    monkeypatch.setattr(aws.LimitedSession, "send", send)
    return made


def test_botocore_works_for_the_first_user_alone(world: World, sign_in: SignIn, by_botocore: list[str]) -> None:
    users = [sign_in(person) for person in ("ada", "grace", "alan")]
    assert by_botocore == list(OPERATIONS)
    assert all(len(world.calls(operation)) == 3 for operation in OPERATIONS)
    assert len({user.current_credentials().identity_id for user in users}) == 3


def test_requests_differ_in_nothing_but_the_user(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Mapping[str, str], bytes]] = []
    original = aws._Attempt.answer

    def answer(self: aws._Attempt) -> Any:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in self.request.headers.items()
            if not name.lower().startswith("amz-sdk-")
        }
        sent.append((self.request.url, headers, self.request.body))
        return original(self)

    monkeypatch.setattr(aws._Attempt, "answer", answer)
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    for _ in range(2):
        sign_in("ada")
    first, second = sent[:2], sent[2:]
    assert [(url, headers) for url, headers, _ in first] == [(url, headers) for url, headers, _ in second]
    assert first[0][1]["content-length"] == str(len(first[0][2]))


@pytest.fixture
def hand_overs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that were handed over to a thread."""
    made: list[str] = []
    original = aws.call_within

    def call_within(limit: float, call: Callable[[], Any], *, name: str) -> Any:
        made.append(name)
        return original(limit, call, name=name)

    monkeypatch.setattr(aws, "call_within", call_within)
    return made


def test_a_further_sign_in_is_handed_over_to_a_thread_once(sign_in: SignIn, hand_overs: list[str]) -> None:
    sign_in("ada")
    assert len(hand_overs) == 2
    sign_in("grace")
    assert len(hand_overs) == 3


def test_nothing_is_asked_before_somebody_who_may_answer_instead(
    world: World, sign_in: SignIn, hand_overs: list[str]
) -> None:
    events = client_of(sign_in("ada")).meta.events
    asked: list[int] = []
    events.register("before-send.cognito-identity", lambda **_: asked.append(len(world.calls())))
    world.reset_journal()
    hand_overs.clear()
    sign_in("grace")
    assert (asked, len(hand_overs)) == ([0, 1], 2)


def test_an_answer_that_was_asked_for_is_the_same_calls_alone(world: World, sign_in: SignIn) -> None:
    client = client_of(sign_in("ada"))
    identities = {person: sign_in(person).current_credentials().identity_id for person in ("ada", "grace")}
    calls = [
        Call(client.get_id, "GetId", {"IdentityPoolId": world.pool_id, "Logins": {world.provider.login_key: token}})
        for token in map(world.provider.issue, identities)
    ]
    session = client._endpoint.http_session
    world.reset_journal()
    with asked_ahead(session, calls[0], lambda identity: calls[0]):
        found = [made_again(call, session, shape=shape_of(call), quiet=aws.suppress_wire_logs) for call in calls]
    assert [each.body["IdentityId"] for each in found if each is not None] == list(identities.values())
    assert len(world.calls("GetId")) == 3  # the first, what followed it, and that of the other user


def shape_of(call: Call) -> Any:
    return call.operation.__self__.meta.service_model.operation_model(call.name).output_shape  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_connection_that_ends_before_an_answer_costs_one_request(
    world: World, sign_in: SignIn, operation: str
) -> None:
    sign_in("ada")
    world.fault(operation, times=1, close=True)
    world.reset_journal()
    assert sign_in("grace").current_credentials().authenticated
    assert sorted(len(world.calls(each)) for each in OPERATIONS) == [1, 2]


def outcome(sign_in: SignIn) -> tuple[Any, ...]:
    try:
        credentials = sign_in("ada").current_credentials()
    except CognitoFederationError as error:
        retry = error.retry if isinstance(error, FederationRefusedError) else None
        return type(error), re.sub(r"-?\d+ s ago", "N s ago", error.what), error.remedy, retry
    return credentials.identity_id, credentials.authenticated, credentials.account_id


def both(world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, operation: str, **fault: Any) -> Any:
    """What comes of a fault in the second sign-in of a process, without botocore's work and with it."""
    outcomes = []
    for is_repeated in (True, False):
        sign_in("ada")
        world.fault(operation, times=ALWAYS, **fault)
        if not is_repeated:
            monkeypatch.setattr(aws, "_repeated", lambda *arguments: None)
        outcomes.append(outcome(sign_in))
        world.clear_faults()
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.code} {refusal.message}"[:60])
def test_a_refusal_is_the_same(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, operation: str, refusal: Refusal
) -> None:
    fault = {"code": refusal.code, "message": refusal.message, "status": refusal.status}
    assert issubclass(both(world, sign_in, monkeypatch, operation, **fault)[0], CognitoFederationError)


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", SPOILED)
def test_a_fault_is_the_same(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, operation: str, fault: str
) -> None:
    assert issubclass(both(world, sign_in, monkeypatch, operation, **SPOILED[fault])[0], CognitoFederationError)


@pytest.mark.thorough
@pytest.mark.parametrize("name", MISSING)
def test_an_answer_without_one_of_its_members_is_the_same(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    found = both(world, sign_in, monkeypatch, "GetCredentialsForIdentity", missing_keys=(name,))
    assert issubclass(found[0], CognitoFederationError)


def test_a_refusal_for_good_is_asked_for_once(world: World, sign_in: SignIn, by_botocore: list[str]) -> None:
    sign_in("ada")
    world.fault("GetCredentialsForIdentity", times=ALWAYS, code="ResourceNotFoundException", message="No such pool")
    world.reset_journal()
    with pytest.raises(FederationRefusedError):
        sign_in("grace")
    assert len(world.calls("GetCredentialsForIdentity")) == 1
    assert by_botocore == list(OPERATIONS)


def test_one_reset_is_made_good_by_botocore(world: World, sign_in: SignIn, by_botocore: list[str]) -> None:
    sign_in("ada")
    world.fault("GetId", times=1, close=True)
    assert sign_in("grace").current_credentials().authenticated
    assert by_botocore == [*OPERATIONS, "GetId"]


class Wrapper:
    """What wrapt makes, and so most tracers: an object that takes itself for the function that it wraps."""

    def __init__(self, wrapped: Callable[..., Any], seen: list[str]) -> None:
        self.wrapped, self.seen = wrapped, seen
        self.__module__, self.__name__ = wrapped.__module__, wrapped.__name__

    @property  # type: ignore[misc]  # as wrapt does
    def __class__(self) -> type:
        return type(self.wrapped)

    @property
    def __self__(self) -> object:
        return self.wrapped.__self__  # type: ignore[attr-defined]  # a method's

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.seen.append(self.__name__)
        return self.wrapped(*arguments, **options)

    def __get__(self, thing: Any, its_class: type) -> Any:
        return self if thing is None else Wrapper(self.wrapped.__get__(thing), self.seen)


def decorated(wrapped: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    @functools.wraps(wrapped)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        seen.append(wrapped.__name__)
        return wrapped(*arguments, **options)

    return wrapper


def plain(wrapped: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    return lambda *arguments, **options: (seen.append(wrapped.__name__), wrapped(*arguments, **options))[1]


def client_of(federation: CognitoFederation) -> Any:
    return shared_clients(federation._settings, os.environ).cognito_identity()


@pytest.mark.parametrize("wrapper", [Wrapper, decorated, plain])
@pytest.mark.parametrize(
    ("replaced_in", "name"),
    [
        (BaseClient, "_make_api_call"),  # OpenTelemetry, Datadog, X-Ray, moto of old
        (BaseClient, "_make_request"),
        (Endpoint, "make_request"),  # New Relic
        (Endpoint, "prepare_request"),  # X-Ray
        (Endpoint, "_send"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_a_tracer_of_botocore_sees_every_call(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, replaced_in: type, name: str, wrapper: Callable[..., Any]
) -> None:
    seen: list[str] = []
    sign_in("ada")
    monkeypatch.setattr(replaced_in, name, wrapper(getattr(replaced_in, name), seen))
    sign_in("grace")
    assert seen == [name] * 2


@pytest.mark.parametrize("wrapper", [Wrapper, decorated, plain])
@pytest.mark.parametrize("of_the_class", [True, False])
def test_a_tracer_of_one_client_sees_every_call(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, wrapper: Callable[..., Any], of_the_class: bool
) -> None:
    seen: list[str] = []
    client = client_of(sign_in("ada"))
    for place, name in ((client, "get_id"), (client, "_make_api_call"), (client._endpoint, "make_request")):
        where = type(place) if of_the_class else place
        with monkeypatch.context() as patch:
            patch.setattr(where, name, wrapper(getattr(where, name), seen))
            sign_in("grace")
    assert sorted(set(seen)) == ["_make_api_call", "get_id", "make_request"]


def test_a_mock_of_botocore_keeps_a_further_token_from_the_service(world: World, sign_in: SignIn) -> None:
    sign_in("ada")
    world.reset_journal()
    for replaced_in, name in ((BaseClient, "_make_api_call"), (Endpoint, "make_request"), (Endpoint, "_send")):
        with mock.patch.object(replaced_in, name, autospec=True, side_effect=RuntimeError("from the mock")) as mocked:
            with pytest.raises(CognitoFederationError):
                sign_in("grace")
            assert mocked.called
    assert not world.calls()


@pytest.mark.parametrize("event", ["before-call", "request-created.cognito-identity", "after-call.*.*", "needs-retry"])
@pytest.mark.parametrize("is_there_at_first", [True, False])
def test_a_hook_of_somebody_else_is_asked_for_every_call(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, by_botocore: list[str], event: str, is_there_at_first: bool
) -> None:
    """Sentry adds hooks to each client that is made."""
    seen: list[str] = []
    original = BaseClient.__init__

    def hook(event_name: str, **_: Any) -> None:
        seen.append(event_name.rpartition(".")[2])

    def made(self: BaseClient, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        self.meta.events.register(event, hook)

    if is_there_at_first:
        monkeypatch.setattr(BaseClient, "__init__", made)
    events = client_of(sign_in("ada")).meta.events
    if not is_there_at_first:
        events.register(event, hook)
    seen.clear()
    for person in ("grace", "alan"):
        sign_in(person)
    assert seen == [*OPERATIONS, *OPERATIONS]
    events.unregister(event, hook)
    by_botocore.clear()
    sign_in("grace")
    assert by_botocore == []


def test_the_stubber_of_botocore_answers_for_a_further_user(world: World, sign_in: SignIn) -> None:
    client = client_of(sign_in("ada"))
    world.reset_journal()
    with Stubber(client) as stubber:
        stubber.add_client_error("get_id", "NotAuthorizedException", "Says the stubber")
        with pytest.raises(FederationRefusedError, match="Says the stubber"):
            sign_in("grace")
    assert not world.calls()


def test_a_handler_that_answers_instead_of_the_service_is_asked(world: World, sign_in: SignIn) -> None:
    """So does moto, for one."""
    events = client_of(sign_in("ada")).meta.events
    asked: list[str] = []

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield b'{"__type": "NotAuthorizedException", "message": "Says the handler"}'

    def handler(request: Any, event_name: str, **_: Any) -> AWSResponse:
        asked.append(event_name)
        headers = {"content-type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, 400, headers, Raw())  # type: ignore[arg-type]  # of urllib3 it needs no more

    events.register("before-send.cognito-identity.GetId", handler)
    world.reset_journal()
    with pytest.raises(FederationRefusedError, match="Says the handler"):
        sign_in("grace")
    assert asked == ["before-send.cognito-identity.GetId"]
    assert not world.calls()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html; profile=json", b'{"IdentityId": "eu-west-1:11111111-2222-3333-4444-555555555555"}'),
        ("application/x-amz-json-1.1", b'\xef\xbb\xbf{"IdentityId": "eu-west-1:11111111-2222-3333-4444-555555555555"}'),
        ("application/x-amz-json-1.1", '{"IdentityId": "eu-west-1:11111111"}'.encode("utf-16")),
    ],
    ids=["HTML", "a mark of the byte order", "UTF-16"],
)
def test_an_answer_that_botocore_does_not_read_is_not_read(
    sign_in: SignIn, by_botocore: list[str], kind: str, body: bytes
) -> None:
    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield body

    def handler(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"content-type": kind}, Raw())  # type: ignore[arg-type]  # see above

    client_of(sign_in("ada")).meta.events.register("before-send.cognito-identity.GetId", handler)
    with pytest.raises(TemporaryError):
        sign_in("grace")
    assert by_botocore == list(OPERATIONS)  # of the first user; the handler answered the others


def test_a_call_that_botocore_has_to_make_is_not_tried_again_without_it(world: World, sign_in: SignIn) -> None:
    sign_in("ada")
    world.fault("GetId", times=ALWAYS, empty_body=True)
    world.reset_journal()
    with pytest.raises(TemporaryError):
        sign_in("grace")
    assert len(world.calls("GetId")) == 1 + 3


def test_no_thread_of_a_forked_child_sees_the_clients_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users of one connection would read each other's answers; another thread may look between two assignments."""
    seen: list[Mapping[str, Any]] = []

    class Watched(Clients):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "_process" and value == os.getpid():
                seen.append(dict(vars(self).get("_made", {})))

    monkeypatch.setattr("botocore_cognito_federation.identity_pool.client.make_client", lambda *_, **__: "the child's")
    clients = Watched(Settings("eu-west-1:00000000-0000-4000-8000-000000000001"), Session)
    clients._made, clients._process = {"cognito-identity": "the parent's"}, 0
    assert (clients.cognito_identity(), seen) == ("the child's", [{}, {}])


def test_no_token_and_no_key_is_logged(sign_in: SignIn, caplog: pytest.LogCaptureFixture, world: World) -> None:
    sign_in("ada")
    with caplog.at_level(logging.DEBUG):
        credentials = sign_in("grace").current_credentials()
    token = world.provider.issue("grace").rpartition(".")[0]  # the signature differs from one to the next
    assert caplog.records
    assert not any(secret in caplog.text for secret in (token, credentials.secret_key, credentials.token))


def test_a_sign_in_takes_fewer_calls_of_functions_than_its_two_requests_by_botocore(
    world: World, sign_in: SignIn
) -> None:
    client = Session().create_client(
        "cognito-identity",
        region_name=world.pool_id.partition(":")[0],
        endpoint_url=world.endpoint_url,
        config=Config(signature_version=UNSIGNED),
    )
    logins = {world.provider.login_key: world.provider.issue("ada")}

    def bare() -> None:
        identity = client.get_id(IdentityPoolId=world.pool_id, Logins=logins)["IdentityId"]
        client.get_credentials_for_identity(IdentityId=identity, Logins=logins)

    def ours() -> None:
        sign_in("ada")

    for work in (bare, ours):
        work()
    assert functions_called(ours) < functions_called(bare)


def functions_called(work: Callable[[], None]) -> int:
    """The calls of Python functions, those of other threads included."""
    count = 0
    _end_idle()  # only a new thread is looked at

    def called(frame: Any, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call"

    threading.setprofile(called)
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # as the documentation has it
    return count
