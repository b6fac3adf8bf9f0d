"""Passkeys on a security key at this machine, by the library fido2, against the demo world's user pool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation import (
    Challenge,
    ConfigurationError,
    PasskeyRefusedError,
    SecurityKey,
    UserPool,
    UserPoolTokens,
)
from botocore_cognito_federation.demo import World
from tests.servers.demo_user_pools import PASSWORD, knows_passkeys, user_pool
from tests.servers.software_security_key import SoftwareSecurityKey

pytestmark = pytest.mark.skipif(not knows_passkeys(), reason="this botocore has no passkeys")


def with_ada(world: World, **settings: Any) -> UserPool:
    facts = world.add_user_pool(
        **{"first_factors": ("PASSWORD", "WEB_AUTHN"), "relying_party": "auth.example.com", **settings}
    )
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    return user_pool(world, facts)


@pytest.fixture
def pool(world: World) -> UserPool:
    return with_ada(world)


def signed_in(pool: UserPool) -> UserPoolTokens:
    tokens = pool.sign_in("ada", PASSWORD)
    assert isinstance(tokens, UserPoolTokens)
    return tokens


def asked(pool: UserPool) -> Challenge:
    challenge = pool.sign_in("ada", preferred_challenge="WEB_AUTHN")
    assert isinstance(challenge, Challenge)
    assert challenge.name == "WEB_AUTHN"
    return challenge


def key_of(*devices: SoftwareSecurityKey, told: list[str] | None = None, **options: Any) -> SecurityKey:
    return SecurityKey(devices=lambda: devices, tell=(told if told is not None else []).append, **options)


@pytest.mark.parametrize("verifies", [True, False], ids=["with a fingerprint", "with a touch only"])
def test_a_key_registers_a_passkey_and_signs_in_after_a_touch_for_a_party_that_is_named(
    pool: UserPool, verifies: bool
) -> None:
    device, told = SoftwareSecurityKey(verifies=verifies), []  # type: ignore[var-annotated]
    pool.register_passkey(signed_in(pool), key_of(device, told=told))
    for _ in range(2):
        assert isinstance(pool.use_passkey(asked(pool), key_of(device, told=told)), UserPoolTokens)
    assert told == ["Touch your security key to sign for auth.example.com"] * 3


@pytest.mark.thorough
def test_of_two_keys_the_one_that_is_touched_signs_in(pool: UserPool) -> None:
    touched, other = SoftwareSecurityKey(), SoftwareSecurityKey(touched=False)
    pool.register_passkey(signed_in(pool), key_of(touched))
    told: list[str] = []
    assert isinstance(pool.use_passkey(asked(pool), key_of(other, touched, told=told)), UserPoolTokens)
    assert told[0] == "Touch the security key that you want to use"


@pytest.mark.thorough
def test_a_key_is_registered_once(pool: UserPool) -> None:
    device, tokens = SoftwareSecurityKey(), signed_in(pool)
    pool.register_passkey(tokens, key_of(device))
    with pytest.raises(PasskeyRefusedError, match="already"):
        pool.register_passkey(tokens, key_of(device))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ([], "No security key is plugged in"),
        ([SoftwareSecurityKey()], "has no passkey of this user"),
        ([SoftwareSecurityKey(touched=False)], "was not touched in time"),
    ],
)
def test_a_key_that_cannot_help_is_the_user_s_fault(
    pool: UserPool, devices: list[SoftwareSecurityKey], says: str
) -> None:
    pool.register_passkey(signed_in(pool), key_of(SoftwareSecurityKey()))
    with pytest.raises(PasskeyRefusedError, match=says):
        pool.use_passkey(asked(pool), key_of(*devices))


@pytest.mark.thorough
def test_a_pool_that_requires_verification_wants_a_key_with_a_pin_or_a_fingerprint(world: World) -> None:
    pool = with_ada(world, user_verification="required")
    tokens = signed_in(pool)
    with pytest.raises(PasskeyRefusedError, match="Set a PIN"):
        pool.register_passkey(tokens, key_of(SoftwareSecurityKey(verifies=False)))
    pool.register_passkey(tokens, key_of(SoftwareSecurityKey()))


def test_a_key_with_a_pin_asks_for_it(pool: UserPool) -> None:
    device, tokens = SoftwareSecurityKey(pin="123456"), signed_in(pool)
    with pytest.raises(PasskeyRefusedError, match="wants its PIN"):
        pool.register_passkey(tokens, key_of(device))
    with pytest.raises(PasskeyRefusedError, match="PIN of the security key is wrong"):
        pool.register_passkey(tokens, key_of(device, ask_pin=lambda question: "654321"))
    questions: list[str] = []

    def pin(question: str) -> str:
        questions.append(question)
        return "123456"

    pool.register_passkey(tokens, key_of(device, ask_pin=pin))
    assert isinstance(pool.use_passkey(asked(pool), key_of(device, ask_pin=pin)), UserPoolTokens)
    assert questions == ["PIN of the security key"] * 2


@pytest.mark.thorough
def test_an_origin_outside_the_relying_party_is_refused_before_the_key_is_asked(pool: UserPool) -> None:
    device = SoftwareSecurityKey()
    with pytest.raises(PasskeyRefusedError, match="could not make"):
        pool.register_passkey(signed_in(pool), key_of(device, origin="https://evil.example"))
    assert device.keys == {}


def test_options_that_are_malformed_are_no_crash() -> None:
    for options in ({}, {"rpId": 5}, {"rpId": "auth.example.com", "challenge": 5}):
        with pytest.raises((ConfigurationError, PasskeyRefusedError)):
            key_of(SoftwareSecurityKey()).get(options)


def test_without_the_extra_the_remedy_is_to_install_it(tmp_path: Path) -> None:
    """fido2 is hidden from a new interpreter, because the tests have it installed."""
    program = """
import sys
sys.modules["fido2"] = sys.modules["fido2.client"] = None
from botocore_cognito_federation import ConfigurationError, SecurityKey
try:
    SecurityKey().get({"rpId": "auth.example.com"})
except ConfigurationError as error:
    print(error.remedy)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == 'Run: pip install "botocore-cognito-federation[passkey]"\n'
