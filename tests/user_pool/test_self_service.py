"""What users do with their own accounts, at a user pool that keeps codes, limits, devices and second factors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.demo.user_pool.second_factors import totp
from botocore_cognito_federation.errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    TemporaryError,
)
from botocore_cognito_federation.user_pool import (
    Challenge,
    CodeMismatchError,
    MfaPreference,
    NewPasswordRefusedError,
    SignUp,
    UserPool,
    UserPoolTokens,
    WrongPasswordError,
)
from tests.servers.demo_user_pools import PASSWORD, user_pool

pytestmark = pytest.mark.thorough

NEW = "Another-Horse-2"
FACTORS = ("SOFTWARE_TOKEN_MFA", "SMS_MFA", "EMAIL_OTP")


@pytest.fixture
def facts(world: World) -> UserPoolFacts:
    facts = world.add_user_pool(mfa="OPTIONAL", mfa_kinds=FACTORS, alias_attributes=("email",))
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com", nickname="a")
    return facts


@pytest.fixture
def pool(world: World, facts: UserPoolFacts) -> UserPool:
    return user_pool(world, facts)


def signed_in(pool: UserPool, password: str = PASSWORD, **options: Any) -> UserPoolTokens:
    tokens = pool.sign_in("ada", password, **options)
    assert isinstance(tokens, UserPoolTokens)
    return tokens


def code_of(world: World, user: str = "ada") -> str:
    return world.messages(user)[-1].code


def now_code(secret: str, steps: int = 0) -> str:
    return totp(secret, int(time.time()) // 30 + steps)


# Sign-up


def test_a_new_user_confirms_with_the_second_code_and_signs_in(world: World, pool: UserPool) -> None:
    made = pool.sign_up("bob", PASSWORD, {"email": "bob@example.com"}, auto_sign_in=True)
    assert (made.confirmed, made.code_delivery and made.code_delivery.destination) == (False, "b***@e***")
    first = code_of(world, "bob")
    assert pool.resend_sign_up("bob") is not None
    assert code_of(world, "bob") != first
    with pytest.raises(CodeMismatchError, match="ask for a new one"):
        pool.confirm_sign_up(made, first)
    tokens = pool.confirm_sign_up(made, code_of(world, "bob"))
    assert isinstance(tokens, UserPoolTokens)
    with pytest.raises(SignInFailedError, match="needs no confirmation"):
        pool.confirm_sign_up("bob", "000000")


# Passwords


def test_a_forgotten_password_is_reset_by_the_name_or_the_address(world: World, pool: UserPool) -> None:
    for name, password in (("ada", NEW), ("ada@example.com", "Third-Horse-3")):
        sent = pool.forgot_password(name)
        assert sent is not None
        assert sent.medium == "EMAIL"
        pool.forgot_password_submit(name, code_of(world), password)
        assert signed_in(pool, password)
    with pytest.raises(WrongPasswordError):
        pool.sign_in("ada", PASSWORD)


def test_a_client_with_a_secret_hashes_the_alias_that_was_typed(world: World) -> None:
    facts = world.add_user_pool(secret=True, alias_attributes=("email",))
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    pool = user_pool(world, facts)
    pool.forgot_password("ada@example.com")
    pool.forgot_password_submit("ada@example.com", code_of(world), NEW)
    assert signed_in(pool, NEW)


def test_a_password_is_changed_and_the_old_one_is_void(pool: UserPool) -> None:
    tokens = signed_in(pool)
    pool.change_password(tokens, PASSWORD, NEW)
    assert signed_in(pool, NEW)
    with pytest.raises(WrongPasswordError, match="The current password is wrong"):
        pool.change_password(tokens, PASSWORD, "Third-Horse-3")


@pytest.mark.parametrize(
    ("password", "said"),
    [("short-1A", None), ("Sh-1", "not long enough"), ("no-digits-Aa", "numeric"), (" Outer-Blank-1", "white space")],
)
def test_a_new_password_is_the_users_to_correct(world: World, pool: UserPool, password: str, said: str | None) -> None:
    tokens = signed_in(pool)
    pool.forgot_password("ada")
    calls: list[Callable[[], object]] = [
        lambda: pool.sign_up("carol", password, {"email": "carol@example.com"}),
        lambda: pool.forgot_password_submit("ada", code_of(world), password),
        lambda: pool.change_password(tokens, PASSWORD, password) if said else None,
    ]
    for call in calls:
        if said is None:
            call()
            continue
        with pytest.raises(NewPasswordRefusedError, match=said):
            call()


def test_an_old_password_with_outer_blanks_is_a_wrong_password(pool: UserPool) -> None:
    with pytest.raises(WrongPasswordError, match="The current password is wrong"):
        pool.change_password(signed_in(pool), f" {PASSWORD}", NEW)


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_a_wrong_code_is_refused_for_users_and_for_names_that_there_are_not(pool: UserPool, name: str) -> None:
    pool.forgot_password(name)
    with pytest.raises(SignInFailedError) as refused:
        pool.forgot_password_submit(name, "000000x", NEW)
    assert type(refused.value) is (CodeMismatchError if name == "ada" else SignInFailedError)
    assert "new one" in refused.value.remedy


def test_after_five_wrong_codes_the_right_one_has_to_wait(world: World, pool: UserPool) -> None:
    pool.forgot_password("ada")
    for _ in range(5):
        with pytest.raises(CodeMismatchError):
            pool.forgot_password_submit("ada", "wrong", NEW)
    with pytest.raises(TemporaryError, match=r"Too many attempts .* an hour"):
        pool.forgot_password_submit("ada", code_of(world), NEW)
    world.clock_offset = 3601
    pool.forgot_password_submit("ada", code_of(world), NEW)


def test_an_account_without_a_verified_address_gets_no_code_and_says_why(world: World, facts: UserPoolFacts) -> None:
    world.add_user(facts.user_pool_id, "dan", PASSWORD)
    with pytest.raises(SignInFailedError, match="no verified e-mail address"):
        user_pool(world, facts).forgot_password("dan")
    world.add_user(facts.user_pool_id, "eve", PASSWORD, temporary=True, email="eve@example.com")
    with pytest.raises(SignInFailedError, match="sign in with the temporary password"):
        user_pool(world, facts).forgot_password("eve")


# Attributes


def test_attributes_are_read_changed_verified_and_deleted(world: World, pool: UserPool) -> None:
    tokens = signed_in(pool)
    [sent] = pool.update_user_attributes(tokens, {"email": "ada@example.org", "nickname": "b"})
    assert (sent.attribute, sent.destination) == ("email", "a***@e***")
    assert pool.fetch_user_attributes(tokens)["email_verified"] == "false"
    with pytest.raises(CodeMismatchError, match="ask for a new one"):
        pool.verify_user_attribute_submit(tokens, "email", "wrong")
    assert pool.verify_user_attribute(tokens, "email") is not None
    pool.verify_user_attribute_submit(tokens, "email", code_of(world))
    found = pool.fetch_user_attributes(tokens.access_token)
    assert (found["email"], found["email_verified"], found["nickname"]) == ("ada@example.org", "true", "b")
    pool.delete_user_attributes(tokens, ["nickname"])
    assert "nickname" not in pool.fetch_user_attributes(tokens)


def test_a_code_that_was_not_asked_for_or_is_a_day_old_is_over(world: World, pool: UserPool) -> None:
    tokens = signed_in(pool)
    with pytest.raises(SignInFailedError, match=r"expired. Ask for a new one"):
        pool.verify_user_attribute_submit(tokens, "email", "123456")
    pool.forgot_password("ada")
    world.clock_offset = 86_401
    with pytest.raises(SignInFailedError, match=r"expired. Ask for a new one"):
        pool.forgot_password_submit("ada", code_of(world), NEW)


def test_anothers_alias_is_the_users_fault_and_an_attribute_of_the_pool_the_callers(
    world: World, facts: UserPoolFacts, pool: UserPool
) -> None:
    world.add_user(facts.user_pool_id, "bob", PASSWORD, email="bob@example.com")
    tokens = signed_in(pool)
    with pytest.raises(SignInFailedError, match="belongs to another account"):
        pool.update_user_attributes(tokens, {"email": "bob@example.com"})
    for call in (
        lambda: pool.update_user_attributes(tokens, {"email_verified": "true"}),
        lambda: pool.delete_user_attributes(tokens, ["sub"]),
        lambda: pool.verify_user_attribute(tokens, "nickname"),
    ):
        with pytest.raises(ConfigurationError):
            call()


@pytest.mark.parametrize(
    ("name", "attributes", "said"),
    [
        ("bob@example.com", {}, "no e-mail address. Choose another name"),
        ("bob", {"email": "bob"}, "The e-mail address is not one"),
        ("bob", {"phone_number": "0555 0100"}, "with the country code"),
        ("ada", {}, "An account of this name exists"),
    ],
)
def test_a_name_or_an_address_of_the_wrong_kind_is_the_users_to_correct(
    pool: UserPool, name: str, attributes: dict[str, str], said: str
) -> None:
    with pytest.raises(SignInFailedError, match=said):
        pool.sign_up(name, PASSWORD, attributes)
    if attributes:
        with pytest.raises(SignInFailedError, match=said):
            pool.update_user_attributes(signed_in(pool), attributes)


def test_a_name_where_the_pool_takes_addresses_only_is_named(world: World) -> None:
    pool = user_pool(world, world.add_user_pool(username_attributes=("email",)))
    with pytest.raises(SignInFailedError, match="Username should be an email"):
        pool.sign_up("bob", PASSWORD)


# Second factors


def test_a_code_before_the_set_up_says_what_comes_first(pool: UserPool) -> None:
    with pytest.raises(SignInFailedError, match="Call set_up_totp first"):
        pool.verify_totp_setup(signed_in(pool), "123456")


def test_an_authenticator_application_is_set_up_turned_on_asked_for_and_turned_off(pool: UserPool) -> None:
    tokens = signed_in(pool)
    assert pool.fetch_mfa_preference(tokens) == MfaPreference()
    ready = pool.set_up_totp(tokens)
    assert ready.secret in ready.otpauth_uri("Corp")
    assert "Corp%3Aada?" in ready.otpauth_uri("Corp")
    assert ready.secret not in repr(ready)
    with pytest.raises(CodeMismatchError):
        pool.verify_totp_setup(tokens, "000000" if now_code(ready.secret) != "000000" else "111111")
    pool.verify_totp_setup(tokens, now_code(ready.secret), friendly_device_name="phone")
    pool.update_mfa_preference(tokens, totp="PREFERRED")
    assert pool.fetch_mfa_preference(tokens) == MfaPreference(("totp",), "totp")
    asked = pool.sign_in("ada", PASSWORD)
    assert isinstance(asked, Challenge)
    assert asked.name == "SOFTWARE_TOKEN_MFA"
    assert isinstance(pool.confirm_sign_in(asked, now_code(ready.secret, 1)), UserPoolTokens)
    pool.update_mfa_preference(tokens, totp="DISABLED")
    assert isinstance(pool.sign_in("ada", PASSWORD), UserPoolTokens)


def test_a_factor_that_is_not_any_more_preferred_stays_on_as_a_choice(world: World, facts: UserPoolFacts) -> None:
    pool = user_pool(world, facts)
    world.add_user(facts.user_pool_id, "fay", PASSWORD, email="fay@example.com", phone_number="+15550100")
    tokens = pool.sign_in("fay", PASSWORD)
    assert isinstance(tokens, UserPoolTokens)
    pool.update_mfa_preference(tokens, sms="ENABLED", email="PREFERRED")
    assert pool.fetch_mfa_preference(tokens) == MfaPreference(("email", "sms"), "email")
    pool.update_mfa_preference(tokens, email="NOT_PREFERRED")
    assert pool.fetch_mfa_preference(tokens).preferred is None
    asked = pool.sign_in("fay", PASSWORD)
    assert isinstance(asked, Challenge)
    assert (asked.name, set(asked.choices)) == ("SELECT_MFA_TYPE", {"EMAIL_OTP", "SMS_MFA"})


def test_a_factor_that_is_not_set_up_is_the_users_and_one_that_the_pool_lacks_its_configuration(
    world: World, pool: UserPool
) -> None:
    tokens = signed_in(pool)
    with pytest.raises(SignInFailedError, match="Call set_up_totp"):
        pool.update_mfa_preference(tokens, totp="ENABLED")
    with pytest.raises(SignInFailedError, match="Call verify_user_attribute"):
        pool.update_mfa_preference(tokens, sms="ENABLED")
    facts = world.add_user_pool()
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    other = user_pool(world, facts)
    with pytest.raises(ConfigurationError, match="does not have EMAIL_OTP enabled"):
        other.update_mfa_preference(signed_in(other), email="ENABLED")


def test_the_first_factors_of_a_user_are_named(pool: UserPool) -> None:
    assert pool.fetch_auth_factors(signed_in(pool)) == ("PASSWORD",)


# Devices


def test_devices_are_listed_remembered_and_forgotten(world: World) -> None:
    facts = world.add_user_pool(devices="USER_OPT_IN")
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    pool = user_pool(world, facts)
    first, second = signed_in(pool), signed_in(pool)
    assert {device.key for device in pool.fetch_devices(first)} == {first.device_key, second.device_key}
    pool.remember_device(first)
    assert {device.key: device.remembered for device in pool.fetch_devices(second)} == {
        first.device_key: True,
        second.device_key: False,
    }
    assert pool.fetch_devices(second)[0].created_at is not None
    pool.forget_device(second, device_key=first.device_key)
    assert [device.key for device in pool.fetch_devices(second)] == [second.device_key]
    with pytest.raises(SignInFailedError, match="has no such device"):
        pool.remember_device(second, device_key=first.device_key)
    with pytest.raises(SignInRequiredError):
        pool.refresh(first)
    pool.forget_device(second)
    assert pool.fetch_devices(second) == ()


def test_more_devices_than_a_page_are_all_listed(world: World) -> None:
    from botocore_cognito_federation.demo.user_pool.records import Device

    facts = world.add_user_pool(devices="ALWAYS")
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    pool = user_pool(world, facts)
    tokens = signed_in(pool)
    user = world.user_pools.directory.pools[facts.user_pool_id].users["ada"]
    real = user.devices[str(tokens.device_key)]
    user.devices.update({f"eu-west-1_{n}": Device(f"eu-west-1_{n}", "-g", 0.0, "", real.verifier) for n in range(130)})
    assert len(pool.fetch_devices(tokens)) == 131


def test_a_sign_in_without_a_device_says_that_there_is_none(pool: UserPool) -> None:
    with pytest.raises(ConfigurationError, match=r"has no device.*fetch_devices"):
        pool.forget_device(signed_in(pool))


# The end of a sign-in and of an account


def test_after_a_sign_out_everywhere_each_operation_asks_for_a_sign_in(pool: UserPool) -> None:
    tokens = signed_in(pool)
    pool.sign_out(tokens, everywhere=True)
    for call in operations(pool, tokens):
        with pytest.raises(SignInRequiredError):
            call()


def test_after_an_hour_each_operation_asks_for_a_refresh(world: World, pool: UserPool) -> None:
    tokens = signed_in(pool)
    world.clock_offset = 3601
    for call in operations(pool, tokens):
        with pytest.raises(SignInRequiredError, match="Refresh the tokens"):
            call()


def operations(pool: UserPool, tokens: UserPoolTokens) -> list[Callable[[], object]]:
    return [
        lambda: pool.fetch_user_attributes(tokens),
        lambda: pool.update_user_attributes(tokens, {"nickname": "x"}),
        lambda: pool.delete_user_attributes(tokens, ["nickname"]),
        lambda: pool.verify_user_attribute(tokens, "email"),
        lambda: pool.verify_user_attribute_submit(tokens, "email", "123456"),
        lambda: pool.change_password(tokens, PASSWORD, NEW),
        lambda: pool.set_up_totp(tokens),
        lambda: pool.verify_totp_setup(tokens, "123456"),
        lambda: pool.update_mfa_preference(tokens, totp="ENABLED"),
        lambda: pool.fetch_mfa_preference(tokens),
        lambda: pool.fetch_auth_factors(tokens),
        lambda: pool.fetch_devices(tokens),
        lambda: pool.forget_device(tokens, device_key="eu-west-1_0"),
        lambda: pool.delete_user(tokens),
    ]


def test_a_deleted_user_is_gone_with_the_tokens(pool: UserPool) -> None:
    tokens = signed_in(pool)
    pool.delete_user(tokens)
    with pytest.raises(SignInRequiredError):
        pool.fetch_user_attributes(tokens)
    with pytest.raises(WrongPasswordError):
        pool.sign_in("ada", PASSWORD)
    assert isinstance(pool.sign_up("ada", PASSWORD, {"email": "ada@example.com"}), SignUp)


@pytest.mark.parametrize(
    "call",
    [
        lambda pool: pool.update_mfa_preference("a.b.c"),
        lambda pool: pool.update_mfa_preference("a.b.c", totp="ON"),
        lambda pool: pool.update_mfa_preference("a.b.c", totp="PREFERRED", sms="PREFERRED"),
        lambda pool: pool.delete_user_attributes("a.b.c", "nickname"),
        lambda pool: pool.delete_user_attributes("a.b.c", []),
        lambda pool: pool.verify_totp_setup("a.b.c", "12345"),
        lambda pool: pool.fetch_devices("not a token"),
        lambda pool: pool.delete_user(None),
        lambda pool: pool.set_up_totp(Challenge("SMS_MFA", {}, "session", "ada")),
        lambda pool: pool.forget_device("a.b.c", device_key="a device"),
    ],
)
def test_an_argument_that_is_wrong_is_the_callers_fault_and_costs_no_call(
    world: World, pool: UserPool, call: Callable[[UserPool], object]
) -> None:
    before = len(world.calls())
    with pytest.raises(CognitoFederationError) as refused:
        call(pool)
    assert type(refused.value) is ConfigurationError
    assert len(world.calls()) == before
