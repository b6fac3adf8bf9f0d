"""Which requirement of an installation is missing or too old, and the line that installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from botocore_cognito_federation._util import installation
from botocore_cognito_federation._util.installation import DISTRIBUTION, archive_of, explanation, flaws, pip_line

#: Runs a command in a process whose packages begin with those of a folder.
WITH_FIRST = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "cognito-federation"
from botocore_cognito_federation.__main__ import main
main()
"""


def distribution(folder: Path, name: str, version: str, *requires: str, files: tuple[str, ...] = ()) -> None:
    """Write the metadata that an installer leaves."""
    place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (place / "METADATA").write_text("\n".join(lines) + "\n")
    if files:
        (place / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_a_requirement_that_is_missing_is_named_with_who_needs_it(tmp_path: Path) -> None:
    distribution(tmp_path, DISTRIBUTION, "1.0", "botocore>=1.34", "PyJWT[crypto]>=2.10.1", 'moto>=5; extra == "demo"')
    distribution(tmp_path, "botocore", "1.40.0", "jmespath<2,>=0.7", 'awscrt==1; extra == "crt"')
    distribution(tmp_path, "PyJWT", "2.11", 'cryptography>=3.4; extra == "crypto"', 'typing-x; python_version < "3.9"')
    found = flaws([str(tmp_path)])
    assert [(flaw.requirement, flaw.wanted_by) for flaw in found] == [
        ("jmespath<2,>=0.7", "botocore"),
        ("cryptography>=3.4", "PyJWT"),
    ]


def test_a_requirement_that_is_too_old_is_named_with_both_versions(tmp_path: Path) -> None:
    distribution(tmp_path, DISTRIBUTION, "1.0", "botocore>=1.34")
    distribution(tmp_path, "botocore", "1.9.200")
    (flaw,) = flaws([str(tmp_path)])
    assert flaw.what == "botocore 1.9.200 is installed, and botocore-cognito-federation needs botocore>=1.34"
    assert pip_line(flaw.pip_words, "/venv/bin/python") == "/venv/bin/python -m pip install 'botocore>=1.34'"


def test_a_requirement_whose_files_are_gone_is_installed_again(tmp_path: Path) -> None:
    distribution(tmp_path, DISTRIBUTION, "1.0", "click>=8.1")
    distribution(tmp_path, "click", "8.1.0", files=("click/__init__.py",))
    (flaw,) = flaws([str(tmp_path)])
    assert flaw.pip_words == ("--force-reinstall", "click>=8.1")
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "__init__.py").touch()
    assert flaws([str(tmp_path)]) == []


def test_nothing_is_said_of_an_environment_without_metadata_of_this_package(tmp_path: Path) -> None:
    assert flaws([str(tmp_path)]) == []


def test_the_environment_of_the_tests_has_no_flaw() -> None:
    assert flaws() == []


def test_an_error_that_the_installation_does_not_explain_is_none_of_its() -> None:
    assert explanation(ValueError("x")) is None


@pytest.mark.parametrize("words", [("explain", "--keys"), ("credential-process", "--profile", "demo")])
def test_every_command_names_the_module_the_version_and_the_line_of_pip(tmp_path: Path, words: tuple[str, ...]) -> None:
    """An old botocore has not what is imported from it; what it is told by its metadata."""
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").write_text("__version__ = '1.9.0'\n")
    distribution(tmp_path, "botocore", "1.9.0")
    done = subprocess.run(
        [sys.executable, "-c", WITH_FIRST, str(tmp_path), *words], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("The module botocore")
    assert "botocore 1.9.0 is installed, and botocore-cognito-federation needs botocore>=1.34" in line
    assert line.endswith(f"Run: {sys.executable} -m pip install 'botocore>=1.34'")


def test_a_package_in_an_archive_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "program.pyz"
    archive.touch()
    monkeypatch.setattr(sys.modules["botocore"], "__file__", str(archive / "botocore" / "__init__.py"))
    assert archive_of("botocore") == str(archive)
    explained = explanation(ValueError())
    assert explained is not None
    assert f"runs from the archive {archive}" in explained[0]


def test_a_frozen_program_names_the_module_that_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    explained = explanation(ModuleNotFoundError(name="botocore_cognito_federation.cli.run"))
    assert explained is not None
    assert explained[0] == "The module botocore_cognito_federation.cli.run is not in this frozen program"
    assert installation.frozen_executable() == sys.executable
