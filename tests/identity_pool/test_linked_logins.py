"""Linked logins: sent only after the user has linked them, for exactly these two users, and unlinked again."""

from __future__ import annotations

import pytest

from botocore_cognito_federation.demo import World
from tests.login_tokens.home import ProfileHome

pytestmark = pytest.mark.thorough


@pytest.fixture
def two(home: ProfileHome) -> ProfileHome:
    """A profile, and another session of the same person at the second provider."""
    second_token(home, "ada-elsewhere")
    home.world.write_token(home.path, subject="ada")
    home.section("cognito-session second", cognito_token_file=str(home.path / "second"))
    home.profile("demo", cognito_token_file=str(home.path / "token"), cognito_logins="second")
    return home


def second_token(home: ProfileHome, subject: str) -> None:
    home.file("second", home.world.second_provider.issue(subject))


def identity_of(world: World) -> str:
    return world.calls("GetCredentialsForIdentity")[-1].identity_id


def test_a_login_is_not_sent_along_before_it_is_linked(two: ProfileHome) -> None:
    two.credential_process("demo")
    first = identity_of(two.world)
    two.profile("alone", cognito_token_file=str(two.path / "second"))
    two.credential_process("alone")
    assert identity_of(two.world) != first


def test_linking_asks_for_yes_and_does_nothing_without(two: ProfileHome) -> None:
    done = two.run("link", "--profile", "demo")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert two.world.calls() == []


def test_linked_logins_are_one_identity_and_after_unlinking_two(two: ProfileHome) -> None:
    assert two.run("link", "--profile", "demo", "--yes").returncode == 0
    two.profile("alone", cognito_token_file=str(two.path / "second"))
    two.credential_process("demo")
    linked = identity_of(two.world)
    two.credential_process("alone")
    assert identity_of(two.world) == linked

    done = two.run("unlink", "--profile", "demo", "--session", "second", "--yes")
    assert done.returncode == 0, done.stderr
    assert len(two.world.calls("UnlinkIdentity")) == 1
    assert two.run("cache", "clear", "--all").returncode == 0
    two.credential_process("alone")
    assert identity_of(two.world) != linked
    two.credential_process("demo")
    assert identity_of(two.world) == linked


def test_another_user_of_the_linked_session_is_left_out(two: ProfileHome) -> None:
    assert two.run("link", "--profile", "demo", "--yes").returncode == 0
    second_token(two, "somebody-else")
    assert two.run("cache", "clear", "--all").returncode == 0
    two.credential_process("demo")
    linked = identity_of(two.world)
    two.profile("alone", cognito_token_file=str(two.path / "second"))
    two.credential_process("alone")
    assert identity_of(two.world) != linked


def test_a_linked_session_that_is_gone_takes_nothing_away(two: ProfileHome) -> None:
    assert two.run("link", "--profile", "demo", "--yes").returncode == 0
    (two.path / "second").unlink()
    assert two.run("cache", "clear", "--all").returncode == 0
    assert two.credential_process("demo")["AccessKeyId"]


def test_a_linked_token_that_cognito_refuses_takes_nothing_away(two: ProfileHome) -> None:
    assert two.run("link", "--profile", "demo", "--yes").returncode == 0
    two.file("second", two.world.second_provider.issue("ada-elsewhere", lifetime=-60))
    assert two.run("cache", "clear", "--credentials", "--all").returncode == 0
    assert two.credential_process("demo")["AccessKeyId"]


def test_unlinking_what_is_not_linked_is_refused(two: ProfileHome) -> None:
    done = two.run("unlink", "--profile", "demo", "--session", "second", "--yes")
    assert done.returncode == 4
    assert two.world.calls("UnlinkIdentity") == []


def test_a_session_that_is_not_in_the_profile_cannot_be_linked(two: ProfileHome) -> None:
    done = two.run("link", "--profile", "demo", "--session", "third", "--yes")
    assert done.returncode == 4
    assert "cognito_logins" in done.stderr


def test_two_users_of_one_provider_cannot_be_linked(two: ProfileHome) -> None:
    two.file("second", two.world.provider.issue("ada-again"))
    done = two.run("link", "--profile", "demo", "--yes")
    assert done.returncode == 4
    assert "an identity has one of each provider" in done.stderr


def test_an_opaque_token_without_a_user_cannot_be_linked(two: ProfileHome) -> None:
    two.world.register_opaque_token("graph.facebook.com", "EAAB-x", "ada")
    two.file("second", "EAAB-x")
    two.section("cognito-session second", cognito_provider="facebook", cognito_token_file=str(two.path / "second"))
    done = two.run("link", "--profile", "demo", "--yes")
    assert done.returncode == 4
    assert "does not identify its user" in done.stderr


def test_a_profile_without_other_logins_has_nothing_to_link(two: ProfileHome) -> None:
    two.profile("plain", cognito_token_file=str(two.path / "token"))
    done = two.run("link", "--profile", "plain", "--yes")
    assert done.returncode == 4
    assert "has no cognito_logins" in done.stderr
