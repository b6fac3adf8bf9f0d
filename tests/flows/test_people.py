"""People sign in to the demo world by browser, without any other server: login, renewal, sign-out, the demo itself."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import requests

from botocore_cognito_federation.config.helper_line import helper_command
from botocore_cognito_federation.demo import scripted_browser
from botocore_cognito_federation.demo.scripted_browser import sign_in
from botocore_cognito_federation.demo.serve import find_executable
from tests.home import Home, Result, finished
from tests.sign_in.home import LATER

SCRIPT = Path(scripted_browser.__file__)
#: As a person at a desktop: the sign-in may open a browser.
DESKTOP = {"DISPLAY": ":none", "CI": None, "SSH_CONNECTION": None, "BROWSER": None}
LIST_BUCKETS = "import boto3; print([each['Name'] for each in boto3.client('s3').list_buckets()['Buckets']])"

pytestmark = pytest.mark.thorough


def login(home: Home, *options: str, person: str = "ada", profile: str = "demo-people") -> Result:
    browser = f"{sys.executable} {SCRIPT} '{person}' %s"
    return home.run("login", "--profile", profile, "--browser-command", browser, *options, **DESKTOP)


def later(home: Home, seconds: float, *words: str) -> Result:
    """Run a command after a number of seconds, for it and for the world."""
    home.world.clock_offset = seconds
    return finished(home.spawn([sys.executable, "-c", LATER, str(seconds), *words], {}))


def test_one_sign_in_is_enough_for_clients_and_renews_itself_until_the_sign_out(home: Home) -> None:
    done = login(home)
    assert (done.code, "Signed in as Ada Lovelace (ada@example.com)" in done.err.decode()) == (0, True), done
    assert home.world.bucket in home.python(LIST_BUCKETS, AWS_PROFILE="demo-people").out.decode()
    first = home.ask("demo-people").key
    renewed = later(home, 3700, "credential-process", "--profile", "demo-people")
    assert renewed.key != first
    assert [home.count("provider:authorize"), home.count("provider:token")] == [2, 2]
    token = home.session_document()["refresh_token"]
    assert later(home, 3701, "logout", "--profile", "demo-people").code == 0
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": home.world.provider.client_id}
    assert requests.post(f"{home.world.provider.issuer}/token", form).json()["error"] == "invalid_grant"
    assert later(home, 3702, "credential-process", "--profile", "demo-people").code == 3


def test_the_sign_in_works_without_an_identity_pool(home: Home) -> None:
    world, provider = home.world, home.world.provider
    home.profile(
        "direct",
        cognito_identity_pool_id="",
        cognito_endpoint_url="",
        cognito_flow="web-identity",
        cognito_role_arn=world.federated_role_arn,
        cognito_client_id=provider.client_id,
        cognito_redirect_ports="0",
        credential_process=f"{find_executable()} credential-process --profile direct",
    )
    done = login(home, person="bob", profile="direct")
    assert done.code == 0, done
    assert "assumed-role/DemoFederated/bob@example.com" in home.run("whoami", "--profile", "direct").out.decode()
    assert home.world.bucket in home.python(LIST_BUCKETS, AWS_PROFILE="direct").out.decode()
    renewed = later(home, 3700, "credential-process", "--profile", "direct")
    assert renewed.key
    assert [home.count("GetId"), home.count("AssumeRoleWithWebIdentity")] == [0, 2]


def test_a_person_who_refuses_is_not_signed_in(home: Home) -> None:
    done = login(home, person="")
    assert (done.code, "access_denied" in done.err.decode()) == (5, True), done
    assert home.ask("demo-people").code == 3


def test_a_device_without_a_browser_is_signed_in_by_its_code(home: Home) -> None:
    process = home.start("login", "--profile", "demo-people", "--use-device-code", **DESKTOP)
    assert process.stderr is not None
    shown = b""
    while not (found := re.search(rb"http\S+/device\?user_code=[A-Z-]+", shown)):
        line = process.stderr.readline()
        assert line, shown
        shown += line
    assert sign_in("zofia", found[0].decode()) == "You are signed in"
    done = finished(process)
    assert (done.code, "zofia@example.com" in done.err.decode()) == (0, True), done


def test_doctor_finds_nothing_wrong_with_the_sign_in(home: Home) -> None:
    login(home)
    found = json.loads(home.run("doctor", "--profile", "demo-people", "--json", **DESKTOP).out)
    results = {each["check"]: each["severity"] for each in found["findings"]}
    assert {results[name] for name in ("provider", "signing keys", "sign-in client", "identity pool")} == {"ok"}, found


def test_what_demo_serve_prints_is_enough_to_sign_in(home: Home) -> None:
    process = home.start("demo", "--serve")
    assert process.stdout is not None
    lines = []
    while not lines or "controls" not in lines[-1]:
        lines.append(process.stdout.readline().decode())
        assert lines[-1], lines
    variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export"))
    assert any("login --profile demo-people" in line for line in lines)
    assert any("Ada, Bob, Zofia" in line for line in lines)
    written = Path(variables["AWS_CONFIG_FILE"].strip("'")).read_text()
    assert f"credential_process = {helper_command('demo-people')}\n" in written, "the line that configure writes"
    browser = f"{sys.executable} {SCRIPT} zofia %s"
    words = ("login", "--profile", "demo-people", "--browser-command", browser)
    done = home.run(*words, **{**DESKTOP, **{name: value.strip("'") for name, value in variables.items()}})
    assert (done.code, "zofia@example.com" in done.err.decode()) == (0, True), done
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.slow
def test_the_demo_signs_somebody_in_and_lists_s3_and_says_so_as_it_goes(home: Home) -> None:
    done = home.run("demo", **{"CI": None, "BROWSER": None})
    shown = done.out.decode()
    assert done.code == 0, done
    steps = [
        "Starting an identity provider",
        "$ cognito-federation login --profile demo-people",
        "Signed in as Ada Lovelace",
        "assumed-role/DemoAuthenticated",
        "list_buckets()",
        "is gone",
    ]
    places = [shown.index(step) for step in steps]
    assert places == sorted(places)
    assert not re.search(r"ASIA[A-Z0-9]{16}", shown)
