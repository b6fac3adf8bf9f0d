"""A session's clients stay those of one user, and have credentials for as long as was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from botocore_cognito_federation import ConfigurationError, NotSignedInError, TemporaryError
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time


def key_of(session: Any) -> str:
    return str(session.get_credentials().get_frozen_credentials().access_key)


def sign_in(federation: Any, world: World, user: str) -> str:
    return str(federation.federated_sign_in(world.provider.login_key, world.provider.issue(user)).access_key)


@pytest.mark.parametrize("is_used_before", [True, False])
@pytest.mark.parametrize("signs_out", [True, False])
def test_clients_of_one_user_never_sign_for_the_next_and_work_again_for_their_own(
    world: World, make: Maker, is_used_before: bool, signs_out: bool
) -> None:
    federation = make()
    ada = sign_in(federation, world, "ada")
    session = federation.session()
    if is_used_before:
        assert key_of(session) == ada
    if signs_out:
        federation.sign_out()
    bob = sign_in(federation, world, "bob")
    with pytest.raises(NotSignedInError, match="Another user has signed in"):
        key_of(session)
    assert key_of(federation.session()) == bob
    again = sign_in(federation, world, "ada")
    assert key_of(session) == again
    federation.sign_out()
    with pytest.raises(NotSignedInError):
        key_of(session)


def test_a_session_made_before_any_sign_in_is_of_the_first_user(world: World, make: Maker) -> None:
    federation = make()
    session = federation.session()
    ada = sign_in(federation, world, "ada")
    assert key_of(session) == ada
    sign_in(federation, world, "bob")
    with pytest.raises(NotSignedInError):
        key_of(session)


def test_a_new_token_of_the_same_user_changes_nothing_for_their_clients(world: World, make: Maker) -> None:
    federation = make()
    sign_in(federation, world, "ada")
    session = federation.session()
    assert key_of(session)
    newer = sign_in(federation, world, "ada")
    assert key_of(session) == newer


def test_credentials_with_less_than_what_was_asked_for_are_renewed_once(world: World, make: Maker, clock: Time) -> None:
    federation = make()
    first = federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=7200))
    assert federation.current_credentials(min_remaining=3000) == first
    clock.pass_by(900)
    assert federation.current_credentials() == first
    session = federation.session(min_remaining=3000)
    second = federation.current_credentials(min_remaining=3000)
    assert second.expires_at >= clock.now() + 3000
    assert second != first
    assert key_of(session) == second.access_key
    assert federation.current_credentials(min_remaining=3000) == second
    clock.pass_by(900)
    assert key_of(session) != second.access_key


def test_what_cannot_be_had_for_so_long_is_said_and_ordinary_credentials_stay(
    world: World, make: Maker, clock: Time
) -> None:
    federation = make(retry_seconds=0)
    first = federation.federated_sign_in(world.provider.login_key, world.provider.issue("ada", lifetime=7200))
    with pytest.raises(ConfigurationError, match=r"min_remaining is 7000 s.* valid for 3\d\d\d s"):
        federation.current_credentials(min_remaining=7000)
    clock.pass_by(900)
    usable = federation.current_credentials()
    assert usable.expires_at >= first.expires_at
    clock.pass_by(900)
    world.fault("GetCredentialsForIdentity", times=99, status=503)
    with pytest.raises(TemporaryError):
        federation.current_credentials(min_remaining=3000)
    assert federation.current_credentials() == usable
