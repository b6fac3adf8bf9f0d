"""Caches credentials and failures in ready-to-print form for `_fast_path`."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._fast_path import CHECK, FIELD, MAGIC, CacheQuery, bound_together, checksum, read_answer, still_bound
from .._util.files import StorageErrorsIgnored, remove, write_private
from ..credentials import usable_until
from ..messages import holder_words
from .base import CREDENTIALS, EPOCHS, SESSIONS, double_of_aws, epoch_keys
from .file import FileStore, lock_file

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..credentials import FetchResult
    from ..errors import CognitoFederationError

#: Values of ``cognito_cache`` with which credentials are in files of this machine, where answers may be too.
_WITH_FILES = frozenset({"file", "redis", "postgres", "dynamodb"})
#: Seconds in which two changes of a file may leave it with the same times: 10 ms on Linux before 6.13, and some more.
_STEP_OF_TIMES = 0.02


def process_text(result: FetchResult) -> str:
    """The one JSON object of the ``credential_process`` contract, on one line."""
    return json.dumps(result.credentials.process_document(), separators=(",", ":"))


@dataclass(eq=False, repr=False)
class AnswerWriter:
    """Caches the responses of one configuration for ``credential-process``, ready to print.

    A response depends on the configuration files, on variables, on sign-outs, and on the bindings of the token source.

    Args:
        query: the query of ``credential-process``, taken before the configuration was read.
        settings: the configuration.
        bindings: returns the bindings of the token source; None if no response may be cached.

    Attributes:
        state: the state on which the last fetch depends; None if no response may be cached.
    """

    query: CacheQuery
    settings: Settings
    bindings: Callable[[], Sequence[tuple[str, str]] | None]
    state: str | None = ""

    def begin(self) -> str | None:
        """Return the present state on which a response depends; None if none may be cached.

        Call it before the token is read: a token that is replaced meanwhile then makes the response out of date.
        """
        current = CacheQuery(self.query.profile, os.environ).fingerprint == self.query.fingerprint
        bindings = self.bindings() if current and self.settings.cache in _WITH_FILES else None
        _wait_until_changes_show(bindings or ())
        self.state = None if bindings is None else state_of(self.query, self.settings, bindings)
        return self.state

    def put(self, state: str | None, result: FetchResult) -> None:
        """Store credentials until they should be renewed, and not past a sign-out that came meanwhile."""
        if state is None or result.only_here or self._is_stored(result):
            return
        credentials = result.credentials
        _write(
            self.query,
            state,
            (credentials.issued_at, result.refresh_at, usable_until(credentials)),
            "credentials",
            0,
            process_text(result),
            FIELD.join((result.user, credentials.user_id)),
        )
        if not still_bound(state):
            with StorageErrorsIgnored():
                remove(self.query.path)

    def _is_stored(self, result: FetchResult) -> bool:
        stored = read_answer(self.query)
        return stored is not None and (stored.kind, stored.refresh_at) == ("credentials", result.refresh_at)


def _wait_until_changes_show(bindings: Sequence[tuple[str, str]]) -> None:
    """Wait until another change of these files gives them another state than they have now.

    Otherwise a file that is written twice in place, with one size and within one step of its times, would make a
    response from its first content valid for the second. Waiting here costs a process that reads a response nothing.
    """
    for kind, name in bindings:
        if kind == "file":
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(name)
                age = time.time() - max(status.st_mtime, status.st_ctime)
                if 0 <= age < _STEP_OF_TIMES:
                    time.sleep(_STEP_OF_TIMES - age)


def state_of(query: CacheQuery, settings: Settings, bindings: Sequence[tuple[str, str]]) -> str | None:
    """The state of what an answer depends on: the sign-outs, then the bindings; None where it cannot be written."""
    folder = os.path.join(query.directory, EPOCHS)
    epochs = [("file", os.path.join(folder, f"{key}.json")) for key in epoch_keys(settings.scope)]
    entries = [*epochs, *bindings]
    text = bound_together(entries)
    return None if "\n" in text or text.count(FIELD) != 2 * len(entries) else text


def put_no_answer(query: CacheQuery) -> None:
    """Make the processes of a query fetch for themselves, without waiting for one another."""
    _write(query, None, (0.0, 0.0, 0.0), "ask", 0, "")


def put_failure(query: CacheQuery, state: str | None, error: CognitoFederationError) -> None:
    """Store a failure for the processes that wait for this one; a process that asks later makes its own attempt."""
    now = time.time()
    _write(query, state, (now, now, now), "failure", error.exit_code, error.line)


def last_failure(query: CacheQuery) -> tuple[float, str] | None:
    """Return when the last ``credential-process`` of a profile failed, and its message; None if it did not fail."""
    answer = read_answer(query)
    return (answer.issued, answer.text) if answer is not None and answer.kind == "failure" else None


def holder_of_answer(query: CacheQuery) -> str | None:
    """Return the name of the process that is fetching a response, for which others wait; None if there is none."""
    path = f"{query.path}.lock"
    if not os.path.isfile(path):
        return None
    try:
        release = lock_file(path, 0)
        if release is not None:
            release()
            return None
        with open(path, "rb") as file:
            file.seek(1)  # behind the byte that is locked, which Windows lets no process read
            return holder_words(file.read(200))
    except (OSError, NotImplementedError):
        return None


def _write(
    query: CacheQuery,
    bindings: str | None,
    times: tuple[float, float, float],
    kind: str,
    code: int,
    text: str,
    user: str = FIELD,
    suffix: str = "",
) -> None:
    """Write a response if possible; otherwise the next process resolves the configuration too.

    Answers of a test double are not written: real processes would print them.
    """
    if double_of_aws() is not None:
        return
    if bindings is None:
        bindings, kind, code, text, user = "", "ask", 1, "", FIELD
    if not os.path.isabs(query.directory):
        return  # the store refuses it, with the reason
    fields = (query.fingerprint, bindings, " ".join(map(repr, times)), kind, str(code), user, text, "")
    rest = "\n".join(fields).encode("utf-8", "surrogateescape")
    store = FileStore(query.directory)
    with StorageErrorsIgnored(
        lambda error: store.warn(f"No answer can be cached, so each call starts anew: {error.line}")
    ):
        write_private(
            query.path + suffix,
            b"\n".join((MAGIC.encode(), checksum(rest), rest)),
            lasting=False,
            folders=(query.directory, os.path.dirname(query.path)),
            note=store.warn,
        )


def bindings_of_check(query: CacheQuery) -> str:
    """Return what ``status --check`` depends on: each write to these folders changes their state."""
    return bound_together([("file", os.path.join(query.directory, kind)) for kind in (SESSIONS, CREDENTIALS, EPOCHS)])


def put_check(query: CacheQuery, bindings: str, code: int, until: float) -> None:
    """Cache the exit code of ``status --check``; does nothing if nothing else is cached."""
    if os.path.isdir(query.directory):
        times = (query.asked_at, until, until)
        _write(query, bindings, times, "failure" if code else "credentials", code, "", suffix=CHECK)
