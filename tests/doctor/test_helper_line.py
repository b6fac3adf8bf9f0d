"""`doctor` does with ``credential_process`` what an SDK does, and says what keeps the line from working."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.config.helper_line import helper_command
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.doctor import CheckResult
from botocore_cognito_federation.doctor.checks import run_checks
from botocore_cognito_federation.doctor.helper import bare_environment
from tests.home import Home
from tests.util.test_installation import distribution

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def one_world(_clean_environment: None) -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    path = tmp_path / "home"
    world.write_home(path, find_executable())
    return Home(path, world)


def with_line(home: Home, line: str, *, profile: str = "demo") -> None:
    """Give a profile another ``credential_process``."""
    lines = home.config.read_text().splitlines()
    own = [number for number, text in enumerate(lines) if text.endswith(f"credential-process --profile {profile}")]
    lines[own[0]] = f"credential_process = {line}"
    home.config.write_text("\n".join(lines) + "\n")


def with_keys(home: Home, **keys: str | None) -> None:
    """Change keys of ``[profile demo]``; None removes one."""
    lines = home.config.read_text().splitlines()
    start = lines.index("[profile demo]")
    end = lines.index("", start)
    kept = [line for line in lines[start + 1 : end] if line.partition(" ")[0] not in keys]
    new = [f"{name} = {value}" for name, value in keys.items() if value is not None]
    lines[start + 1 : end] = kept + new
    home.config.write_text("\n".join(lines) + "\n")


def found(check: str, *, offline: bool = True, profile: str = "demo") -> list[CheckResult]:
    results = run_checks(profile, os.environ, offline=offline)
    return [each for each in results if each.check == check and each.severity != "ok"]


KEYS = {"Version": 1, "AccessKeyId": "x", "SecretAccessKey": "y"}
QUICK = f"{sys.executable} -I -S {Path(sys.executable).with_name('cognito-federation-credentials')}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{QUICK} credential_process --profile demo", "'credential_process' is not the command that SDKs need"),
        (f"{QUICK} credentials --profile demo", "'credentials' is not the command"),
        (f"{QUICK} login --profile demo", "'login' is not the command"),
        (f"{QUICK} credential-process --profile demo --format json", "does not take '--format'"),
        (f"{QUICK} credential-process --profile demo # mine", "no comment behind a value"),
        (f"{QUICK} credential-process", "asks for profile 'default', not 'demo'"),
        (f"{QUICK} credential-process --profile demo 'x", "cannot be split into words"),
        (f"{QUICK}", "names no command"),
        ("~/bin/cognito-federation credential-process --profile demo", "expand neither ~ nor variables"),
        ("/gone/python -I /x/cognito-federation credential-process --profile demo", "/gone/python cannot be started"),
        (
            f"{sys.executable} -I /gone/cognito-federation credential-process --profile demo",
            "The script /gone/cognito-federation is not there",
        ),
    ],
)
def test_a_line_that_cannot_work_is_explained_without_starting_it(inside: Home, line: str, said: str) -> None:
    with_line(inside, line)
    (finding,) = found("credential_process")
    assert (finding.severity, finding.exit_code) == ("error", 4)
    assert said in finding.what
    assert finding.fix is not None
    assert finding.fix.values == {"credential_process": helper_command("demo")}


def test_a_script_whose_python_is_gone_is_found_without_starting_it(inside: Home, tmp_path: Path) -> None:
    script = tmp_path / "cognito-federation"
    script.write_text("#!/gone/venv/bin/python\n")
    script.chmod(0o755)
    with_line(inside, f"{script} credential-process --profile demo")
    (finding,) = found("credential_process")
    assert finding.what == f"The Python of {script} is gone: its first line names /gone/venv/bin/python"


def other_environment(tmp_path: Path) -> tuple[Path, Path]:
    """A virtual environment by its outlines: a Python, the script, and a folder for packages."""
    venv = tmp_path / "other"
    (venv / "bin").mkdir(parents=True)
    packages = venv / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    (venv / "bin" / "python").symlink_to(sys.executable)
    script = venv / "bin" / "cognito-federation"
    script.write_text(f"#!{venv}/bin/python\n")
    script.chmod(0o755)
    return script, packages


def test_a_package_that_is_uninstalled_for_the_helper_is_found_without_starting_it(
    inside: Home, tmp_path: Path
) -> None:
    script, packages = other_environment(tmp_path)
    with_line(inside, f"{script} credential-process --profile demo")
    (finding,) = found("credential_process")
    assert finding.what == f"botocore-cognito-federation is not installed for {script.with_name('python')}"
    distribution(packages, "botocore-cognito-federation", "0.1.0", "botocore>=1.34", "click>=8.1")
    distribution(packages, "botocore", "1.40.0")
    (finding,) = found("credential_process")
    assert "cannot run the helper: click>=8.1 is not installed" in finding.what
    assert finding.remedy == f"Run: {script.with_name('python')} -m pip install 'click>=8.1'"


def test_offline_says_that_the_line_was_not_started(inside: Home) -> None:
    (finding,) = found("helper run")
    assert finding.severity == "skipped"


@pytest.mark.thorough
def test_the_line_is_started_from_another_directory_with_few_variables_and_says_which_installation_answers(
    inside: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "cognito-federation"
    seen = tmp_path / "seen"
    script.write_text(f'#!/bin/sh\n(pwd; env) >> {seen}\nexec {QUICK} "$@"\n')
    script.chmod(0o755)
    with_line(inside, f"{script} credential-process --profile demo")
    monkeypatch.setenv("PYTHONPATH", "/nonsense")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", "/bin/false")
    results = {each.check: each for each in run_checks("demo", os.environ)}
    assert results["helper run"].severity == "ok"
    assert "answers: cognito-federation" in results["installation"].what
    lines = seen.read_text().splitlines()
    assert lines[0] == "/"
    names = {line.partition("=")[0] for line in lines}
    assert {"HOME", "PATH", "AWS_CONFIG_FILE"} <= names
    assert not {"PYTHONPATH", "DISPLAY", "BROWSER"} & names
    assert "COGNITO_FEDERATION_AUTO_LOGIN=never" in lines


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo no", "prints something that is not one JSON object"),
        ("true", "prints nothing"),
        ("echo '{\"Version\": 2}'", "prints JSON without Version 1"),
        ('echo \'{"Version": 1, "AccessKeyId": "x"}\'', "prints JSON without SecretAccessKey"),
        (
            "echo '" + json.dumps({**KEYS, "Expiration": "2001-01-01T00:00:00Z"}) + "'",
            "prints credentials that have expired",
        ),
        (
            'echo \'{"Version": 1, "AccessKeyId": "FAILED_TEMPORARY_RUN", "SecretAccessKey": "y"}\'',
            "fails, and answers for cognito_fail_closed",
        ),
        ("echo Broken 1>&2; exit 9", "ends with status 9: Broken"),
    ],
)
def test_an_answer_that_botocore_would_refuse_is_found(inside: Home, tmp_path: Path, answer: str, said: str) -> None:
    script = tmp_path / "cognito-federation"
    script.write_text(f"#!/bin/sh\n{answer}\n")
    script.chmod(0o755)
    with_line(inside, f"{script} credential-process --profile demo")
    (finding,) = found("helper run", offline=False)
    assert (finding.severity, finding.exit_code) == ("error", 4)
    assert said in finding.what


@pytest.mark.thorough
def test_a_line_that_needs_a_variable_of_this_shell_is_a_warning(inside: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"sh -c {shlex.quote('cat $WHERE')}"
    keys = {"cognito_token_command": command, "cognito_provider": inside.world.provider.login_key}
    with_keys(inside, cognito_session=None, cognito_identity_pool_id=inside.world.pool_id, **keys)
    monkeypatch.setenv("WHERE", str(inside.token))
    (finding,) = found("helper run", offline=False)
    assert finding.severity == "warning"
    assert "with the variables of this shell, but not without them" in finding.what


@pytest.mark.thorough
def test_a_failure_of_the_line_that_another_finding_explains_is_a_note(inside: Home) -> None:
    inside.token.unlink()
    results = run_checks("demo", os.environ)
    assert [(each.check, each.severity) for each in results if each.exit_code or each.check == "helper run"] == [
        ("login token", "error"),
        ("helper run", "note"),
    ]


@pytest.mark.thorough
def test_another_version_that_answers_is_named(inside: Home, tmp_path: Path) -> None:
    script = tmp_path / "cognito-federation"
    old = 'if [ "$1" = version ]; then echo "cognito-federation 0.0.1 (Python 3.9.1, botocore 1.30.0)"; exit; fi\n'
    script.write_text(f'#!/bin/sh\n{old}exec {QUICK} "$@"\n')
    script.chmod(0o755)
    with_line(inside, f"{script} credential-process --profile demo")
    (finding,) = found("installation", offline=False)
    assert finding.severity == "warning"
    assert f"Another installation answers: {script} is cognito-federation 0.0.1 (Python 3.9.1" in finding.what


@pytest.mark.parametrize(
    ("keys", "severity", "said", "values"),
    [
        ({"region": '"eu-west-1"'}, "error", "is not the name of a region", {"region": "eu-west-1"}),
        ({"region": None}, "warning", "No region is configured", {"region": "eu-west-1"}),
        ({"region": "mars"}, "warning", "which this version of botocore does not know", None),
        ({"services": "gone"}, "error", "there is no [services gone]", None),
        ({"ca_bundle": "~/ca.pem"}, "error", "botocore does not expand ~", None),
        ({"retry_mode": "twice"}, "error", "No client can be made for the profile", None),
    ],
)
def test_what_keeps_a_client_of_the_profile_from_being_made_is_found(
    inside: Home, keys: dict[str, str | None], severity: str, said: str, values: dict[str, str] | None
) -> None:
    with_keys(inside, **keys)
    finding = found("client")[0]
    assert finding.severity == severity
    assert said in finding.what
    assert (finding.fix.values if finding.fix else None) == values


def test_the_helper_is_given_the_variables_that_its_token_source_names(inside: Home) -> None:
    from botocore_cognito_federation.config.profiles import load_settings

    settings = load_settings("demo")
    assert "MY_TOKEN" not in bare_environment(settings, {"MY_TOKEN": "x"})
    with_keys(inside, cognito_token_env="MY_TOKEN")
    assert bare_environment(load_settings("demo"), {"MY_TOKEN": "x"})["MY_TOKEN"] == "x"


def test_a_profile_that_assumes_a_role_by_one_of_this_tool_is_checked_by_that_one(inside: Home) -> None:
    results = run_checks("chained", os.environ, offline=True)
    assert not [each for each in results if each.severity == "error"]
    assert any("assumes a role with the credentials of profile demo" in each.what for each in results)
    assert any(each.check == "role" and each.severity == "skipped" for each in results)


@pytest.mark.parametrize(("profile", "severity"), [("demo", "note"), (None, "error")])
def test_keys_in_the_environment_are_an_error_only_where_no_profile_is_named(
    inside: Home, monkeypatch: pytest.MonkeyPatch, profile: str | None, severity: str
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "demo")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    (finding,) = [each for each in run_checks(profile, os.environ, offline=True) if each.check == "precedence"]
    assert finding.severity == severity
