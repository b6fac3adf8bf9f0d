"""Imports point downwards only, including late imports inside functions."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import botocore_cognito_federation
from botocore_cognito_federation.cache import STORES

PACKAGE = Path(botocore_cognito_federation.__file__).parent
pytestmark = pytest.mark.thorough

#: From the bottom to the top. The longest layer name that begins a module's name decides about its layer; a module
#: imports modules of its own layer and of those below it.
LAYERS = (
    (
        "errors",
        "events",
        "credentials",
        "identity_providers",
        "messages",
        "login_token",
        "_fast_path",
        "fail_closed",
        "_util.urls",
    ),
    ("_util", "config.settings"),
    ("cache",),
    ("identity_pool",),
    ("oidc",),
    ("user_pool",),
    ("login_tokens",),
    ("config",),
    ("fetcher", "sign_in"),
    ("factory",),
    ("botocore_plugin", "_activation"),
    ("sign_in.notebook",),
    ("application", "serve"),
    ("handlers", "doctor", "administration"),
    ("cli", "__main__"),
)


#: Modules of the package besides the demo and the sources of login tokens, and of them those at its root. A new file
#: needs a reason, or a merge of two; a new capability names here how many it brings. Stores count by their registry.
MOST_MODULES = (
    100
    + len(STORES)
    + sum(
        {
            "asynchronous interface": 2,
            "endpoints for containers": 1,
            "a doctor that repairs": 1,
            "tokens for services": 3,
            "passwords of registries": 2,
            "many users": 2,
            "shared caches": 4,
            "options of the further role": 1,
            "roles by choice": 2,
            "confidential clients without a shared secret": 1,
            "passkeys": 1,
            "published profiles": 2,
            "pools made by administrators": 6,
            "the helper's command line, which published profiles write too": 1,
            "token exchange": 1,
            "self-service at a user pool": 2,
            "sign-ins of a server's further users without botocore's own work": 1,
            "the parts of a federation that sign in at a user pool and link further logins": 2,
        }.values()
    )
)
MOST_AT_THE_ROOT = 20


def modules() -> dict[str, Path]:
    """Return the modules of the product without the demo, by their names without that of the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name != "__init__":
            found[name.removesuffix(".__init__")] = path
    return found


def imports_of(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules that a module imports anywhere, except under ``TYPE_CHECKING``."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    tree, found = ast.parse(path.read_text(encoding="utf-8")), set()
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in typing:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                found.add(whole if whole in known else ".".join(base))
    return found & known.keys() - {name}


@cache
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imports_of(name, path, known) for name, path in known.items()}


def layer_of(name: str) -> int:
    found = [
        (len(part), height)
        for height, layer in enumerate(LAYERS)
        for part in layer
        if name == part or name.startswith(f"{part}.")
    ]
    assert found, f"{name} belongs to no layer"
    return max(found)[1]


def test_the_package_stays_small_enough_to_find_one_s_way() -> None:
    paths = [
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("demo", "login_tokens")
    ]
    assert len(paths) <= MOST_MODULES
    assert len([path for path in paths if len(path.parts) == 1]) <= MOST_AT_THE_ROOT


def test_no_module_imports_itself_through_others() -> None:
    left = dict(graph())
    while free := [name for name, imported in left.items() if not imported & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


def test_modules_import_only_their_own_layer_and_those_beneath() -> None:
    product = {name: found for name, found in graph().items() if not name.startswith("demo")}
    upwards = [
        (name, imported)
        for name, found in product.items()
        for imported in found
        if not imported.startswith("demo") and layer_of(imported) > layer_of(name)
    ]
    assert upwards == []


def test_only_the_command_line_imports_the_demo() -> None:
    importers = {name for name, found in graph().items() if any(other.startswith("demo") for other in found)}
    assert {name for name in importers if name.partition(".")[0] not in ("cli", "demo")} == set()


def test_the_demo_uses_the_product_by_its_public_names() -> None:
    used = {
        (name, imported)
        for name, found in graph().items()
        if name.startswith("demo")
        for imported in found
        if not imported.startswith("demo")
    }
    assert used == set()


def test_every_fetcher_of_the_product_can_open_the_session_of_another_profile() -> None:
    """A developer profile may be a profile of this tool, whichever command or interface asks for credentials."""
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called in ("fetcher_for", "linking_for"):
                assert "open_session" in {keyword.arg for keyword in node.keywords}, name  # type: ignore[attr-defined]
