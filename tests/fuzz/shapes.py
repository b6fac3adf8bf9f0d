"""Inputs that are nearly right: documents and bytes with parts exchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

#: What parsers and terminals trip over.
ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "\x00", "\x1b[31mred", "A\r\nB: c", "\u202e", "\ud800", "9" * 400, "x" * 3000, "https://[", "NaN"]
    ),
)
ODD_NUMBER = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 1e308, -1, 0, 2**31, 2**53, 2**63])
)
_LEAF = st.one_of(st.none(), st.booleans(), ODD_NUMBER, ODD_TEXT)
JSON = st.recursive(
    _LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ODD_TEXT, inner, max_size=3)),
    max_leaves=6,
)
RAW = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"null", b"[]", b"{", b"[" * 100_000, b"\xff\xfe{}", b'{"a":1' + b"0" * 5000 + b"}"]),
)


def altered(document: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The document with some members replaced, some left out."""
    names = st.sampled_from(sorted(document))
    changes = st.dictionaries(names, JSON, max_size=3)
    left_out = st.sets(names, max_size=1)
    return st.builds(
        lambda new, out: {name: value for name, value in {**document, **new}.items() if name not in out},
        changes,
        left_out,
    )


def encoded(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def documents(document: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """Bytes of an altered document, or of anything."""
    return st.one_of(altered(document).map(encoded), RAW, JSON.map(encoded))


def bent(content: bytes, place: float, how: int, piece: bytes) -> bytes:
    """The content with one byte changed, cut there, a piece put in, or a piece in place of the rest."""
    at = int(place * max(0, len(content) - 1))
    if how == 0:
        return content[:at] + bytes([content[at] ^ (piece[0] if piece and piece[0] else 1)]) + content[at + 1 :]
    if how == 1:
        return content[:at]
    return content[:at] + piece + (content[at:] if how == 2 else b"")
