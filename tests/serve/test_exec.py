"""``exec``: the program, its environment, its signals and its exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation._fast_path import CHAIN_VARIABLE
from botocore_cognito_federation.serve.child import OVERRIDING_VARIABLES
from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough

#: By these, SDKs act as somebody else; named here too, so that none is lost from the list of the product.
OF_OTHER_IDENTITIES = (
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
PRINT_ENVIRONMENT = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
READ_OBJECT = """
import boto3, sys
bucket, key, endpoint = sys.argv[1:]
session = boto3.Session()
print(session.get_credentials().method)
print(session.client("s3", endpoint_url=endpoint).get_object(Bucket=bucket, Key=key)["Body"].read().decode())
"""


def test_the_program_has_credentials_and_region_and_nothing_that_would_shadow_them(home: ModuleHome) -> None:
    before = {
        name: "stale"
        for name in (*OVERRIDING_VARIABLES, *OF_OTHER_IDENTITIES)
        if name not in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    }
    before |= {"AWS_PROFILE": "demo", CHAIN_VARIABLE: "other", "COGNITO_FEDERATION_CLIENT_ID": "demo-client"}
    before |= {"AWS_EC2_METADATA_DISABLED": "false"}
    done = home.run("exec", "--", *PRINT_ENVIRONMENT, **before)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert found["AWS_SESSION_TOKEN"] not in ("", "stale")
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == home.world.region
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["AWS_CREDENTIAL_EXPIRATION"])
    assert "stale" not in found.values()
    assert found["AWS_EC2_METADATA_DISABLED"] == "true"
    assert not {"AWS_PROFILE", CHAIN_VARIABLE, "COGNITO_FEDERATION_CLIENT_ID"} & set(found)
    assert found["COGNITO_FEDERATION_CACHE_DIR"] == home.environment()["COGNITO_FEDERATION_CACHE_DIR"]


def test_the_program_calls_bedrock_with_the_credentials_it_was_given_and_with_no_bearer_token_of_another(
    home: ModuleHome,
) -> None:
    program = """
import boto3
client = boto3.client("bedrock-runtime", endpoint_url="http://127.0.0.1:9")
def show(request, **_): raise SystemExit(request.headers["Authorization"].split()[0])
client.meta.events.register("before-send", show)
client.invoke_model(modelId="any", body=b"{}")
"""
    done = home.run("exec", "--profile", "demo", "--", sys.executable, "-c", program, AWS_BEARER_TOKEN_BEDROCK="other")
    assert "AWS4-HMAC-SHA256" in done.stderr


def test_the_program_and_a_token_command_get_the_library_path_from_before_a_frozen_caller(
    home: ModuleHome, tmp_path: Path
) -> None:
    """Like the AWS CLI 2 starts a credential helper: with the path of its bundle, and perhaps the original one."""
    bundle, shown = tmp_path / "dist", tmp_path / "shown"
    bundle.mkdir()
    (bundle / "base_library.zip").touch()
    command = tmp_path / "token-command"
    token = (home.path / "token").read_text()
    command.write_text(f'#!/bin/sh\nprintf "%s" "${{LD_LIBRARY_PATH-none}}" > {shown}\nprintf "%s" "{token}"\n')
    command.chmod(0o700)
    home.config.write_text(home.config.read_text().replace("cognito_token_file", "#cognito_token_file"))
    source = {"COGNITO_FEDERATION_CACHE": "memory"}
    text = home.config.read_text().replace("[profile demo]", f"[profile demo]\ncognito_token_command = {command}", 1)
    home.config.write_text(text)
    for before, expected in ({"LD_LIBRARY_PATH_ORIG": "/before"}, "/before"), ({}, None):
        variables = {**source, "LD_LIBRARY_PATH": f"{bundle}", **before}
        done = home.run("exec", "--profile", "demo", "--", *PRINT_ENVIRONMENT, **variables)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout).get("LD_LIBRARY_PATH") == expected
        assert "LD_LIBRARY_PATH_ORIG" not in json.loads(done.stdout)
        assert shown.read_text() == (expected or "none")


def test_quiet_if_stderr_is_no_terminal(home: ModuleHome) -> None:
    done = home.run("exec", "--profile", "demo", "--", "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_aws_client_in_the_program_works(home: ModuleHome) -> None:
    world = home.world
    words = (sys.executable, "-c", READ_OBJECT, world.bucket, world.object_key, world.endpoint_url)
    done = home.run("exec", "--profile", "demo", "--", *words)
    assert done.stdout.splitlines()[0] == "env", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no exec")
def test_the_process_becomes_the_program(home: ModuleHome) -> None:
    process = home.start("exec", "--profile", "demo", "--", sys.executable, "-c", "import os; print(os.getpid())")
    out, _ = process.communicate(timeout=60)
    assert int(out) == process.pid


def test_the_programs_options_are_its_own(home: ModuleHome) -> None:
    show = (sys.executable, "-c", "import sys; print(sys.argv[1:])", "--profile", "x", "--help", "--server")
    for separator in ((), ("--",)):
        done = home.run("exec", "--profile", "demo", *separator, *show)
        assert done.stdout.strip() == "['--profile', 'x', '--help', '--server']"


@pytest.mark.parametrize("server", [(), ("--server",)])
def test_the_exit_code_is_the_programs(home: ModuleHome, server: tuple[str, ...]) -> None:
    assert home.run("exec", "--profile", "demo", *server, "--", "sh", "-c", "exit 41").returncode == 41


def test_a_program_ended_by_a_signal_is_seen_as_in_a_shell(home: ModuleHome) -> None:
    words = ("--", "sh", "-c", "kill -TERM $$")
    assert home.run("exec", "--profile", "demo", *words).returncode == -signal.SIGTERM
    assert home.run("exec", "--profile", "demo", "--server", *words).returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("server", [(), ("--server",)])
def test_what_cannot_start_has_the_exit_code_of_a_shell(
    home: ModuleHome, server: tuple[str, ...], tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for name, code in (("no-such-program-anywhere", 127), (str(plain), 126), (str(tmp_path), 126)):
        done = home.run("exec", "--profile", "demo", *server, "--", name)
        assert (done.returncode, done.stdout) == (code, ""), name
        assert done.stderr.count("\n") == 1
        assert name in done.stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("server", [(), ("--server",)])
def test_the_program_does_not_inherit_the_signals_python_ignores(home: ModuleHome, server: tuple[str, ...]) -> None:
    done = home.run("exec", "--profile", "demo", *server, "--", "grep", "SigIgn", "/proc/self/status")
    assert int(done.stdout.split()[1], 16) == 0


@pytest.mark.parametrize("server", [(), ("--server",)])
def test_descriptors_handed_to_us_reach_the_program(home: ModuleHome, server: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    words = ("--", sys.executable, "-c", f"import os; os.write({writing}, b'through')")
    process = home.start("exec", "--profile", "demo", *server, *words, pass_fds=[writing])
    os.close(writing)
    assert process.communicate(timeout=60) == ("", "")
    assert os.read(reading, 100) == b"through"
    os.close(reading)


def _shell(tmp_path: Path) -> str:
    script = tmp_path / "my-shell"
    script.write_text('#!/bin/sh\necho "shell with ${AWS_ACCESS_KEY_ID:+keys}"\n')
    script.chmod(0o700)
    return str(script)


def test_without_a_program_the_users_shell_starts(home: ModuleHome, tmp_path: Path) -> None:
    done = home.run("exec", "--profile", "demo", SHELL=_shell(tmp_path))
    assert (done.stdout, done.stderr) == ("shell with keys\n", "")


def test_a_terminal_shows_what_starts_and_how_long_the_credentials_are_valid(home: ModuleHome, tmp_path: Path) -> None:
    own_end, theirs = pty.openpty()
    process = home.start("exec", "--profile", "demo", stderr=theirs, variables={"SHELL": _shell(tmp_path)})
    os.close(theirs)
    assert process.stdout is not None
    assert process.stdout.read() == "shell with keys\n"
    process.wait(60)
    told = ""
    while select.select([own_end], [], [], 0.2)[0]:
        try:
            told += os.read(own_end, 4096).decode()
        except OSError:  # the other end of the terminal is closed
            break
    process.stdout.close()
    os.close(own_end)
    assert "my-shell" in told
    assert "valid for 60 min" in told


def test_nothing_starts_without_credentials(home: ModuleHome, tmp_path: Path) -> None:
    (home.path / "token").unlink()
    marker = tmp_path / "started"
    for server in ((), ("--server",)):
        done = home.run("exec", "--profile", "demo", *server, "--", "touch", str(marker))
        assert done.returncode not in (0, 126, 127)
        assert done.stderr.count("\n") == 1
    assert not marker.exists()


def test_with_server_the_program_has_an_endpoint_and_no_keys(home: ModuleHome) -> None:
    done = home.run("exec", "--server", "--profile", "demo", "--", *PRINT_ENVIRONMENT, AWS_ACCESS_KEY_ID="stale")
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}", found["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    assert len(found["AWS_CONTAINER_AUTHORIZATION_TOKEN"]) == 43
    assert found["AWS_REGION"] == home.world.region
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} & set(found)


def test_with_server_signals_reach_the_program(home: ModuleHome) -> None:
    script = "trap 'exit 7' TERM; trap 'exit 8' INT; trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done"
    for number, code in ((signal.SIGTERM, 7), (signal.SIGINT, 8), (signal.SIGHUP, 9)):
        process = home.start("exec", "--server", "--profile", "demo", "--", "sh", "-c", script)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == code


def test_with_server_another_identity_in_the_default_profile_is_refused(home: ModuleHome) -> None:
    home.config.write_text(home.config.read_text() + "\n[default]\ncredential_process = /bin/other\n")
    done = home.run("exec", "--server", "--profile", "demo", "--", "true")
    assert done.returncode == 4
    assert "[default]" in done.stderr
    assert home.run("exec", "--profile", "demo", "--", "true").returncode == 0


LONG_RUNNING = """
import boto3, sys, time
bucket, key, endpoint, lifetime = sys.argv[1:]
session = boto3.Session()
client = session.client("s3", endpoint_url=endpoint)
keys, end = set(), time.monotonic() + 3 * float(lifetime) + 0.5
while time.monotonic() < end:
    client.get_object(Bucket=bucket, Key=key)
    keys.add(session.get_credentials().get_frozen_credentials().access_key)
    time.sleep(0.1)
print(len(keys) >= 4, session.get_credentials().method)
"""


def test_with_server_a_long_running_program_survives_three_expiries(home: ModuleHome) -> None:
    """One client in one process, which a refusal would end: the world accepts no expired key."""
    world = home.world
    world.credential_lifetime = 4
    words = (sys.executable, "-c", LONG_RUNNING, world.bucket, world.object_key, world.endpoint_url, "4")
    done = home.run("exec", "--server", "--profile", "demo", "--", *words)
    assert done.stdout == "True container-role\n", done.stderr
