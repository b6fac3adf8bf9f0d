"""A clock that processes share and a test moves: Debian's libfaketime, preloaded, reads its offset from a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.tool_cache import lacking

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


@dataclass
class MovedClock:
    """The time of every process that has `environment()`, including running ones.

    Attributes:
        file: the file with the offset.
        ahead: seconds by which the clock is ahead of the machine's.
    """

    file: Path
    ahead: float = field(default=0.0, init=False)

    def environment(self) -> dict[str, str]:
        """Return the variables with which a process uses this clock.

        The monotonic clock moves too: libfaketime 0.9.10 breaks `clock_nanosleep` otherwise. The times of files stay
        the machine's own, so a file looks older than it is; within a day this does not matter.
        """
        self.advance(0)
        return {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
        }

    def advance(self, seconds: float) -> float:
        """Let a number of seconds pass; return how far ahead the clock is then."""
        self.ahead += seconds
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{self.ahead:+f}\n")
        fresh.replace(self.file)
        return self.ahead


def _library() -> str:
    for pattern in _LIBRARIES:
        for found in sorted(Path("/").glob(pattern[1:])):
            return str(found)
    lacking("libfaketime is not installed: the clock of other processes cannot be moved")
