"""The helper does not depend on the Python variables and the directory of its caller."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.compat import _windows_shell_split

from botocore_cognito_federation.config.helper_line import helper_command, quicker, starts_this_program
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.errors import ConfigurationError
from tests.home import Home, Result, finished

#: The content of another program's directory: modules with the names of the helper's imports, early and late.
OVERRIDING_VARIABLES = ("botocore.py", "fcntl.py", "json.py", "requests.py", "jwt.py", "brotli.py", "configparser.py")
ISOLATED = "isolated"
SCRIPT = "script"
#: A process finds the line; it is the same in all tests.
line_of_demo = functools.cache(lambda: helper_command("demo"))


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "another program"
    folder.mkdir()
    for name in OVERRIDING_VARIABLES:
        (folder / name).write_text(f"import os\nos.write(2, b'ran {name}')\nos._exit(99)\n")
    return folder


def ask(home: Home, how: str, cwd: Path, **variables: str) -> Result:
    """Run ``credential-process`` in a directory, with the line that `configure` writes or with the console script."""
    line = line_of_demo() if how == ISOLATED else f"{find_executable()} credential-process --profile demo"
    inherited = {name: value for name, value in home.environment().items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        shlex.split(line),
        env={**inherited, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
    )
    return finished(process)


@pytest.mark.parametrize(
    ("how", "path"),
    [
        (ISOLATED, "{hostile}:."),  # the interpreter ignores the variable, whatever it holds
        (SCRIPT, "{hostile}"),
        (SCRIPT, ":{elsewhere}"),
        *(
            pytest.param(how, path, marks=pytest.mark.thorough)
            for how in (ISOLATED, SCRIPT)
            for path in ("{hostile}", ":{elsewhere}", "{elsewhere}:", "", ".", "{hostile}:{hostile}/..")
            if how == ISOLATED or path not in ("{hostile}", ":{elsewhere}")
        ),
    ],
)
def test_a_python_path_of_the_caller_shadows_nothing_warm_or_cold(
    home: Home, hostile: Path, tmp_path: Path, how: str, path: str
) -> None:
    variables = {"PYTHONPATH": path.format(hostile=hostile, elsewhere=tmp_path / "elsewhere")}
    cold = ask(home, how, hostile, **variables)
    assert cold.key
    assert ask(home, how, hostile, **variables) == cold
    assert home.spent == (1, 1)


PYTHON_VARIABLES = (
    {"PYTHONHOME": "/nonexistent"},
    {"PYTHONSTARTUP": "{hostile}/botocore.py", "PYTHONINSPECT": "1"},
    {"PYTHONWARNINGS": "error", "PYTHONVERBOSE": "1", "PYTHONDEVMODE": "1"},
    {"PYTHONUSERBASE": "{hostile}", "PYTHONPLATLIBDIR": "nowhere"},
    {"PYTHONIOENCODING": "utf-16", "PYTHONUNBUFFERED": "1"},
)


@pytest.mark.parametrize(
    "variables",
    [
        # All at once on every Python, each by itself on one.
        pytest.param({name: value for some in PYTHON_VARIABLES for name, value in some.items()}, id="all"),
        *(pytest.param(some, id=next(iter(some)), marks=pytest.mark.thorough) for some in PYTHON_VARIABLES),
    ],
)
def test_the_line_that_configure_writes_ignores_every_python_variable(
    home: Home, hostile: Path, variables: dict[str, str]
) -> None:
    filled = {name: value.format(hostile=hostile) for name, value in variables.items()}
    cold = ask(home, ISOLATED, hostile, **filled)
    assert cold.key
    assert ask(home, ISOLATED, hostile, **filled) == cold


def test_python_m_does_not_look_into_the_current_directory(home: Home, hostile: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "botocore_cognito_federation", "credential-process", "--profile", "demo"],
        env={name: value for name, value in home.environment().items() if not name.startswith("PYTHON")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=hostile,
    )
    assert finished(process).key


def test_a_package_that_python_path_itself_makes_visible_goes_on_working(home: Home, tmp_path: Path) -> None:
    """As after ``pip install --target``: the entries of PYTHONPATH are then where the helper is installed."""
    import botocore_cognito_federation

    root = Path(botocore_cognito_federation.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "botocore_cognito_federation", "credential-process", "--profile", "demo"],
        env=home.environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{root}"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
    )
    assert finished(process).key


@pytest.mark.parametrize("how", [ISOLATED, SCRIPT])
def test_a_refresh_handler_is_still_found_in_an_entry_of_python_path(home: Home, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "handlers"
    folder.mkdir()
    (folder / "corp_helper.py").write_text(f"def read():\n    return open({str(home.token)!r}).read().strip()\n")
    (folder / "corp_handler.py").write_text("import corp_helper\ndef refresh():\n    return corp_helper.read()\n")
    (folder / "botocore.py").write_text("raise SystemExit(99)\n")
    home.profile("handled", cognito_refresh_handler="corp_handler:refresh")
    line = helper_command("handled") if how == ISOLATED else f"{find_executable()} credential-process --profile handled"
    process = subprocess.Popen(
        shlex.split(line),
        env=home.environment(PYTHONPATH=str(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert finished(process).key


@pytest.mark.skipif(os.name == "nt", reason="the launchers of Windows are no scripts")
def test_the_line_names_the_interpreter_and_parses_the_same_everywhere() -> None:
    line = helper_command("dev")
    words = line.split(" ")
    assert words[1:3] == ["-I", "-S"]
    assert words[-3:] == ["credential-process", "--profile", "dev"]
    assert shlex.split(line) == _windows_shell_split(line) == words
    assert all(os.path.isabs(word) for word in (words[0], words[3]))
    assert starts_this_program(line)


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="the launchers of Windows are no scripts")
def test_one_process_tells_that_the_quicker_script_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    run = subprocess.run

    def counted(words: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        started.append(words)
        return run(words, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    assert helper_command("dev").split()[1:3] == ["-I", "-S"]
    assert len(started) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_the_line_names_the_quicker_script_by_its_own_place_also_where_the_program_is_a_link(tmp_path: Path) -> None:
    """Like pipx and uv: a link on the PATH, the scripts in their own environment."""
    link = tmp_path / "cognito-federation"
    link.symlink_to(find_executable())
    quick = os.path.join(os.path.dirname(find_executable()), "cognito-federation-credentials")
    assert helper_command("dev", str(link)).split()[1:4] == ["-I", "-S", quick]
    assert quicker([str(link)]) == helper_command("dev", str(link)).split()[:4]


def test_without_the_quicker_script_the_line_is_the_one_it_was(tmp_path: Path) -> None:
    program = tmp_path / "cognito-federation"
    shutil.copy(find_executable(), program)
    assert helper_command("dev", str(program)).split()[1:3] == ["-I", str(program)]
    assert quicker([str(program)]) is None


@pytest.mark.skipif(os.name == "nt", reason="the launchers of Windows are no scripts")
@pytest.mark.parametrize(
    ("line", "is_replaced"),
    [
        ("{script}", True),
        pytest.param("{python} {script}", True, marks=pytest.mark.thorough),
        ("{python} -I {script}", True),
        pytest.param("{python} -E {script}", True, marks=pytest.mark.thorough),
        ("{python} -I -m botocore_cognito_federation", True),
        pytest.param("{quick}", True, marks=pytest.mark.thorough),
        pytest.param("{python} -I {quick}", True, marks=pytest.mark.thorough),
        ("{python} -I -S {quick}", False),
        ("/usr/bin/env A=b {script}", False),
        ("/usr/bin/nice {python} -I {script}", False),
        ("{python} -X utf8 {script}", False),
        ("/bin/sh {script}", False),
        ("{python} -I -m other", False),
        ("{python}", False),
    ],
)
def test_a_line_that_was_written_earlier_has_a_quicker_one_and_a_line_that_does_more_has_none(
    line: str, is_replaced: bool
) -> None:
    script = find_executable()
    names = {"python": sys.executable, "script": script, "quick": f"{script}-credentials"}
    expected = [sys.executable, "-I", "-S", os.path.realpath(names["quick"])]
    assert quicker(line.format(**names).split()) == (expected if is_replaced else None)


@pytest.mark.parametrize("command", ["{python} -I -m botocore_cognito_federation", "{script}"])
def test_configure_takes_a_whole_command_as_well_as_a_path(command: str) -> None:
    line = helper_command("dev", command.format(python=sys.executable, script=find_executable()))
    assert line.split()[:2] == [sys.executable, "-I"]
    assert starts_this_program(line)


def test_a_command_with_what_needs_quotes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="would need quotes"):
        helper_command("dev", f"{sys.executable} -c 'print(1)'")
    with pytest.raises(ConfigurationError, match="not a program"):
        helper_command("dev", "/nowhere/python -m botocore_cognito_federation")


@pytest.mark.skipif(os.name == "nt", reason="shebangs are POSIX")
@pytest.mark.parametrize("quote", [*(pytest.param(each, marks=pytest.mark.thorough) for each in ("", "'")), '"'])
def test_an_interpreter_that_the_shell_starts_is_found_too(tmp_path: Path, quote: str) -> None:
    """Installers write such a script where the interpreter's path is too long for a first line."""
    program = tmp_path / "cognito-federation"
    _, _, rest = Path(find_executable()).read_text().partition("\n")
    program.write_text(f"""#!/bin/sh\n'''exec' {quote}{sys.executable}{quote} "$0" "$@"\n' '''\n{rest}""")
    program.chmod(0o755)
    assert helper_command("dev", str(program)).split()[:3] == [sys.executable, "-I", str(program)]


@pytest.mark.skipif(os.name == "nt", reason="shebangs are POSIX")
@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/usr/bin/env python3", "#!/nowhere/python", "\x7fELF"])
def test_a_program_that_is_no_script_of_a_python_is_named_alone(tmp_path: Path, first: str) -> None:
    program = tmp_path / "cognito-federation"
    program.write_text(f"{first}\n")
    program.chmod(0o755)
    assert helper_command("dev", str(program)) == f"{program} credential-process --profile dev"
