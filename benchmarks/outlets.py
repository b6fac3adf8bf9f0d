"""Rows about those who wait in a running program: who asks the endpoint, and an event loop."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

from .laboratory import Laboratory
from .measuring import Spread, Unmeasurable
from .rows import Row

_ASKED, _LOOPS, _CROWDS = 400, 9, 5
_PROGRAM = Path(__file__).with_name("aio_program.py")
_CROWD = Path(__file__).with_name("crowd_program.py")
_URL, _TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"


def rows(laboratory: Laboratory) -> list[Row]:
    return [*_endpoint(laboratory), *_loop(laboratory)]


def _endpoint(laboratory: Laboratory) -> list[Row]:
    """A new connection each time, as SDKs ask."""
    with _serving(laboratory) as variables:
        times = sorted(_asked(variables) * 1000 for _ in range(_ASKED))
        at = Spread.of(times)
        crowds = [_crowd(laboratory, variables) for _ in range(_CROWDS)]
    slowest = Spread.of([crowd["p99"] for crowd in crowds])
    dropped = [crowd["dropped"] for crowd in crowds]
    return [
        Row("endpoint.median", at.median, spread=(at.low, at.high)),
        Row("endpoint.most", times[_ASKED * 95 // 100]),
        Row("crowd.dropped", max(dropped), spread=(min(dropped), max(dropped))),
        Row("crowd.p99", slowest.median, spread=(slowest.low, slowest.high)),
    ]


def _crowd(laboratory: Laboratory, variables: dict[str, str]) -> dict[str, float]:
    environment = {**laboratory.environment, **variables}
    told = subprocess.run([laboratory.python, _CROWD], env=environment, capture_output=True, text=True, timeout=120)
    if told.returncode:
        raise Unmeasurable(f"the crowd: {told.stderr[-300:]}")
    found: dict[str, float] = json.loads(told.stdout)
    return found


@contextmanager
def _serving(laboratory: Laboratory) -> Iterator[dict[str, str]]:
    command = [str(laboratory.bin / "cognito-federation"), "serve", "--profile", "demo", "--format", "env-no-export"]
    server = subprocess.Popen(command, env=laboratory.environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = {}
        while not {_URL, _TOKEN} <= found.keys():
            name, separator, value = server.stdout.readline().strip().partition("=")
            if not separator:
                raise Unmeasurable("serve printed no variables")
            found[name] = value
        yield found
    finally:
        server.terminate()
        server.wait()


def _asked(variables: dict[str, str]) -> float:
    parts = urlsplit(variables[_URL])
    start = perf_counter()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", parts.path, headers={"Authorization": variables[_TOKEN]})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise Unmeasurable(f"serve answered {answer.status}")
    return perf_counter() - start


def _loop(laboratory: Laboratory) -> list[Row]:
    """Fresh processes without a cache: the client is there, its credentials are not."""
    python = laboratory.installer.python("benchmarks-aio", "aiobotocore", project=True) / "python"
    cache = laboratory.scratch / "aio-cache"
    environment = {**laboratory.environment, "COGNITO_FEDERATION_CACHE_DIR": os.fspath(cache)}
    told: list[dict[str, float]] = []
    for _ in range(_LOOPS):
        shutil.rmtree(cache, ignore_errors=True)
        done = subprocess.run([python, _PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Unmeasurable(f"aiobotocore: {done.stderr[-300:]}")
        told.append(json.loads(done.stdout))
    wall, cpu = (Spread.of([each[name] for each in told]) for name in ("wall", "cpu"))
    return [
        Row("loop.wall", wall.median, spread=(wall.low, wall.high)),
        Row("loop.cpu", cpu.median, spread=(cpu.low, cpu.high)),
    ]
