"""The variables in the cache query of the fast path, compared with all code that reads a variable."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import botocore_cognito_federation as package
from botocore_cognito_federation._fast_path import CacheQuery
from botocore_cognito_federation.config.keys import KEYS, OTHER_VARIABLES, VARIABLE_PREFIX

PACKAGE = Path(package.__file__).parent
PREFIX_OF_ENDPOINTS = "AWS_ENDPOINT_URL"

#: Variables of AWS that the package names and that do not affect ``credential-process``, each with the reason.
NOT_ASKED = {
    "AWS_ACCESS_KEY": "given to or taken from the child of exec",
    "AWS_ACCESS_KEY_ID": "given to the child of exec; the SDK that has it starts no helper",
    "AWS_ACCOUNT_ID": "given to the child of exec",
    "AWS_BEARER_TOKEN_BEDROCK": "taken from the child of exec",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "given to the child of serve and exec",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "taken from the child of exec",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "given to the child of serve and exec",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "taken from the child of exec",
    "AWS_CREDENTIAL_EXPIRATION": "given to the child of exec",
    "AWS_CREDENTIAL_FILE": "taken from the child of exec",
    "AWS_DEFAULT_PROFILE": "names the profile, which is in the question itself",
    "AWS_DEFAULT_REGION": "a pool has its own region; STS is called in the profile's",
    "AWS_EXECUTION_ENV": "says only whether a browser can be opened",
    "AWS_PAGER": "says only how the AWS CLI shows what it prints",
    "AWS_PROFILE": "names the profile, which is in the question itself",
    "AWS_REGION": "a pool has its own region; STS is called in the profile's",
    "AWS_ROLE_ARN": "looked at only to warn of what comes before the profile",
    "AWS_ROLE_SESSION_NAME": "taken from the child of exec",
    "AWS_SECRET_ACCESS_KEY": "given to the child of exec",
    "AWS_SECRET_KEY": "taken from the child of exec",
    "AWS_SECURITY_TOKEN": "taken from the child of exec",
    "AWS_SESSION_TOKEN": "given to the child of exec",
    "AWS_TOKEN": "taken from the child of exec",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "looked at only to warn of what comes before the profile",
}
#: Read by botocore.
OF_BOTOCORE = ("AWS_CA_BUNDLE", "AWS_DATA_PATH", "AWS_STS_REGIONAL_ENDPOINTS")


def named() -> set[str]:
    """Return the variables of AWS that any module of the package names in a string."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if "demo" in path.relative_to(PACKAGE).parts:
            continue
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "AWS_" in text else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"\AAWS_[A-Z_]+\Z", node.value))
    return found


def tells_apart(variable: str) -> bool:
    """Return whether a query with the variable differs from one without."""
    plain = {"AWS_PROFILE": "dev"}
    return CacheQuery("dev", plain).fingerprint != CacheQuery("dev", {**plain, variable: "x"}).fingerprint


@pytest.mark.parametrize("variable", sorted(key.variable for key in KEYS.values() if key.has_variable))
def test_a_variable_that_sets_a_key_makes_another_query(variable: str) -> None:
    assert tells_apart(variable)


@pytest.mark.parametrize("name", sorted(OTHER_VARIABLES))
def test_so_does_every_other_variable_of_the_catalogue(name: str) -> None:
    assert tells_apart(VARIABLE_PREFIX + name)


def test_each_variable_of_aws_makes_another_query_unless_there_is_a_reason_against_it_and_no_reason_is_left() -> None:
    in_source = named()
    asked = {*in_source, *OF_BOTOCORE, f"{PREFIX_OF_ENDPOINTS}_COGNITO_IDENTITY"}
    assert set(NOT_ASKED) <= in_source
    assert {variable for variable in asked if not tells_apart(variable)} == set(NOT_ASKED)


def test_an_unknown_variable_makes_no_other_query() -> None:
    assert not tells_apart("PATH")
    assert not tells_apart("AWS_PAGER")
