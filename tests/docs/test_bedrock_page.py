"""The settings on the page about Bedrock are carried out as the programs that read them do: without stdin."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from botocore_cognito_federation.demo.serve import find_executable
from tests.docs.pages import ROOT, blocks
from tests.home import Home

PAGE = ROOT / "docs" / "bedrock.md"
CLUSTERS: list[dict[str, Any]] = [yaml.safe_load(text) for _, text in blocks(PAGE, "yaml")]

pytestmark = pytest.mark.thorough


def carried_out(home: Home, command: str) -> str:
    """Run a command of the page, with the demo's profile, as a hook of Claude Code: by a shell and without stdin."""
    changed = command.replace("--profile dev", "--profile demo")
    assert changed != command
    environ = {**home.environment(), "PATH": f"{Path(find_executable()).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        changed, shell=True, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_settings_of_claude_code_refresh_and_export_credentials(home: Home) -> None:
    ((_, text),) = blocks(PAGE, "json")
    settings = json.loads(text)
    carried_out(home, settings["awsAuthRefresh"])
    exported = json.loads(carried_out(home, settings["awsCredentialExport"]))["Credentials"]
    assert exported["AccessKeyId"].startswith("ASIA")
    assert {"SecretAccessKey", "SessionToken"} < exported.keys()


def test_each_line_for_a_shell_sets_a_token(home: Home) -> None:
    starts = {"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-", "PGPASSWORD": "db.example.com:5432/?Action=connect"}
    for _, line in blocks(PAGE, "sh"):
        name = line.removeprefix("export ").partition("=")[0]
        assert carried_out(home, f'{line}printf %s "${name}"').startswith(starts.pop(name))
    assert not starts


@pytest.mark.parametrize(("document", "start"), [*zip(CLUSTERS, ("k8s-aws-v1.", "ey"), strict=True)])
def test_each_user_of_a_cluster_gets_a_token(home: Home, document: dict[str, Any], start: str) -> None:
    plugin = document["users"][0]["user"]["exec"]
    found = json.loads(carried_out(home, shlex.join((plugin["command"], *plugin["args"]))))
    assert found["kind"] == "ExecCredential"
    assert found["status"]["token"].startswith(start)
