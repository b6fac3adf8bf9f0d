"""A remedy is data until code that knows the configuration renders it: a command, or the name of a setting."""

from __future__ import annotations

import pickle
from pathlib import Path

import botocore_cognito_federation
from botocore_cognito_federation.config.settings import Origin, Settings
from botocore_cognito_federation.errors import SIGN_IN_AGAIN, SettingNames, SignInAgain, SignInFailedError, reworded
from botocore_cognito_federation.identity_pool.errors import CallContext, explain
from botocore_cognito_federation.messages import flag_of

POOL = "eu-west-1:00000000-0000-4000-8000-000000000001"


def test_the_command_that_signs_in_is_named_by_the_part_that_knows_it() -> None:
    error = SignInFailedError("It came to nothing", remedy=SignInAgain(", then try again"))
    assert error.line == "It came to nothing. Sign in again: cognito-federation login, then try again"
    assert error.sign_in_again is not None
    named = reworded(error, remedy=error.sign_in_again.by("cognito-federation login --profile 'a b'"))
    assert named.remedy == "Run: cognito-federation login --profile 'a b', then try again"
    assert pickle.loads(pickle.dumps(error)).line == error.line


def test_a_remedy_that_quotes_the_command_is_left_as_it_is() -> None:
    quoting = SignInFailedError("x", remedy="The page said: cognito-federation login")
    assert quoting.sign_in_again is None
    assert SIGN_IN_AGAIN.by("sign_in") == "Run: sign_in"


def test_settings_have_the_names_of_keys_for_a_profile_and_of_arguments_for_an_application() -> None:
    of_a_profile = Settings(POOL, profile="p", origins={"flow": Origin("profile", "[profile p]")})
    assert f"Set {SettingNames.of(of_a_profile):flow}" == "Set cognito_flow"
    assert f"Set {SettingNames.of(Settings(POOL)):flow}" == "Set flow"


def test_a_refusal_that_quotes_a_key_of_a_profile_does_so_for_an_application_too() -> None:
    refused = ("NotAuthorizedException", "Role is not allowed", 400)
    remedies = [explain(*refused, CallContext(pool=POOL, profile=name)).remedy for name in ("p", "")]
    assert remedies == [
        "Remove cognito_role_arn, or set it to one of the user's cognito:roles",
        "Remove role_arn, or set it to one of the user's cognito:roles",
    ]


def test_the_flag_of_a_key_or_an_argument_is_made_in_one_place() -> None:
    package = Path(botocore_cognito_federation.__file__).parent
    makers = [
        path.name for path in package.rglob("*.py") if '"--{' in path.read_text() and "replace" in path.read_text()
    ]
    assert (flag_of("client_id"), makers) == ("--client-id", ["messages.py"])
