"""``user-pool`` in real processes at a terminal: a user's own account, from sign-up to deletion."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.demo.user_pool.second_factors import totp
from tests.servers.demo_user_pools import PASSWORD, knows_passkeys, user_pool
from tests.servers.software_authenticator import SoftwareAuthenticator
from tests.sign_in.pool_home import PoolHome, Terminal

pytestmark = pytest.mark.thorough

NEW = "Another-Horse-2"


class Account:
    """One user's home, and the pool that its profile names."""

    def __init__(self, world: World, path: Path, **settings: object) -> None:
        self.world = world
        self.facts: UserPoolFacts = world.add_user_pool(**settings)
        self.home = PoolHome(path, world, None).write(  # type: ignore[arg-type]  # any server with an endpoint_url
            cognito_identity_pool_id=world.pool_id,
            cognito_provider="user-pool",
            cognito_user_pool_id=self.facts.user_pool_id,
            cognito_issuer=self.facts.issuer,
            cognito_client_id=self.facts.client_id,
            cognito_grant="srp",
            cognito_username="ada",
        )

    def add_user(self, **attributes: str) -> None:
        self.world.add_user(self.facts.user_pool_id, "ada", PASSWORD, **attributes)

    @property
    def code(self) -> str:
        return self.world.messages("ada")[-1].code

    def wait_for_code(self, terminal: Terminal) -> str:
        terminal.until("A code was sent by e-mail to a***@e***")
        return self.code

    def signed_in(self) -> Account:
        with self.home.at_terminal("login") as terminal:
            terminal.type(PASSWORD, after="Password of ada: ")
            code, _, err = terminal.finished()
        assert code == 0, err
        return self

    def json(self, *words: str) -> object:
        done = self.home.run("user-pool", *words, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)


@pytest.fixture
def account(world: World, tmp_path: Path) -> Account:
    return Account(world, tmp_path / "home", mfa="OPTIONAL", mfa_kinds=("SOFTWARE_TOKEN_MFA",), devices="USER_OPT_IN")


def test_a_user_signs_up_and_a_wrong_code_and_a_bad_password_are_asked_again(account: Account) -> None:
    with account.home.at_terminal("user-pool", "sign-up", "--email", "ada@example.com") as terminal:
        terminal.type("short", after="New password: ")
        terminal.type("short", after="The same again: ")
        terminal.type(PASSWORD, after="not long enough\r\nNew password: ")
        terminal.type(PASSWORD, after="The same again: ")
        code = account.wait_for_code(terminal)
        terminal.type("wrong", after="The code: ")
        terminal.type(f"{code[:3]} {code[3:]}", after="The code is wrong\r\nThe code: ")
        ended, out, err = terminal.finished()
    assert (ended, out) == (0, ""), err
    assert "Sign in: cognito-federation login --profile dev" in err
    assert PASSWORD not in terminal.shown + err
    account.signed_in()


def test_an_unconfirmed_user_is_told_the_command_and_confirms_with_a_second_code(account: Account) -> None:
    user_pool(account.world, account.facts).sign_up("ada", PASSWORD, {"email": "ada@example.com"})
    with account.home.at_terminal("login") as terminal:
        terminal.type(PASSWORD, after="Password of ada: ")
        ended, _, err = terminal.finished()
    assert ended == 5
    assert "cognito-federation user-pool confirm-sign-up" in err
    with account.home.at_terminal("user-pool", "confirm-sign-up", "--resend") as terminal:
        terminal.type(account.wait_for_code(terminal), after="The code: ")
        assert terminal.finished()[0] == 0
    account.signed_in()


def test_a_name_that_has_an_account_is_answered_with_the_commands_for_its_owner(account: Account) -> None:
    account.add_user()
    with account.home.at_terminal("user-pool", "sign-up") as terminal:
        terminal.type(PASSWORD, after="New password: ")
        terminal.type(PASSWORD, after="The same again: ")
        ended, _, err = terminal.finished()
    assert ended == 5
    assert "An account of this name exists. If it is yours: cognito-federation login --profile dev;" in err
    assert "cognito-federation user-pool confirm-sign-up --resend --profile dev." in err
    assert "choose another cognito_username" in err


def test_a_forgotten_password_is_replaced_and_only_what_was_refused_is_asked_again(account: Account) -> None:
    account.add_user(email="ada@example.com")
    with account.home.at_terminal("user-pool", "forgot-password") as terminal:
        code = account.wait_for_code(terminal)
        terminal.type("wrong", after="The code: ")
        terminal.type(NEW, after="New password: ")
        terminal.type(NEW, after="The same again: ")
        terminal.type(code, after="The code is wrong\r\nThe code: ")
        ended, _, err = terminal.finished()
    assert ended == 0, err
    assert user_pool(account.world, account.facts).sign_in("ada", NEW)


def test_a_password_is_changed_after_the_current_one_was_typed_right(account: Account) -> None:
    account.add_user(email="ada@example.com")
    account.signed_in()
    with account.home.at_terminal("user-pool", "password") as terminal:
        terminal.type("Wrong-Horse-1", after="Current password: ")
        terminal.type(NEW, after="New password: ")
        terminal.type(NEW, after="The same again: ")
        terminal.type(PASSWORD, after="The current password is wrong\r\nCurrent password: ")
        ended, _, err = terminal.finished()
    assert ended == 0, err
    assert user_pool(account.world, account.facts).sign_in("ada", NEW)


def test_attributes_are_shown_changed_and_verified(account: Account) -> None:
    account.add_user(email="ada@example.com", nickname="a")
    account.signed_in()
    with account.home.at_terminal("user-pool", "attributes", "--set", "email=ada@example.org") as terminal:
        terminal.type(account.wait_for_code(terminal), after="The code: ")
        ended, _, err = terminal.finished()
    assert (ended, "email is verified" in err) == (0, True)
    assert account.home.run("user-pool", "attributes", "--delete", "nickname").returncode == 0
    found = account.json("attributes")
    assert isinstance(found, dict)
    assert (found["email"], found["email_verified"], "nickname" in found) == ("ada@example.org", "true", False)
    assert "email: ada@example.org\n" in account.home.run("user-pool", "attributes").stdout


def test_an_authenticator_application_is_set_up_and_asked_for_at_the_next_sign_in(account: Account) -> None:
    account.add_user(email="ada@example.com")
    account.signed_in()
    with account.home.at_terminal("user-pool", "mfa", "--set-up") as terminal:
        terminal.until("The code it shows: ")
        secret = terminal.shown.split("link:")[1].split()[0]
        terminal.type(totp(secret, int(time.time()) // 30), after="")
        ended, out, err = terminal.finished()
    assert (ended, out, err) == (0, "totp (preferred)\n", "")
    with account.home.at_terminal("login", "--force") as terminal:
        terminal.type(PASSWORD, after="Password of ada: ")
        terminal.type(totp(secret, int(time.time()) // 30 + 1), after="The code your authenticator application shows")
        assert terminal.finished()[0] == 0
    assert account.json("mfa", "--totp", "off") == {"enabled": [], "preferred": None}


def test_devices_are_shown_remembered_and_forgotten_and_the_sign_in_of_a_forgotten_one_ends(account: Account) -> None:
    account.add_user(email="ada@example.com")
    account.signed_in()
    user_pool(account.world, account.facts).sign_in("ada", PASSWORD)
    [other] = [device["key"] for device in account.json("devices") if not device["this"]]  # type: ignore[attr-defined]
    found = account.json("devices", "--remember", other)
    assert {device["key"]: device["remembered"] for device in found}[other]  # type: ignore[attr-defined]
    [own] = account.json("devices", "--forget", other)  # type: ignore[misc]
    assert own["this"]
    done = account.home.run("user-pool", "devices", "--forget", own["key"])
    assert (done.returncode, done.stdout) == (0, "")
    assert "This sign-in ends with that device" in done.stderr
    assert account.home.run("user-pool", "devices").returncode == 3


def test_signing_out_everywhere_ends_every_sign_in_and_that_of_the_profile(account: Account) -> None:
    from botocore_cognito_federation.errors import SignInRequiredError
    from botocore_cognito_federation.user_pool import UserPoolTokens

    account.add_user(email="ada@example.com")
    elsewhere = user_pool(account.world, account.facts).sign_in("ada", PASSWORD)
    account.signed_in()
    assert isinstance(elsewhere, UserPoolTokens)
    done = account.home.run("user-pool", "sign-out-everywhere")
    assert (done.returncode, "signed out ada@example.com" in done.stderr) == (0, True)
    with pytest.raises(SignInRequiredError):
        user_pool(account.world, account.facts).refresh(elsewhere)
    assert account.home.run("token").returncode == 3


def test_an_account_is_deleted_only_when_that_is_meant(account: Account) -> None:
    account.add_user(email="ada@example.com")
    account.signed_in()
    assert account.home.run("user-pool", "delete-account").returncode == 2
    done = account.home.run("user-pool", "delete-account", "--yes")
    assert (done.returncode, "is deleted" in done.stderr) == (0, True)
    with account.home.at_terminal("login") as terminal:
        for _ in range(3):
            terminal.type(PASSWORD, after="Password of ada: ")
        assert terminal.finished()[0] == 5


def test_without_a_terminal_nothing_is_asked_and_without_a_sign_in_the_command_is_named(account: Account) -> None:
    account.add_user(email="ada@example.com")
    done = account.home.run("user-pool", "sign-up")
    assert (done.returncode, done.stdout) == (5, "")
    assert "Run the command in a terminal" in done.stderr
    done = account.home.run("user-pool", "mfa")
    assert done.returncode == 3
    assert "cognito-federation login" in done.stderr
    account.home.write(cognito_grant="auth-code")
    done = account.home.run("user-pool", "mfa")
    assert (done.returncode, "Set cognito_grant = srp" in done.stderr) == (4, True)


@pytest.mark.skipif(not knows_passkeys(), reason="this botocore has no passkeys")
def test_a_user_lists_and_deletes_passkeys_and_registers_one_on_a_key_that_is_plugged_in(
    world: World, tmp_path: Path
) -> None:
    factors = ("PASSWORD", "WEB_AUTHN")
    account = Account(world, tmp_path / "home", first_factors=factors, relying_party="auth.example.com")
    account.add_user()
    pool = user_pool(world, account.facts)
    for _ in range(2):
        pool.register_passkey(pool.sign_in("ada", PASSWORD), SoftwareAuthenticator())  # type: ignore[arg-type]
    account.signed_in()
    found = account.json("passkeys")
    assert isinstance(found, list)
    assert [entry["relying_party"] for entry in found] == ["auth.example.com"] * 2
    assert account.json("passkeys", "--delete", found[0]["id"]) == found[1:]
    gone = account.home.run("user-pool", "passkeys", "--delete", found[0]["id"])
    assert gone.returncode == 5
    assert "the user has no such passkey" in gone.stderr.lower()
    with account.home.at_terminal("user-pool", "passkeys", "--register") as terminal:
        code, _, err = terminal.finished()
    assert code == 5
    assert "security key" in err


@pytest.mark.skipif(not knows_passkeys(), reason="this botocore wants a password at sign-up")
def test_a_user_signs_up_without_a_password_and_signs_in_with_a_code(world: World, tmp_path: Path) -> None:
    account = Account(world, tmp_path / "home", first_factors=("PASSWORD", "EMAIL_OTP"))
    account.home.write(cognito_preferred_challenge="EMAIL_OTP")
    with account.home.at_terminal("user-pool", "sign-up", "--no-password", "--email", "ada@example.com") as terminal:
        code = account.wait_for_code(terminal)
        terminal.type(code, after="The code: ")
        ended, _, err = terminal.finished()
    assert ended == 0, err
    assert "password" not in terminal.shown.lower()
    with account.home.at_terminal("login") as terminal:
        terminal.until("The code sent by e-mail to a***@e***: ")
        terminal.type(account.code, after="")
        ended, _, err = terminal.finished()
    assert ended == 0, err
