"""Trust policies are evaluated as IAM does: whom they refuse, whom else they let in, and what is not known."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.administration.trust import (
    ASSUME,
    TAG_SESSION,
    Caller,
    decide,
    examine,
    pool_user,
    replaced,
)
from botocore_cognito_federation.demo.trust import trusts

NAME = "cognito-identity.amazonaws.com"
AUD, AMR, SUB = f"{NAME}:aud", f"{NAME}:amr", f"{NAME}:sub"
POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
USER = pool_user(NAME, POOL, "authenticated", "idp.example", "arn")
GOOD: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Federated": NAME},
    "Action": [ASSUME, TAG_SESSION],
    "Condition": {"StringEquals": {AUD: POOL}, "ForAnyValue:StringLike": {AMR: "authenticated"}},
}


def policy(*statements: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements) or [{**GOOD, **changes}]}


def conditions(**changes: Any) -> dict[str, Any]:
    """Return the good policy with other conditions; `_` stands for ``:`` in an operator's name."""
    return policy(Condition={name.replace("_", ":"): tests for name, tests in changes.items()})


FINE = {
    "as create makes it": policy(),
    "one statement, not in a list": {"Statement": GOOD},
    "all actions of STS": policy(Action="sts:*"),
    "actions in other letters": policy(Action=["STS:assumerolewithwebidentity", "sts:TAGSESSION"]),
    "two pools": conditions(StringEquals={AUD: [POOL, "eu-west-1:x"]}, ForAnyValue_StringLike={AMR: "authenticated"}),
    "a pattern of the pool": conditions(
        StringLike={AUD: f"{POOL[:-1]}?"}, ForAnyValue_StringEquals={AMR: "authenticated"}
    ),
    "the provider as amr": conditions(StringEquals={AUD: POOL}, ForAnyValue_StringEquals={AMR: "idp.example"}),
    "no guests": conditions(StringEquals={AUD: POOL}, ForAllValues_StringNotEquals={AMR: "unauthenticated"}),
    "letters of no case": conditions(
        StringEqualsIgnoreCase={AUD.upper(): POOL.upper()}, ForAnyValue_StringLike={AMR: "auth*"}
    ),
    "a key that is there": conditions(
        StringEquals={AUD: POOL}, ForAnyValue_StringLike={AMR: "authenticated"}, Null={AUD: "false"}
    ),
    "a Deny for guests": policy(
        GOOD,
        {**GOOD, "Effect": "Deny", "Condition": {"ForAnyValue:StringEquals": {AMR: "unauthenticated"}}},
    ),
    "another principal besides": policy({**GOOD, "Principal": {"Service": "ec2.amazonaws.com"}, "Condition": {}}, GOOD),
}
WRONG = {
    "no statement": ({"Statement": []}, "does not name the principal"),
    "no principal": (policy(Principal={}), "does not name the principal"),
    "misspelt principal": (
        policy(Principal={"Federated": "cognito-identity.amazon.com"}),
        "does not name the principal",
    ),
    "principal of another partition": (
        policy(Principal={"Federated": "cognito-identity-us-gov.amazonaws.com"}),
        "does not name the principal",
    ),
    "everybody": (policy(Principal="*"), "does not name the principal"),
    "principal of another kind": (policy(Principal={"Service": NAME}), "does not name the principal"),
    "all but the pools": (
        {"Statement": [{"Effect": "Allow", "NotPrincipal": {"Federated": NAME}, "Action": "sts:*"}]},
        "does not name the principal",
    ),
    "AssumeRole": (policy(Action=["sts:AssumeRole", TAG_SESSION]), f"does not allow {ASSUME}"),
    "no TagSession": (policy(Action=ASSUME), f"does not allow {TAG_SESSION}, which principal tags need"),
    "all but this action": (
        {"Statement": [{key: value for key, value in GOOD.items() if key != "Action"} | {"NotAction": "sts:Assume*"}]},
        f"does not allow {ASSUME}",
    ),
    "wrong aud": (conditions(StringEquals={AUD: "eu-west-1:x"}), "its aud is not this pool"),
    "wrong amr": (
        conditions(StringEquals={AUD: POOL}, ForAnyValue_StringLike={AMR: "unauthenticated"}),
        "its amr is not authenticated",
    ),
    "not this pool": (
        conditions(StringNotEquals={AUD: POOL}, ForAnyValue_StringLike={AMR: "authenticated"}),
        "StringNotEquals",
    ),
    "a pattern under StringEquals": (conditions(StringEquals={AUD: "eu-west-1:*"}), "its aud is not this pool"),
    "brackets of a pattern": (conditions(StringLike={AUD: f"[{POOL[0]}]{POOL[1:]}"}), "is not met"),
    "amr without ForAnyValue": (
        conditions(StringEquals={AUD: POOL, AMR: "authenticated"}),
        "needs ForAnyValue: in front",
    ),
    "all values of amr": (
        conditions(StringEquals={AUD: POOL}, ForAllValues_StringEquals={AMR: "authenticated"}),
        "ForAllValues:StringEquals",
    ),
    "an operator that IAM lacks": (conditions(StringEqual={AUD: POOL}), "IAM has no condition operator StringEqual"),
    "Null of a key that is there": (conditions(StringEquals={AUD: POOL}, Null={AUD: "true"}), "Null"),
    "a key of other requests": (conditions(StringEquals={AUD: POOL, "graph.facebook.com:app_id": "1"}), "do not have"),
    "a key of another partition": (
        conditions(StringEquals={"cognito-identity-us-gov.amazonaws.com:aud": POOL}),
        "do not have",
    ),
    "a number as pool": (conditions(NumericEquals={AUD: "1"}), "NumericEquals"),
    "a Deny": (
        policy(GOOD, {**GOOD, "Sid": "Stop", "Effect": "Deny", "Condition": {}}),
        "a Deny statement (Stop) refuses",
    ),
    "a Deny of all but one action": (
        policy(GOOD, {"Effect": "Deny", "Principal": "*", "NotAction": "sts:TagSession"}),
        f"refuses {ASSUME}",
    ),
    "a Deny of all but others": (
        policy(GOOD, {"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sts:*"}),
        "a Deny statement",
    ),
    "a Deny of missing keys": (
        policy(GOOD, {**GOOD, "Effect": "Deny", "Condition": {"Null": {"saml:sub": "true"}}}),
        "a Deny statement",
    ),
    "any pool": (
        conditions(StringLike={AUD: "*"}, ForAnyValue_StringLike={AMR: "authenticated"}),
        "users of any identity pool",
    ),
    "any pool of the region": (
        conditions(StringLike={AUD: "eu-west-1:*"}, ForAnyValue_StringLike={AMR: "authenticated"}),
        "users of any identity pool",
    ),
    "any pool but one": (
        conditions(StringNotEquals={AUD: "eu-west-1:x"}, ForAnyValue_StringLike={AMR: "authenticated"}),
        "users of any identity pool",
    ),
    "no aud": (conditions(ForAnyValue_StringLike={AMR: "authenticated"}), "users of any identity pool"),
    "no amr": (conditions(StringEquals={AUD: POOL}), "guests"),
    "amr as pattern": (conditions(StringEquals={AUD: POOL}, ForAnyValue_StringLike={AMR: "*authenticated"}), "guests"),
    "amr if it exists": (conditions(StringEquals={AUD: POOL}, ForAllValues_StringLikeIfExists={AMR: "*"}), "guests"),
    "every account": (
        policy(GOOD, {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}),
        "every AWS account",
    ),
    "every account by NotPrincipal": (
        policy(GOOD, {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}),
        "every AWS account",
    ),
}


@pytest.mark.parametrize("which", FINE)
def test_a_policy_that_lets_in_the_pool_s_users_and_no_others_is_good(which: str) -> None:
    report = examine(FINE[which], USER, tags=True)
    assert (report.problems, report.notes) == ((), ())


@pytest.mark.parametrize("which", WRONG)
def test_a_wrong_policy_is_found_with_the_reason(which: str) -> None:
    document, words = WRONG[which]
    assert words in " ".join(examine(document, USER, tags=True).problems)


@pytest.mark.parametrize("which", WRONG)
def test_a_wrong_policy_is_good_after_its_correction(which: str) -> None:
    after = replaced(WRONG[which][0], GOOD, USER, tags=True)
    assert examine(after, USER, tags=True).problems == ()


def test_a_correction_leaves_other_principals_alone() -> None:
    machine = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    wrong = policy(machine, {**GOOD, "Action": "sts:AssumeRole"})
    assert replaced(wrong, GOOD, USER, tags=True)["Statement"] == [machine, GOOD]


@pytest.mark.parametrize(
    "condition",
    [
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        {"StringEquals": {SUB: f"{POOL[:-1]}6"}},
        {"ForAnyValue:StringLike": {AMR: "arn:aws:iam::*:oidc-provider/idp.example:OIDC:ada"}},
        {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}},
    ],
)
def test_what_depends_on_the_request_is_said_and_is_no_fault(condition: dict[str, Any]) -> None:
    both = {**GOOD["Condition"]}
    for name, tests in condition.items():
        both[name] = {**both.get(name, {}), **tests}
    report = examine(policy(Condition=both), USER, tags=False)
    assert report.problems == ()
    assert f"{ASSUME} depends on " in report.notes[0]


def test_a_deny_that_does_not_say_which_of_several_values_counts_may_deny() -> None:
    unclear = {**GOOD, "Effect": "Deny", "Condition": {"StringNotEquals": {AMR: "authenticated"}}}
    assert decide(policy(GOOD, unclear), USER, ASSUME).allowed is None
    assert "StringNotEquals" in examine(policy(GOOD, unclear), USER, tags=False).notes[0]


def test_every_identity_of_the_region_is_every_user() -> None:
    both = {**GOOD["Condition"], "StringLike": {SUB: "eu-west-1:*"}}
    assert examine(policy(Condition=both), USER, tags=True).notes == ()


def test_a_guest_role_is_for_guests() -> None:
    guest = pool_user(NAME, POOL, "unauthenticated", "idp.example")
    condition = {"StringEquals": {AUD: POOL, AMR: "unauthenticated"}}
    assert examine(policy(Action=ASSUME, Condition=condition), guest, tags=False).problems != ()
    condition = {"StringEquals": {AUD: POOL}, "ForAnyValue:StringLike": {AMR: "unauthenticated"}}
    assert examine(policy(Action=ASSUME, Condition=condition), guest, tags=False).problems == ()


OPERATORS = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "Null", "Typo")
VALUES = (POOL, "eu-west-1:*", "*", "authenticated", "idp.*", "true", "a?c")
CONTEXT = {AUD: [POOL], AMR: ["authenticated", "idp.example", "arn:OIDC:ada"], SUB: ["eu-west-1:ada"]}
_conditions = st.dictionaries(
    st.builds(
        lambda quantifier, name, end: f"{quantifier}{name}{end}" if name != "Null" else name,
        st.sampled_from(["", "ForAnyValue:", "ForAllValues:"]),
        st.sampled_from(OPERATORS),
        st.sampled_from(["", "IfExists"]),
    ),
    st.dictionaries(
        st.sampled_from([AUD, AMR, "saml:aud"]),
        st.lists(st.sampled_from(VALUES), min_size=1, max_size=2),
        min_size=1,
        max_size=2,
    ),
    max_size=2,
)
_statements = st.builds(
    lambda effect, who, principal, acts, action, condition: {
        "Effect": effect, who: principal, acts: action, "Condition": condition
    },
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["Principal", "NotPrincipal"]),
    st.sampled_from([{"Federated": NAME}, {"Federated": ["x.example", NAME]}, {"AWS": "*"}, "*"]),
    st.sampled_from(["Action", "NotAction"]),
    st.sampled_from([ASSUME, "sts:*", "sts:TagSession", ["sts:assumerole*"]]),
    _conditions,
)  # fmt: skip


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(st.lists(_statements, min_size=1, max_size=3))
def test_check_and_the_demo_s_account_agree_about_every_policy(statements: list[dict[str, Any]]) -> None:
    """Both are evaluated apart from each other; where `check` leaves it open, one of the values is not known to it."""
    document = {"Version": "2012-10-17", "Statement": statements}
    before = copy.deepcopy(document)
    allowed = decide(document, USER, ASSUME).allowed
    assert allowed in (None, trusts(json.dumps(document), NAME, CONTEXT))
    assert document == before


def test_what_is_not_known_is_neither_allowed_nor_denied() -> None:
    address: Callable[[str], dict[str, Any]] = lambda effect: {  # noqa: E731
        **GOOD, "Effect": effect, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.1"}}
    }  # fmt: skip
    assert decide(policy(GOOD, address("Deny")), USER, ASSUME).allowed is None
    assert decide(policy(address("Allow")), USER, ASSUME).allowed is None
    assert decide(policy(GOOD, address("Allow")), USER, ASSUME).allowed is True
    assert decide(policy(GOOD), Caller("AWS", "arn:aws:iam::1:root"), ASSUME).allowed is False
