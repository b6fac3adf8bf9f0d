"""What `outlets` runs in an environment with aiobotocore: how long the event loop is away, prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter, process_time

_TASKS, _EVERY = 20, 0.001


class _Away:
    """A task that wants to run every millisecond, and by how much it came late."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    async def watch(self) -> None:
        while True:
            wall, cpu = perf_counter(), process_time()
            await asyncio.sleep(_EVERY)
            self.wall = max(self.wall, perf_counter() - wall - _EVERY)
            self.cpu = max(self.cpu, process_time() - cpu)


async def _stalls() -> dict[str, float]:
    """Milliseconds that the loop was away at most while twenty tasks wait for the first credentials of a client.

    ``wall`` holds what other programs took from this one, ``cpu`` only what this process did meanwhile.
    """
    from aiobotocore.session import AioSession

    from botocore_cognito_federation import install

    install()
    async with AioSession(profile="demo-native").create_client("s3") as client:
        credentials = client._request_signer._credentials
        away = _Away()
        watching = asyncio.create_task(away.watch())
        await asyncio.sleep(2 * _EVERY)
        away.wall = away.cpu = 0.0
        await asyncio.gather(*(credentials.get_frozen_credentials() for _ in range(_TASKS)))
        await asyncio.sleep(2 * _EVERY)
        watching.cancel()
    return {"wall": away.wall * 1000, "cpu": away.cpu * 1000}


if __name__ == "__main__":
    json.dump(asyncio.run(_stalls()), sys.stdout)
