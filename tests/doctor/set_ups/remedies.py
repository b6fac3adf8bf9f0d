"""The interpreter of printed remedies: it does what a sentence says, and nothing else.

Only sentences of a fixed form are understood. Where a remedy offers a choice, the first way is taken.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .place import Place

_FILE = r"\S*[^\s.,;:]"
_PLACE = (
    rf"(?: (?:in|to|from|under|of) (?P<section>\[[^\]]+\])(?: (?:in|of) (?P<file>{_FILE}))?)?(?: there)?(?=[.,;]|$| )"
)
_IN_PLACE = rf" in (?P<section>\[[^\]]+\]) in (?P<file>{_FILE})"
_TITLE, _OF_FILE = r"(?P<section>\[[^\]]+\])", rf"(?P<file>{_FILE})"
_KEY = r"[a-z][a-z0-9_]*"
_VARIABLE = r"[A-Z][A-Z0-9_]+"


class NotUnderstood(Exception):
    """A remedy has no sentence that can be applied."""


def apply(text: str, place: Place, values: Mapping[str, str]) -> None:
    """Apply a remedy.

    Args:
        text: the whole line that was printed, the cause with the remedy behind it.
        values: what to put in for a placeholder.

    Raises:
        NotUnderstood: no sentence of it has a form that is known here, or it does not fit the file.
    """
    for placeholder, value in values.items():
        text = text.replace(placeholder, place.filled(value))
    done = False
    for sentence in re.split(r"(?<=[.?;]) (?=[A-Z])|, then |; ", text):
        done = _sentence(_first_choice(sentence), text, place) or done
    if not done:
        raise NotUnderstood(text)


def _first_choice(sentence: str) -> str:
    """Where a sentence offers a choice, who follows it takes the first way; a command may hold the word too."""
    first = re.split(r",? or (?=[a-z])", sentence)[0]
    return first if any(re.search(pattern, first) for pattern, _ in _FORMS) else sentence


def _sentence(sentence: str, text: str, place: Place) -> bool:
    for pattern, act in _FORMS:
        found = re.search(pattern, sentence)
        if found is not None:
            act(found, text, place)
            return True
    return False


def _run(found: re.Match[str], text: str, place: Place) -> None:
    command = found["command"].rstrip(".")
    done = place.shell(command)
    if done.code != 0:
        raise NotUnderstood(f"{command} ended with {done.code}: {done.err or done.out}")


def _set_key(found: re.Match[str], text: str, place: Place) -> None:
    file, section = _where(found, text, place)
    lines, start, end = _section(file, section)
    keys = [n for n in range(start, end) if _key_of(lines[n]) == found["key"]]
    line = f"{found['key']} = {found['value']}"
    if keys:
        lines[keys[0]] = line
    else:
        lines.insert(start, line)
    _write(file, lines)


def _remove_keys(found: re.Match[str], text: str, place: Place) -> None:
    file, section = _where(found, text, place)
    for key in re.findall(_KEY, re.sub(r"\band\b", " ", found["keys"])):
        lines, start, end = _section(file, section)
        numbers = [n for n in range(start, end) if _key_of(lines[n]) == key]
        if not numbers:
            raise NotUnderstood(f"[{section}] in {file} has no {key}: {text}")
        del lines[numbers[0]]
        _write(file, lines)


def _rename_section(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found.groupdict().get("file"), text, place)
    lines = _lines(file)
    headers = [n for n, line in enumerate(lines) if line.strip().startswith(found["old"])]
    if not headers:
        raise NotUnderstood(f"{file} has no {found['old']}: {text}")
    lines[headers[0]] = found["new"]
    _write(file, lines)


def _rename_key(found: re.Match[str], text: str, place: Place) -> None:
    file, section = _where(found, text, place)
    lines, start, end = _section(file, section)
    old = found["old"].strip("'").lower()
    numbers = [n for n in range(start, end) if _key_of(lines[n]) == old]
    if not numbers:
        raise NotUnderstood(f"[{section}] in {file} has no {old}: {text}")
    _, sign, value = re.split(r"([=:])", lines[numbers[0]], maxsplit=1)
    lines[numbers[0]] = f"{found['new']} {sign}{value}"
    _write(file, lines)


def _write_line(found: re.Match[str], text: str, place: Place) -> None:
    """Replace a line by its number."""
    file = _file(found.groupdict().get("file"), text, place)
    lines = _lines(file)
    lines[int(found["number"]) - 1] = found["line"]
    _write(file, lines)


def _remove_line(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found.groupdict().get("file"), text, place)
    lines = _lines(file)
    del lines[int(found["number"]) - 1]
    _write(file, lines)


def _put_equals(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found["file"], text, place)
    lines, at = _lines(file), int(found["number"]) - 1
    if not lines[at].startswith(f"{found['key']} "):
        raise NotUnderstood(f"line {at + 1} is {lines[at]!r}: {text}")
    lines[at] = lines[at].replace(f"{found['key']} ", f"{found['key']} = ", 1)
    _write(file, lines)


def _write_key_again(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found["file"], text, place)
    lines, at = _lines(file), int(found["number"]) - 1
    lines[at] = f"{found['key']} ={lines[at].partition('=')[2]}"
    _write(file, lines)


def _join_lines(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found["file"], text, place)
    lines, at, to = _lines(file), int(found["number"]) - 1, int(found["other"]) - 1
    lines[to] += f" {lines[at].strip()}"
    _write(file, lines[:at] + lines[at + 1 :])


def _move_section(found: re.Match[str], text: str, place: Place) -> None:
    source, target = _file(found["file"], text, place), _file(found["other"], text, place)
    lines, start, end = _section(source, found["section"])
    _write(target, [*_lines(target), "", *lines[start - 1 : end]])
    _write(source, lines[: start - 1] + lines[end:])


def _move_our_keys(found: re.Match[str], text: str, place: Place) -> None:
    source, target = _file(None, text.partition(" has ")[0], place), _file(found["other"], text, place)
    lines, start, end = _section(source, found["section"])
    ours = [line for line in lines[start:end] if line.startswith("cognito_")]
    there = _lines(target)
    if f"[{found['new']}]" not in there:
        there += ["", f"[{found['new']}]"]
    at = there.index(f"[{found['new']}]") + 1
    _write(target, [*there[:at], *ours, *there[at:]])
    _write(source, [line for line in lines if line not in ours])


def _move_key(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found["file"], text, place)
    lines, start, end = _section(file, found["section"])
    moved = next(line for line in lines[start:end] if _key_of(line) == found["key"])
    _write(file, [line for line in lines if line != moved])
    lines, start, end = _section(file, found["new"])
    _write(file, [*lines[:start], moved, *lines[start:]])


def _no_spaces_in_front(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found.groupdict().get("file"), text, place)
    lines = _lines(file)
    first, last = int(found["first"]), int(found["last"] or found["first"])
    for number in range(first - 1, last):
        lines[number] = lines[number].lstrip()
    _write(file, lines)


def _as_utf_8(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(None, text, place)
    data = file.read_bytes()
    for encoding in ("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "latin-1"):
        try:
            decoded = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        file.write_text(decoded, encoding="utf-8")
        return


def _unset(found: re.Match[str], text: str, place: Place) -> None:
    for name in re.findall(_VARIABLE, found["names"]):
        place.environ[name] = None


def _set_variable(found: re.Match[str], text: str, place: Place) -> None:
    place.environ[found["name"]] = found["value"].rstrip(".,")


def _remove_section(found: re.Match[str], text: str, place: Place) -> None:
    file = _file(found.groupdict().get("file"), text, place)
    lines, start, end = _section(file, found["section"].strip("[]"))
    _write(file, lines[: start - 1] + lines[end:])


def _remove_file(found: re.Match[str], text: str, place: Place) -> None:
    Path(found["file"].rstrip(".,")).unlink()


_Form = Callable[[re.Match[str], str, "Place"], None]
_FORMS: tuple[tuple[str, _Form], ...] = (
    (r"[Rr]un: (?P<command>.+)$", _run),
    (r"[Ww]rite (?P<new>\[[^\]]+\]) instead of (?P<old>\[[^\]]*\])(?: in (?P<file>\S+))?", _rename_section),
    (rf"[Ww]rite (?P<new>{_KEY}) instead of (?P<old>.+?){_IN_PLACE}", _rename_key),
    (rf"[Ww]rite the key on line (?P<number>\d+) of (?P<file>{_FILE}) again: (?P<key>{_KEY})", _write_key_again),
    (rf"[Cc]hange line (?P<number>\d+) of (?P<file>{_FILE}) to: (?P<line>.+)$", _write_line),
    (rf"[Rr]emove line (?P<number>\d+) of (?P<file>{_FILE})", _remove_line),
    (
        rf"[Rr]emove the spaces in front of lines? (?P<first>\d+)(?: to (?P<last>\d+))? of (?P<file>{_FILE})",
        _no_spaces_in_front,
    ),
    (rf"[Pp]ut = behind (?P<key>\S+) on line (?P<number>\d+) of (?P<file>{_FILE})", _put_equals),
    (rf"[Jj]oin line (?P<number>\d+) of (?P<file>{_FILE}) to line (?P<other>\d+)", _join_lines),
    (
        rf"[Mm]ove the cognito_ keys of \[(?P<section>[^\]]+)\] into \[(?P<new>[^\]]+)\] of (?P<other>{_FILE})",
        _move_our_keys,
    ),
    (rf"[Mm]ove \[(?P<section>[^\]]+)\] from (?P<file>{_FILE}) to (?P<other>{_FILE})", _move_section),
    (rf"[Mm]ove (?P<key>{_KEY}) from \[(?P<section>[^\]]+)\] to \[(?P<new>[^\]]+)\] in (?P<file>{_FILE})", _move_key),
    (r"[Ss]ave it as UTF-8", _as_utf_8),
    (r"[Rr]emove (?P<names>COGNITO_FEDERATION_[A-Z_]+)", _unset),
    (rf"[Uu]nset (?P<names>{_VARIABLE}(?:(?:, | and ){_VARIABLE})*)", _unset),
    (rf"[Ss]et (?P<name>{_VARIABLE}) ?= ?(?P<value>\S+)", _set_variable),
    (rf"(?:[Ss]et|[Aa]dd|[Ww]rite) (?P<key>{_KEY}) = (?P<value>.+?) (?:in|to) {_TITLE} (?:in|of) {_OF_FILE}", _set_key),
    (rf"(?:[Ss]et|[Aa]dd|[Ww]rite) (?P<key>{_KEY}) = (?P<value>\S*[^\s.,;:])", _set_key),
    (r"[Rr]emove the file (?P<file>/\S+)", _remove_file),
    (r"[Rr]emove (?P<section>\[[^\]]+\])(?: from (?P<file>\S+))?", _remove_section),
    (rf"[Rr]emove (?P<keys>{_KEY}(?:(?:, | and ){_KEY})*){_PLACE}", _remove_keys),
)


def _where(found: re.Match[str], text: str, place: Place) -> tuple[Path, str]:
    """The file and the section that a sentence is about: those it names, else the last ones named on the line."""
    groups = found.groupdict()
    section = groups.get("section") or next(iter(re.findall(r"\[[^\]]+\]", text)[::-1]), "")
    file = _file(groups.get("file"), text, place)
    if not section:
        section = _section_of_key(file, groups.get("key") or groups.get("keys") or "")
    return file, section.strip("[]")


def _section_of_key(file: Path, key: str) -> str:
    """Where a key is, or else the keys are that it goes with: the session's where there is one, else the profile's."""
    found, title = "", ""
    for line in _lines(file):
        if line.startswith("["):
            title = line.strip()
        elif _key_of(line) == key:
            return title
        elif (key.startswith("cognito_") and _key_of(line).startswith("cognito_")) or not found:
            found = title
    return found


def _file(named: str | None, text: str, place: Place) -> Path:
    named = named or next(iter(re.findall(r"(\S*\.aws/(?:config|credentials))\b", text)[::-1]), "~/.aws/config")
    return Path(named.rstrip(".,:").replace("~", str(place.path), 1))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")


def _key_of(line: str) -> str:
    return re.split(r"[=:]", line, maxsplit=1)[0].strip().lower()


def _section(file: Path, title: str) -> tuple[list[str], int, int]:
    """The lines of a file, and the range of those behind a section's header."""
    lines = _lines(file)
    headers = [n for n, line in enumerate(lines) if line.strip().startswith("[")]
    for at, number in enumerate(headers):
        if lines[number].strip().strip("[]") == title:
            return lines, number + 1, headers[at + 1] if at + 1 < len(headers) else len(lines)
    raise NotUnderstood(f"{file} has no [{title}]")


def run_shell(command: str, environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command line as a person types it."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        check=False,
    )
