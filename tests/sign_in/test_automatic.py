"""`cognito_auto_login`: where a sign-in may start automatically, and where it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import pytest

from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.cache.sessions import Session, SessionWriter
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import SignInFailedError, SignInRequiredError
from botocore_cognito_federation.factory import system_clock
from botocore_cognito_federation.login_token import LoginToken
from botocore_cognito_federation.login_tokens.base import RefreshContext, SourceContext
from botocore_cognito_federation.sign_in import auto as automatic
from botocore_cognito_federation.sign_in import login as perform
from botocore_cognito_federation.sign_in.auto import AutomaticLogin, Backoff, signed_in_automatically
from tests.sign_in.home import BROWSER, SignInHome, finished

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform == "win32", reason="the tests use the terminal device of POSIX"),
]


class Attempts:
    """Replaces the sign-in: counts the calls, and ends as configured."""

    def __init__(self) -> None:
        self.count = 0
        self.error: BaseException | None = None

    def __call__(self, settings: Any, **more: Any) -> Any:
        self.count += 1
        if self.error is not None:
            raise self.error
        return type("Session", (), {"user_name": "ada@example.com"})(), False


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    found = Attempts()
    monkeypatch.setattr(perform, "sign_in_only", found)
    return found


@pytest.fixture
def settings_of(home: SignInHome, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(policy: str) -> Any:
        home.write(cognito_auto_login=policy)
        for name, value in home.world.environment(home.path).items():
            monkeypatch.setenv(name, value)
        return load_settings("dev")

    return make


class Bench:
    """One policy under test, with its own clock."""

    def __init__(self, settings: Any, tmp_path: Path, terminal: bool = True) -> None:
        self.settings, self.store, self.now = settings, MemoryStore(), 1_800_000_000.0
        self._path = tmp_path / "terminal"
        self._terminal = terminal

    def open_terminal(self) -> TextIO | None:
        return self._path.open("a") if self._terminal else None

    def attempt(self, environ: Mapping[str, str] | None = None, time_left: float | None = None) -> bool:
        return signed_in_automatically(
            self.settings,
            self.store,
            environ or {},
            lambda: self.now,
            None if time_left is None else lambda: time_left,
            open_terminal=self.open_terminal,
        )


def test_with_a_terminal_the_user_is_asked(settings_of: Any, attempts: Attempts, tmp_path: Path) -> None:
    assert Bench(settings_of("tty"), tmp_path).attempt()
    assert "signed in as ada@example.com" in (tmp_path / "terminal").read_text()


def test_without_a_terminal_the_user_is_not_asked(settings_of: Any, attempts: Attempts, tmp_path: Path) -> None:
    assert not Bench(settings_of("tty"), tmp_path, terminal=False).attempt({"BROWSER": "firefox"})
    assert attempts.count == 0


def test_always_takes_a_browser_in_place_of_a_terminal(settings_of: Any, attempts: Attempts, tmp_path: Path) -> None:
    bench = Bench(settings_of("always"), tmp_path, terminal=False)
    assert bench.attempt({"BROWSER": "firefox"})
    assert not bench.attempt({"SSH_TTY": "/dev/pts/1"})


def test_always_needs_a_terminal_where_the_browser_cannot_be_opened_for_the_person(
    settings_of: Any, attempts: Attempts, tmp_path: Path
) -> None:
    snap = tmp_path / "firefox"
    snap.write_text('#!/bin/sh\nexec /snap/bin/firefox "$@"\n')
    snap.chmod(0o755)
    settings = settings_of("always")
    assert not Bench(settings, tmp_path, terminal=False).attempt({"BROWSER": str(snap)})
    assert attempts.count == 0
    assert Bench(settings, tmp_path).attempt({"BROWSER": str(snap)})


@pytest.mark.parametrize("ci", ["true", "1", "yes"])
def test_never_in_ci(settings_of: Any, attempts: Attempts, tmp_path: Path, ci: str) -> None:
    assert not Bench(settings_of("always"), tmp_path).attempt({"CI": ci, "BROWSER": "firefox"})
    assert attempts.count == 0


def test_never_with_too_little_time_for_a_person(settings_of: Any, attempts: Attempts, tmp_path: Path) -> None:
    bench = Bench(settings_of("tty"), tmp_path)
    assert not bench.attempt(time_left=15)
    assert bench.attempt(time_left=50)


def test_after_a_failure_no_sign_in_starts_for_five_minutes_doubling_to_an_hour(
    settings_of: Any, attempts: Attempts, tmp_path: Path
) -> None:
    bench = Bench(settings_of("tty"), tmp_path)
    attempts.error = SignInFailedError("The sign-in was not finished")
    for pause in (300, 600, 1200, 2400, 3600, 3600):
        with pytest.raises(SignInRequiredError, match="cognito-federation login --profile dev"):
            bench.attempt()
        count = attempts.count
        bench.now += pause - 1
        assert not bench.attempt()
        assert attempts.count == count
        bench.now += 2


def test_an_interrupted_sign_in_counts_as_a_failure(settings_of: Any, attempts: Attempts, tmp_path: Path) -> None:
    bench = Bench(settings_of("tty"), tmp_path)
    attempts.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.attempt()
    assert not bench.attempt()


def test_a_clock_that_was_set_back_does_not_make_the_pause_longer(settings_of: Any, tmp_path: Path) -> None:
    bench = Bench(settings_of("tty"), tmp_path)
    pause = Backoff(bench.settings, bench.store, lambda: bench.now)
    pause.failed()
    assert pause.left() == 300
    bench.now -= 86_400
    assert pause.left() == 0


def test_a_sign_in_ends_the_pause_and_a_failure_of_yesterday_makes_the_next_one_no_longer(
    settings_of: Any, tmp_path: Path
) -> None:
    bench = Bench(settings_of("tty"), tmp_path)
    pause = Backoff(bench.settings, bench.store, lambda: bench.now)
    pause.failed()
    bench.now += 301
    pause.failed()
    assert pause.left() == 600
    writer = SessionWriter(bench.settings, bench.store, force=False, now=lambda: bench.now)
    writer.write(Session("id", "ada", {}, "a token", None, "a refresh token", bench.now, writer.sign_out_epoch), "Ada")
    assert pause.left() == 0
    pause.failed()
    assert pause.left() == 300
    bench.now += 86_400
    pause.failed()
    assert pause.left() == 300


def test_a_process_without_a_terminal_has_no_foreground_terminal() -> None:
    program = "from botocore_cognito_federation.sign_in.auto import foreground_terminal as f; print(f())"
    root = Path(automatic.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(root)},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"


def with_terminal(home: SignInHome, **variables: str) -> tuple[subprocess.Popen[str], int]:
    """Run `credential-process` with its own controlling terminal, which is none of its streams."""
    import fcntl
    import termios

    own_end, theirs = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = home.start("credential-process", preexec_fn=take_terminal, variables=variables)
    os.close(theirs)
    return process, own_end


def shown_on(terminal: int) -> str:
    text = b""
    try:
        while piece := os.read(terminal, 4096):
            text += piece
    except OSError:
        pass
    finally:
        os.close(terminal)
    return text.decode()


def test_a_helper_signs_in_on_the_terminal_device_and_its_streams_stay_clean(home: SignInHome) -> None:
    home.write(cognito_auto_login="tty")
    process, terminal = with_terminal(home, BROWSER=f"{sys.executable} {BROWSER} ada %s")
    done = finished(process)
    shown = shown_on(terminal)
    assert done.code == 0, (done, shown)
    assert json.loads(done.out)["Version"] == 1
    assert done.err == ""
    assert "session corp needs a sign-in" in shown
    assert "/start/" in shown
    assert "signed in as ada@example.com" in shown


def test_a_helper_without_a_terminal_says_what_to_run(home: SignInHome) -> None:
    home.write(cognito_auto_login="tty")
    done = finished(home.start("credential-process", start_new_session=True))
    assert done.code == 3
    assert done.out == ""
    assert "Run: cognito-federation login --profile dev" in done.err


def test_a_native_client_signs_in_by_itself_too(home: SignInHome) -> None:
    home.write(cognito_auto_login="always")
    program = """
import botocore_cognito_federation as b, boto3
b.install()
print(boto3.client("s3").list_buckets()["Buckets"][0]["Name"])
"""
    variables = {"BROWSER": f"{sys.executable} {BROWSER} ada %s"}
    done = finished(home.python(program, variables=variables, start_new_session=True))
    assert done.out.strip() == home.world.bucket, done.err


@pytest.mark.parametrize(
    "words",
    [
        ("export", "--format", "env"),
        ("exec", "--profile", "dev", "--", sys.executable, "-c", "import os; print(os.environ['AWS_ACCESS_KEY_ID'])"),
        ("exec", "--profile", "dev", "--server", "--", sys.executable, "-c", "print('served')"),
        ("whoami",),
        ("token",),
    ],
    ids=lambda words: " ".join(words[:4]).replace("--profile dev", ""),
)
def test_every_command_that_needs_credentials_or_a_token_signs_in_by_itself(
    home: SignInHome, words: tuple[str, ...]
) -> None:
    home.write(cognito_auto_login="always")
    command = words if "--profile" in words else (*words, "--profile", "dev")
    process = home.start(*command, variables={"BROWSER": f"{sys.executable} {BROWSER} ada %s"}, start_new_session=True)
    done = finished(process)
    assert done.code == 0, done.err
    assert done.out.strip()


class Lapsed:
    """A provider whose sign-in has expired, until the user signs in."""

    description = "a test's provider"

    def __init__(self) -> None:
        self.asked = 0

    def cached_token(self) -> LoginToken:
        return self.fetch(RefreshContext())

    def fetch(self, context: RefreshContext) -> LoginToken:
        self.asked += 1
        if self.asked == 1:
            raise SignInRequiredError("Not signed in")
        return LoginToken("token")


@pytest.mark.parametrize("ask", ["cached_token", "fetch"])
def test_a_provider_is_asked_again_after_the_sign_in(
    settings_of: Any, attempts: Attempts, ask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "_has_browser", lambda environ: True)
    context = SourceContext(MemoryStore(), {}, system_clock(), None, None)  # type: ignore[arg-type]
    provider = AutomaticLogin(Lapsed(), settings_of("always"), context)
    token = provider.cached_token() if ask == "cached_token" else provider.fetch(RefreshContext())
    assert token is not None
    assert (token.value, attempts.count) == ("token", 1)


def test_no_sign_in_starts_while_there_are_usable_credentials(settings_of: Any, attempts: Attempts) -> None:
    context = SourceContext(MemoryStore(), {}, system_clock(), None, None)  # type: ignore[arg-type]
    provider = AutomaticLogin(Lapsed(), settings_of("always"), context)
    with pytest.raises(SignInRequiredError):
        provider.fetch(RefreshContext(has_valid_credentials=True))
    assert attempts.count == 0
