"""Choice-based sign-in at a terminal, against the demo world's user pool: what is asked, and what a profile chooses."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from botocore_cognito_federation import SignInFailedError
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.sign_in.password import sign_in_to_user_pool
from tests.servers.demo_user_pools import PASSWORD, knows_passkeys, user_pool
from tests.servers.software_security_key import SoftwareSecurityKey
from tests.sign_in.pool_home import PoolHome

pytestmark = pytest.mark.skipif(not knows_passkeys(), reason="this botocore has no choice-based sign-in")
EVERY = {
    "first_factors": ("PASSWORD", "EMAIL_OTP", "WEB_AUTHN"),
    "relying_party": "auth.example.com",
    "flows": ("USER_AUTH",),
}


class Person:
    """Answers questions from a script, or with what a function returns, and keeps all that was shown."""

    def __init__(self, *answers: str | Callable[[], str]) -> None:
        self.answers = list(answers)
        self.shown: list[str] = []

    def say(self, text: str) -> None:
        self.shown.append(text)

    reveal = say

    def question(self, text: str, *, secret: bool = False) -> str:
        self.shown.append(f"{text}{' (secret)' if secret else ''}?")
        answer = self.answers.pop(0)
        return answer if isinstance(answer, str) else answer()


@pytest.fixture
def facts(world: World) -> UserPoolFacts:
    facts = world.add_user_pool(**EVERY)
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    return facts


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, world: World, facts: UserPoolFacts) -> SoftwareSecurityKey:
    """The security key that is plugged in; ada has a passkey on it."""
    from botocore_cognito_federation import SecurityKey, UserPoolTokens

    device, pool = SoftwareSecurityKey(), user_pool(world, facts)
    tokens = pool.sign_in("ada", PASSWORD, auth_flow="USER_AUTH")
    assert isinstance(tokens, UserPoolTokens)
    pool.register_passkey(tokens, SecurityKey(devices=lambda: [device]))
    monkeypatch.setattr("fido2.hid.CtapHidDevice.list_devices", lambda: [device])
    return device


def test_the_person_chooses_a_code_by_e_mail(world: World, facts: UserPoolFacts) -> None:
    ada = Person("7", "2", lambda: world.messages("ada")[-1].code)
    assert sign_in_to_user_pool(user_pool(world, facts), "ada", ada, "choice").username == "ada"
    assert ada.shown == [
        "The user pool lets you choose how to sign in:",
        "  1  a password",
        "  2  a code by e-mail",
        "Which one (1 to 2)?",
        "That is none of them",
        "Which one (1 to 2)?",
        "The code sent by e-mail to a***@e***?",
    ]


def test_the_person_chooses_the_password_and_it_is_not_sent(world: World, facts: UserPoolFacts) -> None:
    ada = Person("1", PASSWORD)
    assert sign_in_to_user_pool(user_pool(world, facts), "ada", ada, "choice")
    assert ada.shown[-1] == "Password of ada (secret)?"


def test_a_preferred_code_is_asked_for_at_once(world: World, facts: UserPoolFacts) -> None:
    ada = Person("ada", lambda: world.messages("ada")[-1].code)
    assert sign_in_to_user_pool(user_pool(world, facts), None, ada, "EMAIL_OTP")
    assert ada.shown == ["User name?", "The code sent by e-mail to a***@e***?"]


def test_a_passkey_wants_a_touch(world: World, facts: UserPoolFacts, device: SoftwareSecurityKey) -> None:
    ada = Person()
    assert sign_in_to_user_pool(user_pool(world, facts), "ada", ada, "WEB_AUTHN")
    assert ada.shown == ["Touch your security key to sign for auth.example.com"]


def test_without_the_key_the_person_may_choose_another_way(
    world: World, facts: UserPoolFacts, device: SoftwareSecurityKey
) -> None:
    device.touched = False
    ada = Person("2", lambda: world.messages("ada")[-1].code)
    assert sign_in_to_user_pool(user_pool(world, facts), "ada", ada, "WEB_AUTHN")
    assert ada.shown[1:6] == [
        "The security key was not touched in time. Once more:",
        "The user pool lets you choose how to sign in:",
        "  1  a password",
        "  2  a code by e-mail",
        "  3  a passkey, on a security key at this machine",
    ]


def test_a_preference_that_the_user_lacks_and_one_choice_ask_only_what_is_left(world: World) -> None:
    facts = world.add_user_pool(**{**EVERY, "first_factors": ("EMAIL_OTP", "SMS_OTP")})
    world.add_user(facts.user_pool_id, "ada", email="ada@example.com")
    ada = Person(lambda: world.messages("ada")[-1].code)
    assert sign_in_to_user_pool(user_pool(world, facts), "ada", ada, "SMS_OTP")
    assert ada.shown == ["The code sent by e-mail to a***@e***?"]


def test_a_password_profile_signs_in_where_only_choice_is_allowed(world: World, facts: UserPoolFacts) -> None:
    assert sign_in_to_user_pool(user_pool(world, facts), "ada", Person(PASSWORD))


def test_wrong_codes_end_after_three(world: World, facts: UserPoolFacts) -> None:
    with pytest.raises(SignInFailedError, match="The code is wrong"):
        sign_in_to_user_pool(user_pool(world, facts), "ada", Person("00000000", "1", "2"), "EMAIL_OTP")


def test_login_of_a_profile_asks_which_way_and_the_profile_has_credentials(
    world: World, facts: UserPoolFacts, tmp_path: Path
) -> None:
    home = PoolHome(tmp_path / "home", world, None).write(  # type: ignore[arg-type]  # it needs an endpoint only
        cognito_identity_pool_id=world.pool_id,
        cognito_provider="user-pool",
        cognito_user_pool_id=facts.user_pool_id,
        cognito_issuer=facts.issuer,
        cognito_client_id=facts.client_id,
        cognito_username="ada",
        cognito_preferred_challenge="choice",
    )
    with home.at_terminal("login") as terminal:
        terminal.type("2", after="Which one (1 to 2): ")
        terminal.until("The code sent by e-mail to a***@e***: ")
        terminal.type(world.messages("ada")[-1].code, after="")
        code, _, err = terminal.finished()
    assert code == 0, err
    helper = home.run("credential-process")
    assert json.loads(helper.stdout)["Version"] == 1, helper.stderr


@pytest.mark.thorough
def test_a_demo_that_serves_shows_the_code_of_its_passwordless_profile(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "botocore_cognito_federation", "demo", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        try:
            lines: list[str] = []
            while not lines or not lines[-1].startswith("# controls"):
                lines.append(demo.stdout.readline())
            exports = [shlex.split(line)[1].partition("=") for line in lines if line.startswith("export ")]
            variables = {name: value for name, _, value in exports}
            home = PoolHome(tmp_path, SimpleNamespace(endpoint_url=""), None)  # type: ignore[arg-type]
            with home.at_terminal("login", "--profile", "passwordless", **variables) as terminal:
                terminal.type("2", after="Which one (1 to 3): ")
                terminal.until("The code sent by e-mail to a***@e***: ")
                shown = demo.stdout.readline()
                assert shown.startswith("# e-mail to ada@example.com: your code is ")
                terminal.type(shown.split()[-1], after="")
                code, _, err = terminal.finished()
            assert code == 0, err
            who = home.run("whoami", "--profile", "passwordless", **variables)
            assert "ada" in who.stdout, who.stderr
        finally:
            demo.terminate()
