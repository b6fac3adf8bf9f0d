"""The command line as one file: frozen by PyInstaller it works, and in a zip archive it says why it cannot."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipapp
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from botocore_cognito_federation.config.loader import read_config
from tests.home import ROOT, Home, finished

MAIN = "from botocore_cognito_federation.__main__ import main\nmain()\n"
_PURE = (
    "botocore_cognito_federation",
    "botocore",
    "boto3",
    "click",
    "dateutil",
    "idna",
    "jmespath",
    "requests",
    "certifi",
    "urllib3",
)


@pytest.mark.slow
def test_a_program_frozen_by_pyinstaller_has_every_command_and_configures_itself(home: Home, tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    (tmp_path / "program.py").write_text(MAIN)
    options = ("--name", "cognito-federation", "--noconfirm", "--log-level", "ERROR", "--specpath", str(tmp_path))
    # A checkout that is installed in place is found by a finder, which PyInstaller does not ask.
    places = ("--paths", str(ROOT), "--distpath", str(tmp_path / "dist"), "--workpath", str(tmp_path / "work"))
    build = [sys.executable, "-m", "PyInstaller", *options, *places, str(tmp_path / "program.py")]
    subprocess.run(build, check=True, cwd=tmp_path, capture_output=True)
    program = str(tmp_path / "dist" / "cognito-federation" / "cognito-federation")

    def run(*words: str) -> str:
        done = finished(home.spawn([program, *words], {}, text=True))
        assert done.code == 0, (words, done.err)
        return str(done.out)

    assert "SecretAccessKey" in run("credential-process", "--profile", "demo")
    run("version")
    for command in ("explain", "status", "whoami", "export"):
        run(command, "--profile", "demo")
    run("exec", "--profile", "demo", "--", "true")
    pool = ("--identity-pool-id", home.world.pool_id, "--set", f"token_file={home.token}")
    run("configure", "--profile", "frozen", "--no-input", "--offline", *pool)
    line = read_config(str(home.config))["profiles"]["frozen"]["credential_process"]
    assert line == f"{program} credential-process --profile frozen"
    assert "helper run" in run("doctor", "--profile", "frozen")


@pytest.mark.thorough
def test_a_program_in_a_zip_archive_says_that_botocore_needs_files(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in _PURE:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        copytree(Path(spec.origin).parent, source / name, ignore=ignore_patterns("data", "__pycache__", "demo", "*.so"))
    (source / "__main__.py").write_text(MAIN)
    archive = tmp_path / "program.pyz"
    zipapp.create_archive(source, archive)
    for words in (("export", "--profile", "demo"), ("whoami", "--profile", "demo")):
        done = finished(home.spawn([sys.executable, "-I", str(archive), *words], {}, text=True))
        assert f"The program runs from the archive {archive}, and botocore reads its data from files only" in done.err
        assert done.code in (1, 4)
