"""Evaluates a role's trust policy as IAM does: who may assume the role through which identity pool.

IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators". Not every value of a
request is known here, such as its address; what depends on one is neither allowed nor denied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ASSUME, TAG_SESSION = "sts:AssumeRoleWithWebIdentity", "sts:TagSession"
_NO_POOL = "00000000-0000-0000-0000-000000000000"
#: Keys of the caller, the session and the request: some have values in a request, and which ones is not known here.
_UNKNOWN = ("aws:", "sts:")
#: Operators of values that no known key has; with a key that is not known, they are as undecided as the others.
_OTHER_FAMILIES = re.compile(r"(Numeric|Date)\w+|Bool|(Not)?IpAddress|BinaryEquals")


class Start(str):
    """The start of a value whose end differs from user to user."""


@dataclass(frozen=True)
class Caller:
    """A principal with the condition keys of its request.

    Attributes:
        kind: the kind of principal, ``Federated`` or ``AWS``.
        context: the condition keys that are known, in lower case, and their values.
        several: those of them that may have several values, and so need ``ForAnyValue:`` or ``ForAllValues:``.
    """

    kind: str
    name: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    several: frozenset[str] = frozenset()

    def values(self, key: str) -> tuple[str, ...] | None:
        """Return the values of a condition key: none if the request has no such key, None if they are not known."""
        key = key.lower()
        return self.context.get(key, None if key.startswith(_UNKNOWN) else ())


@dataclass(frozen=True)
class Decision:
    """The answer of a policy.

    Attributes:
        allowed: None if it depends on what is not known here.
        why: the reason where it is not allowed.
    """

    allowed: bool | None
    why: str = ""


@dataclass(frozen=True)
class _Test:
    """One condition key of a statement, with its operator and the values to compare with."""

    operator: str
    key: str
    expected: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.operator} {self.key} = {', '.join(self.expected)}"


def pool_user(principal: str, pool_id: str, amr: str, login_key: str, provider_arn: str = "") -> Caller:
    """Return a user of an identity pool.

    Args:
        principal: the federated principal of the region's pools.
        amr: ``authenticated`` or ``unauthenticated``.
        login_key: of the provider where the user has signed in.
        provider_arn: of the OIDC provider in IAM, if the pool has the provider by that.
    """
    # Cognito developer guide, "Role trust and permissions": who signed in, where, and as whom.
    signed_in = (login_key, Start(f"{provider_arn or login_key}:")) if amr == "authenticated" and login_key else ()
    context = {
        f"{principal}:aud": (pool_id,),
        f"{principal}:sub": (Start(f"{pool_id.partition(':')[0]}:"),),
        f"{principal}:amr": (amr, *signed_in),
        "aws:federatedprovider": (principal,),
    }
    return Caller("Federated", principal, context, frozenset({f"{principal}:amr"}))


def decide(document: Mapping[str, Any], caller: Caller, action: str) -> Decision:
    """Return whether a trust policy allows the action: an Allow is needed, and any Deny wins."""
    statements = [one for one in listed(document.get("Statement", [])) if isinstance(one, Mapping)]
    allows = [one for one in statements if one.get("Effect") == "Allow"]
    denies = [one for one in statements if one.get("Effect") == "Deny" and concerns(one, caller, action)]
    denied = [_all(_outcomes(one, caller, unclear=None).values()) for one in denies]
    if True in denied:
        sid = denies[denied.index(True)].get("Sid")
        return Decision(False, f"a Deny statement {f'({sid}) ' if sid else ''}refuses {action}")
    acting = [one for one in allows if concerns(one, caller, action)]
    if not acting:
        named = any(_names(one, caller) for one in allows)
        return Decision(False, f"it does not {f'allow {action}' if named else f'name the principal {caller.name}'}")
    allowed = [_all(_outcomes(one, caller).values()) for one in acting]
    if True in allowed and None not in denied:
        return Decision(True)
    if True in allowed or None in allowed:
        undecided = acting[allowed.index(None)] if True not in allowed else denies[denied.index(None)]
        outcomes = _outcomes(undecided, caller, unclear=None)
        tests = [str(test) for test, outcome in outcomes.items() if outcome is None]
        return Decision(None, f"{action} depends on {' and '.join(tests)}")
    return Decision(False, _unmet(acting, caller))


def concerns(statement: Mapping[str, Any], caller: Caller, action: str) -> bool:
    """Return whether a statement is about this principal and this action, whatever its conditions say."""
    if "NotAction" in statement:
        acts = not any(_is_like(action.lower(), str(one).lower()) for one in listed(statement["NotAction"]))
    else:
        acts = any(_is_like(action.lower(), str(one).lower()) for one in listed(statement.get("Action", [])))
    return acts and _names(statement, caller)


def _names(statement: Mapping[str, Any], caller: Caller) -> bool:
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], caller)
    principals = statement.get("Principal", {})
    if principals == "*" and caller.kind == "Federated":
        return statement.get("Effect") == "Deny"  # to allow it, IAM wants the provider by its name
    return _is_among(principals, caller)


def _is_among(principals: Any, caller: Caller) -> bool:
    if principals == "*":
        return True
    named = listed(principals.get(caller.kind, [])) if isinstance(principals, Mapping) else []
    return caller.name in named or (caller.kind == "AWS" and "*" in named)


def _outcomes(
    statement: Mapping[str, Any], caller: Caller, *, unclear: bool | None = False
) -> dict[_Test, bool | None]:
    """Return what each condition of a statement says.

    Args:
        unclear: the outcome where a key has several values and the operator does not say whether one or all count. IAM
            leaves that open, so it allows nothing, and may deny.
    """
    conditions = statement.get("Condition") or {}
    tests = [
        _Test(str(operator), str(key), tuple(str(one) for one in listed(expected)))
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    ]
    return {test: _outcome(test, caller, unclear) for test in tests}


def _outcome(test: _Test, caller: Caller, unclear: bool | None) -> bool | None:
    """Return whether a condition is met; None if that is not known here, False for an operator that IAM lacks."""
    quantifier, _, operator = test.operator.rpartition(":")
    values, if_exists = caller.values(test.key), operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    if operator == "Null" and not quantifier and not if_exists:
        return None if values is None else (not values) == (test.expected[:1] in (("true",), ("True",)))
    if quantifier not in ("", "ForAnyValue", "ForAllValues") or not _is_operator(operator):
        return False
    if values is None:
        return None
    negative = "Not" in operator
    if not values:
        return if_exists or quantifier == "ForAllValues" or (negative and not quantifier)
    if test.key.lower() in caller.several and not quantifier:
        return unclear
    compare = _COMPARE.get(operator.replace("Not", ""), lambda value, expected: False)
    each = [_any(_equal(value, one, compare) for one in test.expected) for value in values]
    outcomes = [_not(one) for one in each] if negative else each
    return _any(outcomes) if quantifier == "ForAnyValue" else _all(outcomes)


def _is_operator(operator: str) -> bool:
    return operator.replace("Not", "") in _COMPARE or _OTHER_FAMILIES.fullmatch(operator) is not None


def _equal(value: str, expected: str, compare: Callable[[str, str], bool]) -> bool | None:
    if "${" in expected:
        return None  # a policy variable
    if not isinstance(value, Start):
        return compare(value, expected)
    if compare is _COMPARE["StringEqualsIgnoreCase"]:
        value, expected = Start(value.casefold()), expected.casefold()
    if compare is _is_like and expected.endswith("*") and _is_like(value, expected):
        return True
    head = re.split(r"[*?]", expected)[0] if compare is _is_like else expected
    return None if head.startswith(value) or (head != expected and value.startswith(head)) else False


def _is_like(value: str, pattern: str) -> bool:
    """Match IAM's patterns: ``*`` is any text and ``?`` any character; nothing else has a meaning."""
    text = "".join({"*": ".*", "?": "."}.get(one) or re.escape(one) for one in pattern)
    return re.fullmatch(text, value, re.DOTALL) is not None


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, expected: value == expected,
    "StringEqualsIgnoreCase": lambda value, expected: value.casefold() == expected.casefold(),
    "StringLike": _is_like,
    "ArnEquals": lambda value, expected: value.startswith("arn:") and _is_like(value, expected),
    "ArnLike": lambda value, expected: value.startswith("arn:") and _is_like(value, expected),
}


def _all(outcomes: Iterable[bool | None]) -> bool | None:
    found = list(outcomes)
    return False if False in found else None if None in found else True


def _any(outcomes: Iterable[bool | None]) -> bool | None:
    found = list(outcomes)
    return True if True in found else None if None in found else False


def _not(outcome: bool | None) -> bool | None:
    return None if outcome is None else not outcome


def _unmet(acting: list[Mapping[str, Any]], caller: Caller) -> str:
    """Say what the statement lacks that comes closest to letting the caller in."""
    unmet = [[test for test, met in _outcomes(one, caller).items() if met is False] for one in acting]
    test = min(unmet, key=len)[0]
    operator, values = test.operator.rpartition(":")[2].removesuffix("IfExists"), caller.values(test.key) or ()
    if operator != "Null" and not _is_operator(operator):
        return f"IAM has no condition operator {test.operator}"
    if test.key.lower() in caller.several and ":" not in test.operator and operator != "Null":
        return f"{test.key} has several values: {test.operator} needs ForAnyValue: in front"
    if not values:
        return f"its condition {test} is about a key that such requests do not have"
    name, plain = test.key.rpartition(":")[2].lower(), test.operator in ("StringEquals", "ForAnyValue:StringLike")
    if plain and name == "aud":
        return f"its aud is not this pool, {values[0]}"
    if plain and name == "amr":
        return f"its amr is not {values[0]}"
    return f"its condition {test} is not met by {', '.join(values[:2])}"


@dataclass(frozen=True)
class TrustReport:
    """What is wrong with a role's trust policy, and what cannot be decided without more knowledge."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def examine(document: Mapping[str, Any], user: Caller, *, tags: bool) -> TrustReport:
    """Return why a trust policy refuses the users of a role, and whom else it lets in.

    Args:
        user: one of those for whom the role is.
        tags: their sessions carry principal tags.
    """
    problems, notes = [], []
    for action in (ASSUME, TAG_SESSION) if tags else (ASSUME,):
        decision = decide(document, user, action)
        if decision.allowed is False:
            needed = ", which principal tags need" if action == TAG_SESSION else ""
            problems.append(decision.why + needed)
            break
        if decision.allowed is None:
            notes.append(decision.why)
    problems += [
        f"it also lets in {stranger}" for stranger, one, action in _strangers(user) if _lets_in(document, one, action)
    ]
    return TrustReport(tuple(problems), tuple(notes))


def _strangers(user: Caller) -> list[tuple[str, Caller, str]]:
    aud, amr = f"{user.name}:aud", f"{user.name}:amr"
    region = user.context[aud][0].partition(":")[0]
    other_pool = replace(user, context={**user.context, aud: (f"{region}:{_NO_POOL}",)})
    guest = replace(user, context={**user.context, amr: ("unauthenticated",)})
    found = [("users of any identity pool", other_pool, ASSUME)]
    if "unauthenticated" not in user.context[amr]:
        found.append(("guests", guest, ASSUME))
    return [*found, ("every AWS account", Caller("AWS", "arn:aws:iam::000000000000:root"), "sts:AssumeRole")]


def _lets_in(document: Mapping[str, Any], caller: Caller, action: str) -> bool:
    allowed = decide(document, caller, action).allowed
    return allowed is True if caller.kind == "AWS" else allowed is not False


def replaced(document: Mapping[str, Any], own: Mapping[str, Any], user: Caller, *, tags: bool) -> dict[str, Any]:
    """Return a trust policy with the statement `own` for these users; statements about other principals stay."""
    others = [
        one
        for one in listed(document.get("Statement", []))
        if isinstance(one, Mapping) and not _names(one, user) and user.name not in str(one)
    ]
    corrected = {"Version": "2012-10-17", **document, "Statement": [*others, own]}
    if examine(corrected, user, tags=tags).problems:
        corrected["Statement"] = [own]
    return corrected


def listed(value: Any) -> list[Any]:
    """Return a value of a policy as a list: IAM takes one value in the place of a list of one."""
    return value if isinstance(value, list) else [value]
