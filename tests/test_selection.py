"""What is left out before it is imported is what the marks would take out afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selection import is_left_out

THOROUGH = "import pytest\n\npytestmark = pytest.mark.thorough\n"
IN_A_LIST = "import pytest\n\npytestmark = [\n    pytest.mark.slow,\n    pytest.mark.skipif(False, reason='-'),\n]\n"
ONE_TEST = "import pytest\n\n\n@pytest.mark.thorough\ndef test_one(): ...\n\n\ndef test_another(): ...\n"
NAMED = "# pytestmark = pytest.mark.thorough\nTEXT = 'pytestmark = pytest.mark.slow'\n"
LONGER = "import pytest\n\npytestmark = pytest.mark.thoroughly\n"


def module(folder: Path, text: str) -> Path:
    path = folder / "test_it.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [THOROUGH, IN_A_LIST])
def test_a_module_of_which_every_test_has_an_excluded_mark_is_left_out(tmp_path: Path, text: str) -> None:
    assert is_left_out(module(tmp_path, text), "not slow and not thorough")


@pytest.mark.parametrize("text", [ONE_TEST, NAMED, LONGER, ""])
def test_a_module_with_any_other_test_is_not(tmp_path: Path, text: str) -> None:
    assert not is_left_out(module(tmp_path, text), "not slow and not thorough")


@pytest.mark.parametrize(
    "expression",
    ["", "thorough", "slow", "thorough and not slow", "not thorough or slow", "not (thorough and slow)", "nothing"],
)
def test_an_expression_that_admits_such_a_test_leaves_its_module_in(tmp_path: Path, expression: str) -> None:
    assert not is_left_out(module(tmp_path, THOROUGH), expression)
