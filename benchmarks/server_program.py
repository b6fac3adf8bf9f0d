"""What `server` runs: a server's users, in the way that its first argument names. Prints JSON.

``BENCHMARK_STUB`` is the address of the stub (`stub.py`); the second argument is the number of users.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import stub

_POOL, _LOGIN = "eu-west-1:11111111-2222-3333-4444-555555555555", "login.example.com"
_CALLS, _THREADS = 3000, 8
#: Seconds between two times that the event loop is looked at.
_EVERY = 0.001
Call = Callable[[int], str]


def _memory() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _endpoint() -> str:
    return os.environ["BENCHMARK_STUB"]


def _owner(client: Any) -> str:
    return str(client.list_buckets()["Owner"]["ID"])


def _s3(session: Any, **keys: str) -> Any:
    return session.client("s3", region_name="eu-west-1", endpoint_url=_endpoint(), **keys)


def one_client(users: int) -> tuple[Call, Callable[[], None]]:
    """`FederatedUsers`: one client for all."""
    from botocore_cognito_federation import FederatedUsers

    crowd = FederatedUsers(_POOL, endpoint_url=_endpoint())
    s3, signed_in = _s3(crowd.session()), []

    def prepare() -> None:
        for number in range(users):
            user = crowd.federation()
            user.federated_sign_in(_LOGIN, stub.token(str(number)))
            signed_in.append(user)

    def call(number: int) -> str:
        with crowd.acting_as(signed_in[number]):
            return _owner(s3)

    return call, prepare


def client_each(users: int) -> tuple[Call, Callable[[], None]]:
    """`CognitoFederation`: a session and a client for each user."""
    from botocore_cognito_federation import CognitoFederation

    clients = []

    def prepare() -> None:
        for number in range(users):
            user = CognitoFederation(_POOL, endpoint_url=_endpoint())
            user.federated_sign_in(_LOGIN, stub.token(str(number)))
            clients.append((user, _s3(user.session())))

    return (lambda number: _owner(clients[number][1])), prepare


def by_hand(users: int) -> tuple[Call, Callable[[], None]]:
    """boto3 alone: one session, and for each user two requests to Cognito and a client with the keys; never renewed."""
    import boto3

    cognito, session, clients = _cognito(), boto3.Session(), []

    def prepare() -> None:
        for number in range(users):
            keys = _keys(cognito, number)
            names = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretKey"}
            names["aws_session_token"] = "SessionToken"
            clients.append(_s3(session, **{name: keys[key] for name, key in names.items()}))

    return (lambda number: _owner(clients[number])), prepare


def refreshable(users: int) -> tuple[Call, Callable[[], None]]:
    """boto3-refresh-session: a session and a client for each user, renewed by a function of the program."""
    from boto3_refresh_session import RefreshableSession

    cognito, clients = _cognito(), []

    def fetch(number: int) -> dict[str, str]:
        keys = _keys(cognito, number)
        expiry = keys["Expiration"].isoformat()
        found = {"access_key": keys["AccessKeyId"], "secret_key": keys["SecretKey"], "token": keys["SessionToken"]}
        return {**found, "expiry_time": expiry}

    def prepare() -> None:
        for number in range(users):
            session = RefreshableSession(
                method="custom", custom_credentials_method=fetch, custom_credentials_method_args={"number": number}
            )
            clients.append(_s3(session))

    return (lambda number: _owner(clients[number])), prepare


def _cognito() -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    unsigned = Config(signature_version=UNSIGNED)
    return boto3.client("cognito-identity", region_name="eu-west-1", endpoint_url=_endpoint(), config=unsigned)


def _keys(cognito: Any, number: int) -> Any:
    logins = {_LOGIN: stub.token(str(number))}
    identity = cognito.get_id(IdentityPoolId=_POOL, Logins=logins)["IdentityId"]
    return cognito.get_credentials_for_identity(IdentityId=identity, Logins=logins)["Credentials"]


def _one_after_the_other(call: Call, users: int) -> dict[str, float]:
    chosen, times, wrong = random.Random(1), [], 0
    cpu = process_time()
    for _ in range(_CALLS):
        number = chosen.randrange(users)
        start = perf_counter()
        owner = call(number)
        times.append((perf_counter() - start) * 1000)
        wrong += owner != stub.access_key(str(number))
    cuts = quantiles(times, n=100)
    return {"p50": cuts[49], "p99": cuts[98], "cpu": (process_time() - cpu) / _CALLS * 1000, "wrong": wrong}


def _at_once(call: Call, users: int) -> dict[str, float]:
    chosen = [random.Random(2).randrange(users) for _ in range(_CALLS)]
    start = perf_counter()
    with ThreadPoolExecutor(_THREADS) as threads:
        owners = list(threads.map(call, chosen))
    wrong = sum(owner != stub.access_key(str(number)) for owner, number in zip(owners, chosen, strict=True))
    return {"per_second": _CALLS / (perf_counter() - start), "wrong_at_once": wrong}


def measured(way: Callable[[int], tuple[Call, Callable[[], None]]], users: int) -> dict[str, float]:
    """Sign all users in, and make requests as them."""
    warm_call, warm = way(2)
    warm()
    warm_call(1)
    gc.collect()
    gc.freeze()  # From here on `gc.get_objects` has what is new.
    call, prepare = way(users)
    before, cpu = _memory(), process_time()
    prepare()
    for number in range(users):
        call(number)
    found = {"sign_in_cpu": (process_time() - cpu) / users * 1000, "kb": (_memory() - before) / users / 1000}
    found |= {**_one_after_the_other(call, users), "threads": threading.active_count()}
    found |= _at_once(call, users)
    clients = [each for each in gc.get_objects() if type(each).__name__ == "S3"]
    return {**found, "clients": len(clients)}


class _Away:
    """A task that wants to run every millisecond, how late it came, and what this process did meanwhile (CPU)."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.cpu: list[float] = []

    async def watch(self) -> None:
        while True:
            start, cpu = perf_counter(), process_time()
            await asyncio.sleep(_EVERY)
            self.late.append((perf_counter() - start - _EVERY) * 1000)
            self.cpu.append((process_time() - cpu) * 1000)


async def _signing_in(sign_in: Callable[[int], Any], users: int) -> dict[str, float]:
    for number in range(3):
        await sign_in(users + number)
    away = _Away()
    watching = asyncio.create_task(away.watch())
    await asyncio.sleep(0.01)
    away.late.clear()
    away.cpu.clear()
    start, cpu = perf_counter(), process_time()
    await asyncio.gather(*(sign_in(number) for number in range(users)))
    seconds = perf_counter() - start
    watching.cancel()
    late, own = sorted(away.late), sorted(away.cpu)
    found = {"seconds": seconds, "cpu": (process_time() - cpu) / users * 1000, "threads": threading.active_count()}
    found |= {"stall": late[-1], "stall_p99": late[len(late) * 99 // 100]}
    return {**found, "stall_cpu": own[-1], "stall_cpu_p99": own[len(own) * 99 // 100]}


async def loop(users: int) -> dict[str, float]:
    """`AsyncCognitoFederation`: all users sign in at once, in one event loop."""
    from botocore_cognito_federation import AsyncCognitoFederation, FederatedUsers

    crowd = FederatedUsers(_POOL, endpoint_url=_endpoint())
    signed_in = []

    async def sign_in(number: int) -> None:
        user = AsyncCognitoFederation.of(crowd.federation())
        await user.federated_sign_in(_LOGIN, stub.token(str(number)))
        signed_in.append(user)

    return await _signing_in(sign_in, users)


async def bare_loop(users: int) -> dict[str, float]:
    """aiobotocore alone: the same two requests for each user by one client, and nothing else."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
    from botocore import UNSIGNED

    config = AioConfig(signature_version=UNSIGNED, max_pool_connections=users)
    options = {"region_name": "eu-west-1", "endpoint_url": _endpoint(), "config": config}
    async with AioSession().create_client("cognito-identity", **options) as cognito:

        async def sign_in(number: int) -> None:
            logins = {_LOGIN: stub.token(str(number))}
            identity = (await cognito.get_id(IdentityPoolId=_POOL, Logins=logins))["IdentityId"]
            await cognito.get_credentials_for_identity(IdentityId=identity, Logins=logins)

        return await _signing_in(sign_in, users)


WAYS: dict[str, Callable[[int], tuple[Call, Callable[[], None]]]] = {
    "one": one_client,
    "each": client_each,
    "hand": by_hand,
    "refreshable": refreshable,
}
LOOPS: dict[str, Callable[[int], Any]] = {"loop": loop, "bare-loop": bare_loop}

if __name__ == "__main__":
    _way, _users = sys.argv[1], int(sys.argv[2])
    _found = asyncio.run(LOOPS[_way](_users)) if _way in LOOPS else measured(WAYS[_way], _users)
    json.dump(_found, sys.stdout)
