"""Trust policies: what allows a web identity, and that unknown conditions never do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from botocore_cognito_federation.demo.trust import trusts

pytestmark = pytest.mark.thorough

COGNITO = "cognito-identity.amazonaws.com"
AUD, AMR = f"{COGNITO}:aud", f"{COGNITO}:amr"
CONTEXT = {AUD: ["pool-1"], AMR: ["authenticated", "idp.example", "arn:x:OIDC:ada"]}


def _allowed(condition: dict[str, Any] | None = None, **changes: Any) -> bool:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": COGNITO},
        "Action": "sts:AssumeRoleWithWebIdentity",
        **({"Condition": condition} if condition else {}),
        **changes,
    }
    return trusts(json.dumps({"Statement": [statement]}), COGNITO, CONTEXT)


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {"StringEquals": {AUD: "pool-1"}},
        {"StringEquals": {AUD: ["pool-0", "pool-1"]}},
        {"StringLike": {AUD: "pool-*"}},
        {"ForAnyValue:StringLike": {AMR: "authenticated"}},
        {"ForAnyValue:StringEquals": {AMR: ["unauthenticated", "idp.example"]}},
        {"ForAllValues:StringLike": {AMR: ["a*", "idp.*"]}},
        {"StringNotEquals": {AUD: "pool-2"}},
        {"StringEqualsIgnoreCase": {AUD.upper(): "POOL-1"}},
        {"ForAnyValue:StringNotEquals": {AMR: "authenticated"}},
        {"Null": {"absent:key": "true", AUD: "false"}},
        {"StringEqualsIfExists": {"absent:key": "x"}},
        {"ForAllValues:StringEquals": {"absent:key": "x"}},
    ],
)
def test_conditions_that_hold_let_in(condition: dict[str, Any] | None) -> None:
    assert _allowed(condition)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {AUD: "pool-2"}},
        {"StringEquals": {AUD: "pool-*"}},
        {"StringEquals": {AUD: "pool-1", AMR: "unauthenticated"}},
        {"StringEquals": {"cognito-identity.amazon.com:aud": "pool-1"}},
        {"ForAnyValue:StringLike": {AMR: "unauthenticated"}},
        {"ForAllValues:StringEquals": {AMR: ["authenticated"]}},
        {"StringNotEquals": {AUD: "pool-1"}},
        {"IpAddress": {AUD: "pool-1"}},
        {"StringEqualsIgnoreTypo": {AUD: "pool-1"}},
        {"StringEquals": {AMR: "authenticated"}},
        {"ForAnyValue:StringNotEquals": {"absent:key": "x"}},
        {"Null": {AUD: "true"}},
        {"StringLike": {AUD: "[p]ool-1"}},
    ],
)
def test_conditions_that_fail_or_are_unknown_are_refused(condition: dict[str, Any]) -> None:
    assert not _allowed(condition)


@pytest.mark.parametrize(
    "changes",
    [
        {"Action": "sts:AssumeRole"},
        {"Action": []},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"Federated": "arn:aws:iam::1:oidc-provider/idp.example"}},
        {"Principal": "*"},
        {"Effect": "Deny"},
    ],
)
def test_another_action_principal_or_effect_is_refused(changes: dict[str, Any]) -> None:
    assert not _allowed(**changes)


@pytest.mark.parametrize("action", ["sts:*", "*", "STS:assumeRoleWithWebIdentity", ["sts:TagSession", "sts:Assume*"]])
def test_actions_match_with_wildcards_and_in_any_case(action: Any) -> None:
    assert _allowed(Action=action)


def test_a_deny_beats_an_allow() -> None:
    statement = {"Principal": {"Federated": COGNITO}, "Action": "sts:*"}
    document = {"Statement": [{**statement, "Effect": "Allow"}, {**statement, "Effect": "Deny"}]}
    assert not trusts(json.dumps(document), COGNITO, CONTEXT)
    assert not trusts(json.dumps({"Statement": []}), COGNITO, CONTEXT)
