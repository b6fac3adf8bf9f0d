"""Evaluation of a role's trust policy for AssumeRoleWithWebIdentity: principal, action, conditions.

moto does not check the conditions of a trust policy for web identities, and ignores every operator but
StringEquals; ``aud`` and ``amr`` protect a role behind an identity pool.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from typing import Any

ACTION = "sts:AssumeRoleWithWebIdentity"


def trusts(document: str, federated: str, context: Mapping[str, list[str]]) -> bool:
    """Return whether a trust policy allows this federated principal.

    Args:
        document: the role's AssumeRolePolicyDocument, JSON.
        federated: ``cognito-identity.amazonaws.com`` or the ARN of an IAM OIDC provider.
        context: condition keys with their values, e.g. ``cognito-identity.amazonaws.com:aud``.
    """
    statements = _listed(json.loads(document).get("Statement", []))
    concerned = [s for s in statements if _concerns(s, federated) and _conditions_hold(s, context)]
    return bool(concerned) and all(statement.get("Effect") == "Allow" for statement in concerned)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _concerns(statement: Mapping[str, Any], federated: str) -> bool:
    principal = statement.get("Principal", {})
    named = _listed(principal.get("Federated", [])) if isinstance(principal, dict) else []
    actions = [str(action).lower() for action in _listed(statement.get("Action", []))]
    return federated in named and any(fnmatch.fnmatchcase(ACTION.lower(), action) for action in actions)


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
