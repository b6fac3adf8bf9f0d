"""The home directory: a config file for real clients, a private token file, an environment that leads nowhere else."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from botocore_cognito_federation.demo import World
from botocore_cognito_federation.demo.home import child_environment, token_file

pytestmark = pytest.mark.thorough

EXECUTABLE = "/opt/a venv/bin/cognito-federation"


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    world.write_home(tmp_path / "home", EXECUTABLE)
    return tmp_path / "home"


@pytest.fixture
def full_config(world: World, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in world.environment(home).items():
        monkeypatch.setenv(name, value)
    return botocore.session.Session().full_config


def test_botocore_reads_the_profiles_and_sessions(world: World, home: Path, full_config: Any) -> None:
    assert set(full_config["profiles"]) == {
        "demo-people",
        "demo",
        "demo-native",
        "chained",
        "chained-native",
        "classic",
        "web-identity",
        "guest",
        "passwordless",
    }
    session = full_config["cognito-session demo"]
    assert session["cognito_identity_pool_id"] == world.pool_id
    assert session["cognito_provider"] == world.provider.login_key
    assert session["cognito_issuer"] == world.provider.issuer
    assert session["cognito_client_id"] == world.provider.client_id
    assert session["cognito_token_file"] == str(token_file(home))
    assert full_config["profiles"]["chained-native"]["source_profile"] == "demo-native"
    assert full_config["profiles"]["chained"]["role_arn"] == world.chained_role_arn


def test_the_command_survives_a_path_with_a_space(full_config: Any) -> None:
    from botocore.compat import compat_shell_split

    argv = compat_shell_split(full_config["profiles"]["demo"]["credential_process"])
    assert argv == [EXECUTABLE, "credential-process", "--profile", "demo"]
    assert "credential_process" not in full_config["profiles"]["demo-native"]


def test_every_line_is_flat_for_sdks_that_refuse_nested_sections(home: Path) -> None:
    lines = (home / ".aws" / "config").read_text().splitlines()
    assert all(not line or line.startswith("[") or (line[0] != " " and " = " in line) for line in lines)
    assert not (home / ".aws" / "credentials").exists()


def test_the_files_are_private(home: Path) -> None:
    assert stat.S_IMODE((home / ".aws").stat().st_mode) == 0o700
    for path in (home / ".aws" / "config", token_file(home)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_token_in_the_file_is_good_and_can_be_replaced(world: World, home: Path, cognito: Any) -> None:
    def identity() -> str:
        logins = {world.provider.login_key: token_file(home).read_text()}
        return str(cognito.get_id(IdentityPoolId=world.pool_id, Logins=logins)["IdentityId"])

    ada = identity()
    token = world.write_token(home, "bob", lifetime=60)
    assert token_file(home).read_text() == token
    assert identity() != ada
    assert sorted(os.listdir(home)) == [".aws", "token"]


def test_a_child_inherits_nothing_that_leads_out_of_the_world(world: World, home: Path) -> None:
    inherited = {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_PROFILE": "real",
        "AWS_CA_BUNDLE": "x",
        "COGNITO_FEDERATION_CLIENT_ID": "real",
        "HOME": "/home/real",
    }
    environment = child_environment(world.facts, home, inherited)
    assert environment["PATH"] == "/bin"
    assert environment["HOME"] == str(home)
    assert environment["AWS_ENDPOINT_URL"] == world.endpoint_url
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CA_BUNDLE", "COGNITO_FEDERATION_CLIENT_ID"} & set(environment)
    assert "AWS_REGION" not in environment


def test_plain_boto3_in_a_child_reaches_the_world_by_its_environment(
    world: World, home: Path, sign_in: Any, tmp_path: Path
) -> None:
    """A script replaces credential_process here: the test is about the environment and the profiles."""
    import json
    import subprocess

    _, credentials = sign_in()
    answer = {
        "Version": 1,
        "AccessKeyId": credentials["AccessKeyId"],
        "SecretAccessKey": credentials["SecretKey"],
        "SessionToken": credentials["SessionToken"],
        "Expiration": credentials["Expiration"].isoformat(),
    }
    helper = tmp_path / "helper"
    helper.write_text(f"#!{sys.executable}\nprint({json.dumps(json.dumps(answer))})\n")
    helper.chmod(0o755)
    world.write_home(home, str(helper))
    program = (
        "import boto3; s3 = boto3.client('s3'); print([b['Name'] for b in s3.list_buckets()['Buckets']]);"
        "print(boto3.client('sts').get_caller_identity()['Arn'])"
    )
    for profile, role in (("demo", "DemoAuthenticated"), ("chained", "DemoChained")):
        environment = {**child_environment(world.facts, home, dict(os.environ)), "AWS_PROFILE": profile}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert world.bucket in done.stdout
        assert role in done.stdout
