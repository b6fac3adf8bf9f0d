"""The lines of a configuration file: its sections and keys by number, and which line to change where one is wrong.

The rules are those of Python's `configparser`, with which botocore reads the file: a line that is indented deeper than
the key before it continues that key's value, and ``#`` and ``;`` begin a comment line. Remedies name the line and what
it has to be. No value is quoted: it may be a secret.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
from collections.abc import Iterator
from configparser import RawConfigParser
from dataclasses import dataclass

from .._util.files import read_regular_file
from ..errors import ConfigurationError

_HEADER = RawConfigParser.SECTCRE
_OPTION = RawConfigParser.OPTCRE
_COMMENTS = ("#", ";")
#: Of keys of AWS's own, those that a line may have lost its ``=`` behind.
_AWS_KEY = re.compile(r"\s*(region|output|[a-z][a-z0-9]*(?:_[a-z0-9]+)+)\s+[^\s=:]")


@dataclass(frozen=True)
class Entry:
    """One key of a section: the lines from `start` up to `end`, the first of them behind `indent`."""

    key: str
    value: str
    start: int
    end: int
    indent: str


@dataclass(frozen=True)
class Section:
    """One section: its header stands on line `start`, the last line that belongs to a key ends before `end`.

    Attributes:
        indent: what a new key has in front. A deeper header below would otherwise continue that key's value.
    """

    name: str
    start: int
    entries: tuple[Entry, ...]
    indent: str

    @property
    def end(self) -> int:
        return self.entries[-1].end if self.entries else self.start + 1


def lines_of(text: str) -> list[str]:
    # `splitlines` would also split at form feeds and other characters that are no line breaks in a file.
    return re.findall(r"[^\n\r]*(?:\r\n|\n|\r)|[^\n\r]+\Z", text)


def find_section(lines: list[str], section: str) -> Section | None:
    wanted, found = _identity(section), None
    for each in sections_of(lines):
        if _identity(each.name) == wanted:
            found = each  # of two spellings of one profile, botocore takes the last
    return found


def _identity(header: str) -> tuple[str, str]:
    """What botocore takes a header for: ``[profile dev]`` and ``[profile "dev"]`` are one profile.

    As in botocore's `build_profile_map`, the headers of other sections are taken letter by letter.
    """
    if header == "default":
        return "profile", header
    if header.startswith("profile"):
        try:
            words = shlex.split(header)
        except ValueError:
            words = []
        if len(words) == 2:
            return "profile", words[1]
    return "section", header


def sections_of(lines: list[str]) -> Iterator[Section]:
    name, start, indent, level = "", -1, "", 0
    entries: list[Entry] = []
    values: list[list[str]] = []

    def finished(next_indent: str) -> Section:
        whole = [
            Entry(entry.key, "\n".join(value).rstrip(), entry.start, entry.end, entry.indent)
            for entry, value in zip(entries, values, strict=True)
        ]
        return Section(name, start, tuple(whole), whole[-1].indent if whole else max(indent, next_indent, key=len))

    for number, line in enumerate(lines):
        stripped = line.strip()
        if not stripped or stripped.startswith(_COMMENTS):
            if not stripped and values:
                values[-1].append("")
            continue
        front = line[: len(line) - len(line.lstrip())]
        if entries and len(front) > level:
            last = entries[-1]
            values[-1].append(stripped)
            entries[-1] = Entry(last.key, "", last.start, number + 1, last.indent)
            continue
        level = len(front)
        header = _HEADER.match(stripped)
        if header is not None:
            if start >= 0:
                yield finished(front)
            name, start, indent, entries, values = header["header"], number, front, [], []
            continue
        option = _OPTION.match(stripped)
        if option is not None and start >= 0:
            entries.append(Entry(option["option"].rstrip().lower(), "", number, number + 1, front))
            values.append([option["value"].strip()])
    if start >= 0:
        yield finished("")


def lines_of_file(path: str) -> list[str]:
    """The lines of a configuration file as far as they can be read; none where it is not there."""
    try:
        content = read_regular_file(os.path.expandvars(os.path.expanduser(path)))
    except OSError:
        return []
    return lines_of(content.decode("utf-8", "replace"))


def parse_error(path: str) -> ConfigurationError:
    """What every AWS tool refuses in a configuration file, and the line to change."""
    shown = f"{path} cannot be parsed by any AWS tool"
    try:
        data = read_regular_file(path)
        what, remedy = _encoding_trouble(data) or _trouble_of_locale(path) or _syntax_trouble(path)
    except OSError as error:
        return ConfigurationError(f"{path} cannot be read: {error.strerror}")
    return ConfigurationError(f"{shown}: {what}", remedy=remedy.replace("{path}", path))


def _encoding_trouble(data: bytes) -> tuple[str, str] | None:
    if data.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark", "Save it as UTF-8 without a byte order mark"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16 text", "Save it as UTF-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"line {data.count(10, 0, error.start) + 1} is not UTF-8 text", "Save it as UTF-8"
    return None


def _trouble_of_locale(path: str) -> tuple[str, str] | None:
    """Why a file is not text in the encoding of the locale, in which botocore reads it."""
    try:
        with open(path) as file:
            file.read()
    except UnicodeDecodeError as error:
        return (
            f"it is UTF-8 text, and the AWS tools in Python read it as {error.encoding}, the encoding of this locale",
            "Set LC_ALL=C.UTF-8, or write it without other letters than ASCII, also in comments",
        )
    return None


def _syntax_trouble(path: str) -> tuple[str, str]:
    lines = lines_of_file(path)
    try:
        configparser.RawConfigParser().read([path], encoding="utf-8")
    except configparser.DuplicateOptionError as error:
        again = f"line {error.lineno} sets {error.option!r} of [{error.section}] a second time"
        return again, f"Remove line {error.lineno} of {{path}}"
    except configparser.DuplicateSectionError as error:
        number = error.lineno or 0
        first = next((n for n, line in enumerate(lines, 1) if line.strip().startswith(f"[{error.section}]")), number)
        return (
            f"line {number} begins [{error.section}] a second time",
            f"Move the lines below line {number} of {{path}} to below line {first}, and remove line {number}",
        )
    except configparser.MissingSectionHeaderError as error:
        what, remedy = _line_trouble(lines, error.lineno)
        if what.endswith("key = value"):
            what = f"line {error.lineno} stands before the first [section]"
        return what, remedy
    except configparser.ParsingError as error:
        return _line_trouble(lines, error.errors[0][0])
    return _block_trouble(lines)


def _line_trouble(lines: list[str], number: int) -> tuple[str, str]:
    """Why a line is neither a header nor a key."""
    line = lines[number - 1].strip() if number <= len(lines) else ""
    if line.startswith("["):
        return f"line {number} has no closing bracket", f"Change line {number} of {{path}} to: {line}]"
    key = _AWS_KEY.match(line)
    if key is not None:
        return f"line {number} has no = behind {key[1]}", f"Put = behind {key[1]} on line {number} of {{path}}"
    return f"line {number} is not key = value", f"Remove line {number} of {{path}}"


def _block_trouble(lines: list[str]) -> tuple[str, str]:
    """Which indented block holds a line that is not ``key = value``: botocore takes it for a block of settings."""
    for section in sections_of(lines):
        for entry in section.entries:
            first = entry.start + 1
            if entry.value.startswith("\n") and entry.end > first and "=" not in lines[first]:
                return (
                    f"line {first} leaves the value of {entry.key} to the indented line below it",
                    f"Join line {first + 1} of {{path}} to line {first}",
                )
    return "an indented block holds a line that is not key = value", "Write flat key = value lines"


@dataclass(frozen=True)
class NearHeader:
    """A header that nearly is the one that is wanted.

    Attributes:
        found: where it is and what it is, for a sentence.
        remedy: the line to change.
    """

    found: str
    remedy: str


def near_header(path: str, title: str, mark: str) -> NearHeader | None:
    """Find the header that nearly is the one that is wanted.

    Args:
        path: the configuration file.
        title: what the header should hold, such as ``profile dev`` or ``cognito-session corp``.
        mark: how the keys begin by which a section without the right kind in its header is known.
    """
    wanted = _words(title)
    for section in sections_of(lines_of_file(path)):
        keys = [entry.key for entry in section.entries]
        is_managed = any(key.startswith(mark) for key in keys)
        words = _words(section.name)
        own = words[-1:] == wanted[-1:] and not _is_in_use(section.name, title, keys)
        if section.name != title and (
            sorted(words) == sorted(wanted) or (is_managed and (own or words == wanted[:-1]))
        ):
            number = section.start + 1
            found = f"line {number} begins [{section.name}]"
            return NearHeader(found, f"Change line {number} of {path} to: [{title}]")
    return None


def _words(title: str) -> list[str]:
    return re.findall(r"[^\s\"':_-]+", title.lower())


def _is_in_use(name: str, title: str, keys: list[str]) -> bool:
    """Whether a section is right as another kind: a session's for a profile, or a profile that works for a session."""
    if title.startswith("profile "):
        return name.startswith("cognito-session ")
    return name.startswith("profile ") and bool({"credential_process", "cognito_session", "role_arn"} & {*keys})


def continued(path: str, title: str, key: str = "", mark: str = "") -> ConfigurationError | None:
    """The error of a line that is indented by mistake, so that it continues the value of the key above it.

    Args:
        path: the configuration file.
        title: the section's header.
        key: the key whose value is continued; empty for each.
        mark: what an indented line has to begin with.
    """
    lines = lines_of_file(path)
    section = find_section(lines, title)
    for entry in section.entries if section is not None else ():
        more = [n for n in range(entry.start + 1, entry.end) if lines[n].strip().startswith(mark)]
        if key in ("", entry.key) and more and not entry.value.startswith("\n"):
            first, last = more[0] + 1, more[-1] + 1
            to = f" to {last}" if last > first else ""
            return ConfigurationError(
                f"Line {first} of {path} is indented, so it is part of the value of {entry.key}",
                remedy=f"Remove the spaces in front of line{'s' if to else ''} {first}{to} of {path}",
            )
    return None


def line_of(path: str, title: str, key: str) -> int | None:
    """The number of the line that sets a key."""
    section = find_section(lines_of_file(path), title)
    return next((e.start + 1 for e in section.entries if e.key == key), None) if section is not None else None
