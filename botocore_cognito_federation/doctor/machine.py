"""Checks this machine: where things are stored, who could change them, locks, and other identities in reach."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.session import Session
from botocore.utils import InstanceMetadataFetcher, resolve_imds_endpoint_mode

from .._fast_path import CacheQuery
from .._util import installation
from ..cache import STORES
from ..cache.answers import holder_of_answer, last_failure
from ..cache.base import NOTES
from ..cache.file import FileStore
from ..cache.sessions import check_storable
from ..config.configure import Files
from ..config.settings import Settings
from ..errors import StorageError
from ..factory import default_directory
from ..messages import span
from .report import CheckContext, CheckResult

#: Seconds for which something that happened is worth a word.
_RECENT = 86_400
#: JSON may hold integers that are longer than a float; no time is later than this.
_END_OF_TIME = 1e12
_PROOF = "doctor"


def requirements(_: CheckContext) -> Iterator[CheckResult]:
    """Whether this command's own environment has what the package needs."""
    for flaw in installation.flaws():
        remedy = f"Run: {installation.pip_line(flaw.pip_words)}"
        yield CheckResult("installation", "warning", flaw.what, remedy)


def places(context: CheckContext) -> Iterator[CheckResult]:
    """Whether things can be stored and locked, and by whom else they could be changed."""
    settings, store, environ = context.settings, context.store, context.environ
    try:
        check_storable(store)
        with store.lock(_PROOF, timeout=0):
            pass
        yield CheckResult("store", "ok", f"cognito_cache = {settings.cache} can be written, locked and deleted")
    except StorageError as error:
        yield CheckResult.of("store", error)
    if STORES[settings.cache].outlives_process:
        files = FileStore(default_directory(environ))
        why = files.why_unusable()
        if why is not None:
            yield CheckResult("store", "warning", f"{why.what}, so each call starts anew", why.remedy)
        yield from _locks(context, files)
    where = Files.of(environ)
    for path in dict.fromkeys(
        (where.config, where.credentials, *map(os.path.dirname, (where.config, where.credentials)))
    ):
        with contextlib.suppress(OSError):
            yield from _who_else_can_change(path)


def _locks(context: CheckContext, files: FileStore) -> Iterator[CheckResult]:
    remedy = "If it persists, end that process"
    holder = holder_of_answer(CacheQuery(context.settings.profile, context.environ))
    if holder is not None:
        what = f"{holder} is getting the credentials of this profile, and holds the lock of the cached answer"
        yield CheckResult("locks", "note", what, remedy)
    for name, words in files.holders():
        if name != _PROOF:
            yield CheckResult("locks", "note", f"{words} holds the lock {name}, for which other processes wait", remedy)


def _who_else_can_change(path: str) -> Iterator[CheckResult]:
    """Whether another user can change a file or directory whose content can start programs.

    Raises:
        OSError: it is not there.
    """
    if os.name == "nt":
        return
    status = os.stat(path)
    if status.st_uid not in (0, os.geteuid()):
        what = f"{path} belongs to user {status.st_uid}, who can make you start any program"
        yield CheckResult("permissions", "warning", what, "Give it back to this user (chown)")
    elif status.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        what = f"{path} can be written by other users, who can make you start any program"
        yield CheckResult("permissions", "warning", what, f"Run: chmod go-w {path}")


def notes(context: CheckContext) -> Iterator[CheckResult]:
    """What happened lately and was worth a word."""
    for _, document in context.store.documents(NOTES):
        at = document.get("at")
        if isinstance(at, int | float) and 0 <= at < _END_OF_TIME and time.time() - at < _RECENT:
            yield CheckResult("notes", "note", f"{document.get('text')} ({span(max(0.0, time.time() - at))} ago)")


def failure(context: CheckContext) -> Iterator[CheckResult]:
    """What the helper said last, which a program that started it may not have shown."""
    failed = last_failure(CacheQuery(context.settings.profile, context.environ))
    if failed is not None and time.time() - failed[0] < _RECENT:
        ago = span(max(0.0, time.time() - failed[0]))
        yield CheckResult("credential_process", "note", f"It failed {ago} ago: {failed[1]}")


_OTHERS = "other identities"
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
#: Seconds for all of it: where there is no metadata service, nothing answers at its address.
_TIME_LIMIT = 1
#: The SDKs that go on, measured by the matrix of clients (docs/clients.md).
_WHO = "Programs on the SDKs for JavaScript and C++ or the AWS Common Runtime use it when this sign-in fails"


def other_identities(context: CheckContext) -> Iterator[CheckResult]:
    """Warn of each that is in reach; the metadata service, which is not on this machine, is left out offline."""
    settings, environ, offline = context.settings, context.environ, context.offline
    if settings.fail_closed:
        yield CheckResult(_OTHERS, "ok", "cognito_fail_closed stops programs from going on to another identity")
        return
    container = next((name for name in _CONTAINER if environ.get(name)), None)
    if container:
        what = f"{container} is set, so the identity of this container is in reach. {_WHO}"
        yield CheckResult(_OTHERS, "warning", what, f"Unset {container}, or set cognito_fail_closed = true")
    role = None if offline else _role_of_the_machine(settings, environ)
    if role:
        what = f"The role {role} of this machine is in reach. {_WHO}"
        remedy = "Set cognito_fail_closed = true, or AWS_EC2_METADATA_DISABLED=true where they run"
        yield CheckResult(_OTHERS, "warning", what, remedy)
    if not container and not role and not offline:
        yield CheckResult(_OTHERS, "ok", "No other identity is in reach of programs here")


def _role_of_the_machine(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The role's name, asked for as every SDK asks; botocore asks nothing where AWS_EC2_METADATA_DISABLED is true."""
    found: list[str] = []

    def ask() -> None:
        fetcher = InstanceMetadataFetcher(
            timeout=_TIME_LIMIT, num_attempts=1, env=dict(environ), config=_fetcher_config(settings)
        )
        try:
            found.append(fetcher.retrieve_iam_role_credentials().get("role_name") or "")
        except (BotoCoreError, ValueError):
            return  # what answers there is no metadata service

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_TIME_LIMIT)
    return found[0] if found else None


def _fetcher_config(settings: Settings) -> dict[str, Any]:
    """What the profile says about the metadata service."""
    session = Session(profile=settings.profile)
    return {
        "ec2_metadata_service_endpoint": session.get_config_variable("ec2_metadata_service_endpoint"),
        "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(session),
        "ec2_metadata_v1_disabled": session.get_config_variable("ec2_metadata_v1_disabled"),
    }
