"""``serve`` and ``completion`` as processes."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
import requests

from tests.cli.home import ModuleHome
from tests.serve.test_exec import READ_OBJECT

pytestmark = pytest.mark.thorough


def _variables(line_count: int, process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(line_count)]
    words = [shlex.split(line) for line in lines]
    assert all(word[0] == "export" for word in words)
    return dict(word[1].split("=", 1) for word in words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
def test_a_shell_that_sets_what_is_printed_has_credentials_until_the_end(
    home: ModuleHome, number: int, code: int
) -> None:
    process = home.start("serve", "--profile", "demo")
    variables = _variables(5, process)
    world = home.world
    done = subprocess.run(
        [sys.executable, "-c", READ_OBJECT, world.bucket, world.object_key, world.endpoint_url],
        env=home.environment() | variables,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[0] == "container-role", done.stderr
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == code


@pytest.mark.parametrize(
    ("style", "start"),
    [
        ("fish", "set -gx AWS_CONTAINER_CREDENTIALS_FULL_URI 'http://127.0.0.1:"),
        ("powershell", "$Env:AWS_CONTAINER_CREDENTIALS_FULL_URI = 'http://127.0.0.1:"),
        ("windows-cmd", 'set "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:'),
        ("dotenv", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:"),
    ],
)
def test_every_shell_is_spoken_to_in_its_way(home: ModuleHome, style: str, start: str) -> None:
    process = home.start("serve", "--profile", "demo", "--format", style)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(start)
    process.terminate()
    process.communicate(timeout=60)


def test_a_sign_out_by_another_process_is_honoured_at_once(home: ModuleHome) -> None:
    process = home.start("serve", "--profile", "demo")
    variables = _variables(5, process)

    def ask() -> requests.Response:
        token = variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        return requests.get(
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token}, timeout=30
        )

    first = ask().json()["AccessKeyId"]
    (home.path / "token").rename(home.path / "put-away")
    assert ask().json()["AccessKeyId"] == first
    assert home.run("logout", "--profile", "demo").returncode == 0
    assert (ask().status_code, "AccessKeyId" in ask().json()) == (400, False)
    (home.path / "put-away").rename(home.path / "token")
    assert ask().json()["AccessKeyId"] != first
    process.terminate()
    process.communicate(timeout=60)


def test_what_would_come_before_the_endpoint_is_named(home: ModuleHome) -> None:
    process = home.start("serve", variables={"AWS_PROFILE": "demo"})
    _variables(5, process)
    assert process.stderr is not None
    assert "AWS_PROFILE is set" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=60)


def test_without_credentials_the_endpoint_does_not_start(home: ModuleHome) -> None:
    (home.path / "token").unlink()
    done = home.run("serve", "--profile", "demo")
    assert done.returncode not in (0, 1)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_the_completion_script_completes_commands(home: ModuleHome) -> None:
    done = home.run("completion", "zsh")
    assert "_COGNITO_FEDERATION_COMPLETE=zsh_complete cognito-federation" in done.stdout
    asked = {"_COGNITO_FEDERATION_COMPLETE": "zsh_complete", "COMP_WORDS": "cognito-federation cons", "COMP_CWORD": "1"}
    program = os.path.join(os.path.dirname(sys.executable), "cognito-federation")
    completed = subprocess.run(
        [program], env=home.environment() | asked, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert "console" in completed.stdout


COMPLETED_BY_FISH = """
cognito-federation completion fish | source
complete -C "cognito-federation whoami --profile "
"""
COMPLETED_BY_BASH = """
eval "$(cognito-federation completion bash)"
COMP_WORDS=(cognito-federation whoami --profile "") COMP_CWORD=3
_cognito_federation_completion cognito-federation
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", COMPLETED_BY_BASH), ("fish", COMPLETED_BY_FISH)])
def test_a_shell_is_offered_only_names_that_it_takes_as_they_are(home: ModuleHome, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    keys = {"cognito_identity_pool_id": home.world.pool_id}
    for name in (
        "*",
        "$(touch${IFS}run)",
        "`touch${IFS}run`",
        "a;b",
        "a b",
        "~",
        "a,b",
        "a\x1b[2J",
        "a'b",
        "=ls",
        "%self",
        "-rf",
        "good-1.@+:/=\u00e9",
    ):
        home.section(f"profile '{name}'", **keys)
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environment = home.environment(PATH=path, LC_ALL="C.UTF-8")
    done = subprocess.run([shell, "-c", script], env=environment, cwd=home.path, capture_output=True, text=True)
    offered = [line.partition("\t")[0] for line in done.stdout.split("\n")[:-1]]
    assert {"good-1.@+:/=\u00e9", "demo", "guest"} <= {*offered}
    assert not [name for name in offered if not name.isprintable() or {*name} & {*"*$`{}(); ~,'"} or name[0] in "=%-"]
    assert "token" not in offered, "a file here, which * stands for"
