"""Invariant 7: the tests search for marked tokens and keys in all output, at every level of logging."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import traceback

import boto3
import pytest

import botocore_cognito_federation as federation
from botocore_cognito_federation import fetcher
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.errors import CognitoFederationError

pytestmark = pytest.mark.thorough

FAULTS = {
    "none": {},
    "expired": {"code": "NotAuthorizedException", "message": "Invalid login token. Token expired: 9999999 >= 1"},
    "quoting": {"code": "ValidationException"},
    "unknown": {"code": "BrandNewException"},
    "not aws": {"status": 502},
    "cut": {"truncate": True},
    "gone": {"close": True},
}


def secrets_of(token: str) -> list[str]:
    return [token, *(part for part in token.split(".") if len(part) > 30)]


def fault(home, name: str, token: str) -> None:
    arguments = dict(FAULTS[name])
    if name in ("quoting", "unknown"):
        arguments["message"] = (
            f"1 validation error detected: Value '{{idp={token}}}' at 'logins' failed to satisfy constraint: {token}"
        )
    if arguments:
        home.world.fault("GetCredentialsForIdentity", times=20, **arguments)


@pytest.mark.parametrize("name", FAULTS)
def test_the_debug_log_of_the_helper_holds_no_secret(home, name, tmp_path):
    token = home.token.read_text()
    fault(home, name, token)
    log = tmp_path / "debug.log"
    runs = [home.run("--debug", "credential-process", "--profile", "demo")]
    if name in ("none", "quoting"):
        runs.append(home.run("export", "--profile", "demo", COGNITO_FEDERATION_DEBUG=str(log)))
    said = b"".join(run.err for run in runs) + (log.read_bytes() if log.exists() else b"")
    assert b"botocore_cognito_federation" in said
    secrets = secrets_of(token)
    if name == "none":
        document = runs[0].out
        assert runs[0].code == 0
        import json

        secrets += [json.loads(document)[each] for each in ("SecretAccessKey", "SessionToken")]
    for secret in secrets:
        assert secret.encode() not in said


@pytest.mark.parametrize("name", FAULTS)
def test_natively_at_debug_no_logger_and_no_error_shows_a_secret(inside, caplog, monkeypatch, name):
    token = inside.token.read_text()
    fault(inside, name, token)
    monkeypatch.setattr("time.sleep", lambda _: None)
    federation.install()
    secrets = secrets_of(token)
    said = []
    with caplog.at_level(logging.DEBUG):
        credentials = boto3.Session(profile_name="demo").get_credentials()
        try:
            frozen = credentials.get_frozen_credentials()
            secrets += [frozen.secret_key, frozen.token]
            said += [repr(credentials), repr(inside.federation().credentials())]
        except CognitoFederationError as error:
            said += [str(error), repr(error), repr(error.__cause__), repr(error.__dict__)]
            said.append("" if error.__suppress_context__ else repr(error.__context__))
            # The frames below hold the token, and crash reporters show the variables of each frame.
            *_, last = traceback.walk_tb(error.__traceback__)
            assert (last[0].f_globals["__name__"], last[0].f_code.co_name) == (fetcher.__name__, "fetch")
    assert "botocore.hooks" in {record.name for record in caplog.records}
    said += [record.getMessage() + str(record.exc_text) for record in caplog.records]
    text = "\n".join(said)
    for secret in secrets:
        assert secret not in text


def test_an_opaque_token_that_a_validation_error_quotes_is_not_shown():
    from botocore_cognito_federation.identity_pool.errors import CallContext, explain

    message = "1 validation error detected: Value '{graph.facebook.com=EAAopaque\n4242}' at 'logins' failed: too long"
    found = explain("ValidationException", message, 400, CallContext(pool="p", profile="p", now=1.0))
    assert "4242" not in found.cause
    assert "too long" in found.cause


def test_export_prints_keys_and_nothing_else_and_never_the_login_token(home):
    for style in ("process", "env"):
        done = home.run("export", "--profile", "demo", "--format", style)
        assert (done.code, done.err) == (0, b"")
        assert home.token.read_bytes() not in done.out


def test_explain_and_status_show_no_secret(home):
    home.section("profile p", cognito_session="demo", cognito_client_secret_env="THE_SECRET")
    home.ask()
    done = [home.run("explain", "--profile", "p", THE_SECRET="hunter2-hunter2"), home.run("status", "--profile", "p")]
    assert [run.code for run in done] == [0, 0]
    assert all(b"hunter2" not in run.out + run.err for run in done)


def test_a_debug_log_that_cannot_be_written_prints_nothing_on_stderr_and_delays_nothing(home, tmp_path):
    assert home.ask(COGNITO_FEDERATION_DEBUG="/dev/full").key
    os.mkfifo(tmp_path / "pipe")
    assert "debug log" in home.ask(COGNITO_FEDERATION_DEBUG=str(tmp_path / "pipe")).refused(8)


@pytest.mark.parametrize(
    ("words", "redirection", "code"),
    [
        ("status --profile nope", "2>/dev/full", 4),
        ("status --profile nope", "2>&-", 4),
        ("status --profile nope", ">&-", 4),
        ("status --profile nope", ">&- 2>&-", 4),
        ("status --nonsense", "2>/dev/full", 2),
        ("version", ">/dev/full", 1),
        ("version", "2>&-", 0),
    ],
)
def test_what_cannot_be_said_still_has_its_exit_code(home, words, redirection, code):
    # Unbuffered streams, which containers often have, would leave nothing on which Python's last flush could fail.
    command = f"{find_executable()} {words} {redirection}"
    done = subprocess.run(["sh", "-c", command], env=home.environment(PYTHONUNBUFFERED=None), check=False)
    assert done.returncode == code


@pytest.mark.parametrize(
    ("words", "changes", "shown"),
    [
        ("credential-process", {}, b"AWS_ENDPOINT_URL, where calls to cognito-identity would go, must not hold a user"),
        ("credential-process", {"AWS_USE_FIPS_ENDPOINT": "true"}, b"AWS_ENDPOINT_URL"),
        ("explain", {}, b"AWS_ENDPOINT_URL"),
        ("doctor", {}, b"AWS_ENDPOINT_URL"),
    ],
)
def test_the_password_of_a_configured_endpoint_is_not_shown(home, words, changes, shown):
    pool = home.world.facts.pool_id
    home.section("profile bare", region="eu-west-1", cognito_identity_pool_id=pool, cognito_token_file=str(home.token))
    done = home.run(words, "--profile", "bare", AWS_ENDPOINT_URL="http://ada:hunter2@127.0.0.1:1", **changes)
    assert shown in done.out + done.err
    assert b"hunter2" not in done.out + done.err + home.everything_stored()


RECORDED = """
    import boto3
    from botocore.history import BaseHistoryHandler, get_global_history_recorder
    from botocore_cognito_federation import install

    class Database(BaseHistoryHandler):
        def emit(self, event_type, payload, source):
            print(event_type, payload)

    get_global_history_recorder().add_handler(Database())
    get_global_history_recorder().enable()
    install()
    session = boto3.Session(profile_name="demo")
    session.client("sts").get_caller_identity()
    print("KEY", session.get_credentials().secret_key, session.get_credentials().method)
"""


def test_the_aws_clis_history_records_calls_of_the_user_and_none_of_this_plugin(home):
    home.config.write_text(re.sub(r"(?m)^credential_process.*\n", "", home.config.read_text()))
    done = home.python(RECORDED)
    assert (done.code, done.err) == (0, b"")
    recorded, _, last = done.out.decode().rpartition("KEY ")
    assert "GetCallerIdentity" in recorded
    assert home.count("GetCredentialsForIdentity") == 1
    assert "GetCredentialsForIdentity" not in recorded
    assert last.split()[0] not in recorded
    assert home.token.read_text().strip() not in recorded
