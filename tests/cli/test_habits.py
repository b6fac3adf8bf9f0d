"""What people type who come from other tools: where the profile may stand, misspelt commands, the help, completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from botocore_cognito_federation.cli import run as commands
from botocore_cognito_federation.cli.app import app
from botocore_cognito_federation.config.profiles import load_session_settings, load_settings
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.errors import ConfigurationError
from tests.servers.tool_cache import lacking

CONFIG = """
[profile dev]
cognito_session = corp

[profile data]
cognito_session = corp

[profile theirs]
region = eu-west-1

[cognito-session corp]
cognito_identity_pool_id = eu-west-1:00000000-0000-4000-8000-000000000001
cognito_provider = guest
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "--profile", "dev"),
        ("explain", "-p", "dev"),
        ("explain", "dev"),
        ("-p", "dev", "explain"),
        ("--profile", "dev", "explain"),
        ("--profile", "dev", "explain", "dev"),
    ],
    ids=" ".join,
)
def test_the_profile_stands_before_the_command_behind_it_or_as_its_first_argument(
    config: Path, words: tuple[str, ...]
) -> None:
    done = run(*words)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "profile dev"), done.output


def test_a_session_that_is_not_there_is_named_with_the_flag_or_variable_that_names_it(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        with pytest.raises(ConfigurationError) as caught:
            load_session_settings("nope")
        return str(caught.value)

    assert said().startswith(f"--session names cognito_session = 'nope', but {config} has no [cognito-session nope]")
    monkeypatch.setenv("COGNITO_FEDERATION_SESSION", "nope")
    with pytest.raises(ConfigurationError, match="COGNITO_FEDERATION_SESSION names cognito_session = 'nope'"):
        load_settings("dev")


@pytest.mark.parametrize("words", [("explain", "dev", "-p", "data"), ("-p", "data", "explain", "dev")], ids=" ".join)
def test_two_different_profiles_are_refused(config: Path, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert "Two profiles are named" in done.output


@pytest.mark.parametrize(
    ("words", "profile", "program"),
    [
        (("dev", "--", "env", "-i"), "dev", ("env", "-i")),
        (("dev", "--"), "dev", ()),
        (("--", "dev", "--", "env"), None, ("dev", "--", "env")),
        (("grep", "--", "-x"), None, ("grep", "--", "-x")),
        (("-p", "dev", "--", "grep", "--", "-x"), "dev", ("grep", "--", "-x")),
        (("-p", "data", "dev", "--", "env"), "data", ("dev", "--", "env")),
        (("--", "env", "-i"), None, ("env", "-i")),
    ],
)
def test_exec_takes_a_name_before_two_dashes_for_a_profile_only_where_there_is_one(
    config: Path, words: tuple[str, ...], profile: str | None, program: tuple[str, ...]
) -> None:
    context = commands.exec_command.make_context("exec", list(words))
    assert (context.params["profile"], context.params["words"]) == (profile, program)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("logni", "login"), ("credential_process", "credential-process"), ("Sign-In", "login"), ("stauts", "status")],
)
def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    for words in ((typed,), ("help", typed)):
        done = run(*words)
        assert done.exit_code == 2
        assert f"There is no command {typed!r}. Did you mean {meant!r}?" in done.output


def test_every_command_of_another_tool_leads_to_one_of_this_tool() -> None:
    from botocore_cognito_federation.cli.app import _COMMANDS, _ELSEWHERE

    assert set(_ELSEWHERE.values()) <= set(_COMMANDS)
    assert not set(_ELSEWHERE) & set(_COMMANDS)


def test_help_shows_what_dash_dash_help_shows() -> None:
    assert run("help").output == run("--help").output
    assert "Usage: app login [OPTIONS] [PROFILE]" in run("help", "login").output
    assert run("help", "cache", "clear").output == run("cache", "clear", "--help").output


def test_the_version_is_printed_by_option_too() -> None:
    assert run("-V").output == run("--version").output == run("version").output


def test_a_sign_in_with_a_code_takes_no_browser_as_in_the_aws_cli(config: Path) -> None:
    assert "exclude each other" in run("login", "--remote", "--use-device-code").output
    assert "exclude each other" not in run("login", "dev", "--no-browser", "--use-device-code").output


#: How each shell is asked what may come next.
SHELLS = {
    "bash": """
        eval "$($0 completion bash)"
        COMP_WORDS=(cognito-federation "$@") COMP_CWORD=$#
        PATH="$(dirname "$0"):$PATH"
        _cognito_federation_completion cognito-federation
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        program=$1; shift
        path=(${program:h} $path)
        compdef() { : }
        compadd() { print -l -- ${(P)@[-1]} }
        _describe() { print -l -- ${(P)3} }
        eval "$(cognito-federation completion zsh)"
        words=(cognito-federation "$@") CURRENT=$(($# + 1))
        _cognito_federation_completion
    """,
    "fish": """
        set -p PATH (dirname $argv[1])
        cognito-federation completion fish | source
        complete -C "cognito-federation $argv[2..]"
    """,
}
STARTS = {"bash": ["bash", "-c"], "zsh": ["zsh", "-f", "-c"], "fish": ["fish", "--no-config", "-c"]}


def offered(shell: str, *words: str) -> set[str]:
    """What a shell offers in place of the last word."""
    if shutil.which(shell) is None:
        lacking(f"{shell} is not installed")
    zeroth = [] if shell != "zsh" else ["zsh"]
    done = subprocess.run(
        [*STARTS[shell], SHELLS[shell], *zeroth, find_executable(), *words],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return {line.partition("\t")[0].partition(":")[0] for line in done.stdout.splitlines() if line}


@pytest.mark.thorough
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_profiles_sessions_and_commands(config: Path, shell: str) -> None:
    assert offered(shell, "login", "--profile", "d") == {"dev", "data"}
    assert offered(shell, "whoami", "d") == {"dev", "data"}
    assert offered(shell, "logout", "--session", "") == {"corp"}
    assert offered(shell, "expl") == {"explain"}


def test_powershell_gets_a_script_that_asks_as_the_others_do(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = run("completion", "powershell").output
    assert "Register-ArgumentCompleter -Native -CommandName cognito-federation" in script
    monkeypatch.setenv("_COGNITO_FEDERATION_COMPLETE", "powershell_complete")
    for words, left, found in (
        (("cognito-federation", "login", "--profile", "d"), "d", ["dev", "data"]),
        (("cognito-federation", "login", "--profile"), "", ["dev", "data"]),
    ):
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_INCOMPLETE", left)
        asked = CliRunner().invoke(app, [], complete_var="_COGNITO_FEDERATION_COMPLETE")
        assert asked.output.splitlines() == found


def test_no_command_is_without_a_place_for_the_profile_by_accident() -> None:
    """The commands about one profile take it as first argument; `exec` has its program there."""
    context = click.Context(app)
    found = {}
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        found[name] = {parameter.name for parameter in command.params}
    about_one = {name for name, parameters in found.items() if "profile" in parameters}
    assert {name for name in about_one if "named" not in found[name]} == {"exec"}
    assert found.keys() - about_one == {"cache", "completion", "demo", "help", "native", "pool", "user-pool", "version"}
