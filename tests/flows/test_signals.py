"""Signals while a refresh token is being used: the sign-in survives them, and the process then ends as requested."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation._util.processes import uninterrupted
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.user_pool import UserPoolTokens
from botocore_cognito_federation.user_pool import auth as pool_refresh
from tests.flows.strict_provider import StrictProvider
from tests.home import LIMIT, Home

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that processes send each other"),
]

NATIVE = """
    import boto3
    from botocore_cognito_federation import install
    install()
    session = boto3.Session(profile_name="strict")
    session.get_credentials().get_frozen_credentials()
"""
#: The main thread gets the interrupt, another thread renews.
THREADED = """
    import boto3, threading
    from botocore_cognito_federation import install
    install()
    session = boto3.Session(profile_name="strict")
    credentials = session.get_credentials()
    thread = threading.Thread(target=credentials.get_frozen_credentials, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
"""
ENDS: dict[signal.Signals, tuple[int, ...]] = {
    signal.SIGINT: (130, -signal.SIGINT, 1),
    signal.SIGTERM: (-signal.SIGTERM,),
    signal.SIGHUP: (-signal.SIGHUP,),
}
COMMANDS = {
    "credential-process": ["-m", "botocore_cognito_federation", "credential-process", "--profile", "strict"],
    "export": ["-m", "botocore_cognito_federation", "export", "--profile", "strict"],
    "token": ["-m", "botocore_cognito_federation", "token", "--profile", "strict"],
    "native": ["-c", textwrap.dedent(NATIVE)],
    "native in a thread": ["-c", textwrap.dedent(THREADED)],
}


@pytest.fixture
def strict(world: Any) -> Iterator[StrictProvider]:
    with StrictProvider(world).running() as provider:
        yield provider


@pytest.fixture
def profile(inside: Home, strict: StrictProvider) -> Sessions:
    """Return the stored sign-in of a profile at the strict provider."""
    inside.profile(
        "strict",
        cognito_provider=strict.issuer.removeprefix("http://"),
        cognito_issuer=strict.issuer,
        cognito_client_id="native",
    )
    return Sessions(load_settings("strict"), FileStore(str(inside.cache)))


def sign_in(sessions: Sessions, strict: StrictProvider) -> None:
    """A sign-in whose login token has just expired."""
    expired = strict.id_token(lifetime=-5)
    sessions.write(
        Session("an-id", "ada", {"name": "Ada"}, expired, time.time() - 5, strict.good, time.time() - 3600, "")
    )


def one_round(home: Home, words: list[str], number: int, strict: StrictProvider, pause: float) -> tuple[int, bool]:
    """Send a signal after the refresh token was received; return the exit code, and whether the process still ran."""
    strict.received.clear()
    process = subprocess.Popen(
        [sys.executable, *words],
        env=home.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home.path,
    )
    assert strict.received.wait(LIMIT)
    time.sleep(pause)
    running = process.poll() is None
    process.send_signal(number)
    return process.wait(LIMIT), running


def check_rounds(
    rounds: int, home: Home, profile: Sessions, strict: StrictProvider, command: str, number: signal.Signals
) -> None:
    strict.delay = 0.06
    rng = random.Random(f"{command} {number}")
    sign_in(profile, strict)
    for _ in range(rounds):
        before = profile.read()
        assert before is not None
        profile.write(Session(**{**vars(before), "login_token": strict.id_token(-5), "token_expires_at": 1.0}))
        for kind in ("credentials", "failures"):
            for path in home.documents(kind):
                path.unlink()
        home.forget_answers()
        code, running = one_round(home, COMMANDS[command], number, strict, rng.uniform(0, 0.09))
        stored = profile.read()
        assert stored is not None
        assert stored.refresh_token == strict.good
        assert code in (ENDS[number] if running else (0, *ENDS[number])) or code == 0
    assert strict.refused == 0


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("credential-process", signal.SIGINT),
        ("credential-process", signal.SIGTERM),
        ("export", signal.SIGHUP),
        ("token", signal.SIGINT),
        ("native", signal.SIGINT),
        ("native", signal.SIGTERM),
        # Only the main thread of a program may set handlers, so SIGTERM is not delayed here.
        ("native in a thread", signal.SIGINT),
    ],
)
def test_a_signal_while_the_provider_answers_a_refresh_does_not_lose_the_sign_in(
    inside: Home, profile: Sessions, strict: StrictProvider, command: str, number: signal.Signals
) -> None:
    check_rounds(1, inside, profile, strict, command, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["credential-process", "native"])
def test_signals_at_random_moments_lose_no_sign_in(
    inside: Home, profile: Sessions, strict: StrictProvider, command: str, number: signal.Signals
) -> None:
    check_rounds(25, inside, profile, strict, command, number)


def test_an_interrupt_is_raised_when_the_work_is_done() -> None:
    done: list[str] = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        done.append("stored")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)
    assert done == ["stored"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_programs_own_handler_raises_waits_for_the_end_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    done: list[str] = []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        done.append("stored")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(Stop):
            uninterrupted(work)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done == ["stored"]


def test_work_that_fails_raises_its_own_error_and_leaves_the_handlers_as_they_were() -> None:
    before = [signal.getsignal(number) for number in ENDS]
    with pytest.raises(ZeroDivisionError):
        uninterrupted(lambda: 1 // 0)
    assert [signal.getsignal(number) for number in ENDS] == before


def test_a_child_forked_while_work_is_under_way_does_not_wait_for_it(tmp_path: Path) -> None:
    code = """
        import os, signal, sys, time
        from botocore_cognito_federation._util.processes import uninterrupted
        from botocore_cognito_federation.errors import TemporaryError
        child = None
        def fork(*_):
            global child
            child = os.fork()
        signal.signal(signal.SIGUSR1, fork)
        def work():
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.2)
            return "stored"
        try:
            print(uninterrupted(work), os.WEXITSTATUS(os.waitpid(child, 0)[1]))
        except TemporaryError:
            os._exit(7)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.stdout == "stored 7\n", done


def test_the_refresh_token_of_a_user_pool_is_stored_although_an_interrupt_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted:
        """An endpoint; Ctrl-C is pressed during its answer."""

        app = type("App", (), {"client_id": "client", "client_secret": None})

        def knows(self, operation: str) -> bool:
            return True

        def attempt(self, operation: str, request: dict[str, str], refused: object) -> dict[str, Any]:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            return {"AuthenticationResult": {"RefreshToken": "the next", "IdToken": "x.y.z"}}

    stored: list[str] = []
    old = UserPoolTokens(id_token="", access_token="", refresh_token="the-last-token", expires_at=0.0, username="ada")
    with pytest.raises(KeyboardInterrupt):
        pool_refresh.refresh(Interrupted(), old, {}, 0.0, lambda *_: None, stored.append)  # type: ignore[arg-type]
    assert stored == ["the next"]
