"""`doctor` as a real process: each thing that can be wrong is found and has its remedy."""

from __future__ import annotations

import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.login_tokens.metadata_server import MetadataServer
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough


def examined(home: SignInHome, *arguments: str, **variables: str) -> tuple[int, list[dict[str, Any]]]:
    done = home.run("doctor", "--json", *arguments, **variables)
    document = json.loads(done.out)
    assert document["exit_code"] == done.code, done.err
    findings: list[dict[str, Any]] = document["findings"]
    return done.code, findings


def bad(findings: list[dict[str, Any]]) -> dict[str, str]:
    return {f["check"]: f["what"] for f in findings if f["severity"] in ("error", "warning")}


@pytest.fixture
def sound(home: SignInHome, tmp_path: Path) -> SignInHome:
    """A home with nothing wrong in it."""
    program = tmp_path / "bin" / "cognito-federation"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m botocore_cognito_federation "$@"\n')
    program.chmod(0o755)
    home.profile_keys["credential_process"] = f"{program} credential-process --profile dev"
    home.write()
    home.config.chmod(0o600)
    assert home.login().code == 0
    return home


def test_a_sound_home_has_no_finding_and_exit_0(sound: SignInHome) -> None:
    code, findings = examined(sound)
    assert (code, bad(findings)) == (0, {})
    assert {"provider", "clock", "identity pool", "sign-in", "store"} <= {f["check"] for f in findings}
    assert "ERROR" not in sound.run("doctor").out


def test_a_broken_configuration_is_the_one_finding(home: SignInHome) -> None:
    home.write(cognito_nonsense="1")
    code, findings = examined(home)
    assert code == 4
    assert "unknown key" in bad(findings)["configuration"]


def test_not_signed_in_is_exit_3_with_the_command(home: SignInHome) -> None:
    code, findings = examined(home)
    assert code == 3
    assert bad(findings)["sign-in"] == "Not signed in"
    assert "credential_process" in bad(findings)
    (found,) = [f for f in findings if f["check"] == "sign-in"]
    assert found["remedy"] == "Run: cognito-federation login --profile dev"


def test_what_comes_before_the_profile_is_found(sound: SignInHome) -> None:
    code, findings = examined(sound, "--offline", AWS_ACCESS_KEY_ID="AKIAEXAMPLE")
    assert code == 4
    assert "AWS_ACCESS_KEY_ID is set" in bad(findings)["precedence"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("/nowhere/cognito-federation credential-process --profile dev", "cannot be started"),
        ("{program} credential-process --profile other", "asks for profile 'other'"),
        ("/usr/bin/other --profile dev", "starts another helper"),
    ],
)
def test_a_helper_that_cannot_help_is_found(sound: SignInHome, command: str, found: str) -> None:
    program = sound.profile_keys["credential_process"].split()[0]
    sound.profile_keys["credential_process"] = command.format(program=program)
    sound.write()
    code, findings = examined(sound, "--offline")
    assert code == 4
    assert found in bad(findings)["credential_process"]


def test_a_clock_that_is_wrong_is_found(sound: SignInHome) -> None:
    sound.world.clock_offset = 400
    code, findings = examined(sound)
    assert code == 4
    assert "behind that of Cognito" in bad(findings)["clock"]


def test_a_port_that_is_taken_is_found(sound: SignInHome) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sound.write(cognito_redirect_ports=str(taken.getsockname()[1]))
        code, findings = examined(sound, "--offline")
    assert code == 5
    assert "something else uses it" in bad(findings)["redirect"]


def test_a_pool_that_does_not_know_the_provider_is_found(sound: SignInHome) -> None:
    sound.write(cognito_login_key="nobody.example")
    assert sound.login().code == 6
    code, findings = examined(sound)
    assert code == 6
    assert "identity pool" in bad(findings)
    assert "login key" in bad(findings)


def test_a_provider_that_is_not_there_is_found(sound: SignInHome) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        sound.write(cognito_issuer=f"http://127.0.0.1:{closed.getsockname()[1]}")
        code, findings = examined(sound)
    assert code in (3, 7)
    assert "provider" in bad(findings)


def test_a_configuration_others_can_write_is_found(sound: SignInHome) -> None:
    sound.config.chmod(0o622)
    code, findings = examined(sound, "--offline")
    assert code == 0
    assert "can be written by other users" in bad(findings)["permissions"]


def test_a_credentials_file_that_others_can_write_is_found_because_keys_in_it_count(sound: SignInHome) -> None:
    credentials = sound.config.with_name("credentials")
    credentials.write_text("[other]\nregion = eu-west-1\n")
    credentials.chmod(0o622)
    assert f"{credentials} can be written by other users" in bad(examined(sound, "--offline")[1])["permissions"]


@pytest.mark.parametrize(("mode", "is_found"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_private_key_that_others_can_read_is_found(sound: SignInHome, mode: int, is_found: bool) -> None:
    key = sound.path / "key.pem"
    key.write_text("a key")
    key.chmod(mode)
    sound.write(cognito_client_assertion_key_file="~/key.pem")
    said = bad(examined(sound, "--offline")[1]).get("permissions", "")
    assert (f"{key} (cognito_client_assertion_key_file) holds a private key" in said) is is_found


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_configuration_that_belongs_to_another_user_is_found(sound: SignInHome) -> None:
    os.chown(sound.config, 65534, 65534)
    assert "belongs to user 65534" in bad(examined(sound, "--offline")[1])["permissions"]


def test_guests_get_no_identity_from_an_examination(home: SignInHome) -> None:
    home.session.clear()
    home.write(cognito_identity_pool_id=home.world.guest_pool_id, cognito_provider="guest")
    home.world.reset_journal()
    examined(home)
    assert home.world.calls("GetId") == []


def metadata_service(request: BaseHTTPRequestHandler) -> None:
    """What botocore asks of it, with a role attached."""
    document = '{"AccessKeyId": "ASIAX", "SecretAccessKey": "x", "Token": "x", "Expiration": "2099-01-01T00:00:00Z"}'
    body = (document if request.path.endswith("/build-server") else "build-server").encode()
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def test_a_role_of_the_machine_that_programs_could_go_on_to_is_found(sound: SignInHome) -> None:
    with MetadataServer(metadata_service) as server:
        reachable = {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{server.host}",
        }
        code, findings = examined(sound, **reachable)
        assert code == 0
        assert "The role build-server of this machine is in reach" in bad(findings)["other identities"]
        asked = len(server.seen)
        for closed in ({"AWS_EC2_METADATA_DISABLED": "true"}, {"COGNITO_FEDERATION_FAIL_CLOSED": "true"}):
            assert bad(examined(sound, **reachable | closed)[1]) == {}
        assert bad(examined(sound, "--offline", **reachable)[1]) == {}
        assert len(server.seen) == asked


def test_a_metadata_service_that_never_answers_does_not_hold_the_examination_up(sound: SignInHome) -> None:
    with MetadataServer() as server:
        server.trickles()
        where = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{server.host}"}
        assert bad(examined(sound, **where)[1]) == {}
        assert server.seen


def test_the_credentials_of_a_container_that_programs_could_go_on_to_are_found(sound: SignInHome) -> None:
    container = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set" in bad(examined(sound, **container)[1])["other identities"]
    assert bad(examined(sound, COGNITO_FEDERATION_FAIL_CLOSED="true", **container)[1]) == {}
