"""The pictures of the documentation: drawn from real runs, with nothing in them that is a secret or out of date."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .pages import PAGES, ROOT, unknown_in

FOLDER = ROOT / "docs" / "pictures"
DRAWINGS = sorted(FOLDER.glob("*.svg"))
TERMINALS = [path for path in DRAWINGS if path.stem != "flow"]
SVG = "{http://www.w3.org/2000/svg}"
#: A JWT, the key of a session or of a user, a long random string; identifiers with dashes are fixed ones.
TOKEN = re.compile(r"eyJ[\w-]{8}|\b(?:ASIA|AKIA)[A-Z0-9]{12}|[A-Za-z0-9+_]{32,}")


def lines(path: Path) -> list[str]:
    """Return the lines that a drawn terminal shows, from the top to the bottom."""
    found: dict[float, str] = defaultdict(str)
    for text in ElementTree.parse(path).iter(f"{SVG}text"):
        if "clip-path" in text.attrib:
            found[float(text.attrib["y"])] += (text.text or "").replace("\N{NO-BREAK SPACE}", " ")
    return [found[place].rstrip() for place in sorted(found)]


def commands(path: Path) -> list[str]:
    """Return what is typed at a prompt, without the line breaks of a long command."""
    shown = "\n".join(lines(path)).replace("\\\n> ", " ")
    return re.findall(r"^\$ (.*)$", shown, re.MULTILINE)


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_a_drawing_is_well_formed_has_a_title_and_loads_nothing(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox")
    assert (root.findtext(f"{SVG}title") or "").strip()
    text = path.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r"\b(?:href|src)=|<script|@import|url\((?!#)", text) == []


@pytest.mark.parametrize("path", TERMINALS, ids=lambda path: path.name)
def test_a_terminal_shows_commands_of_the_program_and_no_token(path: Path) -> None:
    typed = [command.split() for command in commands(path)]
    own = [words[1:] for words in typed if words[0] == "cognito-federation"]
    assert own, lines(path)
    assert [words for words in own if unknown_in(words)] == []
    assert {words[0] for words in typed} <= {"cognito-federation", "aws"}
    assert [line for line in lines(path) if TOKEN.search(line)] == []
    assert str(ROOT) not in path.read_text(encoding="utf-8")


def test_a_token_would_be_found() -> None:
    for token in ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "ASIARTX3GSDS5H5ZY466", "Ou31Q9YsibZgeDefDfoGt5Wrhy4MQNg1"):
        assert TOKEN.search(f"  http://127.0.0.1:8400/start/{token}")


def test_the_page_of_the_sign_in_is_a_small_picture() -> None:
    content = (FOLDER / "sign-in.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) < 100_000


def test_every_picture_is_shown_and_described_in_words() -> None:
    shown = set()
    for page in PAGES:
        for words, target in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert len(words) > 30, target
            shown.add((page.parent / target).resolve())
    assert shown == set(FOLDER.iterdir())
