"""The basic flow: an identity pool's own token, and AssumeRoleWithWebIdentity, which checks it and the trust policy."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import jwt
import pytest

from botocore_cognito_federation.demo import World

pytestmark = pytest.mark.thorough

DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)


@pytest.fixture
def pool_token(world: World, cognito: Any, logins: Any) -> Any:
    """The identity and its token in the pool that allows the basic flow."""

    def get(subject: str = "ada") -> tuple[str, str]:
        login = logins(subject)
        identity_id = cognito.get_id(IdentityPoolId=world.classic_pool_id, Logins=login)["IdentityId"]
        answer = cognito.get_open_id_token(IdentityId=identity_id, Logins=login)
        return answer["IdentityId"], answer["Token"]

    return get


@pytest.fixture
def assume(world: World, sts: Any) -> Any:
    def call(token: str, **options: Any) -> dict[str, Any]:
        arguments = {"RoleArn": world.authenticated_role_arn, "RoleSessionName": "ada@example.com", **options}
        return dict(sts.assume_role_with_web_identity(WebIdentityToken=token, **arguments))

    return call


def test_the_pools_token_is_an_rs512_jwt_of_ten_minutes(world: World, pool_token: Any) -> None:
    identity_id, token = pool_token()
    assert jwt.get_unverified_header(token)["alg"] == "RS512"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == "https://cognito-identity.amazonaws.com"
    assert (claims["sub"], claims["aud"]) == (identity_id, world.classic_pool_id)
    assert claims["exp"] - claims["iat"] == 600
    assert claims["amr"][:2] == ["authenticated", world.provider.login_key]


def test_the_pools_token_becomes_credentials_under_the_callers_session_name(
    world: World, pool_token: Any, assume: Any, client_of: Any
) -> None:
    identity_id, token = pool_token()
    answer = assume(token, DurationSeconds=7200)
    assert answer["SubjectFromWebIdentityToken"] == identity_id
    assert (answer["Audience"], answer["Provider"]) == (world.classic_pool_id, "cognito-identity.amazonaws.com")
    left = (answer["Credentials"]["Expiration"] - datetime.now(timezone.utc)).total_seconds()
    assert 7190 <= left <= 7200
    arn = client_of("sts", answer["Credentials"]).get_caller_identity()["Arn"]
    assert arn == answer["AssumedRoleUser"]["Arn"]
    assert arn.endswith("assumed-role/DemoAuthenticated/ada@example.com")
    assert client_of("s3", answer["Credentials"]).list_buckets()["Buckets"]


def test_its_credentials_end_by_the_worlds_clock(
    world: World, pool_token: Any, assume: Any, client_of: Any, refused: Any
) -> None:
    s3 = client_of("s3", assume(pool_token()[1], DurationSeconds=900)["Credentials"])
    assert s3.list_buckets()
    world.clock_offset = 901
    assert refused(s3.list_buckets).code == "ExpiredToken"


def test_a_lifetime_below_what_sts_allows_caps_these_sessions_too(world: World, pool_token: Any, assume: Any) -> None:
    world.credential_lifetime = 30
    answer = assume(pool_token()[1])
    assert (answer["Credentials"]["Expiration"] - datetime.now(timezone.utc)).total_seconds() <= 30


def test_the_basic_flow_is_off_unless_the_pool_allows_it(world: World, cognito: Any, logins: Any, refused: Any) -> None:
    identity_id = cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())["IdentityId"]
    answer = refused(cognito.get_open_id_token, IdentityId=identity_id, Logins=logins())
    expected = "Basic (classic) flow is not enabled, please use enhanced flow."
    assert (answer.code, answer.message) == ("InvalidParameterException", expected)


def test_the_basic_flow_does_not_go_with_role_mappings(world: World, cognito: Any, logins: Any, refused: Any) -> None:
    pool_id = world.add_pool(allow_classic=True, token_roles=True)
    identity_id = cognito.get_id(IdentityPoolId=pool_id, Logins=logins())["IdentityId"]
    answer = refused(cognito.get_open_id_token, IdentityId=identity_id, Logins=logins())
    expected = "Basic (classic) flow is not supported with RoleMappings, please use enhanced flow."
    assert (answer.code, answer.message) == ("InvalidParameterException", expected)


def test_guests_take_the_guest_role_only(world: World, cognito: Any, assume: Any, refused: Any, client_of: Any) -> None:
    guest = cognito.get_id(IdentityPoolId=world.classic_pool_id)["IdentityId"]
    token = cognito.get_open_id_token(IdentityId=guest)["Token"]
    assert jwt.decode(token, options={"verify_signature": False})["amr"] == ["unauthenticated"]
    answer = refused(assume, token=token)
    assert (answer.code, answer.message, answer.status) == ("AccessDenied", DENIED, 403)
    credentials = assume(token, RoleArn=world.guest_role_arn)["Credentials"]
    assert "DemoGuest" in client_of("sts", credentials).get_caller_identity()["Arn"]


def test_a_signed_in_identity_cannot_take_the_guest_role(
    world: World, pool_token: Any, assume: Any, refused: Any
) -> None:
    assert refused(assume, token=pool_token()[1], RoleArn=world.guest_role_arn).message == DENIED


@pytest.mark.parametrize("name", ["Absent", "DemoChained"])
def test_a_role_that_is_absent_or_trusts_others_is_denied(
    world: World, pool_token: Any, assume: Any, refused: Any, name: str
) -> None:
    arn = f"arn:aws:iam::{world.account_id}:role/{name}"
    answer = refused(assume, token=pool_token()[1], RoleArn=arn)
    assert (answer.code, answer.message, answer.status) == ("AccessDenied", DENIED, 403)


def test_a_role_made_later_is_judged_by_its_own_trust_policy(
    world: World, pool_token: Any, assume: Any, refused: Any, admin: Any
) -> None:
    def trust(pool_id: str) -> str:
        condition = {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id}}
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    iam = admin("iam")
    mine = iam.create_role(RoleName="Mine", AssumeRolePolicyDocument=trust(world.classic_pool_id))["Role"]["Arn"]
    theirs = iam.create_role(RoleName="Theirs", AssumeRolePolicyDocument=trust(world.pool_id))["Role"]["Arn"]
    assert assume(pool_token()[1], RoleArn=mine)["Credentials"]
    assert refused(assume, token=pool_token()[1], RoleArn=theirs).message == DENIED


def test_an_expired_pool_token_is_refused_with_both_times(
    world: World, pool_token: Any, assume: Any, refused: Any
) -> None:
    token = pool_token()[1]
    world.clock_offset = 601
    answer = refused(assume, token=token)
    assert answer.code == "ExpiredTokenException"
    assert answer.message.startswith("Token expired: current date/time ")


def test_a_token_that_is_no_jwt_or_has_no_issuer_is_refused(assume: Any, refused: Any, world: World) -> None:
    answer = refused(assume, token="opaque-access-token")
    assert (answer.code, answer.message, answer.status) == ("InvalidIdentityToken", NOT_A_JWT, 400)
    assert refused(assume, token=world.provider.issue(iss="accounts.example.com")).message == (
        "Issuer must be a valid URL"
    )


def test_a_forged_pool_token_is_refused(world: World, pool_token: Any, assume: Any, refused: Any) -> None:
    claims = jwt.decode(pool_token()[1], options={"verify_signature": False})
    assert refused(assume, token=world.provider.issue(**claims)).message == NO_KEY
    assert refused(assume, token=world.provider.issue(algorithm="RS512", **claims)).message == NO_KEY


def test_provider_tokens_go_through_the_accounts_oidc_providers(
    world: World, assume: Any, refused: Any, admin: Any, client_of: Any
) -> None:
    issuer = "https://nobody.example"
    assert refused(assume, token=world.provider.issue(iss=issuer)).message == (
        f"No OpenIDConnect provider found in your account for {issuer}"
    )
    assert refused(assume, token=world.provider.issue(flaw="wrong-audience")).message == "Incorrect token audience"
    assert refused(assume, token=world.provider.issue(flaw="other-key")).message == NO_KEY
    assert refused(assume, token=world.provider.issue(flaw="expired")).code == "ExpiredTokenException"
    assert refused(assume, token=world.provider.issue()).message == DENIED
    key = world.provider.login_key
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{world.account_id}:oidc-provider/{key}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{key}:aud": "demo-client"}, "StringLike": {f"{key}:sub": "a*"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    arn = admin("iam").create_role(RoleName="Direct", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assert "Direct" in assume(world.provider.issue("ada"), RoleArn=arn)["AssumedRoleUser"]["Arn"]
    assert refused(assume, token=world.provider.issue("bob"), RoleArn=arn).message == DENIED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"RoleSessionName": "auth0|123"},
            (
                "1 validation error detected: Value 'auth0|123' at 'roleSessionName' failed to satisfy constraint: "
                r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
            ),
        ),
        (
            {"RoleSessionName": "x" * 65},
            (
                f"1 validation error detected: Value '{'x' * 65}' at 'roleSessionName' failed to satisfy constraint: "
                "Member must have length less than or equal to 64"
            ),
        ),
        (
            {"DurationSeconds": 43_201},
            (
                "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: "
                "Member must have value less than or equal to 43200"
            ),
        ),
    ],
)
def test_shapes_are_refused_in_stss_words(
    pool_token: Any, assume: Any, refused: Any, options: dict[str, Any], message: str
) -> None:
    answer = refused(assume, token=pool_token()[1], **options)
    assert (answer.code, answer.message, answer.status) == ("ValidationError", message, 400)


def test_a_duration_over_the_roles_maximum_is_refused(world: World, pool_token: Any, assume: Any, refused: Any) -> None:
    answer = refused(assume, token=pool_token()[1], RoleArn=world.other_role_arn, DurationSeconds=3601)
    assert answer.message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


def test_a_token_too_long_for_sts_is_refused(world: World, assume: Any, refused: Any) -> None:
    answer = refused(assume, token=world.provider.issue(padding="x" * 20_000))
    assert answer.message.endswith("Member must have length less than or equal to 20000")
