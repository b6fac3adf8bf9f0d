"""moto, VCR and mocks in a user's tests: none of their answers reach the files that real processes use."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.cache.base import double_of_aws, double_of_http
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.profiles import load_settings
from tests.flows.strict_provider import StrictProvider
from tests.home import Home

pytestmark = pytest.mark.thorough

#: In a separate process: the demo world uses moto too, and would be mocked here.
START = """
import boto3, json, os
import botocore_cognito_federation as federation
from botocore_cognito_federation import CognitoFederationError
from botocore_cognito_federation.cache.base import double_of_aws, double_of_http
federation.install()
def key_of(profile):
    return str(boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials().access_key)
"""


def told(home: Home, program: str, **variables: str | None) -> Any:
    """Return the JSON that a program prints."""
    done = home.python(START + program, **variables)
    assert done.code == 0, done.err.decode()
    return json.loads(done.out)


def files(home: Home) -> list[str]:
    """Return the stored answers of AWS."""
    folders = ("credentials", "identities", "failures", "notes", "answers", "links")
    found = [path for folder in folders for path in (home.cache / folder).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(home.cache)) for path in found if path.suffix != ".lock")


def test_what_moto_answers_is_not_stored_and_not_shared_with_later_sessions(home: Home) -> None:
    # moto knows only its own pools; with a fixed identity none is used.
    identity = "eu-west-1:11111111-2222-3333-4444-555555555555"
    home.profile("aws", cognito_endpoint_url="", cognito_token_file=str(home.token), cognito_identity_id=identity)
    real = home.ask("demo-native").key
    program = """
from moto import mock_aws
with mock_aws():
    seen = [double_of_aws(), double_of_http()]  # it lets identity providers through
    key = key_of("aws")
    boto3.Session(profile_name="aws").client("s3", region_name="us-east-1").create_bucket(Bucket="double")
    doubled = boto3.Session(profile_name="aws").get_credentials()
seen += [double_of_aws(), double_of_http()]
apart = boto3.Session(profile_name="aws").get_credentials() is not doubled
print(json.dumps([seen, key, apart, key_of("demo-native")]))
"""
    endpoints = {name: None for name in home.environment() if name.startswith("AWS_ENDPOINT_URL")}
    found = told(home, program, **endpoints)
    assert found == [["moto", None, None, None], "TESTACCESSKEY12345", True, real]
    assert b"TESTACCESSKEY12345" not in home.everything_stored()


def test_a_failure_of_a_mock_is_cached_for_no_real_process(home: Home) -> None:
    program = """
import botocore.client, botocore.exceptions
from unittest import mock
refusal = botocore.exceptions.ClientError({"Error": {"Code": "InternalErrorException", "Message": "x"}}, "GetId")
with mock.patch.object(botocore.client.BaseClient, "_make_api_call", side_effect=refusal):
    seen = double_of_aws()
    try:
        key_of("demo-native")
    except CognitoFederationError:
        print(json.dumps(seen))
"""
    assert told(home, program) == "unittest"
    assert files(home) == []


def test_a_cassette_leaves_nothing_on_disk_and_never_spends_a_refresh_token(
    inside: Home, tmp_path: Path, world: Any
) -> None:
    pytest.importorskip("vcr")
    program = """
import vcr
with vcr.use_cassette(os.environ["CASSETTE"], record_mode="all"):
    found = [double_of_aws(), double_of_http(), key_of("demo-native")[:2]]
    try:
        key_of("strict")
    except CognitoFederationError as error:
        found.append(str(error))
print(json.dumps(found))
"""
    with StrictProvider(world).running() as strict:
        inside.profile(
            "strict",
            cognito_provider=strict.issuer.removeprefix("http://"),
            cognito_issuer=strict.issuer,
            cognito_client_id="native",
        )
        sessions = Sessions(load_settings("strict"), FileStore(str(inside.cache)))
        expired = strict.id_token(lifetime=-5)
        sessions.write(Session("id", "ada", {}, expired, time.time() - 5, strict.good, time.time() - 3600, ""))
        *seen, why = told(inside, program, CASSETTE=str(tmp_path / "cassette.yaml"))
        assert seen == ["vcr", "vcr", "AS"]
        assert "while vcr answers" in why
        assert files(inside) == []
        assert strict.good == "refresh-0"
        assert inside.ask("strict").key
        assert strict.good == "refresh-1"


def test_nothing_counts_as_a_double_in_a_program_without_one() -> None:
    assert (double_of_aws(), double_of_http()) == (None, None)
