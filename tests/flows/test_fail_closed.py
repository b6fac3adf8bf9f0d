"""``cognito_fail_closed``: a failing helper returns credentials that sign for no identity, whatever failed."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError

from botocore_cognito_federation import errors
from botocore_cognito_federation._fast_path import CHAIN_VARIABLE, CacheQuery
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError
from botocore_cognito_federation.fail_closed import is_asked_for, key_id_of
from tests.home import Home, Result

pytestmark = pytest.mark.thorough

VARIABLE = "COGNITO_FEDERATION_FAIL_CLOSED"
#: The exit code if the file with the login token is missing.
NO_TOKEN = ConfigurationError.exit_code
ON = {VARIABLE: "true"}
HANGING = """
    import os, time
    from botocore_cognito_federation.cli import credential_process as long_way
    from botocore_cognito_federation._fast_path import CacheQuery

    long_way._LAST_MOMENT, long_way.answer = 0.2, lambda question: time.sleep(60)
    long_way.answer_and_end(CacheQuery("demo", os.environ))
"""
IMPATIENT = """
    import sys
    from botocore_cognito_federation import _fast_path as process
    from botocore_cognito_federation.__main__ import main

    process.LOCK_TIMEOUT = 0.1
    sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
    main()
"""
WITHOUT = """
    import sys
    sys.modules[{module!r}] = None
    from botocore_cognito_federation.__main__ import main

    sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
    main()
"""


def closed(result: Result, code: int) -> None:
    """Check: exit code 0, nothing on stderr, and one answer that says why and expires only after a minute."""
    document = result.document
    assert document["AccessKeyId"] == key_id_of(code)
    assert set(document) == {"Version", "AccessKeyId", "SecretAccessKey", "Expiration"}
    expiration = datetime.strptime(document["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert 30 < expiration.timestamp() - time.time() <= 60


@pytest.fixture
def broken(home: Home) -> Home:
    """A home whose login token is gone."""
    home.token.unlink()
    return home


def test_without_the_key_a_failure_is_one(broken: Home) -> None:
    assert "token" in broken.ask().refused(NO_TOKEN)
    assert "token" in broken.ask(**{VARIABLE: "false"}).refused(NO_TOKEN)


@pytest.mark.parametrize("place", ["variable", "profile demo", "cognito-session demo"])
def test_a_failure_is_answered_wherever_the_key_stands(broken: Home, place: str) -> None:
    if place == "variable":
        closed(broken.ask(**ON), NO_TOKEN)
        return
    text = broken.config.read_text()
    broken.config.write_text(text.replace(f"[{place}]\n", f"[{place}]\ncognito_fail_closed = true\n"))
    closed(broken.ask(), NO_TOKEN)
    closed(broken.ask(), NO_TOKEN)
    # A variable takes precedence, as everywhere.
    broken.ask(**{VARIABLE: "false"}).refused(NO_TOKEN)


def test_what_works_is_not_touched_by_it(home: Home) -> None:
    assert home.ask(**ON).key.startswith("ASIA")
    assert home.ask(**ON).key.startswith("ASIA")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("cognito_nonsense = 1\n", "unknown key"),
        ("cognito_flow = basic\n", "cognito_role_arn"),
        ("region = eu-west-1\nregion = eu-west-1\n", "a second time"),
        ("this is no line\n", "is not key = value"),
    ],
)
def test_a_configuration_that_is_wrong_is_answered_too(home: Home, lines: str, said: str) -> None:
    """Other SDKs read files that botocore refuses, and would fall back."""
    text = home.config.read_text()
    for on in ("", "cognito_fail_closed = true\n"):
        home.config.write_text(text.replace("[profile demo]\n", f"[profile demo]\n{on}{lines}"))
        if on:
            closed(home.ask(), ConfigurationError.exit_code)
        else:
            assert said in home.ask().refused(ConfigurationError.exit_code)


def test_a_value_that_is_neither_true_nor_false_is_an_error_that_closes(home: Home) -> None:
    closed(home.ask(**{VARIABLE: "yes"}), ConfigurationError.exit_code)
    assert "must be true or false" in home.run("explain", "--profile", "demo", **{VARIABLE: "yes"}).refused(4)


def test_the_failure_that_others_wait_for_is_answered_with_no_more_imports(broken: Home) -> None:
    """The path of processes that find an answer: nothing else of the package is loaded."""
    script = """
        import os, sys
        from botocore_cognito_federation import _fast_path as process
        from botocore_cognito_federation.__main__ import main
        before, end = set(sys.modules), os._exit
        def spy(code):
            os.write(2, " ".join(sorted(set(sys.modules) - before)).encode())
            end(code)
        os._exit = spy
        process.CachedAnswer.is_fresh = lambda answer, now: True
        sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
        main()
    """
    text = broken.config.read_text()
    broken.config.write_text(text.replace("[profile demo]\n", "[profile demo]\ncognito_fail_closed = true\n"))
    closed(broken.ask(), NO_TOKEN)
    done = broken.python(script)
    assert done.err == b"botocore_cognito_federation.fail_closed"
    closed(Result(done.code, done.out, b""), NO_TOKEN)


def test_the_time_limit_is_answered(home: Home) -> None:
    closed(home.python(HANGING, **ON), 7)


def test_a_lock_that_another_holds_is_answered(inside: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    path = Path(f"{CacheQuery('demo', os.environ).path}.lock")
    path.parent.mkdir(parents=True, mode=0o700)
    path.parent.parent.chmod(0o700)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        closed(inside.python(IMPATIENT, **ON), 8)


@pytest.mark.parametrize("module", ["botocore", "botocore.session", "botocore_cognito_federation.config.loader"])
@pytest.mark.parametrize("debug", [None, "/dev/null"])
def test_a_module_that_cannot_be_imported_is_answered_and_otherwise_one_line(
    home: Home, module: str, debug: str | None
) -> None:
    # The quick way needs none of these modules, and leaves a setting that it does not know to the long way.
    changes = {"COGNITO_FEDERATION_DEBUG": debug, "AWS_DEFAULTS_MODE": "legacy"}
    line = home.python(WITHOUT.format(module=module), **changes).refused(1)
    assert re.search(rf"the module {module}[a-z.]* cannot be imported. Run: {sys.executable} -m pip install", line)
    closed(home.python(WITHOUT.format(module=module), **changes, **ON), 1)


def test_a_profile_that_would_start_itself_is_answered(home: Home) -> None:
    closed(home.ask(**{CHAIN_VARIABLE: "demo"}, **ON), ConfigurationError.exit_code)


def test_with_a_log_the_same_is_answered(broken: Home) -> None:
    closed(broken.ask(COGNITO_FEDERATION_DEBUG=str(broken.path / "log"), **ON), NO_TOKEN)
    assert "token" in (broken.path / "log").read_text()


def test_an_interrupted_helper_has_failed(home: Home) -> None:
    """The program that started it gets the same Ctrl-C."""
    home.section("profile slow", cognito_identity_pool_id=home.world.pool_id, cognito_token_command="sleep 60")
    process = home.start("credential-process", "--profile", "slow", **ON)
    while not list(home.cache.glob("answers/*.lock")):
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert (process.wait(60), process.stdout and process.stdout.read()) == (130, b"")
    process.communicate()


def test_every_reason_is_a_key_id_that_aws_would_parse_and_that_is_no_real_one() -> None:
    codes = {error.exit_code for error in vars(errors).values() if _is_error(error)}
    assert codes == {1, 3, 4, 5, 6, 7, 8}
    shown = {key_id_of(code) for code in codes}
    assert len(shown) == len(codes)
    for key_id in shown:
        assert re.fullmatch(r"\w{16,128}", key_id, re.ASCII)
        assert not re.fullmatch(r"[A-Z0-9]+", key_id)


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, CognitoFederationError)


def test_status_and_doctor_say_what_failed(broken: Home) -> None:
    (said,) = broken.ask().refused(NO_TOKEN).splitlines()
    closed(broken.ask(**ON), NO_TOKEN)
    for words in (("status",), ("doctor", "--offline")):
        assert said in broken.run(*words, "--profile", "demo", **ON).out.decode()


def test_explain_shows_it(home: Home) -> None:
    assert re.search(
        r"cognito_fail_closed +true +\(COGNITO", home.run("explain", "--profile", "demo", **ON).out.decode()
    )


def test_botocore_is_refused_and_works_as_soon_as_the_sign_in_does(
    inside: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    inside.token.rename(inside.path / "put-away")
    client = botocore.session.Session(profile="demo").create_client("s3")
    world = inside.world
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.get_object(Bucket=world.bucket, Key=world.object_key)
    (inside.path / "put-away").rename(inside.token)
    assert client.get_object(Bucket=world.bucket, Key=world.object_key)["Body"].read()


CONFIGURATIONS = (
    "[profile dev]\ncognito_fail_closed = true\n",
    "[profile dev]\ncognito_fail_closed: TRUE\n",
    "[profile dev]\nCognito_Fail_Closed=true\n",
    "[profile dev]\ncognito_fail_closed = false\n",
    "[profile dev]\n# cognito_fail_closed = true\n",
    "[profile dev]\n",
    "[profile other]\ncognito_fail_closed = true\n[profile dev]\n",
    '[profile "dev"]\ncognito_fail_closed = true\n',
    "[profile   dev]\ncognito_fail_closed = true\n",
    "[cognito-session s]\ncognito_fail_closed = true\n[profile dev]\ncognito_session = s\n",
    "[cognito-session s]\ncognito_fail_closed = true\n[profile dev]\ncognito_session = s\ncognito_fail_closed=false\n",
    "[cognito-session s]\ncognito_fail_closed = true\n[profile dev]\n",
)


@pytest.mark.parametrize("text", CONFIGURATIONS)
@pytest.mark.parametrize("variable", ["", "true", "false"])
def test_it_is_read_as_the_rest_of_the_configuration_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str
) -> None:
    config = tmp_path / "config"
    config.write_text(
        text.replace("dev]\n", "dev]\ncognito_provider = guest\ncognito_identity_pool_id = eu-west-1:0\n").replace(
            'dev"]\n', 'dev"]\ncognito_provider = guest\ncognito_identity_pool_id = eu-west-1:0\n'
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    environ = {VARIABLE: variable}
    assert is_asked_for("dev", str(config), environ) is load_settings("dev", environ=environ).fail_closed
