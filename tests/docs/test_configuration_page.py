"""`docs/configuration.md` compared with the catalogue of keys, and its samples with the loader."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

from botocore_cognito_federation.config.keys import KEYS, OTHER_VARIABLES, VARIABLE_PREFIX
from botocore_cognito_federation.config.loader import SESSION_SECTION
from botocore_cognito_federation.config.profiles import load_settings

from .pages import PAGES, ROOT, blocks, names, rows

pytestmark = pytest.mark.thorough

PAGE = ROOT / "docs" / "configuration.md"
SAMPLES = blocks(PAGE, "ini")


def test_every_key_has_one_row_with_its_variable_and_no_unknown_key_has_one() -> None:
    shown = [(cells[0].strip("`"), cells[1].strip("`")) for cells in rows(PAGE) if cells[0].startswith("`cognito_")]
    wanted = [(key.full_name, key.variable if key.has_variable else "–") for key in KEYS.values()]
    assert sorted(shown) == sorted(wanted)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_key_or_a_variable_that_there_is_not(page: Path) -> None:
    known = {key.full_name for key in KEYS.values()} | {"cognito_identity", "cognito_"} | {"cognito_developer_"}
    assert names(page, r"(?<![\w-])cognito_[a-z_]*") <= known
    variables = {key.variable for key in KEYS.values() if key.has_variable}
    variables |= {VARIABLE_PREFIX + name for name in OTHER_VARIABLES} | {VARIABLE_PREFIX}
    assert names(page, r"(?<!\w)COGNITO_FEDERATION_[A-Z_]*") <= variables


@pytest.mark.parametrize(("line", "sample"), SAMPLES, ids=[f"line {line}" for line, _ in SAMPLES])
def test_each_sample_is_a_configuration(
    line: int, sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(sample, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    parser = RawConfigParser()
    parser.read_string(sample)
    managed = [name for name in parser.sections() if not name.startswith(SESSION_SECTION)]
    managed = [name for name in managed if any(key.startswith("cognito_") for key in parser[name])]
    assert managed, "a sample without a profile of ours shows nothing"
    for section in managed:
        profile = re.sub(r"\Aprofile ", "", section)
        settings = load_settings(profile, environ={})
        assert settings.place
        assert parser[section]["credential_process"].endswith(f"credential-process --profile {profile}")


def test_every_key_that_shapes_a_profile_stands_in_some_sample_or_is_about_a_choice_of_taste() -> None:
    sampled = {word for _, sample in SAMPLES for word in re.findall(r"^cognito_(\w+)", sample, re.MULTILINE)}
    taste = {
        "account_id", "auto_login", "cache", "client_assertion_key_command", "client_certificate",
        "client_secret_command", "client_secret_env", "endpoint_url",
        "cache_key_command", "cache_key_env", "cache_key_file", "cache_sessions", "cache_sessions_url", "cache_url",
        "fail_closed", "grant", "identity_id", "issuer", "redirect_ports", "refresh_window", "registries",
        "retry_seconds", "scopes",
    }  # fmt: skip
    assert sampled | taste == set(KEYS)
