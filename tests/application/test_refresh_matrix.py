"""Every case of a renewal: the state of the login token and of the AWS credentials, and the refresh handler's answer.

`expected` is the contract of docs/python.md and the design page; the cases are all combinations.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from botocore_cognito_federation import (
    CognitoFederation,
    CognitoFederationError,
    NonRetryableError,
    TemporaryError,
    TokenRefreshError,
)
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.login_tokens.handler import HandlerTokenProvider
from tests.application.conftest import Maker, Time

pytestmark = pytest.mark.thorough

#: Seconds since the sign-in: 40 min left, then less than botocore's advisory 15 and mandatory 10, then none.
CREDENTIALS = {"fresh": 1200, "advisory": 2760, "mandatory": 3120, "expired": 3700}
#: Seconds that the login token is then still valid. "Near" is less than the 120 s before expiry at which it is renewed.
TOKENS = {"valid": 3000, "near": 60, "expired": -1000}
ANSWERS = ("a new token", "transient", "definitive", "a bug", "the same token", "an expired token", "nothing", "hangs")
CASES = list(itertools.product(CREDENTIALS, TOKENS, ANSWERS))


@dataclass(frozen=True)
class Outcome:
    """The result that a caller of `current_credentials` sees.

    Attributes:
        handler: calls of the refresh handler.
        exchanges: successful calls of GetCredentialsForIdentity.
        gives: ``the old`` credentials, ``new`` ones, or the error that is raised.
    """

    handler: int
    exchanges: int
    gives: str | type[CognitoFederationError]


def expected(credentials: str, token: str, answer: str) -> Outcome:
    """The contract."""
    if credentials == "fresh":
        return Outcome(0, 0, "the old")
    if token == "valid":
        return Outcome(0, 1, "new")
    usable = credentials != "expired"
    if answer == "a new token" or (answer == "the same token" and token == "near"):
        return Outcome(1, 1, "new")
    if answer in ("transient", "hangs"):
        # Network errors are tried seven times, but once while credentials are usable; a hanging handler is called once.
        calls = 7 if answer == "transient" and not usable else 1
        if token == "near":
            return Outcome(calls, 1, "new")  # the present token is still valid
        return Outcome(calls, 0, "the old" if usable else TemporaryError)
    if answer == "definitive":
        return Outcome(1, 0, NonRetryableError)
    return Outcome(1, 0, "the old" if usable else TokenRefreshError)


class Handler:
    """A refresh handler that does one of `ANSWERS`."""

    def __init__(self, world: World, answer: str) -> None:
        self.world, self.answer = world, answer
        self.calls = 0
        self.given = ""
        self.let_go = threading.Event()

    def sync(self) -> object:
        self.calls += 1
        if self.answer == "hangs":
            self.let_go.wait(60)
        return self.answered()

    async def coroutine(self) -> object:
        self.calls += 1
        if self.answer == "hangs":
            await asyncio.Event().wait()
        return self.answered()

    def answered(self) -> object:
        failures = {
            "transient": ConnectionError("no route"),
            "definitive": NonRetryableError("the grant is over"),
            "a bug": KeyError("token"),
        }
        if self.answer in failures:
            raise failures[self.answer]
        if self.answer == "nothing":
            return None
        if self.answer == "the same token":
            return self.given
        return self.world.provider.issue("ada", lifetime=-1000 if self.answer == "an expired token" else 3600)


@pytest.fixture
def handler_of(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Handler]]:
    made: list[Handler] = []

    def make_handler(answer: str) -> Handler:
        if answer == "hangs":
            impatient = partial(HandlerTokenProvider, time_limit=0.4)
            monkeypatch.setattr(
                "botocore_cognito_federation.application.token_provider.HandlerTokenProvider", impatient
            )
        made.append(Handler(world, answer))
        return made[-1]

    yield make_handler
    for handler in made:
        handler.let_go.set()


def gives(federation: CognitoFederation, before: object) -> str | type[CognitoFederationError]:
    try:
        after = federation.current_credentials()
    except CognitoFederationError as error:
        return type(error)
    return "the old" if after == before else "new"


@pytest.mark.parametrize("kind", ["sync", "coroutine"])
@pytest.mark.parametrize(("credentials", "token", "answer"), CASES, ids=[", ".join(case) for case in CASES])
def test_a_renewal_makes_just_the_calls_of_the_contract_and_never_signs_the_user_out(
    world: World,
    make: Maker,
    clock: Time,
    handler_of: Callable[[str], Handler],
    credentials: str,
    token: str,
    answer: str,
    kind: str,
) -> None:
    handler = handler_of(answer)
    federation = make(refresh_handlers={world.provider.login_key: getattr(handler, kind)})
    elapsed = CREDENTIALS[credentials]
    handler.given = world.provider.issue("ada", lifetime=elapsed + TOKENS[token])
    before = federation.federated_sign_in(world.provider.login_key, handler.given)
    world.reset_journal()
    clock.pass_by(elapsed)

    seen = gives(federation, before)
    outcome = Outcome(handler.calls, len(world.calls("GetCredentialsForIdentity")), seen)

    assert outcome == expected(credentials, token, answer)
    assert world.calls("GetId") == []
    assert federation.current_authenticated_user()["id"] == before.identity_id
    if seen == "the old":  # the next callers, clients included, get the same without a further call
        signing = federation.botocore_session().get_credentials().get_frozen_credentials()
        assert (gives(federation, before), signing.access_key) == ("the old", before.access_key)
        assert handler.calls == outcome.handler

    # Nothing was deleted: with a handler that works, the same user goes on.
    handler.let_go.set()
    federation.refresh_handlers[world.provider.login_key] = partial(world.provider.issue, "ada")
    clock.pass_by(4000)
    assert federation.current_credentials().identity_id == before.identity_id
