"""Each file on the page about containers is checked against its schema and run, as its programs would run it.

There is no Docker daemon and no ECS here: containers that share a network and a volume are processes on loopback with
one folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.config.registries import registry_in
from botocore_cognito_federation.demo.world import World
from tests.docs.pages import ROOT, blocks
from tests.home import LIMIT, Home
from tests.servers.tool_cache import lacking, python_in_venv

pytestmark = pytest.mark.thorough

PAGE = ROOT / "docs" / "containers.md"
DOCKER, _, TASK = (json.loads(text) for _, text in blocks(PAGE, "json"))
((_, COMPOSE_TEXT),) = blocks(PAGE, "yaml")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
((_, DOCKERFILE),) = blocks(PAGE, "dockerfile")
PROFILES, AWS_CONFIG = (text for _, text in blocks(PAGE, "ini"))
((_, NPMRC),) = blocks(PAGE, "text")
_, PACKAGES = (text for _, text in blocks(PAGE, "sh"))
PORT = "9911"


def instructions() -> dict[str, str]:
    """Return the instructions of the Dockerfile; each stands there once."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    found = dict(line.split(None, 1) for line in lines)
    assert len(found) == len(lines)
    return found


@dataclass(frozen=True)
class Container:
    """A process of a container: its command, and the variables that its file gives it."""

    argv: list[str]
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Pair:
    """A container with credentials, how it is asked whether it is ready, and the container that uses them."""

    credentials: Container
    probe: list[str]
    app: Container


def of_compose() -> Pair:
    served, app = COMPOSE["services"]["credentials"], COMPOSE["services"]["app"]
    assert app["network_mode"] == "service:credentials"
    assert app["depends_on"] == {"credentials": {"condition": "service_healthy"}}
    assert app["user"] == instructions()["USER"]
    assert {volume.removesuffix(":ro") for volume in (*served["volumes"], *app["volumes"])} == {"shared:/shared"}
    assert served["environment"]["COGNITO_FEDERATION_TOKEN_FILE"] == f"/run/secrets/{served['secrets'][0]}"
    entry = json.loads(instructions()["ENTRYPOINT"])
    test = served["healthcheck"]["test"]
    assert test[0] == "CMD"
    return Pair(
        Container([*entry, *served["command"]], served["environment"]),
        test[1:],
        Container(["aws", *app["command"]], app["environment"]),  # the entry point of that image
    )


def of_task() -> Pair:
    served, app = TASK["containerDefinitions"]
    assert app["dependsOn"] == [{"containerName": served["name"], "condition": "HEALTHY"}]
    assert {served["user"], app["user"]} == {instructions()["USER"]}
    places = {
        (mount["sourceVolume"], mount["containerPath"]) for each in (served, app) for mount in each["mountPoints"]
    }
    assert places == {(TASK["volumes"][0]["name"], "/shared")}
    test = served["healthCheck"]["command"]
    assert test[0] == "CMD"
    return Pair(
        Container([*json.loads(instructions()["ENTRYPOINT"]), *served["command"]], {}),
        test[1:],
        Container([*app["entryPoint"], *app["command"]], {each["name"]: each["value"] for each in app["environment"]}),
    )


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def works(home: Home, pair: Pair, bin: Path, own: Mapping[str, str], of_app: Mapping[str, str]) -> str:
    """Run both containers as their file says, and return what the program prints.

    Args:
        own: text of the file -> what a test has in its place.
        of_app: what the platform sets in the program's container besides.
    """
    own = {**own, PORT: free_port(), "/shared": str(home.path / "shared")}
    (home.path / "shared").mkdir()

    def changed(text: str) -> str:
        for name, value in own.items():
            text = text.replace(name, value)
        return text

    def environ(container: Container) -> dict[str, str]:
        given = {name: changed(value) for name, value in container.environ.items()}
        return {**home.environment(PATH=f"{bin}:{os.environ['PATH']}"), **given}

    server = subprocess.Popen(
        list(map(changed, pair.credentials.argv)), env=environ(pair.credentials), stdout=subprocess.DEVNULL, cwd="/"
    )
    try:
        end = time.monotonic() + LIMIT
        probe = list(map(changed, pair.probe))
        while subprocess.run(probe, env=environ(pair.credentials), capture_output=True).returncode:
            assert server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        app = {**environ(pair.app), **of_app, "AWS_CONFIG_FILE": str(home.path / "none")}
        done = subprocess.run(pair.app.argv, env=app, capture_output=True, text=True, timeout=LIMIT)
    finally:
        server.kill()
        server.wait()
    assert done.returncode == 0, done
    return done.stdout


def test_compose_serves_the_credentials_of_a_login_token(home: Home, bin: Path) -> None:
    own = {
        "/run/secrets/login-token": str(home.token),
        "eu-west-1:11111111-2222-3333-4444-555555555555": home.world.pool_id,
    }
    home.config.unlink()
    with home.allowed("s3:ListAllMyBuckets"):
        assert home.world.bucket in works(home, of_compose(), bin, own, {})
    assert home.count("GetCredentialsForIdentity") == 1


@contextlib.contextmanager
def role_of_the_task(world: World) -> Iterator[dict[str, str]]:
    """Make a role with the permission of the page, inside ``with``; yields what the agent of ECS answers for it."""
    of_admin = {"region_name": world.region, "endpoint_url": world.endpoint_url, **world.admin_credentials}
    iam = boto3.client("iam", **of_admin)
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    (action,) = re.findall("`(cognito-identity:.*?)`", PAGE.read_text(encoding="utf-8"))
    allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": each}) for each in (trust, allowed)]
    arn = iam.create_role(RoleName="Task", AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName="Task", PolicyName="vouch", PolicyDocument=documents[1])
    keys = boto3.client("sts", **of_admin).assume_role(RoleArn=arn, RoleSessionName="task")["Credentials"]
    names = {"AccessKeyId": "AccessKeyId", "SecretAccessKey": "SecretAccessKey", "SessionToken": "Token"}
    try:
        yield {to: keys[name] for name, to in names.items()} | {
            "Expiration": f"{keys['Expiration']:%Y-%m-%dT%H:%M:%SZ}"
        }
    finally:
        iam.delete_role_policy(RoleName="Task", PolicyName="vouch")
        iam.delete_role(RoleName="Task")


def test_the_task_serves_the_credentials_of_a_user_for_whom_its_role_vouches(
    home: Home, httpserver: HTTPServer, bin: Path
) -> None:
    world = home.world
    text = AWS_CONFIG.replace("eu-west-1:11111111-2222-3333-4444-555555555555", world.pool_id)
    home.config.write_text(text.replace("login.example.com", world.developer_provider))
    pair = of_task()
    # ECS names a path at the address of its agent; a test has no such address.
    pair = Pair(
        Container(pair.credentials.argv, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": httpserver.url_for("/task-role")}),
        pair.probe,
        pair.app,
    )
    with home.allowed("s3:ListAllMyBuckets"), role_of_the_task(world) as role:
        httpserver.expect_request("/task-role").respond_with_json(role)
        shown = works(home, pair, bin, {}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/task-role"})
    assert world.bucket in shown
    assert (home.count("GetOpenIdTokenForDeveloperIdentity"), home.count("GetCredentialsForIdentity")) == (1, 1)


def test_the_task_definition_has_only_what_ecs_takes() -> None:
    model = botocore.session.Session().get_service_model("ecs").operation_model("RegisterTaskDefinition")
    assert not ParamValidator().validate(TASK, model.input_shape).has_errors()

    def unknown(value: Any, shape: Any) -> list[str]:
        if shape.type_name == "structure":
            new = [name for name in value if name not in shape.members]
            return new + [bad for name in set(value) - set(new) for bad in unknown(value[name], shape.members[name])]
        return [bad for each in value for bad in unknown(each, shape.member)] if shape.type_name == "list" else []

    assert unknown(TASK, model.input_shape) == []


@pytest.mark.slow
def test_the_compose_file_follows_the_specification(tmp_path: Path) -> None:
    """The schema of the Compose specification, which comes with check-jsonschema."""
    (tmp_path / "compose.yaml").write_text(COMPOSE_TEXT)
    python = python_in_venv("check-jsonschema", "check-jsonschema>=0.31")
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(tmp_path / "compose.yaml")]
    done = subprocess.run([python, *words], capture_output=True, text=True)
    assert done.returncode == 0, done


def test_the_image_installs_this_package_and_makes_what_the_other_files_use(tmp_path: Path, bin: Path) -> None:
    """`RUN` is run with stand-ins for the programs that would change the machine; they note what they were told."""
    found, told = instructions(), tmp_path / "told"
    for program in ("pip", "useradd", "install"):
        (bin / program).write_text(f'#!/bin/sh\necho {program} "$@" >>{shlex.quote(str(told))}\n')
        (bin / program).chmod(0o700)
    subprocess.run(["sh", "-e", "-c", found["RUN"]], env={"PATH": f"{bin}:/usr/bin:/bin"}, check=True)
    installed, user, folder = (line.split() for line in told.read_text().splitlines())
    assert installed[:2] == ["pip", "install"]
    assert installed[-1] == "botocore-cognito-federation"
    assert user[user.index("--uid") + 1] == found["USER"]
    assert (folder[folder.index("-o") + 1], folder[-1]) == (user[-1], "/shared")
    assert json.loads(found["VOLUME"]) == ["/shared"]
    assert found["ENV"] == f"AWS_CONFIG_FILE={found['COPY'].split()[1]}"
    (script,) = json.loads(found["ENTRYPOINT"])
    assert entry_points(group="console_scripts", name=script)


def test_the_helper_of_docker_is_a_program_of_this_package_and_its_registries_stand_in_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    ((host, helper),) = DOCKER["credHelpers"].items()
    assert entry_points(group="console_scripts", name=f"docker-credential-{helper}")
    assert registry_in(host) is not None
    assert host in load_settings("dev").registries


def test_pip_twine_and_npm_take_the_token_of_codeartifact(home: Home, httpserver: HTTPServer, bin: Path) -> None:
    (bin / "pip").unlink()
    npm, pip = shutil.which("npm"), shutil.which("pip")
    if npm is None or pip is None:
        lacking("npm or pip is not installed")
    token = "the-token-of-codeartifact"
    answer = {"authorizationToken": token, "expiration": time.time() + 43200}
    httpserver.expect_oneshot_request("/v1/authorization-token", method="POST").respond_with_json(answer)
    basic = {"Authorization": "Basic YXdzOnRoZS10b2tlbi1vZi1jb2RlYXJ0aWZhY3Q="}
    httpserver.expect_request("/pypi/shared/simple/thing/", headers=basic).respond_with_data(
        '<a href="thing-1.0.tar.gz">thing</a>', content_type="text/html"
    )
    httpserver.expect_request("/npm/shared/thing", headers={"Authorization": f"Bearer {token}"}).respond_with_json(
        {
            "name": "thing",
            "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": {"name": "thing", "version": "1.0.0"}},
        }
    )
    real, ours = "https://corp-123456789012.d.codeartifact.eu-west-1.amazonaws.com", httpserver.url_for("").rstrip("/")
    # The stand-in speaks no TLS: everything but the scheme and the host is as on the page.
    lines = PACKAGES.replace("--profile dev", "--profile demo").replace("https://", "http://")
    lines = lines.replace(real.removeprefix("https://"), ours.removeprefix("http://"))
    npmrc = NPMRC.replace(real, ours).replace(real.removeprefix("https:"), ours.removeprefix("http:"))
    (home.path / ".npmrc").write_text(npmrc)
    lines += """
    printf '%s\n' "$TWINE_USERNAME:$TWINE_PASSWORD@$TWINE_REPOSITORY_URL"
    pip index versions thing --disable-pip-version-check
    """ + shlex.join([npm, "view", "thing", "version"])
    environ = home.environment(
        AWS_ENDPOINT_URL_CODEARTIFACT=httpserver.url_for(""),
        PATH=f"{bin}:{os.environ['PATH']}",
        PIP_CONFIG_FILE=os.devnull,
    )
    done = subprocess.run(
        ["sh", "-e", "-c", lines], env=environ, capture_output=True, text=True, timeout=LIMIT, cwd=home.path
    )
    assert done.returncode == 0, done
    twine, pip_found, *_, npm_found = done.stdout.splitlines()
    assert twine == f"aws:{token}@{ours}/pypi/shared/"
    assert (pip_found, npm_found) == ("thing (1.0)", "1.0.0")
