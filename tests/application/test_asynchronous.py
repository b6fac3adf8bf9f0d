"""The asynchronous classes have the same members, to be awaited, and do not block the event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

from botocore_cognito_federation import (
    AsyncCognitoFederation,
    AsyncUserPool,
    CognitoFederation,
    ConfigurationError,
    FederatedUsers,
    NotSignedInError,
    UserPool,
)
from botocore_cognito_federation._util.workers import Workers
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Time


def public(cls: type) -> dict[str, Any]:
    return {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("asynchronous", "blocking", "others", "missing"),
    [
        (
            AsyncCognitoFederation,
            CognitoFederation,
            {"aio_session", "handle", "of", "on", "resume"},
            {"botocore_session", "install", "refresh_handlers", "session"},
        ),
        (AsyncUserPool, UserPool, {"user_pool_id"}, set()),
    ],
)
def test_every_member_that_may_block_has_a_counterpart_to_be_awaited(
    asynchronous: type, blocking: type, others: set[str], missing: set[str]
) -> None:
    mine, theirs = public(asynchronous), public(blocking)
    assert mine.keys() - others == theirs.keys() - others - missing
    for name in mine.keys() - others:
        assert inspect.iscoroutinefunction(mine[name]), name
        parameters = inspect.signature(mine[name]).parameters, inspect.signature(theirs[name]).parameters
        assert [*parameters[0]] == [*parameters[1]], name


def signed_in(world: World, clock: Time, name: str = "ada", handler: Any = None) -> AsyncCognitoFederation:
    handlers = {world.provider.login_key: handler} if handler else None
    return AsyncCognitoFederation(world.pool_id, clock=clock.library_clock, refresh_handlers=handlers)


@pytest.mark.thorough
def test_many_users_sign_in_at_once_in_few_threads(world: World) -> None:
    most = 0

    async def count() -> None:
        nonlocal most
        while True:
            mine = [each for each in threading.enumerate() if each.name == "cognito-federation worker"]
            most = max(most, len(mine))
            await asyncio.sleep(0.001)

    async def work() -> list[str]:
        counting = asyncio.create_task(count())
        users = [AsyncCognitoFederation(world.pool_id) for _ in range(120)]
        provider = world.provider
        answers = await asyncio.gather(
            *(user.federated_sign_in(provider.login_key, provider.issue(f"u{n}")) for n, user in enumerate(users))
        )
        counting.cancel()
        return [each.identity_id for each in answers]

    assert len(set(asyncio.run(work()))) == 120
    assert 1 < most <= 48


def test_the_event_loop_runs_while_a_call_blocks_and_tasks_of_one_user_ask_once(world: World, clock: Time) -> None:
    called = 0
    was_running = threading.Event()

    def handler() -> str:
        nonlocal called
        called += 1
        assert was_running.wait(30), "the event loop was blocked"
        return world.provider.issue("ada")

    async def work() -> set[str]:
        user = signed_in(world, clock, handler=handler)
        await user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
        clock.pass_by(4000)
        tasks = [asyncio.create_task(user.current_credentials()) for _ in range(100)]
        while not called:
            await asyncio.sleep(0.001)
        was_running.set()
        return {each.access_key for each in await asyncio.gather(*tasks)}

    assert (len(asyncio.run(work())), called) == (1, 1)


def test_a_coroutine_handler_runs_in_the_event_loop_of_the_program(world: World, clock: Time) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def handler() -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return world.provider.issue("ada")

    async def work() -> asyncio.AbstractEventLoop:
        user = signed_in(world, clock, handler=handler)
        await user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
        clock.pass_by(4000)
        await user.current_credentials()
        return asyncio.get_running_loop()

    assert [asyncio.run(work())] == loops


def test_a_cancelled_call_is_finished_and_the_next_one_has_its_result(world: World, clock: Time) -> None:
    called = 0
    goes_on = threading.Event()

    def handler() -> str:
        nonlocal called
        called += 1
        assert goes_on.wait(30)
        return world.provider.issue("ada")

    async def work() -> None:
        user = signed_in(world, clock, handler=handler)
        await user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
        clock.pass_by(4000)
        asking = asyncio.create_task(user.current_credentials())
        while not called:
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        goes_on.set()
        await user.current_credentials()

    asyncio.run(work())
    assert called == 1


def test_after_a_sign_out_no_task_gets_credentials(world: World, clock: Time) -> None:
    async def work() -> None:
        user = signed_in(world, clock)
        await user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
        asking = asyncio.create_task(user.current_credentials())
        await user.sign_out()
        await asyncio.wait({asking})
        with pytest.raises(NotSignedInError):
            await user.current_credentials()
        with pytest.raises(NotSignedInError):
            await user.current_authenticated_user()

    asyncio.run(work())


def test_a_user_of_many_has_an_asynchronous_counterpart(world: World) -> None:
    users = FederatedUsers(world.pool_id)
    sts = users.session().client("sts", endpoint_url=world.endpoint_url)

    async def work() -> str:
        user = AsyncCognitoFederation.of(users.federation())
        await user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
        assert (await AsyncCognitoFederation.resume(users, user.handle)).blocking is user.blocking
        with users.acting_as(user):
            found: str = (await asyncio.to_thread(sts.get_caller_identity))["Arn"]
        return found

    assert "assumed-role" in asyncio.run(work())
    with pytest.raises(ConfigurationError, match=r"AsyncCognitoFederation\.of"):
        AsyncCognitoFederation.of("handle")  # type: ignore[arg-type]  # the subject of the test


def test_threads_without_work_end_and_new_ones_start() -> None:
    workers, done = Workers(most=2, idle=0.01), []
    for number in range(20):
        workers.submit(lambda number=number: done.append(number))
    while len(done) < 20 or workers._threads:
        threading.Event().wait(0.005)
    assert sorted(done) == list(range(20))
    again = threading.Event()
    workers.submit(again.set)
    assert again.wait(30)
