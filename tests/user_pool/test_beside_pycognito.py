"""The same script run with pycognito and with this project on one user pool: each step must have the same result."""

from __future__ import annotations

import inspect
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.errors import CognitoFederationError
from botocore_cognito_federation.user_pool import Challenge, UserPoolTokens
from botocore_cognito_federation.user_pool.models import claims
from tests.servers.ministack import REGION, Ministack
from tests.servers.tool_cache import python_in_venv

from . import live_pool, oracles
from .live_pool import PASSWORD, LivePool

pytestmark = pytest.mark.thorough

_PYCOGNITO = """
import base64, hmac, json, struct, sys, time
import boto3
from pycognito import Cognito

q = json.load(sys.stdin)
config = {"endpoint_url": q["url"], "region_name": q["region"]}
out = {}

def user(name):
    made = Cognito(q["pool"], q["client"], user_pool_region=q["region"], username=name, client_secret=q["secret"])
    made.client = boto3.client("cognito-idp", aws_access_key_id="x", aws_secret_access_key="y", **config)
    made.verify_token = lambda token, name, use: setattr(made, name, token)
    return made

def step(name, call, token_of=None):
    try:
        call()
        out[name] = getattr(token_of, "id_token", None) if token_of else "done"
    except Exception as error:
        out[name] = type(error).__name__

ada, bob, eve, ida = user("ada"), user("bob"), user("eve"), user("ida")
step("wrong password", lambda: ada.authenticate(password="Wrong-Horse-1"))
step("unknown user", lambda: user("nobody").authenticate(password=q["password"]))
step("right password", lambda: ada.authenticate(password=q["password"]), ada)
step("renewed", ada.renew_access_token, ada)
step("password changed", lambda: ada.change_password(q["password"], "Other-Horse-3"))
step("old password", lambda: ada.authenticate(password=q["password"]))
step("new password", lambda: ada.authenticate(password="Other-Horse-3"), ada)
step("code for a lost password", ada.initiate_forgot_password)
step("wrong code for it", lambda: ada.confirm_forgot_password("000000", "Third-Horse-4"))
step("right code for it", lambda: ada.confirm_forgot_password("654321", "Third-Horse-4"))
step("third password", lambda: ada.authenticate(password="Third-Horse-4"), ada)

step("temporary password", lambda: bob.authenticate(password=q["password"]))
step("one's own instead", lambda: bob.new_password_challenge(q["password"], "Changed-Horse-2"), bob)

eve.set_base_attributes(email="eve@example.com")
step("sign-up", lambda: eve.register("eve", q["password"]))
step("sign-up again", lambda: eve.register("eve", q["password"]))
step("not confirmed yet", lambda: eve.authenticate(password=q["password"]))
step("wrong code", lambda: eve.confirm_sign_up("000000", "eve"))
step("right code", lambda: eve.confirm_sign_up("123456", "eve"))
step("confirmed", lambda: eve.authenticate(password=q["password"]), eve)

step("second factor asked", lambda: ida.authenticate(password=q["password"]))
step("second factor given", lambda: ida.respond_to_software_token_mfa_challenge(totp(q["totp"])), ida)
print(json.dumps(out))
"""

#: The errors and challenges of the API that pycognito passes on, in the terms of this project.
_SAME = {
    "NotAuthorizedException": "WrongPasswordError",
    "CodeMismatchException": "CodeMismatchError",
    "ForceChangePasswordException": "NEW_PASSWORD_REQUIRED",
    "SoftwareTokenMFAChallengeException": "SOFTWARE_TOKEN_MFA",
    "UserNotConfirmedException": "UserNotConfirmedError",
    "UsernameExistsException": "UsernameExistsError",
}
_STABLE = ("iss", "aud", "token_use", "cognito:username", "email")


def _by_pycognito(pool: LivePool, totp_secret: str, folder: Path) -> dict[str, str]:
    question = {
        "url": pool.endpoint_url,
        "region": REGION,
        "pool": pool.pool_id,
        "client": pool.client_id,
        "secret": pool.client_secret,
        "password": PASSWORD,
        "totp": totp_secret,
    }
    python = str(python_in_venv("pycognito", oracles.PYCOGNITO))
    script = inspect.getsource(live_pool.totp) + _PYCOGNITO
    script = "from __future__ import annotations\n" + script.replace("import base64", "\nimport base64", 1)
    done = subprocess.run(
        [python, "-c", script], input=json.dumps(question), capture_output=True, text=True, cwd=folder, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return {name: _SAME.get(value, value) for name, value in answer.items()}


def _by_us(pool: LivePool, totp_secret: str) -> dict[str, str]:
    user_pool = pool.user_pool()
    out: dict[str, str] = {}

    def step(name: str, call: Any) -> Any:
        try:
            answer = call()
        except CognitoFederationError as error:
            out[name] = type(error).__name__
            return None
        if isinstance(answer, Challenge):
            out[name] = answer.name
        else:
            out[name] = answer.id_token if isinstance(answer, UserPoolTokens) else "done"
        return answer

    step("wrong password", lambda: user_pool.sign_in("ada", "Wrong-Horse-1"))
    step("unknown user", lambda: user_pool.sign_in("nobody", PASSWORD))
    ada = step("right password", lambda: user_pool.sign_in("ada", PASSWORD))
    step("renewed", lambda: user_pool.refresh(ada))
    step("password changed", lambda: user_pool.change_password(ada, PASSWORD, "Other-Horse-3"))
    step("old password", lambda: user_pool.sign_in("ada", PASSWORD))
    step("new password", lambda: user_pool.sign_in("ada", "Other-Horse-3"))
    step("code for a lost password", lambda: user_pool.forgot_password("ada"))
    step("wrong code for it", lambda: user_pool.forgot_password_submit("ada", "000000", "Third-Horse-4"))
    step("right code for it", lambda: user_pool.forgot_password_submit("ada", "654321", "Third-Horse-4"))
    step("third password", lambda: user_pool.sign_in("ada", "Third-Horse-4"))

    bob = step("temporary password", lambda: user_pool.sign_in("bob", PASSWORD))
    step("one's own instead", lambda: user_pool.complete_new_password(bob, "Changed-Horse-2"))

    step("sign-up", lambda: user_pool.sign_up("eve", PASSWORD, {"email": "eve@example.com"}))
    step("sign-up again", lambda: user_pool.sign_up("eve", PASSWORD, {"email": "eve@example.com"}))
    step("not confirmed yet", lambda: user_pool.sign_in("eve", PASSWORD))
    step("wrong code", lambda: user_pool.confirm_sign_up("eve", "000000"))
    step("right code", lambda: user_pool.confirm_sign_up("eve", "123456"))
    step("confirmed", lambda: user_pool.sign_in("eve", PASSWORD))

    ida = step("second factor asked", lambda: user_pool.sign_in("ida", PASSWORD))
    step("second factor given", lambda: user_pool.confirm_sign_in(ida, live_pool.totp(totp_secret)))
    return out


def _comparable(value: str) -> object:
    body = claims(value)
    return {name: body[name] for name in _STABLE if name in body} or value


@pytest.mark.parametrize("secret", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_same_script_run_by_pycognito_and_by_us_gets_equal_results(
    ministack: Ministack, tmp_path: Path, secret: bool
) -> None:
    pool = live_pool.make(ministack, secret=secret)
    results = []
    for run in ("pycognito", "us"):
        subs = {"ada": pool.add_user("ada"), "bob": pool.add_user("bob", permanent=False), "ida": pool.add_user("ida")}
        signed_in = pool.user_pool().sign_in("ida", PASSWORD)
        assert isinstance(signed_in, UserPoolTokens)
        totp_secret = pool.require_totp(signed_in.access_token)
        out = _by_pycognito(pool, totp_secret, tmp_path) if run == "pycognito" else _by_us(pool, totp_secret)
        own = {
            "right password": "ada",
            "third password": "ada",
            "one's own instead": "bob",
            "second factor given": "ida",
        }
        assert {name: claims(out[name]).get("sub") for name in own} == {name: subs[who] for name, who in own.items()}
        results.append({name: _comparable(value) for name, value in out.items()})
        for name in ("ada", "bob", "eve", "ida"):
            pool.admin.admin_delete_user(UserPoolId=pool.pool_id, Username=name)
    assert results[0] == results[1]
    assert len(results[0]) == 21
