from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from botocore_cognito_federation.identity_pool.aws import suppress_wire_logs

LOGGERS = ["botocore.endpoint", "botocore.parsers", "botocore.auth"]


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def records() -> Iterator[Records]:
    handler = Records()
    logger = logging.getLogger("botocore")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.mark.parametrize("name", LOGGERS)
def test_the_wire_loggers_are_silent_inside_and_speak_outside(records: Records, name: str) -> None:
    logger = logging.getLogger(name)
    logger.debug("before")
    with suppress_wire_logs():
        logger.debug("inside")
        logger.error("inside, and an error")
    logger.debug("after")
    assert records.messages == ["before", "after"]


def test_the_loggers_named_are_the_ones_botocore_uses() -> None:
    import botocore.auth
    import botocore.endpoint
    import botocore.parsers

    held = (botocore.endpoint.logger, botocore.parsers.LOG, botocore.auth.logger)
    assert [logger.name for logger in held] == LOGGERS


def test_the_logger_of_a_vendored_botocore_is_silent_too(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS CLI's copy may have its loggers under other names."""
    vendored = logging.getLogger("botocore.vendored_by_somebody")
    monkeypatch.setattr("botocore.parsers.LOG", vendored)
    with suppress_wire_logs():
        vendored.debug("inside")
    assert records.messages == []


def test_other_loggers_of_botocore_are_left_alone(records: Records) -> None:
    with suppress_wire_logs():
        logging.getLogger("botocore.hooks").debug("still here")
    assert records.messages == ["still here"]


def test_no_level_is_changed(records: Records) -> None:
    before = [logging.getLogger(name).level for name in LOGGERS]
    with suppress_wire_logs():
        assert [logging.getLogger(name).level for name in LOGGERS] == before
        assert all(logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in LOGGERS)


def test_it_nests(records: Records) -> None:
    logger = logging.getLogger(LOGGERS[0])
    with suppress_wire_logs():
        with suppress_wire_logs():
            pass
        logger.debug("still inside the outer one")
    logger.debug("outside")
    assert records.messages == ["outside"]


def test_an_exception_ends_the_silence(records: Records) -> None:
    with pytest.raises(ZeroDivisionError), suppress_wire_logs():
        _ = 1 / 0
    logging.getLogger(LOGGERS[0]).debug("outside")
    assert records.messages == ["outside"]


def test_another_threads_own_logging_goes_on(records: Records) -> None:
    inside, logged = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(10)
        logging.getLogger(LOGGERS[0]).debug("the application's own call")
        logged.set()

    thread = threading.Thread(target=other)
    thread.start()
    with suppress_wire_logs():
        inside.set()
        assert logged.wait(10)
        logging.getLogger(LOGGERS[0]).debug("ours")
    thread.join()
    assert records.messages == ["the application's own call"]


def test_another_tasks_own_logging_goes_on(records: Records) -> None:
    async def ours(entered: asyncio.Event, done: asyncio.Event) -> None:
        with suppress_wire_logs():
            entered.set()
            await done.wait()
            await asyncio.to_thread(logging.getLogger(LOGGERS[0]).debug, "ours, in a thread of ours")

    async def theirs(entered: asyncio.Event, done: asyncio.Event) -> None:
        await entered.wait()
        logging.getLogger(LOGGERS[0]).debug("theirs")
        done.set()

    async def both() -> None:
        entered, done = asyncio.Event(), asyncio.Event()
        await asyncio.gather(ours(entered, done), theirs(entered, done))

    asyncio.run(both())
    assert records.messages == ["theirs"]


def test_the_filter_is_put_back_where_an_application_took_it_away(records: Records) -> None:
    logger = logging.getLogger(LOGGERS[0])
    with suppress_wire_logs():
        pass
    logger.filters.clear()
    with suppress_wire_logs():
        logger.debug("inside")
    assert records.messages == []
    assert len(logger.filters) == 1
