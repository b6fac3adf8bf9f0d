"""A shared cache in PostgreSQL, by psycopg (extra ``postgres``)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from ..errors import ConfigurationError
from .base import QUEUE_LIFE, TURNS
from .shared import TableStore

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
    kind text NOT NULL,
    key text NOT NULL,
    data bytea NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (kind, key)
)
"""
_GET = "SELECT data FROM {table} WHERE kind = %s AND key = %s AND (expires_at IS NULL OR expires_at > now())"
_ALL = "SELECT key, data FROM {table} WHERE kind = %s AND (expires_at IS NULL OR expires_at > now())"
_PUT = """
INSERT INTO {table} VALUES (%s, %s, %s, now() + make_interval(secs => %s))
ON CONFLICT (kind, key) DO UPDATE SET data = EXCLUDED.data, expires_at = EXCLUDED.expires_at
"""
#: The row lock of PostgreSQL makes a second writer wait for the first, and then compare again.
_REPLACE = "UPDATE {table} SET data = %s WHERE kind = %s AND key = %s AND data = %s"
#: Takes a turn: the row has the time of the next one, as text. The row lock makes others wait and compare again.
_TURN = """
INSERT INTO {table} AS queue
VALUES (%(kind)s, %(key)s,
        convert_to((extract(epoch FROM clock_timestamp()) + %(interval)s)::text, 'UTF8'),
        now() + make_interval(secs => %(life)s))
ON CONFLICT (kind, key) DO UPDATE SET
    data = convert_to((greatest(
        extract(epoch FROM clock_timestamp()),
        CASE WHEN queue.expires_at > now() THEN convert_from(queue.data, 'UTF8')::numeric ELSE 0 END
    ) + %(interval)s)::text, 'UTF8'),
    expires_at = greatest(now(), to_timestamp(convert_from(queue.data, 'UTF8')::float8))
        + make_interval(secs => %(life)s)
WHERE queue.expires_at <= now()
   OR convert_from(queue.data, 'UTF8')::numeric - extract(epoch FROM clock_timestamp()) <= %(most)s
RETURNING convert_from(data, 'UTF8')::numeric - %(interval)s - extract(epoch FROM clock_timestamp())
"""
_PASSWORD = "password"
_REMOVE = "DELETE FROM {table} WHERE (kind = %s AND key = %s) OR expires_at < now()"


class PostgresCache(TableStore):
    """A cache for all processes of all hosts that use the same PostgreSQL database.

    Args:
        pool: the `psycopg_pool.ConnectionPool` of the application. A lock takes a connection of its own and none of the
            pool, because its holder needs others meanwhile.
        encryption_keys: 32 bytes each, or their base64; the first encrypts, and all of them decrypt.
        table: the name of the table, which `create_table` makes. Afterwards SELECT, INSERT, UPDATE and DELETE on it are
            enough.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    engine = "PostgreSQL"
    failures = (psycopg.Error, OSError)

    def __init__(
        self, pool: ConnectionPool[Any], *, encryption_keys: Sequence[bytes | str], table: str = "cognito_federation"
    ) -> None:
        super().__init__(encryption_keys)
        if not table.isidentifier():
            raise ConfigurationError(f"{table!r} is no name of a table", remedy="Pass letters, digits and underscores")
        self._pool = pool
        self._table = table

    def _create_table(self) -> None:
        self._run(_TABLE)

    def _run(self, statement: str, *values: Any) -> Any:
        """Run a statement in a transaction of its own; return its rows, or how many it changed."""
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=tuple_row)
            named = values[0] if values and isinstance(values[0], dict) else values
            cursor.execute(statement.format(table=self._table), named)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def _get(self, kind: str, key: str) -> bytes | None:
        rows = self._run(_GET, kind, key)
        return bytes(rows[0][0]) if rows else None

    def _put(self, kind: str, key: str, data: bytes, seconds: float | None) -> None:
        self._run(_PUT, kind, key, data, seconds)

    def _replace(self, kind: str, key: str, data: bytes, before: bytes) -> bool:
        return bool(self._run(_REPLACE, data, kind, key, before) == 1)

    def _remove(self, kind: str, key: str) -> None:
        self._run(_REMOVE, kind, key)

    def _all(self, kind: str) -> Iterator[tuple[str, bytes]]:
        for key, data in self._run(_ALL, kind):
            yield key, bytes(data)

    def _turn(self, name: str, interval: float, most: float, begin: bool) -> float | None:
        if not begin and self._get(TURNS, name) is None:
            return 0.0
        values = {"kind": TURNS, "key": name, "interval": interval, "most": most, "life": QUEUE_LIFE}
        rows = self._run(_TURN, values)
        return None if not rows else max(0.0, float(rows[0][0]))

    def _time(self) -> float:
        return float(self._run("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def _reason(self, error: Exception) -> str:
        if isinstance(error, PoolTimeout):
            error = self._reason_of_pool() or error
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return "read-only"
        if isinstance(error, psycopg.errors.UndefinedTable):
            return "no table"
        # libpq reports no SQLSTATE of a connection that was refused.
        return "refused" if isinstance(error, psycopg.errors.InsufficientPrivilege) or _PASSWORD in str(error) else ""

    def _reason_of_pool(self) -> Exception | None:
        """A pool only says that it has no connection; why not is what one more attempt says."""
        try:
            with self._connection(connect_timeout=2):
                return None
        except psycopg.Error as error:
            return error

    def _connection(self, **options: Any) -> psycopg.Connection[Any]:
        given: tuple[Any, Any] = (self._pool.conninfo, self._pool.kwargs)
        # From psycopg_pool 3.3 on both may be functions, which fetch a new password for each connection.
        conninfo, kwargs = (each() if callable(each) else each for each in given)
        return psycopg.connect(conninfo, **{**(kwargs or {}), "row_factory": tuple_row, **options})

    @contextmanager
    def _lock(self, name: str, timeout: float) -> Iterator[bool]:
        """Hold an advisory lock, which PostgreSQL gives back when the connection ends, for whatever reason."""
        number = int.from_bytes(hashlib.sha256(f"{self._table} {name}".encode()).digest()[:8], "big", signed=True)
        with self._connection(autocommit=True) as connection:
            taken = _taken(connection, number, timeout)
            try:
                yield taken
            finally:
                if taken:  # The server notices the end of a connection only some time later.
                    connection.execute("SELECT pg_advisory_unlock(%s)", (number,))


def _taken(connection: psycopg.Connection[Any], number: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
        if row is not None and row[0]:
            return True
        if time.monotonic() >= deadline:
            return False
        remaining = max(1, int((deadline - time.monotonic()) * 1000))
        try:
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{remaining}ms",))
            connection.execute("SELECT pg_advisory_lock(%s)", (number,))
            return True
        except psycopg.errors.LockNotAvailable:
            return False
