"""Each file on the page about jobs is run as its platform runs it, with stand-ins for the platform and for the CLI."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from pytest_httpserver import HTTPServer

from tests.docs.pages import ROOT, blocks
from tests.home import Home

PAGE = ROOT / "docs" / "jobs.md"
FILES: list[dict[str, Any]] = [yaml.safe_load(text) for _, text in blocks(PAGE, "yaml")]


def job_of(document: dict[str, Any]) -> tuple[str, dict[str, str], list[str]]:
    """Return the platform of a file, the variables of its job, and the job's lines."""
    if "permissions" in document:
        assert document["permissions"]["id-token"] == "write"
        job = document["jobs"]["deploy"]
        return "github-actions", job["env"], [step["run"] for step in job["steps"]]
    if "workflows" in document:
        job = document["jobs"]["deploy"]
        return "circleci", job["environment"], [step["run"] for step in job["steps"]]
    if "steps" in document:
        (step,) = document["steps"]
        return "buildkite", step["env"], step["commands"]
    if "apiVersion" in document:
        container = document["spec"]["template"]["spec"]["containers"][0]
        assert container["command"] == ["sh", "-c"]
        return "kubernetes", {each["name"]: each["value"] for each in container["env"]}, container["args"]
    return "gitlab", document["deploy"]["variables"], document["deploy"]["script"]


def github(home: Home, httpserver: HTTPServer, document: dict[str, Any], token: str, bin: Path) -> dict[str, str]:
    httpserver.expect_request("/oidc", query_string="api-version=2&audience=sts.amazonaws.com").respond_with_json(
        {"value": token}
    )
    url = httpserver.url_for("/oidc?api-version=2")
    return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}


def gitlab(home: Home, httpserver: HTTPServer, document: dict[str, Any], token: str, bin: Path) -> dict[str, str]:
    ((name, asked),) = document["deploy"]["id_tokens"].items()
    assert asked == {"aud": "sts.amazonaws.com"}
    return {name: token}


def by_program(arguments: str, name: str) -> Callable[..., dict[str, str]]:
    def prepare(home: Home, httpserver: HTTPServer, document: object, token: str, bin: Path) -> dict[str, str]:
        (bin / name).write_text(f"#!/bin/sh\n[ \"$*\" = '{arguments}' ] && echo {token}\n")
        (bin / name).chmod(0o700)
        return {}

    return prepare


def kubernetes(home: Home, httpserver: HTTPServer, document: dict[str, Any], token: str, bin: Path) -> dict[str, str]:
    spec = document["spec"]["template"]["spec"]
    (volume,) = spec["volumes"]
    (mount,) = spec["containers"][0]["volumeMounts"]
    (source,) = volume["projected"]["sources"]
    assert volume["name"] == mount["name"]
    (home.path / source["serviceAccountToken"]["path"]).write_text(token)
    path = f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    return {path: str(home.path / source["serviceAccountToken"]["path"])}


PLATFORMS: dict[str, Callable[..., dict[str, str]]] = {
    "github-actions": github,
    "gitlab": gitlab,
    "circleci": by_program('run oidc get --claims {"aud": "sts.amazonaws.com"}', "circleci"),
    "buildkite": by_program("oidc request-token --audience sts.amazonaws.com", "buildkite-agent"),
    "kubernetes": kubernetes,
}


def test_the_page_has_a_file_for_each_platform() -> None:
    assert [job_of(document)[0] for document in FILES] == list(PLATFORMS)


@pytest.mark.thorough
@pytest.mark.parametrize("document", FILES, ids=lambda document: job_of(document)[0])
def test_each_file_lists_s3_as_its_job(home: Home, httpserver: HTTPServer, document: dict[str, Any], bin: Path) -> None:
    world = home.world
    platform, variables, lines = job_of(document)
    token = world.provider.issue("job", audience="sts.amazonaws.com", email=None, name=None)
    given = PLATFORMS[platform](home, httpserver, document, token, bin)
    # The one thing that a test cannot have: the role of the page, which trusts the platform's own issuer.
    assert variables["COGNITO_FEDERATION_ROLE_ARN"].startswith("arn:aws:iam::123456789012:role/")
    iam = boto3.client("iam", region_name=world.region, endpoint_url=world.endpoint_url, **world.admin_credentials)
    key = world.provider.login_key
    made = iam.create_open_id_connect_provider(Url=world.provider.issuer, ClientIDList=["sts.amazonaws.com"])
    arn = made["OpenIDConnectProviderArn"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{key}:aud": "sts.amazonaws.com", f"{key}:sub": "job"}},
    }
    document_of_role = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = iam.create_role(RoleName=f"Job-{platform}", AssumeRolePolicyDocument=document_of_role)["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(RoleName=f"Job-{platform}", PolicyName="s3", PolicyDocument=json.dumps(policy))
    environ = {
        **home.environment(AWS_CONFIG_FILE=str(home.path / "none")),
        **{name: given.get(str(value), str(value)) for name, value in variables.items()},
        **given,
        "COGNITO_FEDERATION_ROLE_ARN": role,
        "PATH": f"{bin}:{os.environ['PATH']}",
    }
    try:
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(lines)], env=environ, capture_output=True, text=True, timeout=90, cwd=home.path
        )
    finally:
        iam.delete_role_policy(RoleName=f"Job-{platform}", PolicyName="s3")
        iam.delete_role(RoleName=f"Job-{platform}")
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (done.returncode, world.bucket in done.stdout) == (0, True), done
