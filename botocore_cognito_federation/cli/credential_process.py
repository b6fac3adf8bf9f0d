"""``credential-process`` without a cached response; it imports as little as possible."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from botocore.session import Session

from .._fast_path import CacheQuery, exit_at_deadline, exit_with, fail
from .._util.concurrency import check_profile_recursion
from .._util.log import start_debug_log, unexpected
from .._util.processes import environment_for_children, hold_signals, wait_for_work
from ..cache.answers import process_text, put_failure, put_no_answer
from ..config.profiles import load_settings
from ..errors import CognitoFederationError
from ..factory import answer_writer_for, fetcher_for
from ..login_tokens import source_of

if TYPE_CHECKING:
    from ..cache.answers import AnswerWriter
    from ..config.settings import Settings
    from ..fetcher import CredentialFetcher

#: Seconds a helper may take in all; SDKs end it after 60 (aws-sdk-go-v2, processcreds.DefaultTimeout).
HELPER_TIME = 50.0
#: Seconds after which it gives up whatever it is doing.
_LAST_MOMENT = 57.0
#: Seconds more for a refresh token that has been sent, before the answer is given up.
_LAST_WAIT = 1.5


def answer_and_end(query: CacheQuery, log: str | None = None) -> None:
    """Print the answer and end the process, before the SDK that waits for it ends it.

    Args:
        log: where to log each step; see `start_debug_log`. None where nothing is logged, or where that has begun.
    """
    if log:
        try:
            start_debug_log(log)
        except CognitoFederationError as error:
            fail(query, error.exit_code, error.line)
    stdout = os.dup(1)

    hold_signals()

    def give_up() -> None:
        wait_for_work(_LAST_WAIT)
        os.dup2(stdout, 1)  # a refresh handler may be running, with its output put away
        exit_at_deadline(query)

    watchdog = threading.Timer(query.asked_at + _LAST_MOMENT - time.time(), give_up)
    watchdog.daemon = True
    watchdog.start()
    code, text = answer(query)
    watchdog.cancel()
    if code:
        fail(query, code, text)
    exit_with(0, text)


def answer(query: CacheQuery) -> tuple[int, str]:
    """The exit code, and the JSON object or the message; both are stored for the processes that ask next.

    Raises nothing: an unforeseen error is a fault of this product, and says no more than its name, because its
    text may hold anything.
    """
    answers = None
    _silence_stderr()
    try:
        check_profile_recursion(os.environ, query.profile)
    except CognitoFederationError as error:
        # Not cached: it concerns this process only, and waiting processes would take it for their own.
        return error.exit_code, error.line
    try:
        session = Session(profile=query.profile)
        settings = load_settings(query.profile, session=session)
        answers = answer_writer_for(settings, query)
        runs_here = source_of(settings).runs_in_process
        if runs_here:
            # What they start in this process, such as the AWS CLI, inherits the chain from here.
            os.environ.update(environment_for_children(os.environ, settings.profile))
        with _stdout_for_the_answer() if runs_here else nullcontext():
            result = _fetcher(query, settings, session, answers).fetch()
        if answers.state is None:
            put_no_answer(query)
        return 0, process_text(result)
    except CognitoFederationError as error:
        return _failed(query, answers, error)
    except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
        return _failed(query, answers, unexpected(error))


def _fetcher(query: CacheQuery, settings: Settings, session: Session, answers: AnswerWriter) -> CredentialFetcher:
    def time_left() -> float:
        return query.asked_at + HELPER_TIME - time.time()

    # The session that has read the configuration does for the calls too, unless variables say it all and the profile
    # is in no file: botocore refuses such a name.
    same = settings.profile == query.profile
    return fetcher_for(
        settings,
        session=(lambda: session) if same else None,
        time_left=time_left,
        open_session=_session_of_other_profile,
        answers=answers,
    )


def _session_of_other_profile(profile: str) -> Session:
    from ..botocore_plugin.provider import session_of_other_profile  # few profiles name another one

    return session_of_other_profile(profile)


def _failed(query: CacheQuery, answers: AnswerWriter | None, error: CognitoFederationError) -> tuple[int, str]:
    put_failure(query, answers.state if answers is not None else "", error)
    return error.exit_code, error.line


@contextmanager
def _stdout_for_the_answer() -> Iterator[None]:
    """What a refresh handler, its module or what it starts prints must not be mixed into the answer."""
    own, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)


def _silence_stderr() -> None:
    """No warning of Python's or of a library's: stderr is empty on success, and one line on failure."""
    warnings.simplefilter("ignore")
    logging.lastResort = None
