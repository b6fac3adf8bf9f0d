"""Evaluation of a role's trust policy: principal, action, conditions.

moto does not check the conditions of a trust policy for web identities, and ignores every operator but
StringEquals; ``aud`` and ``amr`` protect a role behind an identity pool.
"""

from __future__ import annotations

import fnmatch
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

ACTION = "sts:AssumeRoleWithWebIdentity"


def trusts(document: str, principal: str, context: Mapping[str, list[str]], *, action: str = ACTION) -> bool:
    """Return whether a trust policy allows this principal the action.

    Args:
        document: the role's AssumeRolePolicyDocument, JSON.
        principal: ``cognito-identity.amazonaws.com`` or the ARN of an IAM OIDC provider, or of a role.
        context: condition keys with their values, e.g. ``cognito-identity.amazonaws.com:aud``.
        action: such as ``sts:TagSession``.
    """
    statements = _listed(json.loads(document).get("Statement", []))
    concerned = [s for s in statements if _concerns(s, principal, action) and _conditions_hold(s, context)]
    return bool(concerned) and all(statement.get("Effect") == "Allow" for statement in concerned)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _concerns(statement: Mapping[str, Any], principal: str, action: str) -> bool:
    element = "NotAction" if "NotAction" in statement else "Action"
    acts = any(_like(action.lower(), str(each).lower()) for each in _listed(statement.get(element, [])))
    if acts == (element == "NotAction"):
        return False
    if "NotPrincipal" in statement:
        return not _named(statement["NotPrincipal"], principal)
    if statement.get("Principal") == "*":
        # It allows accounts and their roles. A federated user it only denies: to allow one, IAM wants the provider.
        return ":role/" in principal or statement.get("Effect") == "Deny"
    return _named(statement.get("Principal"), principal)


def _named(principals: Any, principal: str) -> bool:
    if not isinstance(principals, dict):
        return bool(principals == "*")
    federated, accounts = _listed(principals.get("Federated", [])), _listed(principals.get("AWS", []))
    return principal in federated or principal in accounts or ("*" in accounts and ":role/" in principal)


def _conditions_hold(statement: Mapping[str, Any], context: Mapping[str, list[str]]) -> bool:
    known = {key.lower(): values for key, values in context.items()}
    return all(
        _condition_holds(name, [str(each) for each in _listed(expected)], known.get(key.lower(), []))
        for name, keys in statement.get("Condition", {}).items()
        for key, expected in keys.items()
    )


def _condition_holds(name: str, expected: list[str], actual: list[str]) -> bool:
    """Evaluate one condition; an unknown operator is never fulfilled, so nothing is allowed by mistake.

    Without a quantifier, a key with several values fulfils nothing: IAM asks for ``ForAnyValue`` or ``ForAllValues``
    there, and does not say which value counts otherwise.
    """
    quantifier, _, test = name.rpartition(":")
    if name == "Null":
        return (not actual) == (expected[0].lower() == "true")
    optional = test.endswith("IfExists")
    test = test.removesuffix("IfExists")
    negative = test.startswith("StringNot")
    match = _TESTS.get(test.replace("Not", "", 1) if negative else test)
    if match is None or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        return False
    if not actual:
        return optional or quantifier == "ForAllValues" or (negative and not quantifier)
    outcomes = [any(match(value, each) for each in expected) != negative for value in actual]
    if not quantifier and len(actual) > 1:
        return False
    return any(outcomes) if quantifier == "ForAnyValue" else all(outcomes)


def _like(value: str, pattern: str) -> bool:
    """Match ``*`` and ``?``; other characters have no meaning in a policy, as brackets have in `fnmatch`."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": lambda value, expected: value.lower() == expected.lower(),
    "StringLike": _like,
}
