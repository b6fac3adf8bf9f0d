"""`docs/troubleshooting.md`: each message on it exists in the product."""

from __future__ import annotations

import ast
import re

import pytest

from .pages import ROOT, rows

pytestmark = pytest.mark.thorough

PACKAGE = ROOT / "botocore_cognito_federation"
MESSAGES = [cells[0].strip("`") for cells in rows(ROOT / "docs" / "troubleshooting.md") if cells[0].startswith("`")]
MESSAGES = [message for message in MESSAGES if not message.startswith("aws ")]


def _text(node: ast.expr) -> str:
    """Return a string of the source, with `…` for each inserted value."""
    if isinstance(node, ast.Constant):
        return re.sub(r"\{\w+\}", "…", str(node.value))
    assert isinstance(node, ast.JoinedStr)
    return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)


def _said() -> set[str]:
    return {
        _text(node)
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    }


@pytest.fixture(scope="module")
def said() -> str:
    return "\n".join(sorted(_said()))


@pytest.mark.parametrize("message", MESSAGES)
def test_each_message_is_one_of_the_products(message: str, said: str) -> None:
    assert re.sub("…+", "…", message) in re.sub("…+", "…", said)


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 30
