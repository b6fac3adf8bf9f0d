from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation._util.http import HttpClient
from botocore_cognito_federation.errors import SignInFailedError, TokenRefreshError
from botocore_cognito_federation.login_token import ROLE_ALGORITHMS
from botocore_cognito_federation.oidc.discovery import MemoryDocuments
from botocore_cognito_federation.oidc.id_token import Expectation, KeySet, matching_keys, verify_id_token
from tests.oidc.fake_provider import CLIENT_ID, FakeProvider, SigningKey, at_hash, hmac_signed, unsigned


@pytest.fixture
def keys(provider: FakeProvider) -> KeySet:
    return KeySet(HttpClient(), MemoryDocuments(), f"{provider.issuer}/jwks")


def verify(
    provider: FakeProvider, keys: KeySet, token: str, *, now: float | None = None, **expected: Any
) -> dict[str, Any]:
    expectation = Expectation(**{"issuers": (provider.issuer,), "client_id": CLIENT_ID, **expected})
    return verify_id_token(token, keys, expectation, now=time.time() if now is None else now)


def test_a_good_token_gives_its_claims(provider: FakeProvider, keys: KeySet) -> None:
    claims = provider.claims(nonce="n", at_hash=at_hash("access"))
    found = verify(provider, keys, provider.key.sign(claims), nonce="n", subject="user-1", access_token="access")
    assert found == claims


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_the_rsa_algorithms_of_identity_pools_are_taken(
    provider: FakeProvider, keys: KeySet, rsa_key: SigningKey, algorithm: str
) -> None:
    key = SigningKey("k", rsa_key.private, algorithm)
    provider.published = [key.jwk()]
    assert verify(provider, keys, key.sign(provider.claims()))["sub"] == "user-1"


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_other_signatures_are_verified_and_then_refused_because_pools_take_rsa(
    provider: FakeProvider, keys: KeySet, rsa_key: SigningKey, algorithm: str
) -> None:
    key = SigningKey.ec("k") if algorithm == "ES256" else SigningKey("k", rsa_key.private, "PS256")
    provider.published = [key.jwk()]
    with pytest.raises(SignInFailedError, match=f"signed with {algorithm}, and identity pools take RSA"):
        verify(provider, keys, key.sign(provider.claims()))
    provider.published = [SigningKey.ec("k").jwk()]
    with pytest.raises(SignInFailedError, match=r"does not publish|not the provider's"):
        verify(provider, KeySet(HttpClient(), MemoryDocuments(), keys.jwks_uri), key.sign(provider.claims()))


def test_elliptic_signatures_are_taken_where_sts_exchanges_the_token(provider: FakeProvider, keys: KeySet) -> None:
    key = SigningKey.ec("k")
    provider.published = [key.jwk()]
    assert verify(provider, keys, key.sign(provider.claims()), algorithms=ROLE_ALGORITHMS)["sub"] == "user-1"
    unfit = SigningKey("k", SigningKey.rsa("k").private, "PS256")
    provider.published = [unfit.jwk()]
    with pytest.raises(SignInFailedError, match=r"signed with PS256, and STS takes RSA and ECDSA \(RS256, .*ES512\)"):
        verify(
            provider,
            KeySet(HttpClient(), MemoryDocuments(), keys.jwks_uri),
            unfit.sign(provider.claims()),
            algorithms=ROLE_ALGORITHMS,
        )


def test_alg_none_is_refused_before_any_key_is_fetched(provider: FakeProvider, keys: KeySet) -> None:
    with pytest.raises(SignInFailedError, match="'none', which proves nothing"):
        verify(provider, keys, unsigned(provider.claims()))
    assert provider.jwks_fetches == 0


def test_hs256_with_the_public_key_as_its_secret_is_refused(provider: FakeProvider, keys: KeySet) -> None:
    for secret in (provider.key.pem(), json.dumps(provider.key.jwk()).encode()):
        with pytest.raises(SignInFailedError, match="'HS256', which proves nothing"):
            verify(provider, keys, hmac_signed(provider.claims(), secret, provider.key.kid))


def test_a_token_signed_by_another_key_under_the_same_kid_is_refused(
    provider: FakeProvider, keys: KeySet, other_rsa_key: SigningKey
) -> None:
    forged = SigningKey(provider.key.kid, other_rsa_key.private)
    with pytest.raises(SignInFailedError, match="not the provider's"):
        verify(provider, keys, forged.sign(provider.claims()))


def test_a_key_a_token_brings_along_is_not_looked_at(
    provider: FakeProvider, keys: KeySet, other_rsa_key: SigningKey
) -> None:
    token = other_rsa_key.sign(provider.claims(), jwk=other_rsa_key.jwk(), jku="https://evil.example/jwks")
    with pytest.raises(SignInFailedError, match="does not publish"):
        verify(provider, keys, token)


def test_keys_that_rotate_between_two_calls_are_fetched_again(
    provider: FakeProvider, keys: KeySet, other_rsa_key: SigningKey
) -> None:
    now = time.time()
    assert verify(provider, keys, provider.key.sign(provider.claims()), now=now)
    provider.published = [other_rsa_key.jwk()]
    assert verify(provider, keys, other_rsa_key.sign(provider.claims()), now=now + 60)
    assert provider.jwks_fetches == 2
    with pytest.raises(SignInFailedError, match="does not publish"):
        verify(provider, keys, provider.key.sign(provider.claims()), now=now + 120)


def test_keys_without_an_id_that_rotate_are_fetched_again_too(
    provider: FakeProvider, keys: KeySet, other_rsa_key: SigningKey
) -> None:
    def nameless(key: SigningKey) -> str:
        return jwt.encode(provider.claims(), key.private, algorithm="RS256")

    now = time.time()
    provider.published = [provider.key.jwk(kid=None)]
    assert verify(provider, keys, nameless(provider.key), now=now)
    provider.published = [other_rsa_key.jwk(kid=None)]
    assert verify(provider, keys, nameless(other_rsa_key), now=now + 61)


def test_unknown_key_ids_make_us_fetch_at_most_once_in_a_minute(
    provider: FakeProvider, keys: KeySet, other_rsa_key: SigningKey
) -> None:
    now = time.time()
    verify(provider, keys, provider.key.sign(provider.claims()), now=now)
    for second in range(0, 59, 4):
        with pytest.raises(SignInFailedError):
            verify(provider, keys, other_rsa_key.sign(provider.claims(), kid=f"invented-{second}"), now=now + second)
    assert provider.jwks_fetches == 1
    for _ in range(5):
        with pytest.raises(SignInFailedError):
            verify(provider, keys, other_rsa_key.sign(provider.claims()), now=now + 60)
    assert provider.jwks_fetches == 2


@pytest.mark.parametrize(
    "entry", [{"use": "enc"}, {"alg": "RS512"}, {"kty": "oct", "k": "AAAA"}, {"n": "!"}, {"n": None}]
)
def test_keys_of_another_use_algorithm_or_shape_are_passed_over(
    provider: FakeProvider, keys: KeySet, entry: dict[str, Any]
) -> None:
    provider.published = [provider.key.jwk(**entry), "junk", None]  # type: ignore[list-item]  # hostile on purpose
    with pytest.raises(SignInFailedError, match="does not publish"):
        verify(provider, keys, provider.key.sign(provider.claims()))


def segment(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(key: SigningKey, head: bytes | dict[str, Any], claims: bytes | dict[str, Any]) -> str:
    """A token whose header and claims are any bytes, with a good signature."""
    start = f"{segment(head)}.{segment(claims)}"
    return f"{start}.{segment(key.private.sign(start.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["alg", "kid", "typ", "crit", "cty", "x5c", "jwk"]), _JSON)
def test_a_header_member_of_any_type_is_refused_in_words_or_does_not_matter(
    provider: FakeProvider, keys: KeySet, member: str, value: object
) -> None:
    token = signed(provider.key, {"alg": "RS256", "kid": provider.key.kid, member: value}, provider.claims())
    with contextlib.suppress(SignInFailedError):
        verify(provider, keys, token)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["iss", "aud", "azp", "sub", "exp", "iat", "nbf", "nonce", "at_hash", "email"]), _JSON)
def test_a_claim_of_any_type_is_refused_in_words_or_does_not_matter(
    provider: FakeProvider, keys: KeySet, member: str, value: object
) -> None:
    token = signed(provider.key, {"alg": "RS256", "kid": provider.key.kid}, {**provider.claims(), member: value})
    with contextlib.suppress(SignInFailedError):
        verify(provider, keys, token, nonce="n", subject="user-1", access_token="a")


@pytest.mark.thorough
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["kty", "n", "e", "kid", "use", "alg", "key_ops", "d", "p", "oth", "x5c"]), _JSON, st.booleans())
def test_a_member_of_a_key_of_any_type_is_refused_in_words_or_does_not_matter(
    provider: FakeProvider, member: str, value: object, whole: bool
) -> None:
    provider.published = [provider.key.jwk(**{member: value}) if whole else value]  # type: ignore[list-item]
    keys = KeySet(HttpClient(), MemoryDocuments(), f"{provider.issuer}/jwks")
    with contextlib.suppress(SignInFailedError):
        verify(provider, keys, provider.key.sign(provider.claims()))


@pytest.mark.parametrize("published", [None, True, 7, 1.5, "keys", {"kty": "RSA"}, [None], [[]], ["kty"], [{}], []])
def test_keys_of_any_type_are_none(provider: FakeProvider, published: Any) -> None:
    provider.published = published
    with pytest.raises(SignInFailedError, match="does not publish"):
        verify(
            provider,
            KeySet(HttpClient(), MemoryDocuments(), f"{provider.issuer}/jwks"),
            provider.key.sign(provider.claims()),
        )


def test_a_provider_cannot_make_a_token_be_tried_with_thousands_of_keys(provider: FakeProvider) -> None:
    assert len(matching_keys({"keys": [provider.key.jwk()] * 1000}, None, "RS256").keys) == 32


def test_an_algorithm_that_is_a_list_is_the_providers_fault(provider: FakeProvider, keys: KeySet) -> None:
    with pytest.raises(SignInFailedError, match="'list', which proves nothing"):
        verify(provider, keys, signed(provider.key, {"alg": ["RS256"], "kid": "k"}, provider.claims()))
    with pytest.raises(SignInFailedError, match=r"\(kid\) that is not a string"):
        verify(provider, keys, signed(provider.key, {"alg": "RS256", "kid": 7}, provider.claims()))


def test_a_key_that_is_published_with_its_private_part_proves_nothing(provider: FakeProvider, keys: KeySet) -> None:
    private = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.key.private))
    provider.published = [{**provider.key.jwk(), **{name: private[name] for name in ("d", "p", "q", "dp", "dq", "qi")}}]
    with pytest.raises(SignInFailedError, match="published with its private part"):
        verify(provider, keys, provider.key.sign(provider.claims()))


@pytest.mark.parametrize("bits", [1024, 2047])
def test_an_rsa_key_under_2048_bits_proves_nothing_and_nothing_is_warned_of(
    provider: FakeProvider, keys: KeySet, bits: int, recwarn: pytest.WarningsRecorder
) -> None:
    short = SigningKey("short", rsa.generate_private_key(public_exponent=65537, key_size=bits))
    provider.published = [short.jwk()]
    with pytest.raises(SignInFailedError, match=f"short has {bits} bits"):
        verify(provider, keys, signed(short, {"alg": "RS256", "kid": "short"}, provider.claims()))
    assert not [str(each.message) for each in recwarn if "key" in str(each.message).lower()]


@pytest.mark.parametrize("character", [" ", "==="])
def test_a_weak_key_whose_number_is_not_plain_base64url_proves_nothing_either(
    provider: FakeProvider, keys: KeySet, character: str
) -> None:
    """Python's decoder passes such characters over, so that a length which was not measured would not matter."""
    short = SigningKey("short", rsa.generate_private_key(public_exponent=65537, key_size=1024))
    provider.published = [{**short.jwk(), "n": short.jwk()["n"] + character}]
    with pytest.raises(SignInFailedError, match="does not publish"):
        verify(provider, keys, signed(short, {"alg": "RS256", "kid": "short"}, provider.claims()))


def test_a_good_key_next_to_a_weak_one_is_used(provider: FakeProvider, keys: KeySet) -> None:
    provider.published = [{**provider.key.jwk(), "d": "AAAA"}, provider.key.jwk()]
    assert verify(provider, keys, provider.key.sign(provider.claims()))


@pytest.mark.parametrize("operations", [["encrypt"], [], "verify", [["verify"]], {"verify": 1}])
def test_a_key_for_other_operations_is_passed_over(provider: FakeProvider, keys: KeySet, operations: object) -> None:
    provider.published = [provider.key.jwk(key_ops=operations)]
    with pytest.raises(SignInFailedError, match="does not publish"):
        verify(provider, keys, provider.key.sign(provider.claims()))


def test_a_key_for_verification_is_taken(provider: FakeProvider, keys: KeySet) -> None:
    provider.published = [provider.key.jwk(key_ops=["sign", "verify"])]
    assert verify(provider, keys, provider.key.sign(provider.claims()))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("part", ["header", "claims"])
def test_a_token_in_another_encoding_than_utf_8_is_refused_as_identity_pools_do(
    provider: FakeProvider, keys: KeySet, encoding: str, part: str
) -> None:
    head, claims = {"alg": "RS256", "kid": provider.key.kid, "x": "é"}, provider.claims(name="Zoé")
    parts = [json.dumps(each, ensure_ascii=False).encode() for each in (head, claims)]
    odd = json.dumps(head if part == "header" else claims, ensure_ascii=False).encode(encoding)
    assert verify(provider, keys, signed(provider.key, parts[0], parts[1]))["name"] == "Zoé"
    parts[0 if part == "header" else 1] = odd
    with pytest.raises(SignInFailedError):
        verify(provider, keys, signed(provider.key, parts[0], parts[1]))


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("spoil", [lambda part: f"{part}=", lambda part: f"{part}==", lambda part: f"{part}\n"])
def test_padding_and_line_ends_in_a_token_are_refused_as_identity_pools_do(
    provider: FakeProvider, keys: KeySet, index: int, spoil: Callable[[str], str]
) -> None:
    parts = provider.key.sign(provider.claims()).split(".")
    parts[index] = spoil(parts[index])
    with pytest.raises(SignInFailedError):
        verify(provider, keys, ".".join(parts))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iss": "https://evil.example"}, r"issued by https://evil\.example"),
        ({"iss": None}, "issued by NoneType"),
        ({"aud": "other"}, "for another client"),
        ({"aud": ["other"]}, "for another client"),
        ({"aud": None}, "for another client"),
        ({"aud": {CLIENT_ID: 1}}, "for another client"),
        ({"azp": "other"}, "another client"),
        ({"aud": [CLIENT_ID, "other"], "azp": "other"}, "another client"),
        ({"exp": int(time.time()) - 3600}, "expired"),
        ({"exp": None}, "no usable exp"),
        ({"exp": float("inf")}, "no usable exp"),
        ({"exp": float("nan")}, "no usable exp"),
        ({"exp": True}, "no usable exp"),
        ({"exp": "9999999999"}, "no usable exp"),
        ({"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200}, "in the future"),
        ({"iat": None}, "no usable iat"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"sub": None}, "names no user"),
        ({"sub": ""}, "names no user"),
        ({"sub": 7}, "names no user"),
        ({"sub": "user-2"}, "another user"),
        ({"nonce": "other"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 7}, "nonce"),
        ({"at_hash": "x"}, "at_hash"),
        ({"at_hash": "\ud800"}, "at_hash"),
    ],
)
def test_a_claim_that_does_not_hold_is_refused_by_name(
    provider: FakeProvider, keys: KeySet, changes: dict[str, Any], message: str
) -> None:
    provider.nonce = "n"
    payload = json.dumps(provider.claims(**changes)).encode()
    token = jwt.PyJWS().encode(payload, provider.key.private, "RS256", headers={"kid": provider.key.kid})
    with pytest.raises(SignInFailedError, match=message):
        verify(provider, keys, token, nonce="n", subject="user-1", access_token="access")


@pytest.mark.parametrize(
    "changes", [{"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "b"], "azp": CLIENT_ID}, {"exp_in": 1.5}]
)
def test_lists_of_audiences_and_fractional_times_are_fine(
    provider: FakeProvider, keys: KeySet, changes: dict[str, Any]
) -> None:
    if "exp_in" in changes:
        changes = {"exp": time.time() + changes["exp_in"]}
    assert verify(provider, keys, provider.key.sign(provider.claims(**changes)))


def test_a_token_is_taken_up_to_a_minute_after_its_end_and_no_longer(provider: FakeProvider, keys: KeySet) -> None:
    now = int(time.time())
    token = provider.key.sign(provider.claims(exp=now))
    assert verify(provider, keys, token, now=now + 59.9)
    with pytest.raises(SignInFailedError, match="expired 60 s ago"):
        verify(provider, keys, token, now=now + 60)


def test_an_encrypted_or_critical_or_garbled_token_is_refused(provider: FakeProvider, keys: KeySet) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"RSA-OAEP","enc":"A128GCM"}').decode().rstrip("=")
    for token in ("", "x", "a.b.c", f"{head}.a.b.c.d", provider.key.sign(provider.claims(), crit=["x"], x=1)):
        with pytest.raises(SignInFailedError):
            verify(provider, keys, token)


def test_a_renewal_raises_its_own_error(provider: FakeProvider, keys: KeySet) -> None:
    expected = Expectation((provider.issuer,), CLIENT_ID, subject="user-2")
    with pytest.raises(TokenRefreshError, match="another user"):
        verify_id_token(provider.key.sign(provider.claims()), keys, expected, now=time.time(), error=TokenRefreshError)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_token_changed_anywhere_is_refused(provider: FakeProvider, keys: KeySet, data: st.DataObject) -> None:
    token = provider.key.sign(provider.claims())
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCabc019-_."))
    changed = token[:place] + letter + token[place + 1 :]
    try:
        found = verify(provider, keys, changed)
    except SignInFailedError:
        return
    # base64url leaves two or four bits of a last character unused: the same bytes in another spelling.
    assert found == provider.claims() or changed == token
