"""All pages: commands, links and exit codes exist, and nothing belongs to one machine."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from botocore_cognito_federation.errors import CognitoFederationError

from .pages import PAGES, ROOT, blocks, command_line, names, rows, unknown_in

pytestmark = pytest.mark.thorough

IDS = [str(page.relative_to(ROOT)) for page in PAGES]
README = ROOT / "README.md"
START, COMMANDS = ROOT / "docs" / "start.md", ROOT / "docs" / "commands.md"
COMMAND = re.compile(r"(?:^|[ `(/\"])cognito-federation ((?:--)?[a-z][^`\n|)]*(?:\\\n[^`\n|)]*)*)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_line_on_a_page_is_one_of_the_programs(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in COMMAND.findall(text):
        words = re.sub(r"[\"',;.]+( |$)", " ", line).split()
        assert unknown_in(words) == [], line


def test_the_pattern_finds_commands() -> None:
    found = COMMAND.findall(START.read_text(encoding="utf-8").replace("\\\n", " "))
    assert len(found) > 8
    assert unknown_in(["logn", "--profile", "dev"]) == ["logn"]
    assert unknown_in(["login", "--profil", "dev"]) == ["--profil"]


def test_the_table_of_commands_has_every_command() -> None:
    text = COMMANDS.read_text(encoding="utf-8")
    table = text[: text.index("Exit codes:")]
    shown = {
        name for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([\w-]+)`", cell)
    }
    assert shown == set(command_line().list_commands(click.Context(command_line())))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as MyST and GitHub make them."""
    return {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            other = page.parent / path if path else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other), target


def test_the_exit_codes_are_those_of_the_errors() -> None:
    def family(error: type[CognitoFederationError]) -> set[int]:
        return {error.exit_code}.union(*(family(kin) for kin in error.__subclasses__()))

    page = ROOT / "docs" / "troubleshooting.md"
    shown = {int(cells[0]) for cells in rows(page) if cells[0].isdigit()}
    assert family(CognitoFederationError) == shown - {0, 2, 130}
    line = re.search(r"Exit codes: (.*?)130", COMMANDS.read_text(encoding="utf-8"), re.DOTALL)
    assert line is not None
    assert {int(code) for code in re.findall(r"\b\d\b", line[1])} == shown - {130}


def test_the_readme_has_exactly_the_two_commands_that_show_it_and_test_it() -> None:
    text = README.read_text(encoding="utf-8")
    section = text[text.index("## See it, test it") : text.index("## Quick start")]
    demo, tests = re.findall(r"```sh\n(.*)\n```", section)
    assert demo.endswith(".venv/bin/cognito-federation demo")
    assert tests.endswith(".venv-tox/bin/tox")
    ran = re.sub(r"\bTOX_SKIP_ENV=\S+ ", "", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert tests in ran


@pytest.mark.parametrize("page", [README, START], ids=["README.md", "docs/start.md"])
def test_python_on_the_first_pages_compiles(page: Path) -> None:
    found = blocks(page, "python")
    assert found
    for line, block in found:
        compile(block, f"{page.name}:{line}", "exec")


def test_a_visitor_reads_the_readme_in_a_minute() -> None:
    """At 240 words a minute, without the table of links."""
    text = re.sub(r"^\|.*$|!\[[^]]*\]", "", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(re.findall(r"\w[\w'.-]*", text)) <= 400


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_no_page_is_longer_than_its_lines_nor_names_this_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []
    assert str(Path.home()) not in text or Path.home() == Path("/")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_test_file_that_a_page_names_is_there(page: Path) -> None:
    named = names(page, r"\btests/(?:[\w.]+/)*\w+\.py\b")
    assert {path for path in named if not (ROOT / path).is_file()} == set()
