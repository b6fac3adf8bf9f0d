"""The refusals of Cognito and STS, in the words of the catalogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation.errors import CognitoFederationError, Retry
from botocore_cognito_federation.identity_pool import errors as diagnosis

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"


FACTS = diagnosis.CallContext(
    pool=POOL,
    profile="p",
    login_key="idp",
    claims={"iss": "https://idp", "sub": "u", "aud": "a", "exp": 5},
    identity_id="i",
    now=9.0,
)


@pytest.mark.parametrize("rule", diagnosis._RULES, ids=lambda rule: f"{rule.code}-{rule.part}"[:50])
def test_every_rule_is_reached_with_either_apostrophe_and_in_any_case(rule):
    code = rule.code or "AnyException"
    for apostrophe in ("'", "\N{RIGHT SINGLE QUOTATION MARK}"):
        message = f"Well: {rule.part}".upper().replace("'", apostrophe)
        found = diagnosis.explain(code, message, 400, FACTS)
        assert found.retry is rule.retry
        assert "{" not in found.cause + found.remedy
        if "expired" not in rule.part and rule.code != "ExpiredToken":
            assert found.cause == rule.cause.format_map(FACTS.words())


@pytest.mark.parametrize("end", [10**400, float("inf"), float("nan"), -1, True, "soon", None, [1]])
def test_an_expiry_that_is_no_time_is_survived(end):
    from dataclasses import replace

    facts = replace(FACTS, claims={"exp": end}, server_time=1_800_000_000.0)
    found = diagnosis.explain("NotAuthorizedException", "Invalid login token. Token is expired.", 400, facts)
    assert found.retry is Retry.TOKEN
    assert "expired" in found.cause


@given(code=st.text(), message=st.text(max_size=400), status=st.integers(0, 999))
def test_whatever_a_service_says_there_is_one_printable_line(code, message, status):
    found = diagnosis.explain(code, message, status, FACTS)
    line = CognitoFederationError(found.cause, remedy=found.remedy).line
    assert "\n" not in line
    assert "\x1b" not in diagnosis.explain("Odd", message, status, FACTS).cause
