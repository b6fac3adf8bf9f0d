"""A shared cache in DynamoDB, by boto3."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from .base import QUEUE_LIFE, TURNS
from .shared import TableStore, kept_alive

#: Hosts whose clocks differ by less than this many seconds agree about what has expired.
_CLOCKS_DIFFER = 900.0
#: Tries to take a turn that other hosts take at the same time.
_TRIES = 5

_REFUSALS = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


class DynamoDBCache(TableStore):
    """A cache for all processes of all hosts that use the same DynamoDB table.

    Args:
        client: a client of boto3 for DynamoDB, with credentials of the program and not of its users.
        encryption_keys: 32 bytes each, or their base64; the first encrypts, and all of them decrypt.
        table: the name of the table, which `create_table` makes. Afterwards GetItem, PutItem, DeleteItem and Scan on it
            are enough.
        lock_seconds: after how many seconds a lock is given to another whose holder has ended without giving it back.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    engine = "DynamoDB"
    failures = (ClientError, BotoCoreError, OSError)

    def __init__(
        self,
        client: Any,
        *,
        encryption_keys: Sequence[bytes | str],
        table: str = "cognito-federation",
        lock_seconds: float = 10.0,
    ) -> None:
        super().__init__(encryption_keys)
        self._client, self._table, self._lock_seconds = client, table, lock_seconds

    def _create_table(self) -> None:
        try:
            self._client.create_table(
                TableName=self._table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except self._client.exceptions.ResourceInUseException:
            return
        self._client.get_waiter("table_exists").wait(TableName=self._table)
        expiry = {"Enabled": True, "AttributeName": "expires_at"}
        self._client.update_time_to_live(TableName=self._table, TimeToLiveSpecification=expiry)

    def _get(self, kind: str, key: str) -> bytes | None:
        answer = self._client.get_item(TableName=self._table, Key=_id(kind, key), ConsistentRead=True)
        return _data(answer.get("Item"))

    def _put(self, kind: str, key: str, data: bytes, seconds: float | None) -> None:
        self._client.put_item(TableName=self._table, Item=_item(kind, key, data, seconds))

    def _replace(self, kind: str, key: str, data: bytes, before: bytes) -> bool:
        item, values = _item(kind, key, data, None), {":before": {"B": before}}
        return _done_if("body = :before", values, self._client.put_item, TableName=self._table, Item=item)

    def _remove(self, kind: str, key: str) -> None:
        self._client.delete_item(TableName=self._table, Key=_id(kind, key))

    def _all(self, kind: str) -> Iterator[tuple[str, bytes]]:
        start = f"{kind}#"
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            ConsistentRead=True,
            FilterExpression="begins_with(id, :start)",
            ExpressionAttributeValues={":start": {"S": start}},
        )
        for page in pages:
            for item in page["Items"]:
                data = _data(item)
                if data is not None:
                    yield item["id"]["S"][len(start) :], data

    def _turn(self, name: str, interval: float, most: float, begin: bool) -> float | None:
        # The engine has no clock to ask, and a host whose clock is wrong must not make the others wait for it.
        for _ in range(_TRIES):
            item = self._client.get_item(TableName=self._table, Key=_id(TURNS, name), ConsistentRead=True).get("Item")
            now, before = time.time(), float((item or {}).get("next_turn", {}).get("N", 0.0))
            is_in_use = before > now - QUEUE_LIFE and before - now < _CLOCKS_DIFFER
            if not is_in_use and not begin:
                return 0.0
            start = max(now, before) if is_in_use else now
            if start - now > most:
                return None
            successor = {**_id(TURNS, name), "next_turn": {"N": repr(start + interval)}}
            successor["expires_at"] = {"N": str(int(start + QUEUE_LIFE + _CLOCKS_DIFFER))}
            condition = "next_turn = :before" if item else "attribute_not_exists(id)"
            values = {":before": item["next_turn"]} if item else {}
            if _done_if(condition, values, self._client.put_item, TableName=self._table, Item=successor):
                return start - now
        return secrets.randbelow(1000) / 1000

    def _time(self) -> float:
        answer = self._client.get_item(TableName=self._table, Key=_id("time", ""))
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()

    def _reason(self, error: Exception) -> str:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code == "ResourceNotFoundException":
            return "no table"
        return "refused" if code in _REFUSALS or isinstance(error, NoCredentialsError) else ""

    @contextmanager
    def _lock(self, name: str, timeout: float) -> Iterator[bool]:
        """Hold a lease: an item that its holder writes again and again, each time with another version.

        A version that a waiter sees for `lock_seconds` of its own clock has no holder any more. Amazon's own lock
        client for DynamoDB works so, and needs no clocks that agree.
        """
        lease = _Lease(self._table, name, self._lock_seconds, self._client)
        if not lease.taken(time.monotonic() + timeout):
            yield False
            return
        try:
            with kept_alive(lease.extend, self._lock_seconds / 3, self.failures):
                yield True
        finally:
            lease.release()


class _Lease:
    """A lock in a table; see `DynamoDBCache._lock`."""

    def __init__(self, table: str, name: str, seconds: float, client: Any) -> None:
        self._key, self._seconds = _id("lock", name), seconds
        self._client, self._table = client, table
        self._own = ""

    def taken(self, deadline: float) -> bool:
        seen, since = "", time.monotonic()
        while True:
            if self._write("attribute_not_exists(id) OR expires_at < :now", {":now": {"N": str(time.time())}}):
                return True
            version = self._version()
            if version != seen:
                seen, since = version, time.monotonic()
            elif seen and time.monotonic() - since > self._seconds and self._write_over(seen):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 0.05 + 0.05 * secrets.randbelow(100) / 100))

    def extend(self) -> None:
        self._write_over(self._own)

    def release(self) -> None:
        values = {":own": {"S": self._own}}
        _done_if("version = :own", values, self._client.delete_item, TableName=self._table, Key=self._key)

    def _version(self) -> str:
        item = self._client.get_item(TableName=self._table, Key=self._key, ConsistentRead=True).get("Item")
        return "" if item is None else str(item.get("version", {}).get("S", "of another program"))

    def _write_over(self, version: str) -> bool:
        return self._write("version = :before", {":before": {"S": version}})

    def _write(self, condition: str, values: dict[str, Any]) -> bool:
        version = secrets.token_hex(8)
        end = time.time() + self._seconds + _CLOCKS_DIFFER
        item = {**self._key, "version": {"S": version}, "expires_at": {"N": str(int(end))}}
        if not _done_if(condition, values, self._client.put_item, TableName=self._table, Item=item):
            return False
        self._own = version
        return True


def _done_if(condition: str, values: dict[str, Any], call: Callable[..., Any], **arguments: Any) -> bool:
    """Change an item in one transaction with the check of a condition; return whether the condition held."""
    if values:
        arguments["ExpressionAttributeValues"] = values
    try:
        call(ConditionExpression=condition, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _id(kind: str, key: str) -> dict[str, Any]:
    return {"id": {"S": f"{kind}#{key}"}}


def _item(kind: str, key: str, data: bytes, seconds: float | None) -> dict[str, Any]:
    item = {**_id(kind, key), "body": {"B": data}}
    return item if seconds is None else {**item, "expires_at": {"N": str(int(time.time() + seconds))}}


def _data(item: dict[str, Any] | None) -> bytes | None:
    """Return what an item holds; None for one that has expired, which DynamoDB deletes within some days."""
    if item is None or float(item.get("expires_at", {}).get("N", "inf")) + _CLOCKS_DIFFER < time.time():
        return None
    body = item.get("body", {}).get("B")  # another program may have written anything
    return None if body is None else bytes(body)
