"""Servers of the engines that a shared cache may be in: real ones of this machine, on loopback, at ephemeral ports.

They are started once for each process that runs tests, and found by its children through a variable.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=Path("/none"))
#: Whether this machine has the servers; continuous integration installs them.
HAS_REDIS, HAS_POSTGRES = shutil.which("redis-server") is not None, (POSTGRES / "postgres").exists()
KEY = bytes(range(32))


class Server:
    """A server that tests may kill and start again.

    Args:
        argv: its command.
        answers: whether it answers.
        user: whose process it is; by default this user's.
    """

    def __init__(self, argv: list[str], answers: Callable[[], bool], *, user: str | None = None) -> None:
        self._argv, self._answers, self._user = argv, answers, user
        self.start()
        atexit.register(self.kill)

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._argv,
            user=self._user,
            cwd="/",
            env={**os.environ, "HOME": "/"},  # Tests end what runs in their home; another test may need this server.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(3000):
            if self._answers():
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self._argv[0]} did not start")

    def kill(self) -> None:
        """Kill the server with its children.

        A child of PostgreSQL leads a process group of its own. While one lives, the next server does not start, and a
        busy one does not notice that its server is gone. A server that is stopped has no further child.
        """
        if self._process.poll() is not None:
            return
        server = psutil.Process(self._process.pid)
        server.suspend()
        children = server.children(recursive=True)
        self._process.kill()
        self._process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def redis_server(*options: str) -> tuple[Server, int]:
    """Start a Redis, which appends its writes to a file unless the options say otherwise; return it and its port."""
    port, place = free_port(), tempfile.mkdtemp(prefix="redis-")

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        return False

    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", place, "--save", ""]
    return Server([*argv, "--appendonly", "yes", "--appendfsync", "always", *options], answers), port


@functools.cache
def redis_port() -> int:
    if "BCF_TEST_REDIS" not in os.environ:
        os.environ["BCF_TEST_REDIS"] = str(redis_server()[1])
    return int(os.environ["BCF_TEST_REDIS"])


def redis_cache(prefix: str, port: int | None = None, **options: Any) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from botocore_cognito_federation.cache.redis import RedisCache

    client = redis.Redis(
        port=port or redis_port(), socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    return RedisCache(client, prefix=prefix, **{"encryption_keys": [KEY], "lock_seconds": 1.0, **options})


def postgres_server() -> tuple[Server, str]:
    """Start a PostgreSQL; return it and its connection string."""
    import psycopg

    port, place = free_port(), Path(tempfile.mkdtemp(prefix="postgres-"))
    user = "postgres" if os.getuid() == 0 else None  # It refuses to run as root.
    if user is not None:
        os.chown(place, pwd.getpwnam(user).pw_uid, -1)
    initdb = [str(POSTGRES / "initdb"), "-D", str(place), "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd="/")
    rules = place / "pg_hba.conf"
    rules.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    address = f"host=127.0.0.1 port={port} user=tests dbname=postgres connect_timeout=2"

    def answers() -> bool:
        with contextlib.suppress(psycopg.Error), psycopg.connect(address):
            return True
        return False

    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    return Server([str(POSTGRES / "postgres"), "-D", str(place), *settings], answers, user=user), address


@functools.cache
def postgres_address() -> str:
    if "BCF_TEST_POSTGRES" not in os.environ:
        os.environ["BCF_TEST_POSTGRES"] = postgres_server()[1]
    return os.environ["BCF_TEST_POSTGRES"]


@functools.cache
def _pool(address: str, timeout: float) -> Any:
    import psycopg_pool

    return psycopg_pool.ConnectionPool(address, min_size=0, max_size=4, timeout=timeout, open=True)


def postgres_cache(table: str, address: str | None = None, **options: Any) -> Any:
    """Return a cache on the server at an address, or on the one that tests share.

    The shared server always answers, though late on a busy machine. Others are taken down, and tests wait for that.
    """
    from botocore_cognito_federation.cache.postgres import PostgresCache

    pool = _pool(address, 0.3) if address else _pool(postgres_address(), 2.0)
    return PostgresCache(pool, table=table, **{"encryption_keys": [KEY], **options})


#: Passes connections on. It is killed where a test takes DynamoDB away, because moto stores nothing on a disk.
_RELAY = """
import asyncio, sys
async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def relay(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
async def main():
    async with await asyncio.start_server(relay, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()
asyncio.run(main())
"""


def _takes_connections(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@functools.cache
def dynamodb_port() -> int:
    if "BCF_TEST_DYNAMODB" not in os.environ:
        port = free_port()
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        Server(argv, lambda: _takes_connections(port))
        os.environ["BCF_TEST_DYNAMODB"] = str(port)
    return int(os.environ["BCF_TEST_DYNAMODB"])


def dynamodb_relay() -> tuple[Server, int]:
    """Start a way to DynamoDB that can be taken away; return it and its port."""
    port = free_port()
    argv = [sys.executable, "-c", _RELAY, str(port), str(dynamodb_port())]
    return Server(argv, lambda: _takes_connections(port)), port


@functools.cache
def _dynamodb(port: int) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-west-1",
        aws_access_key_id="tests",
        aws_secret_access_key="tests",
        config=Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1}),
    )


def dynamodb_cache(table: str, port: int | None = None, **options: Any) -> Any:
    from botocore_cognito_federation.cache.dynamodb import DynamoDBCache

    client = _dynamodb(port or dynamodb_port())
    return DynamoDBCache(client, table=table, **{"encryption_keys": [KEY], "lock_seconds": 1.0, **options})
