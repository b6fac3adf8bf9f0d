"""`current_credentials` while they are fresh: one comparison, and no credentials after a sign-out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from botocore_cognito_federation import CognitoFederation, NotSignedInError
from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.demo.world import World

from .conftest import Maker, Time
from .test_renewal import signed_in


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the kinds of the documents that are read."""
    kinds: list[str] = []
    for store in (MemoryStore, FileStore):

        def read(self: Any, kind: str, key: str, real: Callable[..., Any] = store.read) -> Any:
            kinds.append(kind)
            return real(self, kind, key)

        monkeypatch.setattr(store, "read", read)
    return kinds


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_the_second_call_reads_nothing(
    world: World, make: Maker, clock: Time, reads: list[str], cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = signed_in(world, make, cache=cache)
    first = federation.current_credentials()
    reads.clear()
    monkeypatch.setattr(clock, "now", lambda at=clock.now(): at)
    assert all(federation.current_credentials() is first for _ in range(100))
    assert reads == []


def test_the_second_call_for_a_profile_reads_nothing(inside: Any, reads: list[str]) -> None:
    federation = CognitoFederation.from_profile("demo")
    first = federation.current_credentials()
    reads.clear()
    assert federation.current_credentials() is first
    assert reads == []


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_a_sign_out_wins_at_once_over_the_credentials_of_the_same_object(world: World, make: Maker, cache: str) -> None:
    federation = signed_in(world, make, cache=cache)
    federation.current_credentials()
    federation.sign_out()
    with pytest.raises(NotSignedInError):
        federation.current_credentials()


def test_a_sign_out_elsewhere_wins_within_a_second(world: World, make: Maker, clock: Time) -> None:
    federation = signed_in(world, make, cache="file")
    federation.current_credentials()
    make(cache="file").sign_out()
    clock.pass_by(1.0)
    with pytest.raises(NotSignedInError):
        federation.current_credentials()


def test_another_user_of_the_same_object_gets_credentials_of_their_own(world: World, make: Maker) -> None:
    federation = signed_in(world, make)
    ada = federation.current_credentials()
    federation.federated_sign_in(world.provider.login_key, world.provider.issue("bob"))
    assert federation.current_credentials().identity_id != ada.identity_id


def test_a_clock_that_is_set_back_is_a_reason_to_look(world: World, make: Maker, clock: Time, reads: list[str]) -> None:
    federation = signed_in(world, make)
    federation.current_credentials()
    reads.clear()
    clock.pass_by(-5)
    federation.current_credentials()
    assert reads


def test_credentials_requested_before_a_sign_out_are_not_returned_after_it(
    world: World, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign-out comes between the last check of the running call and its end."""
    federation = signed_in(world, make)
    real = federation._reuse

    def late(*arguments: Any) -> None:
        federation.sign_out()
        real(*arguments)

    monkeypatch.setattr(federation, "_reuse", late)
    federation.current_credentials()
    with pytest.raises(NotSignedInError):
        federation.current_credentials()
