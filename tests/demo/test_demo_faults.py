"""Faults and the journal: every call is recorded, and each fault occurs as often as configured."""

from __future__ import annotations

import threading
import time
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.errors import ConfigurationError

pytestmark = pytest.mark.thorough


def _operations(world: World) -> list[str]:
    return [call.operation for call in world.calls() if call.service != "provider"]


def test_the_journal_holds_every_call_with_its_identity_and_key(
    world: World, sign_in: Any, client_of: Any, refused: Any
) -> None:
    identity_id, credentials = sign_in()
    client_of("s3", credentials).get_object(Bucket=world.bucket, Key=world.object_key)
    refused(client_of("s3", credentials).put_object, Bucket=world.bucket, Key="x", Body=b"y")
    calls = [call for call in world.calls() if call.service != "provider"]
    key = credentials["AccessKeyId"]
    assert [
        (call.operation, call.service, call.identity_id, call.access_key, call.status, call.code) for call in calls
    ] == [
        ("GetId", "cognito-identity", identity_id, "", 200, ""),
        ("GetCredentialsForIdentity", "cognito-identity", identity_id, key, 200, ""),
        ("GetObject", "s3", "", key, 200, ""),
        ("PutObject", "s3", "", key, 403, "AccessDenied"),
    ]


def test_the_journal_holds_no_secret(world: World, sign_in: Any) -> None:
    _, credentials = sign_in()
    text = repr(world.calls()) + repr(world.facts)
    for secret in (credentials["SecretKey"], credentials["SessionToken"], world.facts.admin_secret_access_key):
        assert secret not in text


def test_the_journal_can_be_asked_for_one_operation_and_reset(world: World, sign_in: Any) -> None:
    sign_in()
    assert len(world.calls("GetId")) == 1
    world.reset_journal()
    assert world.calls() == []


def test_the_journal_shows_discovery_and_keys_being_fetched_once(world: World, sign_in: Any) -> None:
    world.rotate_keys()
    sign_in("ada")
    sign_in("bob")
    assert [len(world.calls(f"provider:{name}")) for name in ("discovery", "jwks")] == [1, 1]


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 400), ("InternalErrorException", 500), ("MadeUp", 418)]
)
def test_an_error_occurs_as_often_as_configured_and_then_no_more(
    world: World, cognito: Any, logins: Any, refused: Any, code: str, status: int
) -> None:
    world.fault("GetId", code=code, message="Rate exceeded", status=status, times=2)
    for _ in range(2):
        answer = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins=logins())
        assert (answer.code, answer.message, answer.status) == (code, "Rate exceeded", status)
    assert cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())["IdentityId"]
    assert [call.code for call in world.calls("GetId")] == [code, code, ""]


def test_a_fault_touches_its_own_operation_only(world: World, sign_in: Any) -> None:
    world.fault("GetOpenIdToken", code="InternalErrorException", status=500)
    assert sign_in()
    world.clear_faults()


@pytest.mark.parametrize("name", ["*", "cognito-identity"])
def test_a_fault_can_touch_a_service_or_anything(world: World, cognito: Any, refused: Any, name: str) -> None:
    world.fault(name, code="Broken")
    assert refused(cognito.get_open_id_token, IdentityId="a:b").code == "Broken"


def test_faults_wait_in_order(world: World, cognito: Any, refused: Any) -> None:
    world.fault("GetId", code="First")
    world.fault("GetId", code="Second")
    codes = [refused(cognito.get_id, IdentityPoolId=world.pool_id).code for _ in range(3)]
    assert codes == ["First", "Second", "NotAuthorizedException"]


def test_errors_speak_the_protocol_of_the_call(
    world: World, sign_in: Any, client_of: Any, sts: Any, refused: Any
) -> None:
    _, credentials = sign_in()
    for operation in ("ListBuckets", "GetCallerIdentity", "ListTables", "AssumeRoleWithWebIdentity"):
        world.fault(operation, code="SlowDown", message="easy", status=503)
    calls = [
        client_of("s3", credentials).list_buckets,
        client_of("sts", credentials).get_caller_identity,
        client_of("dynamodb", credentials).list_tables,
    ]
    assert {(refused(call).code, refused_status) for call, refused_status in ((c, 503) for c in calls)} == {
        ("SlowDown", 503)
    }
    arguments = {"RoleArn": world.other_role_arn, "RoleSessionName": "xx", "WebIdentityToken": "xxxx"}
    assert refused(sts.assume_role_with_web_identity, **arguments).message == "easy"


def test_a_bare_status_is_a_page_no_aws_client_can_read(world: World, cognito: Any, refused: Any) -> None:
    world.fault("GetId", status=502)
    answer = refused(cognito.get_id, IdentityPoolId=world.pool_id)
    assert (answer.status, answer.headers["content-type"]) == (502, "text/html")


@pytest.mark.parametrize("damage", [{"truncate": True}, {"empty_body": True}, {"missing_keys": ["IdentityId"]}])
def test_an_answer_of_200_can_lack_its_keys(world: World, cognito: Any, logins: Any, damage: dict[str, Any]) -> None:
    world.fault("GetId", **damage)
    answer = cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "IdentityId" not in answer
    assert world.calls("GetId")[-1].identity_id, "the call was carried out all the same"


def test_nested_keys_can_be_left_out(world: World, cognito: Any, logins: Any, sts: Any) -> None:
    login = logins()
    identity_id = cognito.get_id(IdentityPoolId=world.classic_pool_id, Logins=login)["IdentityId"]
    world.fault("GetCredentialsForIdentity", missing_keys=["Credentials.SecretKey", "Credentials.Absent"])
    credentials = cognito.get_credentials_for_identity(IdentityId=identity_id, Logins=login)["Credentials"]
    assert set(credentials) == {"AccessKeyId", "SessionToken", "Expiration"}
    token = cognito.get_open_id_token(IdentityId=identity_id, Logins=login)["Token"]
    world.fault("AssumeRoleWithWebIdentity", missing_keys=["Credentials.SessionToken"])
    answer = sts.assume_role_with_web_identity(
        RoleArn=world.authenticated_role_arn, RoleSessionName="ada", WebIdentityToken=token
    )
    assert set(answer["Credentials"]) == {"AccessKeyId", "SecretAccessKey", "Expiration"}


def test_a_connection_can_be_closed_without_an_answer(world: World, cognito: Any, logins: Any) -> None:
    world.fault("GetId", close=True)
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())
    assert world.calls("GetId")[-1].status == 0
    assert cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())["IdentityId"]


def test_a_call_can_be_slow_and_is_then_carried_out(world: World, cognito: Any, logins: Any) -> None:
    started = time.monotonic()
    world.fault("GetId", delay=0.2)
    assert cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())["IdentityId"]
    assert time.monotonic() - started >= 0.2


def test_a_hanging_call_runs_into_the_clients_limit_and_delays_no_other_call(
    world: World, cognito: Any, logins: Any
) -> None:
    config = Config(signature_version=UNSIGNED, read_timeout=0.2, retries={"total_max_attempts": 1})
    impatient = boto3.client(
        "cognito-identity", region_name=world.region, endpoint_url=world.endpoint_url, config=config
    )
    world.fault("GetId", delay=1.5)
    with pytest.raises(ReadTimeoutError):
        impatient.get_id(IdentityPoolId=world.pool_id, Logins=logins())
    assert cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins())["IdentityId"]


def test_stopping_a_world_lets_go_of_calls_that_hang() -> None:
    with World() as other:
        other.fault("GetId", delay=300)
        config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
        client = boto3.client(
            "cognito-identity", region_name=other.region, endpoint_url=other.endpoint_url, config=config
        )
        ended = threading.Event()

        def call() -> None:
            try:
                client.get_id(IdentityPoolId=other.pool_id)
            except (ClientError, ConnectionClosedError):
                ended.set()

        thread = threading.Thread(target=call)
        thread.start()
        while not _taken(other):
            time.sleep(0.01)
    thread.join(10)
    assert ended.is_set()


def _taken(world: World) -> bool:
    return not world._faults._waiting


@pytest.mark.thorough
def test_botocores_own_retries_get_past_a_throttle(world: World, logins: Any) -> None:
    config = Config(signature_version=UNSIGNED, retries={"mode": "standard", "total_max_attempts": 3})
    client = boto3.client("cognito-identity", region_name=world.region, endpoint_url=world.endpoint_url, config=config)
    world.fault("GetId", code="TooManyRequestsException", message="Rate exceeded")
    assert client.get_id(IdentityPoolId=world.pool_id, Logins=logins())["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize("wrong", [{"times": "2"}, {"delay": -1}, {"status": 42}, {"status": 700}])
def test_a_fault_that_makes_no_sense_is_an_error_at_once(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        world.fault("GetId", **wrong)
