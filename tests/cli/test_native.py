"""``native``: real interpreters of real environments, before, during and after."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import botocore
import pytest

from botocore_cognito_federation.botocore_plugin.native import FILE_NAME
from tests.cli.home import ModuleHome
from tests.home import ROOT

pytestmark = pytest.mark.thorough

METHOD = """
import boto3
found = boto3.Session(profile_name="demo-native").get_credentials()
print(found and found.method)
"""


@dataclass
class Other:
    """Another environment, which sees the packages linked to it."""

    home: ModuleHome
    root: Path

    @property
    def python(self) -> str:
        return str(self.root / ("Scripts" if os.name == "nt" else "bin") / "python")

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.root), "platbase": str(self.root)}))

    def link(self, name: str, *folders: Path) -> None:
        (self.packages / f"{name}.pth").write_text("".join(f"{folder}\n" for folder in folders))

    def run(self, code: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in self.home.environment().items() if name != "PYTHONPATH"}
        return subprocess.run(
            [self.python, *options, "-c", code],
            env=environment | variables,
            cwd=self.home.path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def native(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.home.run("native", *words, "--python", self.python)


@pytest.fixture
def bare(home: ModuleHome, tmp_path: Path) -> Other:
    root = tmp_path / "other"
    venv.create(root, symlinks=os.name != "nt")
    return Other(home, root)


@pytest.fixture
def other(bare: Other, tmp_path: Path) -> Other:
    bare.link("a_dependencies", _dependencies(tmp_path / "dependencies"))
    bare.link("a_product", ROOT)
    return bare


def _dependencies(folder: Path) -> Path:
    """The packages around botocore, without the product, which may be installed there too."""
    folder.mkdir()
    for entry in Path(botocore.__file__).parents[1].iterdir():
        if not entry.name.startswith(("botocore_cognito_federation", "__editable__")) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


def test_enabled_every_session_has_the_provider_and_disabled_none(other: Other) -> None:
    assert other.run(METHOD).stdout == "None\n"
    assert other.native("status").returncode == 1
    done = other.native("enable")
    assert done.returncode == 0, done.stderr
    assert other.run(METHOD).stdout == "cognito-federation\n"
    status = other.native("status")
    assert status.returncode == 0
    assert str(other.packages / FILE_NAME) in status.stdout
    assert other.native("enable").returncode == 0
    assert other.native("disable").returncode == 0
    assert other.run(METHOD).stdout == "None\n"
    assert other.native("disable").returncode == 0
    assert not list(other.packages.glob("*cognito*"))


def test_an_interpreter_that_never_uses_botocore_never_loads_anything(other: Other) -> None:
    other.native("enable")
    code = "import sys; print([name for name in sys.modules if 'botocore' in name])"
    assert other.run(code).stdout == "[]\n"


def test_importing_botocore_brings_in_one_module_and_leaves_botocore_as_it_was(other: Other) -> None:
    other.native("enable")
    code = """
import sys
before = [finder for finder in sys.meta_path if isinstance(finder, type)]
import botocore
print(sorted(name for name in sys.modules if name.startswith("botocore_cognito")))
print([finder for finder in sys.meta_path if isinstance(finder, type)] == before)
print(type(botocore.__spec__.loader).__name__, type(botocore.__loader__).__name__)
"""
    lines = other.run(code).stdout.splitlines()
    assert lines[0] == "['botocore_cognito_federation', 'botocore_cognito_federation._activation']"
    assert lines[1:] == ["True", "SourceFileLoader SourceFileLoader"]


def test_a_thread_that_imports_something_else_meanwhile_leaves_no_finder_out(other: Other) -> None:
    other.native("enable")
    # It is at the position of the first of Python's own finders while botocore is imported, and continues from there.
    code = """
import sys
own = next(place for place, finder in enumerate(sys.meta_path) if isinstance(finder, type))
rest, walk = sys.meta_path[own:], iter(sys.meta_path)
for _ in range(own):
    next(walk)
import botocore
print(list(walk) == rest)
"""
    assert other.run(code).stdout == "True\n"


def test_after_an_uninstall_every_interpreter_is_silent(other: Other) -> None:
    other.native("enable")
    (other.packages / "a_product.pth").unlink()
    done = other.run(METHOD)
    assert (done.stdout, done.stderr) == ("None\n", "")
    assert other.run("pass", "-W", "error", "-v").returncode == 0
    status = other.native("status")
    assert status.returncode == 1
    assert "not installed" in status.stderr
    assert other.native("disable").returncode == 0
    assert not (other.packages / FILE_NAME).exists()


def test_a_torn_installation_leaves_botocore_as_it_is(other: Other, tmp_path: Path) -> None:
    other.native("enable")
    torn = tmp_path / "torn" / "botocore_cognito_federation"
    torn.mkdir(parents=True)
    (torn / "__init__.py").write_text("")
    (torn / "_activation.py").write_text("this is not Python")
    done = other.run(METHOD, PYTHONPATH=str(torn.parent))
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_the_copy_of_botocore_that_a_tool_carries_wins(other: Other, tmp_path: Path) -> None:
    """Like the AWS CLI version 1: an import hook maps the name botocore to its own copy."""
    other.native("enable")
    copy = tmp_path / "vendored" / "carried"
    copy.mkdir(parents=True)
    (copy / "__init__.py").write_text(
        "_INITIALIZERS = []\ndef register_initializer(callback):\n    _INITIALIZERS.append(callback)\n"
    )
    code = f"""
import importlib.util, sys
class Alias:
    def find_spec(self, name, path=None, target=None):
        if name == "botocore":
            return importlib.util.spec_from_file_location(name, {str(copy / "__init__.py")!r})
for position in (0, 1):
    sys.meta_path.insert(position, Alias())
    import botocore
    print("carried" in botocore.__file__, len(botocore._INITIALIZERS))
    break
"""
    assert other.run(code).stdout == "True 0\n"
    assert other.run(code.replace("(0, 1)", "(1, 0)")).stdout == "True 1\n"


def test_a_botocore_without_initializers_is_left_alone(other: Other, tmp_path: Path) -> None:
    other.native("enable")
    old = tmp_path / "old" / "botocore"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("__version__ = '1.12'\n")
    done = other.run("import botocore; print(botocore.__version__)", PYTHONPATH=str(old.parent))
    assert (done.stdout, done.stderr) == ("1.12\n", "")


def test_botocore_can_be_looked_for_and_imported_from_many_threads(other: Other) -> None:
    other.native("enable")
    code = """
import importlib.util, threading
def look():
    importlib.util.find_spec("botocore")
    import botocore
threads = [threading.Thread(target=look) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
import botocore
print(len(botocore._INITIALIZERS))
"""
    done = other.run(code)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_an_environment_without_botocore_is_refused(bare: Other) -> None:
    done = bare.native("enable")
    assert done.returncode == 4
    assert "botocore" in done.stderr
    assert not list(bare.packages.glob("*cognito*"))


def test_an_environment_without_this_package_is_refused_with_the_command_that_fixes_it(
    bare: Other, tmp_path: Path
) -> None:
    only_botocore = tmp_path / "only"
    only_botocore.mkdir()
    (only_botocore / "botocore").symlink_to(Path(botocore.__file__).parent)
    bare.link("a_botocore", only_botocore)
    done = bare.native("enable")
    assert done.returncode == 4
    assert f"{bare.python} -m pip install botocore-cognito-federation" in done.stderr


@pytest.mark.parametrize("python", ["/no/such/python", "/", "cat", "true"])
def test_what_is_no_python_is_refused(home: ModuleHome, python: str) -> None:
    for action in ("enable", "disable", "status"):
        done = home.run("native", action, "--python", python)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the wrapper is a shell script")
def test_an_interpreter_that_reads_no_site_packages_is_refused(other: Other, tmp_path: Path) -> None:
    wrapper = tmp_path / "python-S"
    wrapper.write_text(f'#!/bin/sh\nexec "{other.python}" -S "$@"\n')
    wrapper.chmod(0o700)
    done = other.home.run("native", "enable", "--python", str(wrapper))
    assert done.returncode == 4
    assert "-S" in done.stderr


def test_an_environment_that_cannot_be_written_is_said(other: Other) -> None:
    # A directory in place of the file makes it unwritable for every user, including root.
    (other.packages / FILE_NAME).mkdir()
    for action in ("enable", "disable"):
        done = other.native(action)
        assert (done.returncode, done.stderr.count("\n")) == (8, 1), done.stderr
        assert FILE_NAME in done.stderr
    assert not list(other.packages.glob(".cognito-federation-*"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere, Windows has no modes")
def test_a_read_only_environment_is_said(other: Other) -> None:
    other.packages.chmod(0o500)
    done = other.native("enable")
    other.packages.chmod(0o700)
    assert done.returncode == 8


def test_status_as_json(other: Other) -> None:
    other.native("enable")
    document = json.loads(other.native("status", "--json").stdout)
    assert document["active"] is True
    assert document["files"] == [str(other.packages / FILE_NAME)]


def test_variables_of_the_shell_do_not_decide_for_an_environment(bare: Other) -> None:
    """PYTHONPATH makes the package visible in this shell only."""
    bare.link("a_dependencies", Path(botocore.__file__).parents[1])
    inherited = bare.home.environment()["PYTHONPATH"]
    assert inherited == str(ROOT)
    visible = bare.run("import importlib.util as u; print(u.find_spec('botocore_cognito_federation') is not None)")
    if visible.stdout == "True\n":
        pytest.skip("this environment has the package installed beside botocore")
    assert bare.native("enable").returncode == 4
