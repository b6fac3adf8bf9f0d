"""AssumeRole with the credentials of another role: what moto does not look at.

moto checks the signature, the first role's permission and the trust policy's principal. This checks the request's
limits, the conditions of the trust policy (external ID, tags, source identity, session name), and that tags and a
source identity are trusted by actions of their own (IAM User Guide, "Pass session tags in AWS STS", "Monitor and
control actions taken with assumed roles").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from . import refusals
from .refusals import Refusal
from .sts import shape_refusal
from .trust import trusts

OPERATION = "AssumeRole"
#: AWS packs policies and tags in a binary form of its own and allots a fixed room; here their letters are counted.
_ALLOTTED = 2048
_SHAPES = (
    ("RoleSessionName", 2, 64, r"[\w+=,.@-]*"),
    ("ExternalId", 2, 1224, r"[\w+=,.@:\/-]*"),
    ("SourceIdentity", 2, 64, r"[\w+=,.@-]*"),
    ("Policy", 1, 2048, r"[\u0009\u000A\u000D\u0020-\u00FF]+"),
)


def admit(form: Mapping[str, str], trust_policy: str, role_arn: str, caller_role: str, caller: str) -> None:
    """Refuse what STS refuses besides the caller's own permission.

    Args:
        form: the parameters of the request.
        trust_policy: of the role that is to be assumed, JSON.
        role_arn: its ARN.
        caller_role: the ARN of the role that the caller's session is of.
        caller: the ARN of that session, for messages.

    Raises:
        Refusal: the error of STS.
    """
    _check_shape(form)
    tags = tags_of(form)
    _check_size(form, tags)
    context = {f"aws:RequestTag/{name}": [value] for name, value in tags.items()}
    for key, member in (
        ("sts:ExternalId", "ExternalId"),
        ("sts:SourceIdentity", "SourceIdentity"),
        ("sts:RoleSessionName", "RoleSessionName"),
    ):
        if form.get(member):
            context[key] = [form[member]]
    actions = ["sts:AssumeRole"]
    actions += ["sts:TagSession"] if tags else []
    actions += ["sts:SetSourceIdentity"] if form.get("SourceIdentity") else []
    for action in actions:
        if not trusts(trust_policy, caller_role, context, action=action):
            raise refusals.not_allowed(caller, action, role_arn)


def tags_of(form: Mapping[str, str]) -> dict[str, str]:
    """Return the session tags of a request, which the query protocol numbers."""
    members = _numbered(form, "Tags.member.{}.Key")
    return {name: form.get(f"Tags.member.{number}.Value", "") for number, name in members}


def _numbered(form: Mapping[str, str], name: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    while (value := form.get(name.format(len(found) + 1))) is not None:
        found.append((len(found) + 1, value))
    return found


def _check_shape(form: Mapping[str, str]) -> None:
    for name, least, most, pattern in _SHAPES:
        value = form.get(name)
        if value is None:
            continue
        member = name[0].lower() + name[1:]
        if not least <= len(value) <= most:
            rule = f"less than or equal to {most}" if len(value) > most else f"greater than or equal to {least}"
            raise shape_refusal(value, member, f"Member must have length {rule}")
        if not re.fullmatch(pattern, value, re.ASCII):
            raise shape_refusal(value, member, f"Member must satisfy regular expression pattern: {pattern}")
    if "Policy" in form and not _is_policy(form["Policy"]):
        raise Refusal("MalformedPolicyDocument", "Syntax errors in policy.")
    names = [name.lower() for _, name in _numbered(form, "Tags.member.{}.Key")]
    if len(set(names)) < len(names):
        raise Refusal(
            "InvalidParameterValue",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        )


def _is_policy(text: str) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    statements = document.get("Statement") if isinstance(document, dict) else None
    listed = statements if isinstance(statements, list) else [statements]
    return all(isinstance(one, dict) and {"Effect", "Action", "Resource"} <= one.keys() for one in listed)


def _check_size(form: Mapping[str, str], tags: Mapping[str, str]) -> None:
    arns = [arn for _, arn in _numbered(form, "PolicyArns.member.{}.arn")]
    policies = len(form.get("Policy", "")) + sum(map(len, arns))
    size = policies + sum(len(name) + len(value) for name, value in tags.items())
    if size > _ALLOTTED:
        what = "Packed policy consumes" if policies else "Packed size of session tags consumes"
        more = ", please use smaller policy." if policies else "."
        raise Refusal("PackedPolicyTooLarge", f"{what} {100 * size // _ALLOTTED}% of allotted space{more}")
