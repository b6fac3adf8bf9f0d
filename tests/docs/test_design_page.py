"""Pages about the code name only existing files, classes and tests; ``docs/design.md`` names every folder."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from botocore_cognito_federation.cache import base
from botocore_cognito_federation.cache.file import INDEX

from .pages import ROOT, names, rows

pytestmark = pytest.mark.thorough

DESIGN, SECURITY = ROOT / "docs" / "design.md", ROOT / "docs" / "security.md"
PAGES = (DESIGN, SECURITY, ROOT / "CONTRIBUTING.md")
IDS = [page.name for page in PAGES]
PACKAGE = ROOT / "botocore_cognito_federation"
#: Files that every package has.
_PLAIN = {"__init__.py", "py.typed", "__pycache__"}
#: Foreign classes that the pages name.
_FOREIGN = {"CredentialRetrievalError", "GetId", "GetCredentialsForIdentity"}


@cache
def defined_in(path: Path) -> frozenset[str]:
    """The names of the classes and functions of a file."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)
    )


def paths_named_in(page: Path) -> set[str]:
    """Return each ``folder/``, ``folder/file.py`` and ``file.py`` in code marks, without the test after ``::``."""
    return names(page, r"`((?:\w+/)*(?:\w+\.py|\w+/))(?:::\w+)?`")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_and_folder_that_a_page_names_exists(page: Path) -> None:
    named = paths_named_in(page)
    assert {path for path in named if not ((ROOT / path).exists() or (PACKAGE / path).exists())} == set()


def test_the_pages_name_many_files() -> None:
    assert len(paths_named_in(DESIGN)) > 60
    assert len(paths_named_in(SECURITY)) > 30


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8"))
    missing = {
        f"{path}::{test}" for path, test in named if not (ROOT / path).exists() or test not in defined_in(ROOT / path)
    }
    assert missing == set()


def test_the_security_page_names_every_directory_of_the_cache() -> None:
    section = SECURITY.read_text(encoding="utf-8").partition("## What is stored")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    kinds = {value for name, value in vars(base).items() if name.isupper() and isinstance(value, str)}
    assert told == (kinds - {base.EVERYTHING}) | {INDEX, "answers", "endpoints", "locks"}


def test_every_promise_of_the_security_page_has_a_test() -> None:
    promises = [row for row in rows(SECURITY) if len(row) == 2 and row[0].endswith(".")]
    assert len(promises) > 80
    assert [row[0] for row in promises if "`tests/" not in row[1]] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_class_that_a_page_names_exists(page: Path) -> None:
    classes = frozenset[str]().union(*map(defined_in, PACKAGE.rglob("*.py")))
    named = names(page, r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`")
    assert named - classes - _FOREIGN == set()


def test_every_module_in_the_order_of_imports_exists() -> None:
    section = DESIGN.read_text(encoding="utf-8").partition("## Directions of imports")[2].partition("## ")[0]
    lines = re.findall(r"^\d+\. (`.*)$", section, re.MULTILINE)
    named = {name for line in lines for name in re.findall(r"`(\w+)`", line)}
    assert len(named) > 15
    assert {name for name in named if not ((PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists())} == set()


def test_every_folder_and_module_of_the_package_has_a_line_in_the_table() -> None:
    told = {
        path.partition("/")[0] for row in rows(DESIGN) if len(row) == 2 for path in re.findall(r"`([^`]+)`", row[0])
    }
    assert {path.name for path in PACKAGE.iterdir()} - _PLAIN - told == set()
