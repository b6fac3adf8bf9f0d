"""This process and those that it starts: what a signal must not split, and what a started program is given.

A refresh token that was sent is lost until its successor is stored. Such work runs in a thread of its own. Python runs
signal handlers in the main thread only, so what they raise (`KeyboardInterrupt` above all) ends the waiting and not the
work; it is raised once the work is done. SIGTERM and SIGHUP end a process without asking Python; while the main thread
waits, they are held too.

NOTE: SIGTERM ends a program at once where another thread than the main one does the work and the program has no handler
for it: only the main thread may set one. `hold_signals` does so for the processes that are our own.

A started program's environment holds the chain of profiles, a guard against helpers that start themselves: a token
command may use another profile, whose helper starts in turn. A profile that comes up twice, or a chain more than four
long, would never end (aws/aws-cli#8860). It does not hold the library path of a frozen program. One made by
PyInstaller, such as the AWS CLI 2, runs with the path of its bundle; handed down, that makes foreign programs load the
bundle's libraries and crash.
"""

from __future__ import annotations

import contextvars
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Generic, TypeVar

from .._fast_path import CHAIN_VARIABLE as VARIABLE
from .._fast_path import FIELD as _SEPARATOR
from ..errors import ConfigurationError, TemporaryError, TokenRefreshError
from .concurrency import check_profile_recursion, profile_chain, short_waits

T = TypeVar("T")

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
#: What ends a process, as far as this platform has it.
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
#: Seconds a signal is held at most: those of one request, and some to store what it brings.
_LONGEST = 40.0
#: Short waits: on Windows Ctrl-C is only seen between them.
_PAUSE = 0.25

_under_way: set[_Work[object]] = set()


class _Work(Generic[T]):
    """A function and its outcome, in a thread that the end of the interpreter waits for."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._outcome: tuple[T] | None = None
        self._failure: BaseException | None = None
        self._begun = False
        self._done = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="cognito-federation uninterrupted", daemon=False
        )

    def _run(self) -> None:
        try:
            self._outcome = (self._function(),)
        except BaseException as failure:  # noqa: BLE001 - raised where the outcome is asked for
            self._failure = failure
        finally:
            self._done.set()

    def finish(self) -> None:
        """Do the work once, and return when it is done."""
        if not self._begun:
            self._begun = True
            try:
                self._thread.start()
            except RuntimeError:  # at the end of the interpreter no thread starts any more
                self._run()
        while not self._done.wait(_PAUSE) and self._thread.is_alive():
            """A child that a signal handler forks has no such thread."""

    def wait(self, seconds: float) -> None:
        """Wait for work that another thread began, so long at most."""
        for pause in short_waits(seconds):
            if self._done.wait(pause):
                break

    def result(self) -> T:
        """The outcome.

        Raises:
            BaseException: what the function raised.
            TemporaryError: this process was forked meanwhile, and the work is its parent's.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if self._outcome is None:
            raise TemporaryError("The process that this one was forked from renews these credentials")
        return self._outcome[0]


def uninterrupted(function: Callable[[], T]) -> T:
    """Call a function that runs to its end whatever signals come, and act on the signals then.

    Args:
        function: has time limits of its own. It is called in another thread, with the caller's context variables.

    Raises:
        BaseException: what the function raises, or what a signal handler raised meanwhile.
    """
    work = _Work(function)
    interruption: BaseException | None = None
    _under_way.add(work)  # type: ignore[arg-type]  # only waited for
    try:
        with _signals_held():
            while True:
                try:
                    work.finish()
                    break
                except BaseException as raised:  # noqa: BLE001 - raised again below
                    interruption = raised
    finally:
        _under_way.discard(work)
    if interruption is not None:
        raise interruption
    return work.result()


def wait_for_work(seconds: float = _LONGEST) -> None:
    """Wait until no work of `uninterrupted` is under way in any thread, before the process is ended.

    Args:
        seconds: the longest time to wait for each.
    """
    for work in tuple(_under_way):
        work.wait(seconds)


def hold_signals() -> None:
    """Let this whole process end by a signal only when no work of `uninterrupted` is under way, in any thread.

    For processes that are our own: a program's handlers are its own affair. To be called in the main thread.
    """
    for number in _SIGNALS:
        before = signal.getsignal(number)
        if before in _DEFAULTS:
            signal.signal(number, _Ending(before))


_Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


class _Ending:
    """A signal handler that ends the process as the one before it does, once no work is under way.

    Args:
        before: the handler it stands in for.
        act: called right before the end.
    """

    def __init__(self, before: _Handler, act: Callable[[], None] | None = None) -> None:
        self.before = before
        self._act = act

    def __call__(self, number: int, frame: FrameType | None) -> None:
        wait_for_work()
        if self._act is not None:
            self._act()
        signal.signal(number, self.before)
        signal.raise_signal(number)


def _ends_at_once(handler: object) -> bool:
    """Whether a handler ends the process without raising anything that the program could catch."""
    return handler == signal.SIG_DFL or (isinstance(handler, _Ending) and handler.before == signal.SIG_DFL)


@contextmanager
def calling_before_the_end(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` before a signal ends this process, where it would do so without a word to Python.

    Signals that a program handles or ignores are left alone, and so is a process that comes here in another thread
    than its main one. Ctrl-C raises KeyboardInterrupt, which the caller's own cleaning up sees.
    """
    handlers: dict[int, _Ending] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            before: _Handler = signal.getsignal(number)
            if _ends_at_once(before):
                handlers[number] = _Ending(before, act)
                signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number, handler in handlers.items():
            before = handler.before
            if signal.getsignal(number) is handler:
                signal.signal(number, before)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Keep the signals back that would end this process; handlers that a program has set run as ever."""
    came: list[int] = []
    before: dict[int, _Handler] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if handler in _DEFAULTS:
                    with suppress(ValueError):  # not the main interpreter
                        before[number] = handler
                        signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            with suppress(ValueError):
                signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


#: What a frozen program changes for itself; it leaves the value from before in NAME_ORIG, where there was one
#: (PyInstaller manual, "LD_LIBRARY_PATH / LIBPATH considerations").
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "LIBPATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
#: Stands in every bundle of PyInstaller.
_MARK_OF_A_BUNDLE = "base_library.zip"


def environment_without_chain(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a user's own program (a browser, say), which begins a chain of its own."""
    return {name: value for name, value in without_frozen_libraries(environ).items() if name != VARIABLE}


def without_frozen_libraries(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the library paths that were there before a frozen program changed them."""
    found = dict(environ)
    for name in _LIBRARY_PATHS:
        changed = found.get(name)
        before = found.pop(f"{name}_ORIG", None)
        if before is None and changed is not None:
            # No value from before: this is the frozen program itself, or one that was started by it.
            frozen = getattr(sys, "frozen", False)
            before = "" if frozen else os.pathsep.join(p for p in changed.split(os.pathsep) if not _is_bundle(p))
        if before:
            found[name] = before
        elif before is not None:
            found.pop(name, None)
    return found


def _is_bundle(folder: str) -> bool:
    return bool(folder) and os.path.exists(os.path.join(folder, _MARK_OF_A_BUNDLE))


#: Under the 60 s after which some SDKs end a credential helper.
TIME_LIMIT = 50.0
_MOST_BYTES = 1 << 20


def run_for_output(command: str, *, name: str, environ: Mapping[str, str], time_limit: float) -> bytes:
    """What a configured command prints.

    Args:
        command: the command line, split as a shell splits words but run without one.
        name: the key it comes from, for messages.
        environ: the environment of the child.
        time_limit: seconds until the command and what it started are ended.

    Raises:
        ConfigurationError: the command cannot be started.
        TokenRefreshError: it failed, or printed far too much.
        TemporaryError: it did not end in time.
    """
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise ConfigurationError(f"{name} cannot be split into words: {error}") from None
    if not words:
        raise ConfigurationError(f"{name} is empty")
    # Not `with`: its end would wait without a limit for a command that may not be ended, such as a setuid one.
    process = _started(words, name, environ)
    return _output_of(process, f"{name} ({words[0]})", time_limit)


def _started(words: list[str], name: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=dict(environ),
            # A group of its own, so that a time limit also ends what the command started.
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ConfigurationError(
            f"{name} names {words[0]}, which is not there", remedy="Give the absolute path of the program"
        ) from None
    except PermissionError:
        raise ConfigurationError(f"{name} names {words[0]}, which this user may not run") from None
    except OSError as error:
        raise TemporaryError(f"{name} cannot start {words[0]}: {error.strerror}") from None


def _output_of(process: subprocess.Popen[bytes], name: str, time_limit: float) -> bytes:
    output = bytearray()
    waits = short_waits(time_limit)
    # A thread, because waiting with a time limit must also end when a grandchild keeps the pipe open.
    reader = threading.Thread(target=_drain, args=(process, output), name="token command output", daemon=True)
    reader.start()
    ended = False
    try:
        for pause in waits:
            reader.join(pause)
            if not reader.is_alive():
                break
        if len(output) > _MOST_BYTES:
            raise TokenRefreshError(f"{name} printed more than {_MOST_BYTES:,} bytes; it should print a login token")
        if not reader.is_alive():
            ended = _ends_within(waits, process)
    finally:
        if not ended:
            _end(process)
            reader.join(1)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
    if not ended:
        raise TemporaryError(
            f"{name} did not end within {time_limit:g} s",
            remedy="Run it by hand; its stdin is closed, so it cannot ask",
        )
    if process.returncode:
        code = process.returncode
        how = f"ended with status {code}" if code > 0 else f"was ended by signal {-code}"
        raise TokenRefreshError(
            f"{name} {how}", remedy="Run it by hand to see its message, not shown here because it may hold secrets"
        )
    return bytes(output)


def _ends_within(waits: Iterable[float], process: subprocess.Popen[bytes]) -> bool:
    for pause in waits:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=pause)
            return True
    return False


def _drain(process: subprocess.Popen[bytes], output: bytearray) -> None:
    stdout = process.stdout
    assert stdout is not None
    with stdout, suppress(OSError, ValueError):
        while len(output) <= _MOST_BYTES and (chunk := os.read(stdout.fileno(), 65536)):
            output += chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.kill()
        return
    # The group, not only the child: what the command left running would keep our pipe open.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def environment_for_children(environ: Mapping[str, str], profile: str | None) -> dict[str, str]:
    """The environment for a command that a profile starts: with the chain that now ends in this profile.

    Raises:
        ConfigurationError: the profile is in the chain already, or the chain is too long. It is refused here too,
            because every way of asking for credentials comes by here, and only some of them ask before.
    """
    check_profile_recursion(environ, profile)
    chain = profile_chain(environ)
    return {**without_frozen_libraries(environ), VARIABLE: _SEPARATOR.join((*chain, profile or "default"))}
