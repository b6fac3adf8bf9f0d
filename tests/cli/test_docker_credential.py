"""``docker-credential-cognito-federation``: the protocol word for word, and docker itself as its client."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from botocore_cognito_federation import __version__
from botocore_cognito_federation.cli import docker_credential
from botocore_cognito_federation.config.registries import registry_in
from botocore_cognito_federation.errors import ConfigurationError
from tests.cli.home import ModuleHome
from tests.home import LIMIT
from tests.servers.aws_hosts import AwsHosts

PROGRAM = Path(sys.executable).parent / docker_credential.PROGRAM
#: What docker compares a helper's output with (docker/docker-credential-helpers, credentials/error.go).
NOT_FOUND = "credentials not found in native keychain"
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OTHER = "999999999999.dkr.ecr.us-east-1.amazonaws.com"
SECRET = "a-password-that-was-typed"


def helped(monkeypatch: pytest.MonkeyPatch, action: str, text: str) -> tuple[int, str]:
    """Return exit code and output of an action in this process."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return docker_credential._ended_with([action])


def configured(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


PLAIN = "cognito_identity_pool_id = eu-west-1:00000000-0000-4000-8000-000000000001\ncognito_provider = guest\n"
NAMING = f"{PLAIN}cognito_registries = {HOST}\n"


@pytest.mark.parametrize(
    ("action", "text", "code", "said"),
    [
        ("get", "https://index.docker.io/v1/", 1, NOT_FOUND),
        ("get", f"{HOST}.evil.example\n", 1, NOT_FOUND),
        ("get", "public.ecr.aws", 1, NOT_FOUND),
        ("get", " \n", 1, "no credentials server URL"),
        ("get", HOST, 1, f"No profile is named for {HOST}, and default is none of this tool. Write cognito_registries"),
        ("list", "", 0, "{}"),
        ("erase", "https://index.docker.io/v1/", 0, ""),
        ("erase", HOST, 1, f"No password of {HOST} is stored. To end the sign-in behind it, run: cognito-federation"),
        (
            "store",
            json.dumps({"ServerURL": HOST, "Username": "AWS", "Secret": SECRET}),
            1,
            "docker login is not needed",
        ),
        ("store", json.dumps({"ServerURL": "x.example", "Username": "u", "Secret": SECRET}), 1, "stores no passwords"),
        ("store", f'{{"Secret": "{SECRET}"', 1, "no credentials server URL"),
        ("store", f'["{SECRET}"]', 1, "no credentials server URL"),
        ("version", "", 0, f"docker-credential-cognito-federation (botocore-cognito-federation) {__version__}"),
        ("shred", "", 1, "Usage: docker-credential-cognito-federation get|list|store|erase|version"),
    ],
)
def test_each_action_answers_in_one_line_and_repeats_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, text: str, code: int, said: str
) -> None:
    configured("[default]\nregion = eu-west-1\n", tmp_path, monkeypatch)
    ended, out = helped(monkeypatch, action, text)
    assert (ended, said in out, "\n" in out, SECRET in out) == (code, True, False, False), out
    if said == NOT_FOUND:
        assert out == said  # and nothing else: docker compares the whole output


@pytest.mark.parametrize(
    ("text", "variables", "found"),
    [
        (f"[profile a]\n{NAMING}[profile b]\n{PLAIN}", {"AWS_PROFILE": "b"}, "a"),
        (f"[profile a]\n{NAMING}[profile b]\n{NAMING}", {"AWS_PROFILE": "b"}, "b"),
        (f"[profile a]\ncognito_session = s\n[cognito-session s]\n{NAMING}", {}, "a"),
        (f"[profile a]\n{PLAIN}[profile b]\n{PLAIN}", {"AWS_DEFAULT_PROFILE": "b"}, "b"),
        (f"[profile a]\n{PLAIN}", {"COGNITO_FEDERATION_EXEC_PROFILE": "a"}, "a"),
        (f"[profile a]\n{PLAIN}", {"AWS_PROFILE": "a", "COGNITO_FEDERATION_REGISTRIES": f"{OTHER},{HOST}"}, "a"),
        ("", {"COGNITO_FEDERATION_FLOW": "web-identity"}, "default"),
        (f"[default]\n{PLAIN}", {}, "default"),
    ],
)
def test_the_profile_is_the_one_that_names_the_registry_or_else_the_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str], found: str
) -> None:
    configured(text, tmp_path, monkeypatch, **variables)
    registry = registry_in(HOST)
    assert registry is not None
    assert docker_credential.profile_of(registry, os.environ) == found


def test_two_profiles_that_name_a_registry_leave_no_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(f"[profile a]\n{NAMING}[profile b]\n{NAMING}[profile c]\n{PLAIN}", tmp_path, monkeypatch)
    registry = registry_in(HOST)
    assert registry is not None
    with pytest.raises(ConfigurationError, match=f"Profiles a, b name {HOST} in cognito_registries. Set AWS_PROFILE"):
        docker_credential.profile_of(registry, os.environ)
    assert helped(monkeypatch, "list", "") == (0, json.dumps({HOST: "AWS"}))


def asked(home: ModuleHome, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the installed helper as docker does."""
    environ = home.environment(**variables)
    return subprocess.run([PROGRAM, "get"], env=environ, input=text, capture_output=True, text=True, timeout=LIMIT)


@pytest.mark.thorough
def test_the_installed_helper_gets_a_password_with_the_profile_that_names_the_registry(home: ModuleHome) -> None:
    home.section("cognito-session more", cognito_registries=HOST)
    home.config.write_text(
        home.config.read_text().replace("[profile demo]", f"[profile demo]\ncognito_registries={HOST}")
    )
    refused = asked(home, HOST)
    assert (refused.returncode, refused.stderr) == (1, refused.stdout)
    assert "The role of profile demo does not allow ecr:GetAuthorizationToken. Add this statement" in refused.stdout
    with home.allowed("ecr:GetAuthorizationToken"):
        done = asked(home, f"https://{HOST}\n")
    found = json.loads(done.stdout)
    assert (found["ServerURL"], found["Username"], set(found)) == (
        f"https://{HOST}",
        "AWS",
        {"ServerURL", "Username", "Secret"},
    )
    assert found["Secret"].endswith("-auth-token")
    ended = asked(home, HOST, AWS_PROFILE="demo-people", COGNITO_FEDERATION_REGISTRIES=HOST)
    assert (ended.returncode, ended.stdout.count("\n")) == (1, 1)
    assert ended.stdout.endswith("Run: cognito-federation login --profile demo-people\n")


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no process gets Ctrl-C alone there")
def test_ctrl_c_ends_the_helper_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal, Ctrl-C goes to docker and to its helper, whose stderr docker shows."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        configured(f"[default]\nregion = eu-west-1\ncognito_endpoint_url = {url}\n{PLAIN}", tmp_path, monkeypatch)
        environ = os.environ | {"COGNITO_FEDERATION_CACHE_DIR": str(tmp_path / "cache")}
        with subprocess.Popen([PROGRAM, "get"], env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE) as helper:
            assert helper.stdin is not None
            helper.stdin.write(HOST.encode())
            helper.stdin.close()
            helper.stdin = None
            with silent.accept()[0]:
                helper.send_signal(signal.SIGINT)
                said = helper.communicate(timeout=LIMIT)
    assert (helper.returncode, said) == (130, (b"", b""))


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 2,
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    },
    "layers": [],
}


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_docker_shows_a_manifest_of_a_registry_with_the_password_of_the_helper(
    home: ModuleHome, httpserver: HTTPServer, tmp_path: Path
) -> None:
    """A command of docker that asks the registry itself, with no daemon."""
    passwords: list[str] = []

    def registry(request: Request) -> Response:
        if request.authorization is None or request.authorization.type != "basic":
            return Response(
                "{}", 401, {"WWW-Authenticate": f'Basic realm="https://{HOST}/",service="ecr.amazonaws.com"'}
            )
        passwords.append(f"{request.authorization.username}:{request.authorization.password}")
        if request.path == "/v2/":
            return Response("{}", 200)
        if "/manifests/" in request.path:
            return Response(json.dumps(MANIFEST), 200, content_type=str(MANIFEST["mediaType"]))
        return Response("{}", 200, content_type="application/octet-stream")

    httpserver.expect_request(re.compile("/v2/")).respond_with_handler(registry)
    config = home.path / ".docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"credHelpers": {HOST: "cognito-federation"}}))
    with AwsHosts(tmp_path, lambda host: httpserver.port if host == HOST else None) as hosts, home.allowed("ecr:*"):
        environ = home.environment(
            AWS_PROFILE="demo",
            SSL_CERT_FILE=str(hosts.ca_file),
            PATH=f"{PROGRAM.parent}:{os.environ['PATH']}",
            **hosts.proxy,
        )

        def inspected(**variables: str) -> subprocess.CompletedProcess[str]:
            words = ["docker", "manifest", "inspect", f"{HOST}/app:1"]
            return subprocess.run(words, env=environ | variables, capture_output=True, text=True, timeout=LIMIT)

        done, signed_out = inspected(), inspected(AWS_PROFILE="demo-people")
    assert json.loads(done.stdout)["config"]["digest"] == MANIFEST["config"]["digest"], done
    assert set(passwords) == {"AWS:111122223333-auth-token"}  # moto's, of the account of the credentials
    assert signed_out.returncode == 1
    assert "Run: cognito-federation login --profile demo-people\n" in signed_out.stderr
