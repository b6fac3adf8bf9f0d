"""`login` and what follows it, as real processes against the certified provider and the strict identity pool."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time

import pytest
import requests

from botocore_cognito_federation.demo.world import World
from tests.servers.oidc_provider import OidcProvider
from tests.servers.oidc_provider.browser import ScriptedBrowser
from tests.signin.places import Done, Home, browser_options, finished

_LIST = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"


def test_a_login_leads_to_list_buckets(home: Home, world: World) -> None:
    done = home.login()
    assert done.code == 0, done.err
    assert done.out == ""
    assert f"  {home.provider.issuer}/auth?" in done.err
    assert "Signed in as Ada (ada@example.com), session corp" in done.err
    assert "AWS credentials until " in done.err
    assert "\x1b" not in done.err
    found = finished(home.python(f"import botocore_cognito_federation as b; b.install(); {_LIST}"))
    assert world.bucket in found.out, found.err
    assert len(world.calls("GetCredentialsForIdentity")) == 1


def test_status_token_and_whoami_tell_who_is_signed_in(home: Home, world: World) -> None:
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


def test_status_says_whether_the_next_use_needs_a_sign_in(home: Home) -> None:
    assert "  not signed in. Run: cognito-federation login --profile dev\n" in home.run("status").out
    assert home.run("status", "--check").code == 3
    home.login()
    assert home.run("status", "--check") == Done(0, "", "")
    home.run("cache", "clear", "--credentials")
    assert home.run("status", "--check").code == 0
    assert "  no AWS credentials cached; the next use gets them\n" in home.run("status").out
    home.run("logout")
    assert json.loads(home.run("status", "--json").out)["needs_sign_in"] is True
    home.write(cognito_token_file=str(home.directory / "token"))
    assert home.run("status", "--check").code == 0


def test_signing_in_again_brings_new_credentials_to_whoever_asks_next(home: Home) -> None:
    keys = []
    for _ in range(2):
        assert home.login().code == 0
        keys += [json.loads(home.run("credential-process").out)["AccessKeyId"] for _ in range(2)]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_somebody_else_needs_force_and_is_refused_by_name(home: Home) -> None:
    assert home.login().code == 0
    refused = home.login(user="grace")
    assert refused.code == 5
    assert "Grace (grace@example.com) signed in, but ada@example.com is signed in here" in refused.err
    assert "--force" in refused.err
    assert home.session_document()["subject"] == "ada"
    assert home.login("--force", user="grace").code == 0
    assert home.session_document()["subject"] == "grace"


def test_after_a_forced_change_no_answer_of_the_one_before_is_served(home: Home, world: World) -> None:
    home.login()
    first = json.loads(home.run("credential-process").out)
    again = json.loads(home.run("credential-process").out)
    assert first == again
    assert home.login("--force", user="grace").code == 0
    other = json.loads(home.run("credential-process").out)
    assert other["AccessKeyId"] != first["AccessKeyId"]
    assert "grace" in home.run("whoami").out


def test_in_a_process_that_goes_on_a_new_session_is_that_of_whoever_is_signed_in_then(home: Home) -> None:
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
        old._ask_again_at = 0.0
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


def test_two_logins_at_once_open_one_tab_and_the_second_joins(home: Home, provider: OidcProvider) -> None:
    before = len(provider.journal("authorization"))
    first = home.start("login", *browser_options("ada"))
    second = home.start("login", *browser_options("ada"))
    done = [finished(first), finished(second)]
    assert [d.code for d in done] == [0, 0], done
    assert sum("Joined the sign-in of Ada" in d.err for d in done) == 1
    assert sum("is under way; waiting for it" in d.err for d in done) == 1
    # One authorization request is two at this provider: the second asks for the consent that brings a refresh token.
    assert sum(d.err.count("/auth?") for d in done) == 1
    assert len(provider.journal("authorization")) - before <= 2


def test_ctrl_c_ends_a_login_at_once_and_the_next_one_works(home: Home) -> None:
    process = home.start("login", "--no-browser")
    assert process.stderr is not None
    while "/auth?" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert not list((home.cache / "sessions").glob("*.json"))
    assert home.login().code == 0


def test_nobody_who_finishes_in_time_is_exit_5(home: Home) -> None:
    done = home.run("login", "--no-browser", "--timeout", "1")
    assert done.code == 5
    assert "within 1 seconds" in done.err


def test_without_a_browser_the_device_code_is_used_and_the_reason_said(home: Home) -> None:
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


def test_pasting_the_redirected_address_signs_in_and_rubbish_is_asked_for_again(home: Home) -> None:
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
    assert "Signed in as Ada" in done.err


def test_a_confidential_client_signs_in_with_a_secret_from_a_variable(home: Home) -> None:
    home.write(cognito_client_id="confidential", cognito_client_secret_env="CORP_SECRET")
    done = home.login(CORP_SECRET="s3cret with spaces & signs/+%")
    assert done.code == 0, done.err
    assert "s3cret" not in done.err + home.texts()


def test_a_login_forgets_the_failures_before_it(home: Home) -> None:
    required = home.run("credential-process")
    assert required.code == 3
    assert "cognito-federation login --profile dev" in required.err
    assert home.login().code == 0
    assert home.run("credential-process").code == 0


def test_a_token_source_has_nothing_to_sign_in_to(home: Home) -> None:
    home.write(cognito_token_file="/nowhere/token")
    done = home.run("login")
    assert done.code == 4
    assert "cognito_token_file" in done.err


def test_a_place_that_cannot_be_written_is_said_before_anybody_signs_in(home: Home) -> None:
    (home.directory / "file").write_text("")
    done = home.login(COGNITO_FEDERATION_CACHE_DIR=str(home.directory / "file" / "below"))
    assert done.code == 8
    assert "/auth?" not in done.err


def test_a_pool_that_refuses_the_token_is_told_at_the_sign_in(home: Home) -> None:
    home.write(cognito_provider=home.world.provider.login_key, cognito_login_key="nobody.example")
    done = home.login()
    assert done.code == 6, done.err
    assert "ada@example.com is signed in, but AWS credentials could not be had: " in done.err.splitlines()[-1]
    assert home.session_document()["subject"] == "ada"


def test_a_pool_that_cannot_be_reached_after_the_sign_in_costs_no_second_one(home: Home) -> None:
    endpoint = home.session.get("cognito_endpoint_url", "")
    home.write(cognito_endpoint_url="http://127.0.0.1:1")
    done = home.login()
    assert done.code == 7, done.err
    last = done.err.splitlines()[-1]
    assert "ada@example.com is signed in, but AWS credentials could not be had: " in last
    assert last.endswith("; there is no need to sign in again")
    home.session.pop("cognito_endpoint_url")
    home.write(**({"cognito_endpoint_url": endpoint} if endpoint else {}))
    assert home.run("credential-process").code == 0


@pytest.mark.parametrize(("chosen", "named"), [((), "--profile dev"), (("--session", "corp"), "--session corp")])
def test_a_sign_in_that_failed_names_the_command_for_the_next_one_whole(
    home: Home, chosen: tuple[str, ...], named: str
) -> None:
    done = home.run("login", *chosen, "--use-device-code", "--timeout", "1")
    assert done.code == 5
    assert done.err.splitlines()[-1].endswith(f". Run: cognito-federation login {named}")


def test_a_session_shared_by_profiles_is_signed_in_by_its_name(home: Home) -> None:
    assert home.login("--session", "corp").code == 0
    assert home.run("credential-process", "--profile", "dev").code == 0
    began = time.time()
    assert home.session_document()["signed_in_at"] <= began


def test_a_session_that_is_only_linked_is_signed_in_without_an_identity_of_its_own(home: Home, world: World) -> None:
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


def test_a_session_that_nobody_uses_and_has_no_pool_is_refused(home: Home) -> None:
    home.config.write_text(home.config.read_text() + "[cognito-session lonely]\ncognito_provider = idp.example\n")
    done = home.login("--session", "lonely")
    assert done.code == 4
    assert "Add cognito_identity_pool_id" in done.err
