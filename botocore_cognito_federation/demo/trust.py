"""Evaluation of a role's trust policy: principal, action, conditions.

moto does not check the conditions of a trust policy for web identities, and ignores every operator but
StringEquals; ``aud`` and ``amr`` protect a role behind an identity pool.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
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
    kinds = statement.get("Principal", {})
    kinds = kinds if isinstance(kinds, dict) else {}
    named = [*_listed(kinds.get("Federated", [])), *_listed(kinds.get("AWS", []))]
    actions = [str(each).lower() for each in _listed(statement.get("Action", []))]
    return principal in named and any(fnmatch.fnmatchcase(action.lower(), each) for each in actions)


def _conditions_hold(statement: Mapping[str, Any], context: Mapping[str, list[str]]) -> bool:
    return all(
        _condition_holds(operator, _listed(expected), context.get(key, []))
        for operator, keys in statement.get("Condition", {}).items()
        for key, expected in keys.items()
    )


def _condition_holds(operator: str, expected: list[Any], actual: list[str]) -> bool:
    """Evaluate one condition; an unknown operator is never fulfilled, so nothing is allowed by mistake."""
    quantifier, _, test = operator.rpartition(":")
    optional = test.endswith("IfExists")
    test = test.removesuffix("IfExists")
    if not actual:
        return optional or quantifier == "ForAllValues" or test in ("StringNotEquals", "StringNotLike")
    if test in ("StringEquals", "StringNotEquals"):
        matches = [value in expected for value in actual]
    elif test in ("StringLike", "StringNotLike"):
        matches = [any(fnmatch.fnmatchcase(value, str(pattern)) for pattern in expected) for value in actual]
    else:
        return False
    if test.startswith("StringNot"):
        return not any(matches)
    return all(matches) if quantifier == "ForAllValues" else any(matches)
