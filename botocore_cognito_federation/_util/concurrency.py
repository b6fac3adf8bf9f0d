"""Threads and forks: a lock that another thread holds at the fork would stay locked in the child.

A lock of this package is one that the child finds open. The locks of Python's imports are not: a module that another
thread was importing at the fork could never be imported in the child, and renewals import what they need when it is
needed. So the child forgets what nobody is there to finish, and imports it anew. The parent waits for nothing.

What asks for itself is refused here too, within a process and along a chain of profiles whose commands start another.

A call with a time limit is made in a thread, because nothing can end a call that waits in a library. A thread that has
made its call waits a moment for the next one, because starting a thread is a good part of what a request costs. It ends
before a fork: Python warns a program that forks while it has threads.
"""

from __future__ import annotations

import contextvars
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from .._fast_path import CHAIN_VARIABLE as VARIABLE
from .._fast_path import FIELD as _SEPARATOR
from ..errors import ConfigurationError, TokenRefreshError


@dataclass(frozen=True)
class Clock:
    """The clocks and the random numbers, passed in so that tests control them.

    Attributes:
        now: returns seconds since the epoch.
        sleep: waits for a number of seconds.
        random: returns a number from 0 to 1.
        monotonic: returns seconds that no setting of the time changes.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic


class ForkSafeLock:
    """A mutual exclusion between the threads of one process."""

    def __init__(self) -> None:
        # By process: setdefault gives all threads of a new child the same lock.
        self._locks = {os.getpid(): self._new()}

    def acquire(self, timeout: float) -> bool:
        """Take the lock within `timeout` seconds (0 does not wait); says whether it was taken."""
        lock = self._own()
        return bool(lock.acquire(timeout=timeout) if timeout > 0 else lock.acquire(blocking=False))

    def release(self) -> None:
        """Give the lock back; nothing, in a child that was forked while its parent held it."""
        lock = self._locks.get(os.getpid())
        if lock is not None:
            lock.release()

    def _own(self) -> Any:
        return self._locks.get(os.getpid()) or self._locks.setdefault(os.getpid(), self._new())

    def _new(self) -> Any:
        return threading.Lock()

    def __enter__(self) -> ForkSafeLock:
        self._own().acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


#: One lock a name for the threads of this process. It goes with the last thread that waits for it or holds it: a server
#: sees new users, and so new names, without end.
_thread_locks: WeakValueDictionary[str, ForkSafeLock] = WeakValueDictionary()
_finding = ForkSafeLock()


@contextmanager
def in_turn(name: str, timeout: float) -> Iterator[bool]:
    """Hold a name alone among the threads of this process; the context gives whether it was had within `timeout`."""
    with _finding:
        lock = _thread_locks.setdefault(name, ForkSafeLock())
    if not lock.acquire(timeout):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


class ForkSafeRLock(ForkSafeLock):
    """The same, which a thread that holds it may take again."""

    def _new(self) -> Any:
        return threading.RLock()


class _Unfinished:
    """Imports modules anew that were half imported at the fork, each in the module object that others may have.

    A finder and a loader of `sys.meta_path`: the stock ones would make a second object, without the submodules that
    have been imported already.
    """

    def __init__(self, modules: dict[str, ModuleType]) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        module = self._modules.pop(name, None)
        if module is None or module.__spec__ is None:
            return None
        spec: Any = module.__spec__
        spec.loader = _Again(spec.loader, module)
        return spec


class _Again:
    """The loader of a module that executes it once more."""

    def __init__(self, loader: Any, module: ModuleType) -> None:
        self._loader = loader
        self._module = module

    def create_module(self, spec: object) -> ModuleType:
        return self._module

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def forget_unfinished_imports() -> None:
    """In a forked child, let modules be imported anew that another thread of the parent was importing.

    NOTE: Python keeps the locks of imports in `importlib._bootstrap`, by name, each with the thread that holds it
    (CPython 3.3 to 3.14), and makes new ones only for what is not there. An implementation without them has no such
    locks to forget.
    """
    machinery = sys.modules.get("_frozen_importlib")
    locks: dict[str, Any] | None = getattr(machinery, "_module_locks", None)
    if not locks:
        return
    me = threading.get_ident()
    unfinished: dict[str, ModuleType] = {}
    for name, reference in tuple(locks.items()):
        if getattr(reference(), "owner", None) == me:
            continue
        locks.pop(name, None)
        module = sys.modules.get(name)
        if module is None:
            continue
        if getattr(module.__spec__, "_initializing", False):
            unfinished[name] = sys.modules.pop(name)
        else:
            _attach(name, module)
    if unfinished:
        sys.meta_path.insert(0, _Unfinished(unfinished))
    # Who waits for which lock: a new thread may have the number of one that is gone. A weak dictionary since 3.12.
    waiting = getattr(machinery, "_blocking_on", None)
    waiting = getattr(waiting, "data", waiting)
    if isinstance(waiting, dict):
        for thread in tuple(waiting):
            if thread != me:
                waiting.pop(thread, None)


def _attach(name: str, module: ModuleType) -> None:
    """Do the last step of an import, which makes a submodule an attribute of its package."""
    parent, _, child = name.rpartition(".")
    package = sys.modules.get(parent)
    if package is not None and not hasattr(package, child):
        setattr(package, child, module)


_prepared = False


def prepare_for_forks() -> None:
    """Call this before anything is imported for a renewal; from then on a forked child can import what it needs.

    Not done when this module is imported: a program that finds its credentials ready has nothing called at a fork.
    """
    global _prepared
    if not _prepared and hasattr(os, "register_at_fork"):
        _prepared = True
        os.register_at_fork(after_in_child=forget_unfinished_imports)


@dataclass(eq=False)
class _Refresh:
    marker: Hashable
    has_ended: bool = False


_renewals: contextvars.ContextVar[tuple[_Refresh, ...]] = contextvars.ContextVar("renewals", default=())


@contextmanager
def refreshing(marker: Hashable, what: str | None = None) -> Iterator[None]:
    """While the block runs, `is_refreshing(marker)` holds for it and for all that it calls, awaits or starts.

    Args:
        marker: what is renewed.
        what: see `refuse_reentry`; None where that has been asked already.

    Raises:
        TokenRefreshError: the caller is part of that renewal.
    """
    if what is not None:
        refuse_reentry(marker, what)
    renewal = _Refresh(marker)
    outer = _renewals.set((*_renewals.get(), renewal))
    try:
        yield
    finally:
        renewal.has_ended = True
        _renewals.reset(outer)


def is_refreshing(marker: Hashable) -> bool:
    """Return whether the caller was called, directly or not, by the renewal of `marker`, which has not ended."""
    return any(renewal.marker == marker for renewal in _current())


def refuse_reentry(marker: Hashable, what: str) -> None:
    """Stop before waiting for a renewal that waits for us.

    Args:
        marker: what is about to be renewed or waited for.
        what: its name, for the message.

    Raises:
        TokenRefreshError: the caller is part of that renewal.
    """
    if is_refreshing(marker):
        raise asks_for_itself(what)


def asks_for_itself(what: str) -> TokenRefreshError:
    """The error for what cannot get its answer, because it waits for itself."""
    return TokenRefreshError(
        f"{what} asks for the very credentials that it was called for",
        remedy="Let it use another profile, or none, to get its token",
    )


def _current() -> tuple[_Refresh, ...]:
    return tuple(renewal for renewal in _renewals.get() if not renewal.has_ended)


T = TypeVar("T")

#: Seconds a keyring may take: enough to type a password, and a helper ends within its own 50.
LIMIT = 30.0

#: Windows does not end a wait for Ctrl-C before its time.
_SLICE = 0.25

#: Seconds after which a thread without a call ends.
_IDLE = 0.05


def short_waits(limit: float, monotonic: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """Yield the seconds of short waits, until `limit` seconds have been waited in all.

    While a process is stopped or its machine sleeps it does not wait: what it waits for may have come in the meantime.
    So the next wait follows, whatever the clock says.

    Args:
        limit: seconds.
        monotonic: a clock in seconds.
    """
    left = limit
    while left > 0:
        began = monotonic()
        yield min(left, _SLICE)
        left -= min(monotonic() - began, 4 * _SLICE)


class TimedCall(Generic[T]):
    """A call that a thread makes and for which another waits.

    Attributes:
        name: what the thread is called meanwhile.
        process: the process that has the thread.
    """

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self.name = name
        self._call = call
        self._context = contextvars.copy_context()
        self.process = os.getpid()
        self._under_way = threading.Lock()
        self._under_way.acquire()
        self._has_ended = False
        self._result: T | None = None
        self._failure: BaseException | None = None

    def is_running(self) -> bool:
        """Whether it has neither returned nor raised; in a child, nobody makes the calls of its parent."""
        return not self._has_ended and self.process == os.getpid()

    def make(self) -> None:
        """Make the call, in the context variables of the thread that waits."""
        try:
            self._result = self._context.run(self._call)
        except BaseException as failure:  # noqa: BLE001 - raised in the waiting thread
            self._failure = failure

    def end(self) -> None:
        """Let the waiting thread go on."""
        self._has_ended = True
        self._under_way.release()

    def outcome(self, limit: float, monotonic: Callable[[], float] = time.monotonic) -> T:
        """What the call returned or raised, at most `limit` seconds later.

        Raises:
            DeadlineExceeded: it has done neither in time.
        """
        for pause in short_waits(limit, monotonic):
            if self._under_way.acquire(timeout=pause):
                self._under_way.release()
                break
        else:
            raise DeadlineExceeded(self)
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # Its traceback has this frame: together they would keep what the callers hold.
        return self._result  # type: ignore[return-value]  # what the call returned


class DeadlineExceeded(Exception):
    """The call has not ended in time.

    Attributes:
        call: the call, which a thread still makes, and whose result nobody will get.
    """

    def __init__(self, call: TimedCall[Any]) -> None:
        super().__init__(f"{call.name} did not end in time")
        self.call = call


class _Thread:
    """A thread that makes one call after another.

    Attributes:
        process: the process that has it. A fork in C (uWSGI's own) calls no hook of Python, so a child may find a
            thread of its parent among those without a call; it would wait for such a thread in vain.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._has_a_call = threading.Lock()
        self._has_a_call.acquire()
        self._next: TimedCall[Any] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)  # It keeps no process alive.

    def give(self, call: TimedCall[Any] | None) -> None:
        """Let the thread make a call, or end."""
        self._next = call
        self._has_a_call.release()

    def start(self, call: TimedCall[Any]) -> None:
        self.give(call)
        self._thread.name = call.name
        self._thread.start()

    def end(self) -> None:
        self.give(None)
        self._thread.join()

    def _run(self) -> None:
        while (call := self._given()) is not None:
            self._thread.name = call.name
            call.make()
            _idle.append(self)  # Before the other thread goes on: its next call finds this thread.
            call.end()
            del call  # It refers to the caller's objects.

    def _given(self) -> TimedCall[Any] | None:
        """Wait for a call; None if the thread is to end, or if no call comes in time."""
        if not self._has_a_call.acquire(timeout=_IDLE):
            try:
                _idle.remove(self)
            except ValueError:
                # Somebody has taken this thread and is about to give it a call. To take the call before the lock is
                # released would leave the lock open, and the next release would fail.
                self._has_a_call.acquire()
            else:
                return None
        call, self._next = self._next, None
        return call


#: Threads without a call; the last one is taken first, so that the others may end.
_idle: list[_Thread] = []


def _taken(process: int) -> _Thread | None:
    """Take a thread of this process from those without a call; what a child has of its parent's is dropped."""
    try:
        while True:
            thread = _idle.pop()
            if thread.process == process:
                return thread
    except IndexError:
        return None


def _end_idle() -> None:
    while (thread := _taken(os.getpid())) is not None:
        thread.end()


@cache
def _forget_at_forks() -> None:
    """A child has no thread of its parent, and Python would warn of those; not done before there is one."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_end_idle, after_in_child=_idle.clear)


def _begun(call: Callable[[], T], name: str) -> TimedCall[T]:
    timed = TimedCall(call, name)
    thread = _taken(timed.process)
    if thread is not None:
        thread.give(timed)
    else:
        _forget_at_forks()
        _Thread().start(timed)
    return timed


def call_within(
    limit: float, call: Callable[[], T], *, name: str, monotonic: Callable[[], float] = time.monotonic
) -> T:
    """Call a function in another thread and wait for it, at most `limit` seconds.

    A thread whose time is over is left behind with its call. The function runs in a copy of the caller's context
    variables.

    Args:
        limit: seconds.
        name: of the thread.
        monotonic: a clock in seconds.

    Returns:
        What `call` returned.

    Raises:
        DeadlineExceeded: it has not returned in time.
        BaseException: whatever `call` raised.
    """
    return _begun(call, name).outcome(limit, monotonic)


class BackendTimeoutError(Exception):
    """The keyring has not answered in time.

    Attributes:
        limit: the time, in seconds.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(f"no answer within {limit:g} seconds")
        self.limit = limit


class TimeLimit:
    """Makes calls with one time limit, and none while an earlier one still waits.

    Args:
        limit: seconds a call may take.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._left_behind: TimedCall[Any] | None = None

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises.

        Raises:
            BackendTimeoutError: it has done neither in time, or an earlier call still waits.
        """
        if self._left_behind is not None and self._left_behind.is_running():
            raise BackendTimeoutError(self._limit)
        timed = _begun(call, "cognito-federation-keyring")
        try:
            return timed.outcome(self._limit)
        except DeadlineExceeded:
            raise BackendTimeoutError(self._limit) from None
        finally:
            if timed.is_running():  # also after Ctrl-C
                self._left_behind = timed


#: Profiles whose commands lead to a process.
_LONGEST_CHAIN = 4


def check_profile_recursion(environ: Mapping[str, str], profile: str | None) -> None:
    """Stop before a profile is asked for credentials that it needs to find them.

    Raises:
        ConfigurationError: the profile is in the chain already, or the chain is too long.
    """
    chain = profile_chain(environ)
    name = profile or "default"
    shown = " -> ".join((*chain, name))
    if name in chain:
        raise ConfigurationError(
            f"Profile {name!r} needs its own credentials to get credentials ({shown})",
            remedy="Let its token command use another profile, or none",
        )
    if len(chain) >= _LONGEST_CHAIN:
        raise ConfigurationError(
            f"The chain of profiles is longer than {_LONGEST_CHAIN} ({shown})", remedy="Shorten it"
        )


def profile_chain(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The profiles whose commands lead to this process."""
    text = environ.get(VARIABLE, "")
    return tuple(text.split(_SEPARATOR)) if text else ()
