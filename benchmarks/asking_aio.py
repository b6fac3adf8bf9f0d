"""What `serving` runs where aiobotocore is: 20 tasks ask on one loop; prints the longest stall of it in ms."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from time import perf_counter

from aiobotocore.session import get_session

_TASKS = 20


async def watch(seen: list[float]) -> None:
    before = perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = perf_counter()
        seen.append(now - before - 0.001)
        before = now


async def ask() -> None:
    session = get_session()
    # What botocore itself does on the loop for any credentials comes first.
    session.get_component("credential_provider")
    session.full_config  # noqa: B018
    seen: list[float] = []
    watcher = asyncio.create_task(watch(seen))
    await asyncio.sleep(0.02)
    seen.clear()

    async def one() -> str:
        credentials = await session.get_credentials()
        return str((await credentials.get_frozen_credentials()).access_key)

    keys = {await task for task in [asyncio.create_task(one()) for _ in range(_TASKS)]}
    await asyncio.sleep(0.02)
    watcher.cancel()
    assert len(keys) == 1, keys
    sys.stdout.write(f"{max(seen) * 1000}\n")


def main() -> None:
    if "AWS_ACCESS_KEY_ID" not in os.environ:
        from botocore_cognito_federation import install

        install()
    gc.collect()
    gc.disable()
    asyncio.run(ask())


if __name__ == "__main__":
    main()
