"""The demo world's user pools: sign-up, passwords, sessions, second factors, tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.user_pool import UserPoolTokens, srp
from tests.servers.demo_user_pools import PASSWORD, answer, begin, client_of_pools, knows_passkeys, user_pool

pytestmark = pytest.mark.thorough

Refused = Callable[..., Any]


@pytest.fixture
def facts(world: World) -> UserPoolFacts:
    """A pool with one user, ada, who has a password and a verified address."""
    facts = world.add_user_pool(first_factors=("PASSWORD", "EMAIL_OTP"))
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    return facts


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH"])
def test_a_password_signs_in_and_the_tokens_verify(world: World, secret: bool, auth_flow: str) -> None:
    facts = world.add_user_pool(secret=secret)
    subject = world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    pool = user_pool(world, facts)
    tokens = pool.sign_in("ada", PASSWORD, auth_flow=auth_flow)
    assert isinstance(tokens, UserPoolTokens)
    assert tokens.login_key == facts.login_key
    assert pool.refresh(tokens).username == "ada"
    answer = client_of_pools(world).get_user(AccessToken=tokens.access_token)
    assert {entry["Name"]: entry["Value"] for entry in answer["UserAttributes"]} == {
        "sub": subject,
        "email": "ada@example.com",
        "email_verified": "true",
    }


def test_the_identity_pool_takes_the_id_token(world: World, facts: UserPoolFacts, sign_in: Any) -> None:
    tokens = user_pool(world, facts).sign_in("ada", PASSWORD)
    assert isinstance(tokens, UserPoolTokens)
    identity_id, credentials = sign_in(logins={tokens.login_key: tokens.id_token})
    assert identity_id
    assert credentials["SessionToken"]


@pytest.mark.parametrize("name", ["ada", "nobody"])
@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH"])
def test_a_wrong_password_and_a_wrong_name_are_refused_alike(
    world: World, facts: UserPoolFacts, name: str, auth_flow: str
) -> None:
    from botocore_cognito_federation.user_pool import WrongPasswordError

    with pytest.raises(WrongPasswordError):
        user_pool(world, facts).sign_in(name, "Wrong-Horse-1", auth_flow=auth_flow)


def test_five_wrong_passwords_lock_the_user_out_for_a_while(
    world: World, facts: UserPoolFacts, idp: Any, refused: Refused
) -> None:
    for _ in range(5):
        assert refused(lambda: begin(idp, facts, PASSWORD="Wrong-1x")).message == "Incorrect username or password."
    assert refused(lambda: begin(idp, facts, PASSWORD=PASSWORD)).message == "Password attempts exceeded"
    world.clock_offset = 2
    assert begin(idp, facts, PASSWORD=PASSWORD)["AuthenticationResult"]


def test_a_password_proof_is_good_once_and_for_its_own_user(
    world: World, facts: UserPoolFacts, idp: Any, refused: Refused
) -> None:
    world.add_user(facts.user_pool_id, "bob", PASSWORD)
    group = facts.user_pool_id.split("_")[1]
    key = srp.key_pair(bytes(range(128)))
    asked = begin(idp, facts, "USER_SRP_AUTH", SRP_A=key.public_hex)
    assert "Session" not in asked
    parameters, at = asked["ChallengeParameters"], srp.timestamp(time.time())
    proof = {
        "PASSWORD_CLAIM_SIGNATURE": srp.claim(srp.Identity(group, "ada"), PASSWORD, key, parameters, at),
        "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
        "TIMESTAMP": at,
    }

    def prove(**other: str) -> Any:
        return idp.respond_to_auth_challenge(
            ClientId=facts.client_id,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses={"USERNAME": "ada", **proof, **other},
        )

    assert refused(lambda: prove(TIMESTAMP="yesterday")).message.startswith("TIMESTAMP format should be")
    assert prove()["AuthenticationResult"]
    assert "session can only be used once" in refused(prove).message
    made_up = refused(lambda: prove(PASSWORD_CLAIM_SECRET_BLOCK="AAAA"))
    assert made_up.code == "NotAuthorizedException"
    fresh = begin(idp, facts, "USER_SRP_AUTH", SRP_A=key.public_hex)["ChallengeParameters"]["SECRET_BLOCK"]
    replayed = refused(lambda: prove(PASSWORD_CLAIM_SECRET_BLOCK=fresh))
    assert replayed.message == "Incorrect username or password."
    stolen = begin(idp, facts, "USER_SRP_AUTH", SRP_A=key.public_hex)["ChallengeParameters"]["SECRET_BLOCK"]
    assert refused(lambda: prove(USERNAME="bob", PASSWORD_CLAIM_SECRET_BLOCK=stolen)).code == "NotAuthorizedException"


def test_of_two_answers_at_once_one_signs_in(world: World, facts: UserPoolFacts, idp: Any) -> None:
    asked = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP")
    code = world.messages("ada")[-1].code

    def sign_in(_: int) -> str:
        try:
            return "signed in" if answer(idp, facts, asked, EMAIL_OTP_CODE=code)["AuthenticationResult"] else ""
        except ClientError as error:
            return str(error.response["Error"]["Message"])

    with ThreadPoolExecutor(4) as threads:
        seen = sorted(threads.map(sign_in, range(4)))
    assert seen == ["Invalid session for the user, session can only be used once."] * 3 + ["signed in"]


@pytest.mark.parametrize("multiple", [0, 1, 2])
def test_an_srp_public_key_of_zero_modulo_n_is_refused(
    facts: UserPoolFacts, idp: Any, refused: Refused, multiple: int
) -> None:
    from botocore_cognito_federation.user_pool.srp import N

    answer = refused(lambda: begin(idp, facts, "USER_SRP_AUTH", SRP_A=f"{multiple * N:x}"))
    assert (answer.code, answer.message) == ("InvalidParameterException", "SRP_A is invalid")


def test_a_session_takes_one_answer_and_expires(world: World, facts: UserPoolFacts, idp: Any, refused: Refused) -> None:
    used = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP")
    code = world.messages("ada")[-1].code
    assert answer(idp, facts, used, EMAIL_OTP_CODE=code)["AuthenticationResult"]
    again = refused(lambda: answer(idp, facts, used, EMAIL_OTP_CODE=code))
    assert again.message == "Invalid session for the user, session can only be used once."
    old = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP")
    world.clock_offset = 181
    late = refused(lambda: answer(idp, facts, old, EMAIL_OTP_CODE=world.messages("ada")[-1].code))
    assert late.message == "Invalid session for the user, session is expired."
    assert refused(lambda: answer(idp, facts, {**old, "Session": "x" * 40})).message == "Invalid session for the user."


def test_a_wrong_code_leaves_the_session_open(world: World, facts: UserPoolFacts, idp: Any, refused: Refused) -> None:
    asked = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP")
    wrong = refused(lambda: answer(idp, facts, asked, EMAIL_OTP_CODE="00000000"))
    assert (wrong.code, wrong.message) == ("CodeMismatchException", "Invalid code or auth state for the user.")
    assert answer(idp, facts, asked, EMAIL_OTP_CODE=world.messages("ada")[-1].code)["AuthenticationResult"]


def test_a_session_answers_its_own_challenge_for_its_own_user_and_client(
    world: World, facts: UserPoolFacts, idp: Any, refused: Refused
) -> None:
    world.add_user(facts.user_pool_id, "bob", PASSWORD, email="bob@example.com")
    asked = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP")
    other = refused(lambda: answer(idp, facts, {**asked, "ChallengeName": "PASSWORD"}, PASSWORD=PASSWORD))
    assert other.code == "InvalidParameterException"
    code = world.messages("ada")[-1].code
    elsewhere = world.add_user_pool()
    assert (
        refused(lambda: answer(idp, elsewhere, asked, EMAIL_OTP_CODE=code)).message == "Invalid session for the user."
    )
    stolen = refused(lambda: answer(idp, facts, asked, USERNAME="bob", EMAIL_OTP_CODE=code))
    assert stolen.message == "Invalid session for the user."


@pytest.mark.skipif(not knows_passkeys(), reason="this botocore wants a password at sign-up")
def test_a_sign_up_is_confirmed_by_its_code_and_signs_in_at_once(world: World, idp: Any, refused: Refused) -> None:
    facts = world.add_user_pool(first_factors=("PASSWORD", "EMAIL_OTP"))
    named = {"ClientId": facts.client_id, "Username": "ada"}
    attributes = [{"Name": "email", "Value": "ada@example.com"}]
    made = idp.sign_up(**named, UserAttributes=attributes)
    assert made["CodeDeliveryDetails"]["Destination"] == "a***@e***"
    assert refused(idp.sign_up, **named, UserAttributes=attributes).code == "UsernameExistsException"
    waiting = refused(lambda: begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="EMAIL_OTP"))
    assert waiting.code == "UserNotConfirmedException"
    assert refused(idp.confirm_sign_up, **named, ConfirmationCode="000000").code == "CodeMismatchException"
    code = world.messages("ada")[-1].code
    confirmed = idp.confirm_sign_up(**named, ConfirmationCode=code, Session=made["Session"])
    parameters = {"USERNAME": "ada"}
    signed_in = idp.initiate_auth(
        ClientId=facts.client_id, AuthFlow="USER_AUTH", AuthParameters=parameters, Session=confirmed["Session"]
    )
    assert signed_in["AuthenticationResult"]
    late = refused(idp.confirm_sign_up, **named, ConfirmationCode=code)
    assert late.message == "User cannot be confirmed. Current status is CONFIRMED"


def test_five_wrong_confirmation_codes_reach_the_attempt_limit(world: World, idp: Any, refused: Refused) -> None:
    facts = world.add_user_pool()
    named = {"ClientId": facts.client_id, "Username": "ada"}
    idp.sign_up(**named, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": "ada@example.com"}])
    for _ in range(5):
        assert refused(idp.confirm_sign_up, **named, ConfirmationCode="0").code == "CodeMismatchException"
    limit = refused(idp.confirm_sign_up, **named, ConfirmationCode=world.messages("ada")[-1].code)
    assert (limit.code, limit.message) == (
        "LimitExceededException",
        "Attempt limit exceeded, please try after some time.",
    )


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "InvalidPasswordException"),
        ("no-digits-Here", "InvalidPasswordException"),
        (" Correct-Horse-1", "InvalidParameterException"),
        ("Correct-Horse-1 ", "InvalidParameterException"),
        ("Correct Horse-1", ""),
    ],
)
def test_a_password_follows_policy_and_has_no_outer_blanks(
    world: World, idp: Any, refused: Refused, password: str, code: str
) -> None:
    facts = world.add_user_pool()
    named = {"ClientId": facts.client_id, "Username": "ada", "Password": password}
    if code:
        assert refused(idp.sign_up, **named).code == code
    else:
        assert idp.sign_up(**named)["UserSub"]


def test_a_revoked_or_foreign_access_token_is_refused(
    world: World, facts: UserPoolFacts, idp: Any, refused: Refused
) -> None:
    result = begin(idp, facts, PASSWORD=PASSWORD)["AuthenticationResult"]
    assert refused(idp.get_user, AccessToken=result["IdToken"]).message == "Invalid Access Token"
    assert refused(idp.get_user, AccessToken=world.provider.issue()).message == "Invalid Access Token"
    idp.global_sign_out(AccessToken=result["AccessToken"])
    assert refused(idp.get_user, AccessToken=result["AccessToken"]).message == "Access Token has been revoked"
    fresh = begin(idp, facts, PASSWORD=PASSWORD)["AuthenticationResult"]
    world.clock_offset = 3601
    assert refused(idp.get_user, AccessToken=fresh["AccessToken"]).message == "Access Token has expired"
