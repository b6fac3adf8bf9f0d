"""``docs/design.md`` names rooms and tests that there are, and no room is left out."""

from __future__ import annotations

import re

import pytest

from .pages import ROOT, names, rows

pytestmark = pytest.mark.thorough

PAGE = ROOT / "docs" / "design.md"
PACKAGE = ROOT / "botocore_cognito_federation"
#: What every package has.
_PLAIN = {"__init__.py", "_version.py", "py.typed", "__pycache__"}


def test_every_file_and_directory_that_it_names_is_there() -> None:
    named = names(PAGE, r"`((?:\w+/)*(?:\w+\.py|\w+/))`")
    assert len(named) > 60
    assert {path for path in named if not ((ROOT / path).exists() or (PACKAGE / path).exists())} == set()


def test_every_room_of_the_package_has_a_line_in_the_table() -> None:
    told = {path.partition("/")[0] for row in rows(PAGE) if len(row) == 2 for path in re.findall(r"`([^`]+)`", row[0])}
    assert {path.name for path in PACKAGE.iterdir()} - _PLAIN - told == set()
