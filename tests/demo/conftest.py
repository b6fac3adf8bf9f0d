"""Clients that talk to the world over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from botocore_cognito_federation.demo import World
from tests.servers.demo_user_pools import client_of_pools

ONE_ATTEMPT = {"total_max_attempts": 1, "mode": "standard"}


@dataclass(frozen=True)
class Refused:
    code: str
    message: str
    status: int
    headers: dict[str, str]


@pytest.fixture(scope="session")
def cognito(one_world: World) -> Any:
    """An unsigned client of the identity pools, one attempt a call."""
    config = Config(signature_version=UNSIGNED, retries=ONE_ATTEMPT)
    return boto3.client(
        "cognito-identity", region_name=one_world.region, endpoint_url=one_world.endpoint_url, config=config
    )


@pytest.fixture(scope="session")
def idp(one_world: World) -> Any:
    """An unsigned client of the user pools, one attempt a call."""
    return client_of_pools(one_world)


@pytest.fixture(scope="session")
def sts(one_world: World) -> Any:
    """An unsigned client of STS."""
    config = Config(signature_version=UNSIGNED, retries=ONE_ATTEMPT)
    return boto3.client("sts", region_name=one_world.region, endpoint_url=one_world.endpoint_url, config=config)


@pytest.fixture(scope="session")
def admin(one_world: World) -> Any:
    """Makes clients signed by the account's administrator."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=one_world.region,
            endpoint_url=one_world.endpoint_url,
            config=Config(retries=ONE_ATTEMPT),
            **one_world.admin_credentials,
        )

    return client


@pytest.fixture
def client_of(world: World) -> Callable[..., Any]:
    """Makes clients that sign with the Credentials member of an answer, of Cognito or of STS."""

    def client(service: str, credentials: dict[str, Any], **config: Any) -> Any:
        return boto3.client(
            service,
            region_name=world.region,
            endpoint_url=world.endpoint_url,
            config=Config(retries=ONE_ATTEMPT, **config),
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials.get("SecretKey") or credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    return client


@pytest.fixture
def logins(world: World) -> Callable[..., dict[str, str]]:
    """A Logins map with one fresh token of the world's provider."""

    def make(subject: str = "ada", **options: Any) -> dict[str, str]:
        return {world.provider.login_key: world.provider.issue(subject, **options)}

    return make


@pytest.fixture
def sign_in(world: World, cognito: Any, logins: Any) -> Callable[..., tuple[str, dict[str, Any]]]:
    """The enhanced flow: returns the identity ID and the Credentials."""

    def go(subject: str = "ada", *, pool_id: str = "", role: str = "", **options: Any) -> tuple[str, dict[str, Any]]:
        login = logins(subject, **options)
        identity_id = cognito.get_id(IdentityPoolId=pool_id or world.pool_id, Logins=login)["IdentityId"]
        extra = {"CustomRoleArn": role} if role else {}
        answer = cognito.get_credentials_for_identity(IdentityId=identity_id, Logins=login, **extra)
        return answer["IdentityId"], answer["Credentials"]

    return go


@pytest.fixture(scope="session")
def refused() -> Callable[..., Refused]:
    """Makes a call that must be refused, and returns the refusal."""

    def call(operation: Callable[..., Any], **arguments: Any) -> Refused:
        with pytest.raises(ClientError) as caught:
            operation(**arguments)
        response = caught.value.response
        meta = response["ResponseMetadata"]
        error = response["Error"]
        return Refused(error["Code"], error["Message"], meta["HTTPStatusCode"], meta["HTTPHeaders"])

    return call
