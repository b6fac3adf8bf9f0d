"""Text for people: foreign text made safe to show, durations and times, commands, remedies, and holders of locks.

A terminal obeys control characters, and a line break in a name can forge a line. Errors are cleaned when they are made
(`errors`), names when a user is shown (`display_name`), and every line once more before it is printed (`cli.app`,
`sign_in.terminal`). Documents and JSON keep the text unchanged.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config.settings import Settings

#: Characters of a quoted foreign message: enough for AWS's longest sentences.
LONGEST_TEXT = 300
#: Characters of a service's message that are searched: the last words may be the ones that identify the error.
LONGEST_ANSWER_TEXT = 2000
#: Characters of an error code: OAuth's and AWS's are names of at most 60.
LONGEST_CODE = 64

#: Unicode categories that separate words: controls, line and paragraph separators, kinds of spaces.
_SEPARATORS = frozenset({"Cc", "Zl", "Zp", "Zs"})
#: Unicode categories that show nothing: direction and zero-width characters, surrogates, private and unassigned ones.
_INVISIBLE = frozenset({"Cf", "Cs", "Co", "Cn"})
#: Letters, marks and a symbol that show nothing either: Default_Ignorable_Code_Point of Unicode's
#: DerivedCoreProperties.txt outside those categories, and the blank pattern of Braille.
_BLANK = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0))
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


def printable(text: object, limit: int = LONGEST_TEXT) -> str:
    """Make foreign text safe for a terminal, a log and a message.

    Control characters (C0, DEL and C1, and with them every escape sequence) become spaces. Characters that only change
    how others look (bidirectional and zero-width ones) are removed, and a character has at most two accents.

    Args:
        text: the text; anything but a string counts as empty.
        limit: the maximum number of characters.

    Returns:
        One line of visible characters; a shortened one ends in an ellipsis.
    """
    if not isinstance(text, str):
        return ""
    clean = " ".join(_cleaned(text[: 4 * limit]).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _shown(text: str) -> list[str]:
    found: list[str] = []
    accents = 0
    for character in text:
        category = unicodedata.category(character)
        # A pile of combining marks covers the lines above it ("Zalgo text").
        accents = accents + 1 if category in ("Mn", "Me") else 0
        if category in _INVISIBLE or character in _BLANK or accents > 2:
            continue
        found.append(" " if category in _SEPARATORS else character)
    return found


def masked(text: object, secrets: Iterable[str | None]) -> str:
    """Replace values that were sent and must not be shown, before any other change hides a match."""
    if not isinstance(text, str):
        return ""
    for secret in sorted((each for each in secrets if each), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


#: Characters of one line of output; a longer one ends in an ellipsis.
LONGEST_LINE = 4000
_LONGEST_NAME = 200


def shown_line(text: str, limit: int = LONGEST_LINE) -> str:
    """Return one line of output: printable characters only, with its own spacing, at most `limit` characters."""
    clean = _cleaned(text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def shown_lines(text: str) -> str:
    """Return several lines of output, each treated like in `shown_line`."""
    return "\n".join(shown_line(line) for line in text.split("\n"))


def wrapped(what: str, remedy: str, width: int) -> list[str]:
    """Return a sentence and its remedy as lines for a terminal. A command stays on one line, to be copied whole.

    Args:
        width: columns.
    """
    import textwrap  # what is printed for programs needs none of it

    def lines(text: str) -> list[str]:
        return textwrap.wrap(text, max(20, width), break_long_words=False, break_on_hyphens=False)

    return [*lines(what), *([remedy] if "Run: " in remedy else lines(remedy))]


def display_name(candidates: Iterable[object]) -> str:
    """Return the first of several claims that is a string with visible characters; empty if there is none."""
    shown = (printable(each, _LONGEST_NAME) for each in candidates if isinstance(each, str))
    return next(filter(None, shown), "")


def shown_url(url: str) -> str:
    """Return a configured URL without the parts that may be secret: user name, password and query."""
    return printable(re.sub(r"(?<=//)[^/]*@", "", url.partition("?")[0]), LONGEST_TEXT)


def _cleaned(text: str) -> str:
    return text if text.isascii() and text.isprintable() else "".join(_shown(text))


def span(seconds: float) -> str:
    """Return a duration in words: seconds up to two minutes, minutes up to two hours, hours, days."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{round(whole / 60)} min"
    return f"{round(whole / 3600)} h" if whole < 172_800 else f"{round(whole / 86_400)} days"


def shown_time(seconds: float) -> str:
    """Return a time in seconds since the epoch as ISO 8601 in UTC; the number itself if it is not a time."""
    try:
        return f"{datetime.fromtimestamp(seconds, tz=timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):  # infinity, or a year that datetime does not have
        return repr(seconds)


def shown_time_or_none(seconds: object) -> str | None:
    """A time that may not be known, or may be damaged, as `shown_time` has it."""
    is_time = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return shown_time(seconds) if is_time else None  # type: ignore[arg-type]


#: The remedy of a clock that is wrong; how it is set differs by system.
SET_CLOCK = "Set the clock of this machine, or let it be set over the network (NTP)"
#: Seconds. AWS refuses signatures that are five minutes off; half of that is worth reporting.
SKEW_WORTH_A_WORD = 150


def clock_difference(ahead: float, whose: str = "AWS's") -> str:
    """Return how far this machine's clock is from another one, as a sentence.

    Args:
        ahead: the seconds by which it is ahead; negative if it is behind.
        whose: the other clock.
    """
    return f"This machine's clock is {abs(round(ahead))} s {'ahead of' if ahead > 0 else 'behind'} {whose}"


def shell_command(*words: str) -> str:
    """Return a command that can be pasted into a shell: profile names may hold spaces and quotes."""
    return shlex.join(words)


def flag_of(name: str) -> str:
    """Return the flag on the command line for a key or an argument, such as ``--client-id`` for ``client_id``."""
    return f"--{name.replace('_', '-')}"


def run_with_profile(profile: str, *words: str) -> str:
    """Return the remedy that is a command of this tool for a profile."""
    return f"Run: {shell_command('cognito-federation', *words, '--profile', profile)}"


def configure_command(profile: str) -> str:
    """The remedy that writes a profile which is not there; the words in capitals are the user's to replace."""
    return f"{run_with_profile(profile, 'configure')} --identity-pool-id REGION:GUID --provider PROVIDER"


def shown_profile(named: str, settings: Settings) -> str:
    """The profile that a command is about, and the one that has its sign-in where that is another one."""
    own = settings.profile or "default"
    return (
        f"profile {own}" if named == own else f"profile {named}, a role assumed with the credentials of profile {own}"
    )


def login_command(settings: Settings) -> str:
    """Return the command that signs in for a configuration."""
    if settings.profile is None and settings.session is not None:
        return shell_command("cognito-federation", "login", "--session", settings.session)
    return shell_command("cognito-federation", "login", "--profile", settings.profile or "default")


def of_an_application(settings: Settings) -> bool:
    """Return whether an application made the configuration, from arguments instead of a profile with keys."""
    return not settings.origins


#: The holder of a lock, if its process cannot be named.
UNKNOWN_HOLDER = "Another process"


def lock_holder() -> bytes:
    """Describe this process for others that wait for its lock: PID, start, time, program.

    The description is for messages only; it never decides whether a lock is held.
    """
    name = os.path.basename(next(iter(getattr(sys, "argv", ())), ""))  # an embedded Python may have none
    program = "".join(filter(str.isprintable, name))[:60]
    return f"{os.getpid()} {_start_of(os.getpid())} {time.time():.0f} {program or 'python'}".encode(errors="replace")


def holder_words(content: bytes) -> str:
    """Name the process that `lock_holder` described, if it still runs: "Process 12 (app.py; …)"."""
    try:
        pid, start, since, program = content.decode(errors="replace").split(" ", 3)
        if _start_of(int(pid)) != start:
            return UNKNOWN_HOLDER
        held = max(0, round(time.time() - float(since)))
    except (ValueError, OverflowError):
        return UNKNOWN_HOLDER
    program = "".join(filter(str.isprintable, program))[:60]
    return f"Process {pid} ({program}; it took the lock {held} s ago)"


def _start_of(pid: int) -> str:
    """Return when a process started, in ticks since the boot (proc(5), field 22); ``-`` if the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return "gone" if os.path.exists("/proc/self/stat") else "-"
