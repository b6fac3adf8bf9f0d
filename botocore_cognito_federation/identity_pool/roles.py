"""The roles that a login token names, of which a user may choose one (CustomRoleArn)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ROLE = re.compile(r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
#: Roles that are shown of one token; a token of the longest kind could name hundreds.
_MOST_ROLES = 100


@dataclass(frozen=True)
class OfferedRole:
    """A role that a login token names.

    Attributes:
        arn: its ARN.
        claim: the claim that names it.
        preferred: whether the token prefers it (``cognito:preferred_role``).
    """

    arn: str
    claim: str
    preferred: bool = False

    @property
    def name(self) -> str:
        """The name of the role, without its path."""
        return self.arn.rpartition("/")[2]


def roles_in(claims: Mapping[str, Any]) -> tuple[OfferedRole, ...]:
    """Return the roles that a token's claims name, those of the user pool's groups first.

    A user pool writes ``cognito:preferred_role`` and ``cognito:roles`` (Cognito Developer Guide, "Role-based access
    control"). Other providers name roles in any claim that a rule of the identity pool may read; SAML has pairs of a
    role and its provider.
    """
    preferred = claims.get("cognito:preferred_role")
    names = ["cognito:preferred_role", "cognito:roles"]
    names += [name for name in claims if name not in names]
    found: dict[str, str] = {}
    for name in names:
        value = claims.get(name)
        for text in value if isinstance(value, list) else [value]:
            for arn in re.split(r",(?=arn:)", text) if isinstance(text, str) and "arn:" in text else ():
                if _ROLE.fullmatch(arn) and len(arn) <= 2048 and len(found) < _MOST_ROLES:
                    found.setdefault(arn, name)
    return tuple(OfferedRole(arn, claim, preferred=arn == preferred) for arn, claim in found.items())
