"""A handler that uses its own profile through boto3: an error at once, or the credentials that are still usable."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

import botocore_cognito_federation
from botocore_cognito_federation.botocore_plugin.provider import uninstall
from botocore_cognito_federation.errors import CognitoFederationError, TokenRefreshError
from tests.login_tokens.home import ProfileHome

Use = Callable[[], str]


@pytest.fixture
def installed(inside: ProfileHome) -> Iterator[ProfileHome]:
    botocore_cognito_federation.install()
    yield inside
    uninstall()


class Handlers:
    """Replaces the module ``reentry_handlers``; `refresh` is the function of a test."""

    refresh: Callable[[], str]


@pytest.fixture
def handlers(installed: ProfileHome, monkeypatch: pytest.MonkeyPatch) -> Any:
    import sys
    import types

    module: Any = types.ModuleType("reentry_handlers")
    module.refresh = lambda: installed.world.provider.issue("ada")
    monkeypatch.setitem(sys.modules, "reentry_handlers", module)
    installed.profile("py", cognito_refresh_handler="reentry_handlers:refresh")
    return module


def caller(profile: str = "py") -> str:
    return str(boto3.Session(profile_name=profile).client("sts").get_caller_identity()["Arn"])


def in_a_thread(use: Use) -> str:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(use())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return str(outcome[0])


def in_a_task(use: Use) -> str:
    async def main() -> str:
        return await asyncio.to_thread(use)

    return asyncio.run(main())


@pytest.mark.parametrize("way", [lambda use: use(), in_a_task], ids=["itself", "a task"])
def test_a_handler_that_uses_its_own_profile_gets_an_error_at_once(
    installed: ProfileHome, handlers: Any, way: Callable[[Use], str]
) -> None:
    seen: list[BaseException] = []

    def refresh() -> str:
        try:
            return way(caller)
        except BaseException as error:
            seen.append(error)
            raise

    handlers.refresh = refresh
    with pytest.raises(TokenRefreshError, match="asks for the very credentials"):
        caller()
    assert isinstance(seen[0], TokenRefreshError)
    assert installed.world.calls() == []


def test_a_bare_thread_of_a_handler_meets_the_time_limit_of_the_lock_and_no_deadlock(
    installed: ProfileHome, handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Threads inherit no context variables, so the purpose of this thread's request is unknown.
    monkeypatch.setattr("botocore_cognito_federation.fetcher.LOCK_TIMEOUT", 0.3)
    handlers.refresh = lambda: in_a_thread(caller)
    with pytest.raises(CognitoFederationError, match="renewing these credentials too long"):
        caller()


def test_a_handler_that_uses_its_own_profile_gets_what_is_still_valid(installed: ProfileHome, handlers: Any) -> None:
    installed.world.credential_lifetime = 10
    installed.profile("py", cognito_refresh_handler="reentry_handlers:refresh", cognito_refresh_window="3600")
    used: list[str] = []
    calls: list[int] = []

    def refresh() -> str:
        calls.append(1)
        if len(calls) > 1:
            used.append(caller())
        return str(installed.world.provider.issue("ada"))

    handlers.refresh = refresh
    first = caller()
    credentials = boto3.Session(profile_name="py").get_credentials()
    while not credentials.refresh_needed():
        time.sleep(0.05)
    assert caller() == first
    assert used
    assert set(used) == {first}


def test_a_handler_may_use_another_profile(installed: ProfileHome, handlers: Any) -> None:
    installed.world.write_token(installed.path, subject="helper")
    installed.profile("other", cognito_token_file=str(installed.path / "token"))
    used: list[str] = []

    def refresh() -> str:
        used.append(caller("other"))
        return installed.world.provider.issue("ada")

    handlers.refresh = refresh
    assert caller()
    assert "assumed-role" in used[0]


def test_two_profiles_whose_handlers_use_each_other_get_an_error(installed: ProfileHome, handlers: Any) -> None:
    installed.profile("one", cognito_refresh_handler="reentry_handlers:one")
    installed.profile("two", cognito_refresh_handler="reentry_handlers:two")
    handlers.one = lambda: caller("two")
    handlers.two = lambda: caller("one")
    with pytest.raises(TokenRefreshError, match="asks for the very credentials"):
        caller("one")


def test_an_application_can_go_on_after_such_an_error(installed: ProfileHome, handlers: Any) -> None:
    good = handlers.refresh
    handlers.refresh = caller
    with pytest.raises(CognitoFederationError):
        caller()
    handlers.refresh = good
    from botocore_cognito_federation.botocore_plugin import shared

    shared._shared.clear()
    assert "assumed-role" in caller()


def test_many_threads_make_one_call_of_the_handler(installed: ProfileHome, handlers: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    calls: list[int] = []

    def refresh() -> str:
        calls.append(1)
        return installed.world.provider.issue("ada")

    handlers.refresh = refresh
    session = boto3.Session(profile_name="py")
    credentials = session.get_credentials()
    with ThreadPoolExecutor(16) as pool:
        keys = {one.access_key for one in pool.map(lambda _: credentials.get_frozen_credentials(), range(16))}
    assert (len(keys), len(calls)) == (1, 1)
