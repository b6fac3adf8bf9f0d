"""`doctor --fix` shows what it would write, writes it once that is confirmed, and writes nothing else."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import botocore_cognito_federation
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.config.helper_line import helper_command
from botocore_cognito_federation.config.loader import read_config
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from botocore_cognito_federation.doctor import CheckResult, Fix, apply_fixes, in_order, report_document
from botocore_cognito_federation.errors import ConfigurationError
from tests.home import ROOT, Home, Result

pytestmark = pytest.mark.thorough

BROKEN = """# mine
[profile other]
aws_access_key_id = AKIAEXAMPLE

[profile demo]
region = "eu-west-1"
# a comment
credential_process = {line}
cognito_identity_pool_id = {pool}
cognito_token_file = /nowhere
output = json
"""


@pytest.fixture(scope="module")
def one_world(_clean_environment: None) -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def broken(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose profile has a region in quotes, and a line that lacks a letter."""
    home = Home(tmp_path / "home", world)
    world.write_home(home.path, find_executable())
    line = f"{helper_command('demo')} --format json"
    home.config.write_text(BROKEN.format(line=line, pool=world.pool_id))
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    return home


def doctor(home: Home, *arguments: str) -> Result:
    done = home.run("doctor", "--profile", "demo", "--offline", *arguments)
    return Result(done.code, done.out.decode(), done.err.decode())


def test_nothing_is_written_without_a_word(broken: Home) -> None:
    before = broken.config.read_bytes()
    doctor(broken)
    assert doctor(broken, "--fix").code != 0
    assert broken.config.read_bytes() == before


def test_the_changes_are_shown_and_only_they_are_written(broken: Home) -> None:
    before = broken.config.read_text()
    shown = doctor(broken, "--fix", "--yes").err
    assert '- region = "eu-west-1"' in shown
    assert "+ region = eu-west-1" in shown
    wanted = before.replace('"eu-west-1"', "eu-west-1").replace(" --format json", "")
    assert broken.config.read_text() == wanted
    assert read_config(str(broken.config))["profiles"]["demo"]["region"] == "eu-west-1"
    assert "need" not in doctor(broken, "--fix", "--yes").out


def test_the_findings_after_the_fix_are_shown(broken: Home) -> None:
    document = json.loads(doctor(broken, "--fix", "--yes", "--json").out)
    assert not [each for each in document["findings"] if each["check"] == "client" and each["severity"] == "error"]


@pytest.mark.parametrize(("answer", "is_written"), [(b"y\n", True), (b"n\n", False)])
@pytest.mark.thorough
def test_a_person_at_a_terminal_is_asked(broken: Home, answer: bytes, is_written: bool) -> None:
    before = broken.config.read_text()
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.execve(find_executable(), ["x", "doctor", "--profile", "demo", "--offline", "--fix"], broken.environment())
    shown = b""
    while b"Write this?" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, answer)
    try:
        while os.read(terminal, 1000):
            pass
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    assert (broken.config.read_text() != before) is is_written


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The scripts of another installation: those of this one, next to a link to this package."""
    library = tmp_path / "other" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    library.mkdir(parents=True)
    (library / "botocore_cognito_federation").symlink_to(Path(botocore_cognito_federation.__file__).parent)
    scripts = tmp_path / "other" / "bin"
    scripts.mkdir()
    shutil.copy(find_executable(), scripts)
    shutil.copy(ROOT / "scripts" / "cognito-federation-credentials", scripts)
    return scripts


@pytest.mark.skipif(os.name == "nt", reason="lays the installation out as POSIX has it")
@pytest.mark.thorough
def test_a_line_that_was_written_earlier_is_replaced_by_the_quicker_one_of_the_same_installation_with_its_arguments(
    broken: Home, elsewhere: Path
) -> None:
    arguments = "credential-process --profile=demo --debug"
    earlier = f"{elsewhere}/cognito-federation {arguments}"
    broken.config.write_text(BROKEN.format(line=earlier, pool=broken.world.pool_id).replace('"', ""))
    before = broken.config.read_text()
    (finding,) = [each for each in json.loads(doctor(broken, "--json").out)["findings"] if "quicker" in each["what"]]
    assert (finding["severity"], finding["exit_code"]) == ("note", 0)
    assert broken.config.read_text() == before
    doctor(broken, "--fix", "--yes")
    quicker = f"{sys.executable} -I -S {elsewhere}/cognito-federation-credentials {arguments}"
    assert broken.config.read_text() == before.replace(earlier, quicker)
    assert not [each for each in json.loads(doctor(broken, "--json").out)["findings"] if "quicker" in each["what"]]


def test_a_file_in_which_a_change_would_change_more_stays_as_it_is(tmp_path: Path) -> None:
    config = tmp_path / "config"
    # A [DEFAULT] section gives its keys to every other one, so a key that is removed is still there.
    config.write_text("[DEFAULT]\nregion = eu-west-1\n[profile demo]\nregion = x\n")
    before = config.read_bytes()
    with pytest.raises(ConfigurationError, match="could damage other settings"):
        apply_fixes(str(config), {"demo": {"region": None}}, FileStore(str(tmp_path / "cache")))
    assert config.read_bytes() == before


def test_causes_come_before_effects_and_errors_before_all() -> None:
    found = [
        CheckResult("a", "ok", "fine"),
        CheckResult("helper run", "error", "fails with 3", "", 3),
        CheckResult("b", "warning", "hm"),
        CheckResult("sign-in", "error", "not signed in", "login", 3),
        CheckResult("c", "error", "broken", "", 4),
        CheckResult("c", "error", "broken", "", 4),
        CheckResult("d", "skipped", "not tried"),
    ]
    shown = [(each.check, each.severity) for each in in_order(found)]
    assert shown == [
        ("sign-in", "error"),
        ("c", "error"),
        ("b", "warning"),
        ("d", "skipped"),
        ("helper run", "note"),
        ("a", "ok"),
    ]


def test_a_note_does_not_repeat_the_error_that_it_is_an_effect_of() -> None:
    found = [
        CheckResult("helper run", "error", "The line ends with status 3: Not signed in. Run: login", "", 3),
        CheckResult("sign-in", "error", "Not signed in", "Run: login", 3),
        CheckResult("credential_process", "note", "It failed 3 s ago: Another thing"),
    ]
    assert [each.what for each in in_order(found)] == [
        "Not signed in",
        "The line ends with status 3, for the reason above",
        "It failed 3 s ago: Another thing",
    ]


def test_the_document_has_the_members_that_the_page_lists() -> None:
    fix = Fix("demo", {"region": None})
    document = report_document("demo", [CheckResult("client", "error", "x", "y", 4, fix)])
    assert document == {
        "version": 1,
        "profile": "demo",
        "exit_code": 4,
        "findings": [
            {
                "check": "client",
                "severity": "error",
                "what": "x",
                "remedy": "y",
                "exit_code": 4,
                "fix": {"section": "profile demo", "values": {"region": None}},
            }
        ],
    }
    page = Path(__file__).parents[2].joinpath("docs", "troubleshooting.md").read_text()
    for name in ("version", "profile", "exit_code", "findings", "what", "remedy", "fix", "section", "values"):
        assert f"`{name}`" in page, name


def test_a_file_that_is_a_link_stays_one_its_mode_stays_and_foreign_text_moves_no_cursor(broken: Home) -> None:
    target = broken.path / "dotfiles"
    target.write_text(broken.config.read_text().replace("[profile demo]\n", "[profile demo]\n# \x1b[2J\u202e\n"))
    target.chmod(0o640)
    broken.config.unlink()
    broken.config.symlink_to(target)
    done = doctor(broken, "--fix", "--yes")
    shown = f"{done.out}{done.err}"
    assert "region = eu-west-1" in shown
    assert not {"\x1b", "\u202e"} & {*shown}
    assert broken.config.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert "region = eu-west-1" in target.read_text()


def test_on_a_terminal_a_finding_is_wrapped_and_a_command_stays_on_one_line() -> None:
    command = "Run: cognito-federation login --profile " + "long-name-" * 8
    lines = CheckResult("sign-in", "error", "one two three " * 10, command).lines(80)
    assert [mark for mark, _ in lines] == ["ERROR", *[""] * (len(lines) - 1)]
    assert lines[-1][1] == command
    assert all(len(text) <= 71 for _, text in lines[:-1])
    advice = CheckResult("store", "warning", "what", "Give it back to this user " * 5).lines(80)
    assert len(advice) > 2
    assert all(len(text) <= 71 for _, text in advice)
