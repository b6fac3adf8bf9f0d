"""Malformed requests are refused with the messages of AWS's front end."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.constraints import REQUESTS, check
from botocore_cognito_federation.demo.refusals import Refusal

pytestmark = pytest.mark.thorough

ID_PATTERN = r"Member must satisfy regular expression pattern: [\w-]+:[0-9a-f-]+"


def _post(world: World, operation: str, body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
    headers = {"X-Amz-Target": f"AWSCognitoIdentityService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    try:
        urlopen(Request(world.endpoint_url, body, headers))
    except HTTPError as error:
        return error.code, json.loads(error.read()), dict(error.headers)
    raise AssertionError("it was not refused")


def test_a_malformed_pool_id_is_quoted_with_its_pattern(cognito: Any, refused: Any) -> None:
    answer = refused(cognito.get_id, IdentityPoolId="EU!west")
    assert (answer.code, answer.status) == ("ValidationException", 400)
    assert answer.message == (
        f"1 validation error detected: Value 'EU!west' at 'identityPoolId' failed to satisfy constraint: {ID_PATTERN}"
    )


def test_two_faults_are_counted_and_both_named(cognito: Any, refused: Any) -> None:
    pool_id = "x" * 56
    answer = refused(cognito.get_id, IdentityPoolId=pool_id)
    assert answer.message == (
        f"2 validation errors detected: Value '{pool_id}' at 'identityPoolId' failed to satisfy constraint: "
        f"Member must have length less than or equal to 55; Value '{pool_id}' at 'identityPoolId' failed to satisfy "
        f"constraint: {ID_PATTERN}"
    )


def test_a_missing_member_must_not_be_null(world: World) -> None:
    _, error, headers = _post(world, "GetId", b"{}")
    assert error == {
        "__type": "ValidationException",
        "message": "1 validation error detected: Value null at 'identityPoolId' failed to satisfy constraint: "
        "Member must not be null",
    }
    assert headers["x-amzn-ErrorType"] == "ValidationException:"
    assert headers["Content-Type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize(
    ("logins", "rule"),
    [
        ({f"p{n}": "t" for n in range(11)}, "Member must have length less than or equal to 10"),
        (
            {"k" * 129: "t"},
            (
                "Map keys must satisfy constraint: [Member must have length less than or equal to 128, "
                "Member must have length greater than or equal to 1]"
            ),
        ),
        (
            {"k": "t" * 50_001},
            (
                "Map value must satisfy constraint: [Member must have length less than or equal to 50000, "
                "Member must have length greater than or equal to 1]"
            ),
        ),
    ],
)
def test_logins_beyond_the_limits_are_refused(
    world: World, cognito: Any, refused: Any, logins: dict[str, str], rule: str
) -> None:
    answer = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins=logins)
    assert answer.code == "ValidationException"
    assert answer.message.endswith(f"at 'logins' failed to satisfy constraint: {rule}")


def test_logins_at_the_limits_pass_the_front_end(world: World, cognito: Any, refused: Any) -> None:
    logins = {"k" * 128: "t" * 50_000}
    assert refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins=logins).code == "NotAuthorizedException"


def test_a_role_arn_too_short_and_too_long_is_refused(world: World, cognito: Any, refused: Any, logins: Any) -> None:
    login = logins()
    identity_id = cognito.get_id(IdentityPoolId=world.pool_id, Logins=login)["IdentityId"]
    call = cognito.get_credentials_for_identity
    answer = refused(call, IdentityId=identity_id, Logins=login, CustomRoleArn="a" * 2049)
    assert "at 'customRoleArn'" in answer.message
    answer = _post(world, "GetCredentialsForIdentity", b'{"IdentityId": "a:b", "CustomRoleArn": "a"}')[1]
    assert "greater than or equal to 20" in answer["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"IdentityPoolId": 7}',
        b'{"IdentityPoolId": "a:b", "Logins": []}',
        b'{"IdentityPoolId": "a:b", "Logins": {"a": 1}}',
        b"[" * 100_000,
    ],
)
def test_bodies_of_the_wrong_type_do_not_serialize(world: World, body: bytes) -> None:
    status, error, _ = _post(world, "GetId", body)
    assert (status, error["__type"]) == (400, "SerializationException")


_REFUSALS = ("ValidationException", "SerializationException")
values = st.none() | st.booleans() | st.integers() | st.text(max_size=60) | st.lists(st.text(max_size=3), max_size=3)


@pytest.mark.parametrize("operation", REQUESTS)
@given(data=st.data())
@settings(max_examples=60)
def test_no_request_makes_the_front_end_crash(operation: str, data: st.DataObject) -> None:
    members = st.sampled_from([*REQUESTS[operation], "Unknown"])
    request = data.draw(st.dictionaries(members, values | st.dictionaries(st.text(max_size=4), values, max_size=3)))
    required = {name for name, constraint in REQUESTS[operation].items() if constraint.required}
    complete = required <= {name for name, value in request.items() if value is not None}
    try:
        check(operation, request)
        code = ""
    except Refusal as refusal:
        code = refusal.code
    assert code in (("", "ValidationException", "SerializationException") if complete else _REFUSALS)


_UNSIGNED_CODES = ("MissingAuthenticationTokenException", "AccessDeniedException")


def test_operations_the_pool_does_not_own_go_to_moto_signed(
    world: World, cognito: Any, admin: Any, refused: Any
) -> None:
    named = {"ResourceArn": f"arn:aws:cognito-identity:eu-west-1:{world.account_id}:identitypool/{world.pool_id}"}
    assert refused(admin("cognito-identity").list_tags_for_resource, **named).code not in _UNSIGNED_CODES
    assert refused(cognito.list_tags_for_resource, **named).code == "MissingAuthenticationTokenException"
