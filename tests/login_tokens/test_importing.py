"""Where ``cognito_refresh_handler`` is searched, and where never."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.login_tokens.handler import imported_handler

NAME = "handlers_of_somebody"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path other than the current one."""
    directory = tmp_path / "there"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    return directory


def test_a_function_of_a_module_is_found(there: Path) -> None:
    (there / f"{NAME}.py").write_text("def refresh(): return 'token'\n")
    assert imported_handler(f"{NAME}:refresh")() == "token"


def test_a_method_of_a_module_in_a_package_is_found(there: Path) -> None:
    package = there / NAME
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("from . import other\nclass H:\n    refresh = staticmethod(other.refresh)\n")
    (package / "other.py").write_text("def refresh(): return 'token'\n")
    assert imported_handler(f"{NAME}.inner:H.refresh")() == "token"


def test_a_module_in_a_namespace_package_is_found(there: Path) -> None:
    (there / NAME).mkdir()
    (there / NAME / "inner.py").write_text("def refresh(): return 'token'\n")
    assert imported_handler(f"{NAME}.inner:refresh")() == "token"


@pytest.mark.parametrize("entry", ["", ".", "the path itself", "a link to it"])
def test_the_current_directory_is_never_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / f"{NAME}.py").write_text("raise SystemExit('this ran')\n")
    link = tmp_path / "link"
    link.symlink_to(here)
    monkeypatch.chdir(here)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    real = {"the path itself": str(here), "a link to it": str(link)}.get(entry, entry)
    monkeypatch.setattr(sys, "path", [real, *sys.path])
    with pytest.raises(ConfigurationError, match="current directory is never searched"):
        imported_handler(f"{NAME}:refresh")
    assert sys.path[0] == real


def test_the_current_directory_is_searched_when_pythonpath_names_it_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{NAME}.py").write_text("def refresh(): return 'token'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert imported_handler(f"{NAME}:refresh")() == "token"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module_at_all\n", "no module no_such_module_at_all"),
        ("1 / 0\n", "raised ZeroDivisionError"),
        ("def broken(:\n", "raised SyntaxError"),
        ("raise ValueError('hunter2')\n", "raised ValueError"),
        ("refresh = 5\n", "not a function"),
        ("", "not a function"),
    ],
)
def test_a_module_that_fails_is_named_with_its_failure_only(there: Path, text: str, said: str) -> None:
    (there / f"{NAME}.py").write_text(text)
    with pytest.raises(ConfigurationError, match=said) as caught:
        imported_handler(f"{NAME}:refresh")
    assert "hunter2" not in str(caught.value)


def test_a_module_that_failed_is_tried_again_once_it_is_fixed(there: Path) -> None:
    path = there / f"{NAME}.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ConfigurationError):
        imported_handler(f"{NAME}:refresh")
    path.write_text("def refresh(): return 'mended'\n")
    assert imported_handler(f"{NAME}:refresh")() == "mended"
