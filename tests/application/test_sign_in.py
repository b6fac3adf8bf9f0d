"""`federated_sign_in`: what is refused before any call, and what is exchanged for which user."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from types import FrameType
from typing import Any

import pytest

from botocore_cognito_federation import (
    CognitoFederation,
    CognitoFederationError,
    ConfigurationError,
    FederationRefusedError,
    InvalidTokenError,
    NotSignedInError,
    TemporaryError,
)
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time

ALL_USERS = "eu-west-1:11111111-2222-3333-4444-555555555555"


def developer_token(world: World, pool: str, user: str = "ada") -> tuple[str, str]:
    import boto3

    client = boto3.client("cognito-identity", region_name=world.region, **world.admin_credentials)
    answer = client.get_open_id_token_for_developer_identity(
        IdentityPoolId=pool, Logins={world.developer_provider: user}
    )
    return answer["Token"], answer["IdentityId"]


def test_a_token_becomes_credentials_that_a_service_takes(world: World, make: Maker) -> None:
    federation = make()
    credentials = federation.federated_sign_in(world.provider.login_key, token=world.provider.issue("ada"))
    assert credentials.authenticated
    body = federation.session().client("s3").get_object(Bucket=world.bucket, Key=world.object_key)["Body"].read()
    assert b"Hello" in body
    assert len(world.calls("GetId")) == len(world.calls("GetCredentialsForIdentity")) == 1


@pytest.mark.parametrize(
    ("provider", "remedy"),
    [
        ("saml", "Pass that ARN as the provider"),
        ("user-pool", "make it user_pool= and call sign_in"),
        ("googel", "Use one of amazon"),
    ],
)
def test_the_remedy_for_a_provider_is_given_in_terms_of_an_application_and_not_of_a_profile(
    make: Maker, provider: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make().federated_sign_in(provider, "token")
    assert remedy in refused.value.remedy
    assert "cognito_" not in str(refused.value)


@pytest.mark.parametrize("token", ["", "   ", None, 7, b"bytes"])
def test_an_empty_token_is_refused_before_any_call(world: World, make: Maker, token: object) -> None:
    """A text comes from a user; anything else is a mistake of the program."""
    with pytest.raises(InvalidTokenError if isinstance(token, str) else ConfigurationError):
        make().federated_sign_in(world.provider.login_key, token)  # type: ignore[arg-type]
    assert world.calls() == []


@pytest.mark.parametrize("provider", ["", "  ", "nonsense", "https://user@host/", "http://insecure.example"])
def test_a_provider_that_is_none_is_refused_before_any_call(world: World, make: Maker, provider: str) -> None:
    with pytest.raises(ConfigurationError, match="provider"):
        make().federated_sign_in(provider, world.provider.issue())
    assert world.calls() == []


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (3600, "1970"),
        (3_600_000, "1970"),
        (math.nan, "must be a number"),
        (math.inf, "must be a number"),
        (True, "must be a number"),
        ("tomorrow", "must be a number"),
        (datetime.now(), "without a time zone"),
        (1978332974 * 1000 + time.time() * 1000, "ten years"),
        (time.time() + 11 * 366 * 86400, "ten years"),
    ],
    ids=[
        "a duration",
        "a duration in ms",
        "not a number",
        "infinite",
        "a truth",
        "a word",
        "a naive datetime",
        "ms taken twice",
        "eleven years",
    ],
)
def test_an_absurd_expires_at_is_refused_by_name_before_any_call(
    world: World, make: Maker, value: object, named: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"expires_at.*{named}"):
        make().federated_sign_in(world.provider.login_key, world.provider.issue(), expires_at=value)
    assert world.calls() == []


def test_expires_at_takes_seconds_milliseconds_and_aware_datetimes(world: World, make: Maker) -> None:
    end = float(int(time.time()) + 600)
    for value in (end, end * 1000, datetime.fromtimestamp(end, timezone.utc)):
        federation = make()
        federation.federated_sign_in(world.provider.login_key, world.provider.issue(), expires_at=value)
        assert federation.federated_info()["expires_at"] == end


def test_the_earlier_of_expires_at_and_the_tokens_own_exp_counts(world: World, make: Maker) -> None:
    federation = make()
    far = datetime.now(timezone.utc) + timedelta(days=30)
    federation.federated_sign_in(world.provider.login_key, world.provider.issue(lifetime=600), expires_at=far)
    assert federation.federated_info()["expires_at"] < time.time() + 601


def test_an_opaque_token_without_expires_at_has_no_expiry(world: World, make: Maker) -> None:
    world.register_opaque_token("graph.facebook.com", "EAAB-opaque-1", "fb-ada")
    federation = make()
    federation.federated_sign_in("facebook", "EAAB-opaque-1", user={"name": "Ada"})
    assert federation.federated_info()["expires_at"] is None


def test_a_developer_sign_in_without_identity_id_is_refused_before_any_call(world: World, make: Maker) -> None:
    for provider in ("developer", "cognito-identity.amazonaws.com"):
        with pytest.raises(ConfigurationError, match="identity_id"):
            make().federated_sign_in(provider, world.provider.issue())
    assert world.calls() == []


def test_a_developer_sign_in_never_calls_get_id(world: World, make: Maker) -> None:
    pool = world.pool_id
    token, identity_id = developer_token(world, pool)
    credentials = make(pool).federated_sign_in("developer", token, identity_id=identity_id)
    assert credentials.identity_id == identity_id
    assert world.calls("GetId") == []


def test_guest_is_the_only_way_to_unauthenticated_access(world: World, make: Maker) -> None:
    federation = make(world.guest_pool_id)
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
    with pytest.raises(ConfigurationError, match="no token"):
        federation.federated_sign_in("guest", world.provider.issue())
    assert world.calls() == []
    credentials = federation.federated_sign_in("guest")
    assert not credentials.authenticated
    with pytest.raises(NotSignedInError):
        federation.current_authenticated_user()


def test_after_a_refused_token_the_user_is_not_signed_in_and_never_a_guest(world: World, make: Maker) -> None:
    federation = make(world.guest_pool_id)
    with pytest.raises(FederationRefusedError):
        federation.federated_sign_in(world.provider.login_key, world.provider.issue(flaw="other-key"))
    with pytest.raises(NotSignedInError):
        federation.current_credentials()


def test_a_refused_token_asks_for_a_sign_in_and_for_no_command_of_a_profile(world: World, make: Maker) -> None:
    with pytest.raises(FederationRefusedError, match="Sign in again with a new login token; if it persists"):
        make().federated_sign_in(world.provider.login_key, world.provider.issue(flaw="other-key"))


def test_a_refusal_names_arguments_and_calls_and_no_keys_or_commands_of_a_profile(world: World, make: Maker) -> None:
    key, pool = world.provider.login_key, world.add_pool(custom_roles=[world.other_role_arn], token_roles=True)
    user = make().federated_sign_in(key, world.provider.issue("another-user")).identity_id
    basic = {"flow": "basic", "role_arn": world.authenticated_role_arn}
    cases: list[tuple[CognitoFederation, dict[str, Any], str]] = [
        (make(pool, role_arn=world.guest_role_arn), {}, "role_arn"),
        (make(), {"flaw": "wrong-audience"}, "request the token for an audience that it lists"),
        (make(**basic), {}, "flow = enhanced"),
        (make(), {"identity_id": user}, "call sign_out and sign in again"),
        (make(ALL_USERS), {}, "identity_pool_id"),
    ]
    for federation, options, remedy_of in cases:
        identity_id = options.pop("identity_id", None)
        with pytest.raises(FederationRefusedError) as refused:
            federation.federated_sign_in(key, world.provider.issue("ada", **options), identity_id=identity_id)
        assert remedy_of in refused.value.remedy
        assert "cognito_" not in str(refused.value)
        assert "cognito-federation" not in str(refused.value)


def test_a_forged_token_never_gets_the_credentials_cached_for_its_subject(world: World, make: Maker) -> None:
    make(cache="file").federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    federation = make(cache="file")
    with pytest.raises(FederationRefusedError):
        federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", flaw="other-key"))


def test_a_failed_sign_in_leaves_the_one_before_it(world: World, make: Maker) -> None:
    federation = make()
    before = federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    with pytest.raises(CognitoFederationError):
        federation.federated_sign_in(world.provider.login_key, world.provider.issue("bob", flaw="other-key"))
    assert federation.current_credentials() == before
    assert federation.current_authenticated_user()["name"] == "Ada"


def test_signing_in_as_another_user_replaces_everything(world: World, make: Maker) -> None:
    federation = make()
    session = federation.session(current_user=True)
    ada = federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    assert session.get_credentials().get_frozen_credentials().access_key == ada.access_key
    bob = federation.federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
    assert bob.identity_id != ada.identity_id
    assert federation.current_credentials() == bob
    assert session.get_credentials().get_frozen_credentials().access_key == bob.access_key


def test_two_users_of_one_pool_do_not_share_anything(world: World, make: Maker) -> None:
    ada, bob = make(), make()
    ada.federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    bob.federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
    assert ada.current_credentials().identity_id != bob.current_credentials().identity_id


def test_the_same_user_has_the_same_identity_each_time(world: World, make: Maker) -> None:
    ids = {make().federated_sign_in(world.provider.login_key, world.provider.issue()).identity_id for _ in range(2)}
    assert len(ids) == 1


def test_a_given_identity_id_skips_get_id(world: World, make: Maker) -> None:
    first = make().federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    world.reset_journal()
    second = make().federated_sign_in(
        world.provider.login_key, world.provider.issue("ada"), identity_id=first.identity_id
    )
    assert second.identity_id == first.identity_id
    assert world.calls("GetId") == []


def test_the_custom_role_is_asked_for_and_the_basic_flow_asks_sts(world: World, make: Maker) -> None:
    pool = world.add_pool(custom_roles=[world.other_role_arn], token_roles=True)
    with pytest.raises(CognitoFederationError):
        make(pool, role_arn=world.guest_role_arn).federated_sign_in(world.provider.login_key, world.provider.issue())
    basic = make(world.classic_pool_id, flow="basic", role_arn=world.authenticated_role_arn)
    assert basic.federated_sign_in(world.provider.login_key, world.provider.issue()).authenticated
    assert len(world.calls("AssumeRoleWithWebIdentity")) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"identity_pool_id": "eu-west-1"},
        {"role_arn": "admin"},
        {"flow": "quick"},
        {"flow": "basic"},
        {"cache": "cloud"},
        {"account_id": "12"},
        {"endpoint_url": "http://cognito.example"},
        {"user_pool": "eu-west-1_AbCdEfGhI"},
        {"refresh_handlers": {"google": "not a function"}},
    ],
)
def test_a_wrong_argument_is_refused_by_name_in_the_constructor(world: World, options: dict[str, object]) -> None:
    arguments = {"identity_pool_id": ALL_USERS, **options}
    with pytest.raises(
        ConfigurationError, match=next(iter(options)) if "refresh_handlers" not in options else "google"
    ):
        CognitoFederation(**arguments)  # type: ignore[arg-type]
    assert world.calls() == []


def test_a_temporary_failure_of_cognito_says_so_and_ends_without_a_user(world: World, make: Maker) -> None:
    federation = make()
    world.fault("GetCredentialsForIdentity", times=50, status=500)
    with pytest.raises(TemporaryError):
        federation.federated_sign_in(world.provider.login_key, world.provider.issue())
    world.clear_faults()
    with pytest.raises(NotSignedInError):
        federation.current_credentials()


def test_what_the_user_is_comes_from_the_application_or_from_the_tokens_claims(world: World, make: Maker) -> None:
    federation = make()
    credentials = federation.federated_sign_in(
        world.provider.login_key, token := world.provider.issue("ada"), user={"name": "Countess", "id": "mine"}
    )
    user = federation.current_authenticated_user()
    assert user == {
        "name": "Countess",
        "id": credentials.identity_id,
        "provider": world.provider.login_key,
        "token": token,
    }
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
    assert federation.current_authenticated_user()["email"] == "bob@example.com"


def test_federated_info_gives_the_cached_token_without_a_call(world: World, make: Maker) -> None:
    federation = make()
    credentials = federation.federated_sign_in(world.provider.login_key, token := world.provider.issue("ada"))
    world.reset_journal()
    info = federation.federated_info()
    assert (info["token"], info["identity_id"]) == (token, credentials.identity_id)
    assert set(info) == {"provider", "token", "expires_at", "identity_id", "user"}
    assert world.calls() == []


def test_essential_gives_what_any_client_call_takes_and_the_credentials_have_their_expiration(
    world: World, make: Maker, clock: Time
) -> None:
    import boto3

    credentials = make().federated_sign_in(world.provider.login_key, world.provider.issue())
    client = boto3.client("s3", region_name=world.region, **credentials.essential())
    assert client.get_object(Bucket=world.bucket, Key=world.object_key)["ContentLength"] > 0
    assert credentials.expiration.timestamp() > clock.now()


#: Function -> the most calls of it in the sign-in of one more user. A token is read twice: as an argument, as stored.
MOST_CALLS = {"cache_key": 6, "_segment": 4, "_facts": 0, "parse_url": 0, "make_client": 0, "replace": 6}
#: Of all functions of the package: 400 on Python 3.11, where a comprehension counts; a few more hand a call to a thread
#: that waits.
MOST_CALLS_IN_ALL = 418


def test_a_sign_in_of_one_more_user_does_nothing_again_that_holds_for_the_process(world: World, make: Maker) -> None:
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            ours = "botocore_cognito_federation" in frame.f_code.co_filename
            calls.update([frame.f_code.co_name, *(["in all"] if ours else [])])

    login_key, token = world.provider.login_key, world.provider.issue("ada")
    make().federated_sign_in(login_key, token)
    federation = make()
    sys.setprofile(count)
    try:
        federation.federated_sign_in(login_key, token)
    finally:
        sys.setprofile(None)
    assert {name: calls[name] for name, most in MOST_CALLS.items() if calls[name] > most} == {}
    assert calls["in all"] <= MOST_CALLS_IN_ALL
