"""Stops a child process at one point, to prove that nothing is lost there; see `tests.stopping`.

Python imports this file at its start if PYTHONPATH names the folder. It recognises writes by the system calls of the
process: the creation of a temporary file, and its renaming. So the product has no hooks, and the tests have no list of
its functions.
"""

from __future__ import annotations

import errno
import os
import signal
import time

_POINT, _, _ACTION = os.environ.get("TESTS_STOP_AT", "").partition(":")
_NAME, _, _COUNT = _POINT.partition("@")
_seen = 0
_make, _replace = os.open, os.replace


def reach(name: str) -> None:
    """Pass a point; the selected one kills this process, fails, or waits until a file exists."""
    global _seen
    if name != _NAME:
        return
    _seen += 1
    if _seen != int(_COUNT or 1):
        return
    if _ACTION == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif _ACTION in errno.errorcode.values():
        _seen -= 1  # a full disk stays full
        number = getattr(errno, _ACTION)
        raise OSError(number, os.strerror(number))
    elif _ACTION.startswith("hold="):
        while not os.path.exists(_ACTION[5:]):
            time.sleep(0.01)
    else:
        raise ValueError(f"nothing can be done at a point that is called {_ACTION!r}")


def _opened(path, flags, *arguments, **more):
    # The description of a lock's holder is only text, and written at each lock.
    if flags & os.O_EXCL and ".tmp-" in str(path) and ".holder." not in str(path):
        reach("write.begun")
    return _make(path, flags, *arguments, **more)


def _replaced(source, target, **more):
    counts = not str(target).endswith(".holder")
    if counts:
        reach("write.written")
    _replace(source, target, **more)
    if counts:
        reach("write.replaced")
        reach(f"{os.path.basename(os.path.dirname(target))}.replaced")


def _stop_in_the_product() -> None:
    """Points that are steps of the product, and not writes."""
    from botocore_cognito_federation import fetcher as federation
    from botocore_cognito_federation.cache import file as files
    from botocore_cognito_federation.cache.base import CREDENTIALS
    from botocore_cognito_federation.cli import quick

    def write(store, kind, *arguments, _write=files.FileStore.write, **more):
        _write(store, kind, *arguments, **more)
        if kind == CREDENTIALS:
            reach("credentials.stored")  # before the last look for a sign-out

    files.FileStore.write = write
    for owner, method, name in (
        (federation.CredentialFetcher, "_login", "token.obtained"),
        (federation.CredentialFetcher, "_exchange", "exchange.done"),
        (files, "lock_file", "lock.taken"),
        (quick, "_login", "token.obtained"),
        (quick, "_exchanged", "exchange.done"),
    ):
        setattr(owner, method, _then(getattr(owner, method), name))


def _then(function, name):
    def call(*arguments, **more):
        result = function(*arguments, **more)
        reach(name)
        return result

    return call


if _NAME:
    os.open, os.replace = _opened, _replaced
    if _NAME in ("token.obtained", "exchange.done", "credentials.stored", "lock.taken"):
        _stop_in_the_product()
