"""`configure` on users' files: afterwards botocore reads the old settings and the new keys."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.configloader import build_profile_map, load_config, raw_config_parse
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.config.configure import Files, Request, make_plan, write_changes
from botocore_cognito_federation.config.profiles import find_overrides
from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough

POOL = "eu-west-1:12345678-1234-1234-1234-123456789012"
KEYS = {"identity_pool_id": POOL, "provider": "guest"}

INDENTS = st.sampled_from(["", "", "", " ", "  ", "    ", "\t", "\t "])
ENDINGS = st.sampled_from(["\n", "\n", "\r\n", "\r"])
NAMES = st.sampled_from(["dev", '"dev"', "'dev'", '"x y"', "prod", "a:b", "d=v", "dev]", "dév", ""])
HEADERS = st.one_of(
    NAMES.map(lambda name: f"[profile {name}]"),
    st.sampled_from(
        [
            "[default]",
            "[profile default]",
            "[cognito-session dev]",
            "[cognito-session  dev]",
            "[DEFAULT]",
            "[plugins]",
            "[sso-session corp]",
            "[services s]",
            "[ profile dev ]",
            "[profile  dev]",
            '[profile "dev]',
            "[profiledev]",
        ]
    ),
)
OPTIONS = st.sampled_from(
    [
        "region = eu-west-1",
        "region=us-east-1  ; mine",
        "REGION: x",
        "output = json",
        "s3 =",
        "s3=",
        "max_concurrent_requests = 20",
        "cognito_session = dev",
        "cognito_session = other",
        "cognito_provider = guest",
        "cognito_duration_seconds = 900",
        "credential_process = /x/cognito-federation credential-process --profile dev",
        f"cognito_identity_pool_id = {POOL}",
        "name = café",
        "a = 'b",
        "rem = x",
        "x = [",
    ]
)
OTHERS = st.sampled_from(
    ["", "", "# note", "; note = 1", "   ", "\t", "#", "\x0b", "\x1c = \x85", "no value", "= no key"]
)
LINES = st.tuples(INDENTS, st.one_of(HEADERS, OPTIONS, OPTIONS, OTHERS)).map("".join)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    ending = draw(ENDINGS)
    lines = draw(st.lists(HEADERS, max_size=1)) + draw(st.lists(LINES, max_size=10))
    text = draw(st.sampled_from(["", "", "", "\ufeff"])) + ending.join(lines) + draw(st.sampled_from(["", ending]))
    return text.encode() + draw(st.sampled_from([b"", b"", b"", b"\n# caf\xe9\n"]))


def files_with(directory: Path, content: bytes) -> Files:
    (directory / "config").write_bytes(content)
    program = directory / "cognito-federation"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return Files(str(directory / "config"), str(directory / "credentials"))


def configured(files: Files, profile: str, session: str | None = None) -> None:
    program = os.path.join(os.path.dirname(files.config), "cognito-federation")
    store = MemoryStore()
    write_changes(make_plan(Request(profile, session, KEYS, None, program), files).changes, files, store)


def seen(path: str) -> dict[str, Any]:
    return dict(build_profile_map(raw_config_parse(path)))


@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(
    content=contents(),
    profile=st.sampled_from(["dev", "default", "new"]),
    asked=st.sampled_from([None, "dev", "shared"]),
)
def test_a_change_is_refused_and_the_file_left_or_botocore_reads_the_old_and_the_new_settings(
    content: bytes, profile: str, asked: str | None
) -> None:
    with tempfile.TemporaryDirectory() as place:
        files = files_with(Path(place), content)
        try:
            configured(files, profile, asked)
        except CognitoFederationError:
            assert Path(files.config).read_bytes() == content
            assert {each.name for each in Path(place).iterdir()} == {"config", "cognito-federation"}
            return
        after = seen(files.config)
        (Path(place) / "before").write_bytes(content)
        before = seen(str(Path(place) / "before"))
    own = after["profiles"].pop(profile)
    old = before["profiles"].pop(profile, {})
    session = own.get("cognito_session")
    assert session or not asked
    section = after.pop(f"cognito-session {session}", {}) if session else {}
    old_session = before.pop(f"cognito-session {session}", {}) if session else {}
    assert after == before
    assert own["credential_process"].endswith(f"credential-process --profile {profile}")
    written = {"cognito_session", "credential_process", "region", "cognito_identity_pool_id", "cognito_provider"}
    assert {key: own[key] for key in own if key not in written} == {k: old[k] for k in old if k not in written}
    assert {key: section[key] for key in section if key not in written} == {
        key: old_session[key] for key in old_session if key not in written
    }
    values = {**section, **own}
    assert {name: values[f"cognito_{name}"] for name in KEYS} == KEYS
    assert own["region"] == (old.get("region") or "eu-west-1")


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(content=contents())
def test_a_file_that_botocore_reads_with_no_default_section_can_be_changed(content: bytes) -> None:
    """Only damage leads to a refusal, not indentation: a profile with a new name always finds its place."""
    with tempfile.TemporaryDirectory() as place:
        files = files_with(Path(place), content)
        try:
            load_config(files.config)
        except Exception:
            assume(False)
        assume(b"[DEFAULT]" not in content)
        configured(files, "brand-new")
        found = load_config(files.config)["profiles"]["brand-new"]
        assert {name: found[f"cognito_{name}"] for name in KEYS} == KEYS


INDENTED = """[profile dev]
  region = us-east-1
  # the old one
  credential_process = /x/cognito-federation credential-process --profile dev
  s3 =
    max_concurrent_requests = 20

  [profile other]
  region = eu-west-3
"""


def test_an_indented_profile_is_changed_in_its_own_indentation(tmp_path: Path) -> None:
    files = files_with(tmp_path, INDENTED.encode())
    configured(files, "dev")
    text = Path(files.config).read_text()
    assert text.count("credential_process") == 1
    assert "\n  cognito_provider = guest\n" in text
    profiles = load_config(files.config)["profiles"]
    assert profiles["dev"]["s3"] == {"max_concurrent_requests": "20"}
    assert profiles["dev"]["credential_process"].startswith(str(tmp_path))
    assert profiles["other"] == {"region": "eu-west-3"}
    configured(files, "dev")
    assert Path(files.config).read_text() == text


class Careless:
    """A change that writes what it plans, and damages a setting of another profile."""

    def __init__(self, damaged: str) -> None:
        self.damaged = damaged

    def refuse(self, config: Mapping[str, Any], files: Files) -> None:
        """Refuse nothing."""

    def applied(self, text: str) -> str:
        return f"{text}[profile new]\nregion = eu-west-3\n".replace("region = eu-west-1\n", self.damaged)

    def expected(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return {**config, "profiles": {**config["profiles"], "new": {"region": "eu-west-3"}}}


def test_a_change_that_changes_nothing_it_plans_is_no_success(tmp_path: Path) -> None:
    files = files_with(tmp_path, b"[profile dev]\nregion = eu-west-1\n")
    idle = Careless("")
    idle.applied = lambda text: text  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="could damage other settings"):
        write_changes(idle, files, MemoryStore())


@pytest.mark.parametrize(
    "damaged", ["", "region = eu-west-2\n", "region = eu-west-1\noutput = json\n", "\n[plugins]\n"]
)
def test_a_change_after_which_a_foreign_setting_has_another_value_is_not_written(tmp_path: Path, damaged: str) -> None:
    content = b"[profile dev]\nregion = eu-west-1\n"
    files = files_with(tmp_path, content)
    with pytest.raises(ConfigurationError, match="could damage other settings"):
        write_changes(Careless(damaged), files, MemoryStore())
    assert Path(files.config).read_bytes() == content
    assert write_changes(Careless("region = eu-west-1\n"), files, MemoryStore())


def test_a_file_that_another_program_changes_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore_cognito_federation.config import configure as configuration

    files = files_with(tmp_path, b"[profile other]\nregion = a\n")
    read = configuration.read_config

    def changed_after(path: str) -> dict[str, Any]:
        found = read(path)
        if path != files.config:  # the new file is being checked
            Path(files.config).write_text("[profile other]\nregion = b\n")
        return found

    monkeypatch.setattr(configuration, "read_config", changed_after)
    with pytest.raises(CognitoFederationError, match="Another program has just changed"):
        configured(files, "dev")
    assert Path(files.config).read_text() == "[profile other]\nregion = b\n"


def test_what_precedes_a_profile_is_read_as_botocore_reads_the_files(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile 'dev']\n role_arn = x\n credential_process = y\n[ profile dev ]\nsso_session = corp\n")
    found = " ".join(find_overrides(_Profile(), {"AWS_CONFIG_FILE": str(config)}))  # type: ignore[arg-type]
    assert "has role_arn" in found
    assert "sso_session" not in found
    assert "has no credential_process" not in found


class _Profile:
    profile = "dev"


@pytest.mark.parametrize(
    "value",
    [
        "caf\udce9",
        "\udcff",
        "a\x1b[31mb",
        "a\x7fb",
        "a\x9bb",
        "a\u202eb",
        "a\u200bb",
        "a\nb",
        "a\tb",
        "",
        " ",
        ";a",
        "#a",
        "a #b",
        "a ;b",
        "a\u00a0b",
        '"a"',
        "'a",
        "%a",
        "a%",
    ],
)
@pytest.mark.parametrize("flag", ["--client-id", "--region", "--session", "--set"])
def test_a_value_that_would_not_come_back_is_refused_with_one_line_and_nothing_is_written(
    home: SignInHome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    flag: str,
    value: str,
) -> None:
    from botocore_cognito_federation.cli.app import run

    for name, setting in home.environment().items():
        monkeypatch.setenv(name, setting)
    program = tmp_path / "cognito-federation"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    home.config.write_text("[profile other]\nregion = a\n")
    given_value = f"scopes={value}" if flag == "--set" else value
    code = run(
        [
            "configure",
            "--offline",
            "--profile",
            "new",
            "--command",
            str(program),
            "--identity-pool-id",
            POOL,
            "--provider",
            "google",
            "--client-id",
            "plain",
            flag,
            given_value,
        ]
    )
    out, err = capfd.readouterr()
    if (flag in ("--session", "--region") and not value) or (flag == "--session" and "%" in value):
        return  # an empty flag is as good as none, and the name of a session may have a %
    assert code == 4, err
    assert out == ""
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert home.config.read_text() == "[profile other]\nregion = a\n"


def test_a_value_with_a_percent_sign_inside_is_written_and_comes_back(tmp_path: Path) -> None:
    files = files_with(tmp_path, b"")
    program = str(tmp_path / "cognito-federation")
    keys = {"identity_pool_id": POOL, "token_url": "https://tokens.example.com/a%20b", "login_key": "x.example.com"}
    write_changes(make_plan(Request("dev", None, keys, None, program), files).changes, files, MemoryStore())
    assert load_config(files.config)["profiles"]["dev"]["cognito_token_url"].endswith("/a%20b")


def test_a_file_that_no_tool_parses_is_said_by_configure_also_of_the_credentials_file(tmp_path: Path) -> None:
    files = files_with(tmp_path, b"")
    Path(files.credentials).write_text("aws_access_key_id = x\n")
    with pytest.raises(ConfigurationError, match="line 1 stands before"):
        configured(files, "dev")
