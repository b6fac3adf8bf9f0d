"""The demo world's user pools as a relying party: registration, assertion, and attacks on both."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from tests.servers.demo_user_pools import PASSWORD, answer, begin, knows_passkeys
from tests.servers.software_authenticator import PRESENT, SoftwareAuthenticator, base64url

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not knows_passkeys(), reason="this botocore has no passkeys"),
]
RP = "auth.example.com"
Refused = Callable[..., Any]


@pytest.fixture
def facts(world: World) -> UserPoolFacts:
    return with_ada(world)


def with_ada(world: World, **settings: Any) -> UserPoolFacts:
    facts = world.add_user_pool(**{"first_factors": ("PASSWORD", "WEB_AUTHN"), "relying_party": RP, **settings})
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    return facts


def signed_in(idp: Any, facts: UserPoolFacts, **parameters: str) -> str:
    return str(begin(idp, facts, PASSWORD=PASSWORD, **parameters)["AuthenticationResult"]["AccessToken"])


def started(idp: Any, token: str) -> Any:
    return idp.start_web_authn_registration(AccessToken=token)["CredentialCreationOptions"]


def register(idp: Any, facts: UserPoolFacts, passkey: SoftwareAuthenticator) -> None:
    token = signed_in(idp, facts)
    idp.complete_web_authn_registration(AccessToken=token, Credential=passkey.create(started(idp, token)))


def asked(idp: Any, facts: UserPoolFacts, **parameters: str) -> Any:
    found = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="WEB_AUTHN", **parameters)
    assert found["ChallengeName"] == "WEB_AUTHN"
    return found


def asserted(idp: Any, facts: UserPoolFacts, question: Any, passkey: SoftwareAuthenticator, **responses: str) -> Any:
    options = json.loads(question["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    return answer(idp, facts, question, CREDENTIAL=json.dumps(passkey.get(options)), **responses)


def test_a_registered_passkey_signs_in_again_and_again(facts: UserPoolFacts, idp: Any) -> None:
    passkey = SoftwareAuthenticator()
    register(idp, facts, passkey)
    for _ in range(2):
        result = asserted(idp, facts, asked(idp, facts), passkey)["AuthenticationResult"]
    listed = idp.list_web_authn_credentials(AccessToken=result["AccessToken"])["Credentials"]
    assert [entry["CredentialId"] for entry in listed] == list(passkey.keys)
    assert listed[0]["RelyingPartyId"] == RP


def test_a_synchronised_passkey_counts_nothing(facts: UserPoolFacts, idp: Any) -> None:
    passkey = SoftwareAuthenticator(counts=False)
    register(idp, facts, passkey)
    for _ in range(2):
        assert asserted(idp, facts, asked(idp, facts), passkey)["AuthenticationResult"]


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"origin": "https://evil.example"}, "WebAuthnOriginNotAllowedException"),
        ({"origin": f"http://{RP}"}, "WebAuthnOriginNotAllowedException"),
        ({"origin": f"https://evil{RP}"}, "WebAuthnOriginNotAllowedException"),
        ({"rp_id": "evil.example"}, "WebAuthnRelyingPartyMismatchException"),
        ({"challenge": base64url(b"0" * 32)}, "WebAuthnChallengeNotFoundException"),
        ({"algorithm": -47}, "WebAuthnCredentialNotSupportedException"),
        ({"flags": 0}, "WebAuthnCredentialNotSupportedException"),
    ],
)
def test_a_registration_that_lies_is_refused(
    facts: UserPoolFacts, idp: Any, refused: Refused, lie: Any, code: str
) -> None:
    token = signed_in(idp, facts)
    credential = SoftwareAuthenticator(**lie).create(started(idp, token))
    assert refused(idp.complete_web_authn_registration, AccessToken=token, Credential=credential).code == code


def test_a_registration_is_good_once_for_a_while_and_for_its_client(
    world: World, facts: UserPoolFacts, idp: Any, refused: Refused
) -> None:
    passkey, token = SoftwareAuthenticator(), signed_in(idp, facts)
    complete = idp.complete_web_authn_registration
    credential = passkey.create(started(idp, token))
    complete(AccessToken=token, Credential=credential)
    assert refused(complete, AccessToken=token, Credential=credential).code == "WebAuthnChallengeNotFoundException"
    again = copy.deepcopy(credential)
    fresh = SoftwareAuthenticator(keys=dict(passkey.keys)).create(started(idp, token))
    again["response"]["clientDataJSON"] = fresh["response"]["clientDataJSON"]
    taken = refused(complete, AccessToken=token, Credential=again)
    assert taken.code == "WebAuthnCredentialNotSupportedException"
    late = passkey.create(started(idp, token))
    world.clock_offset = 301
    assert refused(complete, AccessToken=token, Credential=late).code == "WebAuthnChallengeNotFoundException"


@pytest.mark.parametrize("verification", ["preferred", "required"])
def test_user_verification_is_enforced_where_the_pool_requires_it(
    world: World, idp: Any, refused: Refused, verification: str
) -> None:
    facts = with_ada(world, user_verification=verification)
    token = signed_in(idp, facts)
    unverified = {"AccessToken": token, "Credential": SoftwareAuthenticator(flags=PRESENT).create(started(idp, token))}
    if verification == "required":
        answer = refused(idp.complete_web_authn_registration, **unverified)
        assert answer.code == "WebAuthnCredentialNotSupportedException"
    else:
        idp.complete_web_authn_registration(**unverified)


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"challenge": base64url(b"0" * 32)},
        {"flags": 0},
    ],
)
def test_an_assertion_that_lies_is_refused_without_a_reason(
    facts: UserPoolFacts, idp: Any, refused: Refused, lie: Any
) -> None:
    passkey = SoftwareAuthenticator()
    register(idp, facts, passkey)
    liar = SoftwareAuthenticator(keys=passkey.keys, **lie)
    answer = refused(lambda: asserted(idp, facts, asked(idp, facts), liar))
    assert (answer.code, answer.message) == ("NotAuthorizedException", "Incorrect username or password.")


def test_a_replayed_assertion_is_refused_in_its_own_session_and_in_another(
    facts: UserPoolFacts, idp: Any, refused: Refused
) -> None:
    passkey, question = SoftwareAuthenticator(), None
    register(idp, facts, passkey)
    question = asked(idp, facts)
    options = json.loads(question["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    credential = json.dumps(passkey.get(options))
    assert answer(idp, facts, question, CREDENTIAL=credential)["AuthenticationResult"]
    again = refused(lambda: answer(idp, facts, question, CREDENTIAL=credential))
    assert again.message == "Invalid session for the user, session can only be used once."
    elsewhere = refused(lambda: answer(idp, facts, asked(idp, facts), CREDENTIAL=credential))
    assert elsewhere.message == "Incorrect username or password."


def test_a_refused_assertion_uses_the_session_up(facts: UserPoolFacts, idp: Any, refused: Refused) -> None:
    passkey = SoftwareAuthenticator()
    register(idp, facts, passkey)
    question = asked(idp, facts)
    refused(lambda: asserted(idp, facts, question, SoftwareAuthenticator(keys=passkey.keys, flags=0)))
    assert "session can only be used once" in refused(lambda: asserted(idp, facts, question, passkey)).message


@pytest.mark.parametrize("names_user", [True, False])
def test_another_user_s_passkey_is_refused(
    world: World, facts: UserPoolFacts, idp: Any, refused: Refused, names_user: bool
) -> None:
    world.add_user(facts.user_pool_id, "bob", PASSWORD, email="bob@example.com")
    hers, his = SoftwareAuthenticator(), SoftwareAuthenticator(names_user=names_user)
    register(idp, facts, hers)
    token = signed_in(idp, facts, USERNAME="bob")
    idp.complete_web_authn_registration(AccessToken=token, Credential=his.create(started(idp, token)))
    stranger = refused(lambda: asserted(idp, facts, asked(idp, facts), his))
    assert stranger.message == "Incorrect username or password."
    (her_key,), (his_name,) = hers.keys, his.keys
    renamed = SoftwareAuthenticator(keys={her_key: his.keys[his_name]})
    assert refused(lambda: asserted(idp, facts, asked(idp, facts), renamed)).code == "NotAuthorizedException"


def test_a_counter_that_goes_back_is_refused(facts: UserPoolFacts, idp: Any, refused: Refused) -> None:
    passkey = SoftwareAuthenticator()
    register(idp, facts, passkey)
    (key,) = passkey.keys.values()
    key.counter = 10
    assert asserted(idp, facts, asked(idp, facts), passkey)["AuthenticationResult"]
    for back in (10, 4, -1):  # the next use counts one up: the same counter, a smaller one, and none at all
        key.counter = back
        answer = refused(lambda: asserted(idp, facts, asked(idp, facts), passkey))
        assert answer.message == "Incorrect username or password."


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: "no JSON",
        lambda c: "[]",
        lambda c: json.dumps({**c, "response": None}),
        lambda c: json.dumps({**c, "rawId": "AAAA"}),
        lambda c: json.dumps({**c, "response": {**c["response"], "signature": "AAAA"}}),
        lambda c: json.dumps({**c, "response": {**c["response"], "authenticatorData": "AAAA"}}),
        lambda c: json.dumps({**c, "response": {**c["response"], "userHandle": "AAAA"}}),
        lambda c: json.dumps({**c, "response": {**c["response"], "clientDataJSON": "bm8"}}),
    ],
)
def test_a_malformed_assertion_is_refused(facts: UserPoolFacts, idp: Any, refused: Refused, damage: Any) -> None:
    passkey = SoftwareAuthenticator()
    register(idp, facts, passkey)
    question = asked(idp, facts)
    credential = passkey.get(json.loads(question["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"]))
    assert refused(lambda: answer(idp, facts, question, CREDENTIAL=damage(credential))).code == "NotAuthorizedException"


def test_a_deleted_passkey_is_no_choice_any_more(facts: UserPoolFacts, idp: Any, refused: Refused) -> None:
    passkey = SoftwareAuthenticator()
    register(idp, facts, passkey)
    token = signed_in(idp, facts)
    (name,) = passkey.keys
    idp.delete_web_authn_credential(AccessToken=token, CredentialId=name)
    gone = refused(idp.delete_web_authn_credential, AccessToken=token, CredentialId=name)
    assert gone.code == "ResourceNotFoundException"
    found = begin(idp, facts, "USER_AUTH", PREFERRED_CHALLENGE="WEB_AUTHN")
    assert (found["ChallengeName"], found["AvailableChallenges"]) == (
        "SELECT_CHALLENGE",
        ["PASSWORD_SRP", "PASSWORD"],
    )


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"first_factors": ("PASSWORD",)}, "WebAuthnNotEnabledException"),
        ({"relying_party": ""}, "WebAuthnConfigurationMissingException"),
    ],
)
def test_a_pool_that_is_not_set_up_says_so(world: World, idp: Any, refused: Refused, settings: Any, code: str) -> None:
    token = signed_in(idp, with_ada(world, **settings))
    assert refused(idp.start_web_authn_registration, AccessToken=token).code == code
