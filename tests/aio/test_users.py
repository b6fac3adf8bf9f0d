"""One asynchronous client for many users: tasks and generators keep them apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from botocore_cognito_federation import AsyncCognitoFederation, CognitoFederation, FederatedUsers, NotSignedInError
from botocore_cognito_federation.demo import World


class App:
    """Users, and what tells for whom a request was signed."""

    def __init__(self, world: World) -> None:
        self.world, self.users = world, FederatedUsers(world.pool_id)
        self.names: dict[str, str] = {}

    def sign_in(self, name: str) -> CognitoFederation:
        user = self.users.federation()
        credentials = user.federated_sign_in(self.world.provider.login_key, self.world.provider.issue(name))
        self.names[credentials.access_key] = name
        return user

    async def caller(self, sts: Any) -> str:
        """Return the user for whom a request is signed."""
        assert (await sts.get_caller_identity())["Arn"]
        url = await sts.generate_presigned_url("get_caller_identity")
        return self.names[url.split("X-Amz-Credential=")[1].split("%2F")[0]]


@pytest.fixture
def app(world: World) -> App:
    return App(world)


def test_tasks_of_many_users_share_a_client_and_no_request_is_signed_for_another(app: App) -> None:
    users = {name: app.sign_in(name) for name in map("user-{}".format, range(20))}

    async def task(sts: Any, name: str) -> tuple[str, list[str]]:
        with app.users.acting_as(users[name]):
            seen = [await app.caller(sts)]
            await asyncio.sleep(0)
            inner = asyncio.create_task(app.caller(sts))
            return name, [*seen, await app.caller(sts), await inner]

    async def work() -> list[tuple[str, list[str]]]:
        async with app.users.aio_session().create_client("sts") as sts:
            return await asyncio.gather(*(task(sts, name) for name in users))

    for name, seen in asyncio.run(work()):
        assert seen == [name] * 3
    assert {app.names[call.access_key] for call in app.world.calls("GetCallerIdentity")} == users.keys()


def test_asynchronous_generators_of_two_users_that_take_turns_do_not_mix(app: App) -> None:
    async def callers(sts: Any, user: CognitoFederation) -> AsyncIterator[str]:
        with app.users.acting_as(user):
            while True:
                yield await app.caller(sts)

    async def work() -> list[str]:
        async with app.users.aio_session().create_client("sts") as sts:
            turns = [callers(sts, app.sign_in(name)) for name in ("ada", "bob")]
            seen = [await anext(each) for _ in range(3) for each in turns]
            with pytest.raises(NotSignedInError, match="suspended"):
                await app.caller(sts)
            with pytest.raises(NotSignedInError, match="cannot tell"):
                await asyncio.create_task(app.caller(sts))
            for each in turns:
                await each.aclose()  # type: ignore[attr-defined]
            with pytest.raises(NotSignedInError, match="acts for no user"):
                await app.caller(sts)
            return seen

    assert asyncio.run(work()) == ["ada", "bob"] * 3


def test_clients_of_one_federation_use_and_renew_its_credentials(world: World) -> None:
    async def work() -> str:
        user = AsyncCognitoFederation(world.pool_id)
        await user.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
        async with user.aio_session().create_client("sts") as sts:
            return str((await sts.get_caller_identity())["Arn"])

    assert "assumed-role" in asyncio.run(work())
