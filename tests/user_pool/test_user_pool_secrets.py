"""Every operation gets marked secrets; none is ever in a log, a repr or an exception."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from botocore_cognito_federation.errors import CognitoFederationError
from botocore_cognito_federation.user_pool import AutoSignIn, Challenge, Device, UserPool, UserPoolTokens

from . import wire as w
from .srp_pool import DevicePool, SrpPool

pytestmark = pytest.mark.thorough

# Put together, so that a source line in a traceback does not count as a leak.
MARK = "canary" + "0"
CANARIES = {
    "password": "canary0Password-aaaa",
    "new_password": "canary0NewPassword-bbbb",
    "client_secret": w.SECRET,
    "access_token": "canary0Access.cccc",
    "refresh_token": "canary0Refresh.dddd",
    "session": "canary0Session-eeee-eeee",
    "code": "canary0Code-ffff",
    "device_password": "canary0Device-gggg",
    "totp": "CANARY0TOTPSECRET",
}
ID_TOKEN = w.token(canary="canary0Claim")
MARKERS = [MARK, MARK.upper(), ID_TOKEN.split(".")[1][-40:]]
TOKENS = UserPoolTokens(
    ID_TOKEN,
    CANARIES["access_token"],
    CANARIES["refresh_token"],
    w.NOW,
    "ada",
    Device("eu-west-1_0a", "-G", CANARIES["device_password"]),
)


class Seen(io.StringIO):
    """Return all log records, including the DEBUG records of every library."""


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    stream = Seen()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    # botocore is configured too: an application that debugs AWS calls sets both.
    botocore_logger = logging.getLogger("botocore")
    botocore_level = botocore_logger.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    botocore_logger.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        botocore_logger.setLevel(botocore_level)


def challenge(name: str, **more: Any) -> Challenge:
    return Challenge(name, {"SECRET": "canary0Parameter"}, CANARIES["session"], "ada", **more)


OPERATIONS: dict[str, Any] = {
    "sign_in_srp": lambda p: p.sign_in("ada", CANARIES["password"], device=TOKENS.device),
    "sign_in_password": lambda p: p.sign_in("ada", CANARIES["password"], auth_flow="USER_PASSWORD_AUTH"),
    "confirm_sign_in": lambda p: p.confirm_sign_in(challenge("SMS_MFA"), CANARIES["code"]),
    "mfa_setup": lambda p: p.set_up_totp(challenge("MFA_SETUP")),
    "mfa_verify": lambda p: p.confirm_sign_in(challenge("MFA_SETUP", totp_secret=CANARIES["totp"]), "123456"),
    "new_password": lambda p: p.complete_new_password(challenge("NEW_PASSWORD_REQUIRED"), CANARIES["new_password"]),
    "custom": lambda p: p.send_custom_challenge_answer(challenge("CUSTOM_CHALLENGE"), CANARIES["code"]),
    "any_challenge": lambda p: p.answer_challenge(challenge("WEB_AUTHN"), {"CREDENTIAL": CANARIES["code"]}),
    "sign_up": lambda p: p.sign_up("ada", CANARIES["password"], {"email": f"{MARK}@e.org"}, auto_sign_in=AutoSignIn()),
    "confirm_sign_up": lambda p: p.confirm_sign_up("ada", CANARIES["code"]),
    "forgot_password_submit": lambda p: p.forgot_password_submit("ada", CANARIES["code"], CANARIES["new_password"]),
    "change_password": lambda p: p.change_password(TOKENS, CANARIES["password"], CANARIES["new_password"]),
    "update_user_attributes": lambda p: p.update_user_attributes(TOKENS, {"email": f"{MARK}@e.org"}),
    "verify_user_attribute": lambda p: p.verify_user_attribute(TOKENS, "email"),
    "verify_user_attribute_submit": lambda p: p.verify_user_attribute_submit(TOKENS, "email", CANARIES["code"]),
    "refresh": lambda p: p.refresh(TOKENS),
    "revoke": lambda p: p.revoke(TOKENS),
    "sign_out_everywhere": lambda p: p.sign_out(TOKENS, everywhere=True),
    "remember_device": lambda p: p.remember_device(TOKENS),
    "forget_device": lambda p: p.forget_device(TOKENS),
    "fetch_devices": lambda p: p.fetch_devices(TOKENS),
    "fetch_user_attributes": lambda p: list(p.fetch_user_attributes(TOKENS)),  # their values are its result
    "delete_user_attributes": lambda p: p.delete_user_attributes(TOKENS, ["nickname"]),
    "delete_user": lambda p: p.delete_user(TOKENS),
    "totp_set_up": lambda p: p.set_up_totp(TOKENS),
    "totp_verified": lambda p: p.verify_totp_setup(TOKENS, "123456"),
    "update_mfa_preference": lambda p: p.update_mfa_preference(TOKENS, totp="PREFERRED"),
    "fetch_mfa_preference": lambda p: p.fetch_mfa_preference(TOKENS),
    "fetch_auth_factors": lambda p: p.fetch_auth_factors(TOKENS),
}


def successful(wire: w.Wire) -> None:
    device = {"DeviceKey": "eu-west-1_0b", "DeviceGroupKey": "-H"}
    result = w.tokens(
        IdToken=ID_TOKEN,
        AccessToken=CANARIES["access_token"],
        RefreshToken=CANARIES["refresh_token"],
        NewDeviceMetadata=device,
    )
    SrpPool(wire, then=result, password=CANARIES["password"])
    srp = wire.answers["RespondToAuthChallenge"]
    assert callable(srp)
    wire.answers["RespondToAuthChallenge"] = lambda body: (
        srp(body) if body["ChallengeName"] == "PASSWORD_VERIFIER" else result
    )
    initiate = wire.answers["InitiateAuth"]
    assert callable(initiate)
    wire.answers["InitiateAuth"] = lambda body: initiate(body) if "SRP_A" in body["AuthParameters"] else result
    wire.answers["GetTokensFromRefreshToken"] = [result]
    wire.answers["GetUser"] = [{"Username": "ada", "UserAttributes": [{"Name": "email", "Value": f"{MARK}@e.org"}]}]
    wire.answers["GetUserAuthFactors"] = [{"Username": "ada", "ConfiguredUserAuthFactors": ["PASSWORD"]}]
    wire.answers["SignUp"] = [{"UserSub": "sub", "UserConfirmed": False}]
    wire.answers["AssociateSoftwareToken"] = [{"SecretCode": CANARIES["totp"], "Session": CANARIES["session"]}]
    wire.answers["VerifySoftwareToken"] = [{"Status": "SUCCESS", "Session": CANARIES["session"]}]


def clean(text: str) -> None:
    for marker in MARKERS:
        assert marker not in text


def everything_about(error: BaseException | None) -> str:
    """Return everything that a crash reporter could show of an exception: its text, its chain, its traceback."""
    parts = []
    while error is not None:
        parts += [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
        error = error.__context__
    return "\n".join(parts)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_secret_is_logged_or_shown_when_an_operation_succeeds(wire: w.Wire, seen: Seen, name: str) -> None:
    successful(wire)
    pool = wire.pool(client_secret=w.SECRET)
    result = OPERATIONS[name](pool)
    assert wire.asked
    clean(seen.getvalue())
    clean(repr(result))
    clean(str(result))
    clean(repr(pool))
    assert "botocore.hooks" in str(logging.Logger.manager.loggerDict)  # botocore did log, but not this


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    "code", ["NotAuthorizedException", "InvalidParameterException", "UserLambdaValidationException", "Unheard"]
)
def test_no_secret_is_in_an_error_even_when_the_service_quotes_the_request(
    wire: w.Wire, seen: Seen, name: str, code: str
) -> None:
    successful(wire)

    def quoting(body: dict[str, Any]) -> w.Answer:
        return w.error(code, f"1 validation error detected: Value '{body}' failed to satisfy constraint")

    wire.answers = dict.fromkeys([*wire.answers, *_OTHERS], quoting)
    with pytest.raises(CognitoFederationError) as caught:
        OPERATIONS[name](wire.pool(client_secret=w.SECRET))
    clean(everything_about(caught.value))
    clean(seen.getvalue())


_OTHERS = (
    "ConfirmSignUp",
    "ConfirmForgotPassword",
    "ChangePassword",
    "UpdateUserAttributes",
    "GetUserAttributeVerificationCode",
    "VerifyUserAttribute",
    "RevokeToken",
    "GlobalSignOut",
    "UpdateDeviceStatus",
    "ForgetDevice",
    "ListDevices",
    "DeleteUserAttributes",
    "DeleteUser",
    "SetUserMFAPreference",
)


def test_no_secret_is_shown_when_botocore_itself_refuses_a_parameter(seen: Seen) -> None:
    pool = UserPool(w.POOL, w.CLIENT, client_secret="canary0short", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(CognitoFederationError) as caught:
        pool.refresh(TOKENS)  # the service model requires 24 characters for ClientSecret
    clean(everything_about(caught.value))
    clean(seen.getvalue())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: p.sign_in(f"{MARK} name\n", "pw"),
        lambda p: p.sign_in("ada", MARK * 100),
        lambda p: p.sign_in("ada", [MARK]),
        lambda p: p.confirm_sign_up("ada", f"{MARK} code"),
        lambda p: p.change_password(f"{MARK} token", "a", "b"),
        lambda p: p.sign_in("ada", "pw", client_metadata={"k": [MARK]}),
        lambda p: p.sign_up("ada", "pw", {"email": [MARK]}),
        lambda p: p.sign_up("ada", "pw", {"email": MARK * 1000}),
        lambda p: p.confirm_sign_in(challenge("MFA_SETUP", totp_secret="x"), MARK),
        lambda p: p.refresh(UserPoolTokens("a", "b", f"{MARK} token", 0, "ada")),
    ],
)
def test_a_refused_argument_is_named_and_not_quoted(wrong: Any) -> None:
    with pytest.raises(CognitoFederationError) as caught:
        wrong(UserPool(w.POOL, w.CLIENT))
    clean(everything_about(caught.value))


def test_a_device_sign_in_logs_no_secret(wire: w.Wire, seen: Seen) -> None:
    DevicePool(wire)
    wire.pool().sign_in("ada", "right password", device=DevicePool.device)
    assert DevicePool.device.password not in seen.getvalue()
    assert "PASSWORD_CLAIM" not in seen.getvalue()


def test_the_same_call_without_the_filter_would_have_logged_them(
    wire: w.Wire, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above can fail: botocore by itself logs this."""
    monkeypatch.setattr("botocore_cognito_federation.identity_pool.aws.suppress_wire_logs", contextlib.nullcontext)
    successful(wire)
    wire.pool(client_secret=w.SECRET).refresh(TOKENS)
    assert CANARIES["refresh_token"] in seen.getvalue()
