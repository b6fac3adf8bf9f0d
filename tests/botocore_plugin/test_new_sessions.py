"""A new session belongs to the present user, even if an object of the same configuration is in use in its process."""

from __future__ import annotations

import pytest

from tests.botocore_plugin.test_ready_natively import told
from tests.home import Home

pytestmark = pytest.mark.thorough

HELPER = """
import subprocess
def helper(*words):
    words = [sys.executable, "-m", "botocore_cognito_federation", *words, "--profile", "demo-native"]
    return subprocess.run(words, check=True, capture_output=True).stdout
key = lambda: session().get_credentials().get_frozen_credentials().access_key
def write_token(name):
    with open(os.path.join(os.environ["HOME"], "token"), "w") as file: file.write(os.environ[name])
"""


@pytest.fixture
def tokens(home: Home) -> dict[str, str]:
    return {who.upper(): home.world.provider.issue(who) for who in ("ada", "bob")}


@pytest.mark.parametrize("resolved_first", [True, False])
@pytest.mark.parametrize("asked_between", [True, False])
def test_a_token_file_that_names_another_user_counts_for_new_sessions(home, tokens, resolved_first, asked_between):
    home.token.write_text(tokens["ADA"])
    ada = None if resolved_first else home.ask("demo-native").key
    between = 'helper("credential-process")' if asked_between else ""
    program = (
        HELPER
        + f"""
first = key()
write_token("BOB")
{between}
tell(first=first, second=key(), helper=json.loads(helper("credential-process"))["AccessKeyId"])
"""
    )
    found = told(home, program, **tokens)
    assert found["second"] == found["helper"] != found["first"]
    assert ada in (None, found["first"])


def test_a_token_file_that_is_only_renewed_costs_the_new_sessions_one_exchange(home, tokens):
    home.token.write_text(tokens["ADA"])
    program = (
        HELPER
        + """
first = session().get_credentials()
keys = [first.get_frozen_credentials().access_key]
write_token("AGAIN")
for _ in range(3):
    again = session().get_credentials()
    keys.append(again.get_frozen_credentials().access_key)
held = first.get_frozen_credentials().access_key == keys[0]
tell(different=len(set(keys)), same=session().get_credentials() is again, held=held)
"""
    )
    found = told(home, program, AGAIN=home.world.provider.issue("ada", session="another"))
    assert found == {"different": 2, "same": True, "held": True}
    assert home.spent == (1, 2)


def test_a_command_that_answers_for_another_user_gives_a_new_session_their_credentials(home, tokens):
    home.token.write_text(tokens["ADA"])
    home.profile("by-command", cognito_token_command=f"cat {home.token}")
    program = (
        HELPER
        + """
def credentials():
    return boto3.Session(profile_name="by-command").get_credentials()
ada = credentials()
first = ada.get_frozen_credentials().access_key
write_token("BOB")
bob = credentials().get_frozen_credentials().access_key
tell(same=first == bob, held=ada.get_frozen_credentials().access_key == first)
"""
    )
    assert told(home, program, **tokens) == {"same": False, "held": True}


def test_a_session_made_after_a_sign_out_returns_nothing_from_before_it(home, tokens):
    home.token.write_text(tokens["ADA"])
    program = (
        HELPER
        + """
first = key()
helper("logout")
write_token("EMPTY")
try:
    tell(first=first, second=key())
except Exception as error:
    tell(error=type(error).__name__)
"""
    )
    assert told(home, program, EMPTY="") == {"error": "TokenRefreshError"}


def test_a_session_made_after_the_cache_was_cleared_gets_new_credentials(home, tokens):
    home.token.write_text(tokens["ADA"])
    program = (
        HELPER
        + """
first = key()
helper("cache", "clear", "--credentials")
tell(new=key() != first)
"""
    )
    assert told(home, program) == {"new": True}
