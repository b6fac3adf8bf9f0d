"""What a token source says: a bare token, or JSON with ``token``, ``expires_at`` and ``identity_id``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import TokenRefreshError
from ..login_token import LoginToken, checked_text, expiry_seconds

#: Names under which other tools put the token when they print JSON: ours first.
_USUAL_FIELDS = ("token", "id_token", "value")


def parse_output(text: str, *, source: str, field: str | None, now: float) -> LoginToken:
    """The login token in what a file, variable, command or URL says.

    Args:
        text: the whole output.
        source: the source in words, for messages; the output itself is never quoted.
        field: the JSON field that holds the token (dots lead into nested objects); None for the usual ones.
        now: seconds since the epoch.

    Raises:
        TokenRefreshError: there is no usable token in it.
    """
    stripped = text.strip()
    if field is None and not stripped.startswith("{"):
        return LoginToken.of(checked_text(text, source))
    try:
        answer = json.loads(stripped)
    except (ValueError, RecursionError):
        raise TokenRefreshError(f"{source} does not hold valid JSON") from None
    if not isinstance(answer, dict):
        raise TokenRefreshError(f"{source} holds JSON that is not an object")
    token = _lookup(answer, field) if field else _first(answer, _USUAL_FIELDS)
    if not isinstance(token, str):
        wanted = f"field {field!r}" if field else "field 'token'"
        raise TokenRefreshError(
            f"{source} holds JSON without a text {wanted}", remedy="Set cognito_token_field to the field of the token"
        )
    identity_id = answer.get("identity_id")
    if identity_id is not None and not isinstance(identity_id, str):
        raise TokenRefreshError(f"{source} holds JSON whose identity_id is not a text")
    return LoginToken.of(
        checked_text(token, source),
        expires_at=expiry_seconds(answer.get("expires_at"), now=now, name=f"expires_at of {source}"),
        identity_id=identity_id,
    )


def _first(answer: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((answer[name] for name in names if name in answer), None)


def _lookup(answer: Mapping[str, Any], field: str) -> object:
    if field in answer:
        return answer[field]
    value: object = answer
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
