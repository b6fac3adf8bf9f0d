"""The requests of each account operation."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.user_pool import (
    AutoSignIn,
    Challenge,
    CodeDelivery,
    SignUp,
    UserPool,
    UserPoolTokens,
)
from botocore_cognito_federation.user_pool.api import make_user_pool_client

from . import wire as w
from .srp_pool import SrpPool

pytestmark = pytest.mark.thorough

SENT = {"Destination": "a***@e***", "DeliveryMedium": "EMAIL", "AttributeName": "email"}
DELIVERED = CodeDelivery("a***@e***", "EMAIL", "email")
Operation = Callable[..., Any]


# operation, the call with client_metadata, the exact request without ClientMetadata
WITH_METADATA: list[tuple[str, Operation, dict[str, Any]]] = [
    (
        "SignUp",
        lambda pool, **k: pool.sign_up("ada", "pass word", {"email": "a@e.org"}, validation_data={"v": "1"}, **k),
        {
            "ClientId": w.CLIENT,
            "Username": "ada",
            "Password": "pass word",
            "UserAttributes": [{"Name": "email", "Value": "a@e.org"}],
            "ValidationData": [{"Name": "v", "Value": "1"}],
        },
    ),
    (
        "ConfirmSignUp",
        lambda pool, **k: pool.confirm_sign_up("ada", "123456", **k),
        {"ClientId": w.CLIENT, "Username": "ada", "ConfirmationCode": "123456"},
    ),
    (
        "ResendConfirmationCode",
        lambda pool, **k: pool.resend_sign_up("ada", **k),
        {"ClientId": w.CLIENT, "Username": "ada"},
    ),
    ("ForgotPassword", lambda pool, **k: pool.forgot_password("ada", **k), {"ClientId": w.CLIENT, "Username": "ada"}),
    (
        "ConfirmForgotPassword",
        lambda pool, **k: pool.forgot_password_submit("ada", "123456", "new password", **k),
        {"ClientId": w.CLIENT, "Username": "ada", "ConfirmationCode": "123456", "Password": "new password"},
    ),
    (
        "UpdateUserAttributes",
        lambda pool, **k: pool.update_user_attributes(w.TOKENS, {"email": "b@e.org"}, **k),
        {"AccessToken": "access.token", "UserAttributes": [{"Name": "email", "Value": "b@e.org"}]},
    ),
    (
        "GetUserAttributeVerificationCode",
        lambda pool, **k: pool.verify_user_attribute("access.token", "email", **k),
        {"AccessToken": "access.token", "AttributeName": "email"},
    ),
    (
        "GetTokensFromRefreshToken",
        lambda pool, **k: pool.refresh(w.TOKENS, **k),
        {"ClientId": w.CLIENT, "RefreshToken": "refresh-token-1"},
    ),
]
WITHOUT_METADATA: list[tuple[str, Operation, dict[str, Any]]] = [
    (
        "ChangePassword",
        lambda pool, **k: pool.change_password(w.TOKENS, "old password", "new password", **k),
        {"AccessToken": "access.token", "PreviousPassword": "old password", "ProposedPassword": "new password"},
    ),
    (
        "VerifyUserAttribute",
        lambda pool, **k: pool.verify_user_attribute_submit(w.TOKENS, "email", "123456", **k),
        {"AccessToken": "access.token", "AttributeName": "email", "Code": "123456"},
    ),
]
NAMES = [name for name, _, _ in WITH_METADATA]


def answered(wire: w.Wire) -> None:
    wire.answers["SignUp"] = [{"UserSub": "sub", "UserConfirmed": False}]
    wire.answers["GetTokensFromRefreshToken"] = [w.tokens(RefreshToken=None)]


@pytest.mark.parametrize(("operation", "call", "request_"), WITH_METADATA, ids=NAMES)
@pytest.mark.parametrize(
    ("default", "given", "sent"),
    [
        (None, None, None),
        (None, {"m": "1"}, {"m": "1"}),
        ({"d": "1"}, None, {"d": "1"}),
        ({"d": "1"}, {"m": "1"}, {"m": "1"}),
        ({"d": "1"}, {}, None),
    ],
)
def test_client_metadata_or_else_the_pools_own_reaches_the_operation(
    wire: w.Wire, operation: str, call: Operation, request_: dict[str, Any], default: Any, given: Any, sent: Any
) -> None:
    answered(wire)
    call(wire.pool(client_metadata=default), client_metadata=given)
    expected = request_ if sent is None else {**request_, "ClientMetadata": sent}
    assert wire.asked == [(operation, expected)]


@pytest.mark.parametrize(("operation", "call", "request_"), WITH_METADATA, ids=NAMES)
def test_metadata_that_is_not_strings_never_reaches_an_operation(
    wire: w.Wire, operation: str, call: Operation, request_: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="client_metadata"):
        call(wire.pool(), client_metadata={"a": 1})
    assert wire.asked == []


@pytest.mark.parametrize(("operation", "call", "request_"), WITHOUT_METADATA)
def test_an_operation_without_the_field_refuses_client_metadata_and_ignores_the_pools_own(
    wire: w.Wire, operation: str, call: Operation, request_: dict[str, Any]
) -> None:
    pool = wire.pool(client_metadata={"d": "1"})
    with pytest.raises(ConfigurationError, match=operation):
        call(pool, client_metadata={"m": "1"})
    assert wire.asked == []
    call(pool)
    assert wire.asked == [(operation, request_)]


@pytest.mark.parametrize(("operation", "call", "request_"), WITH_METADATA[:5], ids=NAMES[:5])
def test_operations_that_name_the_user_carry_the_secret_hash(
    wire: w.Wire, operation: str, call: Operation, request_: dict[str, Any]
) -> None:
    answered(wire)
    call(wire.pool(client_secret=w.SECRET))
    assert wire.asked == [(operation, {**request_, "SecretHash": w.secret_hash("ada")})]


def test_codes_say_where_they_went(wire: w.Wire) -> None:
    for operation in ("ResendConfirmationCode", "ForgotPassword", "GetUserAttributeVerificationCode"):
        wire.answers[operation] = [{"CodeDeliveryDetails": SENT}]
    wire.answers["UpdateUserAttributes"] = [{"CodeDeliveryDetailsList": [SENT]}]
    pool = wire.pool()
    assert pool.resend_sign_up("ada") == DELIVERED
    assert pool.forgot_password("ada") == DELIVERED
    assert pool.verify_user_attribute(w.TOKENS, "email") == DELIVERED
    assert pool.update_user_attributes(w.TOKENS, [{"Name": "email", "Value": "x"}]) == (DELIVERED,)


def test_validation_data_may_be_the_apis_list_too(wire: w.Wire) -> None:
    answered(wire)
    wire.pool().sign_up("ada", "pw", validation_data=[{"Name": "v", "Value": "1"}, {"Name": "w"}])
    assert wire.asked[0][1]["ValidationData"] == [{"Name": "v", "Value": "1"}, {"Name": "w", "Value": ""}]


@pytest.mark.parametrize(
    "wrong", [{"v": 1}, {1: "v"}, "v", [{"Value": "1"}], [{"Name": "v", "X": "1"}], [1], {"": "v"}]
)
@pytest.mark.parametrize("argument", ["attributes", "validation_data"])
def test_attributes_that_are_not_names_and_strings_are_refused_before_any_call(
    wire: w.Wire, argument: str, wrong: Any
) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        wire.pool().sign_up("ada", "pw", **{argument: wrong})
    assert wire.asked == []


def test_an_account_that_is_confirmed_later_signs_in_by_itself_then(wire: w.Wire) -> None:
    wire.answers["SignUp"] = [{"UserSub": "sub", "UserConfirmed": False, "CodeDeliveryDetails": SENT}]
    SrpPool(wire)
    pool = wire.pool(client_metadata={"d": "1"})
    automatic = AutoSignIn(validation_data={"v": "2"}, client_metadata={"m": "3"})
    signed_up = pool.sign_up("ada", "right password", auto_sign_in=automatic)
    assert signed_up == SignUp("ada", "sub", False, DELIVERED, None, automatic, "right password")
    assert "right password" not in repr(signed_up)
    assert isinstance(pool.confirm_sign_up(signed_up, "123456"), UserPoolTokens)
    assert [(name, body.get("ClientMetadata")) for name, body in wire.asked] == [
        ("SignUp", {"d": "1"}),
        ("ConfirmSignUp", {"d": "1"}),
        ("InitiateAuth", {"v": "2"}),
        ("RespondToAuthChallenge", {"m": "3"}),
    ]


def test_an_account_that_is_confirmed_at_once_signs_in_at_once(wire: w.Wire) -> None:
    wire.answers["SignUp"] = [{"UserSub": "sub", "UserConfirmed": True}]
    SrpPool(wire)
    signed_up = wire.pool().sign_up("ada", "right password", auto_sign_in=True)
    assert isinstance(signed_up.signed_in, UserPoolTokens)
    assert signed_up.password == ""


def test_without_auto_sign_in_the_password_is_not_stored_and_there_is_no_sign_in(wire: w.Wire) -> None:
    answered(wire)
    pool = wire.pool()
    signed_up = pool.sign_up("ada", "pw")
    assert (signed_up.password, signed_up.auto_sign_in) == ("", None)
    assert pool.confirm_sign_up(signed_up, "123456", force_alias_creation=True) is None
    assert wire.asked[-1][1]["ForceAliasCreation"] is True
    assert pool.confirm_sign_up("ada", "123456") is None


def test_wrong_metadata_for_the_automatic_sign_in_is_refused_before_there_is_an_account(wire: w.Wire) -> None:
    with pytest.raises(ConfigurationError, match="auto_sign_in"):
        wire.pool().sign_up("ada", "pw", auto_sign_in=AutoSignIn(validation_data={"a": 1}))  # type: ignore[dict-item]
    assert wire.asked == []


def test_revoking_sends_the_refresh_token_and_the_client_secret(wire: w.Wire) -> None:
    wire.pool(client_secret=w.SECRET).revoke(w.TOKENS)
    wire.pool().sign_out(w.TOKENS)
    assert wire.asked == [
        ("RevokeToken", {"Token": "refresh-token-1", "ClientId": w.CLIENT, "ClientSecret": w.SECRET}),
        ("RevokeToken", {"Token": "refresh-token-1", "ClientId": w.CLIENT}),
    ]


def test_signing_out_everywhere_is_global_sign_out(wire: w.Wire) -> None:
    wire.pool().sign_out(w.TOKENS, everywhere=True)
    assert wire.asked == [("GlobalSignOut", {"AccessToken": "access.token"})]


def test_the_constructor_makes_no_client_and_the_first_operation_makes_one() -> None:
    made: list[dict[str, Any]] = []

    class Client:
        def forgot_password(self, **request: Any) -> dict[str, Any]:
            return {}

    def factory(**options: Any) -> Client:
        made.append(options)
        return Client()

    session = object()
    pool = UserPool("us-gov-west-1_Ab1", "client", session=session, client_factory=factory)
    assert made == []
    pool.forgot_password("ada")
    pool.forgot_password("ada")
    assert made == [{"session": session, "region_name": "us-gov-west-1", "endpoint_url": None}]


def test_an_endpoint_from_the_environment_is_held_to_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://cognito.example")
    with pytest.raises(ConfigurationError, match="https"):
        UserPool(w.POOL, w.CLIENT).forgot_password("ada")


def test_threads_share_one_client(wire: w.Wire) -> None:
    made: list[Any] = []

    def factory(**options: Any) -> Any:
        made.append(make_user_pool_client(**options))
        return made[-1]

    pool = wire.pool(client_factory=factory)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: pool.forgot_password("ada"), range(16)))
    assert (len(made), len(wire.asked)) == (1, 16)


@pytest.mark.parametrize(
    "arguments",
    [
        {"user_pool_id": "local_abc"},
        {"user_pool_id": "eu-west-1:11111111-2222-3333-4444-555555555555"},
        {"user_pool_id": "eu-west-1_"},
        {"user_pool_id": ""},
        {"user_pool_id": None},
        {"user_pool_id": "eu-west-1_" + "a" * 55},
        {"client_id": "a client"},
        {"client_id": ""},
        {"client_id": "x" * 129},
        {"client_secret": "with\n"},
        {"client_secret": ""},
        {"client_metadata": {"a": 1}},
        {"endpoint_url": "http://example.org"},
        {"endpoint_url": "http://localhost:1"},
        {"endpoint_url": "ftp://127.0.0.1"},
        {"endpoint_url": "https://user:pw@example.org"},
        {"endpoint_url": "https://"},
    ],
)
def test_a_pool_that_cannot_work_is_refused_when_it_is_made(arguments: dict[str, Any]) -> None:
    good: dict[str, Any] = {"user_pool_id": "eu-west-1_AbC", "client_id": "client"}
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        UserPool(**{**good, **arguments})


@pytest.mark.parametrize("url", ["https://cognito.example", "http://127.0.0.1:1", "http://[::1]:1"])
def test_an_emulators_pool_need_not_be_named_after_a_region(url: str) -> None:
    assert UserPool("local_abc", "client", endpoint_url=url)


@pytest.mark.parametrize(
    "call",
    [
        lambda pool: pool.sign_in("", "pw"),
        lambda pool: pool.sign_in("with blank", "pw"),
        lambda pool: pool.sign_in("a" * 129, "pw"),
        lambda pool: pool.sign_in("ada", ""),
        lambda pool: pool.sign_in("ada", "p" * 257),
        lambda pool: pool.sign_in("ada", 12345678),
        lambda pool: pool.confirm_sign_up("ada", "1 2"),
        lambda pool: pool.confirm_sign_up("ada", ""),
        lambda pool: pool.confirm_sign_in("SMS_MFA", "123456"),
        lambda pool: pool.confirm_sign_in(Challenge("MFA_SETUP", {}, "s" * 30, "ada", totp_secret="x"), "12345a"),
        lambda pool: pool.change_password("not a token", "old", "new"),
        lambda pool: pool.refresh(UserPoolTokens("", "", "", 0, "ada")),
        lambda pool: pool.update_user_attributes("a.b.c", {}),
        lambda pool: pool.verify_user_attribute("a.b.c", "n" * 33),
    ],
)
def test_an_argument_the_service_would_refuse_costs_no_call(wire: w.Wire, call: Operation) -> None:
    with pytest.raises(ConfigurationError):
        call(wire.pool())
    assert wire.asked == []
