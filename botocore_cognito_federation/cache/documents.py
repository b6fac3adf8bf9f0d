"""How a document is written down: with the place it belongs to, and a digest over all of it.

A document is one JSON object. It begins with its format and a digest of everything behind that, so that a byte that
was changed, a file that was cut off and an entry that was copied to another place are all found when it is read:

    {"format":2,"digest":"<SHA-256 of the rest>","place":"sessions/<key>","scope":"…", …}

The format before, 1, had none of this. It is still read for what cannot be fetched again, and goes with the next write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .base import EPOCHS, FORMAT, IDENTITIES, LINKS, SECRETS, SESSIONS

#: The kind of the files that name what is in a keyring; see `keyring_store`.
INDEX = "keyring"
_BEGINNING = b'{"format":%d,"digest":"' % FORMAT
_DIGEST_LENGTH = 64
_REST = len(_BEGINNING) + _DIGEST_LENGTH
_MARKS = frozenset({"format", "digest", "place"})
_OLD_FORMAT = 1
#: Kinds whose documents of the old format are read: sign-ins, secrets, links, a guest's identity, sign-outs.
_OLD_KINDS = frozenset({SESSIONS, SECRETS, LINKS, IDENTITIES, EPOCHS, INDEX})
#: Digits of an integer that is still a number of seconds or bytes; `float` raises OverflowError from 309 on.
_MOST_DIGITS = 20


class DamagedError(ValueError):
    """A document is not what was written, or not of this place."""


def encoded(kind: str, key: str, document: Mapping[str, Any]) -> bytes:
    """Write a document down."""
    inner = {"place": f"{kind}/{key}", **{name: value for name, value in document.items() if name not in _MARKS}}
    rest = b'",' + json.dumps(inner, ensure_ascii=True, separators=(",", ":")).encode()[1:]
    return _BEGINNING + _digest_of(rest) + rest


def decoded(kind: str, key: str, content: bytes) -> dict[str, Any]:
    """Read a document that was written under this kind and key.

    Raises:
        DamagedError: it was not, or has changed since, or is of a later version.
    """
    is_whole = content.startswith(_BEGINNING) and _digest_of(content[_REST:]) == content[len(_BEGINNING) : _REST]
    try:
        document = json.loads(content, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise DamagedError("it is no JSON document") from None
    if not isinstance(document, dict):
        raise DamagedError("it is no JSON object")
    if is_whole and document.get("place") == f"{kind}/{key}":
        return {name: value for name, value in document.items() if name not in _MARKS}
    is_old = document.get("format") == _OLD_FORMAT and "digest" not in document
    if is_old and kind in _OLD_KINDS:
        return {name: value for name, value in document.items() if name != "format"}
    raise DamagedError("it is damaged, of another place, or of another version")


def _digest_of(rest: bytes) -> bytes:
    return hashlib.sha256(rest).hexdigest().encode()


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("an integer of that many digits is no number of anything")
    return int(text)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
