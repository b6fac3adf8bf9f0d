from __future__ import annotations

import base64
import locale
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.user_pool import srp
from botocore_cognito_federation.user_pool.api import AppClient

from . import oracles, srp_server

pytestmark = pytest.mark.thorough

# AWS's published values: AuthenticationCryptoTests of aws/aws-sdk-net-extensions-cognito (Apache-2.0).
AWS_IDENTITY = srp.Identity("Pj8nlkpKR", "User5")
AWS_PASSWORD = "Password1!"
AWS_SALT = 0xB704A27DEB8CF5EFEC43A40EAC5B60D2
AWS_B = int(
    "8d340308265ada665b1b2c730fb65ff0b6dc746b63c2d7e9f08b8aa9306d4848268bc0c17ee4a2999173ca62af59fd74b"
    "a5d00f16c96bea082b163f2c3a0b745455d62cb9577425b4b5d4dadba163a8e7759a7c0256795f464682770588c84e82f2c63d47017"
    "51476da8e8a7b1a131e78560fe7b56b6761fcef88dcc486f403369a0cac2f04c25ed6d5e08b5a2f488500a0d5af4972cfa1213bfca3"
    "7bbae189c8d58465b13193204f21ea01d267c7688e6e6cb5d3f5a8005db680d272308ee823816032dd2c8fc3b95b6fd0a742feb127e"
    "3d094cd002a5e6b209415ff82f6abf50d5da43910a0336e9a6fc33dd101bf13f22f13fcb3ea3809aae4917d7c426fb8c0a894030c75"
    "d3e15f0e1078a9d89e5154391cde6111ac14fab9fa3b3a880da7dbd47fd5a055937581d26b5d225c076e82f980dcbd77b3950d270d8"
    "b622dca9c9bcd8fd6435a59b9690b3c9e2bdabf58cae3420c19066abc420145b1b66f226a6493c96588c2d53b637798fcaa573379f2"
    "251848065fe1fafb68ed5e79135e9",
    16,
)

EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0x1234, srp.N - 1]
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
SALTS = st.one_of(st.sampled_from([n for n in EDGES if n]), st.integers(1, 2**16), st.integers(1, 2**128 - 1))
# Tiny private keys make A, and with it u, short numbers with every kind of leading byte.
PRIVATE = st.one_of(st.integers(1, 64), st.integers(1, 2**1024 - 1))


@pytest.fixture(scope="module")
def pycognito(tmp_path_factory: pytest.TempPathFactory) -> Iterator[oracles.Oracle]:
    with oracles.pycognito(tmp_path_factory.mktemp("pycognito")) as oracle:
        yield oracle


@pytest.fixture(scope="module")
def amazon_js(tmp_path_factory: pytest.TempPathFactory) -> Iterator[oracles.Oracle]:
    with oracles.amazon_js(tmp_path_factory.mktemp("js")) as oracle:
        yield oracle


def pair(secret: int) -> srp.SrpKey:
    return srp.SrpKey(secret, pow(2, secret, srp.N))


def test_the_modulus_is_the_3072_bit_one_of_rfc_3526() -> None:
    assert srp.N == srp_server.N
    assert srp.N.bit_length() == 3072
    assert pow(2, srp.N - 1, srp.N) == 1  # Fermat: a mistyped digit would not be prime


def test_awss_published_session_key_comes_out() -> None:
    a = int.from_bytes(b"\x02" * 1023 + b"\x00", "big")
    key = srp.session_key(AWS_IDENTITY, AWS_PASSWORD, pair(a), AWS_B, AWS_SALT)
    assert base64.b64encode(key) == b"LmbBsy/4chqMRYOhmtmCrA=="


def test_awss_published_device_hash_comes_out() -> None:
    assert base64.b64encode(AWS_IDENTITY.digest(AWS_PASSWORD)) == b"rJra60Rbj/4QW4UdYVl7wde78eMoiaw7Wk+WoDqo5K8="


def test_awss_published_secret_hash_comes_out() -> None:
    app = AppClient("eu-west-1_abc", "age", "secret")
    assert app.secret_hash("Mess") == "qnR8UCqJggD55PohusaBNviGoOJ67HC6Btry4qXLVZc="


@given(st.one_of(st.sampled_from(EDGES), st.integers(0, srp.N)))
def test_numbers_are_hashed_as_signed_big_endian_bytes(number: int) -> None:
    assert srp.padded(number) == srp_server.signed(number)
    assert int.from_bytes(srp.padded(number), "big", signed=True) == number


@settings(max_examples=25)
@given(group=TEXT, user=TEXT, password=TEXT, a=PRIVATE, salt=SALTS)
def test_client_and_server_derive_one_key(group: str, user: str, password: str, a: int, salt: int) -> None:
    server = srp_server.Server.knowing(group, user, password, salt)
    key = srp.session_key(srp.Identity(group, user), password, pair(a), server.public, salt)
    assert key == server.key(pair(a).public)


# Values with which a padding mistake would show: a sign bit in A and the salt, and a B of full length.
@example(group="pool", user="ada", password="pw", a=7, b=srp.N - 1, salt=0x80)
@example(group="pool", user="ada", password="pw", a=8, b=0x80, salt=0xFFFF)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group=TEXT, user=TEXT, password=TEXT, a=PRIVATE, b=st.integers(1, srp.N - 1), salt=SALTS)
def test_pycognito_derives_the_same_key(
    pycognito: oracles.Oracle, group: str, user: str, password: str, a: int, b: int, salt: int
) -> None:
    group = group.replace("_", "-")  # pycognito uses the part between two underscores
    derived = srp.session_key(srp.Identity(group, user), password, pair(a), b, salt)
    theirs = pycognito.session_key(group=group, user=user, password=password, a=a, b=b, salt=f"{salt:x}")
    assert (pair(a).public, derived) == theirs


# The same test for a client that needs a third of a second for each value.
@example(group="pool", user="ada", password="pw", a=7, b=srp.N - 1, salt=0x80)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group=TEXT, user=TEXT, password=TEXT, a=PRIVATE, b=st.integers(1, srp.N - 1), salt=SALTS)
def test_awss_javascript_client_derives_the_same_key(
    amazon_js: oracles.Oracle, group: str, user: str, password: str, a: int, b: int, salt: int
) -> None:
    derived = srp.session_key(srp.Identity(group, user), password, pair(a), b, salt)
    theirs = amazon_js.session_key(group=group, user=user, password=password, a=a, b=b, salt=f"{salt:x}")
    assert (pair(a).public, derived) == theirs


@pytest.mark.parametrize(
    "salt", ["001234", "0000ff", "00", "0", "00000080", "0abc", "00abcdef0123456789abcdef01234567"]
)
def test_a_salt_with_leading_zeros_counts_as_the_integer_as_in_awss_client(
    amazon_js: oracles.Oracle, salt: str
) -> None:
    identity = srp.Identity("pool", "ada")
    derived = srp.session_key(identity, "pw", pair(7), 12345, int(salt, 16))
    theirs = amazon_js.session_key(group="pool", user="ada", password="pw", a=7, b=12345, salt=salt)
    assert theirs == (pair(7).public, derived)


def test_the_claim_is_accepted_by_a_server_that_stores_only_the_verifier() -> None:
    identity = srp.Identity("pool", "ada")
    server = srp_server.Server.knowing("pool", "ada", "pw", 0x00FF)
    key = srp.key_pair(bytes(range(1, 129)))
    at = srp.timestamp(0)
    block = server.parameters()["SECRET_BLOCK"]

    def answered(password: str) -> bool:
        signature = srp.claim(identity, password, key, server.parameters(), at)
        proof = {"PASSWORD_CLAIM_SIGNATURE": signature, "PASSWORD_CLAIM_SECRET_BLOCK": block, "TIMESTAMP": at}
        return server.accepts(key.public_hex, proof)

    assert answered("pw")
    assert not answered("pW")


def test_the_device_verifier_is_the_one_the_server_would_make() -> None:
    made = srp.verifier(srp.Identity("group", "device"), "pw", 0x1234)
    assert made == srp_server.Server.knowing("group", "device", "pw", 0x1234).verifier


@pytest.mark.parametrize("multiple", [0, 1, 2])
def test_a_server_key_that_is_zero_modulo_n_is_refused(multiple: int) -> None:
    with pytest.raises(SignInFailedError, match="not a valid key"):
        srp.session_key(AWS_IDENTITY, AWS_PASSWORD, pair(5), multiple * srp.N, AWS_SALT)


def test_a_scramble_of_zero_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srp, "_hashed", lambda *parts: 0)
    with pytest.raises(SignInFailedError, match="not a valid key"):
        srp.session_key(AWS_IDENTITY, AWS_PASSWORD, pair(5), 77, AWS_SALT)


def test_a_private_key_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        srp.key_pair(bytes(128))


@pytest.mark.parametrize(
    "broken",
    [
        {"SRP_B": "xyz"},
        {"SALT": ""},
        {"SECRET_BLOCK": "not base64!"},
        {"SRP_B": None},
        {"SALT": "-1"},
    ],
)
def test_an_unreadable_challenge_is_refused_in_our_words(broken: dict[str, str]) -> None:
    parameters = {**srp_server.Server.knowing("p", "u", "w").parameters(), **broken}
    with pytest.raises(SignInFailedError, match="no readable SRP_B"):
        srp.claim(srp.Identity("p", "u"), "w", pair(5), parameters, srp.timestamp(0))


@pytest.mark.parametrize("missing", ["SRP_B", "SALT", "SECRET_BLOCK"])
def test_a_challenge_without_a_parameter_is_refused(missing: str) -> None:
    parameters = srp_server.Server.knowing("p", "u", "w").parameters()
    del parameters[missing]
    with pytest.raises(SignInFailedError, match="no readable SRP_B"):
        srp.claim(srp.Identity("p", "u"), "w", pair(5), parameters, srp.timestamp(0))


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (0, "Thu Jan 1 00:00:00 UTC 1970"),
        (1709164799, "Wed Feb 28 23:59:59 UTC 2024"),
        (1709164800, "Thu Feb 29 00:00:00 UTC 2024"),
        (1767225599.9, "Wed Dec 31 23:59:59 UTC 2025"),
        (1783000805, "Thu Jul 2 14:00:05 UTC 2026"),
    ],
)
def test_the_timestamp_is_english_utc_and_its_day_is_not_padded(now: float, text: str) -> None:
    assert srp.timestamp(now) == text


def test_the_timestamp_does_not_change_with_locale_or_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    saved = locale.setlocale(locale.LC_ALL)
    tried = []
    try:
        for name in ("de_DE.UTF-8", "ar_SA.UTF-8", "ja_JP.UTF-8", "fa_IR.UTF-8", "C.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue
            tried.append(name)
            for zone in ("UTC", "Pacific/Kiritimati", "America/New_York"):
                monkeypatch.setenv("TZ", zone)
                time.tzset()
                assert srp.timestamp(1709164800) == "Thu Feb 29 00:00:00 UTC 2024"
    finally:
        locale.setlocale(locale.LC_ALL, saved)
        monkeypatch.undo()
        time.tzset()
    assert tried


def test_the_timestamp_calls_nothing_that_knows_a_locale() -> None:
    """Few machines have another locale installed; code that is not called cannot depend on one."""
    assert not {"strftime", "ctime", "__format__"} & set(srp.timestamp.__code__.co_names)


def test_a_private_key_is_not_in_its_repr() -> None:
    assert "424242" not in repr(srp.SrpKey(424242, 7))
