"""``export``: its output, read by the shells and readers of dotenv files themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation._fast_path import EXEC_PROFILE
from botocore_cognito_federation.cli.run import credentials_section, formatted
from botocore_cognito_federation.credentials import FederatedCredentials
from botocore_cognito_federation.errors import ConfigurationError
from tests.cli.home import ModuleHome
from tests.servers.tool_cache import lacking

pytestmark = pytest.mark.thorough

HOSTILE = {
    "quotes": """it's "quoted" ''twice'' \\'so\\' \\\\ \\""",
    "expansion": "$HOME ${HOME} $(id) `id` %PATH% !! ~ $Env:HOME",
    "operators": "a; b & c | d && e || f > g < h # i",
    "patterns": "*.? [a-z] {a,b} ^(c) = -n",
    "spaces": "  two  spaces  ",
    "letters": "\u00e9\u65e5\u672c\U0001f512\u2018typographic\u2019\u201a\u201b",
    "option": "-rf",
    "empty": "",
}
#: How each shell reads lines of its style, and passes on the result.
SHELLS = {
    "dash": ("env", ["dash", "-c", 'eval "$1"; exec "$2" -c "$3"', "x"]),
    "bash": ("env", ["bash", "-c", 'eval "$1"; exec "$2" -c "$3"', "x"]),
    "zsh": ("env", ["zsh", "-f", "-c", 'eval "$1"; exec "$2" -c "$3"', "x"]),
    "ksh": ("env", ["ksh", "-c", 'eval "$1"; exec "$2" -c "$3"', "x"]),
    "busybox": ("env", ["busybox", "sh", "-c", 'eval "$1"; exec "$2" -c "$3"', "x"]),
    "bash, unexported": ("env-no-export", ["bash", "-c", 'set -a; eval "$1"; exec "$2" -c "$3"', "x"]),
    "fish": ("fish", ["fish", "--no-config", "-c", "eval $argv[1]; exec $argv[2] -c $argv[3]"]),
    "powershell": ("powershell", ["pwsh", "-NoProfile", "-Command", "iex $args[0]; & $args[1] -c $args[2]"]),
}
#: Debian has no PowerShell.
_FOUND = [name for name in SHELLS if name != "powershell" or shutil.which("pwsh")]
_TELL = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('T_')}))"
_NAMES = {f"T_{name.upper()}": value for name, value in HOSTILE.items()}


@pytest.mark.parametrize("shell", _FOUND)
def test_a_shell_has_every_value_as_it_is(shell: str, tmp_path: Path) -> None:
    style, start = SHELLS[shell]
    if shutil.which(start[0]) is None:
        lacking(f"{start[0]} is not installed")
    done = subprocess.run(
        [*start, formatted(_NAMES, style), sys.executable, _TELL],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == _NAMES


@pytest.mark.parametrize("style", ["env", "env-no-export", "fish", "powershell", "windows-cmd", "dotenv"])
@pytest.mark.parametrize("end", ["\n", "\r"])
def test_a_value_of_two_lines_is_refused(style: str, end: str) -> None:
    with pytest.raises(ConfigurationError, match="line break"):
        formatted({"NAME": f"a{end}b"}, style)


@pytest.mark.parametrize("mark", ["'", "\u2018", "\u2019", "\u201a", "\u201b"])
def test_powershell_gets_every_mark_doubled_that_ends_a_text_there(mark: str) -> None:
    """PowerShell's language specification, section 2.3.5.2: single-quote characters."""
    assert formatted({"NAME": f"a{mark}b"}, "powershell") == f"$Env:NAME = 'a{mark}{mark}b'"


@pytest.mark.parametrize("value", ['a"b', "a%PATH%b", "a!b"])
def test_what_no_quoting_protects_in_cmd_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="cmd"):
        formatted({"NAME": value}, "windows-cmd")
    assert formatted({"NAME": "a&b|c^d e"}, "windows-cmd") == 'set "NAME=a&b|c^d e"'


@pytest.mark.parametrize("value", ["it's", 'a"b', "$HOME", "a\\b", "a`id`"])
def test_what_readers_of_dotenv_files_take_in_different_ways_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="dotenv"):
        formatted({"NAME": value}, "dotenv")


def test_node_reads_a_dotenv_file_as_it_is_meant(tmp_path: Path) -> None:
    node = shutil.which("node") or lacking("node is not installed")
    values = {"T_KEY": "abc+/=:@%", "T_SPACED": " a # b; c & d ~ * ", "T_EMPTY": "", "T_LETTER": "\u00e9"}
    file = tmp_path / "variables"
    file.write_text(formatted(values, "dotenv") + "\n", encoding="utf-8")
    code = "console.log(JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([k]) => /^T_/.test(k)))))"
    done = subprocess.run(
        [node, f"--env-file={file}", "-e", code], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == values, done.stderr


def test_credentials_need_no_quotes_in_a_dotenv_file(home: ModuleHome) -> None:
    """docker treats quotes as a part of the value."""
    done = home.run("export", "--profile", "demo", "--format", "dotenv")
    assert (done.returncode, done.stderr) == (0, "")
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    process = json.loads(home.run("export", "--profile", "demo").stdout)
    assert found == {
        "AWS_ACCESS_KEY_ID": process["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": process["SecretAccessKey"],
        "AWS_SESSION_TOKEN": process["SessionToken"],
        "AWS_CREDENTIAL_EXPIRATION": process["Expiration"],
        "AWS_REGION": home.world.region,
        "AWS_DEFAULT_REGION": home.world.region,
    }


def test_a_section_of_a_credentials_file_serves_programs_that_read_nothing_else(
    home: ModuleHome, tmp_path: Path
) -> None:
    done = home.run("export", "--profile", "demo", "--format", "ini")
    assert (done.returncode, done.stderr) == (0, "")
    process = json.loads(home.run("export", "--profile", "demo").stdout)
    assert done.stdout.startswith(f"[demo]\n# These credentials expire at {process['Expiration']}\n")
    file = tmp_path / "file"
    file.write_text(done.stdout)
    code = "import botocore.session as b; print(*b.Session(profile='demo').get_credentials().get_frozen_credentials())"
    read = subprocess.run(
        [sys.executable, "-c", code],
        env={**home.environment(), "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_CONFIG_FILE": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert read.stdout.split()[:3] == [process[n] for n in ("AccessKeyId", "SecretAccessKey", "SessionToken")]


@pytest.mark.parametrize("profile", ["a]b", "a[b", "a\nb"])
def test_a_name_that_is_no_title_of_a_section_is_refused(profile: str) -> None:
    credentials = FederatedCredentials("a", "b", "c", 2e9, 1e9, "i")
    with pytest.raises(ConfigurationError, match="title of a section"):
        credentials_section(profile, credentials)


def test_commands_inside_exec_are_about_its_profile(home: ModuleHome) -> None:
    program = [sys.executable, "-m", "botocore_cognito_federation"]
    inside = ("exec", "demo", "--", *program)
    who = json.loads(home.run(*inside, "whoami", "--json").stdout)
    assert who["identity_id"]
    assert home.run(*inside, "status").stdout.startswith("profile demo, ")
    shown = home.run("exec", "demo", "--", sys.executable, "-c", f"import os; print(os.environ[{EXEC_PROFILE!r}])")
    assert shown.stdout == "demo\n"
    explained = home.run(*inside, "explain")
    assert "AWS_ACCESS_KEY_ID is set" not in explained.stdout + explained.stderr
    assert "AWS_ACCESS_KEY_ID is set" in home.run("explain", "demo", AWS_ACCESS_KEY_ID="AKIAEXAMPLE").stderr
