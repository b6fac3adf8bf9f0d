"""Reading the page's lines, and writing its table.

A line is a block of code below the heading of its program. A comment above a block says what is special about it:

``as NAME``
    Its name in the table, where that is not the heading.
``works``
    It works, and is not measured.
``fails: WORDS``
    It is shown because it does not work; its program says these words.
``goes on``
    It is shown because it acts as the machine's role, though somebody is signed in.
``freezes``
    It is shown because it works only as long as its first keys are valid; ``freezes held``: within one statement.
``NAME.py``
    It is a file that commands below this heading run.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-tools.md"
_BLOCK = re.compile(
    r"^## (?P<heading>[^\n]+)$|(?:^<!-- (?P<note>[^\n]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TABLE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end of what was measured -->)", re.DOTALL)
_WAYS = ("exec --server", "exec")
_HEADINGS = ("program", "version", "renews by itself", "nobody is signed in", "the sign-in breaks in mid-run")


class Kind(enum.Enum):
    """What a block is on the page for."""

    MEASURED = ""
    WORKS = "works"
    FAILS = "fails"
    GOES_ON = "goes on"
    FREEZES = "freezes"
    FREEZES_HELD = "freezes held"


@dataclass(frozen=True)
class Line:
    """A block of the page.

    Attributes:
        program: the heading that it stands below.
        language: ``sh``, ``python`` or ``sql``.
        words: what it says when it fails, or its name in the table.
        files: the files that it runs.
    """

    program: str
    number: int
    language: str
    text: str
    kind: Kind
    words: str
    files: Mapping[str, str]

    @property
    def label(self) -> str:
        """Its name in the table."""
        return (self.words or self.program) + next((f", `{way}`" for way in _WAYS if way in self.text), "")

    @property
    def script(self) -> str:
        """What a shell runs: the block itself, or the program with the block as its file."""
        return self.text if self.language == "sh" else f"python line.{self.language}\n"

    @property
    def lasts(self) -> bool:
        """Whether its program goes on after the line, to do the last statement again."""
        return bool(self.files)


@dataclass(frozen=True)
class Measured:
    """A row of the table."""

    label: str
    version: str
    renews: str
    signed_out: str
    breaks: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.label, self.version, self.renews, self.signed_out, self.breaks)


def lines(text: str | None = None) -> list[Line]:
    """Return the page's lines in their order."""
    blocks = list(_blocks(PAGE.read_text(encoding="utf-8") if text is None else text))
    files = [block for block in blocks if block.note.endswith(".py")]
    return [_line(number, block, files) for number, block in enumerate(blocks, 1) if block not in files]


@dataclass(frozen=True)
class _Block:
    program: str
    note: str
    language: str
    text: str


def _blocks(text: str) -> Iterator[_Block]:
    heading = ""
    for found in _BLOCK.finditer(text):
        if found["heading"]:
            heading = found["heading"]
        else:
            yield _Block(heading, found["note"] or "", found["language"], found["text"])


def _line(number: int, block: _Block, files: Sequence[_Block]) -> Line:
    note, _, words = block.note.partition(": ")
    if note.startswith("as "):
        note, words = "", note.removeprefix("as ")
    own = {file.note: file.text for file in files if file.program == block.program and file.note in block.text}
    if block.language != "sh":
        own[f"line.{block.language}"] = block.text
    return Line(block.program, number, block.language, block.text, Kind(note), words, own)


def table(text: str | None = None) -> list[Measured]:
    """Return the rows of the page's table."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8") if text is None else text)
    rows = [line for line in (found.group() if found else "").splitlines() if line.startswith("| ")][2:]
    return [Measured(*(cell.strip() for cell in row.strip("|").split("|"))) for row in rows]


def text_of(rows: Sequence[Measured]) -> str:
    """Return the table in Markdown."""
    body = [_HEADINGS, ("---",) * len(_HEADINGS), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in body) + "\n"


def write(rows: Sequence[Measured], today: date) -> None:
    """Replace the page's table."""
    dated = f"Measured on {today.day} {today:%B %Y}:\n\n{text_of(rows)}\n"
    text = _TABLE.sub(lambda _: dated, PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(text, encoding="utf-8")
