"""``cognito-federation demo``: shows everything end to end, step by step, as a user would run it.

Every step starts a real process against a real world on loopback, and shows its output.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import site
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import CognitoFederationError
from .home import child_environment
from .serve import find_executable
from .world import World

Say = Callable[[str], None]

_LIST_BUCKETS = "import boto3\nfor bucket in boto3.client('s3').list_buckets()['Buckets']: print(bucket['Name'])"
_NATIVE = f"""\
import subprocess
subprocess.Popen = None  # an attempt to start a process would fail here
from botocore_cognito_federation import install
install()
{_LIST_BUCKETS}"""
_RENEWAL = """\
import time, boto3
from botocore_cognito_federation import install
install()
s3, keys = boto3.client("s3"), []
while len(keys) < 2:
    s3.list_buckets()
    key = boto3.Session().get_credentials().get_frozen_credentials().access_key
    if key not in keys:
        keys.append(key)
        print(f"list_buckets() works with {key[:4]}...{key[-4:]}", flush=True)
    time.sleep(0.25)"""

_SCRIPTED = Path(__file__).with_name("scripted_browser.py")
#: Seconds; short enough to watch the expiry. A third of it before the end, the credentials are renewed.
_SHORT_LIFE = 4.0
_STEP_LIMIT = 60


@dataclass(frozen=True)
class _Stage:
    world: World
    home: Path
    command: str
    environment: dict[str, str]
    say: Say
    browser: str = ""

    def follow(self, *words: str) -> None:
        """Run a command in the user's own home directory, which browsers need, and print its lines as they come.

        Raises:
            CognitoFederationError: it failed.
        """
        own = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}
        with subprocess.Popen(
            words,
            env={**self.environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.say(f"  {line.rstrip()}")
        if process.returncode:
            raise CognitoFederationError(f"The demo's step ended with status {process.returncode}")

    def run(self, *words: str, profile: str = "demo") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env={**self.environment, "AWS_PROFILE": profile},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_STEP_LIMIT,
            check=False,
        )

    def show(self, shown: str, done: subprocess.CompletedProcess[str], *, expect: int = 0) -> None:
        """Print a command and its output.

        Raises:
            CognitoFederationError: its exit status is not the expected one.
        """
        self.say(f"$ {shown}")
        output = done.stdout + done.stderr
        for line in _masked(output).splitlines():
            self.say(f"  {line}")
        if (done.returncode == 0) != (expect == 0):
            raise CognitoFederationError(f"The demo's step ended with status {done.returncode}, not {expect}")


def walk(say: Say, heading: Say, *, own_browser: bool = False, helper: str | None = None) -> None:
    """Show the steps from a sign-in to a signed request, a renewal, and the error for a wrong audience.

    Args:
        say: prints a line.
        heading: prints the first line of a step.
        own_browser: whether the user signs in with a browser, and not a script in the user's place.
        helper: how the profiles start the ``cognito-federation`` command; see `DrivenWorld.write_home`.

    Raises:
        CognitoFederationError: a step failed.
    """
    say("Starting an identity provider, a Cognito identity pool and S3 on this machine ...")
    with tempfile.TemporaryDirectory(prefix="cognito-demo-") as directory, World() as world:
        home = Path(directory)
        command = find_executable()
        world.write_home(home, command, helper)
        environment = {**child_environment(world.facts, home, dict(os.environ)), "PYTHONUSERBASE": site.getuserbase()}
        browser = "" if own_browser else f"{shlex.quote(sys.executable)} {shlex.quote(str(_SCRIPTED))} ada %s"
        stage = _Stage(world, home, command, environment, say, browser)
        steps: tuple[tuple[str, Callable[[_Stage], None]], ...] = (
            ("A profile names an identity pool and the provider where people sign in", _people),
            ("A user signs in, once", _sign_in),
            ("boto3, the AWS CLI and every AWS SDK have credentials, with no extra code", _boto3),
            ("A job has a login token already: its profile names the file", _profile),
            ("The pool gives credentials for the token", _credentials),
            ("In process, with install(), no helper is started", _native),
            ("They are renewed automatically; here they expire after four seconds", _renewal),
            ("A token for another audience is refused, and the refusal says what to do", _wrong_audience),
        )
        say("They are running, on this machine only.")
        for number, (title, step) in enumerate(steps, 1):
            say("")
            heading(f"{number}. {title}")
            step(stage)
        say("")
        say("Everything was temporary and is gone. To try your own tools: cognito-federation demo --serve")


def _people(stage: _Stage) -> None:
    _show_sections(stage, "[profile demo-people]", "[cognito-session demo-people]")


def _sign_in(stage: _Stage) -> None:
    stage.say("$ cognito-federation login --profile demo-people")
    if stage.browser:
        stage.say("  (a script presses the button of Ada on the provider's page in your place)")
        stage.follow(stage.command, "login", "--profile", "demo-people", "--browser-command", stage.browser)
    else:
        stage.say("  (choose one of the invented people in the browser that opens now)")
        stage.follow(stage.command, "login", "--profile", "demo-people")
    done = stage.run(stage.command, "whoami", "--profile", "demo-people", profile="demo-people")
    stage.show("cognito-federation whoami --profile demo-people", done)


def _profile(stage: _Stage) -> None:
    _show_sections(stage, "[profile demo]", "[cognito-session demo]")


def _show_sections(stage: _Stage, *sections: str) -> None:
    text = (stage.home / ".aws" / "config").read_text(encoding="utf-8")
    stage.say("~/.aws/config")
    for section in sections:
        start = text.index(section)
        for line in text[start:].split("\n\n")[0].strip().splitlines():
            stage.say(f"  {line.replace(str(stage.home), '~')}")


def _credentials(stage: _Stage) -> None:
    stage.world.write_token(stage.home, subject="ada")
    done = stage.run(stage.command, "credential-process", "--profile", "demo")
    stage.show("cognito-federation credential-process --profile demo", done)
    again = stage.run(stage.command, "status", "--profile", "demo")
    stage.show("cognito-federation status --profile demo", again)


def _boto3(stage: _Stage) -> None:
    done = stage.run(sys.executable, "-c", _LIST_BUCKETS, profile="demo-people")
    stage.show("AWS_PROFILE=demo-people python -c \"import boto3; ... boto3.client('s3').list_buckets() ...\"", done)


def _native(stage: _Stage) -> None:
    done = stage.run(sys.executable, "-c", _NATIVE, profile="demo-native")
    stage.show('python -c "from botocore_cognito_federation import install; install(); import boto3; ..."', done)


def _renewal(stage: _Stage) -> None:
    stage.run(stage.command, "cache", "clear", "--profile", "demo")
    before = len(stage.world.calls("GetCredentialsForIdentity"))
    stage.world.credential_lifetime = _SHORT_LIFE
    try:
        done = stage.run(sys.executable, "-c", _RENEWAL, profile="demo-native")
    finally:
        stage.world.credential_lifetime = 3600
    stage.show("python renewal.py   # calls list_buckets() until the key changes", done)
    exchanges = len(stage.world.calls("GetCredentialsForIdentity")) - before
    stage.say(f"  (the pool was asked {exchanges} times, without any code of the user)")
    stage.run(stage.command, "cache", "clear", "--profile", "demo")


def _wrong_audience(stage: _Stage) -> None:
    stage.world.write_token(stage.home, subject="ada", audience="some-other-application")
    done = stage.run(stage.command, "credential-process", "--profile", "demo")
    stage.show("cognito-federation credential-process --profile demo", done, expect=6)
    stage.say(f"  (exit status {done.returncode})")


def _masked(text: str) -> str:
    """Return a process's output without its secrets, so that others may see the screen."""
    try:
        document = json.loads(text)
    except ValueError:
        return re.sub(r"\b(ASIA|AKIA)[A-Z0-9]{8,}([A-Z0-9]{4})\b", r"\1...\2", text)
    for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
        if name in document:
            value = document[name]
            document[name] = f"{value[:4]}...{value[-4:]}" if name == "AccessKeyId" else f"... {len(value)} characters"
    return json.dumps(document, indent=2)
