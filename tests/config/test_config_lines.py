"""The line editor: whatever a file holds, only the requested lines change."""

from __future__ import annotations

import configparser
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.config.writer import update_text, with_section

pytestmark = pytest.mark.thorough

WORDS = st.text("abcdefgh", min_size=1, max_size=6)
_TEXTS = st.text("abc=:;#[]/%é漢", min_size=1, max_size=8)
VALUES = st.one_of(_TEXTS, st.tuples(_TEXTS, _TEXTS).map(" ".join))
patiently = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
COMMENTS = st.sampled_from(["", "# note", "; old = 1", "   ", "#", "\t"])
ENDINGS = st.sampled_from(["\n", "\r\n"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A typical user's file, and its sections."""
    ending = draw(ENDINGS)
    names = draw(st.lists(WORDS, unique=True, max_size=4))
    lines = draw(st.lists(COMMENTS, max_size=2))
    for name in names:
        lines.append(f"[profile {name}]")
        for key in draw(st.lists(WORDS, unique=True, max_size=4)):
            lines += draw(st.lists(COMMENTS, max_size=1))
            lines.append(key + draw(st.sampled_from(["=", " = ", ": ", " ="])) + draw(VALUES))
            lines += draw(st.lists(st.sampled_from(["  more = 1", "\tnested"]), max_size=1))
        lines += draw(st.lists(COMMENTS, max_size=2))
    text = ending.join(lines)
    return text + (ending if draw(st.booleans()) else ""), names


def parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="\0")
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections()}


@patiently
@given(files(), WORDS, WORDS, VALUES)
def test_a_key_set_is_the_only_difference_a_parser_sees(
    file: tuple[str, list[str]], section: str, key: str, value: str
) -> None:
    text, _ = file
    after = with_section(text, f"profile {section}", {key: value})
    expected = parsed(text)
    expected.setdefault(f"profile {section}", {})[key] = value
    assert parsed(after) == expected
    assert with_section(after, f"profile {section}", {key: value}) == after


@patiently
@given(files(), WORDS, WORDS, VALUES)
def test_every_other_line_stays_byte_for_byte(file: tuple[str, list[str]], section: str, key: str, value: str) -> None:
    text, names = file
    after = with_section(text, f"profile {section}", {key: value})
    before_lines, after_lines = text.splitlines(), after.splitlines()
    if section not in names:
        assert after.startswith(text)
        return
    known = parsed(text)[f"profile {section}"]
    if key not in known:
        (number,) = [n for n in range(len(after_lines)) if after_lines[:n] + after_lines[n + 1 :] == before_lines][:1]
        assert after_lines[number] == f"{key} = {value}"


@patiently
@given(files(), st.data())
def test_a_key_removed_takes_only_its_own_lines(file: tuple[str, list[str]], data: st.DataObject) -> None:
    text, names = file
    if not names:
        return
    section = data.draw(st.sampled_from(names))
    values = parsed(text)[f"profile {section}"]
    if values:
        key = data.draw(st.sampled_from(sorted(values)))
        expected = parsed(text)
        del expected[f"profile {section}"][key]
        assert parsed(with_section(text, f"profile {section}", {key: None})) == expected


@pytest.mark.parametrize("header", ['[profile "my team"]', "[profile 'my team']", "[profile  my\\ team ]"])
def test_a_profile_is_found_however_its_header_is_quoted(header: str) -> None:
    text = f"{header}\nregion = x\n"
    assert with_section(text, 'profile "my team"', {"region": "y"}) == f"{header}\nregion = y\n"


def test_of_two_headers_of_one_profile_the_one_that_botocore_reads_is_changed() -> None:
    text = "[default]\nregion = a\n[profile default]\nregion = b\n"
    assert with_section(text, "default", {"region": "c"}) == text.replace("b", "c")


def test_headers_of_other_sections_are_taken_letter_by_letter_as_botocore_takes_them() -> None:
    text = '[cognito-session "corp"]\ncognito_client_id = a\n'
    assert with_section(text, "cognito-session corp", {"cognito_client_id": "b"}).startswith(text)


@pytest.mark.parametrize("value", ["two\nlines", "", " padded ", "nul\0"])
def test_a_value_that_is_no_flat_line_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        with_section("", "profile a", {"key": value})


def test_the_mode_of_a_file_stays_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "aws"
    real.parent.mkdir()
    real.write_bytes(b"[default]\nname = caf\xe9\n")
    real.chmod(0o640)
    link = tmp_path / "config"
    link.symlink_to(real)
    store = FileStore(str(tmp_path / "store"))
    assert update_text(str(link), lambda text: with_section(text, "default", {"region": "x"}), store)
    assert link.is_symlink()
    assert real.read_bytes() == b"[default]\nname = caf\xe9\nregion = x\n"
    assert stat.S_IMODE(os.stat(real).st_mode) == 0o640
    assert not update_text(str(link), lambda text: text, store)
    assert [path.name for path in real.parent.iterdir()] == ["aws"]


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    update_text(str(path), lambda text: with_section(text, "default", {"region": "x"}), FileStore(str(tmp_path / "s")))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
