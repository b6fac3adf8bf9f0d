"""Sign-in to user pools that really verify SRP, second factors, triggers, refresh; and federation with the tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError, SignInRequiredError
from botocore_cognito_federation.user_pool import (
    AutoSignIn,
    Challenge,
    CodeMismatchError,
    UserNotConfirmedError,
    UserPoolTokens,
)
from botocore_cognito_federation.user_pool.models import claims
from tests.servers.ministack import REGION, Ministack

from . import live_pool
from .live_pool import PASSWORD, LivePool

pytestmark = pytest.mark.thorough


def tokens_of(result: UserPoolTokens | Challenge | None) -> UserPoolTokens:
    assert isinstance(result, UserPoolTokens), result
    return result


def challenge_of(result: UserPoolTokens | Challenge | None, name: str) -> Challenge:
    assert isinstance(result, Challenge), result
    assert result.name == name
    return result


@pytest.fixture
def pool(ministack: Ministack) -> LivePool:
    return live_pool.make(ministack)


def test_the_right_password_signs_in_by_srp(pool: LivePool) -> None:
    sub = pool.add_user()
    tokens = tokens_of(pool.user_pool().sign_in("ada", PASSWORD))
    assert claims(tokens.id_token)["sub"] == sub
    assert tokens.username == "ada"
    assert tokens.expires_at == claims(tokens.id_token)["exp"]
    assert tokens.login_key == f"cognito-idp.{REGION}.amazonaws.com/{pool.pool_id}"


@pytest.mark.parametrize("flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH"])
def test_a_wrong_password_and_an_unknown_user_fail_alike(pool: LivePool, flow: str) -> None:
    pool.add_user()
    said = []
    for name, password in (("ada", "Wrong-Horse-1"), ("nobody", PASSWORD)):
        with pytest.raises(SignInFailedError) as caught:
            pool.user_pool().sign_in(name, password, auth_flow=flow)
        said.append(str(caught.value))
    assert said == ["The user name or the password is wrong"] * 2


@pytest.mark.parametrize(
    "password", ["Pass word-1 ", "Пароль-Ünïcode-1", "a" * 200 + "A-1", "ÿ\u0301Aa-12345", "0" * 8 + "aA-"]
)
def test_unusual_passwords_sign_in_by_srp(pool: LivePool, password: str) -> None:
    pool.add_user(password=password)
    assert tokens_of(pool.user_pool().sign_in("ada", password))


@pytest.mark.parametrize("secret", [7, 8, 3071, None])
def test_srp_sign_ins_never_meet_a_number_that_is_padded_wrongly(pool: LivePool, secret: int | None) -> None:
    """A is 2^7 (its sign bit set), 2^8 (an odd number of digits), 2^3071 (sign bit, full length), then any number."""
    pool.add_user()
    keys = {} if secret is None else {"random_bytes": lambda size: secret.to_bytes(size, "big")}
    assert tokens_of(pool.user_pool(**keys).sign_in("ada", PASSWORD))


def test_the_password_flow_signs_in_where_the_client_allows_it(ministack: Ministack, pool: LivePool) -> None:
    pool.add_user()
    assert tokens_of(pool.user_pool().sign_in("ada", PASSWORD, auth_flow="USER_PASSWORD_AUTH"))
    strict = live_pool.make(ministack, flows=("USER_SRP_AUTH",))
    strict.add_user()
    with pytest.raises(ConfigurationError, match="ALLOW_USER_PASSWORD_AUTH"):
        strict.user_pool().sign_in("ada", PASSWORD, auth_flow="USER_PASSWORD_AUTH")


def test_a_client_with_a_secret_takes_every_step_with_it_and_none_without(ministack: Ministack) -> None:
    pool = live_pool.make(ministack, secret=True)
    pool.add_user()
    user_pool = pool.user_pool()
    tokens = tokens_of(user_pool.sign_in("ada", PASSWORD))
    assert user_pool.refresh(tokens).id_token
    assert tokens_of(user_pool.sign_in("ada", PASSWORD, auth_flow="USER_PASSWORD_AUTH"))
    user_pool.revoke(tokens)
    with pytest.raises(ConfigurationError, match="client_secret"):
        pool.user_pool(client_secret=None).sign_in("ada", PASSWORD)
    with pytest.raises(ConfigurationError, match="secret is wrong"):
        pool.user_pool(client_secret="x" * 40).sign_in("ada", PASSWORD)


def test_a_secret_for_a_client_that_has_none_is_named(pool: LivePool) -> None:
    pool.add_user()
    with pytest.raises(ConfigurationError, match="has no secret"):
        pool.user_pool(client_secret="x" * 40).sign_in("ada", PASSWORD)


def test_an_alias_signs_in_and_the_real_name_comes_back(ministack: Ministack) -> None:
    pool = live_pool.make(ministack, secret=True, AliasAttributes=["email"])
    pool.add_user()
    pool.admin.admin_update_user_attributes(
        UserPoolId=pool.pool_id, Username="ada", UserAttributes=[{"Name": "email_verified", "Value": "true"}]
    )
    tokens = tokens_of(pool.user_pool().sign_in("ada@example.com", PASSWORD))
    assert tokens.username == "ada"
    assert pool.user_pool().refresh(tokens).username == "ada"


def test_a_second_factor_by_authenticator_application(pool: LivePool) -> None:
    pool.add_user()
    user_pool = pool.user_pool()
    secret = pool.require_totp(tokens_of(user_pool.sign_in("ada", PASSWORD)).access_token)
    asked = challenge_of(user_pool.sign_in("ada", PASSWORD), "SOFTWARE_TOKEN_MFA")
    with pytest.raises(CodeMismatchError):
        user_pool.confirm_sign_in(asked, f"{(int(live_pool.totp(secret)) + 500_000) % 10**6:06d}")
    assert tokens_of(user_pool.confirm_sign_in(asked, live_pool.totp(secret))).username == "ada"


def test_a_temporary_password_is_replaced_by_the_users_own(pool: LivePool) -> None:
    pool.add_user(permanent=False)
    user_pool = pool.user_pool()
    asked = challenge_of(user_pool.sign_in("ada", PASSWORD), "NEW_PASSWORD_REQUIRED")
    assert asked.username == "ada"
    assert tokens_of(user_pool.complete_new_password(asked, "My-Own-Horse-2"))
    assert tokens_of(user_pool.sign_in("ada", "My-Own-Horse-2"))
    with pytest.raises(SignInFailedError):
        user_pool.sign_in("ada", PASSWORD)


def test_an_authenticator_application_is_enrolled_by_session(pool: LivePool) -> None:
    """The pool never sends MFA_SETUP itself, but it accepts the three calls of the answer."""
    pool.add_user()
    user_pool = pool.user_pool()
    setup = user_pool.set_up_totp(Challenge("MFA_SETUP", {}, "s" * 44, "ada"))
    with pytest.raises(CodeMismatchError):
        user_pool.confirm_sign_in(setup, f"{(int(live_pool.totp(setup.totp_secret)) + 500_000) % 10**6:06d}")
    assert tokens_of(user_pool.confirm_sign_in(setup, live_pool.totp(setup.totp_secret))).username == "ada"


@pytest.fixture
def triggered(ministack: Ministack, tmp_path: Path) -> LivePool:
    return live_pool.make(ministack, journal=tmp_path / "journal")


def metadata(events: list[dict[str, Any]]) -> list[Any]:
    return [event["request"].get("clientMetadata") for event in events]


def test_custom_auth_goes_through_the_triggers_and_they_see_client_metadata(triggered: LivePool) -> None:
    triggered.add_user()
    user_pool = triggered.user_pool()
    asked = challenge_of(
        user_pool.sign_in("ada", auth_flow="CUSTOM_AUTH", client_metadata={"step": "first"}), "CUSTOM_CHALLENGE"
    )
    assert asked.parameters["question"] == "7*6"
    tokens = tokens_of(user_pool.send_custom_challenge_answer(asked, "42", client_metadata={"step": "second"}))
    assert tokens.username == "ada"
    assert metadata(triggered.events("VerifyAuthChallenge")) == [{"step": "second"}]
    assert metadata(triggered.events("CreateAuthChallenge")) == [{"step": "first"}]
    assert metadata(triggered.events("DefineAuthChallenge")) == [{"step": "first"}, {"step": "second"}]


def test_a_wrong_custom_answer_is_a_failed_sign_in(triggered: LivePool) -> None:
    triggered.add_user()
    user_pool = triggered.user_pool()
    asked = challenge_of(user_pool.sign_in("ada", auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    with pytest.raises(SignInFailedError):
        user_pool.send_custom_challenge_answer(asked, "41")


def test_custom_auth_with_a_password_proves_it_by_srp_first(triggered: LivePool) -> None:
    triggered.add_user()
    user_pool = triggered.user_pool()
    with pytest.raises(SignInFailedError):
        user_pool.sign_in("ada", "Wrong-Horse-1", auth_flow="CUSTOM_AUTH")
    assert triggered.events("CreateAuthChallenge") == []
    asked = challenge_of(user_pool.sign_in("ada", PASSWORD, auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    assert tokens_of(user_pool.send_custom_challenge_answer(asked, "42"))


def test_srp_metadata_reaches_the_token_trigger(triggered: LivePool) -> None:
    triggered.add_user()
    triggered.user_pool(client_metadata={"tenant": "t1"}).sign_in("ada", PASSWORD, validation_data={"check": "1"})
    assert metadata(triggered.events("TokenGeneration"))[-1] == {"tenant": "t1"}


def test_a_trigger_that_refuses_a_sign_up_is_quoted(triggered: LivePool) -> None:
    with pytest.raises(SignInFailedError, match="this domain may not sign up"):
        triggered.user_pool().sign_up("eve", PASSWORD, {"email": "eve@refused.example"})


def test_an_account_the_trigger_confirms_is_signed_in_at_once(triggered: LivePool) -> None:
    answer = triggered.user_pool().sign_up(
        "ada", PASSWORD, {"email": "ada@confirmed.example"}, auto_sign_in=AutoSignIn(client_metadata={"m": "1"})
    )
    assert answer.confirmed
    assert tokens_of(answer.signed_in).username == "ada"
    assert metadata(triggered.events("TokenGeneration"))[-1] == {"m": "1"}


def test_the_life_of_an_account(ministack: Ministack) -> None:
    """Sign-up, confirmation with automatic sign-in, change and loss of the password; on a client with a secret."""
    pool = live_pool.make(ministack, secret=True)
    user_pool = pool.user_pool(client_metadata={"from": "test"})
    answer = user_pool.sign_up("ada", PASSWORD, {"email": "ada@example.com"}, auto_sign_in=True)
    assert not answer.confirmed
    with pytest.raises(SignInFailedError, match="exists"):
        user_pool.sign_up("ada", PASSWORD, {"email": "ada@example.com"})
    with pytest.raises(UserNotConfirmedError):
        user_pool.sign_in("ada", PASSWORD)
    sent = user_pool.resend_sign_up("ada")
    assert sent
    assert sent.medium == "EMAIL"
    with pytest.raises(CodeMismatchError):
        user_pool.confirm_sign_up(answer, "000000")
    tokens = tokens_of(user_pool.confirm_sign_up(answer, "123456"))
    assert claims(tokens.id_token)["sub"] == answer.user_sub
    user_pool.change_password(tokens, PASSWORD, "Second-Horse-2")
    with pytest.raises(SignInFailedError):
        user_pool.change_password(tokens, "not-it-Horse-1", "Third-Horse-3")
    user_pool.update_user_attributes(tokens, {"email": "ada@new.example"})
    assert user_pool.forgot_password("ada")
    with pytest.raises(CodeMismatchError):
        user_pool.forgot_password_submit("ada", "000000", "Third-Horse-3")
    user_pool.forgot_password_submit("ada", "654321", "Third-Horse-3")
    assert tokens_of(user_pool.sign_in("ada", "Third-Horse-3"))
    with pytest.raises(SignInFailedError):
        user_pool.sign_in("ada", "Second-Horse-2")


def test_a_user_manages_the_own_account(pool: LivePool) -> None:
    """What ministack has of it; it knows no devices."""
    pool.add_user()
    user_pool = pool.user_pool()
    tokens = tokens_of(user_pool.sign_in("ada", PASSWORD))
    user_pool.update_user_attributes(tokens, {"nickname": "a"})
    assert user_pool.fetch_user_attributes(tokens)["nickname"] == "a"
    ready = user_pool.set_up_totp(tokens)
    user_pool.verify_totp_setup(tokens, live_pool.totp(ready.secret))
    user_pool.update_mfa_preference(tokens, totp="PREFERRED")
    assert user_pool.fetch_mfa_preference(tokens).preferred == "totp"
    with pytest.raises(ConfigurationError, match="does not know ListDevices"):
        user_pool.fetch_devices(tokens)
    user_pool.delete_user(tokens)
    with pytest.raises(SignInFailedError):
        user_pool.sign_in("ada", PASSWORD)


def test_a_password_against_the_policy_is_refused_with_the_policys_words(pool: LivePool) -> None:
    with pytest.raises(SignInFailedError, match="policy"):
        pool.user_pool().sign_up("ada", "short")


def test_a_refresh_gives_new_tokens_for_the_same_user(pool: LivePool) -> None:
    pool.add_user()
    user_pool = pool.user_pool()
    old = tokens_of(user_pool.sign_in("ada", PASSWORD))
    new = user_pool.refresh(old)
    assert claims(new.id_token)["sub"] == claims(old.id_token)["sub"]
    assert new.refresh_token == old.refresh_token
    assert new.access_token != old.access_token


@pytest.mark.parametrize("everywhere", [False, True])
def test_after_signing_out_a_refresh_asks_for_a_sign_in(pool: LivePool, everywhere: bool) -> None:
    pool.add_user()
    user_pool = pool.user_pool()
    tokens = tokens_of(user_pool.sign_in("ada", PASSWORD))
    user_pool.sign_out(tokens, everywhere=everywhere)
    with pytest.raises(SignInRequiredError, match="revoked"):
        user_pool.refresh(tokens)


def test_revoking_twice_is_no_error(pool: LivePool) -> None:
    pool.add_user()
    user_pool = pool.user_pool()
    tokens = tokens_of(user_pool.sign_in("ada", PASSWORD))
    user_pool.revoke(tokens)
    user_pool.revoke(tokens)


def test_a_client_that_does_not_exist_is_a_configuration_error(pool: LivePool) -> None:
    pool.add_user()
    other = pool.user_pool(client_secret=None)
    object.__setattr__(other._api.app, "client_id", "nosuchclient")
    with pytest.raises(ConfigurationError, match="client_id"):
        other.sign_in("ada", PASSWORD)


def test_the_id_token_federates_under_its_login_key_to_a_signed_s3_call(ministack: Ministack, pool: LivePool) -> None:
    pool.add_user()
    tokens = tokens_of(pool.user_pool().sign_in("ada", PASSWORD))
    identity = ministack.client("cognito-identity")
    identity_pool = identity.create_identity_pool(
        IdentityPoolName="live",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[
            {"ProviderName": f"cognito-idp.{REGION}.amazonaws.com/{pool.pool_id}", "ClientId": pool.client_id}
        ],
    )["IdentityPoolId"]
    identity.set_identity_pool_roles(IdentityPoolId=identity_pool, Roles={"authenticated": _role(ministack)})
    ministack.client("s3").create_bucket(Bucket="live", CreateBucketConfiguration={"LocationConstraint": REGION})
    logins = {tokens.login_key: tokens.id_token}
    identity_id = identity.get_id(IdentityPoolId=identity_pool, Logins=logins)["IdentityId"]
    keys = identity.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
    s3 = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=ministack.endpoint_url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretKey"],
        aws_session_token=keys["SessionToken"],
    )
    s3.put_object(Bucket="live", Key="hello", Body=b"hello")
    assert s3.get_object(Bucket="live", Key="hello")["Body"].read() == b"hello"


def _role(ministack: Ministack) -> str:
    iam = ministack.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": "cognito-identity.amazonaws.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
            }
        ],
    }
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    role = iam.create_role(RoleName="live", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="live", PolicyName="s3", PolicyDocument=json.dumps(allowed))
    return str(role)
