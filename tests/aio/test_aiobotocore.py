"""aiobotocore sessions have the provider: one fetch however many tasks, and the event loop is never blocked."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError

from botocore_cognito_federation._util.workers import in_thread
from botocore_cognito_federation.botocore_plugin.aio import AioRefreshableCognitoCredentials
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    TemporaryError,
    TokenRefreshError,
)

PROFILE = "demo-native"
AddProfile = Callable[..., None]


async def object_of(world: World, session: AioSession) -> bytes:
    async with session.create_client("s3") as s3:
        answer = await s3.get_object(Bucket=world.bucket, Key=world.object_key)
        async with answer["Body"] as stream:
            return bytes(await stream.read())


async def caller_of(session: AioSession) -> str:
    async with session.create_client("sts") as sts:
        return str((await sts.get_caller_identity())["Arn"])


def vended(world: World) -> int:
    return len(world.calls("GetCredentialsForIdentity"))


class LongestStall:
    """Return the longest time for which the loop was blocked, seen by a task that runs every millisecond."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __aenter__(self) -> LongestStall:
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0.01)
        self.seconds = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self.seconds = max(self.seconds, time.perf_counter() - before - 0.001)


def test_a_session_reads_an_object_with_the_profile_alone(world: World) -> None:
    assert asyncio.run(object_of(world, AioSession(profile=PROFILE)))
    assert vended(world) == 1


def test_twenty_tasks_make_one_fetch_and_the_loop_goes_on(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    async def main() -> tuple[list[Any], float]:
        session = AioSession(profile=PROFILE)
        credentials = await session.get_credentials()
        assert isinstance(credentials, AioRefreshableCognitoCredentials)
        async with LongestStall() as stall:
            frozen = await asyncio.gather(*(credentials.get_frozen_credentials() for _ in range(20)))
        return frozen, stall.seconds

    frozen, stall = asyncio.run(main())
    record_property("longest stall of the loop, ms", round(stall * 1000, 1))
    print(f"longest stall of the loop: {stall * 1000:.1f} ms")
    assert len({one.access_key for one in frozen}) == 1
    assert (vended(world), len(world.calls("GetId"))) == (1, 1)


def test_a_profile_without_an_identity_pool_has_credentials_of_its_role(world: World) -> None:
    assert asyncio.run(caller_of(AioSession(profile="web-identity"))).endswith("/DemoFederated/ada@example.com")
    assert (len(world.calls("AssumeRoleWithWebIdentity")), len(world.calls("GetId"))) == (1, 0)


def test_twenty_sessions_make_one_fetch(world: World) -> None:
    async def main() -> list[str]:
        return await asyncio.gather(*(caller_of(AioSession(profile=PROFILE)) for _ in range(20)))

    assert len(set(asyncio.run(main()))) == 1
    assert vended(world) == 1


def test_a_session_can_be_used_after_its_loop(world: World) -> None:
    session = AioSession(profile=PROFILE)
    assert asyncio.run(caller_of(session)) == asyncio.run(caller_of(session))
    assert vended(world) == 1


def test_a_role_chain_begins_with_our_credentials(world: World) -> None:
    arn = asyncio.run(caller_of(AioSession(profile="chained-native")))
    assert world.chained_role_arn.rpartition("/")[2] in arn
    assert vended(world) == 1


def test_a_profile_that_is_not_managed_is_left_to_the_others(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / ".aws" / "config"
    config.write_text(config.read_text() + "\n[profile plain]\nregion = eu-west-1\n")

    with pytest.raises(NoCredentialsError):
        asyncio.run(caller_of(AioSession(profile="plain")))
    assert world.calls("GetId") == []


def test_expired_credentials_are_renewed_once_by_many_tasks(world: World) -> None:
    world.credential_lifetime = 1

    async def main() -> int:
        credentials = await AioSession(profile=PROFILE).get_credentials()
        first = await credentials.get_frozen_credentials()
        await asyncio.sleep(1.2)
        world.credential_lifetime = 3600
        later = await asyncio.gather(*(credentials.get_frozen_credentials() for _ in range(20)))
        assert {one.access_key for one in later} != {first.access_key}
        return len({one.access_key for one in later})

    assert asyncio.run(main()) == 1
    assert vended(world) == 2


def test_tasks_get_what_is_still_valid_while_one_renews(world: World, add_profile: AddProfile, tmp_path: Path) -> None:
    world.credential_lifetime = 10
    add_profile("eager", cognito_token_file=str(tmp_path / "token"), cognito_refresh_window="3600")

    async def main() -> list[str]:
        credentials = await AioSession(profile="eager").get_credentials()
        first = await credentials.get_frozen_credentials()
        while not credentials.refresh_needed():
            await asyncio.sleep(0.05)
        world.fault("GetCredentialsForIdentity", delay=1.5)
        refreshing = asyncio.create_task(credentials.get_frozen_credentials())
        await asyncio.sleep(0)
        others = await asyncio.gather(*(credentials.get_frozen_credentials() for _ in range(20)))
        assert not refreshing.done()
        assert {one.access_key for one in others} == {first.access_key}
        return [first.access_key, (await refreshing).access_key]

    first, renewed = asyncio.run(main())
    assert first != renewed


def test_a_cancelled_task_does_not_take_the_renewal_from_the_others(world: World) -> None:
    world.fault("GetCredentialsForIdentity", delay=0.5)

    async def main() -> Any:
        credentials = await AioSession(profile=PROFILE).get_credentials()
        first = asyncio.create_task(credentials.get_frozen_credentials())
        await asyncio.sleep(0.05)
        second = asyncio.create_task(credentials.get_frozen_credentials())
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(main()).access_key
    assert vended(world) == 1


def test_a_failure_reaches_every_task_and_no_log_of_the_loop(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.fault("GetId", times=100, status=400, code="NotAuthorizedException", message="Invalid login token.")

    async def main() -> list[Any]:
        credentials = await AioSession(profile=PROFILE).get_credentials()
        outcomes = await asyncio.gather(
            *(credentials.get_frozen_credentials() for _ in range(20)), return_exceptions=True
        )
        waiting = asyncio.create_task(credentials.get_frozen_credentials())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0.5)
        return outcomes

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        outcomes = asyncio.run(main())
        gc.collect()
    assert all(isinstance(outcome, CognitoFederationError) for outcome in outcomes)
    assert "never retrieved" not in caplog.text


def test_a_managed_profile_that_is_wrong_ends_the_chain(world: World, add_profile: AddProfile) -> None:
    add_profile("wrong", cognito_provder="google")
    with pytest.raises(ConfigurationError, match="Write cognito_provider instead of cognito_provder"):
        asyncio.run(caller_of(AioSession(profile="wrong")))


HANDLER = """
import asyncio, time
from pathlib import Path
from aiobotocore.session import AioSession

here = Path(__file__).parent

async def coroutine():
    await asyncio.sleep(0)
    return {"token": (here / "token").read_text()}

async def calls_back():
    async with AioSession(profile="handled").create_client("sts") as sts:
        return (await sts.get_caller_identity())["Arn"]

def hangs():
    time.sleep(3600)
"""


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"aio_handlers_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(HANDLER)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_coroutine_handler_runs_next_to_the_loop_that_waits_for_it(
    world: World, add_profile: AddProfile, handlers: str
) -> None:
    add_profile("handled", cognito_refresh_handler=f"{handlers}:coroutine")
    assert asyncio.run(caller_of(AioSession(profile="handled")))


def test_a_handler_that_uses_its_own_profile_gets_an_error(
    world: World, add_profile: AddProfile, handlers: str
) -> None:
    add_profile("handled", cognito_refresh_handler=f"{handlers}:calls_back")
    with pytest.raises(TokenRefreshError, match="asks for the very credentials"):
        asyncio.run(caller_of(AioSession(profile="handled")))


def test_a_handler_that_hangs_does_not_hold_up_the_end_of_the_program(
    world: World, add_profile: AddProfile, handlers: str
) -> None:
    import subprocess

    add_profile("handled", cognito_refresh_handler=f"{handlers}:hangs")
    program = """
import asyncio
import botocore_cognito_federation
from aiobotocore.session import AioSession

botocore_cognito_federation.install()

async def main():
    credentials = await AioSession(profile="handled").get_credentials()
    try:
        await asyncio.wait_for(credentials.get_frozen_credentials(), 0.5)
    except asyncio.TimeoutError:
        print("gave up")

asyncio.run(main())
"""
    import os

    path = os.pathsep.join([sys.path[0], *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=45,
    )
    assert (done.returncode, done.stdout) == (0, "gave up\n"), done.stderr


def test_a_loop_that_is_closed_meanwhile_causes_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    gate, ended = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            gate.wait(20)
        finally:
            ended.set()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(in_thread(slow), 0.05)

    asyncio.run(main())
    gate.set()
    assert ended.wait(10)
    assert "Traceback" not in capsys.readouterr().err


def test_another_event_loop_than_asyncios_is_named_as_such() -> None:
    with pytest.raises(ConfigurationError, match="only asyncio"):
        in_thread(lambda: None).send(None)


def test_a_temporary_failure_while_credentials_are_usable_is_no_failure(
    world: World, add_profile: AddProfile, tmp_path: Path
) -> None:
    world.credential_lifetime = 10
    add_profile("eager", cognito_token_file=str(tmp_path / "token"), cognito_refresh_window="3600")

    async def main() -> bool:
        credentials = await AioSession(profile="eager").get_credentials()
        first = await credentials.get_frozen_credentials()
        while not credentials.refresh_needed():
            await asyncio.sleep(0.05)
        world.fault("GetCredentialsForIdentity", times=100, status=500, code="InternalErrorException")
        later = await asyncio.gather(*(credentials.get_frozen_credentials() for _ in range(20)))
        return {one.access_key for one in later} == {first.access_key}

    assert asyncio.run(main())
    assert TemporaryError.exit_code == 7
