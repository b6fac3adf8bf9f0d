"""`cognito_cache = keyring` with a real gnome-keyring: a complete sign-in in it, and a keyring that stays locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("secretstorage", reason="the Secret Service is a thing of Linux")

from tests.servers import gnome_keyring
from tests.servers.gnome_keyring import GnomeKeyring
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import SignInHome, change_cache, finished, later, renewals

pytestmark = pytest.mark.thorough

#: The command line in a process with a shorter time limit for the keyring than users need.
_IMPATIENT = """
import sys
from botocore_cognito_federation.cache import keyring_backend
from botocore_cognito_federation._util import concurrency
keyring_backend._limit = concurrency.TimeLimit(2.0)
from botocore_cognito_federation.__main__ import main
sys.argv[0] = "cognito-federation"
raise SystemExit(main())
"""


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[GnomeKeyring]:
    with gnome_keyring.running(tmp_path / "keyring") as server:
        yield server


@pytest.fixture
def keyring_home(home: SignInHome, keyring: GnomeKeyring) -> SignInHome:
    home.environ |= keyring.environment()
    return home.write(cognito_cache="keyring")


def test_a_sign_in_is_stored_renewed_and_ended_in_the_keyring_and_in_no_file(
    keyring_home: SignInHome, keyring: GnomeKeyring, provider: OidcProvider
) -> None:
    home = keyring_home
    assert home.login().code == 0
    printed = json.loads(home.run("credential-process").out)
    tokens = [home.run("token").out.strip()]
    first = "".join(keyring.items().values())
    before = renewals(provider)
    done = later(home, 3610, "token")
    assert done.code == 0, done.err
    tokens.append(done.out.strip())
    assert renewals(provider) == before + 1
    assert "".join(keyring.items().values()) != first
    everything = home.texts()
    for secret in (printed["SecretAccessKey"], printed["SessionToken"], *tokens):
        assert secret
        assert secret not in everything
    assert not list((home.cache / "sessions").glob("*.json"))
    assert home.run("logout").code == 0
    assert keyring.items() == {}
    assert home.run("credential-process").code == 3


def test_a_sign_in_moves_to_files_and_back_with_nothing_left_behind(
    keyring_home: SignInHome, keyring: GnomeKeyring, provider: OidcProvider
) -> None:
    home = keyring_home
    assert home.login().code == 0
    assert change_cache(home, "file").code == 0
    assert home.run("token").code == 0
    assert home.session_document()["subject"] == "ada"
    assert not [name for name in keyring.items() if name.startswith("sessions")]
    before = renewals(provider)
    assert later(home, 3610, "token").code == 0
    assert change_cache(home, "keyring").code == 0
    done = later(home, 7220, "token")
    assert done.code == 0, done.err
    assert renewals(provider) == before + 2
    assert not list((home.cache / "sessions").glob("*.json"))
    assert [name for name in keyring.items() if name.startswith("sessions")]


def test_a_keyring_that_waits_to_be_unlocked_is_waited_for_a_while_and_then_named(
    keyring_home: SignInHome, keyring: GnomeKeyring, provider: OidcProvider
) -> None:
    home = keyring_home
    assert home.login().code == 0
    before = renewals(provider)
    keyring.lock()
    with keyring.with_silent_prompter():
        helpers = [home.python(_IMPATIENT, "credential-process", "--profile", "dev") for _ in range(3)]
        done = [finished(helper) for helper in helpers]
    assert [(d.code, d.out) for d in done] == [(8, "")] * 3, done
    for one in done:
        (line,) = one.err.splitlines()
        assert "keyring.backends.SecretService.Keyring has not answered within 2 seconds" in line
        assert "Unlock it and try again, or set cognito_cache = file" in line
    assert renewals(provider) == before


def test_a_locked_keyring_without_a_prompt_is_named_too_and_a_sign_in_does_not_begin(
    keyring_home: SignInHome, keyring: GnomeKeyring
) -> None:
    home = keyring_home
    keyring.lock()
    done = home.login()
    assert done.code == 8
    assert "SecretService" in done.err
    assert "Unlock it" in done.err
    assert "/start/" not in done.err
