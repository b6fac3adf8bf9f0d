"""The operations with which an administrator makes a pool refuse what AWS refuses, and what they make is enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from botocore_cognito_federation.demo import World

pytestmark = pytest.mark.thorough

NAME = "cognito-identity.amazonaws.com"


def trust(
    pool_id: str, amr: str = "authenticated", actions: tuple[str, ...] = ("sts:AssumeRoleWithWebIdentity",)
) -> str:
    condition = {"StringEquals": {f"{NAME}:aud": pool_id}, "ForAnyValue:StringLike": {f"{NAME}:amr": amr}}
    statement = {"Effect": "Allow", "Principal": {"Federated": NAME}, "Action": list(actions), "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def provider_arn(world: World, admin: Any) -> Iterator[str]:
    iam = admin("iam")
    made = iam.create_open_id_connect_provider(
        Url=world.provider.issuer, ClientIDList=[world.provider.client_id], ThumbprintList=[]
    )
    yield made["OpenIDConnectProviderArn"]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=made["OpenIDConnectProviderArn"])


@pytest.fixture
def pool_id(provider_arn: str, admin: Any) -> Iterator[str]:
    client = admin("cognito-identity")
    made = client.create_identity_pool(
        IdentityPoolName="made", AllowUnauthenticatedIdentities=False, OpenIdConnectProviderARNs=[provider_arn]
    )
    yield made["IdentityPoolId"]
    client.delete_identity_pool(IdentityPoolId=made["IdentityPoolId"])


@pytest.fixture
def role_arn(pool_id: str, admin: Any) -> Iterator[str]:
    iam = admin("iam")
    arn = iam.create_role(RoleName="Made", AssumeRolePolicyDocument=trust(pool_id))["Role"]["Arn"]
    admin("cognito-identity").set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": arn})
    yield arn
    iam.delete_role(RoleName="Made")


def test_a_user_signs_in_through_a_pool_that_an_administrator_made(pool_id: str, role_arn: str, sign_in: Any) -> None:
    identity_id, credentials = sign_in(pool_id=pool_id)
    assert identity_id.startswith("eu-west-1:")
    assert credentials["SecretKey"]


def test_a_client_id_that_the_provider_in_iam_does_not_list_is_refused(
    pool_id: str, role_arn: str, provider_arn: str, admin: Any, cognito: Any, refused: Any, logins: Any, world: World
) -> None:
    admin("iam").remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=provider_arn, ClientID=world.provider.client_id
    )
    answer = refused(cognito.get_id, IdentityPoolId=pool_id, Logins=logins())
    assert answer.message == "Token is not from a supported provider of this identity pool."


def test_a_session_with_tags_needs_a_role_that_lets_it_be_tagged(
    pool_id: str, role_arn: str, admin: Any, sign_in: Any, world: World
) -> None:
    client = admin("cognito-identity")
    key = world.provider.login_key
    client.set_principal_tag_attribute_map(IdentityPoolId=pool_id, IdentityProviderName=key, UseDefaults=True)
    assert client.get_principal_tag_attribute_map(IdentityPoolId=pool_id, IdentityProviderName=key)["UseDefaults"]
    with pytest.raises(Exception, match="Check assigned IAM roles"):
        sign_in(pool_id=pool_id)
    both = trust(pool_id, actions=("sts:AssumeRoleWithWebIdentity", "sts:TagSession"))
    admin("iam").update_assume_role_policy(RoleName="Made", PolicyDocument=both)
    assert sign_in(pool_id=pool_id)


def test_an_update_clears_what_it_leaves_out(pool_id: str, admin: Any, cognito: Any, logins: Any, refused: Any) -> None:
    client = admin("cognito-identity")
    client.update_identity_pool(IdentityPoolId=pool_id, IdentityPoolName="made", AllowUnauthenticatedIdentities=False)
    assert "OpenIdConnectProviderARNs" not in client.describe_identity_pool(IdentityPoolId=pool_id)
    assert "supported provider" in refused(cognito.get_id, IdentityPoolId=pool_id, Logins=logins()).message


def test_iam_saves_no_trust_in_identity_pools_without_the_pool(admin: Any, refused: Any) -> None:
    document = json.loads(trust("x"))
    del document["Statement"][0]["Condition"]["StringEquals"]
    answer = refused(admin("iam").create_role, RoleName="Open", AssumeRolePolicyDocument=json.dumps(document))
    assert answer.code == "MalformedPolicyDocument"


def test_an_oidc_provider_needs_https(admin: Any, refused: Any) -> None:
    make = admin("iam").create_open_id_connect_provider
    assert refused(make, Url="http://corp.example", ThumbprintList=[]).code == "ValidationError"


def test_a_pool_names_only_providers_that_iam_has(admin: Any, refused: Any, world: World) -> None:
    arn = f"arn:aws:iam::{world.account_id}:oidc-provider/nowhere.example"
    make = admin("cognito-identity").create_identity_pool
    named = {"IdentityPoolName": "x", "AllowUnauthenticatedIdentities": False, "OpenIdConnectProviderARNs": [arn]}
    assert refused(make, **named).code == "InvalidParameterException"


def test_administrators_are_asked_for_the_permission(cognito: Any, refused: Any) -> None:
    assert refused(cognito.list_identity_pools, MaxResults=1).code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"IdentityPoolName": "a/b"}, "Value 'a/b' at 'identityPoolName'"),
        ({"IdentityPoolName": "x" * 129}, "length less than or equal to 128"),
        ({"SupportedLoginProviders": {"x" * 129: "1"}}, "supportedLoginProviders.key"),
        ({"SupportedLoginProviders": {"idp.example": "1"}}, "Unsupported login provider: idp.example"),
        ({"CognitoIdentityProviders": [{"ClientId": "a-b"}]}, "cognitoIdentityProviders.1.member.clientId"),
        ({"SamlProviderARNs": ["x" * 2049]}, "samlProviderARNs.1.member"),
    ],
)
def test_a_pool_is_refused_for_what_its_model_does_not_allow(
    admin: Any, refused: Any, members: dict[str, Any], words: str
) -> None:
    make = admin("cognito-identity").create_identity_pool
    named = {"IdentityPoolName": "x", "AllowUnauthenticatedIdentities": False, **members}
    assert words in refused(make, **named).message


def test_role_mappings_name_providers_of_the_pool(pool_id: str, provider_arn: str, admin: Any, refused: Any) -> None:
    attach = admin("cognito-identity").set_identity_pool_roles
    roles = {"authenticated": "arn:aws:iam::111122223333:role/x"}
    mapping = {"Type": "Token", "AmbiguousRoleResolution": "Deny"}
    named = {"IdentityPoolId": pool_id, "Roles": roles}
    answer = refused(attach, **named, RoleMappings={"idp.example": mapping})
    assert "is not a configured provider" in answer.message
    answer = refused(attach, **named, RoleMappings={provider_arn: {"Type": "Rule"}})
    assert "enum value set: [Token, Rules]" in answer.message
    attach(**named, RoleMappings={provider_arn: mapping})


@pytest.mark.parametrize(
    ("missing", "service", "operation", "members"),
    [
        ("iam:PassRole", "cognito-identity", "set_identity_pool_roles", {"Roles": {"authenticated": "ROLE"}}),
        ("iam:TagRole", "iam", "create_role", {"RoleName": "x", "AssumeRolePolicyDocument": "{}", "Tags": "TAGS"}),
    ],
)
def test_administrators_need_the_actions_that_a_request_takes_besides_its_own(
    world: World,
    admin: Any,
    refused: Any,
    pool_id: str,
    missing: str,
    service: str,
    operation: str,
    members: dict[str, Any],
) -> None:
    iam = admin("iam")
    iam.create_user(UserName="half")
    every = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": missing, "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": every})
    iam.put_user_policy(UserName="half", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="half")["AccessKey"]
    client = boto3.client(
        service,
        region_name=world.region,
        endpoint_url=world.endpoint_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    role = "arn:aws:iam::111122223333:role/x"
    filled = {"Roles": {"authenticated": role}, "Tags": [{"Key": "a", "Value": "b"}]}
    given = {name: filled.get(name, value) for name, value in members.items()}
    pool = {"IdentityPoolId": pool_id} if service == "cognito-identity" else {}
    answer = refused(getattr(client, operation), **pool, **given)
    assert answer.code.startswith("AccessDenied")
    assert f"is not authorized to perform: {missing} on resource: " in answer.message
    iam.delete_access_key(UserName="half", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="half", PolicyName="p")
    iam.delete_user(UserName="half")


def test_the_permissions_of_a_role_count_for_its_sessions(admin: Any, client_of: Any, pool_id: str) -> None:
    iam = admin("iam")
    boss = admin("sts").get_caller_identity()["Arn"]
    trusted = {"Effect": "Allow", "Principal": {"AWS": boss}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    arn = iam.create_role(RoleName="Boss", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    every = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [every]})
    iam.put_role_policy(RoleName="Boss", PolicyName="p", PolicyDocument=document)
    made = admin("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    client_of("cognito-identity", made).set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": arn})
    iam.delete_role_policy(RoleName="Boss", PolicyName="p")
    iam.delete_role(RoleName="Boss")
