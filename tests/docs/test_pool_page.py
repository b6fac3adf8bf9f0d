"""Each command of docs/pool.md is run against the demo world, in the order of the page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from botocore_cognito_federation.administration.templates import FORMATS
from botocore_cognito_federation.cli.pool import pool_command
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.docs.pages import ROOT, blocks, names
from tests.home import Home
from tests.servers.tool_cache import lacking

PAGE = ROOT / "docs" / "pool.md"
AWS = Path("/usr/bin/aws")


def commands() -> list[str]:
    return [line for _, block in blocks(PAGE, "sh") for line in block.replace("\\\n", " ").splitlines()]


def in_the_world(command: str, world: World) -> str:
    """Return a command of the page for the demo's own provider, which asks nothing."""
    provider = world.provider
    issuer = f"{provider.login_key} --issuer {provider.issuer}"
    command = command.replace("corp.eu.auth0.com", issuer).replace("abc123", provider.client_id)
    if " pool create " in command or " pool delete " in command:
        command += " --yes"
    return command.replace("aws ", f"{AWS} --endpoint-url {world.endpoint_url} ", 1 if command[:4] == "aws " else 0)


@pytest.fixture
def no_stack(world: World) -> Iterator[None]:
    """Take down the stack of the page, which made an OIDC provider in the account that the tests share."""
    yield
    made = world.admin_credentials
    stacks = boto3.client("cloudformation", region_name=world.region, endpoint_url=world.endpoint_url, **made)
    if "corp-pool" in [one["StackName"] for one in stacks.describe_stacks()["Stacks"]]:
        stacks.delete_stack(StackName="corp-pool")


@pytest.mark.thorough
@pytest.mark.usefixtures("no_stack")
def test_every_command_of_the_page_works_in_its_order(inside: Home, world: World) -> None:
    if not AWS.exists():
        lacking("the AWS CLI is not installed")
    keys = world.admin_credentials
    inside.section("profile admin", region=world.region, **keys)
    folder = os.path.dirname(find_executable())
    variables = {"PATH": f"{folder}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    # The provider of the page's stack is there already, and the AWS CLI has no profile of an administrator.
    admin = {name.upper(): value for name, value in keys.items()}
    ran = []
    for command in commands():
        if " login " in command:
            continue  # tests/sign_in/test_pool_to_s3.py
        if command.startswith("aws "):
            delete = next(one for one in commands() if " pool delete " in one)
            subprocess.run(["sh", "-c", in_the_world(delete, world)], env=inside.environment(**variables), check=True)
        more = admin if command.startswith("aws ") else {}
        done = subprocess.run(
            ["sh", "-c", in_the_world(command, world)],
            env=inside.environment(**variables, **more),
            cwd=inside.path,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, (command, done.stderr)
        ran.append(command)
    assert len(ran) >= 8
    assert {(inside.path / name).stat().st_size > 200 for name in ("pool.json", "administrator.json")} == {True}


def test_the_page_names_every_option_format_and_command() -> None:
    shown = names(PAGE, r"--[a-z][a-z-]+")
    options = {
        option
        for command in pool_command.commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert options - shown <= {"--yes", "--help"}
    assert set(FORMATS) - {"cloudformation"} <= names(PAGE, r"[a-z][a-z-]+")
    assert {f"pool {name}" for name in pool_command.commands} <= names(PAGE, r"pool [a-z]+")
