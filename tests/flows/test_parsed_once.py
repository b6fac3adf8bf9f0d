"""Commands without network calls parse each configuration file once, and read it like botocore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from botocore.session import Session

from botocore_cognito_federation.config.loader import known_config, merged_config
from tests.home import Home

COUNT = """
    import os, sys
    import botocore.configloader as loader
    parsed, real = [], loader.raw_config_parse
    def parse(path, *arguments, **options):
        parsed.append(os.path.basename(path))
        return real(path, *arguments, **options)
    loader.raw_config_parse = parse
    from botocore_cognito_federation.cli.app import run
    run({words!r})
    os.write(2, b"parsed " + " ".join(sorted(parsed)).encode())
"""


@pytest.mark.thorough
@pytest.mark.parametrize("words", [["status"], ["status", "--check"], ["explain"], ["doctor", "--offline"]])
def test_each_file_is_parsed_once(home: Home, words: list[str]) -> None:
    done = home.python(COUNT.format(words=[*words, "--profile", "demo"]))
    assert done.err.rpartition(b"parsed ")[2] == b"config credentials", done


FILES = {
    "both have the profile": ("[profile a]\nregion = r\nx = 1\n", "[a]\nx = 2\naws_access_key_id = k\n"),
    "only one has it": ("[profile a]\nregion = r\n", "[b]\nx = 2\n"),
    "foreign sections": ("[cognito-session s]\nx = 1\n[sso-session t]\ny = 2\n[services u]\nz = 3\n", "[profile a]\n"),
    "an indented block": ("[profile a]\ns3 =\n  addressing_style = path\nregion = r\n", ""),
    "none": (None, None),
    "credentials alone": (None, "[default]\nx = 1\n"),
    "quotes and spaces": ('[profile "a b"]\nx = 1\n[profile   c]\ny = 2\n', "[a b]\nz = 3\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_two_files_together_are_what_botocore_makes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths = (tmp_path / "config", tmp_path / "credentials")
    for path, text in zip(paths, FILES[name], strict=True):
        if text is not None:
            path.write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(paths[0]))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(paths[1]))
    assert merged_config(os.environ) == Session().full_config
    assert merged_config(os.environ) == Session().full_config  # and a second time, with the known result


def test_a_file_that_has_changed_is_parsed_anew(tmp_path: Path) -> None:
    config = tmp_path / "config"
    assert known_config(str(config)) == {"profiles": {}}
    config.write_text("[profile a]\nx = 1\n")
    assert known_config(str(config))["profiles"] == {"a": {"x": "1"}}
    config.write_text("[profile a]\nx = 2\n")
    assert known_config(str(config))["profiles"] == {"a": {"x": "2"}}
