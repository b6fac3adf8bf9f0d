"""Developer-authenticated identities: signed calls only, one identity for a user, the token as a login."""

from __future__ import annotations

from typing import Any

import boto3
import jwt
import pytest

from botocore_cognito_federation.demo import World

pytestmark = pytest.mark.thorough

KEY = "cognito-identity.amazonaws.com"
CANNOT_PASS = "Invalid login token. Can't pass in a Cognito token."


@pytest.fixture
def developer_token(world: World, admin: Any) -> Any:
    client = admin("cognito-identity")

    def get(user: str = "user-1", **options: Any) -> dict[str, Any]:
        logins = {world.developer_provider: user}
        arguments = {"IdentityPoolId": world.pool_id, "Logins": logins, **options}
        return dict(client.get_open_id_token_for_developer_identity(**arguments))

    return get


def test_one_developer_user_has_one_identity(developer_token: Any) -> None:
    assert developer_token()["IdentityId"] == developer_token()["IdentityId"] != developer_token("user-2")["IdentityId"]


def test_its_token_becomes_credentials(cognito: Any, developer_token: Any, client_of: Any) -> None:
    answer = developer_token()
    given = cognito.get_credentials_for_identity(IdentityId=answer["IdentityId"], Logins={KEY: answer["Token"]})
    assert given["IdentityId"] == answer["IdentityId"]
    assert "DemoAuthenticated" in client_of("sts", given["Credentials"]).get_caller_identity()["Arn"]


@pytest.mark.parametrize(("options", "seconds"), [({}, 900), ({"TokenDuration": 86_400}, 86_400)])
def test_its_token_is_valid_as_long_as_requested(developer_token: Any, options: dict[str, Any], seconds: int) -> None:
    claims = jwt.decode(developer_token(**options)["Token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds
    assert claims["amr"][1] == "login.demo.example"


def test_its_token_expires(world: World, cognito: Any, developer_token: Any, refused: Any) -> None:
    answer = developer_token()
    world.clock_offset = 901
    refusal = refused(
        cognito.get_credentials_for_identity, IdentityId=answer["IdentityId"], Logins={KEY: answer["Token"]}
    )
    assert refusal.message.startswith("Invalid login token. Token expired: ")


def test_its_token_is_not_for_get_id(world: World, cognito: Any, developer_token: Any, refused: Any) -> None:
    token = developer_token()["Token"]
    for key in (KEY, world.developer_provider, world.provider.login_key):
        refusal = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins={key: token})
        assert refusal.message == CANNOT_PASS


def test_its_token_under_the_developers_name_is_refused(
    world: World, cognito: Any, developer_token: Any, refused: Any
) -> None:
    answer = developer_token()
    logins = {world.developer_provider: answer["Token"]}
    refusal = refused(cognito.get_credentials_for_identity, IdentityId=answer["IdentityId"], Logins=logins)
    assert refusal.message == CANNOT_PASS


def test_the_developers_name_is_not_a_public_provider(world: World, cognito: Any, refused: Any) -> None:
    refusal = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins={world.developer_provider: "user-1"})
    assert (refusal.code, refusal.message) == (
        "InvalidParameterException",
        "Please provide a valid public provider",
    )


def test_another_providers_token_is_no_cognito_token(
    world: World, cognito: Any, developer_token: Any, refused: Any
) -> None:
    identity_id = developer_token()["IdentityId"]
    for token in (world.provider.issue(), "garbage"):
        refusal = refused(cognito.get_credentials_for_identity, IdentityId=identity_id, Logins={KEY: token})
        assert refusal.message == "Invalid login token. Not a Cognito token."


def test_a_forged_cognito_token_is_refused(world: World, cognito: Any, developer_token: Any, refused: Any) -> None:
    answer = developer_token()
    claims = jwt.decode(answer["Token"], options={"verify_signature": False})
    forged = world.provider.issue(algorithm="RS512", **claims)
    refusal = refused(cognito.get_credentials_for_identity, IdentityId=answer["IdentityId"], Logins={KEY: forged})
    assert refusal.message == "Invalid login token. Couldn't verify signed token."


def test_one_users_token_does_not_open_anothers_identity(cognito: Any, developer_token: Any, refused: Any) -> None:
    mine, theirs = developer_token(), developer_token("user-2")
    refusal = refused(
        cognito.get_credentials_for_identity, IdentityId=theirs["IdentityId"], Logins={KEY: mine["Token"]}
    )
    assert refusal.message.startswith("Logins don't match.")


def test_unsigned_calls_are_refused(world: World, cognito: Any, refused: Any) -> None:
    refusal = refused(
        cognito.get_open_id_token_for_developer_identity,
        IdentityPoolId=world.pool_id,
        Logins={world.developer_provider: "user-1"},
    )
    assert refusal.code == "MissingAuthenticationTokenException"


def test_keys_that_are_wrong_or_may_not_are_refused(world: World, sign_in: Any, client_of: Any, refused: Any) -> None:
    arguments = {"IdentityPoolId": world.pool_id, "Logins": {world.developer_provider: "user-1"}}
    _, credentials = sign_in()
    unprivileged = client_of("cognito-identity", credentials).get_open_id_token_for_developer_identity
    assert refused(unprivileged, **arguments).code == "AccessDeniedException"
    for keys, code in (
        (("AKIAUNKNOWN", "x"), "UnrecognizedClientException"),
        ((world.facts.admin_access_key_id, "wrong"), "InvalidSignatureException"),
    ):
        client = boto3.client(
            "cognito-identity",
            region_name=world.region,
            endpoint_url=world.endpoint_url,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
        )
        assert refused(client.get_open_id_token_for_developer_identity, **arguments).code == code
    world.clock_offset = 3700
    assert refused(unprivileged, **arguments).code == "ExpiredTokenException"


def test_an_unknown_developer_provider_is_refused(developer_token: Any, refused: Any, world: World) -> None:
    refusal = refused(developer_token, Logins={"login.other.example": "user-1"})
    expected = "This identity pool does not support the specified developer provider"
    assert (refusal.code, refusal.message) == ("InvalidParameterException", expected)


def test_an_identity_can_be_given_and_is_then_that_users(
    world: World, cognito: Any, logins: Any, developer_token: Any, refused: Any
) -> None:
    identity_id = cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())["IdentityId"]
    assert developer_token(IdentityId=identity_id)["IdentityId"] == identity_id == developer_token()["IdentityId"]
    other = cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins("bob"))["IdentityId"]
    assert refused(developer_token, IdentityId=other).code == "DeveloperUserAlreadyRegisteredException"
