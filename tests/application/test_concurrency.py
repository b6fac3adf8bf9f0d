"""Many at once: threads, processes, forked children, a handler that calls back, a sign-out in between."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from botocore_cognito_federation import CognitoFederation, NotSignedInError, TokenRefreshError
from botocore_cognito_federation._util import concurrency as single_flight
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time
from tests.application.test_renewal import Handler, signed_in

pytestmark = pytest.mark.thorough


def test_sixteen_threads_at_an_expired_token_make_one_handler_call_and_one_exchange(
    world: World, make: Maker, clock: Time
) -> None:
    federation = signed_in(world, make, handler := Handler(world))
    clients = federation.session().get_credentials()
    clock.pass_by(3700)
    barrier = threading.Barrier(16)

    def ask(number: int) -> str:
        barrier.wait()
        if number % 2:
            return str(clients.get_frozen_credentials().access_key)
        return federation.current_credentials().access_key

    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(ask, range(16)))
    assert len(keys) == 1
    assert handler.calls == 1
    assert len(world.calls("GetCredentialsForIdentity")) == 1


@pytest.mark.parametrize("how", ["credentials", "client", "sign-in", "task"])
def test_a_handler_that_calls_back_gets_a_clear_error_at_once(world: World, make: Maker, clock: Time, how: str) -> None:
    federation: CognitoFederation

    def refresh() -> str:
        if how == "credentials":
            federation.current_credentials()
        elif how == "client":
            federation.session().client("s3").list_buckets()
        elif how == "sign-in":
            federation.federated_sign_in(world.provider.login_key, world.provider.issue())
        else:
            # Threads that inherit the context; a bare thread does not, and its waiting ends with the lock's time limit.
            asyncio.run(asyncio.to_thread(federation.current_credentials))
        raise AssertionError("unreachable")

    federation = signed_in(world, make, refresh)
    credentials = federation.session().get_credentials()
    clock.pass_by(3700)
    for ask in (federation.current_credentials, credentials.get_frozen_credentials):
        with pytest.raises(TokenRefreshError, match="very credentials"):
            ask()
        clock.pass_by(60)
    assert clock.slept == []


def test_a_handler_may_ask_who_is_signed_in(world: World, make: Maker, clock: Time) -> None:
    federation: CognitoFederation

    def refresh() -> str:
        return world.provider.issue("ada", email=federation.current_authenticated_user()["email"])

    federation = signed_in(world, make, refresh)
    clock.pass_by(3700)
    assert federation.current_credentials().authenticated


def test_sign_out_wins_over_a_refresh_in_flight(world: World, make: Maker, clock: Time) -> None:
    entered, go = threading.Event(), threading.Event()

    def refresh() -> str:
        entered.set()
        assert go.wait(20)
        return world.provider.issue("ada")

    federation = signed_in(world, make, refresh, cache="file")
    credentials = federation.session().get_credentials()
    clock.pass_by(3700)
    with ThreadPoolExecutor(2) as threads:
        asked = threads.submit(federation.current_credentials)
        assert entered.wait(20)
        signing = threads.submit(credentials.get_frozen_credentials)
        federation.sign_out()
        go.set()
        for waiting in (asked, signing):
            with pytest.raises(NotSignedInError):
                waiting.result()
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    with pytest.raises(NotSignedInError):
        federation.federated_info()


def test_a_sign_in_by_another_user_during_a_refresh_wins_over_it(world: World, make: Maker, clock: Time) -> None:
    entered, go = threading.Event(), threading.Event()

    def refresh() -> str:
        entered.set()
        assert go.wait(20)
        return world.provider.issue("ada")

    federation = signed_in(world, make, refresh)
    clock.pass_by(3700)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(federation.current_credentials)
        assert entered.wait(20)
        bob = federation.federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
        go.set()
        with pytest.raises(NotSignedInError):
            asked.result()
    assert federation.current_credentials() == bob
    assert federation.current_authenticated_user()["name"] == "Bob"


_PROCESS = """
import sys, time
from botocore_cognito_federation import CognitoFederation, handlers
from botocore_cognito_federation._util.concurrency import Clock

pool, provider, url = sys.argv[1:]
hour_later = Clock(sleep=time.sleep, random=lambda: 0.5, now=lambda: time.time() + 3700)
renew = handlers.token_url(url)
federation = CognitoFederation(pool, cache="file", refresh_handlers={provider: renew}, clock=hour_later)
sys.stdin.readline()
print(federation.current_credentials().access_key)
"""


def test_eight_processes_at_an_expired_token_make_one_handler_call_and_one_exchange(
    world: World, make: Maker, clock: Time, tmp_path: Path
) -> None:
    signed_in(world, make, cache="file")
    clock.pass_by(3700)
    environment = {**world.environment(tmp_path / "home"), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    url = f"{world.provider.issuer}/token?subject=ada"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, world.pool_id, world.provider.login_key, url],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    keys = {child.communicate("go\n", timeout=120)[0] for child in children}
    assert all(child.returncode == 0 for child in children)
    assert len(keys) == 1
    assert len(world.calls("provider:token")) == 1
    assert [call.operation for call in world.calls() if call.service == "cognito-identity"] == [
        "GetCredentialsForIdentity"
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_child_that_is_forked_during_a_renewal_renews_for_itself(world: World, make: Maker, clock: Time) -> None:
    entered, go = threading.Event(), threading.Event()
    parent = os.getpid()

    def refresh() -> str:
        if os.getpid() == parent:
            entered.set()
            assert go.wait(20)
        return world.provider.issue("ada")

    federation = signed_in(world, make, refresh)
    signing = federation.session().get_credentials()
    clock.pass_by(3700)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(signing.get_frozen_credentials)
        assert entered.wait(20)
        child = os.fork()
        if child == 0:
            try:
                good = federation.current_credentials().authenticated and signing.get_frozen_credentials().access_key
            except BaseException:  # the child must not run the rest of the tests
                good = ""
            os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        go.set()
        assert asked.result().access_key


def test_a_federation_for_each_user_shares_the_client_and_leaves_no_lock_behind(world: World, make: Maker) -> None:
    before = set(single_flight._thread_locks)
    federations = []
    for number in range(5):
        federation = make()
        federation.federated_sign_in(world.provider.login_key, world.provider.issue(f"user-{number}"))
        federations.append(federation)
    identities = {federation.current_credentials().identity_id for federation in federations}
    clients = {id(federation._context().clients().cognito_identity()) for federation in federations}
    assert (len(identities), len(clients)) == (5, 1)
    gc.collect()
    assert set(single_flight._thread_locks) <= before


def test_federations_with_other_endpoints_or_variables_share_no_client(
    world: World, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = make(), make(endpoint_url="http://127.0.0.1:9")
    one = first._context().clients()
    assert one is make()._context().clients()
    assert one is not other._context().clients()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")  # our calls are unsigned
    assert one is first._context().clients()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert one is not first._context().clients()
