"""Commands for a profile that assumes a role with the credentials of a profile of this tool."""

from __future__ import annotations

import json

import pytest

from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough

CHAINS = ("chained", "chained-native")


@pytest.mark.parametrize("profile", CHAINS)
def test_whoami_is_the_role_and_the_user_behind_it(inside: ModuleHome, profile: str) -> None:
    done = inside.run("whoami", profile, "--json")
    assert done.returncode == 0, done.stderr
    found, own = json.loads(done.stdout), json.loads(inside.run("whoami", "demo", "--json").stdout)
    assert found["arn"].split("/")[-2] == "DemoChained"
    assert own["arn"].split("/")[-2] != "DemoChained"
    assert found["identity_id"] == own["identity_id"]


def test_status_shows_the_sign_in_behind_the_role(inside: ModuleHome) -> None:
    inside.run("export", "demo")
    done = inside.run("status", "chained")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("profile chained, a role assumed with the credentials of profile demo, identity pool")
    assert "AWS credentials for" in done.stdout
    document = json.loads(inside.run("status", "chained", "--json").stdout)
    assert (document["profile"], document["source_profile"]) == ("chained", "demo")
    assert len(document["credentials"]) == 1
    assert inside.run("status", "chained", "--check").returncode == 0
    assert inside.run("explain", "chained").stdout.startswith("profile chained, a role assumed with")


def test_what_is_cached_behind_the_role_is_cleared_by_its_name(inside: ModuleHome) -> None:
    inside.run("export", "demo")
    assert "Forgot 1 set" in inside.run("cache", "clear", "chained").stderr
    assert inside.documents("credentials") == []


def test_variables_do_not_touch_the_profile_behind_the_role(inside: ModuleHome) -> None:
    done = inside.run("explain", "chained", COGNITO_FEDERATION_ROLE_ARN="arn:aws:iam::111122223333:role/Nobody")
    assert done.returncode == 0
    assert "Nobody" not in done.stdout


def test_a_role_that_is_refused_is_told_as_that(inside: ModuleHome) -> None:
    text = inside.config.read_text()
    inside.config.write_text(text.replace("/DemoChained", "/DemoOther"))
    done = inside.run("whoami", "chained")
    assert (done.returncode, done.stdout) == (6, "")
    assert "STS refused to assume the role of profile 'chained' (AccessDenied" in done.stderr


def test_a_command_that_hands_out_credentials_names_the_profile_behind_the_role(inside: ModuleHome) -> None:
    done = inside.run("export", "chained")
    assert done.returncode == 4
    assert "assumes a role with the credentials of profile 'demo'" in done.stderr
    assert "use --profile demo" in done.stderr
