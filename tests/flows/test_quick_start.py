"""The script ``cognito-federation-credentials``: ``python -I -S``, with `site` only if no response is cached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import botocore_cognito_federation
from tests.home import Home, Result, finished

REPOSITORY = Path(__file__).parents[2]
NAME = "cognito-federation-credentials"
PACKAGE = Path(botocore_cognito_federation.__file__).parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="lays the installation out as POSIX has it")


@pytest.fixture(params=["site-packages", pytest.param("dist-packages", marks=pytest.mark.thorough)])
def script(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The script as an installer writes it, next to a link to this package."""
    library = tmp_path / "prefix" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / request.param
    library.mkdir(parents=True)
    (library / "botocore_cognito_federation").symlink_to(PACKAGE)
    folder = tmp_path / "prefix" / "bin"
    folder.mkdir()
    return shutil.copy(REPOSITORY / "scripts" / NAME, folder)


def start(home: Home, script: str, *options: str, **variables: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", *options, script, "credential-process", "--profile", "demo"]
    return subprocess.Popen(
        command,
        env=home.environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home.path,
    )


def ask(home: Home, script: str, *options: str, **variables: str) -> Result:
    return finished(start(home, script, *options, **variables))


def imported(result: Result) -> set[str]:
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", result.err.decode(), re.MULTILINE))


def test_what_is_ready_is_printed_without_site_and_without_os(home: Home, script: str) -> None:
    cold = ask(home, script)
    warm = ask(home, script, "-X", "importtime")
    assert warm.out == cold.out
    assert cold.key
    floor = subprocess.run([sys.executable, "-I", "-S", "-X", "importtime", "-c", "pass"], capture_output=True)
    bare = imported(Result(0, b"", floor.stderr))
    assert (
        imported(warm) - bare
        == {
            "botocore_cognito_federation",
            "botocore_cognito_federation.__main__",
            "botocore_cognito_federation._fast_path",
            "posix",
        }
        - bare
    )
    assert home.spent == (1, 1)


def test_the_answer_is_the_one_of_the_console_script_byte_for_byte(home: Home, script: str) -> None:
    assert ask(home, script) == home.ask() == ask(home, script)
    home.forget_answers()
    assert home.ask() == ask(home, script)
    assert home.spent == (1, 1)


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_CONFIG_FILE": "{home}/.aws/config"},
        {"AWS_CONFIG_FILE": "~/.aws/config"},
        {"AWS_CONFIG_FILE": "$HOME/.aws/config"},
        {"COGNITO_FEDERATION_CACHE_DIR": "~/elsewhere//"},
        {"COGNITO_FEDERATION_CACHE_DIR": "${HOME}/elsewhere"},
        {"HOME": "{home}/"},
        {"AWS_CA_BUNDLE": "/tmp/\udcff"},
    ],
)
def test_both_read_the_same_answer_under_every_spelling_of_a_place(
    home: Home, script: str, variables: dict[str, str]
) -> None:
    """The script parses paths and variables itself when it does not need `os`."""
    filled = {name: value.replace("{home}", str(home.path)) for name, value in variables.items()}
    assert home.ask(**filled) == ask(home, script, **filled)
    before = len(home.world.calls("GetCredentialsForIdentity"))
    assert imported(ask(home, script, "-X", "importtime", **filled)).isdisjoint({"site", "botocore"})
    assert len(home.world.calls("GetCredentialsForIdentity")) == before == 1


@pytest.mark.thorough
def test_many_at_once_with_an_empty_cache_make_one_call(home: Home, script: str) -> None:
    home.world.fault("GetCredentialsForIdentity", delay=0.3)
    processes = [start(home, script) for _ in range(4)] + [home.start("credential-process", "--profile", "demo")]
    assert len({finished(process).key for process in processes}) == 1
    assert home.spent == (1, 1)


def test_a_failure_after_site_has_run_closes_where_it_should(home: Home, script: str) -> None:
    home.token.unlink()
    line = ask(home, script).refused(4)
    assert line == home.ask().refused(4)
    closed = ask(home, script, COGNITO_FEDERATION_FAIL_CLOSED="true")
    assert closed.code == 0
    assert closed.key.startswith("FAILED_")


def test_what_site_raises_is_a_failure_like_any_other(home: Home, script: str, tmp_path: Path) -> None:
    """A module that `site` imports is missing or broken: no traceback, and no other identity in its place."""
    home.token.unlink()  # the quick way runs no `site`
    program = tmp_path / "start.py"
    program.write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'site':\n"
        "            raise ImportError('no', name='site')\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"sys.argv[0] = __file__ = {script!r}\n"
        "exec(compile(open(__file__).read(), __file__, 'exec'))\n"
    )
    assert "the module site of Python itself cannot be imported" in ask(home, str(program)).refused(1)
    assert ask(home, str(program), COGNITO_FEDERATION_FAIL_CLOSED="true").key.startswith("FAILED_")


def test_where_the_package_is_not_next_to_it_site_finds_it(home: Home, tmp_path: Path) -> None:
    """As after an editable installation."""
    script = shutil.copy(REPOSITORY / "scripts" / NAME, tmp_path)
    assert ask(home, script) == ask(home, script)
    assert home.spent == (1, 1)


def test_it_is_the_whole_command_line_too(home: Home, script: str) -> None:
    process = subprocess.run([sys.executable, "-I", "-S", script, "version"], capture_output=True, check=True)
    assert process.stdout.startswith(b"cognito-federation ")
