"""`login` and its results, as real processes against the certified provider and the strict identity pool."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from botocore_cognito_federation.demo.world import World
from tests.servers.oidc_provider import OidcProvider
from tests.servers.oidc_provider.browser import ScriptedBrowser, followed
from tests.sign_in.home import BROWSER, Result, SignInHome, browser_options, finished

pytestmark = pytest.mark.thorough

_LIST = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"


def test_a_login_leads_to_list_buckets(home: SignInHome, world: World) -> None:
    done = home.login()
    assert done.code == 0, done.err
    assert done.out == ""
    assert re.search(r"^  http://127\.0\.0\.1:\d+/start/[\w-]{32}$", done.err, re.M)
    assert "Signed in as Ada (ada@example.com), session corp" in done.err
    assert "AWS credentials until " in done.err
    assert "\x1b" not in done.err
    found = finished(home.python(f"import botocore_cognito_federation as b; b.install(); {_LIST}"))
    assert world.bucket in found.out, found.err
    assert len(world.calls("GetCredentialsForIdentity")) == 1


def test_status_token_and_whoami_tell_who_is_signed_in(home: SignInHome, world: World) -> None:
    home.login()
    status = json.loads(home.run("status", "--json").out)
    (entry,) = status["sign_ins"]
    assert (entry["who"], entry["renews_itself"], entry["scope"]) == ("ada@example.com", True, "session corp")
    assert "signed in as ada@example.com; renews itself" in home.run("status", "--session", "corp").out
    claims = json.loads(home.run("token", "--claims").out)
    assert (claims["sub"], claims["iss"]) == ("ada", home.provider.issuer)
    assert home.run("token").out.count(".") == 2
    me = json.loads(home.run("whoami", "--json").out)
    assert (me["who"], me["account"]) == ("ada@example.com", world.account_id)
    assert ":assumed-role/" in me["arn"]


def test_status_says_whether_the_next_use_needs_a_sign_in(home: SignInHome) -> None:
    assert "  not signed in. Run: cognito-federation login --profile dev\n" in home.run("status").out
    assert home.run("status", "--check").code == 3
    home.login()
    assert home.run("status", "--check") == Result(0, "", "")
    home.run("cache", "clear", "--credentials")
    assert home.run("status", "--check").code == 0
    assert "  no AWS credentials cached; the next use gets them\n" in home.run("status").out
    home.run("logout")
    assert json.loads(home.run("status", "--json").out)["needs_sign_in"] is True
    home.write(cognito_token_file=str(home.path / "token"))
    assert home.run("status", "--check").code == 0


def test_signing_in_again_brings_new_credentials_to_the_next_caller(home: SignInHome) -> None:
    keys = []
    for _ in range(2):
        assert home.login().code == 0
        keys += [json.loads(home.run("credential-process").out)["AccessKeyId"] for _ in range(2)]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_another_user_needs_force_and_is_refused_by_name(home: SignInHome) -> None:
    assert home.login().code == 0
    refused = home.login(user="grace")
    assert refused.code == 5
    assert "Grace (grace@example.com) signed in, but ada@example.com is signed in here" in refused.err
    assert "--force" in refused.err
    assert home.session_document()["subject"] == "ada"
    assert home.login("--force", user="grace").code == 0
    assert home.session_document()["subject"] == "grace"


def test_after_a_forced_change_no_answer_of_the_previous_user_is_printed(home: SignInHome, world: World) -> None:
    home.login()
    first = json.loads(home.run("credential-process").out)
    again = json.loads(home.run("credential-process").out)
    assert first == again
    assert home.login("--force", user="grace").code == 0
    other = json.loads(home.run("credential-process").out)
    assert other["AccessKeyId"] != first["AccessKeyId"]
    assert "grace" in home.run("whoami").out


def test_in_a_process_that_goes_on_a_new_session_belongs_to_the_user_who_is_signed_in_then(home: SignInHome) -> None:
    program = """
import sys, boto3, botocore_cognito_federation
botocore_cognito_federation.install()
old = boto3.Session(profile_name="dev").get_credentials()
def key_of(credentials):
    try:
        return credentials.get_frozen_credentials().access_key
    except Exception as error:
        return type(error).__name__
for line in sys.stdin:
    if line == "renew\\n":
        old._refresh_at = 0.0
    print(key_of(boto3.Session(profile_name="dev").get_credentials()), key_of(old), flush=True)
"""
    home.login()
    process = home.python(program, stdin=subprocess.PIPE)
    sent, said = process.stdin, process.stdout
    assert sent is not None
    assert said is not None

    def ask(line: str = "") -> list[str]:
        sent.write(f"{line}\n")
        sent.flush()
        return said.readline().split()

    def helper() -> str:
        return str(json.loads(home.run("credential-process").out)["AccessKeyId"])

    ada = helper()
    assert ask() == [ada, ada]
    home.login("--force", user="grace")
    grace = helper()
    assert ask() == [grace, ada]
    assert ask("renew") == [grace, "FederationRefusedError"]
    home.run("logout")
    assert ask("renew") == ["SignInRequiredError"] * 2
    home.login()
    assert ask("renew") == [helper()] * 2
    assert finished(process).code == 0


def test_two_logins_at_once_open_one_tab_and_the_second_joins(home: SignInHome, provider: OidcProvider) -> None:
    before = len(provider.journal("authorization"))
    first = home.start("login", *browser_options("ada"))
    second = home.start("login", *browser_options("ada"))
    done = [finished(first), finished(second)]
    assert [d.code for d in done] == [0, 0], done
    assert sum("Joined the sign-in of Ada" in d.err for d in done) == 1
    assert sum("is under way; waiting for it" in d.err for d in done) == 1
    assert sum(d.err.count("/start/") for d in done) == 1
    assert len(provider.journal("authorization")) - before == 1


def test_ctrl_c_ends_a_login_at_once_and_the_next_one_works(home: SignInHome) -> None:
    process = home.start("login", "--no-browser")
    assert process.stderr is not None
    while "/start/" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert not list((home.cache / "sessions").glob("*.json"))
    assert home.login().code == 0


#: A browser that waits for permission before it reads its page.
SLOW_BROWSER = """#!/bin/sh
echo "$1" > {folder}/given.new; mv {folder}/given.new {folder}/given
while [ ! -e {folder}/go ]; do sleep 0.05; done
exec {python} {browser} ada "$1"
"""


@pytest.fixture
def slow_browser(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "slow-browser"
    script.write_text(SLOW_BROWSER.format(folder=tmp_path, python=sys.executable, browser=BROWSER))
    script.chmod(0o755)
    return "--browser-command", f"{script} %s"


def given(folder: Path, process: subprocess.Popen[str]) -> Path:
    """Return the page that the browser got."""
    while not (folder / "given").exists():
        assert process.poll() is None
        time.sleep(0.01)
    address = (folder / "given").read_text().strip()
    assert urlsplit(address).scheme == "file"
    return Path(urlsplit(address).path)


def command_lines() -> str:
    """Return what every user of the machine can read of every process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(found)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads command lines as Linux shows them")
def test_nothing_that_another_user_reads_leads_into_a_sign_in_and_the_page_is_gone_once_it_was_used(
    home: SignInHome, tmp_path: Path, slow_browser: tuple[str, ...]
) -> None:
    process = home.start("login", *slow_browser)
    page = given(tmp_path, process)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    if os.geteuid() == 0:  # really another user
        refused = subprocess.run(["cat", page], user=65534, capture_output=True, text=True, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
    start = followed(page.as_uri())
    seen = command_lines()
    assert str(page) in seen
    assert start not in seen
    assert urlsplit(start).path not in seen
    # An attacker knows this code, finds the port in /proc/net/tcp, and tries everything without the address.
    origin = start.partition("/start/")[0]
    for path in ("/start/", "/start", "/done", "/callback", "/callback?code=x&state=y", "/"):
        answer = requests.get(origin + path, allow_redirects=False, timeout=10)
        assert answer.status_code >= 400
        assert not {"Location", "Set-Cookie"} & answer.headers.keys()
    (tmp_path / "go").touch()
    done = finished(process)
    assert done.code == 0, done.err
    assert "Signed in as Ada" in done.err
    assert not page.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1)])
def test_a_login_that_is_ended_takes_its_page_along(
    home: SignInHome, tmp_path: Path, slow_browser: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    process = home.start("login", *slow_browser)
    page = given(tmp_path, process)
    assert page.exists()
    process.send_signal(number)
    (tmp_path / "go").touch()
    assert finished(process).code == code
    assert not page.parent.exists()


def test_a_sign_in_opened_in_a_second_browser_is_stopped_and_ends_without_a_user(home: SignInHome) -> None:
    process = home.start("login", "--no-browser")
    assert process.stderr is not None
    start = ""
    while "/start/" not in start:
        start = process.stderr.readline().strip()
        assert process.poll() is None
    assert [requests.get(start, allow_redirects=False, timeout=10).status_code for _ in range(2)] == [302, 410]
    done = finished(process)
    assert done.code == 5
    assert "opened in two browsers" in done.err
    assert not list((home.cache / "sessions").glob("*.json"))


def test_a_browser_that_cannot_read_the_page_is_not_started_and_the_shown_address_signs_in(
    home: SignInHome, tmp_path: Path
) -> None:
    snap = tmp_path / "firefox"
    snap.write_text('#!/bin/sh\nexec /snap/bin/firefox "$@"\n')
    snap.chmod(0o755)
    process = home.start("login", "--browser-command", f"{snap} %s")
    assert process.stderr is not None
    lines = [process.stderr.readline()]
    while "/start/" not in lines[-1]:
        assert process.poll() is None, lines
        lines.append(process.stderr.readline())
    assert "the browser is a Snap package" in lines[0]
    assert "Open this URL in a browser on this machine" in lines[1]
    ScriptedBrowser().open(lines[-1].strip())
    assert finished(process).code == 0


def test_an_unfinished_sign_in_is_exit_5(home: SignInHome) -> None:
    done = home.run("login", "--no-browser", "--timeout", "1")
    assert done.code == 5
    assert "within 1 seconds" in done.err


def test_without_a_browser_the_device_code_is_used_and_the_reason_said(home: SignInHome) -> None:
    process = home.start("login", variables={"SSH_TTY": "/dev/pts/0"})
    assert process.stderr is not None
    lines = []
    while not (lines and "user_code=" in lines[-1]):
        lines.append(process.stderr.readline())
        assert process.poll() is None, lines
    ScriptedBrowser(login="ada").open(lines[-1].strip())
    done = finished(process)
    assert done.code == 0, done.err
    assert "No browser can be opened here: this is an SSH session (SSH_TTY is set)" in lines[0]
    assert "Signed in as Ada (ada@example.com)" in done.err


def test_pasting_the_redirected_address_signs_in_and_rubbish_is_asked_for_again(home: SignInHome) -> None:
    process = home.start("login", "--remote", "--port", "9", stdin=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stdin is not None
    url = ""
    while "/auth?" not in url:
        url = process.stderr.readline()
        assert process.poll() is None
    browser = ScriptedBrowser()
    with contextlib.suppress(requests.ConnectionError):
        browser.open(url.strip())
    process.stdin.write(f"that page did not load\n{url.strip()}\n")
    process.stdin.write(browser.visited[-1] + "\n")
    process.stdin.flush()
    done = finished(process)
    assert done.code == 0, done.err
    assert done.err.count("That is not the address of the page the sign-in ended on") == 2
    assert "/auth?" not in done.err
    assert "/start/" not in done.err
    assert "Signed in as Ada" in done.err


def test_a_confidential_client_signs_in_with_a_secret_from_a_variable(home: SignInHome) -> None:
    home.write(cognito_client_id="confidential", cognito_client_secret_env="CORP_SECRET")
    done = home.login(CORP_SECRET="s3cret with spaces & signs/+%")
    assert done.code == 0, done.err
    assert "s3cret" not in done.err + home.texts()


def test_a_login_forgets_the_failures_before_it(home: SignInHome) -> None:
    required = home.run("credential-process")
    assert required.code == 3
    assert "cognito-federation login --profile dev" in required.err
    assert home.login().code == 0
    assert home.run("credential-process").code == 0


def test_a_token_source_has_nothing_to_sign_in_to(home: SignInHome) -> None:
    home.write(cognito_token_file="/nowhere/token")
    done = home.run("login")
    assert done.code == 4
    assert "cognito_token_file" in done.err


def test_a_place_that_cannot_be_written_is_reported_before_the_sign_in(home: SignInHome) -> None:
    (home.path / "file").write_text("")
    done = home.login(COGNITO_FEDERATION_CACHE_DIR=str(home.path / "file" / "below"))
    assert done.code == 8
    assert "/auth?" not in done.err
    assert "/start/" not in done.err


def test_a_pool_that_refuses_the_token_is_reported_at_the_sign_in(home: SignInHome) -> None:
    home.write(cognito_provider=home.world.provider.login_key, cognito_login_key="nobody.example")
    done = home.login()
    assert done.code == 6, done.err
    assert "ada@example.com is signed in, but AWS credentials could not be obtained: " in done.err.splitlines()[-1]
    assert home.session_document()["subject"] == "ada"


def test_a_pool_that_cannot_be_reached_after_the_sign_in_costs_no_second_one(home: SignInHome) -> None:
    endpoint = home.session.get("cognito_endpoint_url", "")
    home.write(cognito_endpoint_url="http://127.0.0.1:1")
    done = home.login()
    assert done.code == 7, done.err
    last = done.err.splitlines()[-1]
    assert "ada@example.com is signed in, but AWS credentials could not be obtained: " in last
    assert last.endswith("; there is no need to sign in again")
    home.session.pop("cognito_endpoint_url")
    home.write(**({"cognito_endpoint_url": endpoint} if endpoint else {}))
    assert home.run("credential-process").code == 0


@pytest.mark.parametrize(("chosen", "named"), [((), "--profile dev"), (("--session", "corp"), "--session corp")])
def test_a_sign_in_that_failed_names_the_command_for_the_next_one_whole(
    home: SignInHome, chosen: tuple[str, ...], named: str
) -> None:
    done = home.run("login", *chosen, "--use-device-code", "--timeout", "1")
    assert done.code == 5
    assert done.err.splitlines()[-1].endswith(f". Run: cognito-federation login {named}")


def test_a_session_shared_by_profiles_is_signed_in_by_its_name(home: SignInHome) -> None:
    assert home.login("--session", "corp").code == 0
    assert home.run("credential-process", "--profile", "dev").code == 0
    began = time.time()
    assert home.session_document()["signed_in_at"] <= began


def test_a_session_that_is_only_linked_is_signed_in_without_an_identity_of_its_own(
    home: SignInHome, world: World
) -> None:
    other = {key: value for key, value in home.session.items() if key != "cognito_identity_pool_id"}
    home.write(cognito_logins="other")
    lines = ["", "[cognito-session other]", *(f"{key} = {value}" for key, value in other.items()), ""]
    home.config.write_text(home.config.read_text() + "\n".join(lines))
    done = home.login("--session", "other")
    assert done.code == 0, done.err
    assert "Signed in as Ada (ada@example.com), session other" in done.err
    assert "AWS credentials until" not in done.err
    assert world.calls("GetId") == []
    assert "signed out ada@example.com" in home.run("logout", "--session", "other").err


def test_a_session_that_no_profile_uses_and_that_has_no_pool_is_refused(home: SignInHome) -> None:
    home.config.write_text(home.config.read_text() + "[cognito-session lonely]\ncognito_provider = idp.example\n")
    done = home.login("--session", "lonely")
    assert done.code == 4
    assert "Add cognito_identity_pool_id" in done.err
