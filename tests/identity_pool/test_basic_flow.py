"""The basic flow: the pool's ten-minute token to STS, with the configured role, duration and name."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from botocore_cognito_federation.demo import World
from tests.login_tokens.home import ProfileHome, caller

pytestmark = pytest.mark.thorough


def basic(home: ProfileHome, name: str = "basic", **keys: str) -> None:
    defaults = {
        "cognito_identity_pool_id": home.world.classic_pool_id,
        "cognito_flow": "basic",
        "cognito_role_arn": home.world.authenticated_role_arn,
        "cognito_token_file": str(home.path / "token"),
    }
    home.profile(name, **{**defaults, **keys})


@pytest.fixture
def signed_in(home: ProfileHome) -> ProfileHome:
    home.world.write_token(home.path, subject="auth0|ada lovelace", email="ada+x@example.com")
    return home


def refusal(home: ProfileHome, profile: str = "basic") -> str:
    done = home.run("credential-process", "--profile", profile)
    assert (done.returncode, done.stdout) == (6, "")
    return done.stderr


def seconds_left(answer: dict[str, str]) -> float:
    return datetime.fromisoformat(answer["Expiration"].replace("Z", "+00:00")).timestamp() - time.time()


@pytest.mark.parametrize("flow", ["basic", "classic"])
def test_the_calls_are_get_id_get_open_id_token_and_sts(signed_in: ProfileHome, flow: str) -> None:
    basic(signed_in, cognito_flow=flow)
    signed_in.credential_process("basic")
    operations = [call.operation for call in signed_in.world.calls() if not call.operation.startswith("provider:")]
    assert operations == ["GetId", "GetOpenIdToken", "AssumeRoleWithWebIdentity"]


def test_the_session_is_named_after_who_signed_in_in_characters_sts_takes(signed_in: ProfileHome) -> None:
    basic(signed_in)
    assert caller(signed_in.world, signed_in.credential_process("basic")).endswith("/ada+x@example.com")


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("auth0|ada lovelace", "auth0-ada-lovelace"),
        ("Žofie", "ofie"),
        ("y" * 200, "y" * 64),
        ("|", "cognito-federation"),
    ],
)
def test_an_odd_subject_makes_a_name_that_sts_takes(home: ProfileHome, subject: str, name: str) -> None:
    home.world.write_token(home.path, subject=subject, email="")
    basic(home)
    assert caller(home.world, home.credential_process("basic")).endswith(f"/{name}")


def test_the_configured_session_name_counts(signed_in: ProfileHome) -> None:
    basic(signed_in, cognito_role_session_name="nightly-build")
    assert caller(signed_in.world, signed_in.credential_process("basic")).endswith("/nightly-build")


def test_the_configured_duration_counts(signed_in: ProfileHome) -> None:
    basic(signed_in, cognito_duration_seconds="900")
    assert 800 < seconds_left(signed_in.credential_process("basic")) <= 901


def test_durations_roles_and_names_have_credentials_of_their_own(signed_in: ProfileHome) -> None:
    basic(signed_in, "one")
    basic(signed_in, "two", cognito_duration_seconds="900")
    basic(signed_in, "three", cognito_role_session_name="other")
    keys = {signed_in.credential_process(name)["AccessKeyId"] for name in ("one", "two", "three")}
    assert len(keys) == 3


def test_a_duration_beyond_the_roles_own_names_the_key(signed_in: ProfileHome) -> None:
    basic(signed_in, cognito_duration_seconds="43200")
    signed_in.world.fault(
        "AssumeRoleWithWebIdentity",
        times=5,
        status=400,
        code="ValidationError",
        message="The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    assert "cognito_duration_seconds" in refusal(signed_in)


def test_a_role_that_does_not_trust_the_pool_is_named(signed_in: ProfileHome, world: World) -> None:
    basic(signed_in, cognito_role_arn=world.chained_role_arn)
    assert world.chained_role_arn in refusal(signed_in)


def test_a_pool_without_the_basic_flow_says_which_setting(signed_in: ProfileHome, world: World) -> None:
    basic(signed_in, cognito_identity_pool_id=world.pool_id)
    assert "cognito_flow" in refusal(signed_in)


def test_the_pools_token_is_had_anew_for_each_renewal(signed_in: ProfileHome, world: World) -> None:
    basic(signed_in)
    first = signed_in.credential_process("basic")
    signed_in.age(seconds_left=30)
    second = signed_in.credential_process("basic")
    assert first["AccessKeyId"] != second["AccessKeyId"]
    operations = [call.operation for call in world.calls()]
    assert (operations.count("GetId"), operations.count("GetOpenIdToken")) == (1, 2)


@pytest.mark.parametrize("flow", ["basic", "enhanced"])
def test_a_further_role_is_assumed_with_the_pools_credentials(signed_in: ProfileHome, world: World, flow: str) -> None:
    keys = {"cognito_assume_role_arn": world.chained_role_arn}
    if flow == "basic":
        # The world's chained role trusts sessions of this name, because moto compares complete session ARNs.
        basic(signed_in, cognito_role_session_name="CognitoIdentityCredentials", **keys)
    else:
        signed_in.profile("basic", cognito_token_file=str(signed_in.path / "token"), **keys)
    answer = signed_in.credential_process("basic")
    assert f"assumed-role/{world.chained_role_arn.rpartition('/')[2]}/" in caller(world, answer)


def test_a_further_role_that_may_not_be_assumed_is_named(signed_in: ProfileHome, world: World) -> None:
    role = "arn:aws:iam::123456789012:role/NotThere"
    basic(signed_in, cognito_assume_role_arn=role)
    assert role in refusal(signed_in)
