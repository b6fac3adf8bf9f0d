"""The environment of every program that this package starts: commands of the configuration, and users' own programs.

It holds the chain of profiles, a guard against helpers that start themselves: a token command may use another profile,
whose helper starts in turn. A profile that comes up twice, or a chain more than four long, would never end
(aws/aws-cli#8860).

It does not hold the library path of a frozen program. One made by PyInstaller, such as the AWS CLI 2, runs with the
path of its bundle; handed down, that makes foreign programs load the bundle's libraries and crash.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping

from .._fast_path import CHAIN_VARIABLE as VARIABLE
from .._fast_path import FIELD as _SEPARATOR
from ..errors import ConfigurationError, TemporaryError, TokenRefreshError
from .concurrency import check_profile_recursion, profile_chain, short_waits

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
            with contextlib.suppress(subprocess.TimeoutExpired):
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
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=pause)
            return True
    return False


def _drain(process: subprocess.Popen[bytes], output: bytearray) -> None:
    stdout = process.stdout
    assert stdout is not None
    with stdout, contextlib.suppress(OSError, ValueError):
        while len(output) <= _MOST_BYTES and (chunk := os.read(stdout.fileno(), 65536)):
            output += chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.kill()
        return
    # The group, not only the child: what the command left running would keep our pipe open.
    with contextlib.suppress(ProcessLookupError, PermissionError):
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
