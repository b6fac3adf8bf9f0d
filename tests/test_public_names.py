"""The public names: one table, compared with type checkers, `import *`, `dir()` and attribute access."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import botocore_cognito_federation as package

SOURCE = ast.parse(Path(package.__file__).read_text())


def table() -> dict[str, str]:
    """Return the package's table of names and modules; a name without a module is a module itself."""
    for node in SOURCE.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise AssertionError("the table is gone")


def seen_by_type_checkers() -> dict[str, str]:
    """Return the same table, from the imports under ``if TYPE_CHECKING``."""
    (block,) = (node for node in SOURCE.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name} is no public name without 'as {alias.name}'"
            found[alias.name] = node.module or ""
    return found


def test_type_checkers_see_exactly_the_names_of_the_table() -> None:
    assert seen_by_type_checkers() == table()


def test_a_name_stands_once_in_the_table() -> None:
    (keys,) = (node.value.keys for node in SOURCE.body if isinstance(node, ast.Assign) and hasattr(node.value, "keys"))
    names = [key.value for key in keys]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", table())
def test_every_name_is_the_object_of_its_module(name: str) -> None:
    module = importlib.import_module(f"{package.__name__}.{table()[name] or name}")
    assert getattr(package, name) is (getattr(module, name) if table()[name] else module)


def test_all_and_dir_name_the_table() -> None:
    assert package.__all__ == sorted({*table(), "__version__"})  # type: ignore[attr-defined]  # created on demand
    assert set(table()) <= set(dir(package))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name  # type: ignore[attr-defined]  # the subject of the test


def test_import_star_brings_the_names_of_the_table_and_import_alone_brings_no_module() -> None:
    program = f"""
import sys
before = set(sys.modules)
import {package.__name__}
print(*sorted(name for name in set(sys.modules) - before))
from {package.__name__} import *
print(*sorted(name for name in {sorted(table())!r} if name not in globals()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [package.__name__, ""]


SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):$", re.MULTILINE)


def public_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the public functions and public members of public classes by name, each as its class defines it first."""
    for name in package.__all__:  # type: ignore[attr-defined]  # created on demand
        value = getattr(package, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.ismodule(value):
            for inner, function in inspect.getmembers(value, inspect.isfunction):
                if function.__module__ == value.__name__ and not inner.startswith("_"):
                    yield f"{name}.{inner}", function
        elif inspect.isclass(value):
            bases = [base for base in value.__mro__ if base.__module__.startswith(package.__name__)]
            for inner in sorted({inner for base in bases for inner in vars(base)}):
                member = inspect.getattr_static(value, inner)
                function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
                if inspect.isfunction(function) and not inner.startswith("_"):
                    yield f"{name}.{inner}", function


def entries(doc: str, section: str) -> set[str]:
    """Return the names that a section of a docstring explains."""
    parts = SECTION.split(inspect.cleandoc(doc))
    texts = [text for title, text in zip(parts[1::2], parts[2::2], strict=True) if title == section]
    return {
        word
        for text in texts
        for line in re.findall(r"^    (\S.*?):", text, re.MULTILINE)
        for word in re.split(r",\s*", line)
    }


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "function"), [pytest.param(*each, id=each[0]) for each in public_functions()])
def test_the_docstring_of_a_public_function_explains_its_parameters_and_names_the_errors_that_it_raises(
    name: str, function: Callable[..., object]
) -> None:
    doc = function.__doc__ or ""
    assert re.match(r"[A-Z].*[.]", " ".join(doc.split())), "the first sentence is missing"
    parameters = [each for each in inspect.signature(function).parameters if each not in ("self", "cls")]
    assert set(parameters) <= entries(doc, "Args"), "Args are missing"
    raised = re.findall(r"^\s+raise ([A-Z]\w+Error)\b", inspect.getsource(inspect.unwrap(function)), re.MULTILINE)
    if raised:
        named = entries(doc, "Raises") | ({*raised} if "CognitoFederationError" in entries(doc, "Raises") else set())
        assert set(raised) <= named, "Raises are missing"


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in sorted(table()) if inspect.isclass(getattr(package, name))])
def test_the_docstring_of_a_public_class_explains_its_arguments_or_attributes(name: str) -> None:
    cls = getattr(package, name)
    doc = inspect.getdoc(cls) or ""
    assert re.match(r"[A-Z`].*[.]", " ".join(doc.split())), "the first sentence is missing"
    if issubclass(cls, Exception) and "__init__" not in vars(cls):
        return
    known = entries(doc, "Args") | entries(doc, "Attributes")
    assert set(inspect.signature(cls).parameters) <= known
