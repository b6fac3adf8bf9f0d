"""Rows about what serves credentials to others while they run: the container endpoint, and an asyncio loop."""

from __future__ import annotations

import http.client
import shlex
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.rooms import Unavailable

from .laboratory import Laboratory
from .measuring import Spread, Unmeasurable
from .rows import Row

_ASKING = Path(__file__).with_name("asking_aio.py")
_REQUESTS, _REPEATS = 300, 9
_LINES = 4  # of shell that `serve` prints
_KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


def endpoint(laboratory: Laboratory) -> list[Row]:
    """A connection and a request each, as an SDK asks."""
    command = [*laboratory.helper[:1], "serve", "--profile", "demo"]
    with subprocess.Popen(
        command, env=laboratory.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            words = [shlex.split(serving.stdout.readline()) for _ in range(_LINES)]
            variables = dict(word[1].split("=", 1) for word in words)
            told = [_answered(variables) * 1000 for _ in range(_REQUESTS)]
        except (IndexError, KeyError, ValueError) as error:
            raise Unmeasurable(f"serve: {error}") from None
        finally:
            serving.terminate()
    at = Spread.of(told)
    slowest = sorted(told)[_REQUESTS * 99 // 100]
    return [Row("endpoint.median", at.median, spread=(at.low, at.high)), Row("endpoint.slowest", slowest)]


def _answered(variables: dict[str, str]) -> float:
    """Seconds to an answer."""
    address = urlsplit(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    headers = {"Authorization": variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
    start = time.perf_counter()
    connection = http.client.HTTPConnection(address.netloc, timeout=30)
    connection.request("GET", address.path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - start
    connection.close()
    if answer.status != 200 or b"AccessKeyId" not in body:
        raise Unmeasurable(f"the endpoint answered {answer.status}")
    return seconds


def loop(laboratory: Laboratory) -> list[Row]:
    """The longest stall of a loop, in fresh processes with nothing kept; and with static keys, for comparison."""
    try:
        python = str(laboratory.rooms.python("benchmarks-aio", "aiobotocore", project=True) / "python")
    except Unavailable as reason:
        return [Row("aio.stall", why=str(reason))]
    native = {**laboratory.environment, "AWS_PROFILE": "demo-native"}
    found: dict[str, list[float]] = {"aio.stall": [], "aio.static": []}
    for _ in range(_REPEATS):
        laboratory.forget()
        found["aio.stall"].append(_stall(python, native))
        found["aio.static"].append(_stall(python, {**laboratory.environment, **_KEYS}))
    laboratory.warm()
    spreads = {key: Spread.of(values) for key, values in found.items()}
    return [Row(key, at.median, spread=(at.low, at.high)) for key, at in spreads.items()]


def _stall(python: str, environment: dict[str, str]) -> float:
    told = subprocess.run([python, str(_ASKING)], env=environment, capture_output=True, text=True, timeout=120)
    if told.returncode:
        raise Unmeasurable(f"asyncio: {told.stderr[-300:]}")
    return float(told.stdout)
