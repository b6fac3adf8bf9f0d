"""Keys count in the configuration file only, and `explain` names where each value came from."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest
from click.testing import CliRunner

from botocore_cognito_federation.botocore_plugin.provider import session_of_other_profile
from botocore_cognito_federation.cli.app import app
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import ConfigurationError

POOL = "eu-west-1:00000000-0000-4000-8000-000000000001"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of both files; the names of what other tests may have set are not there."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    (folder / "config").write_text(
        f"[profile dev]\nregion = eu-west-1\ncognito_identity_pool_id = {POOL}\ncognito_provider = corp.example.com\n"
    )
    return folder


def explained(*words: str) -> dict[str, str]:
    """The origin of each value, by its name."""
    done = CliRunner().invoke(app, ["explain", "--profile", "dev", *words])
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return {line.partition("  ")[0]: line.rpartition("  (")[2].rstrip(")") for line in lines}


@pytest.mark.parametrize("profile", ["dev", "other", "default"])
def test_a_key_in_the_credentials_file_is_refused_with_its_right_place(files: Path, profile: str) -> None:
    (files / "credentials").write_text(f"[{profile}]\ncognito_identity_pool_id = {POOL}\ncognito_provider = guest\n")
    title = "default" if profile == "default" else f"profile {profile}"
    for load in (load_settings, lambda name: session_of_other_profile(name).get_credentials()):
        with pytest.raises(ConfigurationError) as refused:
            load(profile)
        assert str(files / "credentials") in refused.value.what
        assert refused.value.remedy.startswith(f"Move the cognito_ keys of [{profile}] into [{title}] of ")


def test_one_file_for_both_is_no_credentials_file(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "config").write_text(f"[default]\ncognito_identity_pool_id = {POOL}\ncognito_provider = guest\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files / "config"))
    assert load_settings().identity_pool_id == POOL


def test_keys_of_other_profiles_in_the_credentials_file_are_in_nobodys_way(files: Path) -> None:
    (files / "credentials").write_text("[other]\ncognito_provider = guest\n\n[dev]\nregion = us-east-1\n")
    assert load_settings("dev").region_name == "us-east-1"
    assert explained()["region"] == f"[dev] in {files / 'credentials'}"


def test_explain_names_the_key_or_variable_that_gave_a_value(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "[profile dev] in ~/.aws/config"
    before = explained()
    assert (before["Logins key"], before["Cognito endpoint"]) == ("derived", "derived")
    assert before["region"] == f"[profile dev] in {files / 'config'}"
    with (files / "config").open("a") as config:
        config.write("cognito_login_key = corp.example.com/x\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "https://cognito.example.com")
    after = explained()
    assert after["Logins key"] == place
    assert after["Cognito endpoint"] == "AWS_ENDPOINT_URL_COGNITO_IDENTITY"
    with (files / "config").open("a") as config:
        config.write("cognito_endpoint_url = https://other.example.com\n")
    assert explained()["Cognito endpoint"] == place


def test_botocore_would_have_preferred_the_credentials_file(files: Path) -> None:
    """The reason for the refusal."""
    (files / "credentials").write_text("[dev]\ncognito_provider = guest\n")
    profiles = botocore.session.Session().full_config["profiles"]
    assert profiles["dev"]["cognito_provider"] == "guest"


def test_a_window_as_wide_as_the_credentials_life_is_said_with_the_widest_that_counts(files: Path) -> None:
    with (files / "config").open("a") as config:
        config.write("cognito_refresh_window = 3600\n")
    said = "credentials are valid for 3600 s: they are renewed when 3240 s are left. Set it to 3240 or less"
    runner = CliRunner()
    assert said in runner.invoke(app, ["explain", "dev"]).output
    assert said in runner.invoke(app, ["doctor", "dev", "--offline"]).stdout
    text = (files / "config").read_text()
    (files / "config").write_text(text.replace("3600", "3240"))
    assert "refresh_window is" not in runner.invoke(app, ["explain", "dev"]).output
