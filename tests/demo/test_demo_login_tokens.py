"""Which login tokens the pool accepts, and the message with which it refuses others."""

from __future__ import annotations

import base64
import json
import string
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.clock import WorldClock
from botocore_cognito_federation.demo.refusals import Refusal
from botocore_cognito_federation.demo.signing import FLAWS, SigningKey
from botocore_cognito_federation.demo.token_verification import LoginVerifier, ProviderKeys

pytestmark = pytest.mark.thorough

PREFIX = "Invalid login token."
UNVERIFIABLE = f"{PREFIX} Couldn't verify signed token."
UNSUPPORTED = "Token is not from a supported provider of this identity pool."


def _get_id(world: World, cognito: Any, token: str, key: str | None = None) -> str:
    logins = {key or world.provider.login_key: token}
    return str(cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins)["IdentityId"])


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_a_good_token_is_accepted_with_each_rsa_algorithm(world: World, cognito: Any, algorithm: str) -> None:
    assert _get_id(world, cognito, world.provider.issue(algorithm=algorithm)).startswith("eu-west-1:")


@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        ("wrong-audience", UNSUPPORTED),
        ("wrong-issuer", f"{PREFIX} Issuer doesn't match providerName"),
        ("no-audience", f"{PREFIX} Missing a required claim: aud"),
        ("no-subject", f"{PREFIX} Missing a required claim: sub"),
        ("not-yet-valid", PREFIX),
        ("other-key", UNVERIFIABLE),
        ("unknown-kid", UNVERIFIABLE),
        ("tampered", UNVERIFIABLE),
        ("alg-none", UNVERIFIABLE),
        ("hs256", UNVERIFIABLE),
    ],
)
def test_each_flaw_is_refused_in_cognitos_words(
    world: World, cognito: Any, refused: Any, flaw: Any, message: str
) -> None:
    answer = refused(_get_id, world=world, cognito=cognito, token=world.provider.issue(flaw=flaw))
    assert (answer.code, answer.message, answer.status) == ("NotAuthorizedException", message, 400)


def test_the_table_of_flaws_above_leaves_none_out() -> None:
    marks = test_each_flaw_is_refused_in_cognitos_words.pytestmark  # type: ignore[attr-defined]  # pytest puts it there
    assert {case[0] for case in marks[0].args[1]} == set(FLAWS) - {"expired"}


def test_an_expired_token_is_refused_with_cognitos_now_and_the_exp(world: World, cognito: Any, refused: Any) -> None:
    token = world.provider.issue(lifetime=-300)
    expires_at = jwt.decode(token, options={"verify_signature": False})["exp"]
    answer = refused(_get_id, world=world, cognito=cognito, token=token)
    prefix, _, numbers = answer.message.partition("Token expired: ")
    now, _, shown = numbers.partition(" >= ")
    assert (prefix, int(shown)) == (f"{PREFIX} ", expires_at)
    assert 299 <= int(now) - expires_at <= 330


def test_a_token_has_no_grace_once_its_exp_is_reached(world: World, cognito: Any, refused: Any) -> None:
    token = world.provider.issue(lifetime=60)
    assert _get_id(world, cognito, token)
    world.clock_offset = 61
    assert "Token expired" in refused(_get_id, world=world, cognito=cognito, token=token).message


@pytest.mark.parametrize("text", ["garbage", "a.b", "a.b.c", "....", "e30.e30.", "EAAG-facebook-token", "é.é.é"])
def test_what_is_not_a_jwt_is_refused_as_no_identity_token(world: World, cognito: Any, refused: Any, text: str) -> None:
    expected = {
        f"{PREFIX} Not a valid OpenId Connect identity token.",
        # empty JSON objects are a JWT in form, without an issuer
        f"{PREFIX} Issuer doesn't match providerName",
    }
    assert refused(_get_id, world=world, cognito=cognito, token=text).message in expected


@pytest.mark.parametrize("spelling", ["http://{}", "https://{}", "{}/", "{}/path", " {}"])
def test_a_misspelt_logins_key_does_not_match_the_issuer(
    world: World, cognito: Any, refused: Any, spelling: str
) -> None:
    key = spelling.format(world.provider.login_key)
    answer = refused(_get_id, world=world, cognito=cognito, token=world.provider.issue(), key=key)
    assert answer.message == f"{PREFIX} Issuer doesn't match providerName"


def test_a_provider_the_pool_does_not_know_is_unsupported(world: World, cognito: Any, refused: Any) -> None:
    token = world.provider.issue(iss="https://idp.example.org/realms/x")
    answer = refused(_get_id, world=world, cognito=cognito, token=token, key="idp.example.org/realms/x")
    assert answer.message == UNSUPPORTED


def test_azp_decides_over_aud_where_a_token_has_both(world: World, cognito: Any, refused: Any) -> None:
    assert _get_id(world, cognito, world.provider.issue(audience="other", azp=world.provider.client_id))
    token = world.provider.issue(azp="other")
    assert refused(_get_id, world=world, cognito=cognito, token=token).message == UNSUPPORTED


def test_one_right_audience_among_several_is_enough(world: World, cognito: Any) -> None:
    assert _get_id(world, cognito, world.provider.issue(audience=["other", world.provider.client_id]))


@pytest.mark.parametrize("exp", [None, "soon", True, [], 1e400])
def test_a_token_without_a_real_expiry_is_refused(world: World, cognito: Any, refused: Any, exp: Any) -> None:
    answer = refused(_get_id, world=world, cognito=cognito, token=world.provider.issue(exp=exp))
    assert answer.message.startswith(PREFIX)


def test_one_bad_login_among_two_refuses_the_whole_call(world: World, cognito: Any, refused: Any) -> None:
    logins = {
        world.provider.login_key: world.provider.issue(),
        world.second_provider.login_key: world.second_provider.issue(flaw="tampered"),
    }
    answer = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins=logins)
    assert answer.message == UNVERIFIABLE


def test_a_rotated_key_verifies_and_the_old_one_no_longer_does(world: World, cognito: Any, refused: Any) -> None:
    old = world.provider.issue()
    world.rotate_keys()
    assert _get_id(world, cognito, world.provider.issue())
    assert refused(_get_id, world=world, cognito=cognito, token=old).message == UNVERIFIABLE


def test_a_disabled_provider_is_unsupported_until_enabled_again(world: World, cognito: Any, refused: Any) -> None:
    world.disable_provider()
    assert refused(_get_id, world=world, cognito=cognito, token=world.provider.issue()).message == UNSUPPORTED
    world.enable_provider()
    assert _get_id(world, cognito, world.provider.issue())


@pytest.mark.parametrize("fault", [{"status": 500}, {"close": True}, {"empty_body": True}, {"truncate": True}])
def test_a_provider_that_cannot_be_asked_leaves_tokens_unverifiable(
    world: World, cognito: Any, refused: Any, fault: dict[str, Any]
) -> None:
    # The fault stays until it is removed: a call left over from an earlier test may ask for the keys too.
    world.fault("provider:jwks", times=1000, **fault)
    world.rotate_keys()
    assert refused(_get_id, world=world, cognito=cognito, token=world.provider.issue()).message == UNVERIFIABLE
    world.clear_faults()
    assert _get_id(world, cognito, world.provider.issue())


@pytest.mark.parametrize("key", ["graph.facebook.com", "www.amazon.com"])
def test_opaque_tokens_are_accepted_only_when_registered_and_unexpired(
    world: World, cognito: Any, refused: Any, key: str
) -> None:
    assert refused(_get_id, world=world, cognito=cognito, token="Atza|unknown", key=key).message == PREFIX
    world.register_opaque_token(key, f"Atza|{key}", "facebook-ada", lifetime=60)
    first = _get_id(world, cognito, f"Atza|{key}", key)
    world.register_opaque_token(key, f"Atza|later-{key}", "facebook-ada")
    assert _get_id(world, cognito, f"Atza|later-{key}", key) == first
    world.clock_offset = 61
    answer = refused(_get_id, world=world, cognito=cognito, token=f"Atza|{key}", key=key)
    assert answer.message == f"{PREFIX} Token is expired."


def test_another_issuer_can_be_trusted_too(world: World, cognito: Any) -> None:
    with World(issuer_path="/realms/other/") as other:
        key = world.trust_issuer(other.provider.issuer, ["demo-client"])
        assert key.endswith("/realms/other")
        assert _get_id(world, cognito, other.provider.issue(), key)


def test_the_dates_of_answers_are_the_worlds(world: World, refused: Any, cognito: Any) -> None:
    world.clock_offset = 40 * 86_400
    real = refused(cognito.get_id, IdentityPoolId=world.pool_id)
    from email.utils import parsedate_to_datetime

    shown = parsedate_to_datetime(real.headers["date"]).timestamp()
    assert abs(shown - world._clock.now()) < 60


ISSUER = "https://issuer.example"
KEY = SigningKey.generate()


def _verifier(jwks: list[dict[str, Any]] | None = None) -> LoginVerifier:
    """The verifier alone, with discovery and JWKS from memory."""
    documents = {
        f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"},
        f"{ISSUER}/jwks": {"keys": [KEY.jwk()] if jwks is None else jwks},
    }
    verifier = LoginVerifier(WorldClock(lambda: 1_000_000.0), ProviderKeys(documents.__getitem__))
    verifier.trust(ISSUER, ["client"])
    return verifier


CLAIMS = {"iss": ISSUER, "aud": "client", "sub": "ada", "iat": 999_990, "exp": 1_000_060}
TOKEN = KEY.sign(CLAIMS)
VERIFIER = _verifier()
ALPHABET = string.ascii_letters + string.digits + "-_=.+/ \n\x00é"


def test_the_token_the_mutations_start_from_is_good() -> None:
    assert VERIFIER.verify("issuer.example", TOKEN).login.subject == "ada"


@given(
    position=st.integers(0, len(TOKEN) - 1),
    replacement=st.text(ALPHABET, max_size=3),
    width=st.integers(0, 3),
)
@settings(max_examples=400)
def test_no_edit_of_a_token_is_ever_accepted(position: int, replacement: str, width: int) -> None:
    mutated = TOKEN[:position] + replacement + TOKEN[position + width :]
    if mutated != TOKEN:
        with pytest.raises(Refusal):
            VERIFIER.verify("issuer.example", mutated)


def test_no_other_spelling_of_the_signatures_last_character_is_accepted() -> None:
    for last in set(string.ascii_letters + string.digits + "-_") - {TOKEN[-1]}:
        with pytest.raises(Refusal):
            VERIFIER.verify("issuer.example", TOKEN[:-1] + last)


def _segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "crit", "typ", "jwk", "x5u"]), json_values),
    claims=st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "azp"]), json_values),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_no_header_or_claims_of_a_forger_are_accepted(header: Any, claims: Any) -> None:
    signature = TOKEN.rpartition(".")[2]
    original = dict(zip(("header", "claims"), TOKEN.split("."), strict=False))
    for token in (
        f"{_segment({'alg': 'RS256', 'kid': KEY.kid, **header})}.{original['claims']}.{signature}",
        f"{original['header']}.{_segment({**CLAIMS, **claims})}.{signature}",
        f"{_segment({**header})}.{_segment({**CLAIMS, **claims})}.",
    ):
        if token != TOKEN:
            with pytest.raises(Refusal):
                VERIFIER.verify("issuer.example", token)


@given(claims=st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "azp"]), json_values, min_size=1))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_signed_claims_of_wrong_types_are_refused_and_never_crash(claims: dict[str, Any]) -> None:
    token = KEY.sign({**CLAIMS, **{name: value for name, value in claims.items() if name != "iss"}})
    merged = {**CLAIMS, **claims}
    try:
        verified = VERIFIER.verify("issuer.example", token)
    except Refusal:
        return
    assert isinstance(merged["sub"], str)
    assert verified.login.subject == merged["sub"]
    assert isinstance(merged["exp"], (int, float))
    assert not isinstance(merged["exp"], bool)
    assert merged["exp"] > 1_000_000


def test_a_header_with_crit_is_refused_although_its_signature_holds() -> None:
    token = jwt.encode(CLAIMS, KEY.private, "RS256", headers={"kid": KEY.kid, "crit": ["exp"]})
    with pytest.raises(Refusal, match="Couldn't verify"):
        VERIFIER.verify("issuer.example", token)


@pytest.mark.parametrize("algorithm", ["PS256", "PS512"])
def test_rsa_pss_is_refused_although_its_key_is_published(algorithm: str) -> None:
    token = jwt.encode(CLAIMS, KEY.private, algorithm, headers={"kid": KEY.kid})
    with pytest.raises(Refusal, match="Couldn't verify"):
        VERIFIER.verify("issuer.example", token)


def test_an_elliptic_curve_token_is_refused_although_its_key_is_published() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).to_jwk(private.public_key(), as_dict=True)
    verifier = _verifier([{**jwk, "kid": "ec", "use": "sig"}])
    with pytest.raises(Refusal, match="Couldn't verify"):
        verifier.verify("issuer.example", jwt.encode(CLAIMS, private, "ES256", headers={"kid": "ec"}))


@pytest.mark.parametrize("jwks", [[], [{"kty": "RSA"}], [{}], [None], ["x"], [{"kty": "RSA", "n": "", "e": ""}]])
def test_a_broken_key_set_leaves_tokens_unverifiable(jwks: list[Any]) -> None:
    with pytest.raises(Refusal, match="Couldn't verify"):
        _verifier(jwks).verify("issuer.example", TOKEN)


def test_a_key_published_for_encryption_does_not_verify_signatures() -> None:
    with pytest.raises(Refusal, match="Couldn't verify"):
        _verifier([{**KEY.jwk(), "use": "enc"}]).verify("issuer.example", TOKEN)


def test_a_discovery_document_of_another_issuer_is_not_believed() -> None:
    documents = {
        f"{ISSUER}/.well-known/openid-configuration": {"issuer": "https://evil.example", "jwks_uri": f"{ISSUER}/jwks"},
        f"{ISSUER}/jwks": {"keys": [KEY.jwk()]},
    }
    verifier = LoginVerifier(WorldClock(lambda: 1_000_000.0), ProviderKeys(documents.__getitem__))
    verifier.trust(ISSUER, ["client"])
    with pytest.raises(Refusal, match="Couldn't verify"):
        verifier.verify("issuer.example", TOKEN)


def test_a_refusal_never_quotes_the_token(world: World, cognito: Any) -> None:
    for flaw in FLAWS:
        token = world.provider.issue(flaw=flaw)  # type: ignore[arg-type]  # FLAWS holds the literals as text
        with pytest.raises(ClientError) as caught:
            _get_id(world, cognito, token)
        assert token.split(".")[1] not in str(caught.value)


@pytest.mark.parametrize("entry", [None, "x", 7, {}, {"kty": "EC"}, {"kty": "RSA", "n": 1, "e": "AQAB"}])
def test_an_entry_of_no_use_in_the_key_set_takes_no_other_key_away(entry: Any) -> None:
    assert _verifier([entry, KEY.jwk()]).verify("issuer.example", TOKEN).login.subject


@pytest.mark.parametrize("algorithm", ["ES256", "RSA-OAEP", "none"])
def test_a_key_for_another_algorithm_verifies_no_token(algorithm: str) -> None:
    with pytest.raises(Refusal, match="Couldn't verify"):
        _verifier([{**KEY.jwk(), "alg": algorithm}]).verify("issuer.example", TOKEN)


def test_an_expiry_in_milliseconds_is_refused() -> None:
    token = KEY.sign({**CLAIMS, "exp": 1_700_000_000_000})
    with pytest.raises(Refusal, match="Invalid login token"):
        VERIFIER.verify("issuer.example", token)
