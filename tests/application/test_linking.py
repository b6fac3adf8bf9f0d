"""Linked logins: several on one identity, what Cognito merges and refuses, and the events."""

from __future__ import annotations

from typing import Any

import pytest

from botocore_cognito_federation import CognitoFederation, ConfigurationError, FederationRefusedError
from botocore_cognito_federation.demo.world import World
from tests.application.conftest import Maker, Time
from tests.application.test_renewal import Handler, signed_in


def test_a_linked_login_signs_in_to_the_same_identity_until_it_is_unlinked(world: World, make: Maker) -> None:
    federation = make()
    own = federation.federated_sign_in(world.provider.login_key, world.provider.issue("linker"))
    other = world.second_provider.issue("linked")
    assert federation.link(world.second_provider.login_key, other) == own.identity_id
    second = make()
    assert second.federated_sign_in(world.second_provider.login_key, other).identity_id == own.identity_id
    federation.unlink(world.second_provider.login_key)
    assert second.federated_sign_in(world.second_provider.login_key, other).identity_id != own.identity_id


def test_a_login_with_an_identity_of_its_own_is_refused_by_name_or_merged_by_cognito(world: World, make: Maker) -> None:
    federation = signed_in(world, make)
    with pytest.raises(ConfigurationError, match="provider of this sign-in"):
        federation.unlink(world.provider.login_key)
    with pytest.raises(ConfigurationError, match="provider of this sign-in"):
        federation.link(world.provider.login_key, world.provider.issue("bob"))
    with pytest.raises(FederationRefusedError):
        federation.link(world.second_provider.login_key, world.second_provider.issue("eve", flaw="other-key"))


def test_a_guest_who_links_a_login_retains_the_identity(world: World, make: Maker) -> None:
    federation = make(world.guest_pool_id)
    guest = federation.federated_sign_in("guest")
    federation.link(world.provider.login_key, world.provider.issue("was-a-guest"))
    assert federation.current_credentials().authenticated
    assert federation.current_credentials().identity_id == guest.identity_id


def merging(world: World, make: Maker, who: str, **options: Any) -> tuple[CognitoFederation, str, str]:
    """A federation of `who`, whose identity is the newer of two that are about to be merged."""
    older = make().federated_sign_in(world.second_provider.login_key, world.second_provider.issue(who)).identity_id
    federation = make(**options)
    younger = federation.federated_sign_in(world.provider.login_key, world.provider.issue(who)).identity_id
    assert older != younger
    return federation, younger, older


def test_a_merged_identity_is_adopted_persisted_and_reported_with_old_and_new_id(
    world: World, make: Maker, clock: Time, told: Any
) -> None:
    handler = Handler(world, "merged")
    options = {"cache": "file", "refresh_handlers": {world.provider.login_key: handler}}
    federation, younger, older = merging(world, make, "merged", **options)
    events = told(federation)
    signing = federation.botocore_session().get_credentials()
    before = signing.get_frozen_credentials().access_key

    assert federation.link(world.second_provider.login_key, world.second_provider.issue("merged")) == older

    changes = [event for event in events if event.name == "identity-changed"]
    assert [(event.previous_identity_id, event.identity_id) for event in changes] == [(younger, older)]
    assert changes[0].provider == world.provider.login_key
    assert federation.current_credentials().identity_id == older
    assert federation.federated_info()["identity_id"] == older
    assert signing.get_frozen_credentials().access_key not in ("", before)

    later = make(**options)  # another process: it never asks for the deleted identity again
    world.reset_journal()
    clock.pass_by(3700)
    assert later.current_credentials().identity_id == older
    assert (len(world.calls("GetId")), len(world.calls("GetCredentialsForIdentity"))) == (0, 1)


def test_a_merge_that_another_process_made_is_found_at_the_next_renewal(
    world: World, make: Maker, clock: Time, told: Any
) -> None:
    handlers = {world.provider.login_key: Handler(world, "merged-elsewhere")}
    federation, younger, older = merging(world, make, "merged-elsewhere", refresh_handlers=handlers)
    events = told(federation)
    other = make()
    other.federated_sign_in(world.second_provider.login_key, world.second_provider.issue("merged-elsewhere"))
    assert other.link(world.provider.login_key, world.provider.issue("merged-elsewhere")) == older
    clock.pass_by(3700)
    assert federation.current_credentials().identity_id == older
    changes = [event for event in events if event.name == "identity-changed"]
    assert [(event.previous_identity_id, event.identity_id) for event in changes] == [(younger, older)]


def test_a_linking_conflict_is_an_error_that_names_it_and_changes_nothing(world: World, make: Maker, told: Any) -> None:
    key = world.second_provider.login_key
    ada = signed_in(world, make)
    ada.link(key, world.second_provider.issue("hers"))
    bob = make()
    own = bob.federated_sign_in(world.provider.login_key, world.provider.issue("bob-of-the-conflict"))
    events = told(bob)
    with pytest.raises(FederationRefusedError, match="linked to another identity") as refused:
        bob.link(key, world.second_provider.issue("hers"))
    assert refused.value.remedy
    assert bob.current_credentials() == own
    assert [event.name for event in events] == []
    assert ada.current_authenticated_user()["id"] != own.identity_id


def test_a_guest_who_links_the_login_of_a_known_user_becomes_that_user_and_an_event_says_so(
    world: World, make: Maker, told: Any
) -> None:
    known = make(world.guest_pool_id).federated_sign_in(world.provider.login_key, world.provider.issue("ada"))
    federation = make(world.guest_pool_id)
    guest = federation.federated_sign_in("guest")
    events = told(federation)
    assert federation.link(world.provider.login_key, world.provider.issue("ada")) == known.identity_id
    assert federation.current_credentials().identity_id == known.identity_id
    changes = [event for event in events if event.name == "identity-changed"]
    assert [(event.previous_identity_id, event.identity_id) for event in changes] == [
        (guest.identity_id, known.identity_id)
    ]
