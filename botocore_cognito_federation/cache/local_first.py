"""The store of a configuration with a shared cache: the files of this machine first, and the engine for what they lack.

Fresh credentials on this machine are used without asking the engine, so the way of a warm call is that of files. While
the engine does not answer, work goes on locally with one warning, except for what must not be lost: a sign-in that
hosts share is neither renewed nor ended.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, TypeVar

from .._util.files import StorageErrorsIgnored
from ..credentials import time_in
from ..errors import StorageError
from .base import CREDENTIALS, DOCUMENTS, EPOCHS, IDENTITIES, LINKS, SESSIONS, Store, current_epoch, epoch_keys
from .shared import SharedStore

T = TypeVar("T")
#: Seconds for which an engine that did not answer is not asked again for what can be done without it.
_AWAY = 30.0
#: Kinds of which a copy on this machine is as good as the engine's.
_COPIED = frozenset({IDENTITIES, DOCUMENTS})
#: Kinds that belong to a sign-in.
_OF_SIGN_IN = frozenset({SESSIONS, EPOCHS, LINKS})


@dataclass(eq=False, repr=False)
class LocalFirstStore:
    """`Store` in the files of this machine and on engines that hosts share.

    Args:
        local: the files, or the memory of this process where none can be written.
        open_shared: opens the engine of credentials, identity IDs and discovery documents.
        open_sessions: opens the engine of sign-ins; None if each machine has its own.
        scope: the scope of the configuration.
        session_key: the key of its sign-in.
        is_fresh: whether a document of credentials needs no renewal yet.
    """

    local: Store
    open_shared: Callable[[], SharedStore]
    open_sessions: Callable[[], SharedStore] | None
    scope: str
    session_key: str
    is_fresh: Callable[[Mapping[str, Any]], bool]
    hosts_share: bool = field(default=True, init=False)
    _away_until: float = field(default=-inf, init=False)

    @cached_property
    def shared(self) -> SharedStore:
        return self.open_shared()

    @cached_property
    def sessions(self) -> SharedStore | None:
        return None if self.open_sessions is None else self.open_sessions()

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        if kind == CREDENTIALS:
            return self._credentials(key)
        found = self.local.read(kind, key)
        if kind in _COPIED and found is None:
            found = self._without_need(lambda: self.shared.read(kind, key))
            if found is not None:
                self._copy(kind, key, found)
        elif kind == LINKS and self.sessions is not None:
            return self.sessions.read(kind, key)
        elif kind == SESSIONS and found is None and self.sessions is not None:
            self._synchronize(key)
            return self.local.read(kind, key)
        return found

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        if kind in _OF_SIGN_IN and self.sessions is not None:
            self.sessions.write(kind, key, document)
        if kind == CREDENTIALS or kind in _COPIED:
            self._without_need(lambda: self.shared.write(kind, key, document))
        self.local.write(kind, key, document)
        if kind == CREDENTIALS:
            self._synchronize_if_possible()

    def delete(self, kind: str, key: str) -> None:
        if kind in _OF_SIGN_IN and self.sessions is not None:
            self.sessions.delete(kind, key)
        self.local.delete(kind, key)
        if kind == CREDENTIALS or kind in _COPIED:
            self._without_need(lambda: self.shared.delete(kind, key))

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if kind in _OF_SIGN_IN:
            self._synchronize_if_possible()
        return self.local.documents(kind)

    @contextmanager
    def lock(self, name: str, *, timeout: float) -> Iterator[bool]:
        deadline = time.monotonic() + timeout
        of_sign_in = name.startswith(("session-", "login-"))
        engine = self.sessions if of_sign_in else self.shared
        with contextlib.ExitStack() as stack:
            taken = stack.enter_context(self.local.lock(name, timeout=timeout))
            is_needed = of_sign_in or time.monotonic() >= self._away_until
            if taken and engine is not None and is_needed:
                try:
                    left = max(0.0, deadline - time.monotonic())
                    taken = stack.enter_context(engine.lock(name, timeout=left))
                    self._synchronize(self.session_key)
                except StorageError as error:
                    if of_sign_in:
                        raise
                    self._is_away(error)
            yield taken

    @contextmanager
    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        with contextlib.ExitStack() as stack:
            write_local = stack.enter_context(self.local.reserved(kind, key, document))
            if kind not in _OF_SIGN_IN or self.sessions is None:
                yield write_local
                return
            write = stack.enter_context(self.sessions.reserved(kind, key, document))
            self._synchronize(key)

            def write_both(successor: Mapping[str, Any]) -> None:
                write(successor)
                write_local(successor)

            yield write_both

    def holder(self, name: str) -> str:
        return self.local.holder(name)

    def warn(self, text: str) -> None:
        self.local.warn(text)

    def turn(self, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        if time.monotonic() < self._away_until:
            return self.local.turn(name, interval, most=most, begin=begin)
        return self.shared.turn(name, interval, most=most, begin=begin)

    def engines(self) -> list[SharedStore]:
        """Return the engines of the configuration, that of the credentials first.

        Raises:
            ConfigurationError: a URL or the keys are wrong, or a package is missing.
        """
        return [self.shared] if self.sessions in (None, self.shared) else [self.shared, self.sessions]

    def publish(self) -> int:
        """Give the sign-in of this scope to the engine of sign-ins, when ``cognito_cache_sessions`` changes.

        Returns:
            How many documents were given.

        Raises:
            StorageError: the engine does not answer, or refuses.
        """
        if self.sessions is None:
            return 0
        found = [each for each in self.local.documents(SESSIONS) if each[1].get("scope") == self.scope]
        for mark in epoch_keys(self.scope):
            document = self.local.read(EPOCHS, mark)
            if document is not None and found:
                self.sessions.write(EPOCHS, mark, document)
        for key, document in found:
            self.sessions.write(SESSIONS, key, document)
        return len(found)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _credentials(self, key: str) -> Mapping[str, Any] | None:
        """The credentials on this machine while they are fresh, else the newer ones of this machine and the engine."""
        here = self.local.read(CREDENTIALS, key)
        if here is not None and self.is_fresh(here) and here.get("generation") == self._epoch(here):
            return here
        # Before the engine is asked: a sign-out that comes meanwhile makes the copy invalid.
        epoch = current_epoch(self.local, self.scope)
        there = self._without_need(lambda: self.shared.read(CREDENTIALS, key))
        if there is None or (time_in(there.get("expires_at")) or 0) <= (time_in((here or {}).get("expires_at")) or 0):
            return here
        if self.sessions is None:
            # Each machine has sign-ins and sign-outs of its own, and perhaps other names of profiles.
            there = {**there, "scope": self.scope, "generation": epoch}
        self._copy(CREDENTIALS, key, there)
        return there

    def _epoch(self, document: Mapping[str, Any]) -> str:
        return current_epoch(self.local, str(document.get("scope")))

    def _without_need(self, call: Callable[[], T]) -> T | None:
        """Ask the engine for what can be done without it; None where it does not answer, or has not lately."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return call()
        except StorageError as error:
            self._is_away(error)
            return None

    def _is_away(self, error: StorageError) -> None:
        self._away_until = time.monotonic() + _AWAY
        self.warn(error.line)

    def _copy(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        with StorageErrorsIgnored():
            self.local.write(kind, key, document)

    def _synchronize_if_possible(self) -> None:
        self._without_need(lambda: self._synchronize(self.session_key))

    def _synchronize(self, session_key: str) -> None:
        """Bring the copies of the sign-out marks and of a sign-in up to date.

        Raises:
            StorageError: the engine of sign-ins does not answer.
        """
        if self.sessions is None:
            return
        wanted = [(EPOCHS, mark) for mark in epoch_keys(self.scope)]
        for kind, key in [*wanted, (SESSIONS, session_key)]:
            there = self.sessions.read(kind, key)
            if there == self.local.read(kind, key):
                continue
            if there is None:
                self.local.delete(kind, key)
            else:
                self.local.write(kind, key, there)


@dataclass(eq=False, repr=False)
class SharedPart:
    """What the engine of a configuration holds, for commands about all profiles: it is not listed, and forgets.

    Args:
        store: the store of the configuration.
    """

    store: LocalFirstStore

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        return None

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return iter(())

    def delete(self, kind: str, key: str) -> None:
        if kind == CREDENTIALS or kind in _COPIED:
            self.store.delete(kind, key)
