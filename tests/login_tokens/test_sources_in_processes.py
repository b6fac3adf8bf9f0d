"""Each token source, from the configuration to credentials that work, through ``credential-process``."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time

import pytest

from tests.login_tokens.home import ProfileHome, caller
from tests.login_tokens.metadata_server import MetadataServer

pytestmark = pytest.mark.thorough


def handler_module(home: ProfileHome, text: str) -> dict[str, str]:
    """A module `handlers` in its own directory; returns the variables that make it importable."""
    directory = home.path / "modules"
    home.file("modules/handlers.py", "from pathlib import Path\nhere = Path(__file__).parent\n" + text)
    return {"PYTHONPATH": f"{directory}"}


def test_a_token_url_gives_credentials(home: ProfileHome, metadata: MetadataServer) -> None:
    metadata.says(json.dumps({"jwt": home.world.provider.issue("ada")}))
    home.profile(
        "url",
        cognito_token_url=f"http://{metadata.host}/token",
        cognito_token_field="jwt",
        cognito_token_headers_env="TOKEN_HEADERS",
    )
    answer = home.credential_process("url", TOKEN_HEADERS="Authorization: Bearer x")
    assert "assumed-role" in caller(home.world, answer)
    assert metadata.seen[0].headers["authorization"] == "Bearer x"


def test_a_job_of_github_actions_gets_credentials(home: ProfileHome, metadata: MetadataServer) -> None:
    metadata.says(json.dumps({"value": home.world.provider.issue("repo:demo/app:ref:refs/heads/main")}))
    home.profile("ci", cognito_token_url="github-actions", cognito_token_audience="demo-client")
    url = f"http://{metadata.host}/oidc?api-version=2.0"
    answer = home.credential_process("ci", ACTIONS_ID_TOKEN_REQUEST_URL=url, ACTIONS_ID_TOKEN_REQUEST_TOKEN="t")
    assert "assumed-role" in caller(home.world, answer)


@pytest.mark.parametrize(
    ("keys", "variable"),
    [
        ({"cognito_token_audience": "demo-client"}, "DEMO_CLIENT_ID_TOKEN"),
        ({"cognito_token_audience": "4-sts.amazonaws.com"}, "__STS_AMAZONAWS_COM_ID_TOKEN"),
        ({}, "GITLAB_OIDC_TOKEN"),
    ],
)
def test_a_job_of_gitlab_gets_credentials(home: ProfileHome, keys: dict[str, str], variable: str) -> None:
    home.profile("ci", cognito_token_source="gitlab", **keys)
    token = home.world.provider.issue("project_path:demo/app:ref_type:branch:ref:main")
    assert "assumed-role" in caller(home.world, home.credential_process("ci", **{variable: token}))
    assert f"Give the job id_tokens: {variable}" in home.run("credential-process", "--profile", "ci").stderr


def program_of_a_ci_system(home: ProfileHome, name: str, arguments: str) -> str:
    """Make a program that prints the token `ci-token` if it is started with these arguments; return the PATH."""
    home.file("ci-token", home.world.provider.issue("organization:demo:pipeline:app"))
    script = f'#!/bin/sh\n[ "$*" = {shlex.quote(arguments)} ] && cat {home.path}/ci-token\n'
    home.file(f"bin/{name}", script).chmod(0o700)
    return f"{home.path}/bin:{os.environ['PATH']}"


def test_a_job_of_circleci_gets_credentials_by_its_variable_or_for_another_audience_by_its_program(
    home: ProfileHome,
) -> None:
    home.profile("ci", cognito_token_source="circleci")
    token = home.world.provider.issue("org/1/project/2/user/3")
    for variable in ("CIRCLE_OIDC_TOKEN", "CIRCLE_OIDC_TOKEN_V2"):
        assert "assumed-role" in caller(home.world, home.credential_process("ci", **{variable: token}))
    assert "jobs that use a context" in home.run("credential-process", "--profile", "ci").stderr
    path = program_of_a_ci_system(home, "circleci", 'run oidc get --claims {"aud": "demo-client"}')
    home.profile("other", cognito_token_source="circleci", cognito_token_audience="demo-client")
    assert home.credential_process("other", PATH=path, CIRCLE_OIDC_TOKEN="not this one")["AccessKeyId"]


def test_a_job_of_buildkite_gets_credentials(home: ProfileHome) -> None:
    path = program_of_a_ci_system(home, "buildkite-agent", "oidc request-token --audience demo-client")
    home.profile("ci", cognito_token_source="buildkite", cognito_token_audience="demo-client")
    assert home.credential_process("ci", PATH=path)["AccessKeyId"]
    home.profile("wrong", cognito_token_source="buildkite")
    assert "cognito_token_source = buildkite" in home.run("credential-process", "--profile", "wrong", PATH=path).stderr
    done = home.run("credential-process", "--profile", "ci", PATH="/nowhere")
    assert "finds no program buildkite-agent" in done.stderr


def test_a_machine_of_google_cloud_gets_credentials(home: ProfileHome, metadata: MetadataServer) -> None:
    metadata.says(home.world.provider.issue("vm"), Metadata_Flavor="Google")
    home.profile("vm", cognito_token_url="gcp", cognito_token_audience="demo-client")
    assert home.credential_process("vm", GCE_METADATA_HOST=metadata.host)["AccessKeyId"]


def test_an_app_on_azure_gets_credentials(home: ProfileHome, metadata: MetadataServer) -> None:
    metadata.says(json.dumps({"access_token": home.world.provider.issue("app"), "expires_on": "1"}))
    home.profile("app", cognito_token_url="azure", cognito_token_audience="demo-client")
    variables = {"IDENTITY_ENDPOINT": f"http://{metadata.host}/msi/token", "IDENTITY_HEADER": "h"}
    assert home.credential_process("app", **variables)["AccessKeyId"]


def test_a_token_url_that_refuses_leaves_stdout_empty_and_one_line(home: ProfileHome, metadata: MetadataServer) -> None:
    metadata.says("sesame", 403)
    home.profile("url", cognito_token_url=f"http://{metadata.host}/token")
    done = home.run("credential-process", "--profile", "url")
    assert (done.returncode, done.stdout) == (5, "")
    assert len(done.stderr.splitlines()) == 1
    assert "answered 403" in done.stderr
    assert "sesame" not in done.stderr


def test_a_python_handler_gives_credentials(home: ProfileHome) -> None:
    home.file("modules/token", home.world.provider.issue("ada"))
    variables = handler_module(home, "def refresh(context):\n    return {'token': (here / 'token').read_text()}\n")
    home.profile("py", cognito_refresh_handler="handlers:refresh")
    assert "assumed-role" in caller(home.world, home.credential_process("py", **variables))


def test_a_handler_in_the_current_directory_is_not_run(home: ProfileHome) -> None:
    home.file("work/handlers.py", "raise SystemExit('this ran')\n")
    home.profile("py", cognito_refresh_handler="handlers:refresh")
    for start in (home.run("credential-process", "--profile", "py", cwd=home.path / "work"),):
        assert start.returncode == 4
        assert "current directory is never searched" in start.stderr
    as_module = ("-m", "botocore_cognito_federation", "credential-process", "--profile", "py")
    done = home.python(*as_module, cwd=home.path / "work")
    assert done.returncode == 4
    assert "current directory is never searched" in done.stderr


def test_a_handler_cannot_be_named_by_a_variable(home: ProfileHome) -> None:
    home.profile("py", cognito_token_env="TOKEN")
    done = home.run("credential-process", "--profile", "py", COGNITO_FEDERATION_REFRESH_HANDLER="os:getcwd", TOKEN="x")
    assert done.returncode == 4
    assert "no variable, because it runs code" in done.stderr


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("    raise ValueError('sesame')\n", 5, "raised ValueError (handlers.py, line"),
        ("    return None\n", 5, "returned nothing"),
        ("    return {'token': 'sesame sesame'}\n", 5, "bare login token"),
        ("    import sys; sys.exit('sesame')\n", 5, "raised SystemExit"),
        ("    print('noise'); raise KeyError('sesame')\n", 5, "raised KeyError"),
    ],
)
def test_a_handler_that_fails_is_one_line_without_its_text(home: ProfileHome, body: str, code: int, said: str) -> None:
    variables = handler_module(home, "def refresh():\n" + body)
    home.profile("py", cognito_refresh_handler="handlers:refresh")
    done = home.run("credential-process", "--profile", "py", **variables)
    assert done.returncode == code
    assert said in done.stderr
    assert "sesame" not in done.stdout + done.stderr


def test_a_handler_that_starts_its_own_profile_again_is_stopped(home: ProfileHome) -> None:
    program = "import sys; from botocore_cognito_federation.__main__ import main; sys.exit(main())"
    again = f"[{sys.executable!r}, '-c', {program!r}, 'credential-process', '--profile', 'py']"
    text = f"""
import subprocess
def refresh():
    inner = subprocess.run({again}, capture_output=True, text=True, timeout=60)
    (here / 'inner').write_text(inner.stderr)
    return inner.stdout
"""
    variables = handler_module(home, text)
    home.profile("py", cognito_refresh_handler="handlers:refresh")
    done = home.run("credential-process", "--profile", "py", **variables)
    assert done.returncode == 5
    assert "needs its own credentials to get credentials" in (home.path / "modules" / "inner").read_text()


def test_a_handler_source_shares_credentials_between_processes(home: ProfileHome) -> None:
    home.file("modules/token", home.world.provider.issue("ada"))
    variables = handler_module(home, "def refresh():\n    return (here / 'token').read_text()\n")
    home.profile("py", cognito_refresh_handler="handlers:refresh")
    first = home.credential_process("py", **variables)
    assert home.credential_process("py", **variables) == first
    assert len(home.world.calls("GetCredentialsForIdentity")) == 1


@pytest.mark.parametrize("how", ["file", "env", "command"])
@pytest.mark.parametrize("provider", ["facebook", "amazon"])
def test_opaque_tokens_work_from_every_plain_source(home: ProfileHome, provider: str, how: str) -> None:
    key = {"facebook": "graph.facebook.com", "amazon": "www.amazon.com"}[provider]
    token = f"EAAB-{provider}-{how}-{time.time_ns()}"
    home.world.register_opaque_token(key, token, f"{provider}-user")
    path = home.file("opaque", token)
    configured = {
        "file": {"cognito_token_file": str(path)},
        "env": {"cognito_token_env": "OPAQUE"},
        "command": {"cognito_token_command": f"cat {path}"},
    }[how]
    home.profile("social", cognito_provider=provider, **configured)
    assert "assumed-role" in caller(home.world, home.credential_process("social", OPAQUE=token))


@pytest.mark.parametrize("how", ["file", "command"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_saml_response_works_on_one_line_or_wrapped(home: ProfileHome, how: str, wrapped: bool) -> None:
    import base64

    xml = b'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">' + b"x" * 300
    assertion = base64.b64encode(xml + str(time.time_ns()).encode()).decode()
    arn = "arn:aws:iam::123456789012:saml-provider/corp"
    home.world.register_opaque_token(arn, assertion, "ada")
    lines = [assertion[place : place + 76] for place in range(0, len(assertion), 76)]
    path = home.file("assertion", "\n".join(lines) + "\n" if wrapped else assertion)
    source = {"cognito_token_file": str(path)} if how == "file" else {"cognito_token_command": f"cat {path}"}
    home.profile("saml", cognito_provider="saml", cognito_login_key=arn, **source)
    assert home.credential_process("saml")["AccessKeyId"]


def test_a_saml_response_as_xml_is_named_as_that(home: ProfileHome) -> None:
    path = home.file("assertion", "<samlp:Response>\n</samlp:Response>\n")
    arn = "arn:aws:iam::123456789012:saml-provider/corp"
    home.profile("saml", cognito_provider="saml", cognito_login_key=arn, cognito_token_file=str(path))
    done = home.run("credential-process", "--profile", "saml")
    assert done.returncode == 5
    assert "a SAML response is sent as base64" in done.stderr


def test_a_saml_response_too_long_for_cognito_is_refused_before_the_call(home: ProfileHome) -> None:
    path = home.file("assertion", "PHNhbWxw" * 7000)
    arn = "arn:aws:iam::123456789012:saml-provider/corp"
    home.profile("saml", cognito_provider="saml", cognito_login_key=arn, cognito_token_file=str(path))
    done = home.run("credential-process", "--profile", "saml")
    assert done.returncode == 5
    assert "56,000 characters" in done.stderr
    assert home.world.calls() == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"cognito_token_url": "gcp"}, "needs cognito_token_audience"),
        ({"cognito_token_url": "azure"}, "needs cognito_token_audience"),
        (
            {"cognito_token_url": "github-actions", "cognito_token_headers_env": "H"},
            "github-actions takes no cognito_token_headers_env",
        ),
        ({"cognito_token_url": "http://198.51.100.1/t"}, "it must be https"),
        ({"cognito_token_file": "t", "cognito_token_headers_env": "H"}, "goes only with cognito_token_url"),
        ({"cognito_token_file": "t", "cognito_token_audience": "a"}, "goes only with cognito_token_url"),
        ({"cognito_token_file": "t", "cognito_token_url": "gcp"}, "one token source"),
        ({"cognito_refresh_handler": "no-colon"}, "package.module:function"),
        ({"cognito_refresh_handler": "../x:f"}, "package.module:function"),
        (
            {"cognito_provider": "developer", "cognito_developer_user": "ada"},
            "also needs cognito_developer_provider",
        ),
        (
            {
                "cognito_provider": "developer",
                "cognito_developer_user": "ada",
                "cognito_developer_provider": "p",
            },
            "also needs cognito_developer_profile",
        ),
        ({"cognito_developer_user": "ada", "cognito_provider": "google"}, "goes only with cognito_provider"),
        (
            {
                "cognito_flow": "basic",
                "cognito_provider": "saml",
                "cognito_role_arn": "arn:aws:iam::123456789012:role/x",
            },
            "SAML works in the enhanced flow only",
        ),
        ({"cognito_token_file": "t", "cognito_logins": "a b c d e f g h i j"}, "ten logins"),
        ({"cognito_token_file": "t", "cognito_logins": "a a"}, "twice"),
        ({"cognito_provider": "guest", "cognito_logins": "a"}, "guests have no login"),
        ({"cognito_provider": "twitter"}, "no sign-in"),
        ({"cognito_provider": "apple"}, "never to this machine"),
    ],
)
def test_what_does_not_go_together_is_named(home: ProfileHome, keys: dict[str, str], said: str) -> None:
    home.profile("wrong", **keys)
    done = home.run("credential-process", "--profile", "wrong")
    assert (done.returncode, done.stdout) == (4, "")
    assert said in done.stderr


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_an_endpoint_of_ones_own_and_a_fips_or_dual_stack_one_contradict_each_other(
    home: ProfileHome, variable: str
) -> None:
    home.profile("demo", cognito_token_file="t")
    done = home.run("credential-process", "--profile", "demo", **{variable: "true"})
    assert done.returncode == 4
    assert "is configured as the endpoint" in done.stderr
    assert variable in done.stderr
