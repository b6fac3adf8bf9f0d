"""What does harm: relays that spoil connections, system calls that fail, clocks that jump, disks without room."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing_extensions import Self

BLOCK = 4096
_BUSY = {"429": "Too Many Requests", "500": "Internal Server Error", "503": "Service Unavailable"}
#: What a `Relay` can do to a connection instead of passing it on.
HARMS = ("reset", "half-open", "drip", "wrong length", "bomb", *_BUSY)

Hook = Callable[[bytes], None]


class Relay:
    """A loopback port before another: passes connections on, or spoils them.

    What is spoiled never reaches the other side, so no server has done anything for it.

    Attributes:
        upstream: the port behind.
        harm: one of `HARMS`, or empty to pass everything on.
        on_request: called with the first bytes of each request that is passed on, before they are.
        on_answer: called with the first bytes of the request whose answer has come, before it is passed back.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.harm = ""
        self.on_request: Hook | None = None
        self.on_answer: Hook | None = None
        self._open = True
        self._busy = 0
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            request = client.recv(65536)
            if not request:
                return
            if self.harm:
                _spoil(client, self.harm)
            else:
                with self._passing():
                    self._pass_on(client, request)

    def settle(self) -> None:
        """Wait until every request that was passed on has had its answer, also those of processes that are gone."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._busy == 0, 60)

    @contextlib.contextmanager
    def _passing(self) -> Iterator[None]:
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _pass_on(self, client: socket.socket, request: bytes) -> None:
        if self.on_request is not None:
            self.on_request(request)
        with socket.create_connection(("127.0.0.1", self.upstream)) as server:
            server.sendall(request)
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            first = server.recv(65536)
            if self.on_answer is not None:
                self.on_answer(request)
            client.sendall(first)
            _pump(server, client)


def seen_refresh(seen: threading.Event) -> Hook:
    """A hook that sets an event when a refresh token passes."""
    return lambda request: seen.set() if request.startswith(b"POST /token") else None


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _spoil(client: socket.socket, harm: str) -> None:
    if harm == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif harm == "half-open":
        while client.recv(65536):  # until the other side gives up
            pass
    elif harm == "drip":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        while True:
            client.sendall(b" ")
            time.sleep(0.2)
    elif harm == "wrong length":
        client.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"a": 1}')
    elif harm == "bomb":
        body = gzip.compress(b" " * (64 << 20))
        head = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}"
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode() + body)
    else:
        head = f"HTTP/1.1 {harm} {_BUSY[harm]}\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())


#: A program that runs a command of the product while a system call fails:
#: errno, call, how many calls under the directory succeed first, the directory, then the words of the command.
FAILING_CALLS = """
import os, sys
number, name, passes, directory, *words = sys.argv[1:]
number, left = int(number), [int(passes)]
real, real_open, ours = getattr(os, name), os.open, set()

def concerns(target):
    return target in ours if isinstance(target, int) else os.fspath(target).startswith(directory)

def opened(path, *rest, **named):
    descriptor = real_open(path, *rest, **named)
    if isinstance(path, str) and path.startswith(directory):
        ours.add(descriptor)
    else:
        ours.discard(descriptor)
    return descriptor

def failing(target, *rest, **named):
    if concerns(target):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))
    return (opened if name == "open" else real)(target, *rest, **named)

os.open = opened
setattr(os, name, failing)
sys.argv[1:] = words
from botocore_cognito_federation.__main__ import main
sys.exit(main())
"""
#: A program that runs a command of the product with a clock that jumps, by what a file says, once the file is there.
#: The monotonic clock goes on as it does on a machine whose clock is set.
JUMPING_CLOCK = """
import os, sys, threading, time
import time_machine
path, *sys.argv[1:] = sys.argv[1:]

def jump():
    with open(path) as file:
        time_machine.travel(time.time() + float(file.read()), tick=True).start()

def watch():
    while not os.path.exists(path):
        time.sleep(0.005)
    jump()

if os.path.exists(path):
    jump()
else:
    threading.Thread(target=watch, daemon=True).start()
from botocore_cognito_federation.__main__ import main
sys.exit(main())
"""
ERRNOS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EROFS", "EDQUOT")}
CALLS = ("write", "replace", "fsync", "open")


class MountedDisk:
    """A file system in a mount namespace of its own, over one directory; only what enters by `prefix` sees it.

    Attributes:
        prefix: words before a command that is to see the disk.
        seen_from_here: the directory, for this process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def script(self) -> tuple[str, ...]:
        """A script of the shell that mounts it, and its arguments; the first one is the directory."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        script, *arguments = self.script()
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", f"{script}; echo mounted; exec cat", "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"mounted\n"
        self.prefix = ("nsenter", "--target", str(self._holder.pid), "--mount", f"--wd={self._directory.parent}")
        self.seen_from_here = Path(f"/proc/{self._holder.pid}/root") / self._directory.relative_to("/")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(10)

    def run(self, *words: str) -> None:
        """Run a command that sees the disk."""
        subprocess.run([*self.prefix, *words], check=True, stdout=subprocess.DEVNULL)


class SmallDisk(MountedDisk):
    """A tmpfs of so many blocks."""

    def __init__(self, directory: Path, blocks: int) -> None:
        super().__init__(directory)
        self._blocks = blocks

    def script(self) -> tuple[str, ...]:
        options = f"size={self._blocks * BLOCK},mode=0700"
        return 'mount -t tmpfs -o "$2" none "$1"', str(self._directory), options

    @contextlib.contextmanager
    def filled(self, free: int) -> Iterator[None]:
        """Leave so many free blocks."""
        filler = self.seen_from_here / "filler"
        status = os.statvfs(self.seen_from_here)
        filler.write_bytes(b"\0" * BLOCK * max(0, status.f_bavail - free))
        try:
            yield
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Let nothing be written."""
        self.run("mount", "-o", "remount,ro", str(self._directory))
        try:
            yield
        finally:
            self.run("mount", "-o", "remount,rw", str(self._directory))


class QuotaDisk(MountedDisk):
    """A btrfs with quotas, which hold for root too. What is overwritten there takes new blocks.

    Args:
        image: the file that holds it; made here.
    """

    def __init__(self, directory: Path, image: Path) -> None:
        super().__init__(directory)
        self._image = image

    def script(self) -> tuple[str, ...]:
        script = """
            truncate -s 128M "$2"
            mkfs.btrfs -q -f "$2" >/dev/null 2>&1
            mkdir "$3"
            mount -o loop "$2" "$3"
            btrfs subvolume create "$3/home" >/dev/null
            chmod 700 "$3/home"
            btrfs quota enable "$3"
            btrfs quota rescan -w "$3" >/dev/null
            mount --bind "$3/home" "$1"
        """
        return script.strip(), str(self._directory), str(self._image), f"{self._image}.whole"

    @contextlib.contextmanager
    def limited(self, kilobytes: int) -> Iterator[None]:
        """Let so much be stored in all."""
        self._limit(f"{kilobytes}K")
        try:
            yield
        finally:
            self._limit("none")

    def _limit(self, size: str) -> None:
        # Asked of the whole disk: the limit of the first subvolume, 256, also keeps itself from being changed there.
        self.run("btrfs", "qgroup", "limit", size, "0/256", f"{self._image}.whole")


def require_namespaces() -> None:
    """Skip, with the reason, where no disk can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("a small disk is mounted in a mount namespace, which takes root on Linux")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make mount namespaces")


def require_quotas() -> None:
    """Skip, with the reason, where no disk with a quota can be mounted."""
    require_namespaces()
    if not shutil.which("mkfs.btrfs") or not Path("/dev/loop-control").exists():
        pytest.skip("a disk with a quota takes btrfs-progs and a loop device")
    if "btrfs" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no btrfs")
