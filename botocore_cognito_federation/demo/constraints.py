"""The shapes of the identity-pool requests: required members, lengths and patterns, refused with AWS's own messages.

botocore checks only the minima, so values that are too long or malformed reach the service and are refused there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import refusals

_ID = r"[\w-]+:[0-9a-f-]+"


@dataclass(frozen=True)
class Text:
    """A string member: lengths in characters and the pattern it must match in full."""

    least: int
    most: int
    pattern: str = ""
    required: bool = False

    def problems(self, name: str, value: Any) -> list[str]:
        if not isinstance(value, str):
            raise refusals.serialization()
        found = []
        if len(value) > self.most:
            found.append(_problem(value, name, f"Member must have length less than or equal to {self.most}"))
        if len(value) < self.least:
            found.append(_problem(value, name, f"Member must have length greater than or equal to {self.least}"))
        if self.pattern and not re.fullmatch(self.pattern, value, re.ASCII):
            found.append(_problem(value, name, f"Member must satisfy regular expression pattern: {self.pattern}"))
        return found


@dataclass(frozen=True)
class Number:
    """An integer member."""

    least: int
    most: int
    required: bool = False

    def problems(self, name: str, value: Any) -> list[str]:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refusals.serialization()
        if value > self.most:
            return [_problem(value, name, f"Member must have value less than or equal to {self.most}")]
        if value < self.least:
            return [_problem(value, name, f"Member must have value greater than or equal to {self.least}")]
        return []


@dataclass(frozen=True)
class TextMap:
    """A map member; the limits of its keys and values are those of the Logins map."""

    required: bool = False
    most: int = 10
    longest_key: int = 128
    longest_value: int = 50_000

    def problems(self, name: str, value: Any) -> list[str]:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise refusals.serialization()
        shown = "{" + ", ".join(f"{key}={text}" for key, text in value.items()) + "}"
        found = []
        if len(value) > self.most:
            found.append(_problem(shown, name, f"Member must have length less than or equal to {self.most}"))
        if any(not 1 <= len(key) <= self.longest_key for key in value):
            found.append(_problem(shown, name, f"Map keys must satisfy constraint: {_lengths(self.longest_key)}"))
        if any(not 1 <= len(text) <= self.longest_value for text in value.values()):
            found.append(_problem(shown, name, f"Map value must satisfy constraint: {_lengths(self.longest_value)}"))
        return found


@dataclass(frozen=True)
class TextList:
    """A list of strings."""

    required: bool = False

    def problems(self, name: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise refusals.serialization()
        return []


Constraint = Text | Number | TextMap | TextList

_POOL = Text(1, 55, _ID, required=True)
_IDENTITY = Text(1, 55, _ID, required=True)
REQUESTS: dict[str, dict[str, Constraint]] = {
    "GetId": {"AccountId": Text(1, 15, r"\d+"), "IdentityPoolId": _POOL, "Logins": TextMap()},
    "GetCredentialsForIdentity": {
        "IdentityId": _IDENTITY,
        "Logins": TextMap(),
        "CustomRoleArn": Text(20, 2048),
    },
    "GetOpenIdToken": {"IdentityId": _IDENTITY, "Logins": TextMap()},
    "UnlinkIdentity": {
        "IdentityId": _IDENTITY,
        "Logins": TextMap(required=True),
        "LoginsToRemove": TextList(required=True),
    },
    "GetOpenIdTokenForDeveloperIdentity": {
        "IdentityPoolId": _POOL,
        "IdentityId": Text(1, 55, _ID),
        "Logins": TextMap(required=True),
        "PrincipalTags": TextMap(most=50, longest_value=256),
        "TokenDuration": Number(1, 86_400),
    },
}


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Refuse a request whose members break their constraints.

    Raises:
        Refusal: ``N validation errors detected: …``, or SerializationException for a wrong type.
    """
    found: list[str] = []
    for member, constraint in REQUESTS[operation].items():
        name = member[0].lower() + member[1:]
        value = request.get(member)
        if value is not None:
            found.extend(constraint.problems(name, value))
        elif constraint.required:
            found.append(f"Value null at '{name}' failed to satisfy constraint: Member must not be null")
    if found:
        raise refusals.validation(found)


def _problem(value: object, name: str, rule: str) -> str:
    return f"Value '{value}' at '{name}' failed to satisfy constraint: {rule}"


def _lengths(most: int) -> str:
    return f"[Member must have length less than or equal to {most}, Member must have length greater than or equal to 1]"
