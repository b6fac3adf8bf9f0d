"""What must hold whatever happens, and the figures of how often it was tried."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.faults.world import FaultHome, Process, number_of, serial_of

#: Seconds after which a helper gives up by itself (`cli/credential_process._LAST_MOMENT`), and what a loaded machine
#: may take to start a process and to report its end.
LIMIT = 57
_SLACK = 8
#: The exit codes the documentation promises.
EXIT_CODES = frozenset({2, 3, 4, 5, 6, 7, 8, 130})
_KEYS = {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "AccountId"}
_SECRETS = ("refresh-", "eyJ", "SecretAccessKey")

LOST = "lost sign-ins"
WRONG = "wrong identities"
BAD = "bad answers"
HANG = "hangs"
DOUBLE = "double spends"
SHOWN = "secrets shown"
FALSE_ERROR = "errors while the service would have answered"


@dataclass
class Tally:
    """Figures of one family, and what went wrong in it.

    Attributes:
        done: what was tried, by name, in the order of the page.
        ends: how processes ended, by exit code; a signal is negative.
        wrong: violations, by kind, each in words.
        remarks: what the page says besides.
    """

    family: str
    done: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1) -> None:
        with self._turn:
            self.done[what] += number

    def violation(self, kind: str, words: str) -> None:
        with self._turn:
            self.wrong.setdefault(kind, []).append(words)

    def holds(self) -> None:
        """Fail the test if anything went wrong."""
        shown = {kind: (len(found), found[:3]) for kind, found in self.wrong.items()}
        assert not shown, f"{self.family}: {shown}"


@dataclass(frozen=True)
class Ended:
    """How a process ended, and how long it took."""

    code: int
    out: bytes
    err: bytes
    seconds: float


def ended(process: Process, tally: Tally, since: float | None = None) -> Ended:
    """Wait for a process; one that takes longer than it may is a violation and is killed."""
    began = time.monotonic() if since is None else since
    try:
        out, err = process.communicate(timeout=max(0.1, LIMIT + _SLACK - (time.monotonic() - began)))
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        tally.violation(HANG, f"{process.args!r} was still running after {LIMIT + _SLACK} s")
    tally.count("processes")
    tally.ends[process.returncode] += 1
    return Ended(process.returncode, out or b"", err or b"", time.monotonic() - began)


def judge_answer(done: Ended, home: FaultHome, tally: Tally, *, moved_clock: bool = False) -> bool:
    """Judge what ``credential-process`` printed; whether it is an answer.

    Args:
        moved_clock: expiry is not compared with this process's clock.
    """
    if done.code < 0:  # a signal of the bench ended it
        if done.out and not _is_answer(done.out, home, True):
            tally.violation(BAD, f"killed, and it had printed {_cut(done.out)}")
        return False
    if done.code == 0:
        if done.err or not _is_answer(done.out, home, moved_clock):
            key = (_document(done.out) or {}).get("AccessKeyId", "")
            kind = WRONG if home.world.owner(key) not in (None, home.identity) else BAD
            tally.violation(kind, f"exit 0, stdout {_cut(done.out)}, stderr {_cut(done.err)}")
            return False
        return True
    judge_failure(done, tally)
    return False


def judge_failure(done: Ended, tally: Tally, codes: frozenset[int] = EXIT_CODES) -> None:
    """A failure prints nothing on stdout, one line on stderr, and ends with a documented code."""
    text = done.err.decode(errors="replace")
    if done.out or done.code not in codes or text.count("\n") > 1 or "Traceback" in text:
        tally.violation(BAD, f"exit {done.code}, stdout {_cut(done.out)}, stderr {_cut(done.err, 300)}")
    judge_text(text, tally)


def judge_text(text: str, tally: Tally) -> None:
    """No text for people holds a secret."""
    for secret in _SECRETS:
        if secret in text:
            tally.violation(SHOWN, f"{secret!r} in {text[:200]!r}")


def judge_sign_in(home: FaultHome, tally: Tally, *, unavoidable: bool = False) -> bool:
    """Whether the sign-in of a home is whole: what is stored is what the provider takes next.

    Args:
        unavoidable: a process may have been cut off between the provider's rotation and its storing, which no client
            can prevent; it is counted, and is no violation.
    """
    home.issuer.settle()
    token = home.refresh_token
    if not token:
        tally.violation(LOST, "no refresh token is stored")
        return False
    grant = home.world.provider.grant(token)
    if grant["reused"]:
        tally.violation(DOUBLE, f"a refresh token was presented {grant['reused'] + 1} times")
        return False
    if grant["ended"] or grant["serial"] != serial_of(token):
        behind = grant["serial"] - serial_of(token)
        if unavoidable and not grant["ended"] and behind == 1:
            tally.count("cut off between the provider's rotation and its storing")
            return False
        tally.violation(LOST, f"sign-in {number_of(token)} is {behind} rotations behind {grant['ended']!r}")
        return False
    return True


def _document(out: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(out)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_answer(out: bytes, home: FaultHome, moved_clock: bool) -> bool:
    """Exactly one valid document, of the right user, that has not expired."""
    document = _document(out)
    if document is None or document.get("Version") != 1 or not _KEYS.issuperset(document):
        return False
    if not all(isinstance(document.get(key), str) and document[key] for key in _KEYS - {"Version", "AccountId"}):
        return False
    ends = datetime.strptime(document["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    if not moved_clock and ends.timestamp() < time.time() - 1:
        return False
    return home.world.owner(document["AccessKeyId"]) == home.identity


def _cut(data: bytes, length: int = 120) -> str:
    return repr(data[:length].decode(errors="replace"))
