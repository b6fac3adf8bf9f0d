"""Reading the pages of documentation: code blocks, tables, words."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the fenced code blocks of a language, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def rows(page: Path) -> list[list[str]]:
    """Return the rows of all tables, cell by cell."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def names(page: Path, pattern: str) -> set[str]:
    """Return every word of a page that matches a pattern."""
    return set(re.findall(pattern, page.read_text(encoding="utf-8")))
