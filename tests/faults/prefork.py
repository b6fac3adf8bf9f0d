"""Many processes of the product for the price of few imports: each is forked from a parent that has imported all of it.

Each is a process of its own, with its own environment, arguments, streams and working directory, and goes in by the
console script's function. What it does not go through is the start of Python and the imports.

As a program this is the parent: orders come, with three descriptors each, by the socket that is its stdin.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
AVAILABLE = sys.platform == "linux"
_PACKAGE = "botocore_cognito_federation"
_MODULE = "tests.faults.prefork"
#: Third-party modules that the product imports when they are needed, in functions.
_LATE = ("boto3", "botocore.httpsession", "botocore.parsers", "filelock", "keyring", "requests", "jwt", "urllib3")
_LARGEST_ORDER = 1 << 17


class Forked:
    """A process forked by the parent; the part of `subprocess.Popen` that the bench uses.

    Attributes:
        args: the words of the command.
        returncode: as of `subprocess.Popen`; None while the process runs.
        pid: the number of the process, known when it has ended.
        stdout: what it prints; None where that was not piped.
        stderr: likewise.
    """

    def __init__(self, number: int, words: tuple[str, ...], send: Callable[[dict[str, Any]], None]) -> None:
        self.args = words
        self.returncode: int | None = None
        self.pid = 0
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        self._number = number
        self._send = send
        self._over = threading.Event()

    def ended(self, pid: int, code: int) -> None:
        self.pid, self.returncode = pid, code
        self._over.set()

    def wait(self, timeout: float | None = None) -> int:
        if not self._over.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            self._send({"signal": number, "number": self._number})

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[bytes | None, bytes | None]:
        """Wait, and read what was printed: a line or two, which a pipe holds."""
        self.wait(timeout)
        return _rest(self.stdout), _rest(self.stderr)


def _rest(stream: IO[bytes] | None) -> bytes | None:
    if stream is None or stream.closed:
        return None
    with stream:
        return stream.read()


class Prefork:
    """The parent of forked processes, which runs within ``with``.

    Args:
        prepare: Python statements for the parent to run when it has imported everything.
    """

    def __init__(self, prepare: str = "") -> None:
        self._prepare = prepare
        self._running: dict[int, Forked] = {}
        self._turn = threading.Lock()
        self._orders = 0

    def __enter__(self) -> Prefork:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._parent = subprocess.Popen([sys.executable, "-m", _MODULE, self._prepare], stdin=theirs, cwd=ROOT)
        assert self._socket.recv(100) == b"ready"
        threading.Thread(target=self._reap, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._parent.wait(10)

    def start(self, *words: str, environment: dict[str, str], cwd: Path, stdout: int = subprocess.PIPE) -> Forked:
        """Start a command of the product with its stdin closed.

        Args:
            stdout: as for `subprocess.Popen`: a pipe, or nowhere.
        """
        with self._turn:
            self._orders += 1
            process = Forked(self._orders, words, self._send)
            self._running[self._orders] = process
            nowhere = os.open(os.devnull, os.O_RDWR)
            out, process.stdout = _pipe() if stdout == subprocess.PIPE else (os.dup(nowhere), None)
            err, process.stderr = _pipe()
            order = {"number": self._orders, "words": words, "environment": environment, "cwd": str(cwd)}
            try:
                socket.send_fds(self._socket, [json.dumps(order).encode()], [nowhere, out, err])
            finally:
                for descriptor in (nowhere, out, err):
                    os.close(descriptor)
        return process

    def _send(self, message: dict[str, Any]) -> None:
        with self._turn:
            self._socket.send(json.dumps(message).encode())

    def _reap(self) -> None:
        with contextlib.suppress(OSError):
            while report := self._socket.recv(1000):
                number, pid, code = json.loads(report)
                self._running.pop(number).ended(pid, code)


def _pipe() -> tuple[int, IO[bytes]]:
    reader, writer = os.pipe()
    return writer, os.fdopen(reader, "rb")


def _imported() -> Callable[[], object]:
    """Import all that a command may import; the console script's function."""
    package = importlib.import_module(_PACKAGE)
    names = [found.name for found in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}.")]
    for name in [*names, *_LATE]:
        if f"{_PACKAGE}.demo" not in name:
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(name)
    (script,) = entry_points(group="console_scripts", name="cognito-federation")
    main: Callable[[], object] = script.load()
    return main


class _Parent:
    def __init__(self, bench: socket.socket) -> None:
        self._bench = bench
        self._numbers: dict[int, int] = {}
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)

    def wait_for_orders(self) -> bool:
        """Fork at each order; True in the child, False in the parent when the bench has ended."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        self._bench.send(b"ready")
        while True:
            ready, _, _ = select.select([self._bench, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._report_ends()
            if self._bench in ready:
                data, descriptors, _, _ = socket.recv_fds(self._bench, _LARGEST_ORDER, 3)
                if not data:
                    self._end_all()
                    return False
                order = json.loads(data)
                if "signal" in order:
                    self._signal(order)
                elif self._forked(order, descriptors):
                    return True

    def _forked(self, order: dict[str, Any], descriptors: list[int]) -> bool:
        process = os.fork()
        if process == 0:
            self._become(order, descriptors)
            return True
        self._numbers[process] = order["number"]
        for descriptor in descriptors:
            os.close(descriptor)
        return False

    def _become(self, order: dict[str, Any], descriptors: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._woken)
        os.close(self._wakes)
        self._bench.close()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        # The parent's may be of a file, in which they seek; a pipe has no place to go to.
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv[:] = ["cognito-federation", *order["words"]]

    def _signal(self, order: dict[str, Any]) -> None:
        for process, number in self._numbers.items():
            if number == order["number"]:
                os.kill(process, order["signal"])

    def _report_ends(self) -> None:
        while self._numbers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            number = self._numbers.pop(process)
            self._bench.send(json.dumps([number, process, os.waitstatus_to_exitcode(status)]).encode())

    def _end_all(self) -> None:
        for process in self._numbers:
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    _main = _imported()
    exec(sys.argv[1], {})
    _socket = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if _Parent(_socket).wait_for_orders():
        sys.exit(_main())
