"""Child processes that read lines or a stream, always with a deadline."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from types import TracebackType

#: Seconds that a child may take for one answer; a busy machine with two cores starts the AWS CLI in about five.
ANSWER_TIME = 90.0
_SHOWN = 300


class ChildFailed(Exception):
    """A child did not do as it was asked; the text has the end of its stderr.

    Attributes:
        late: whether it did nothing until the deadline.
    """

    late = False


class Child:
    """A process whose three streams the test controls; ended with the `with` block."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close_input()
        self._reader.join()
        self._errors.close()

    def ask(self, line: str) -> str:
        """Send a line and return the answer line.

        Raises:
            ChildFailed: there was no answer.
        """
        self.feed(line.encode() + b"\n")
        return self.next()

    def feed(self, data: bytes) -> None:
        """Write to the child's input; a child that does not read is ended at the deadline.

        Raises:
            ChildFailed: it has ended.
        """
        stream = self._process.stdin
        assert stream is not None
        watchdog = threading.Timer(ANSWER_TIME, self._process.kill)
        watchdog.start()
        try:
            stream.write(data)
            stream.flush()
        except OSError:
            raise self._failure("ended before it had read its input") from None
        finally:
            watchdog.cancel()

    def finish(self) -> str:
        """Close the input and return the rest of the output.

        Raises:
            ChildFailed: the child failed or did not end.
        """
        self._close_input()
        output = b""
        while (line := self._wait()) is not None:
            output += line
        try:
            code = self._process.wait(ANSWER_TIME)
        except subprocess.TimeoutExpired:
            raise self._failure("did not end") from None
        if code != 0:
            raise self._failure(f"ended with {code}")
        return output.decode(errors="replace")

    def next(self) -> str:
        """Return the next line of its output.

        Raises:
            ChildFailed: there was no line.
        """
        line = self._wait()
        if line is None:
            raise self._failure("gave no answer")
        return line.decode(errors="replace").strip()

    def _wait(self) -> bytes | None:
        try:
            return self._lines.get(timeout=ANSWER_TIME)
        except queue.Empty:
            failure = self._failure("gave no answer in time")
            failure.late = True
            raise failure from None

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _failure(self, what: str) -> ChildFailed:
        self._errors.seek(0)
        said = " ".join(self._errors.read().decode(errors="replace").split())[-_SHOWN:]
        return ChildFailed(f"{what}: {said}" if said else what)
