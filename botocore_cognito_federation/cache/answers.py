"""Keeping an answer ready to print for `process`, and forgetting the answers kept."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from .._fast_path import CHECK, ENTRY, FIELD, MAGIC, CacheQuery, bound, checksum, read_answer, still_bound
from .._util.doubles import double_of_aws
from .._util.files import make_directory, read_private, remove, write_private
from ..credentials import usable_until
from ..errors import CognitoFederationError, StorageError
from ..login_tokens.registry import bindings_of_answer
from .base import CREDENTIALS, EPOCHS, SESSIONS
from .file import FileStore
from .sessions import epoch_keys

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..fetcher import FetchResult
    from ..login_tokens.base import Binding

ANSWERS = "answers"
#: The line of an answer file that holds its kind, counted from 0; see `process`.
_KIND_LINE = 5


def process_text(served: FetchResult) -> str:
    """The one JSON object of the ``credential_process`` contract, on one line."""
    return json.dumps(served.credentials.process_document(), separators=(",", ":"))


def bindings_of(settings: Settings, bindings: tuple[Binding, ...] | None, query: CacheQuery) -> str | None:
    """What an answer depends on, in the state of now; None where no answer may be kept.

    To be taken before the token is read: a token that is replaced meanwhile then makes the answer out of date.
    """
    if settings.cache != "file" or bindings is None:
        return None
    folder = os.path.join(query.directory, EPOCHS)
    epochs = (bound("file", os.path.join(folder, f"{key}.json")) for key in epoch_keys(settings.scope))
    entries = [*epochs, *(bound(binding.kind, binding.name) for binding in bindings)]
    text = ENTRY.join(entries)
    return None if "\n" in text or text.count(FIELD) != 2 * len(entries) else text


def put_answer(query: CacheQuery, bindings: str | None, served: FetchResult) -> None:
    """Keep credentials ready to print until they should be renewed, and not past a sign-out that came meanwhile."""
    credentials = served.credentials
    _write(
        query,
        bindings,
        (credentials.issued_at, served.refresh_at, usable_until(credentials)),
        "credentials",
        0,
        process_text(served),
        FIELD.join((served.who, credentials.identity_id)),
    )
    if bindings is not None and not still_bound(bindings):
        with contextlib.suppress(StorageError):
            remove(query.path)


def putting_answers(
    query: CacheQuery, settings: Settings, serve: Callable[[], FetchResult]
) -> Callable[[], FetchResult]:
    """`serve`, which then also keeps what it served ready for the question, for other processes and later ones.

    Args:
        question: the question, asked before the configuration was read that `settings` come from.
        settings: what the configuration says.
        serve: serves the credentials of `settings`.
    """

    def serve_and_keep() -> FetchResult:
        now = CacheQuery(query.profile, os.environ)
        same = now.fingerprint == query.fingerprint
        bindings = bindings_of(settings, bindings_of_answer(settings, os.environ), now) if same else None
        served = serve()
        if bindings is not None and not served.only_here and not _is_kept(now, served):
            put_answer(now, bindings, served)
        return served

    return serve_and_keep


def _is_kept(query: CacheQuery, served: FetchResult) -> bool:
    kept = read_answer(query)
    return kept is not None and (kept.kind, kept.refresh_at) == ("credentials", served.refresh_at)


def put_failure(
    query: CacheQuery, bindings: str | None, error: CognitoFederationError, *, at: float, retry_at: float
) -> None:
    """Keep a failure for the processes that wait for this one, and, where it is temporary, for a moment longer."""
    _write(query, bindings, (at, retry_at, retry_at), "failure", error.exit_code, error.line)


def last_failure(query: CacheQuery) -> tuple[float, str] | None:
    """When the last ``credential-process`` of a profile failed, and its message; None where it did not fail."""
    answer = read_answer(query)
    return (answer.issued, answer.text) if answer is not None and answer.kind == "failure" else None


def _write(
    query: CacheQuery,
    bindings: str | None,
    times: tuple[float, float, float],
    kind: str,
    code: int,
    text: str,
    who: str = FIELD,
    suffix: str = "",
) -> None:
    """Best effort: without a place for it, the next process goes the long way too.

    Not what a test double has answered: real processes would print it.
    """
    if double_of_aws() is not None:
        return
    if bindings is None:
        bindings, kind, code, text, who = "", "ask", 1, "", FIELD
    if not os.path.isabs(query.directory):
        return  # the store refuses it, with the reason
    fields = (query.fingerprint, bindings, " ".join(map(repr, times)), kind, str(code), who, text, "")
    rest = "\n".join(fields).encode("utf-8", "surrogateescape")
    store = FileStore(query.directory)
    try:
        make_directory(query.directory, store.warn)
        make_directory(os.path.dirname(query.path), store.warn)
        write_private(query.path + suffix, b"\n".join((MAGIC.encode(), checksum(rest), rest)), lasting=False)
    except StorageError as error:
        store.warn(f"No answer can be kept ready, so each call starts anew: {error.line}")


def bindings_of_check(query: CacheQuery) -> str:
    """What the answer to ``status --check`` depends on: each write to these folders changes their state."""
    folders = (os.path.join(query.directory, kind) for kind in (SESSIONS, CREDENTIALS, EPOCHS))
    return ENTRY.join(bound("file", folder) for folder in folders)


def put_check(query: CacheQuery, bindings: str, code: int, until: float) -> None:
    """Keep the exit code of ``status --check`` for the next one; nothing where nothing else is kept either."""
    if os.path.isdir(query.directory):
        times = (query.asked_at, until, until)
        _write(query, bindings, times, "failure" if code else "credentials", code, "", suffix=CHECK)


def forget_failed_answers(directory: str) -> None:
    """Forget the answers that are failures; those that are credentials stay.

    Raises:
        StorageError: one is there and cannot be removed.
    """
    folder = os.path.join(directory, ANSWERS)
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            content = b"" if name.endswith(".lock") else read_private(path, lambda _: None) or b""
            if content.split(b"\n")[_KIND_LINE : _KIND_LINE + 1] == [b"failure"]:
                remove(path)


def forget_answers(directory: str) -> None:
    """Forget every answer kept ready; the next process of each profile goes the long way once.

    Raises:
        StorageError: one is there and cannot be removed.
    """
    folder = os.path.join(directory, ANSWERS)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if not name.endswith(".lock"):
            remove(os.path.join(folder, name))
