"""A profile that signs in to a user pool by password: the dialogue on the terminal, and the renewals afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.servers import ministack as ministack_server
from tests.servers.ministack import Ministack
from tests.sign_in.pool_home import PoolHome
from tests.user_pool import live_pool
from tests.user_pool.live_pool import PASSWORD, LivePool

pytestmark = pytest.mark.thorough

NEW_PASSWORD = "Canary-Own-Horse-2"
_ASKED = "Password of ada: "


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    with ministack_server.running(tmp_path_factory.mktemp("ministack")) as server:
        yield server


def home_of(server: Ministack, live: LivePool, directory: Path) -> PoolHome:
    return PoolHome(directory, server, live).write(
        cognito_identity_pool_id=live_pool.identity_pool(server, live),
        cognito_provider="user-pool",
        cognito_user_pool_id=live.pool_id,
        cognito_client_id=live.client_id,
        cognito_grant="srp",
        cognito_username="ada",
    )


@pytest.fixture
def home(ministack: Ministack, tmp_path: Path) -> PoolHome:
    return home_of(ministack, live_pool.make(ministack), tmp_path / "home")


def signed_in(home: PoolHome) -> None:
    with home.at_terminal("login") as terminal:
        terminal.type(PASSWORD, after=_ASKED)
        code, _, err = terminal.finished()
    assert code == 0, err


def who(home: PoolHome) -> dict[str, Any]:
    done = home.run("whoami", "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_right_password_signs_in_to_a_signed_s3_call(home: PoolHome) -> None:
    home.live.add_user()
    with home.at_terminal("login") as terminal:
        terminal.until(_ASKED)
        assert not terminal.echoes()
        terminal.type(PASSWORD, after="")
        code, out, err = terminal.finished()
        assert code == 0, err
        assert out == ""
        assert "Signed in as ada@example.com" in err
        assert "The sign-in renews itself" in err
    assert who(home)["who"] == "ada@example.com"
    program = """
import boto3
s3 = boto3.client("s3")
s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_object(Bucket="mine", Key="hello", Body=b"hello")
print(s3.get_object(Bucket="mine", Key="hello")["Body"].read().decode())
"""
    done = home.python("import botocore_cognito_federation as b\nb.install()\n" + program)
    assert done.stdout.strip() == "hello", done.stderr
    claims = json.loads(home.run("token", "--claims").stdout)
    assert claims["token_use"] == "id"
    assert home.run("status").returncode == 0


def test_the_user_name_is_asked_where_none_is_configured(home: PoolHome) -> None:
    home.live.add_user()
    del home.session["cognito_username"]
    home.write()
    with home.at_terminal("login") as terminal:
        terminal.type("a da", after="User name: ")
        terminal.type("ada", after="User name: ")
        terminal.type(PASSWORD, after=_ASKED)
        code, _, err = terminal.finished()
    assert code == 0, err
    assert "white space" in terminal.shown


def test_a_password_that_was_wrong_twice_is_asked_a_third_time(home: PoolHome) -> None:
    home.live.add_user()
    with home.at_terminal("login") as terminal:
        terminal.type("Wrong-Horse-1", after=_ASKED)
        terminal.type("Wrong-Horse-2", after="The user name or the password is wrong. Once more:\r\nPassword of ada: ")
        terminal.type(PASSWORD, after=_ASKED)
        code, _, err = terminal.finished()
    assert code == 0, err


def test_a_password_that_was_wrong_three_times_is_the_end(home: PoolHome) -> None:
    home.live.add_user()
    with home.at_terminal("login") as terminal:
        for _ in range(3):
            terminal.type("Wrong-Horse-1", after=_ASKED)
        code, out, err = terminal.finished()
    assert (code, out) == (5, "")
    assert "The user name or the password is wrong" in err
    assert not list((home.cache / "sessions").glob("*.json"))


def test_what_is_rubbed_out_is_not_part_of_the_password(home: PoolHome) -> None:
    home.live.add_user(password="Pässwörd-Horse-1")
    with home.at_terminal("login") as terminal:
        terminal.type("wrong\x15Pässwörd-Horse-1", after=_ASKED)
        code, _, err = terminal.finished()
    assert code == 0, err


def test_a_new_password_is_asked_twice_and_again_where_the_pool_refuses_it(home: PoolHome) -> None:
    home.live.add_user(permanent=False)
    with home.at_terminal("login") as terminal:
        terminal.type(PASSWORD, after=_ASKED)
        terminal.type(NEW_PASSWORD, after="New password: ")
        terminal.type("Another-Horse-3", after="The same again: ")
        terminal.type(NEW_PASSWORD, after="The two differ\r\nNew password: ")
        terminal.type(NEW_PASSWORD, after="The same again: ")
        code, _, err = terminal.finished()
    assert code == 0, err
    assert NEW_PASSWORD not in terminal.shown
    assert home.live.user_pool().sign_in("ada", NEW_PASSWORD)


def test_a_second_factor_is_asked_and_a_wrong_code_may_be_corrected(home: PoolHome) -> None:
    home.live.add_user()
    tokens = home.live.user_pool().sign_in("ada", PASSWORD)
    secret = home.live.require_totp(tokens.access_token)  # type: ignore[union-attr]  # no challenge is set yet
    with home.at_terminal("login") as terminal:
        terminal.type(PASSWORD, after=_ASKED)
        terminal.type("12ab", after="The code your authenticator application shows")
        terminal.type(f"{(int(live_pool.totp(secret)) + 500_000) % 10**6:06d}", after="six digits")
        terminal.until("The code is wrong")
        right = live_pool.totp(secret)
        terminal.type(f"{right[:3]} {right[3:]}", after="The code your authenticator application shows")
        code, _, err = terminal.finished()
    assert code == 0, err


def test_custom_challenges_are_asked_where_the_client_allows_only_them(ministack: Ministack, tmp_path: Path) -> None:
    live = live_pool.make(ministack, journal=tmp_path / "journal", flows=("CUSTOM_AUTH", "REFRESH_TOKEN_AUTH"))
    home = home_of(ministack, live, tmp_path / "home")
    live.add_user()
    with home.at_terminal("login") as terminal:
        terminal.type(PASSWORD, after=_ASKED)
        terminal.type("42", after="question: 7*6\r\nAnswer: ")
        code, _, err = terminal.finished()
    assert code == 0, err


def test_a_sign_in_is_renewed_and_its_new_token_is_exchanged(ministack: Ministack, tmp_path: Path) -> None:
    live = live_pool.make(ministack, secret=True)
    home = home_of(ministack, live, tmp_path / "home").write(cognito_client_secret_env="POOL_SECRET")
    live.add_user()
    secret = {"POOL_SECRET": live.client_secret or ""}
    with home.at_terminal("login", **secret) as terminal:
        terminal.type(PASSWORD, after=_ASKED)
        code, _, err = terminal.finished()
    assert code == 0, err
    before = home.session_document()
    identities = set()
    for ahead in (0, 3500, 3510):
        identities.add(an_hour_later(home, ahead, **secret))
        assert (home.session_document()["login_token"] == before["login_token"]) == (ahead == 0)
    after = home.session_document()
    assert len(identities) == 1
    assert after["refresh_token"] == before["refresh_token"]
    assert (after["subject"], after["user"]) == (before["subject"], before["user"])
    assert live.client_secret
    assert live.client_secret not in home.texts()


def an_hour_later(home: PoolHome, ahead: float, **variables: str) -> str:
    """Return the profile's credentials in a process whose clock is ahead; the pool's clock is not moved."""
    program = f"""
import os, time
real = time.time
time.time = lambda: real() + {ahead}
from botocore_cognito_federation.factory import fetcher_for
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.factory import store_for
settings = load_settings("dev")
print(fetcher_for(settings, store=store_for(settings, os.environ)).credentials().identity_id)
"""
    done = home.python(program, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_signing_out_revokes_the_refresh_token_at_the_pool(home: PoolHome) -> None:
    from botocore_cognito_federation.errors import SignInRequiredError
    from botocore_cognito_federation.user_pool import UserPoolTokens

    home.live.add_user()
    signed_in(home)
    spent = home.session_document()["refresh_token"]
    done = home.run("logout")
    assert done.returncode == 0, done.stderr
    assert "signed out ada@example.com" in done.stderr
    with pytest.raises(SignInRequiredError, match="revoked"):
        home.live.user_pool().refresh(UserPoolTokens("", "", spent, 0.0, "ada"))
    assert home.run("credential-process").returncode == 3


def test_another_user_needs_force_and_then_replaces_the_first_one(home: PoolHome) -> None:
    home.live.add_user()
    home.live.add_user("bob")
    signed_in(home)
    for force, expected in (((), 5), (("--force",), 0)):
        with home.at_terminal("login", "--login-hint", "bob", *force) as terminal:
            terminal.type(PASSWORD, after="Password of bob: ")
            code, _, err = terminal.finished()
        assert code == expected, err
        assert who(home)["who"] == ("bob@example.com" if force else "ada@example.com")


def test_without_a_terminal_the_user_is_not_asked_and_a_pipe_is_not_read(home: PoolHome) -> None:
    home.live.add_user()
    done = home._run([sys.executable, "-m", "botocore_cognito_federation", "login"], {}, f"{PASSWORD}\n")
    assert (done.returncode, done.stdout) == (5, "")
    assert "this process has none" in done.stderr
    assert "cognito_grant = auth-code" in done.stderr
    assert not list((home.cache / "sessions").glob("*.json"))


def test_an_interrupted_prompt_ends_at_once_and_gives_the_terminal_its_echo_back(home: PoolHome) -> None:
    with home.at_terminal("login") as terminal:
        terminal.interrupt(after=_ASKED)
        code, out, _ = terminal.finished()
        assert (code, out) == (130, "")
        assert terminal.echoes()


def test_the_time_for_an_answer_is_limited(home: PoolHome) -> None:
    with home.at_terminal("login", "--timeout", "1") as terminal:
        code, _, err = terminal.finished()
    assert code == 5
    assert "within 1 seconds" in err


def test_no_password_is_in_an_output_a_file_an_argument_or_a_variable(home: PoolHome, tmp_path: Path) -> None:
    first = "Canary-First-Horse-1"
    home.live.add_user(password=first, permanent=False)
    log = tmp_path / "debug.log"
    seen = ""
    with home.at_terminal("--debug", "login", COGNITO_FEDERATION_DEBUG=str(log)) as terminal:
        terminal.type(first, after=_ASKED)
        terminal.until("New password: ")
        seen += terminal.proc("cmdline") + terminal.proc("environ")
        terminal.type(NEW_PASSWORD, after="")
        terminal.type(NEW_PASSWORD, after="The same again: ")
        code, out, err = terminal.finished()
    assert code == 0, err
    assert "RespondToAuthChallenge" in err or err.count("\n") > 3, "the log says nothing, so it proves nothing"
    seen += terminal.shown + out + err + home.texts() + (log.read_text() if log.exists() else "")
    assert "cognito" in seen
    for secret in (first, NEW_PASSWORD):
        assert secret not in seen


def test_a_helper_asks_on_the_terminal_where_it_may_and_its_streams_stay_clean(home: PoolHome) -> None:
    home.live.add_user()
    home.write(cognito_auto_login="tty")
    with home.at_terminal("credential-process") as terminal:
        terminal.type(PASSWORD, after=_ASKED)
        code, out, err = terminal.finished()
    assert (code, err) == (0, "")
    assert json.loads(out)["Version"] == 1
    assert "signed in as ada@example.com" in terminal.shown


@pytest.fixture
def cell(home: PoolHome, monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """A kernel whose cell output is this list."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    shown: list[Mapping[str, str]] = []
    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]  # a stand-in
    module.display = lambda forms, raw: shown.append(forms)  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_notebook_asks_with_the_getpass_of_its_kernel(
    home: PoolHome, cell: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore_cognito_federation import login

    home.live.add_user()
    asked: list[str] = []

    def kernels_own(prompt: str) -> str:
        asked.append(prompt)
        return PASSWORD

    monkeypatch.setattr("getpass.getpass", kernels_own)
    assert login("dev").authenticated
    assert asked == [_ASKED]
    assert PASSWORD not in repr(cell)
