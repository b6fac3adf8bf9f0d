"""`docs/python.md` and `docs/servers.md`: every block is run as by a user; those that need a person are compiled."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import botocore_cognito_federation
from botocore_cognito_federation import CognitoFederation, UserPool
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.errors import CognitoFederationError
from botocore_cognito_federation.events import NAMES

from .pages import ROOT, blocks, rows

pytestmark = pytest.mark.thorough

PAGE = ROOT / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks(PAGE, "python")
SERVERS = blocks(ROOT / "docs" / "servers.md", "python")


def needs(block: str) -> str:
    """Return the comment above a block about what it needs in addition to a world."""
    return "".join(re.findall(r"<!-- needs (.*) -->\n```python\n$", TEXT[: max(0, TEXT.find(block))]))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as started:
        yield started


#: Blocks that need a person or a real pool; the tests of `login` and of user pools cover them.
RUN = [entry for entry in BLOCKS if needs(entry[1]) not in ("a person", "a user pool")] + SERVERS[:2]


@pytest.mark.parametrize(("line", "block"), RUN, ids=[f"line {line}" for line, _ in RUN])
def test_each_block_runs(line: int, block: str, world: World, tmp_path: Path) -> None:
    if needs(block):
        pytest.importorskip(needs(block))
    world.write_home(tmp_path, find_executable())
    with (tmp_path / ".aws" / "config").open("a") as config:
        config.write("\n[profile dev]\nregion = eu-west-1\ncognito_session = demo\n")
    world.write_token(tmp_path, subject="ada")
    environment = {
        **world.environment(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "IDENTITY_POOL_ID": world.pool_id,
        "LOGIN_PROVIDER": world.provider.login_key,
        "LOGIN_TOKEN": world.provider.issue("ada"),
    }
    done = subprocess.run([sys.executable, "-c", block], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_block_compiles_and_imports_what_there_is() -> None:
    for _, block in BLOCKS + SERVERS:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == botocore_cognito_federation.__name__:
                for name in node.names:
                    assert hasattr(botocore_cognito_federation, name.name)


def test_the_members_are_those_of_the_class() -> None:
    section = TEXT[TEXT.index("### Members") : TEXT.index("### Refresh handlers")]
    shown = {
        name for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)", cell)
    }
    challenges = {
        "confirm_sign_in",
        "complete_new_password",
        "send_custom_challenge_answer",
        "answer_challenge",
        "use_passkey",
    }
    there = {name for name in dir(CognitoFederation) if not name.startswith("_")}
    assert shown == there - challenges - {"from_profile"}


def test_events_errors_and_operations_are_all_named() -> None:
    assert {name for name in NAMES if f"`{name}`" not in TEXT} == set()
    public = [getattr(botocore_cognito_federation, name) for name in dir(botocore_cognito_federation)]
    errors = {value for value in public if isinstance(value, type) and issubclass(value, CognitoFederationError)}
    assert {error.__name__ for error in errors if f"`{error.__name__}`" not in TEXT} == set()
    shown = {
        name: cells[2] for cells in rows(PAGE) if len(cells) == 3 for name in re.findall(r"`(\w+Error)`", cells[0])
    }
    assert shown == {error.__name__: str(error.exit_code) for error in errors if error is not CognitoFederationError}
    operations = {name for name in dir(UserPool) if not name.startswith("_") and callable(getattr(UserPool, name))}
    assert {name for name in operations if name not in TEXT} <= {"answer_challenge", "send_custom_challenge_answer"}


def test_every_example_is_in_the_index() -> None:
    index = (ROOT / "docs" / "examples" / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in (ROOT / "docs" / "examples").glob("*.py")}
    assert set(re.findall(r"\((\w+\.py)\)", index)) == there
