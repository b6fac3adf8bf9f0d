"""Invariants 1 and 11 across processes: one exchange for all, and never another user's identity."""

from __future__ import annotations

import json

import pytest

from tests.home import Home, finished

pytestmark = pytest.mark.thorough

PROFILE = ("credential-process", "--profile", "demo")


def burst(home: Home, count: int, **changes: str | None):
    started = [home.start(*PROFILE, **changes) for _ in range(count)]
    return [finished(process) for process in started]


def test_of_64_processes_on_a_cold_cache_one_asks_and_all_print_the_same_object(home):
    results = burst(home, 64)
    assert {result.out for result in results} == {results[0].out}
    assert results[0].key.startswith("ASIA")
    assert {(result.code, result.err) for result in results} == {(0, b"")}
    assert home.spent == (1, 1)


def test_of_48_processes_that_find_expired_credentials_one_renews(home):
    first = home.ask().key
    home.age(seconds_left=-10)
    home.world.reset_journal()
    keys = {result.key for result in burst(home, 48)}
    assert len(keys) == 1
    assert first not in keys
    assert home.spent == (0, 1)


def test_of_24_processes_that_find_ageing_credentials_one_renews_and_no_other_waits_for_it(home):
    first = home.ask().key
    home.age(seconds_left=600)
    home.world.reset_journal()
    home.world.fault("GetCredentialsForIdentity", delay=1.0)
    keys = {result.key for result in burst(home, 24)}
    assert home.count("GetCredentialsForIdentity") == 1
    assert len(keys - {first}) <= 1


@pytest.mark.parametrize(
    ("fault", "code", "most_calls"),
    [
        # Each attempt of botocore and of this package is a call: one process makes 3. A second process may come late.
        ({"status": 503}, 7, 9),
        ({"code": "NotAuthorizedException", "message": "Token is not from a supported provider of this"}, 6, 3),
    ],
    ids=["temporary", "definitive"],
)
def test_64_processes_share_the_failure_of_the_one_that_asked(home, fault, code, most_calls):
    home.world.fault("GetId", times=1000, **fault)
    results = burst(home, 64)
    lines = {result.refused(code) for result in results}
    assert len(lines) == 1
    assert home.count("GetId") <= most_calls


def test_after_a_failed_first_attempt_the_next_one_succeeds(home):
    # The quick way of a helper leaves each refusal to the long way, which asks once more.
    home.world.fault("GetId", times=2, code="ResourceNotFoundException", message="IdentityPool 'x' not found.")
    home.ask().refused(6)
    assert home.ask().key


def test_two_jobs_with_different_tokens_in_one_variable_never_see_each_others_identity(home):
    home.profile("ci", cognito_token_env="CI_TOKEN")
    tokens = {who: home.world.provider.issue(who) for who in ("ada", "bob")}
    words = ("credential-process", "--profile", "ci")
    keys: dict[str, set[str]] = {"ada": set(), "bob": set()}
    for _ in range(3):  # cold, then warm
        started = [(who, home.start(*words, CI_TOKEN=tokens[who])) for _ in range(4) for who in ("ada", "bob")]
        for who, process in started:
            keys[who].add(finished(process).key)
    for who in ("ada", "bob", "ada"):
        keys[who].add(home.ask("ci", CI_TOKEN=tokens[who]).key)
    assert len(keys["ada"]) == len(keys["bob"]) == 1
    assert keys["ada"] != keys["bob"]
    identities = {json.loads(path.read_text())["identity_id"] for path in home.documents("credentials")}
    assert len(identities) == 2
    assert home.spent == (2, 2)


def test_two_jobs_whose_token_file_is_named_by_a_variable_never_see_each_others_identity(home):
    home.profile("ci", cognito_token_file="$JOB/token")
    for who in ("ada", "bob"):
        (home.path / who).mkdir()
        (home.path / who / "token").write_text(home.world.provider.issue(who))
    ada = home.ask("ci", JOB=str(home.path / "ada")).key
    bob = home.ask("ci", JOB=str(home.path / "bob")).key
    assert ada != bob
    assert home.ask("ci", JOB=str(home.path / "ada")).key == ada
    assert home.spent == (2, 2)


def test_two_jobs_with_their_token_file_in_the_home_never_see_each_others_identity(home):
    home.profile("ci", cognito_token_file="~/job-token")
    for who in ("ada", "bob"):
        (home.path / who).mkdir()
        (home.path / who / "job-token").write_text(home.world.provider.issue(who))
    ada = home.ask("ci", HOME=str(home.path / "ada")).key
    assert home.ask("ci", HOME=str(home.path / "bob")).key != ada


def test_a_token_command_that_returns_another_users_token_gives_that_users_credentials(home):
    home.profile("cmd", cognito_token_command=f"cat {home.token}")
    ada = home.ask("cmd").key
    home.world.write_token(home.path, "bob")
    assert home.ask("cmd").key != ada
    home.world.write_token(home.path, "ada")
    assert home.ask("cmd").key == ada


def test_profiles_that_differ_in_the_role_share_the_identity_and_nothing_else(home):
    home.profile("plain", cognito_token_file=str(home.token))
    home.profile("other", cognito_token_file=str(home.token), cognito_role_arn=home.world.other_role_arn)
    assert home.ask("plain").key != home.ask("other").key
    assert home.spent == (1, 2)


def test_profiles_of_two_pools_have_two_identities(home):
    home.profile("plain", cognito_token_file=str(home.token))
    home.profile("elsewhere", cognito_token_file=str(home.token), cognito_identity_pool_id=home.world.guest_pool_id)
    assert home.ask("plain").key != home.ask("elsewhere").key
    assert home.spent == (2, 2)


def test_without_cognito_provider_guest_a_missing_login_never_becomes_a_guest(home):
    home.profile("nobody", cognito_identity_pool_id=home.world.guest_pool_id)
    home.ask("nobody").refused(3)
    home.profile("gone", cognito_identity_pool_id=home.world.guest_pool_id, cognito_token_file="/nowhere/token")
    home.ask("gone").refused(4)
    assert home.spent == (0, 0)


def test_guests_retain_their_identity(home):
    home.ask("guest")
    home.age(seconds_left=-1)
    home.ask("guest")
    assert home.spent == (1, 2)
