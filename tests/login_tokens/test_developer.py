"""Developer-authenticated identities: another profile authenticates the user."""

from __future__ import annotations

import pytest

from botocore_cognito_federation.demo import World
from tests.login_tokens.home import ProfileHome

pytestmark = pytest.mark.thorough


@pytest.fixture
def developer(home: ProfileHome) -> ProfileHome:
    home.admin_profile("vouching")
    developer_profile(home)
    return home


def developer_profile(home: ProfileHome, name: str = "dev", **keys: str) -> None:
    defaults = {
        "cognito_provider": "developer",
        "cognito_developer_provider": home.world.developer_provider,
        "cognito_developer_user": "ada@example.com",
        "cognito_developer_profile": "vouching",
    }
    home.profile(name, **{**defaults, **keys})


def refusal(home: ProfileHome, profile: str = "dev", **variables: str) -> tuple[int, str]:
    done = home.run("credential-process", "--profile", profile, **variables)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.returncode, done.stderr


def test_the_developers_user_has_credentials(developer: ProfileHome) -> None:
    assert developer.credential_process("dev")["AccessKeyId"]
    assert [call.operation for call in developer.world.calls()] == [
        "GetOpenIdTokenForDeveloperIdentity",
        "GetCredentialsForIdentity",
    ]


def test_the_same_user_is_the_same_identity(developer: ProfileHome) -> None:
    developer.credential_process("dev")
    developer.credential_process("dev")
    first = {call.identity_id for call in developer.world.calls("GetOpenIdTokenForDeveloperIdentity")}
    assert len(first) == 1
    assert len(developer.world.calls("GetCredentialsForIdentity")) == 1


def test_the_basic_flow_takes_the_developer_token_to_sts(developer: ProfileHome, world: World) -> None:
    pool = world.add_pool(
        allow_classic=True, authenticated_role=world.authenticated_role_arn, developer_provider="login.x"
    )
    developer_profile(
        developer,
        "basic",
        cognito_identity_pool_id=pool,
        cognito_developer_provider="login.x",
        cognito_flow="basic",
        cognito_role_arn=world.authenticated_role_arn,
    )
    assert developer.credential_process("basic")["AccessKeyId"]
    operations = [call.operation for call in world.calls()]
    assert operations == ["GetOpenIdTokenForDeveloperIdentity", "AssumeRoleWithWebIdentity"]


def test_an_identity_id_of_another_user_is_refused_before_anything_is_linked(
    developer: ProfileHome, world: World
) -> None:
    other = "eu-west-1:00000000-0000-0000-0000-000000000000"
    developer_profile(developer, cognito_identity_id=other)
    code, line = refusal(developer)
    assert code == 4
    assert f"cognito_identity_id is {other}" in line
    assert world.calls("GetCredentialsForIdentity") == []


def test_a_developer_profile_that_names_itself_is_refused(developer: ProfileHome) -> None:
    developer_profile(developer, cognito_developer_profile="dev")
    code, line = refusal(developer)
    assert code == 4
    assert "is that profile itself" in line


def test_two_developer_profiles_that_name_each_other_are_refused(developer: ProfileHome) -> None:
    developer_profile(developer, "one", cognito_developer_profile="two")
    developer_profile(developer, "two", cognito_developer_profile="one")
    code, line = refusal(developer, "one")
    assert code in (4, 5)
    assert "credentials" in line


def test_a_profile_that_is_not_there_is_named(developer: ProfileHome) -> None:
    developer_profile(developer, cognito_developer_profile="nobody")
    assert refusal(developer) == (4, "cognito_developer_profile names 'nobody', which is not a profile\n")


def test_a_profile_without_credentials_is_named(developer: ProfileHome) -> None:
    developer.section("profile empty", region="eu-west-1")
    developer_profile(developer, cognito_developer_profile="empty")
    code, line = refusal(developer)
    assert code == 4
    assert "Profile 'empty' (cognito_developer_profile) has no credentials" in line


def test_a_developer_profile_that_fails_is_named_without_its_message(developer: ProfileHome) -> None:
    developer.section("profile broken", region="eu-west-1", credential_process="sh -c 'echo sesame >&2; exit 1'")
    developer_profile(developer, cognito_developer_profile="broken")
    code, line = refusal(developer)
    assert code == 5
    assert "aws sts get-caller-identity --profile broken" in line
    assert "sesame" not in line


def test_a_provider_name_that_the_pool_does_not_know_is_refused_by_cognito(developer: ProfileHome) -> None:
    developer_profile(developer, cognito_developer_provider="login.unknown")
    code, line = refusal(developer)
    assert code == 6
    assert "developer provider" in line


def test_the_variables_of_this_tool_do_not_apply_to_the_developer_profile(developer: ProfileHome) -> None:
    pool = developer.world.pool_id
    assert (
        developer.run("credential-process", "--profile", "dev", COGNITO_FEDERATION_IDENTITY_POOL_ID=pool).returncode
        == 0
    )


def test_another_federated_profile_may_sign_the_call_without_its_own_process(
    developer: ProfileHome, world: World
) -> None:
    world.write_token(developer.path, subject="machine")
    developer.profile("machine", cognito_token_file=str(developer.path / "token"))
    developer_profile(developer, cognito_developer_profile="machine")
    done = developer.run("credential-process", "--profile", "dev")
    # Its role lacks the permission, which is IAM's decision; the call was signed with the machine's credentials.
    operations = [call.operation for call in world.calls() if call.service != "provider"]
    assert operations[:3] == ["GetId", "GetCredentialsForIdentity", "GetOpenIdTokenForDeveloperIdentity"]
    assert done.returncode == 6


def test_a_python_handler_may_bring_token_and_identity(developer: ProfileHome, world: World) -> None:
    import boto3

    client = boto3.client(
        "cognito-identity", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials
    )
    answer = client.get_open_id_token_for_developer_identity(
        IdentityPoolId=world.pool_id, Logins={world.developer_provider: "bob"}
    )
    developer.profile("handled", cognito_provider="developer", cognito_refresh_handler="handlers:refresh")
    path = str(developer.path / "modules")
    developer.file("modules/handlers.py", f"def refresh():\n    return {answer['Token']!r}\n")
    code, line = refusal(developer, "handled", PYTHONPATH=path)
    assert code == 4
    assert "came without an identity ID" in line
    token = {"token": answer["Token"], "identity_id": answer["IdentityId"]}
    developer.file("modules/handlers.py", f"def refresh():\n    return {token!r}\n")
    assert developer.credential_process("handled", PYTHONPATH=path)["AccessKeyId"]
