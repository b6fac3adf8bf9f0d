"""What `outlets` runs: a thousand clients that ask the endpoint of ``serve`` at the same moment, prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from time import perf_counter
from urllib.parse import urlsplit

_CLIENTS = 1000
#: Seconds after which a client counts as dropped.
_PATIENCE = 30.0


async def _answered(host: str, port: int, request: bytes) -> float | None:
    """Seconds until the answer; None where there was none."""
    start = perf_counter()
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
    except OSError:
        return None
    return perf_counter() - start if answer.startswith(b"HTTP/1.1 200 ") else None


async def _crowd() -> dict[str, float]:
    parts = urlsplit(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    host, port, token = parts.hostname or "", parts.port or 0, os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {token}\r\n\r\n".encode()
    waiting = (asyncio.wait_for(_answered(host, port, request), _PATIENCE) for _ in range(_CLIENTS))
    told = await asyncio.gather(*waiting, return_exceptions=True)
    seconds = sorted(each for each in told if isinstance(each, float))
    return {"dropped": _CLIENTS - len(seconds), "p99": seconds[len(seconds) * 99 // 100] if seconds else _PATIENCE}


if __name__ == "__main__":
    if sys.platform != "win32":
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    json.dump(asyncio.run(_crowd()), sys.stdout)
