"""`cognito_cache = keyring` for a user: a sign-in in it, moved out of it, and a keyring that does not work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("keyring", reason="the extra keyring is not installed")

from tests.cache import fake_keyring
from tests.sign_in.home import SignInHome, change_cache

pytestmark = pytest.mark.thorough


@pytest.fixture
def keyring_home(home: SignInHome, tmp_path: Path) -> SignInHome:
    home.environ = {
        "PYTHON_KEYRING_BACKEND": "tests.cache.fake_keyring.FileBackend",
        fake_keyring.VARIABLE: str(tmp_path / "keyring.json"),
    }
    return home.write(cognito_cache="keyring")


def secret_files(home: SignInHome) -> dict[str, str]:
    found: dict[str, str] = json.loads(Path(home.environ[fake_keyring.VARIABLE]).read_text())
    return found


def test_a_whole_life_in_the_keyring_leaves_no_secret_in_the_home(keyring_home: SignInHome) -> None:
    home = keyring_home
    assert home.login().code == 0
    printed = json.loads(home.run("credential-process").out)
    token = home.run("token").out.strip()
    assert json.loads(home.run("status", "--json").out)["sign_ins"][0]["who"] == "ada@example.com"
    everything = home.texts()
    for secret in (printed["SecretAccessKey"], printed["SessionToken"], token):
        assert secret not in everything
    refresh_tokens = [text for text in secret_files(home).values() if "refresh_token" in text]
    assert refresh_tokens
    assert json.loads(home.run("credential-process").out) == printed
    assert home.run("logout").code == 0
    assert secret_files(home) == {}
    assert home.run("credential-process").code == 3


def test_a_changed_cache_preserves_the_sign_in_both_ways(keyring_home: SignInHome) -> None:
    home = keyring_home
    assert home.login().code == 0
    assert "Moved what was stored for session corp (1) to cognito_cache = file" in change_cache(home, "file").err
    assert home.run("credential-process").code == 0
    assert home.session_document()["subject"] == "ada"
    assert not any("sessions" in name for name in secret_files(home))
    assert change_cache(home, "keyring").code == 0
    assert home.run("token").code == 0
    assert not list((home.cache / "sessions").glob("*.json"))
    assert any("sessions" in name for name in secret_files(home))


def test_a_variable_that_names_another_store_moves_no_secret_there(keyring_home: SignInHome) -> None:
    home = keyring_home.write(cognito_cache="file")
    assert home.login().code == 0
    document = home.session_document()
    done = home.run("credential-process", COGNITO_FEDERATION_CACHE="keyring")
    assert done.code == 3
    assert not Path(home.environ[fake_keyring.VARIABLE]).exists()
    assert home.session_document() == document
    assert home.run("credential-process").code == 0


def test_a_logout_ends_the_sign_in_that_another_store_holds_too(keyring_home: SignInHome) -> None:
    home = keyring_home
    assert home.login().code == 0
    home.write(cognito_cache="file")
    revoked = len(home.provider.journal("grant revoked"))
    done = home.run("logout")
    assert done.code == 0, done.err
    assert "signed out ada@example.com" in done.err
    assert secret_files(home) == {}
    assert len(home.provider.journal("grant revoked")) == revoked + 1


def test_a_sign_out_counts_although_the_keyring_is_locked_and_the_next_one_revokes(keyring_home: SignInHome) -> None:
    home = keyring_home
    assert home.login().code == 0
    revoked = len(home.provider.journal("grant revoked"))
    done = home.run("logout", PYTHON_KEYRING_BACKEND="tests.cache.fake_keyring.LockedBackend")
    assert done.code == 8
    assert "Unlock it" in done.err
    status = home.run("status", PYTHON_KEYRING_BACKEND="tests.cache.fake_keyring.LockedBackend")
    assert "Unlock it" in status.out
    assert "not signed in" not in status.out
    assert home.run("credential-process").code == 3
    assert home.run("logout").code == 0
    assert secret_files(home) == {}
    assert len(home.provider.journal("grant revoked")) == revoked + 1


@pytest.mark.parametrize("backend", ["LockedBackend", "ForgetfulBackend"])
def test_a_keyring_that_does_not_work_is_reported_before_the_sign_in(keyring_home: SignInHome, backend: str) -> None:
    done = keyring_home.login(PYTHON_KEYRING_BACKEND=f"tests.cache.fake_keyring.{backend}")
    assert done.code == 8
    assert "/start/" not in done.err
    assert backend in done.err
    assert "cannot keep" not in done.err
