"""Letters that stdout or the locale lacks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.home import Home
from tests.servers.tool_cache import lacking

pytestmark = pytest.mark.thorough

NAME = "Łukasz 王"


@pytest.fixture
def named(inside: Home) -> Home:
    """A home in which the user's name has letters that cp1252 lacks."""
    token = inside.world.provider.issue("lukasz", email=NAME)
    inside.token.write_text(str(token))
    inside.profile("dev", cognito_token_file=str(inside.token))
    assert inside.ask("dev").code == 0
    return inside


@pytest.mark.parametrize("encoding", ["cp1252"])
@pytest.mark.parametrize(
    "words",
    [
        ("status", "dev"),
        ("status", "dev", "--json"),
        ("token", "dev", "--claims"),
        ("whoami", "dev", "--json"),
        ("doctor", "dev", "--offline"),
        ("cache", "list"),
    ],
    ids=" ".join,
)
def test_a_name_that_stdout_cannot_encode_ends_no_command(named: Home, words: tuple[str, ...], encoding: str) -> None:
    done = named.run(*words, PYTHONIOENCODING=encoding)
    assert done.code in (0, 4), done
    text = done.out.decode(encoding)
    if {"--json", "--claims"} & set(words):
        assert words[0] == "whoami" or NAME in json.dumps(json.loads(text), ensure_ascii=False)
    elif words[0] != "doctor":
        assert "\\u0141ukasz" in text or NAME.split()[0] in text


def test_what_a_program_reads_is_refused_instead_of_changed(named: Home) -> None:
    named.profile("prod-ł", cognito_token_file=str(named.token))
    words = ("export", "--profile", "prod-ł", "--format", "ini")
    assert "cp1252" in named.run(*words, PYTHONIOENCODING="cp1252").refused(1)
    assert "[prod-ł]\n" in named.run(*words, PYTHONIOENCODING="utf-8").out.decode()


def test_a_file_that_the_locale_cannot_decode_is_called_that(named: Home, tmp_path: Path) -> None:
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/charmaps/EUC-JP.gz").exists():
        lacking("there are no sources of locales")
    made = ["localedef", "-c", "-f", "EUC-JP", "-i", "ja_JP", str(tmp_path / "ja_JP.EUC-JP")]
    subprocess.run(made, check=False, capture_output=True, timeout=60)
    with named.config.open("a", encoding="utf-8") as config:
        config.write("# größe\n")
    variables = {"LOCPATH": str(tmp_path), "LC_ALL": "ja_JP.EUC-JP", "PYTHONUTF8": "0", "PYTHONIOENCODING": None}
    encoding = named.python("import locale; print(locale.getpreferredencoding(False))", **variables).out.decode()
    assert "euc" in encoding.lower(), (encoding, sys.version)
    line = named.run("status", "dev", **variables).refused(4)
    assert "is UTF-8 text, and the AWS tools in Python read it as euc_jp" in line
    assert "LC_ALL=C.UTF-8" in line
