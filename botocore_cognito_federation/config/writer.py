"""The text of an AWS configuration file, changed line by line: everything else stays as it is, byte for byte.

A parser that reads and writes the file would lose comments, order and spacing. So only the lines that set a key are
looked for, by the rules of Python's `configparser`, with which botocore reads the file: a line that is indented deeper
than the key before it continues that key's value, and ``#`` and ``;`` begin a comment line. What botocore reads in the
changed file is compared before the file is replaced (`configure.write_changes`).

Alone, the functions at the end read a file as botocore does.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping

from .._util.files import make_private_directories, read_regular_file, refuse_place_of_another_user, replace_file
from ..cache.base import Store, cache_key
from ..errors import ConfigurationError, StorageError
from .lines import find_section, lines_of


def with_section(text: str, section: str, changes: Mapping[str, str | None]) -> str:
    """The text with these keys of a section set, or removed where the value is None.

    A key that has the value already is not touched; a new one is put after the last key of the section; a section that
    is not there is put at the end.

    Raises:
        ValueError: a key or value that would not be one flat line.
    """
    for key, value in changes.items():
        _refuse_what_is_not_flat(key, value)
    lines = lines_of(text)
    ending = _ending(lines)
    found = find_section(lines, section)
    if found is None:
        return _with_new_section(lines, ending, section, changes)
    replaced: dict[int, tuple[int, list[str]]] = {}
    added = []
    known = {entry.key: entry for entry in found.entries}
    for key, value in changes.items():
        entry = known.get(key.lower())
        if entry is None:
            added += [] if value is None else [f"{found.indent}{key} = {value}{ending}"]
        elif value is None:
            replaced[entry.start] = (entry.end, [])
        elif entry.value != value:
            break_after = _line_ending(lines[entry.end - 1]) or ending
            replaced[entry.start] = (entry.end, [f"{entry.indent}{key} = {value}{break_after}"])
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


def _line_ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _ending(lines: list[str]) -> str:
    return (_line_ending(lines[0]) if lines else "") or "\n"


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
        return read_regular_file(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def update_text(
    path: str, edit: Callable[[str], str], store: Store, *, check: Callable[[str], None] = lambda _: None
) -> bool:
    """Change a configuration file; whether there was anything to change.

    Args:
        path: the file; where it is a link, its target is replaced and the link stays.
        edit: from the old text to the new one; called while no other process of this tool changes the file.
        store: gives the lock.
        check: called with the path of the new file before that replaces the old one; what it raises leaves the old
            one as it is.

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
            _replace(target, before, after.encode("utf-8", "surrogateescape"), check)
        except OSError as error:
            raise StorageError(
                f"{target} cannot be written: {error.strerror}", remedy="Change its permissions, or set AWS_CONFIG_FILE"
            ) from None
    return True


def _replace(path: str, before: str, content: bytes, check: Callable[[str], None]) -> None:
    make_private_directories(os.path.dirname(path))
    like = None
    with contextlib.suppress(FileNotFoundError):
        like = os.stat(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "it is write-protected")
    if like is None:
        refuse_place_of_another_user(os.path.dirname(path))

    def unchanged_and_checked(temporary: str) -> None:
        check(temporary)
        if read_text(path) != before:
            raise StorageError(f"Another program has just changed {path}", remedy="Try again")

    replace_file(path, content, like=like, check=unchanged_and_checked)
