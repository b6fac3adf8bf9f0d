"""Which modules of tests the expression after ``-m`` leaves out as a whole: to import them would take half of a run."""

from __future__ import annotations

import re
from pathlib import Path

_MARKS_OF_MODULE = re.compile(r"^pytestmark = (?:\[[^\]]*?)?pytest\.mark\.(\w+)", re.MULTILINE)


def is_left_out(module: Path, expression: str) -> bool:
    """Return whether all tests of a module have a mark that a part ``not MARK`` of the expression excludes.

    Args:
        module: a file of tests, which is read and not imported.
        expression: marks, as pytest's ``-m`` takes them. One with ``or`` or parentheses leaves nothing out here.
    """
    terms = expression.split(" and ")
    excluded = {term.strip().removeprefix("not ").strip() for term in terms if term.strip().startswith("not ")}
    if not excluded or re.search(r"\bor\b|[()]", expression):
        return False
    return bool(excluded & set(_MARKS_OF_MODULE.findall(module.read_text(encoding="utf-8"))))
