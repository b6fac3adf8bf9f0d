"""What a user can see of session tags: the claims of the login token, and the tags of the further role."""

from __future__ import annotations

import json

import pytest

from botocore_cognito_federation.config.profiles import load_settings
from tests.cli.home import ModuleHome

pytestmark = pytest.mark.thorough


def test_whoami_shows_the_claims_that_fit_a_tag_and_the_tags_of_the_further_role(inside: ModuleHome) -> None:
    world = inside.world
    world.write_token(inside.path, department="Human Resources", groups=["a"], essay="x" * 257)
    role = world.add_chained_role("ShownTags", actions=("sts:AssumeRole", "sts:TagSession"))
    inside.profile(
        "tagged",
        cognito_token_file=str(load_settings("demo").token_file),
        cognito_assume_role_arn=role,
        cognito_assume_role_tags="team=data",
    )
    shown = json.loads(inside.run("whoami", "tagged", "--tags", "--json").stdout)
    assert shown["claims"]["department"] == "Human Resources"
    assert not {"groups", "essay"} & shown["claims"].keys()
    assert shown["further_role_tags"] == {"team": "data"}
    done = inside.run("whoami", "tagged", "--tags")
    assert "claim        department = Human Resources" in done.stdout
    assert "tag          team = data" in done.stdout
    assert "the further role has its own" in done.stderr
    assert "claim" not in inside.run("whoami", "tagged").stdout
