"""The enhanced flow end to end: token, identity, credentials, a signed request, and their expiry."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from botocore_cognito_federation.demo import World

pytestmark = pytest.mark.thorough

CONFIGURATION = "Invalid identity pool configuration. Check assigned IAM roles for this pool."


def test_a_token_becomes_credentials_that_read_the_bucket(world: World, sign_in: Any, client_of: Any) -> None:
    _, credentials = sign_in()
    s3 = client_of("s3", credentials)
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [world.bucket]
    assert s3.get_object(Bucket=world.bucket, Key=world.object_key)["Body"].read().startswith(b"Hello")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=world.bucket)["Contents"]] == [world.object_key]


def test_what_the_role_may_not_do_is_denied(world: World, sign_in: Any, client_of: Any, refused: Any) -> None:
    _, credentials = sign_in()
    answer = refused(client_of("s3", credentials).put_object, Bucket=world.bucket, Key="new", Body=b"x")
    assert (answer.code, answer.status) == ("AccessDenied", 403)
    answer = refused(client_of("kms", credentials).list_keys)
    assert answer.code == "AccessDeniedException"
    assert "kms:ListKeys" in answer.message


def test_the_caller_is_the_role_under_cognitos_session_name(world: World, sign_in: Any, client_of: Any) -> None:
    _, credentials = sign_in()
    caller = client_of("sts", credentials).get_caller_identity()
    assert caller["Arn"] == (
        f"arn:aws:sts::{world.account_id}:assumed-role/DemoAuthenticated/CognitoIdentityCredentials"
    )
    assert caller["Account"] == world.account_id


def test_credentials_say_when_they_end_and_end_then_for_every_protocol(
    world: World, sign_in: Any, client_of: Any, refused: Any
) -> None:
    _, credentials = sign_in()
    left = (credentials["Expiration"] - datetime.now(timezone.utc)).total_seconds()
    assert 3590 <= left <= 3600
    clients = {name: client_of(name, credentials) for name in ("s3", "sts", "dynamodb")}
    world.clock_offset = 3590 - 30
    assert clients["s3"].list_buckets()
    world.clock_offset = 3601
    expected = {
        "s3": ("ExpiredToken", 400, "The provided token has expired."),
        "sts": ("ExpiredToken", 403, "The security token included in the request is expired"),
        "dynamodb": ("ExpiredTokenException", 400, "The security token included in the request is expired"),
    }
    calls = {
        "s3": clients["s3"].list_buckets,
        "sts": clients["sts"].get_caller_identity,
        "dynamodb": clients["dynamodb"].list_tables,
    }
    for service, call in calls.items():
        answer = refused(call)
        assert (answer.code, answer.status, answer.message) == expected[service]


def test_presigned_urls_are_declined_in_words_and_refused_once_expired(
    world: World, sign_in: Any, client_of: Any
) -> None:
    _, credentials = sign_in()
    s3 = client_of("s3", credentials, signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", {"Bucket": world.bucket, "Key": world.object_key})
    for offset, expected in ((0, b"does not check presigned URLs"), (3700, b"<Code>ExpiredToken</Code>")):
        world.clock_offset = offset
        with pytest.raises(HTTPError) as caught:
            urlopen(url)
        assert expected in caught.value.read()


def test_the_lifetime_can_be_shortened(world: World, sign_in: Any, client_of: Any, refused: Any) -> None:
    world.credential_lifetime = 20
    _, credentials = sign_in()
    assert (credentials["Expiration"] - datetime.now(timezone.utc)).total_seconds() <= 20
    s3 = client_of("s3", credentials)
    assert s3.list_buckets()
    world.clock_offset = 21
    assert refused(s3.list_buckets).code == "ExpiredToken"


@pytest.mark.parametrize(
    ("part", "code"),
    [("SecretKey", "SignatureDoesNotMatch"), ("SessionToken", "InvalidToken"), ("AccessKeyId", "InvalidAccessKeyId")],
)
def test_credentials_with_one_part_wrong_are_refused(
    sign_in: Any, client_of: Any, refused: Any, part: str, code: str
) -> None:
    _, credentials = sign_in()
    damaged = {**credentials, part: credentials[part][:-4] + "AAAA"}
    assert refused(client_of("s3", damaged).list_buckets).code == code


def test_unsigned_requests_to_other_services_are_refused(world: World, refused: Any) -> None:
    from botocore import UNSIGNED

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=world.region,
            endpoint_url=world.endpoint_url,
            config=Config(signature_version=UNSIGNED),
        )

    assert refused(client("s3").list_buckets).code == "AccessDenied"
    assert refused(client("sts").get_caller_identity).code == "MissingAuthenticationToken"
    assert refused(client("dynamodb").list_tables).code == "MissingAuthenticationTokenException"


def test_the_authenticated_role_may_assume_the_chained_one(world: World, sign_in: Any, client_of: Any) -> None:
    _, credentials = sign_in()
    answer = client_of("sts", credentials).assume_role(RoleArn=world.chained_role_arn, RoleSessionName="chain")
    chained = client_of("s3", answer["Credentials"])
    chained.put_object(Bucket=world.bucket, Key="written", Body=b"by the chained role")
    assert chained.get_object(Bucket=world.bucket, Key="written")["Body"].read() == b"by the chained role"


def test_a_chained_session_ends_by_the_worlds_clock(world: World, sign_in: Any, client_of: Any, refused: Any) -> None:
    world.clock_offset = 86_400
    _, credentials = sign_in()
    assume = client_of("sts", credentials).assume_role
    answer = assume(RoleArn=world.chained_role_arn, RoleSessionName="chain", DurationSeconds=900)
    left = (answer["Credentials"]["Expiration"] - datetime.now(timezone.utc)).total_seconds() - 86_400
    assert 890 <= left <= 901
    s3 = client_of("s3", answer["Credentials"])
    assert s3.list_buckets()
    world.clock_offset += 901
    assert refused(s3.list_buckets).code == "ExpiredToken"


def test_role_chaining_is_limited_to_an_hour(world: World, sign_in: Any, client_of: Any, refused: Any) -> None:
    _, credentials = sign_in()
    assume = client_of("sts", credentials).assume_role
    answer = refused(assume, RoleArn=world.chained_role_arn, RoleSessionName="chain", DurationSeconds=3601)
    assert (answer.code, "1 hour session limit" in answer.message) == ("ValidationError", True)


def test_other_roles_cannot_be_assumed(world: World, sign_in: Any, client_of: Any, refused: Any) -> None:
    _, credentials = sign_in()
    assume = client_of("sts", credentials).assume_role
    assert refused(assume, RoleArn=world.other_role_arn, RoleSessionName="chain").code == "AccessDenied"


def test_a_custom_role_the_pool_lists_is_given(world: World, sign_in: Any, client_of: Any) -> None:
    _, credentials = sign_in(role=world.other_role_arn)
    assert "DemoUploader" in client_of("sts", credentials).get_caller_identity()["Arn"]
    client_of("s3", credentials).put_object(Bucket=world.bucket, Key="upload", Body=b"x")


def test_a_custom_role_that_is_not_allowed_is_refused(world: World, cognito: Any, logins: Any, refused: Any) -> None:
    login = logins()
    identity_id = cognito.get_id(IdentityPoolId=world.pool_id, Logins=login)["IdentityId"]
    answer = refused(
        cognito.get_credentials_for_identity,
        IdentityId=identity_id,
        Logins=login,
        CustomRoleArn=world.authenticated_role_arn,
    )
    assert answer.code == "NotAuthorizedException"


def test_a_custom_role_of_the_tokens_cognito_roles_is_given(world: World, sign_in: Any, client_of: Any) -> None:
    pool_id = world.add_pool(authenticated_role=world.authenticated_role_arn)
    roles = {"cognito:roles": [world.other_role_arn]}
    _, credentials = sign_in(pool_id=pool_id, role=world.other_role_arn, **roles)
    assert "DemoUploader" in client_of("sts", credentials).get_caller_identity()["Arn"]


@pytest.mark.parametrize("claims", [{}, {"cognito:roles": ["arn:a", "arn:b"]}])
def test_a_token_that_names_no_one_role_is_denied_where_ambiguity_is(
    world: World, cognito: Any, logins: Any, refused: Any, claims: dict[str, Any]
) -> None:
    pool_id = world.add_pool(authenticated_role=world.authenticated_role_arn, token_roles=True, deny_ambiguous=True)
    login = logins(**claims)
    identity_id = cognito.get_id(IdentityPoolId=pool_id, Logins=login)["IdentityId"]
    answer = refused(cognito.get_credentials_for_identity, IdentityId=identity_id, Logins=login)
    expected = f"The ambiguous role mapping rules for: {world.provider.login_key} denied this request."
    assert (answer.code, answer.message) == ("NotAuthorizedException", expected)


def test_the_preferred_role_of_a_token_is_given_where_tokens_map_roles(
    world: World, sign_in: Any, client_of: Any
) -> None:
    pool_id = world.add_pool(authenticated_role=world.authenticated_role_arn, token_roles=True)
    _, credentials = sign_in(pool_id=pool_id, **{"cognito:preferred_role": world.other_role_arn})
    assert "DemoUploader" in client_of("sts", credentials).get_caller_identity()["Arn"]
    _, credentials = sign_in(pool_id=pool_id)
    assert "DemoAuthenticated" in client_of("sts", credentials).get_caller_identity()["Arn"]


@pytest.mark.parametrize("role", ["", "arn:aws:iam::111122223333:role/Absent", "guest_role_arn", "chained_role_arn"])
def test_a_pool_without_a_role_that_trusts_it_is_misconfigured(
    world: World, cognito: Any, logins: Any, refused: Any, role: str
) -> None:
    pool_id = world.add_pool(authenticated_role=getattr(world, role, role) if role else "")
    login = logins()
    identity_id = cognito.get_id(IdentityPoolId=pool_id, Logins=login)["IdentityId"]
    answer = refused(cognito.get_credentials_for_identity, IdentityId=identity_id, Logins=login)
    assert (answer.code, answer.message) == ("InvalidIdentityPoolConfigurationException", CONFIGURATION)


def test_a_guest_gets_the_guest_role_and_no_more(world: World, cognito: Any, client_of: Any, refused: Any) -> None:
    guest = cognito.get_id(IdentityPoolId=world.guest_pool_id)["IdentityId"]
    credentials = cognito.get_credentials_for_identity(IdentityId=guest)["Credentials"]
    assert "DemoGuest" in client_of("sts", credentials).get_caller_identity()["Arn"]
    assert client_of("s3", credentials).list_buckets()["Buckets"]
    reading = client_of("s3", credentials).get_object
    assert refused(reading, Bucket=world.bucket, Key=world.object_key).code == "AccessDenied"


def test_a_guest_cannot_leave_cognitos_list_of_services(
    world: World, cognito: Any, client_of: Any, refused: Any
) -> None:
    guest = cognito.get_id(IdentityPoolId=world.guest_pool_id)["IdentityId"]
    credentials = cognito.get_credentials_for_identity(IdentityId=guest)["Credentials"]
    assume = client_of("sts", credentials).assume_role
    answer = refused(assume, RoleArn=world.chained_role_arn, RoleSessionName="chain")
    assert answer.code == "AccessDenied"
    assert "no session policy allows the sts:AssumeRole action" in answer.message


def test_a_guest_may_not_name_a_role(world: World, cognito: Any, refused: Any) -> None:
    pool_id = world.add_pool(allow_guests=True, guest_role=world.guest_role_arn, custom_roles=[world.other_role_arn])
    guest = cognito.get_id(IdentityPoolId=pool_id)["IdentityId"]
    call = cognito.get_credentials_for_identity
    assert refused(call, IdentityId=guest, CustomRoleArn=world.other_role_arn).code == "NotAuthorizedException"


def test_any_botocore_credentials_chain_can_use_them(world: World, sign_in: Any) -> None:
    _, credentials = sign_in()
    session = boto3.Session(
        credentials["AccessKeyId"], credentials["SecretKey"], credentials["SessionToken"], region_name=world.region
    )
    resource = session.resource("s3", endpoint_url=world.endpoint_url)
    assert [bucket.name for bucket in resource.buckets.all()] == [world.bucket]


def test_a_role_that_may_list_a_bucket_may_ask_for_its_head(world: World, sign_in: Any, client_of: Any) -> None:
    _, credentials = sign_in()
    assert client_of("s3", credentials).head_bucket(Bucket=world.bucket)


def test_sts_and_iam_answer_a_signed_get_as_they_answer_a_post(world: World, sign_in: Any) -> None:
    _, made = sign_in()
    keys = Credentials(made["AccessKeyId"], made["SecretKey"], made["SessionToken"])
    url = f"{world.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url)
    SigV4Auth(keys, "sts", world.region).add_auth(request)
    with urlopen(Request(url, headers=dict(request.headers.items()))) as answer:
        assert b":assumed-role/DemoAuthenticated/" in answer.read()
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(url.replace("Version", "Other"), headers=dict(request.headers.items())))
