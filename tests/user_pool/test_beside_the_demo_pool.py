"""Passwords, devices, second factors and custom challenges against the demo world's user pool, which verifies them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from botocore_cognito_federation import (
    Challenge,
    CodeMismatchError,
    ConfigurationError,
    SignInFailedError,
    UserPool,
    UserPoolTokens,
    WrongPasswordError,
)
from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.records import UserPoolFacts
from botocore_cognito_federation.user_pool.api import make_user_pool_client
from tests.servers.demo_user_pools import PASSWORD, user_pool
from tests.servers.tool_cache import npm_folder, python_in_venv

from .live_pool import totp
from .oracles import AMAZON_JS, PYCOGNITO

pytestmark = pytest.mark.thorough


def pool_of_ada(world: World, **settings: object) -> UserPool:
    facts = world.add_user_pool(**settings)
    world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    return user_pool(world, facts)


def asked(answer: UserPoolTokens | Challenge, name: str) -> Challenge:
    assert isinstance(answer, Challenge)
    assert answer.name == name
    return answer


def tokens_of(answer: UserPoolTokens | Challenge) -> UserPoolTokens:
    assert isinstance(answer, UserPoolTokens)
    return answer


def test_a_botocore_that_is_too_old_is_named_with_the_remedy(world: World) -> None:
    def old(**options: Any) -> Any:
        client = make_user_pool_client(**options)
        return SimpleNamespace(meta=client.meta, initiate_auth=client.initiate_auth)

    facts = world.add_user_pool()
    world.add_user(facts.user_pool_id, "ada", PASSWORD)
    pool = user_pool(world, facts, client_factory=old)
    tokens = pool.sign_in("ada", PASSWORD, auth_flow="USER_PASSWORD_AUTH")
    assert isinstance(tokens, UserPoolTokens)
    with pytest.raises(ConfigurationError, match=r"does not know ListWebAuthnCredentials.*pip install -U botocore"):
        pool.list_passkeys(tokens)


def test_triggers_may_ask_before_the_password(world: World) -> None:
    pool = pool_of_ada(world, custom_auth=("7*6=42", "PASSWORD_VERIFIER"))
    question = asked(pool.sign_in("ada", PASSWORD, auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    assert PASSWORD not in repr(question)
    assert tokens_of(pool.send_custom_challenge_answer(question, "42")).username == "ada"
    question = asked(pool.sign_in("ada", "Wrong-Horse-1", auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    with pytest.raises(WrongPasswordError):
        pool.send_custom_challenge_answer(question, "42")


def test_a_challenge_after_the_password_holds_the_password_no_longer(world: World) -> None:
    pool = pool_of_ada(world, custom_auth=("PASSWORD_VERIFIER", "7*6=42", "6*7=42"))
    question = asked(pool.sign_in("ada", PASSWORD, auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    assert question.proof is None
    second = asked(pool.send_custom_challenge_answer(question, "42"), "CUSTOM_CHALLENGE")
    assert tokens_of(pool.send_custom_challenge_answer(second, "42"))


def test_a_password_that_is_asked_for_and_was_not_given_is_the_caller_s_fault(world: World) -> None:
    pool = pool_of_ada(world, custom_auth=("7*6=42",))
    question = asked(pool.sign_in("ada", auth_flow="CUSTOM_AUTH"), "CUSTOM_CHALLENGE")
    pool_settings = world.user_pools.directory.pools[pool.user_pool_id]
    pool_settings.settings = replace(pool_settings.settings, custom_auth=("PASSWORD_VERIFIER",))
    with pytest.raises((ConfigurationError, SignInFailedError), match="SRP_A"):
        pool.sign_in("ada", auth_flow="CUSTOM_AUTH")
    assert tokens_of(pool.send_custom_challenge_answer(question, "42"))


def test_a_remembered_device_takes_the_place_of_the_second_factor(world: World) -> None:
    pool = pool_of_ada(world, devices="ALWAYS", mfa="ON", mfa_kinds=("SOFTWARE_TOKEN_MFA",))
    setup = pool.set_up_totp(asked(pool.sign_in("ada", PASSWORD), "MFA_SETUP"))
    tokens = tokens_of(pool.confirm_sign_in(setup, totp(setup.totp_secret)))
    assert tokens.device is not None
    assert tokens.device.password
    again = tokens_of(pool.sign_in("ada", PASSWORD, device=tokens.device))
    assert again.device == tokens.device
    assert pool.refresh(again).device == tokens.device
    with pytest.raises(WrongPasswordError):
        pool.sign_in("ada", PASSWORD, device=replace(tokens.device, password="another"))


def test_a_device_without_its_password_is_left_out(world: World) -> None:
    pool = pool_of_ada(world, devices="ALWAYS")
    first = tokens_of(pool.sign_in("ada", PASSWORD)).device
    assert first is not None
    again = tokens_of(pool.sign_in("ada", PASSWORD, device=replace(first, password="")))
    assert again.device is not None
    assert again.device.key != first.key


def test_an_authenticator_s_code_is_good_once(world: World) -> None:
    pool = pool_of_ada(world, mfa="ON", mfa_kinds=("SOFTWARE_TOKEN_MFA",))
    setup = pool.set_up_totp(asked(pool.sign_in("ada", PASSWORD), "MFA_SETUP"))
    with pytest.raises(CodeMismatchError):
        pool.confirm_sign_in(setup, "000000")
    code = totp(setup.totp_secret)
    assert tokens_of(pool.confirm_sign_in(setup, code))
    question = asked(pool.sign_in("ada", PASSWORD), "SOFTWARE_TOKEN_MFA")
    with pytest.raises(CodeMismatchError, match="used before"):
        pool.confirm_sign_in(question, code)


def test_a_temporary_password_is_replaced_and_a_bad_one_may_be_typed_again(world: World) -> None:
    from botocore_cognito_federation import NewPasswordRefusedError

    facts = world.add_user_pool(required_attributes=("email",))
    world.add_user(facts.user_pool_id, "ada", PASSWORD, temporary=True, email="ada@example.com")
    pool = user_pool(world, facts)
    question = asked(pool.sign_in("ada", PASSWORD), "NEW_PASSWORD_REQUIRED")
    with pytest.raises(NewPasswordRefusedError, match="not long enough"):
        pool.complete_new_password(question, "short")
    assert tokens_of(pool.complete_new_password(question, "Another-Horse-2"))
    assert tokens_of(pool.sign_in("ada", "Another-Horse-2"))


_BY_JAVASCRIPT = """
const { CognitoUserPool, CognitoUser, AuthenticationDetails } = require('amazon-cognito-identity-js');
const q = JSON.parse(process.argv[1]);
const pool = new CognitoUserPool({ UserPoolId: q.pool, ClientId: q.client, endpoint: q.endpoint });
const user = new CognitoUser({ Username: 'ada', Pool: pool });
const signIn = (password, code) => new Promise(done => {
  const steps = [];
  const callbacks = {
    onSuccess: () => done([...steps, 'signed in']),
    onFailure: error => done([...steps, error.code]),
    totpRequired: () => { steps.push('code'); user.sendMFACode(code, callbacks, 'SOFTWARE_TOKEN_MFA'); },
  };
  user.authenticateUser(new AuthenticationDetails({ Username: 'ada', Password: password }), callbacks);
});
(async () => {
  const seen = [await signIn('Wrong-Horse-1'), await signIn(q.password, q.code), await signIn(q.password)];
  console.log(JSON.stringify(seen));
})();
"""

_BY_PYTHON = """
import json, sys
import boto3
from botocore import UNSIGNED
from botocore.config import Config
from pycognito.aws_srp import AWSSRP
q = json.loads(sys.argv[1])
client = boto3.client("cognito-idp", region_name=q["region"], endpoint_url=q["endpoint"],
                      config=Config(signature_version=UNSIGNED))
seen = []
for password in ("Wrong-Horse-1", q["password"]):
    srp = AWSSRP("ada", password, q["pool"], q["client"], client=client)
    try:
        seen.append("signed in" if srp.authenticate_user()["AuthenticationResult"] else "asked")
    except client.exceptions.NotAuthorizedException as error:
        seen.append(error.response["Error"]["Message"])
print(json.dumps(seen))
"""


@pytest.mark.thorough
def test_aws_s_own_javascript_client_signs_in_and_its_device_needs_no_second_code(world: World) -> None:
    """amazon-cognito-identity-js as a second opinion about the demo pool's SRP, devices and second factors."""
    facts = world.add_user_pool(devices="ALWAYS", mfa="OPTIONAL", mfa_kinds=("SOFTWARE_TOKEN_MFA",))
    world.add_user(facts.user_pool_id, "ada", PASSWORD)
    ada = world.user_pools.directory.pools[facts.user_pool_id].users["ada"]
    ada.totp_secret, ada.mfa = "JBSWY3DPEHPK3PXP", ["SOFTWARE_TOKEN_MFA"]
    folder = npm_folder("amazon-js", AMAZON_JS)
    seen = second_opinion(["node", "-e", _BY_JAVASCRIPT], folder, world, facts, code=totp(ada.totp_secret))
    assert seen == [["NotAuthorizedException"], ["code", "signed in"], ["signed in"]]


@pytest.mark.thorough
def test_pycognito_signs_in(world: World, tmp_path: Path) -> None:
    facts = world.add_user_pool()
    world.add_user(facts.user_pool_id, "ada", PASSWORD)
    python = str(python_in_venv("pycognito", PYCOGNITO))
    seen = second_opinion([python, "-c", _BY_PYTHON], tmp_path, world, facts)
    assert seen == ["Incorrect username or password.", "signed in"]


def second_opinion(command: list[str], folder: Path, world: World, facts: UserPoolFacts, **more: str) -> Any:
    """Run another client's program in its folder; return what it saw."""
    question = {
        "pool": facts.user_pool_id,
        "client": facts.client_id,
        "endpoint": world.endpoint_url,
        "region": world.region,
        "password": PASSWORD,
        **more,
    }
    done = subprocess.run([*command, json.dumps(question)], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
