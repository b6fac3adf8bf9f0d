"""Choice-based sign-in (USER_AUTH) and passkeys in Python, against the demo world's user pool, which verifies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from botocore_cognito_federation import (
    Challenge,
    ChallengeOverError,
    CodeMismatchError,
    CognitoFederation,
    ConfigurationError,
    NewPasswordRefusedError,
    PasskeyRefusedError,
    SignInFailedError,
    UserNotConfirmedError,
    UserPool,
    UserPoolTokens,
    WrongPasswordError,
)
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.user_pool import FlowNotEnabledError
from tests.servers.demo_user_pools import PASSWORD, knows_passkeys, user_pool
from tests.servers.software_authenticator import SoftwareAuthenticator

pytestmark = pytest.mark.skipif(not knows_passkeys(), reason="this botocore has no choice-based sign-in")
EVERY = {
    "first_factors": ("PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN"),
    "relying_party": "auth.example.com",
    "flows": ("USER_AUTH",),
}


@pytest.fixture
def facts(world: World) -> UserPoolFacts:
    """A pool whose app client allows USER_AUTH only, and ada, who may sign in with a password and by codes."""
    return with_ada(world)


def with_ada(world: World, **settings: Any) -> UserPoolFacts:
    facts = world.add_user_pool(**{**EVERY, **settings})
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com", phone_number="+15555550100")
    return facts


@pytest.fixture
def pool(world: World, facts: UserPoolFacts) -> UserPool:
    return user_pool(world, facts)


def asked(answer: UserPoolTokens | Challenge, name: str) -> Challenge:
    assert isinstance(answer, Challenge)
    assert answer.name == name
    return answer


def tokens_of(answer: UserPoolTokens | Challenge) -> UserPoolTokens:
    assert isinstance(answer, UserPoolTokens)
    return answer


def with_passkey(pool: UserPool, name: str = "ada") -> SoftwareAuthenticator:
    passkey = SoftwareAuthenticator()
    pool.register_passkey(tokens_of(pool.sign_in(name, PASSWORD, auth_flow="USER_AUTH")), passkey)
    return passkey


@pytest.mark.parametrize(
    ("preferred", "secret"),
    [
        (None, False),
        ("PASSWORD_SRP", True),
        ("PASSWORD", False),
        pytest.param(None, True, marks=pytest.mark.thorough),
        pytest.param("PASSWORD_SRP", False, marks=pytest.mark.thorough),
        pytest.param("PASSWORD", True, marks=pytest.mark.thorough),
    ],
)
def test_a_password_signs_in_at_once(world: World, secret: bool, preferred: str | None) -> None:
    pool = user_pool(world, with_ada(world, secret=secret))
    flow = None if preferred else "USER_AUTH"
    assert tokens_of(pool.sign_in("ada", PASSWORD, auth_flow=flow, preferred_challenge=preferred)).username == "ada"
    with pytest.raises(WrongPasswordError):
        pool.sign_in("ada", "Wrong-Horse-1", auth_flow=flow, preferred_challenge=preferred)


@pytest.mark.parametrize(("preferred", "shown"), [("EMAIL_OTP", "a***@e***"), ("SMS_OTP", "+*******0100")])
def test_a_preferred_code_is_sent_at_once_and_signs_in(
    world: World, pool: UserPool, preferred: str, shown: str
) -> None:
    challenge = asked(pool.sign_in("ada", preferred_challenge=preferred), preferred)
    assert challenge.parameters["CODE_DELIVERY_DESTINATION"] == shown
    with pytest.raises(CodeMismatchError):
        pool.confirm_sign_in(challenge, "00000000")
    assert tokens_of(pool.confirm_sign_in(challenge, world.messages("ada")[-1].code))


@pytest.mark.parametrize("choice", ["PASSWORD_SRP", "PASSWORD"])
def test_the_user_chooses_a_password(pool: UserPool, choice: str) -> None:
    select = asked(pool.sign_in("ada", auth_flow="USER_AUTH"), "SELECT_CHALLENGE")
    assert select.choices == ("PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP")
    challenge = asked(pool.confirm_sign_in(select, choice), choice)
    assert tokens_of(pool.confirm_sign_in(challenge, PASSWORD))


def test_the_user_chooses_a_code_by_an_alias(world: World) -> None:
    facts = with_ada(world, alias_attributes=("email",))
    pool = user_pool(world, facts)
    select = asked(pool.sign_in("ada@example.com", auth_flow="USER_AUTH"), "SELECT_CHALLENGE")
    challenge = asked(pool.confirm_sign_in(select, "EMAIL_OTP"), "EMAIL_OTP")
    assert tokens_of(pool.confirm_sign_in(challenge, world.messages("ada")[-1].code)).username == "ada"


def test_a_preference_that_the_user_lacks_becomes_a_choice(pool: UserPool) -> None:
    assert asked(pool.sign_in("ada", preferred_challenge="WEB_AUTHN"), "SELECT_CHALLENGE").choices


def test_a_choice_that_is_not_offered_is_refused_before_any_call(world: World, pool: UserPool) -> None:
    select = asked(pool.sign_in("ada", auth_flow="USER_AUTH"), "SELECT_CHALLENGE")
    world.reset_journal()
    with pytest.raises(ConfigurationError, match=r"not offered.*PASSWORD_SRP"):
        pool.confirm_sign_in(select, "WEB_AUTHN")
    assert world.calls() == []


def test_a_passkey_signs_in_and_is_listed_and_deleted(pool: UserPool) -> None:
    passkey = with_passkey(pool)
    challenge = asked(pool.sign_in("ada", preferred_challenge="WEB_AUTHN"), "WEB_AUTHN")
    tokens = tokens_of(pool.use_passkey(challenge, passkey))
    (listed,) = pool.list_passkeys(tokens)
    assert (listed.credential_id, listed.relying_party) == (*passkey.keys, "auth.example.com")
    assert listed.created_at is not None
    pool.delete_passkey(tokens, listed)
    assert pool.list_passkeys(tokens.access_token) == []
    with pytest.raises(SignInFailedError, match="no such passkey"):
        pool.delete_passkey(tokens, listed.credential_id)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_browser_s_answers_register_a_passkey_and_sign_in(pool: UserPool, as_text: bool) -> None:
    passkey, given = SoftwareAuthenticator(), json.dumps if as_text else dict
    tokens = tokens_of(pool.sign_in("ada", PASSWORD, auth_flow="USER_AUTH"))
    options = pool.start_passkey_registration(tokens)
    pool.complete_passkey_registration(tokens, given(passkey.create(options)))  # type: ignore[operator]
    select = asked(pool.sign_in("ada", auth_flow="USER_AUTH"), "SELECT_CHALLENGE")
    challenge = asked(pool.confirm_sign_in(select, "WEB_AUTHN"), "WEB_AUTHN")
    credential = passkey.get(challenge.credential_request_options)
    assert tokens_of(pool.confirm_sign_in(challenge, given(credential)))  # type: ignore[operator]


def test_many_passkeys_are_listed_page_by_page(pool: UserPool, world: World, facts: UserPoolFacts) -> None:
    tokens = tokens_of(pool.sign_in("ada", PASSWORD, auth_flow="USER_AUTH"))
    for _ in range(3):
        pool.register_passkey(tokens, SoftwareAuthenticator())
    request = pool._api.call
    pages: list[str] = []

    def short_pages(operation: str, members: dict[str, Any]) -> dict[str, Any]:
        pages.append(operation)
        return request(operation, {**members, "MaxResults": 2})

    pool._api.call = short_pages  # type: ignore[method-assign]  # the service chooses the length of its pages
    assert len(pool.list_passkeys(tokens)) == 3
    assert len(pages) == 2


def test_a_refused_passkey_is_the_user_s_fault_and_says_so(pool: UserPool) -> None:
    passkey = with_passkey(pool)
    challenge = asked(pool.sign_in("ada", preferred_challenge="WEB_AUTHN"), "WEB_AUTHN")
    with pytest.raises(PasskeyRefusedError, match="did not accept the passkey"):
        pool.use_passkey(challenge, SoftwareAuthenticator(keys=passkey.keys, origin="https://evil.example"))
    with pytest.raises(ChallengeOverError):
        pool.use_passkey(challenge, passkey)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"first_factors": ("PASSWORD",)}, "Add WEB_AUTHN to AllowedFirstAuthFactors"),
        ({"relying_party": ""}, "Set RelyingPartyId"),
    ],
)
def test_a_pool_that_takes_no_passkeys_says_what_to_change(world: World, settings: Any, says: str) -> None:
    pool = user_pool(world, with_ada(world, **settings))
    tokens = tokens_of(pool.sign_in("ada", PASSWORD, auth_flow="USER_AUTH"))
    with pytest.raises(ConfigurationError, match=says):
        pool.register_passkey(tokens, SoftwareAuthenticator())


def test_a_registration_that_fails_says_whose_fault_it_is(pool: UserPool) -> None:
    tokens = tokens_of(pool.sign_in("ada", PASSWORD, auth_flow="USER_AUTH"))
    lies: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"origin": "https://evil.example"}, ConfigurationError, "page outside the user pool's relying party"),
        ({"rp_id": "evil.example"}, ConfigurationError, "another relying party"),
        ({"challenge": "AAAA"}, ChallengeOverError, "Register the passkey again"),
        ({"algorithm": -47}, PasskeyRefusedError, "Use another authenticator"),
    ]
    for lie, error, says in lies:
        with pytest.raises(error, match=says):
            pool.register_passkey(tokens, SoftwareAuthenticator(**lie))
        assert pool.list_passkeys(tokens) == [], lie


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "USER_SRP_AUTH needs a password.*preferred_challenge"),
        ({"preferred_challenge": "MAGIC"}, "preferred_challenge 'MAGIC' is not known"),
        ({"preferred_challenge": "EMAIL_OTP", "auth_flow": "USER_SRP_AUTH"}, "has no preferred_challenge"),
        ({"preferred_challenge": "EMAIL_OTP", "password": PASSWORD}, "goes without a password"),
        ({"auth_flow": "MAGIC"}, "auth_flow 'MAGIC' is not known"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_before_any_call(
    world: World, pool: UserPool, arguments: Any, says: str
) -> None:
    world.reset_journal()
    with pytest.raises(ConfigurationError, match=says):
        pool.sign_in("ada", **arguments)
    assert world.calls() == []


def test_an_answer_that_is_no_credential_is_refused_before_any_call(pool: UserPool, world: World) -> None:
    with_passkey(pool)
    challenge = asked(pool.sign_in("ada", preferred_challenge="WEB_AUTHN"), "WEB_AUTHN")
    world.reset_journal()
    for answer in ("no JSON", "[]", {}, {"id": "x"}, None):
        with pytest.raises(ConfigurationError, match=r"credential.*toJSON"):
            pool.confirm_sign_in(challenge, answer)  # type: ignore[arg-type]  # None is none
    assert world.calls() == []


def test_challenges_in_the_wrong_order_are_the_caller_s_fault(pool: UserPool) -> None:
    select = asked(pool.sign_in("ada", auth_flow="USER_AUTH"), "SELECT_CHALLENGE")
    with pytest.raises(ConfigurationError, match=r"The challenge is SELECT_CHALLENGE.*confirm_sign_in"):
        pool.use_passkey(select, SoftwareAuthenticator())
    with pytest.raises(ConfigurationError, match=r"The challenge is SELECT_CHALLENGE.*confirm_sign_in"):
        pool.complete_new_password(select, PASSWORD)


def test_an_answer_that_comes_too_late_begins_again(world: World, pool: UserPool) -> None:
    challenge = asked(pool.sign_in("ada", preferred_challenge="EMAIL_OTP"), "EMAIL_OTP")
    world.clock_offset = 181
    with pytest.raises(ChallengeOverError, match="Begin the sign-in again"):
        pool.confirm_sign_in(challenge, world.messages("ada")[-1].code)


def test_a_client_that_does_not_allow_it_and_a_plan_without_it_are_configuration(world: World) -> None:
    with pytest.raises(FlowNotEnabledError, match="ALLOW_USER_AUTH"):
        user_pool(world, with_ada(world, flows=("USER_SRP_AUTH",))).sign_in("ada", preferred_challenge="EMAIL_OTP")
    with pytest.raises(ConfigurationError, match="Essentials"):
        user_pool(world, with_ada(world, tier="LITE")).sign_in("ada", preferred_challenge="EMAIL_OTP")


@pytest.mark.parametrize(
    "password",
    [
        " Correct-Horse-1",
        pytest.param("Correct-Horse-1 ", marks=pytest.mark.thorough),
        pytest.param("Correct-Horse-1\n", marks=pytest.mark.thorough),
    ],
)
def test_a_password_with_outer_blanks_is_wrong_or_to_be_replaced(world: World, password: str) -> None:
    pool = user_pool(world, with_ada(world, flows=("USER_PASSWORD_AUTH", "USER_SRP_AUTH")))
    for flow in ("USER_PASSWORD_AUTH", "USER_SRP_AUTH"):
        with pytest.raises(WrongPasswordError):
            pool.sign_in("ada", password, auth_flow=flow)
    with pytest.raises(NewPasswordRefusedError, match="white space"):
        pool.sign_up("bob", password)


def test_a_password_with_a_nul_is_a_password_like_another(world: World, pool: UserPool) -> None:
    with pytest.raises(WrongPasswordError):
        pool.sign_in("ada", "Correct-\0Horse-1", auth_flow="USER_AUTH")


@pytest.mark.parametrize("minutes", [1, 5], ids=["while the session lasts", "after the session"])
def test_a_sign_up_without_a_password_signs_in_when_it_is_confirmed(world: World, pool: UserPool, minutes: int) -> None:
    made = pool.sign_up("bob", attributes={"email": "bob@example.com"}, auto_sign_in=True)
    with pytest.raises(UserNotConfirmedError):
        pool.sign_in("bob", preferred_challenge="EMAIL_OTP")
    with pytest.raises(CodeMismatchError):
        pool.confirm_sign_up(made, "000000")
    world.clock_offset = 60 * minutes
    answer = pool.confirm_sign_up(made, world.messages("bob")[-1].code)
    if minutes == 1:
        assert isinstance(answer, UserPoolTokens)
    else:
        assert isinstance(answer, Challenge)
        assert answer.choices == ("EMAIL_OTP",)


def test_a_passkey_signs_in_to_the_identity_pool(world: World, pool: UserPool) -> None:
    passkey = with_passkey(pool)
    federation = CognitoFederation(world.pool_id, user_pool=pool, endpoint_url=world.endpoint_url)
    challenge = federation.sign_in("ada", preferred_challenge="WEB_AUTHN")
    assert isinstance(challenge, Challenge)
    credentials = federation.use_passkey(challenge, passkey)
    assert not isinstance(credentials, Challenge)
    assert credentials.authenticated


def test_a_challenge_shows_no_secret(pool: UserPool) -> None:
    challenge = pool.sign_in("ada", preferred_challenge="EMAIL_OTP")
    assert isinstance(challenge, Challenge)
    assert challenge.session not in repr(challenge)
