"""Fleets: hosts that share the sign-ins of two users on engines, and all that these engines have stored."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from botocore_cognito_federation.cache.base import CREDENTIALS, FAILURES, IDENTITIES, NOTES, SESSIONS
from botocore_cognito_federation.cache.sessions import Sessions
from botocore_cognito_federation.cache.shared import SharedStore
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import StorageError
from tests.cache import engines
from tests.faults.world import Direct, FaultHome, FaultWorld, Process, number_of
from tests.home import rewritten
from tests.servers.rotating_provider import CLIENT_ID

#: Shortens how long the marks and locks of killed processes are waited for. In these rounds a process that lives takes
#: at most half as long from its mark to its write, so that what they show holds for the longer times too.
SHORTER = """
from botocore_cognito_federation.cache import dynamodb, redis, shared
shared._LONGEST_CHANGE = 10.0
for each in (dynamodb.DynamoDBCache, redis.RedisCache):
    each.__init__.__kwdefaults__["lock_seconds"] = 3.0
"""
_AFRESH = f"{SHORTER}\nimport sys\nfrom botocore_cognito_federation.cli.app import run\nsys.exit(run(sys.argv[1:]))"
_PREFIX, _TABLE, _REGION = "cognito-federation", "cognito_federation", "eu-west-1"
_KEY = base64.b64encode(engines.KEY).decode()


@dataclass
class Fleet:
    """Hosts that have one sign-in for each user.

    Attributes:
        servers: the engines, which may be killed; DynamoDB is a way to moto's.
        credentials: where their credentials are.
        sign_ins: where their sign-ins are.
        stored: yields everything that the engines have stored, on their disks too.
        keys: of the configuration, which begin with ``cognito_cache``.
        users: who has how many hosts.
        variables: for processes on hosts.
        hosts: by user.
        grants: the number of each user's sign-in at the provider.
        handed_out: secrets that processes printed or the engines held.
    """

    world: FaultWorld
    servers: list[engines.Server]
    credentials: SharedStore
    sign_ins: SharedStore
    stored: Callable[[], Iterator[bytes]]
    keys: dict[str, str]
    users: dict[str, int]
    variables: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, list[FaultHome]] = field(default_factory=dict)
    grants: dict[str, int] = field(default_factory=dict)
    handed_out: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Without a relay in between, the provider sees which process asks.
        provider = Direct(self.world.provider.port)
        self.world.aws.trust_issuer(provider.url, [CLIENT_ID])
        keys = {f"cognito_cache{name}": value for name, value in self.keys.items()}
        for user, number in self.users.items():
            self.hosts[user] = [self.world.home(user, issuer=provider) for _ in range(number)]
            for host in self.hosts[user]:
                host.environ |= {"SHARED_KEY": _KEY, **self.variables}
                host.configure(**keys, cognito_cache_key_env="SHARED_KEY")
        self._sessions = {user: self._sessions_of(hosts[0]) for user, hosts in self.hosts.items()}

    def _sessions_of(self, home: FaultHome) -> Sessions:
        with mock.patch.dict(os.environ, home.environment(), clear=True):
            return Sessions(load_settings(home.user), self.sign_ins)

    def sign_in(self, user: str) -> None:
        """Sign a user in on one of the hosts."""
        first, *others = self.hosts[user]
        first.sign_in()
        for other in others:
            other.identity = first.identity
        self.grants[user] = number_of(self.refresh_token(user))

    def await_engines(self) -> None:
        """Wait until the engines answer this process, which has connections that were cut."""
        deadline = time.monotonic() + 30
        for store in (self.credentials, self.sign_ins):
            while True:
                try:
                    store.clock_ahead()
                    break
                except StorageError:
                    if time.monotonic() > deadline:
                        raise

    def refresh_token(self, user: str) -> str:
        """Return the refresh token that is stored; empty if none is."""
        self.await_engines()
        session = self._sessions[user].read()
        return (session.refresh_token or "") if session else ""

    def end(self) -> None:
        """End the engines."""
        for server in self.servers:
            server.kill()

    def forget_identities(self) -> None:
        """Let the engine forget the users' identity IDs."""
        for key, _ in list(self.credentials.documents(IDENTITIES)):
            self.credentials.delete(IDENTITIES, key)

    def expire(self, dice: random.Random, *, new_hosts: float = 0.2) -> None:
        """Let credentials and login tokens be used up.

        Args:
            dice: chooses hosts.
            new_hosts: the share of the hosts that lose all that they had, as new ones.
        """
        self.await_engines()
        self.note_secrets()
        for sessions in self._sessions.values():
            session = sessions.read()
            assert session is not None, "the last round has left no sign-in"
            sessions.write(replace(session, token_expires_at=time.time() - 60))
        for kind in (CREDENTIALS, FAILURES):
            for key, _ in list(self.credentials.documents(kind)):
                self.credentials.delete(kind, key)
        for host in (each for hosts in self.hosts.values() for each in hosts):
            _expire_copies(host.cache, everything=dice.random() < new_hosts)

    def start(self, host: FaultHome, *, afresh: bool) -> Process:
        """Start ``credential-process`` with the shorter times."""
        if afresh:
            return host.python("-c", _AFRESH, "credential-process", "--profile", host.user)
        return host.fork_ask()

    def start_all(self, *, afresh: bool = False) -> list[tuple[FaultHome, Process]]:
        """Start a process on each host; with `afresh`, one of each user is a fresh interpreter."""
        everyone = [(host, number == 0) for hosts in self.hosts.values() for number, host in enumerate(hosts)]
        return [(host, self.start(host, afresh=afresh and is_first)) for host, is_first in everyone]

    def note_secrets(self, *printed: bytes) -> None:
        """Remember what processes printed, and the secrets that the engines have now."""
        documents = [json.loads(each) for each in printed if each]
        documents += [dict(each) for _, each in self.credentials.documents(CREDENTIALS)]
        documents += [dict(each) for _, each in self.sign_ins.documents(SESSIONS)]
        for document in documents:
            self.handed_out |= {value for value in document.values() if isinstance(value, str) and len(value) >= 16}

    def secrets_in_engines(self, tokens: list[str]) -> list[str]:
        """Return what can be read in all that the engines have stored, of these tokens and of what was handed out.

        A document that is not encrypted, which is stored first, shows that it would be found.
        """
        self.await_engines()
        canary = secrets.token_urlsafe(24)
        document = json.dumps({"token": canary, "rest": secrets.token_urlsafe(600)}).encode()
        for store in (self.credentials, self.sign_ins):
            store._put(NOTES, "canary", document, None)
        # Zeros are no secrets, and most of what PostgreSQL has on its disk.
        data = [re.sub(rb"\0{64,}", b"\0" * 64, each) for each in self.stored()]
        places = [each for each in data if canary.encode() in each]
        assert len(places) >= len({id(self.credentials), id(self.sign_ins)}), "what is not encrypted was not found"
        wanted = {each.encode() for each in self.handed_out | set(tokens)} | {engines.KEY, _KEY.encode()}
        wanted -= {user.encode() for user in self.users} | {host[0].identity.encode() for host in self.hosts.values()}
        return [repr(secret[:12]) for secret in wanted if any(secret in each for each in data)]


def _expire_copies(cache: Path, *, everything: bool) -> None:
    if everything:
        shutil.rmtree(cache, ignore_errors=True)
        return
    for kind in (CREDENTIALS, FAILURES, "answers"):
        shutil.rmtree(cache / kind, ignore_errors=True)
    for path in (cache / SESSIONS).glob("*.json"):
        rewritten(path, token_expires_at=time.time() - 60)


def _redis_files(store: Any) -> Iterator[bytes]:
    """Yield what Redis has appended to its files, and each key as it is stored and as `DUMP` gives it."""
    client = store._client
    for path in Path(client.config_get("dir")["dir"]).rglob("*"):
        if path.is_file():
            yield path.read_bytes()
    yield b"\n".join(each for name in client.scan_iter() for each in (name, client.dump(name) or b""))


def _postgres_files(store: Any) -> Iterator[bytes]:
    """Yield the data folder of PostgreSQL: tables, and the log of all writes."""
    store._run("CHECKPOINT")
    for path in Path(store._run("SHOW data_directory")[0][0]).rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def _dynamodb_items(store: Any) -> Iterator[bytes]:
    pages = store._client.get_paginator("scan").paginate(TableName=store._table)
    yield b"\n".join(_bytes_of(value) for page in pages for item in page["Items"] for value in item.values())


def _bytes_of(value: dict[str, Any]) -> bytes:
    (content,) = value.values()
    return bytes(content) if "B" in value else str(content).encode()


def redis_and_postgres(world: FaultWorld, users: dict[str, int]) -> Fleet:
    """Credentials on Redis, sign-ins on PostgreSQL."""
    redis, port = engines.redis_server()
    postgres, address = engines.postgres_server()
    credentials, sign_ins = engines.redis_cache(_PREFIX, port), engines.postgres_cache(_TABLE, address)
    sign_ins.create_table()
    server = dict(word.split("=") for word in address.split())["port"]
    keys = {"": "redis", "_url": f"redis://127.0.0.1:{port}/0", "_sessions": "postgres"}
    keys["_sessions_url"] = f"postgresql://tests@127.0.0.1:{server}/postgres"

    def stored() -> Iterator[bytes]:
        yield from _redis_files(credentials)
        yield from _postgres_files(sign_ins)

    return Fleet(world, [redis, postgres], credentials, sign_ins, stored, keys, users)


def redis_alone(world: FaultWorld, users: dict[str, int]) -> Fleet:
    """Everything on Redis, which appends each write to a file."""
    redis, port = engines.redis_server()
    store = engines.redis_cache(_PREFIX, port)
    keys = {"": "redis", "_url": f"redis://127.0.0.1:{port}/0", "_sessions": "same"}
    return Fleet(world, [redis], store, store, lambda: _redis_files(store), keys, users)


def dynamodb_alone(world: FaultWorld, users: dict[str, int]) -> Fleet:
    """Everything on DynamoDB; the way to it is taken away."""
    relay, port = engines.dynamodb_relay()
    table = f"fleet-{secrets.token_hex(4)}"
    store = engines.dynamodb_cache(table, port)
    store.create_table()
    keys = {"": "dynamodb", "_url": f"dynamodb://{_REGION}/{table}", "_sessions": "same"}
    variables = {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}"}
    variables |= {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
    return Fleet(world, [relay], store, store, lambda: _dynamodb_items(store), keys, users, variables)


KINDS: dict[str, Callable[[FaultWorld, dict[str, int]], Fleet]] = {
    "redis and postgresql": redis_and_postgres,
    "redis": redis_alone,
    "dynamodb": dynamodb_alone,
}
#: What a kind needs on this machine.
AVAILABLE = sys.platform == "linux" and engines.HAS_REDIS and engines.HAS_POSTGRES
