"""The possible positions of the provider in botocore's chain, and that it never calls itself."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import boto3
import botocore.session
import pytest
from botocore.credentials import CredentialResolver, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from pytest_httpserver import HTTPServer

import botocore_cognito_federation as package
from botocore_cognito_federation.botocore_plugin.provider import CognitoFederationProvider
from botocore_cognito_federation.demo.serve import find_executable
from tests.home import Home


def placed(profile: str, *, first: bool) -> botocore.session.Session:
    """A session with the provider before or after everything else in its chain."""
    session = botocore.session.Session(profile=profile)
    chain: CredentialResolver = session.get_component("credential_provider")
    provider = CognitoFederationProvider(session)
    if first:
        chain.insert_before(chain.providers[0].METHOD, provider)
    else:
        chain.insert_after(chain.providers[-1].METHOD, provider)
    assert chain.providers[0 if first else -1] is provider
    return session


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_the_provider_works_as_the_first_and_as_the_last_of_a_chain(inside: Home, first: bool) -> None:
    session = placed("demo-native", first=first)
    assert session.get_credentials().method == "cognito-federation"
    client = session.create_client("s3")
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == [inside.world.bucket]
    assert inside.spent == (1, 1)


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_at_either_end_it_is_silent_for_profiles_that_are_not_managed(inside: Home, first: bool) -> None:
    inside.section("profile static", aws_access_key_id="AKIASTATIC", aws_secret_access_key="x")
    inside.section("profile empty", region="eu-west-1")
    assert placed("static", first=first).get_credentials().access_key == "AKIASTATIC"
    assert placed("empty", first=first).get_credentials() is None


def test_as_the_first_it_goes_before_keys_of_the_environment_and_as_the_last_behind_them(
    inside: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_PROFILE", "demo-native")

    def key(first: bool) -> str:
        session = botocore.session.Session()
        chain: CredentialResolver = session.get_component("credential_provider")
        place = chain.insert_before if first else chain.insert_after
        place(chain.providers[0 if first else -1].METHOD, CognitoFederationProvider(session))
        return str(session.get_credentials().get_frozen_credentials().access_key)

    assert key(True).startswith("ASIA")
    assert key(False) == "AKIAENV"


@pytest.mark.parametrize("installed", [True, False], ids=["native", "process"])
def test_aws_profile_may_point_to_the_profile_itself(
    inside: Home, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if installed:
        package.install()
    monkeypatch.setenv("AWS_PROFILE", "demo")  # the helper that is started inherits it
    assert boto3.client("s3").list_buckets()["Buckets"]
    assert inside.ask("demo", AWS_PROFILE="demo").key
    assert inside.spent == (1, 1)


@pytest.mark.parametrize("words", ["credential-process", "credential-process --profile default"])
def test_a_credential_process_of_the_default_profile_does_not_start_itself(inside: Home, words: str) -> None:
    """As in aws/aws-cli#8860, where the helper's own clients asked for the default profile's credentials again."""
    world = inside.world
    inside.section(
        "default",
        region=world.region,
        cognito_identity_pool_id=world.pool_id,
        cognito_provider=world.provider.login_key,
        cognito_issuer=world.provider.issuer,
        cognito_endpoint_url=world.endpoint_url,
        cognito_token_file=str(inside.token),
        credential_process=f"{find_executable()} {words}",
    )
    session = boto3.Session()
    assert session.get_credentials().method == "custom-process"
    assert session.client("s3").list_buckets()["Buckets"]
    assert inside.spent == (1, 1)


def test_our_own_calls_are_unsigned_and_resolve_no_credentials_whatever_keys_the_environment_has(
    inside: Home, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "env-token")
    pool = "eu-west-1:11111111-2222-3333-4444-555555555555"
    keys = {"AccessKeyId": "ASIAOURS", "SecretKey": "s", "SessionToken": "t", "Expiration": time.time() + 3600}
    httpserver.expect_request("/", headers={"X-Amz-Target": "AWSCognitoIdentityService.GetId"}).respond_with_json(
        {"IdentityId": pool}
    )
    httpserver.expect_request(
        "/", headers={"X-Amz-Target": "AWSCognitoIdentityService.GetCredentialsForIdentity"}
    ).respond_with_json({"IdentityId": pool, "Credentials": keys})
    inside.profile(
        "unsigned",
        cognito_endpoint_url=httpserver.url_for("").rstrip("/"),
        cognito_token_file=str(inside.token),
        cognito_cache="memory",
    )
    native = placed("unsigned", first=True).get_credentials().get_frozen_credentials()
    application = package.CognitoFederation(pool, endpoint_url=httpserver.url_for("").rstrip("/"))
    application.federated_sign_in(inside.world.provider.login_key, inside.world.provider.issue("ada"))
    asked = [request for request, _ in httpserver.log]
    assert len(asked) == 4
    assert native.access_key == application.current_credentials().access_key == "ASIAOURS"
    for request in asked:
        assert "Authorization" not in request.headers
        assert "X-Amz-Security-Token" not in request.headers
        assert b"env-" not in request.get_data()


def test_what_refreshes_answers_a_mapping_and_the_expiry_is_aware_of_its_time_zone(inside: Home) -> None:
    credentials = placed("demo-native", first=True).get_credentials()
    assert isinstance(credentials, RefreshableCredentials)
    metadata = credentials._refresh_using()
    assert isinstance(metadata, dict)
    assert datetime.fromisoformat(metadata["expiry_time"]).utcoffset() == timedelta(0)
    frozen = credentials.get_frozen_credentials()
    assert credentials._expiry_time.utcoffset() == timedelta(0)
    assert not credentials.refresh_needed(refresh_in=15 * 60)
    # botocore's own class accepts it unchanged.
    stock = RefreshableCredentials.create_from_metadata(
        metadata=metadata, refresh_using=credentials._refresh_using, method="test"
    )
    assert stock.get_frozen_credentials()[:3] == frozen[:3]
    assert stock._expiry_time > datetime.now(timezone.utc)


def test_credentials_that_are_expired_after_the_refresh_are_an_error_of_this_package_and_never_used(
    inside: Home,
) -> None:
    inside.world.credential_lifetime = -60
    session = placed("demo-native", first=True)
    with pytest.raises(CredentialRetrievalError, match="already expired by this machine's clock"):
        session.get_credentials().get_frozen_credentials()
    with pytest.raises(CredentialRetrievalError, match="already expired by this machine's clock"):
        session.create_client("s3").list_buckets()
    assert inside.world.calls("ListBuckets") == []
