"""An emulator that shows validationData, and that lacks GetTokensFromRefreshToken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.user_pool import UserPool, UserPoolTokens
from tests.servers import cognito_local

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cognito_local.CognitoLocal]:
    with cognito_local.running(tmp_path_factory.mktemp("cognito-local")) as server:
        yield server


@pytest.fixture
def app(server: cognito_local.CognitoLocal) -> dict[str, Any]:
    admin = server.client()
    pool = admin.create_user_pool(PoolName="live")["UserPool"]["Id"]
    client = admin.create_user_pool_client(UserPoolId=pool, ClientName="live")["UserPoolClient"]["ClientId"]
    server.events.clear()
    return {"user_pool_id": pool, "client_id": client, "endpoint_url": server.endpoint_url}


def requests(server: cognito_local.CognitoLocal, source: str) -> list[dict[str, Any]]:
    return [event["request"] for event in server.events if event["triggerSource"] == source]


def test_validation_data_reaches_the_user_migration_trigger_as_such(
    server: cognito_local.CognitoLocal, app: dict[str, Any]
) -> None:
    pool = UserPool(**app, client_metadata={"not": "this"})
    tokens = pool.sign_in("ada", "Any-Horse-1", auth_flow="USER_PASSWORD_AUTH", validation_data={"tenant": "t1"})
    assert isinstance(tokens, UserPoolTokens)
    migrated = requests(server, "UserMigration_Authentication")
    assert [request["validationData"] for request in migrated] == [{"tenant": "t1"}]


def test_without_validation_data_the_trigger_gets_client_metadata_in_its_place(
    server: cognito_local.CognitoLocal, app: dict[str, Any]
) -> None:
    UserPool(**app).sign_in("eve", "Any-Horse-1", auth_flow="USER_PASSWORD_AUTH", client_metadata={"m": "1"})
    migrated = requests(server, "UserMigration_Authentication")
    assert [request["validationData"] for request in migrated] == [{"m": "1"}]


def test_a_refresh_falls_back_where_the_endpoint_lacks_the_operation(
    server: cognito_local.CognitoLocal, app: dict[str, Any]
) -> None:
    pool = UserPool(**app)
    old = pool.sign_in("ada", "Any-Horse-1", auth_flow="USER_PASSWORD_AUTH")
    assert isinstance(old, UserPoolTokens)
    new = pool.refresh(old)
    assert new.refresh_token == old.refresh_token
    assert new.login_key == old.login_key
    assert requests(server, "TokenGeneration_RefreshTokens")


def test_a_pool_id_without_a_region_needs_an_endpoint(app: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="region"):
        UserPool(app["user_pool_id"], app["client_id"])
