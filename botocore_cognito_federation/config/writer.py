"""The text of an AWS configuration file, changed line by line: what is not asked for stays as it is, byte for byte.

A parser that reads and writes the file would lose comments, order and spacing. So only the lines that set a key are
looked for, by the rules of Python's `configparser`, which botocore reads the file with: a header starts in the first
column, a key too, an indented line continues the value before it, and ``#`` and ``;`` begin a comment.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .._util.files import make_private_directories, replace_file
from ..cache.base import Store, cache_key
from ..errors import ConfigurationError, StorageError

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<key>[^\s:=][^:=]*?)\s*[:=]\s*(?P<value>.*)")
_COMMENTS = ("#", ";")


@dataclass(frozen=True)
class _Entry:
    """One key of a section: the lines from `start` up to `end`."""

    key: str
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class _Section:
    """One section: its header stands on line `start`, the last line that belongs to a key ends before `end`."""

    name: str
    start: int
    entries: tuple[_Entry, ...]

    @property
    def end(self) -> int:
        return self.entries[-1].end if self.entries else self.start + 1


def profile_section(profile: str) -> str:
    """The section of a profile in ``~/.aws/config``."""
    return "default" if profile == "default" else f"profile {profile}"


def section_values(text: str, section: str) -> dict[str, str]:
    """The keys of a section (lower case) and their values; empty where there is no such section."""
    found = _find(_lines(text), section)
    return {entry.key: entry.value for entry in found.entries} if found else {}


def with_section(text: str, section: str, changes: Mapping[str, str | None]) -> str:
    """The text with these keys of a section set, or removed where the value is None.

    A key that has the value already is not touched; a new one is put after the last key of the section; a section that
    is not there is put at the end.

    Raises:
        ValueError: a key or value that would not be one flat line.
    """
    for key, value in changes.items():
        _refuse_what_is_not_flat(key, value)
    lines = _lines(text)
    ending = _ending(lines)
    found = _find(lines, section)
    if found is None:
        return _with_new_section(lines, ending, section, changes)
    replaced: dict[int, tuple[int, list[str]]] = {}
    added = []
    known = {entry.key: entry for entry in found.entries}
    for key, value in changes.items():
        entry = known.get(key.lower())
        if entry is None:
            added += [] if value is None else [f"{key} = {value}{ending}"]
        elif value is None:
            replaced[entry.start] = (entry.end, [])
        elif entry.value != value:
            replaced[entry.start] = (entry.end, [f"{key} = {value}{_line_ending(lines[entry.end - 1]) or ending}"])
    if added:
        end = found.end
        if not _line_ending(lines[end - 1]):
            # The last line of the file has no line break; a key after it would join it.
            lines[end - 1] += ending
            for start, (stop, new) in replaced.items():
                if stop == end and new and not _line_ending(new[-1]):
                    replaced[start] = (stop, [*new[:-1], new[-1] + ending])
        lines[end:end] = added
    for start, (stop, new) in sorted(replaced.items(), reverse=True):
        lines[start:stop] = new
    return "".join(lines)


def _with_new_section(lines: list[str], ending: str, section: str, changes: Mapping[str, str | None]) -> str:
    new = [f"{key} = {value}{ending}" for key, value in changes.items() if value is not None]
    if not new:
        return "".join(lines)
    text = "".join(lines)
    if text and not text.endswith(("\n", "\r")):
        text += ending
    gap = ending if lines and lines[-1].strip() else ""
    return "".join([text, gap, f"[{section}]{ending}", *new])


def _lines(text: str) -> list[str]:
    # `splitlines` would also split at form feeds and other characters that are no line breaks in a file.
    return re.findall(r"[^\n\r]*(?:\r\n|\n|\r)|[^\n\r]+\Z", text)


def _line_ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _ending(lines: list[str]) -> str:
    return (_line_ending(lines[0]) if lines else "") or "\n"


def _find(lines: list[str], section: str) -> _Section | None:
    wanted = _normal(section)
    return next((found for found in _sections(lines) if _normal(found.name) == wanted), None)


def _normal(section: str) -> tuple[str, ...]:
    """A header's words as botocore reads them: ``[profile dev]``, ``[profile "dev"]``, ``[profile  dev]`` are one."""
    try:
        words = tuple(shlex.split(section))
    except ValueError:
        return (section,)
    return ("default",) if words == ("profile", "default") else words


def _sections(lines: list[str]) -> Iterator[_Section]:
    name, start, entries = "", -1, list[_Entry]()
    for number, line in enumerate(lines):
        content = line.rstrip("\r\n")
        stripped = content.strip()
        if not stripped or stripped.startswith(_COMMENTS):
            continue
        if content[0].isspace() and entries:
            last = entries[-1]
            entries[-1] = _Entry(last.key, f"{last.value}\n{stripped}".strip("\n"), last.start, number + 1)
            continue
        header = _HEADER.match(stripped)
        if header is not None:
            if start >= 0:
                yield _Section(name, start, tuple(entries))
            name, start, entries = header["name"], number, []
            continue
        option = _OPTION.match(stripped)
        if option is not None and start >= 0:
            entries.append(_Entry(option["key"].strip().lower(), option["value"].strip(), number, number + 1))
    if start >= 0:
        yield _Section(name, start, tuple(entries))


def _refuse_what_is_not_flat(key: str, value: str | None) -> None:
    bad_key = not re.fullmatch(r"[a-z][a-z0-9_]*", key)
    bad_value = value is not None and (not value or value != value.strip() or any(c in value for c in "\r\n\x00"))
    if bad_key or bad_value:
        raise ValueError(f"{key} cannot be written as one line")


_LOCK_TIMEOUT = 30.0


def read_text(path: str) -> str:
    """The text of a configuration file; empty where there is none. Bytes that are not UTF-8 survive a round trip.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def update_text(path: str, edit: Callable[[str], str], store: Store) -> bool:
    """Change a configuration file; whether there was anything to change.

    Args:
        path: the file; where it is a link, its target is replaced and the link stays.
        edit: from the old text to the new one; called while no other process of ours changes the file.
        store: gives the lock.

    Raises:
        ConfigurationError: it cannot be read, or this user has no home directory.
        StorageError: it cannot be written; what was there before is untouched.
    """
    if path.startswith("~"):
        # It could not be expanded; botocore would look for it in the working directory.
        raise ConfigurationError(f"There is no home directory for {path}", remedy="Set HOME, or set AWS_CONFIG_FILE")
    target = os.path.realpath(path)
    lock = f"config-{cache_key({'file': target})[:16]}"
    with store.lock(lock, timeout=_LOCK_TIMEOUT) as taken:
        if not taken:
            raise StorageError(f"{store.holder(lock)} is changing {path}", remedy="Try again")
        before = read_text(target)
        after = edit(before)
        if after == before:
            return False
        try:
            _replace(target, after.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise StorageError(
                f"{target} cannot be written: {error.strerror}", remedy="Change its permissions, or set AWS_CONFIG_FILE"
            ) from None
    return True


def _replace(path: str, content: bytes) -> None:
    make_private_directories(os.path.dirname(path))
    like = None
    with contextlib.suppress(FileNotFoundError):
        like = os.stat(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "it is write-protected")
    replace_file(path, content, like=like)
