"""Every public member that takes a secret raises without a frame that holds it, whatever the failure."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import botocore
import pytest
import urllib3

import botocore_cognito_federation as package
from botocore_cognito_federation import (
    Challenge,
    CognitoFederation,
    CognitoFederationError,
    SignUp,
    UserPool,
    UserPoolTokens,
    handlers,
)
from botocore_cognito_federation.application.federation import ProfileFederation
from botocore_cognito_federation.errors import ClearsFrames, clears_frames
from botocore_cognito_federation.events import NAMES, Event
from botocore_cognito_federation.handlers import GrantHandler
from botocore_cognito_federation.user_pool import AutoSignIn
from tests.user_pool import wire as w

MARK = "canary" + "-in-a-frame"  # Put together, so that no source line holds it.
#: Parameters that are secrets or hold one.
SECRETS = {
    "password": f"{MARK}-Password-1",
    "new_password": f"{MARK}-Password-2",
    "old_password": f"{MARK}-Password-3",
    "answer": f"{MARK}-answer",
    "code": f"{MARK}-code",
    "token": f"{MARK}.token.x",
    "refresh_token": f"{MARK}-refresh",
    "access_token": f"{MARK}-access",
    "client_secret": f"{MARK}-client-secret",
    "subject_token": f"{MARK}-subject",
    "assertion": f"{MARK}-assertion",
    "responses": {"ANSWER": f"{MARK}-response"},
    "tokens": UserPoolTokens(w.token(canary=MARK), f"{MARK}-access", f"{MARK}-refresh", w.NOW, "ada"),
    "signed_in": UserPoolTokens(f"{MARK}.id.token", f"{MARK}-access", f"{MARK}-refresh", w.NOW, "ada"),
    "user": SignUp("ada", "sub", False, None, None, AutoSignIn(), f"{MARK}-Password-4"),
}
CHALLENGES = {
    "confirm_sign_in": "SMS_MFA",
    "complete_new_password": "NEW_PASSWORD_REQUIRED",
    "send_custom_challenge_answer": "CUSTOM_CHALLENGE",
    "set_up_totp": "MFA_SETUP",
}
PLAIN: dict[str, Any] = {
    "username": "ada",
    "attribute": "email",
    "attributes": {"email": "ada@example.com"},
    "provider": "google",
    "issuer": "issuer.example.com",
    "client_id": "client1",
    "name": "sign-in",
    "callback": print,
    "user_pool_id": w.POOL,
    "identity_pool_id": "nonsense",
}
FUNCTIONS = {
    name: getattr(handlers, name) for name in ("oidc", "google", "amazon", "facebook", "token_exchange", "on_behalf_of")
}


def members(cls: type) -> Iterator[str]:
    for name, member in inspect.getmembers(cls, inspect.isroutine):
        parameters = inspect.signature(member).parameters if not name.startswith("_") else {}
        if {"challenge", *SECRETS} & set(parameters):
            yield name


def arguments(function: Callable[..., Any], name: str, **changed: Any) -> dict[str, Any]:
    wanted = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    challenge = Challenge(CHALLENGES.get(name, "WEB_AUTHN"), {"SECRET": MARK}, f"{MARK}-session" + "s" * 20, "ada")
    known = {**PLAIN, **SECRETS, "challenge": challenge, **changed}
    if name == "federated_sign_in":
        known.pop("user", None)
    return {each.name: known[each.name] for each in wanted if each.name in known and each.kind is not each.VAR_KEYWORD}


_OURS = tuple(os.path.dirname(str(module.__file__)) for module in (package, botocore, urllib3))


def leaks(error: BaseException) -> list[str]:
    """Return the frames of this package, botocore and urllib3 that hold a secret, in the error and its causes."""
    found, waiting, seen = [], [error], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        trace = each.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if frame.f_code.co_filename.startswith(_OURS):
                found += [
                    f"{frame.f_code.co_qualname if hasattr(frame.f_code, 'co_qualname') else frame.f_code.co_name}: {k}"
                    for k, value in frame.f_locals.items()
                    if holds(value, set())
                ]
            trace = trace.tb_next
    return found


def holds(value: object, seen: set[int], depth: int = 0) -> bool:
    if isinstance(value, str):
        return MARK in value
    if isinstance(value, bytes):
        return MARK.encode() in value
    if id(value) in seen or depth > 12 or isinstance(value, type | types.ModuleType):
        return False
    seen.add(id(value))
    inner: list[object] = []
    if isinstance(value, Mapping):
        inner += [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner += list(value)
    elif isinstance(value, types.FunctionType):
        inner += [cell.cell_contents for cell in value.__closure__ or () if cell_is_full(cell)]
    elif isinstance(value, functools.partial):
        inner += [value.func, value.args, value.keywords]
    elif isinstance(value, types.MethodType):
        inner += [value.__self__]
    else:
        inner += list(getattr(value, "__dict__", {}).values())
    return any(holds(each, seen, depth + 1) for each in inner)


def cell_is_full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def raised(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except BaseException as error:  # also KeyboardInterrupt
        return error
    return None


def breaks(*_: object, **__: object) -> None:
    raise ZeroDivisionError("a programming error")


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def wire() -> Iterator[w.Wire]:
    with w.serving() as wire:
        yield wire


WRONG = ["refused", "unreadable", "no network", "programming error", "interrupted", "wrong type"]
#: Members whose every failure is tried on each Python; of the others a refusal is, and the rest on one.
ON_EACH_PYTHON = ("sign_in", "confirm_sign_in", "federated_sign_in")


def failures(cls: type) -> list[Any]:
    """Return each member that takes a secret with each thing that may go wrong, as parameters."""
    return [
        pytest.param(name, wrong, marks=[] if wrong == "refused" or name in ON_EACH_PYTHON else pytest.mark.thorough)
        for name in members(cls)
        for wrong in WRONG
    ]


def pool_that(wire: w.Wire, wrong: str, monkeypatch: pytest.MonkeyPatch) -> UserPool:
    if wrong == "refused":
        wire.answers = {each: [w.error("NotAuthorizedException", f"no {MARK}")] for each in _operations()}
    elif wrong == "unreadable":
        wire.answers = {each: [b"<html>"] for each in _operations()}
    elif wrong in ("programming error", "interrupted"):
        monkeypatch.setattr(
            "botocore.endpoint.Endpoint.make_request", breaks if wrong == "programming error" else interrupted
        )
    url = "http://127.0.0.1:9" if wrong == "no network" else wire.url
    return wire.pool(client_secret=f"{MARK}-client-secret", endpoint_url=url)


def _operations() -> list[str]:
    from botocore_cognito_federation.user_pool.api import _METHODS

    return list(_METHODS)


@pytest.mark.parametrize(("name", "wrong"), failures(UserPool))
def test_a_member_of_a_user_pool_leaves_no_secret_in_a_frame(
    wire: w.Wire, monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    pool = pool_that(wire, wrong, monkeypatch)
    member = getattr(pool, name)
    given = arguments(member, name)
    if wrong == "wrong type":
        given = {key: [value] if key in SECRETS or key == "challenge" else value for key, value in given.items()}
    error = raised(lambda: member(**given))
    assert error is not None
    assert leaks(error) == []


@pytest.mark.parametrize(("name", "wrong"), failures(CognitoFederation))
def test_a_member_of_a_federation_leaves_no_secret_in_a_frame_nor_in_an_event(
    wire: w.Wire, monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    pool = pool_that(wire, wrong, monkeypatch)
    federation = CognitoFederation(
        "eu-west-1:12345678-1234-1234-1234-123456789012", user_pool=pool, endpoint_url="http://127.0.0.1:9"
    )
    told: list[Event] = []
    for each in NAMES:
        federation.on(each, told.append)
    member = getattr(federation, name)
    given = arguments(member, name)
    if wrong == "wrong type":
        given = {key: [value] if key in SECRETS or key == "challenge" else value for key, value in given.items()}
    error = raised(lambda: member(**given))
    assert error is not None
    assert leaks(error) == []
    assert [leaks(event.error) for event in told if event.error is not None and leaks(event.error)] == []


@pytest.mark.parametrize("wrong", ["argument", "keyword"])
def test_making_a_user_pool_leaves_no_client_secret_in_a_frame(wrong: str) -> None:
    changed = {"user_pool_id": "nonsense"} if wrong == "argument" else {}
    given = arguments(UserPool, "UserPool", **changed) | ({"nonsense": 1} if wrong == "keyword" else {})
    error = raised(lambda: UserPool(**given))
    assert isinstance(error, CognitoFederationError if wrong == "argument" else TypeError)
    assert leaks(error) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_making_a_refresh_handler_leaves_no_secret_in_a_frame(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore_cognito_federation.application.arguments.resolved_provider", breaks)
    error = raised(lambda: FUNCTIONS[name](**arguments(FUNCTIONS[name], name)))
    assert isinstance(error, ZeroDivisionError)
    assert leaks(error) == []


@pytest.mark.parametrize("answer", ["text", "mapping", "bytes", "error", "of ours", "exit"])
def test_what_a_refresh_handler_returns_or_raises_is_left_in_no_frame(
    world: Any, make: Any, clock: Any, answer: str
) -> None:
    def handler() -> object:
        local = f"{MARK} in a local"
        if answer == "error":
            raise ValueError(local)
        if answer == "of ours":
            raise package.TokenRefreshError("The backend refused")
        if answer == "exit":
            raise SystemExit(local)
        return {"text": f"{MARK} with spaces", "mapping": {"token": f"{MARK}.x"}, "bytes": local.encode()}[answer]

    federation = make(refresh_handlers={world.provider.login_key: handler})
    federation.federated_sign_in(world.provider.login_key, token=world.provider.issue("ada", lifetime=60))
    clock.pass_by(7200)
    error = raised(federation.current_credentials)
    assert isinstance(error, CognitoFederationError)
    assert leaks(error) == []


def test_a_profile_signed_in_on_the_command_line_is_held_to_the_same() -> None:
    for cls in (UserPool, CognitoFederation, ProfileFederation, GrantHandler):
        assert issubclass(cls, ClearsFrames)
        for name in (*members(cls), "__init__"):
            member = inspect.getattr_static(cls, name)
            member = getattr(member, "__func__", member)
            assert hasattr(member, "__wrapped__"), f"{cls.__name__}.{name}"
    assert hasattr(package.login, "__wrapped__")


def test_every_public_function_that_takes_a_secret_is_among_the_ones_tried_here() -> None:
    for module_name in package._HOME_OF:
        member = getattr(package, module_name)
        if inspect.isfunction(member) and set(inspect.signature(member).parameters) & set(SECRETS):
            assert hasattr(member, "__wrapped__"), module_name
    for name in handlers.__all__:
        if set(inspect.signature(getattr(handlers, name)).parameters) & set(SECRETS):
            assert name in FUNCTIONS


def test_a_coroutine_function_is_held_to_the_same() -> None:
    @clears_frames
    async def asked(password: str) -> None:
        copied = [password]
        await asyncio.sleep(0)
        breaks(copied)

    error = raised(lambda: asyncio.run(asked(f"{MARK}-password")))
    assert isinstance(error, ZeroDivisionError)
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    inner = [frame for frame in frames if frame.f_code.co_name in ("awaited", "asked", "breaks")]
    assert len(inner) == 3
    assert not any(holds(dict(frame.f_locals), set()) for frame in inner)


def test_an_error_of_this_package_has_no_inner_exception_whose_text_may_quote_a_secret() -> None:
    @clears_frames
    def asked(password: str) -> None:
        try:
            raise ValueError(password)
        except ValueError as inner:
            if password.endswith("from"):
                raise CognitoFederationError("refused") from inner
            raise CognitoFederationError("refused")

    for ending in ("from", "while"):
        error = raised(functools.partial(asked, f"{MARK}-{ending}"))
        assert isinstance(error, CognitoFederationError)
        assert error.__cause__ is None
        assert error.__context__ is None


def test_a_subclass_of_an_application_is_left_as_it_is() -> None:
    class Theirs(CognitoFederation):
        def sign_in_here(self, password: str) -> None:
            raise ValueError

    assert not hasattr(Theirs.sign_in_here, "__wrapped__")


def test_the_traceback_retains_its_files_and_lines() -> None:
    error = raised(lambda: UserPool(**arguments(UserPool, "UserPool", user_pool_id="nonsense")))
    assert error is not None
    names, trace = [], error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "checked_user_pool_id"
