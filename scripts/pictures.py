"""Draw the pictures of the documentation from real runs: ``tox -e pictures``, or with ``-- --check`` only compare.

The commands run in a pseudo-terminal against the demo world, on loopback. What differs from run to run (ports, times,
random identifiers) is replaced by fixed values before it is drawn, so that the same output gives the same picture. A
headless Chromium shows the page of the sign-in; its picture is not compared, because it depends on the fonts.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO, StringIO
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from botocore_cognito_federation.demo import scripted_browser  # noqa: E402
from botocore_cognito_federation.demo.home import child_environment  # noqa: E402
from botocore_cognito_federation.demo.world import World  # noqa: E402
from tests.servers.chromium import chromium  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
_LINES = 60
#: Seconds for one command.
_LIMIT = 120

#: Like that of `rich`, without the fonts that it loads from elsewhere.
_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Terminal:
    """A terminal to draw.

    Attributes:
        name: of the picture.
        title: above the terminal.
        columns: its width.
        commands: what is typed: a command, or one with its answers.
    """

    name: str
    title: str
    columns: int
    commands: Sequence[str | tuple[str, ...]]


@dataclass(frozen=True)
class Stage:
    """A user's home in the demo world, and what of its output is replaced."""

    world: World
    home: Path
    environment: dict[str, str]

    def replaced(self) -> Iterator[tuple[str, str]]:
        """Patterns of what differs from run to run, each with what is drawn in its place; the first ones go first."""
        world = self.world
        yield re.escape(str(self.home)), "/home/ada"
        yield re.escape(world.pool_id), "eu-west-1:11111111-2222-3333-4444-555555555555"
        yield r"\beu-west-1:(?!1{8}-)[0-9a-f]{8}-[0-9a-f-]{27}", "eu-west-1:66666666-7777-8888-9999-000000000000"
        yield re.escape(world.bucket), "demo-bucket"
        yield r"/start/[\w-]+", "/start/…"
        yield r"(127\.0\.0\.1:1?8400/callback)/[0-9a-f]{12}", r"\1/48bdd94766e2"
        yield r"127\.0\.0\.1:\d+(?=/start/)", "127.0.0.1:8400"
        yield re.escape(world.provider.login_key), "127.0.0.1:9000"
        yield r"\bAROA[A-Z0-9]+", "AROAEXAMPLE"
        yield r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "2026-03-02T09:00:00"
        yield r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-03-02 08:00:00"
        yield r"\buntil \d\d:\d\d\b", "until 09:00"
        yield r"\b\d{2} min\b", "60 min"

    def masked(self, text: str) -> str:
        for pattern, fixed in self.replaced():
            text = re.sub(pattern, fixed, text)
        return text

    def run(self, command: str, columns: int, answers: Sequence[str] = ()) -> str:
        """Run a command of a shell in a pseudo-terminal, and return what it shows.

        Args:
            command: the command.
            columns: the width of the terminal.
            answers: what is typed, one at each line that ends in a colon.

        Raises:
            TimeoutError: it does not end.
        """
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self.environment,
            cwd=self.home,
            start_new_session=True,
        )
        os.close(theirs)
        with FileIO(ours, "r+") as stream:
            shown = _conversation(stream, list(answers))
        process.wait(_LIMIT)
        return shown.decode()


def _conversation(terminal: FileIO, answers: list[str]) -> bytes:
    shown = b""
    while select.select([terminal], [], [], _LIMIT)[0]:
        try:
            chunk = terminal.read(65536)
        except OSError:  # Linux: no process has the other end open any more
            return shown
        if not chunk:
            return shown
        shown += chunk
        if answers and shown.endswith(b": "):
            terminal.write(f"{answers.pop(0)}\n".encode())
    raise TimeoutError(shown.decode())


@contextmanager
def _stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder, World() as world:
        home = Path(folder)
        environment = child_environment(world.facts, home, dict(os.environ))
        environment.pop("CI", None)
        programs = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        browser = f"{sys.executable} {scripted_browser.__file__} ada %s"
        environment |= {"PATH": programs, "BROWSER": browser, "DISPLAY": ":none", "TERM": "xterm-256color"}
        (home / ".aws").mkdir(mode=0o700)
        keys = "".join(f"{name} = {value}\n" for name, value in world.admin_credentials.items())
        (home / ".aws" / "credentials").write_text(f"[admin]\n{keys}")
        yield Stage(world, home, environment)


def _drawn(terminal: Terminal, shown: str) -> str:
    """Return a terminal with this output, as SVG."""
    screen = pyte.Screen(terminal.columns, _LINES)
    pyte.Stream(screen).feed(shown)
    last = max(number for number, line in enumerate(screen.display) if line.strip())
    console = Console(record=True, width=terminal.columns, file=StringIO(), force_terminal=True, legacy_windows=False)
    for number in range(last + 1):
        cells = [screen.buffer[number][column] for column in range(terminal.columns)]
        runs = groupby(cells, _style)
        line = Text.assemble(*(("".join(cell.data for cell in run), style) for style, run in runs))
        line.rstrip()
        console.print(line, no_wrap=True, crop=False)
    picture = console.export_svg(title=terminal.title, theme=MONOKAI, code_format=_SVG, unique_id=terminal.name)
    text = re.sub(r"[ \t]+$", "", picture.replace("TITLE", terminal.title), flags=re.MULTILINE)
    return text.rstrip("\n") + "\n"


def _style(cell: pyte.screens.Char) -> Style:
    colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow")
    return Style(color=colour, bold=cell.bold)


def _session(stage: Stage, terminal: Terminal) -> str:
    """Run commands one after the other, and return what the terminal shows, with the fixed values."""
    parts = []
    for each in terminal.commands:
        command, *answers = (each,) if isinstance(each, str) else each
        typed = command.replace("\n", "\r\n> ")
        parts.append(f"\x1b[1m$ {typed}\x1b[0m\r\n{stage.run(command, terminal.columns, answers)}")
    return stage.masked("".join(parts))


def _terminals(stage: Stage) -> Iterator[Terminal]:
    world = stage.world
    answers = ("dev", world.pool_id, world.provider.issuer, world.provider.client_id, "y")
    yield Terminal(
        "set-up",
        "Set a profile up, sign in, use AWS",
        100,
        [("cognito-federation configure", *answers), "aws s3 ls --profile dev"],
    )
    yield Terminal(
        "sign-in-again",
        "A sign-in that has ended",
        100,
        [
            "cognito-federation logout --profile dev",
            "aws s3 ls --profile dev",
            "cognito-federation login --profile dev",
            "cognito-federation whoami --profile dev",
        ],
    )
    create = (
        f"cognito-federation pool create --name corp --region eu-west-1 --provider {world.provider.issuer} \\\n"
        f"  --client-id {world.provider.client_id} --allow bedrock --admin-profile admin --profile corp --yes"
    )
    check = "cognito-federation pool check --name corp --allow bedrock --admin-profile admin --profile corp"
    yield Terminal("pool", "Make an identity pool and check it", 120, [create, check])


def _page(stage: Stage, path: Path) -> None:
    """Show the page of the sign-in in a browser, and sign in there."""
    words = ("login", "--profile", "dev", "--force", "--no-browser")
    login = subprocess.Popen(
        [str(Path(sys.executable).with_name("cognito-federation")), *words],
        env=stage.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert login.stderr is not None
    address = next(found[0] for line in login.stderr if (found := re.search(r"http://\S+", line)))
    with chromium(stage.home / "browser") as tab:
        tab.resize(900, 540)
        tab.go(address)
        tab.wait_for("document.querySelector('button[name=person]')")
        tab.screenshot(path, "light")
        tab.evaluate("document.querySelector('button[value=ada]').click()")
        login.communicate(timeout=_LIMIT)


def main() -> int:
    """Draw all pictures, or compare those of terminals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a picture would be another one")
    check = parser.parse_args().check
    stale = []
    with _stage() as stage:
        for terminal in _terminals(stage):
            picture, path = _drawn(terminal, _session(stage, terminal)), PICTURES / f"{terminal.name}.svg"
            if check and path.read_text(encoding="utf-8") != picture:
                stale.append(path.name)
            elif not check:
                path.write_text(picture, encoding="utf-8")
        if not check:
            _page(stage, PICTURES / "sign-in.png")
    for name in stale:
        sys.stderr.write(f"{name} shows what is no longer printed; run tox -e pictures\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
