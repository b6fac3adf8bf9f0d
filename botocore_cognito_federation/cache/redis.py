"""A shared cache in Redis or Valkey, by redis-py (extra ``redis``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis import exceptions

from ..errors import ConfigurationError
from .base import QUEUE_LIFE, TURNS
from .shared import SECONDS, SharedStore, kept_alive

if TYPE_CHECKING:
    from redis import Redis

#: Takes a turn: what follows the last one, in milliseconds of the server. Scripts are atomic.
_TURN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local last = redis.call('GET', KEYS[1])
if not last and ARGV[3] == '0' then return '0' end
local start = math.max(now, tonumber(last or '0'))
if start - now > ARGV[2] * 1000 then return '-1' end
redis.call('SET', KEYS[1], string.format('%.3f', start + ARGV[1] * 1000), 'PX', math.ceil(start - now + ARGV[4]))
return tostring((start - now) / 1000)
"""


class RedisCache(SharedStore):
    """A cache for all processes of all hosts that use the same Redis database.

    Sign-ins cannot be fetched again. Redis loses what it has not written to its disk, so sign-ins are stored there only
    if it appends each write to a file (``appendonly yes``), which is asked at the first of them.

    Args:
        client: the `redis.Redis` of the application, without ``decode_responses``.
        encryption_keys: 32 bytes each, or their base64; the first encrypts, and all of them decrypt.
        prefix: begins the name of every key.
        lock_seconds: after how many seconds Redis gives a lock back whose holder has ended without doing so.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    engine = "Redis"
    failures = (exceptions.RedisError, OSError)

    def __init__(
        self,
        client: Redis,
        *,
        encryption_keys: Sequence[bytes | str],
        prefix: str = "cognito-federation",
        lock_seconds: float = 30.0,
    ) -> None:
        super().__init__(encryption_keys)
        if client.connection_pool.connection_kwargs.get("decode_responses"):
            raise ConfigurationError(
                "This Redis client decodes answers, and documents are encrypted",
                remedy="Make it without decode_responses",
            )
        self._client = client
        self._prefix, self._lock_seconds = prefix, lock_seconds
        self._is_durable = False

    def _name(self, kind: str, key: str) -> str:
        return f"{self._prefix}:{kind}:{key}"

    def _get(self, kind: str, key: str) -> bytes | None:
        found: Any = self._client.get(self._name(kind, key))
        return found if isinstance(found, bytes) else None

    def _put(self, kind: str, key: str, data: bytes, seconds: float | None) -> None:
        if kind not in SECONDS:
            self._check_durable()
        self._client.set(self._name(kind, key), data, px=None if seconds is None else int(seconds * 1000))

    def _replace(self, kind: str, key: str, data: bytes, before: bytes) -> bool:
        name = self._name(kind, key)
        self._check_durable()
        with self._client.pipeline() as pipe:
            try:
                pipe.watch(name)  # type: ignore[no-untyped-call]
                if pipe.get(name) != before:
                    return False
                pipe.multi()
                pipe.set(name, data)
                pipe.execute()
            except exceptions.WatchError:
                return False
        return True

    def _remove(self, kind: str, key: str) -> None:
        self._client.delete(self._name(kind, key))

    def _all(self, kind: str) -> Iterator[tuple[str, bytes]]:
        start = self._name(kind, "")
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", start)
        for name in self._client.scan_iter(match=f"{pattern}*", count=500):
            key = name.decode("utf-8", "replace")[len(start) :]  # a name that others have given may be any bytes
            data = self._get(kind, key)
            if data is not None:
                yield key, data

    def _turn(self, name: str, interval: float, most: float, begin: bool) -> float | None:
        answer: Any = self._client.eval(
            _TURN, 1, f"{self._prefix}:{TURNS}:{name}", repr(interval), repr(most), int(begin), int(QUEUE_LIFE * 1000)
        )
        seconds = float(answer)
        return None if seconds < 0 else seconds

    def _time(self) -> float:
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1e6)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, exceptions.ReadOnlyError):
            return "read-only"
        # Redis says NOAUTH, WRONGPASS or NOPERM, which redis-py turns into these.
        is_refusal = isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError)
        return "refused" if is_refusal else ""

    def _check_durable(self) -> None:
        """Check that Redis writes each change to its disk.

        Raises:
            ConfigurationError: it does not, or does not say so.
        """
        if self._is_durable:
            return
        answer: Any = {}
        with suppress(exceptions.ResponseError):  # Some services forbid CONFIG.
            answer = self._client.config_get("appendonly")
        if answer.get("appendonly") != "yes":
            raise ConfigurationError(
                "Redis would lose sign-ins when it restarts: it does not append writes to a file (appendonly)",
                remedy="Set appendonly yes in redis.conf, or use PostgresCache",
            )
        self._is_durable = True

    @contextmanager
    def _lock(self, name: str, timeout: float) -> Iterator[bool]:
        lock = self._client.lock(
            f"{self._prefix}:lock:{name}",
            timeout=self._lock_seconds,
            blocking_timeout=timeout,
            sleep=0.02,
            thread_local=False,
        )
        if not lock.acquire(blocking=timeout > 0):
            yield False
            return
        try:
            # A lock that Redis lost is not taken again: the conditional write finds out who was first.
            with kept_alive(lock.reacquire, self._lock_seconds / 3, self.failures):
                yield True
        finally:
            lock.release()
