"""A store on an engine that hosts share: encrypted documents, conditional writes, and what happens without the engine.

While the engine does not answer, what this process has read or written goes on being read, so usable credentials stay
in use. What cannot be fetched again is not written: a refresh token is not spent. No restart is needed afterwards.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, ClassVar

from .._util.concurrency import ForkSafeLock
from .._util.files import storage_error
from ..errors import ChangedMeanwhileError, StorageError
from .base import CREDENTIALS, DOCUMENTS, FAILURES, FORMAT, IDENTITIES, LASTING_SECRETS, NOTES, cache_key
from .encryption import Encryption, UnknownKeyError

logger = logging.getLogger(__name__)

_DAY = 86400.0
#: Seconds after which an engine may drop a document; kinds that are not here must not be lost.
SECONDS = {CREDENTIALS: 0.6 * _DAY, FAILURES: _DAY / 24, IDENTITIES: 30 * _DAY, DOCUMENTS: 2 * _DAY, NOTES: 7 * _DAY}
#: Why an engine refuses, as far as it can be told, and what helps.
_REASONS = {
    "refused": ("{engine} refuses this user or this password", "Check the user, the password, and what they may do"),
    "read-only": ("{engine} takes no writes: this is a read-only replica", "Name the primary server"),
    "no table": (
        "The table of the shared cache is not in {engine}",
        "Make it once: cognito-federation cache create-table, or create_table() in Python",
    ),
}
#: Documents that a process remembers for the time without the engine: about 10 MB.
_REMEMBERED = 4096
#: The member of a document that a process is about to replace.
_MARK = "being_changed"
#: Seconds from a process's mark to its write: an HTTP request has 30, and the write those of `_PATIENCE`.
_LONGEST_CHANGE = 40.0
#: Seconds after an outage of the engine in which a process that waits for it has tried again.
_LONGEST_RETURN = 5.0
#: Seconds for which a write is repeated that the engine did not acknowledge, and those between two attempts.
_PATIENCE, _PAUSE = 10.0, 0.1


class SharedStore(ABC):
    """A `Store` whose documents an engine stores for many hosts. Each engine implements the methods with one line.

    Args:
        encryption_keys: see `Encryption`.
    """

    #: The name of the engine, for messages.
    engine: ClassVar[str]
    #: The exceptions of the engine's client when the engine does not answer or refuses.
    failures: ClassVar[tuple[type[Exception], ...]] = ()
    #: Whether other hosts use the store too.
    hosts_share = True
    #: What the user gave the keys by, for messages.
    keys_named = "encryption_keys"

    def __init__(self, encryption_keys: Sequence[bytes | str]) -> None:
        self._encryption = Encryption(encryption_keys)
        self._remembered: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._turns = ForkSafeLock()
        self._unwritten: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._noted: set[str] = set()

    @abstractmethod
    def _get(self, kind: str, key: str) -> bytes | None: ...

    @abstractmethod
    def _put(self, kind: str, key: str, data: bytes, seconds: float | None) -> None: ...

    @abstractmethod
    def _replace(self, kind: str, key: str, data: bytes, before: bytes) -> bool:
        """Write in place of exactly `before` in one transaction, for good; return whether it was there."""

    @abstractmethod
    def _remove(self, kind: str, key: str) -> None: ...

    @abstractmethod
    def _all(self, kind: str) -> Iterator[tuple[str, bytes]]: ...

    @abstractmethod
    def _turn(self, name: str, interval: float, most: float, begin: bool) -> float | None:
        """Take a turn in one transaction, by the engine's clock; see `turn`."""

    @abstractmethod
    def _time(self) -> float:
        """Return the time of the engine, in seconds since the epoch."""

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """Return why the engine refuses: a key of `_REASONS`, or nothing where it does not answer or say why."""

    @abstractmethod
    def _lock(self, name: str, timeout: float) -> AbstractContextManager[bool]: ...

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """Return the document, or None if there is none.

        Args:
            kind: what the document is: credentials, a sign-in, an identity ID, ...
            key: the name of the document within its kind.

        Raises:
            StorageError: the engine does not answer, and this process has not read the document before; or it is a
                sign-in that none of the keys opens.
        """
        self._write_unwritten(kind, key)
        try:
            data = self._get(kind, key)
        except self.failures as error:
            return self._from_before(kind, key, error)
        document = None if data is None else self._opened(kind, key, data)
        self._remember(kind, key, document)
        return document

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Write a document.

        Args:
            kind: what the document is: credentials, a sign-in, an identity ID, ...
            key: the name of the document within its kind.
            document: values that JSON can represent.

        Raises:
            StorageError: the engine does not answer, or refuses.
        """
        data = self._sealed(kind, key, document)
        try:
            self._put(kind, key, data, SECONDS.get(kind))
        except self.failures as error:
            raise self._unavailable(error) from None
        self._remember(kind, key, document)

    def delete(self, kind: str, key: str) -> None:
        """Delete a document.

        Args:
            kind: what the document is: credentials, a sign-in, an identity ID, ...
            key: the name of the document within its kind.

        Raises:
            StorageError: the engine does not answer, or refuses.
        """
        try:
            self._remove(kind, key)
        except self.failures as error:
            raise self._unavailable(error) from None
        self._remember(kind, key, None)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield all documents of a kind that can be read; none if the engine does not answer.

        Args:
            kind: what the documents are: credentials, sign-ins, identity IDs, ...

        Returns:
            Pairs of key and document.
        """
        try:
            found = list(self._all(kind))
        except self.failures as error:
            self.warn(self._unavailable(error).line)
            return
        for key, data in found:
            try:
                document = self._opened(kind, key, data)
            except StorageError:
                continue
            if document is not None:
                yield key, document

    @contextmanager
    def lock(self, name: str, *, timeout: float) -> Iterator[bool]:
        """Hold the lock `name` among all hosts; yields whether it was taken within `timeout` seconds.

        Args:
            name: the name of the lock.
            timeout: the longest wait, in seconds.

        Raises:
            StorageError: the engine does not answer.
        """
        held = self._lock(name, timeout)
        try:
            taken = held.__enter__()
        except self.failures as error:
            raise self._unavailable(error) from None
        try:
            yield taken
        finally:
            try:
                held.__exit__(None, None, None)
            except self.failures as error:  # The engine gives it back by itself.
                logger.debug("The lock was not given back: %s", type(error).__name__)

    @contextmanager
    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Mark a document as being changed by this process, and yield the writer of a successor.

        The mark proves that the engine takes writes, and makes other hosts wait even if the engine has lost this host's
        lock. The writer replaces only what was marked: not what another host wrote meanwhile, nor what a sign-out
        deleted. What it cannot write for want of an answer is written when the engine answers again.

        Args:
            kind: what the document is: credentials, a sign-in, an identity ID, ...
            key: the name of the document within its kind.
            document: the present document.

        Raises:
            StorageError: the engine does not answer or refuses, or the document has changed meanwhile.
        """
        self._write_unwritten(kind, key)
        before, present = self._marked(kind, key)
        was_used = False

        def put(successor: Mapping[str, Any]) -> None:
            nonlocal present, was_used
            was_used = True
            data = self._sealed(kind, key, successor)
            self._remember(kind, key, successor)
            self._put_surely(kind, key, data, present)
            present = data

        try:
            yield put
        finally:
            if not was_used:
                with suppress(*self.failures):
                    self._replace(kind, key, before, present)

    def _marked(self, kind: str, key: str) -> tuple[bytes, bytes]:
        """Mark a document that no other process has marked; return it as it was before and as it is now.

        The mark of a process that was killed is waited for too, until that process would have written.
        """
        before = self._guarded(self._get, kind, key)
        deadline = self._deadline_of_mark(kind, key, before)
        while time.monotonic() < deadline:
            time.sleep(_PAUSE)
            now = self._guarded(self._get, kind, key)
            if now != before:
                before, deadline = now, self._deadline_of_mark(kind, key, now)
        if before is None:
            raise _overtaken()
        document = self._opened(kind, key, before)
        self._remember(kind, key, document)
        marked = self._sealed(kind, key, {**(document or {}), _MARK: self._guarded(self._time)})
        if not self._guarded(self._replace, kind, key, marked, before):
            raise _overtaken()
        return before, marked

    def _put_surely(self, kind: str, key: str, data: bytes, before: bytes) -> None:
        """Write in place of exactly `before`; without an answer, again for some seconds, and then at the next read."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                # An attempt without an answer may have succeeded.
                written = self._replace(kind, key, data, before) or self._get(kind, key) == data
                break
            except self.failures as error:
                if time.monotonic() >= deadline:
                    with self._turns:
                        self._unwritten[(kind, key)] = (data, before)
                    raise self._unavailable(error) from None
            time.sleep(_PAUSE)
        if not written:
            raise _overtaken()

    def _write_unwritten(self, kind: str, key: str) -> None:
        with self._turns:
            unwritten = self._unwritten.get((kind, key))
        if unwritten is None:
            return
        with suppress(*self.failures):
            self._replace(kind, key, *unwritten)
            with self._turns:
                self._unwritten.pop((kind, key), None)

    def holder(self, name: str) -> str:
        """Name the holder of a lock; engines do not say which process of which host it is.

        Args:
            name: the name of the lock.
        """
        return "Another process"

    def turn(self, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        """Take the next turn of a queue of all hosts; return the seconds until then.

        Args:
            name: the name of the queue.
            interval: seconds between two turns.
            most: the longest wait, in seconds.
            begin: whether to begin a queue; else there is one only for a minute after it was last used.

        Returns:
            The seconds; 0 if there is no queue or the engine does not answer; None if the wait would be too long, and
            no turn was taken.
        """
        try:
            return self._turn(name, interval, most, begin)
        except self.failures as error:
            self.warn(self._unavailable(error).line)
            return 0.0

    def check(self) -> None:
        """Prove that documents can be locked, written, read and deleted in the engine.

        Raises:
            StorageError: they cannot.
        """
        key = cache_key({"what": "proof"})
        with self.lock(f"proof-{key}", timeout=0):
            self.write(NOTES, key, {})
            self.delete(NOTES, key)

    def clock_ahead(self) -> float:
        """Return by how many seconds this host's clock is ahead of the engine's.

        Raises:
            StorageError: the engine does not answer.
        """
        return time.time() - float(self._guarded(self._time))

    def warn(self, text: str) -> None:
        """Log a note, once for each process.

        Args:
            text: what a user can act on.
        """
        if text not in self._noted:
            self._noted.add(text)
            logger.warning("%s", text)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _sealed(self, kind: str, key: str, document: Mapping[str, Any]) -> bytes:
        text = json.dumps({**document, "format": FORMAT})
        return self._encryption.encrypt(text.encode("utf-8", "surrogatepass"), kind=kind, key=key)

    def _opened(self, kind: str, key: str, data: bytes) -> Mapping[str, Any] | None:
        try:
            text = self._encryption.decrypt(data, kind=kind, key=key)
        except UnknownKeyError:
            if kind not in LASTING_SECRETS:
                return None
            raise storage_error(
                f"A sign-in in {self.engine} is encrypted with a key that is not among {self.keys_named}, or by a later"
                " version",
                remedy="Add that key, or sign in again",
            ) from None
        if text is None:
            self.warn(f"An entry in {self.engine} is damaged or was written for another user; it counts as missing")
            return None
        document = json.loads(text.decode("utf-8", "surrogatepass"))
        if not isinstance(document, dict):
            return None
        written_by = document.pop("format", None)
        if written_by != FORMAT and kind in LASTING_SECRETS:
            raise storage_error(
                f"A sign-in in {self.engine} was written by a later version", remedy="Upgrade here, or sign in again"
            )
        if written_by != FORMAT:
            return None
        return {name: value for name, value in document.items() if name != _MARK}

    def _deadline_of_mark(self, kind: str, key: str, data: bytes | None) -> float:
        """Return until when to wait for the process that has marked a document, by the monotonic clock; 0 without one.

        Its age is told by the engine's clock, which all hosts share. After an outage of the engine it is old, though
        the process that made it has still to write.
        """
        text = None if data is None else self._encryption.decrypt(data, kind=kind, key=key)
        mark = None if text is None else json.loads(text.decode("utf-8", "surrogatepass")).get(_MARK)
        if not isinstance(mark, int | float):
            return 0.0
        age = max(0.0, float(self._guarded(self._time)) - mark)
        return time.monotonic() + max(_LONGEST_RETURN, _LONGEST_CHANGE - age)

    def _remember(self, kind: str, key: str, document: Mapping[str, Any] | None) -> None:
        with self._turns:
            self._remembered[(kind, key)] = json.dumps(document)
            self._remembered.move_to_end((kind, key))
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _from_before(self, kind: str, key: str, error: Exception) -> Mapping[str, Any] | None:
        with self._turns:
            text = self._remembered.get((kind, key))
        if text is None:
            raise self._unavailable(error) from None
        self.warn(f"{self.engine} does not answer; this process goes on with what it has read")
        document: Mapping[str, Any] | None = json.loads(text)
        return document

    def _guarded(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except self.failures as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> StorageError:
        found = _REASONS.get(self._reason(error))
        if found is not None:
            return storage_error(found[0].format(engine=self.engine), remedy=found[1])
        # The engine's message may name the user, the host or the statement.
        return storage_error(
            f"The shared cache in {self.engine} does not answer or refuses ({type(error).__name__})",
            remedy=f"Check that {self.engine} is running, reachable from this host, and takes writes",
        )


class TableStore(SharedStore):
    """A `SharedStore` in a table that has to be made once."""

    def create_table(self) -> None:
        """Make the table if it is not there.

        Raises:
            StorageError: the engine does not answer, or refuses.
        """
        self._guarded(self._create_table)

    @abstractmethod
    def _create_table(self) -> None: ...


def _overtaken() -> ChangedMeanwhileError:
    return ChangedMeanwhileError("Another host has changed or ended this sign-in in the meantime", remedy="Try again")


@contextmanager
def kept_alive(extend: Callable[[], object], every: float, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    """Extend a lock again and again while its holder works.

    Args:
        extend: extends it once.
        every: seconds between two times.
        failures: what `extend` may raise; it is tried again after the same time.
    """
    over = threading.Event()

    def work() -> None:
        while not over.wait(every):
            with suppress(*failures):
                extend()

    thread = threading.Thread(target=work, name="cognito-federation lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(every)
