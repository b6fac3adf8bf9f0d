"""What STS takes for the session of a further role: the values of ``cognito_assume_role_*`` and their limits.

Limits and patterns are those of AssumeRole (service model `sts` 2011-06-15). Each function raises `ValueError` with a
text that says what the value must be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

#: Every option of the further role, without the prefix; each needs ``assume_role_arn``.
OPTIONS = tuple(
    f"assume_role_{name}"
    for name in ("session_name", "duration_seconds", "external_id", "policy", "policy_arns", "tags", "source_identity")
)
#: Seconds: STS allows a role that is assumed with the credentials of another one an hour at most, whatever the role's
#: own maximum is (AssumeRole, DurationSeconds).
LEAST_SECONDS, MOST_SECONDS = 900, 3600
_MOST_POLICY = 2048
_MOST_ARNS = 10
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 50, 128, 256
_POLICY_ARN = re.compile(r"arn:aws[\w-]*:iam::(?:aws|[0-9]{12}):policy/[\w+=,.@/-]+", re.ASCII)
#: Besides letters, digits and spaces of any language.
_SIGNS_OF_TAGS = frozenset("_.:/=+-@")


def read_policy(text: str) -> str:
    """Return a session policy as the one line that STS gets."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return written_policy(document if isinstance(document, dict) else {})


def written_policy(document: Mapping[str, Any]) -> str:
    """Return a policy document as STS gets it, without the spaces, which count."""
    if "Statement" not in document:
        raise ValueError("must be an IAM policy in JSON on one line, with a Statement")
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    if len(text) > _MOST_POLICY:
        raise ValueError(f"may have {_MOST_POLICY} characters at most and has {len(text)}")
    return text


def read_policy_arns(text: str) -> tuple[str, ...]:
    """Return the ARNs of managed session policies, which a text separates by spaces or commas."""
    return checked_policy_arns(text.replace(",", " ").split())


def checked_policy_arns(arns: Iterable[str]) -> tuple[str, ...]:
    """Return the ARNs of managed session policies."""
    found = tuple(arns)
    if len(found) > _MOST_ARNS:
        raise ValueError(f"may name {_MOST_ARNS} policies at most and names {len(found)}")
    if not found or not all(isinstance(arn, str) and _POLICY_ARN.fullmatch(arn) for arn in found):
        raise ValueError("must be ARNs of managed policies, such as arn:aws:iam::aws:policy/ReadOnlyAccess")
    return found


def read_tags(text: str) -> tuple[tuple[str, str], ...]:
    """Return session tags, ``name=value`` separated by spaces; or by commas, which no tag has, as a value may."""
    words = [word.strip() for word in text.split(",")] if "," in text else text.split()
    pairs = [word.partition("=") for word in words if word]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("must be name=value pairs separated by spaces, or by commas where a value has spaces")
    return checked_tags((name, value) for name, _, value in pairs)


def checked_tags(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return session tags as pairs of a name and a value."""
    found = tuple(pairs)
    if not found or len(found) > _MOST_TAGS:
        raise ValueError(f"must have 1 to {_MOST_TAGS} tags and has {len(found)}")
    for name, value in found:
        if not isinstance(name, str) or not isinstance(value, str):
            raise ValueError("must have strings as names and values")
        if not 1 <= len(name) <= _LONGEST_TAG_KEY or len(value) > _LONGEST_TAG_VALUE:
            raise ValueError(
                f"may have names of {_LONGEST_TAG_KEY} characters and values of {_LONGEST_TAG_VALUE} at most"
            )
        if not all(_fits_a_tag(letter) for letter in name + value):
            raise ValueError("may have letters, digits, spaces and _ . : / = + - @ only")
        if name.lower().startswith("aws:"):
            raise ValueError("may not have names that begin with aws:, which AWS keeps to itself")
    names = [name.lower() for name, _ in found]
    if len(set(names)) < len(names):
        raise ValueError("names a tag twice; STS takes capitals and small letters for the same")
    return found


def _fits_a_tag(letter: str) -> bool:
    return letter.isalnum() or letter == " " or letter in _SIGNS_OF_TAGS
