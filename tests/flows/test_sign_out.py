"""A sign-out wins over a renewal in progress; clearing removes only what it concerns."""

from __future__ import annotations

import time

import pytest

from botocore_cognito_federation.cache.base import EPOCHS, MemoryStore, sign_in_epoch
from botocore_cognito_federation.cache.sessions import begin_epoch, forget_credentials
from tests.home import finished
from tests.stopping import stop

pytestmark = pytest.mark.thorough

PROFILE = ("credential-process", "--profile", "demo")


def held_at(home, point, go_on, **variables):
    """Start a helper that has called the identity pool, and waits at a point until a file is there."""
    flight = home.start(*PROFILE, **variables, **stop(point, f"hold={go_on}"))
    while home.count("GetCredentialsForIdentity") == 0 or (point == "credentials.stored" and not has_credentials(home)):
        assert flight.poll() is None
        time.sleep(0.01)
    return flight


@pytest.mark.parametrize(
    "words",
    [("--profile", "demo"), ("--profile", "demo", "--credentials"), ("--all",)],
    ids=["profile", "credentials", "all"],
)
@pytest.mark.parametrize("point", ["exchange.done", "credentials.stored"])
def test_cache_clear_during_an_exchange_wins(inside, words, point, tmp_path):
    go_on = tmp_path / "go-on"
    # A setting that the quick way of a helper does not know: the long way returns what it has exchanged.
    flight = held_at(inside, point, go_on, AWS_DEFAULTS_MODE="legacy")
    cleared = inside.run("cache", "clear", *words)
    go_on.write_text("")
    before = finished(flight).key
    assert (cleared.code, cleared.out) == (0, b"")
    assert inside.ask().key != before
    assert inside.ask().key != before
    assert inside.count("GetCredentialsForIdentity") == 2


@pytest.mark.parametrize("point", ["exchange.done", "credentials.stored"])
def test_the_quick_way_of_a_helper_exchanges_anew_after_a_cache_clear_that_came_meanwhile(inside, point, tmp_path):
    go_on = tmp_path / "go-on"
    flight = held_at(inside, point, go_on)
    assert inside.run("cache", "clear", "--profile", "demo").code == 0
    go_on.write_text("")
    after = finished(flight).key
    assert inside.ask().key == after
    assert inside.count("GetCredentialsForIdentity") == 2


class SignedOutMeanwhile(MemoryStore):
    """A sign-out between the first check and the first write of another process that clears credentials."""

    sign_out_epoch = ""

    def write(self, kind, key, document):
        if kind == EPOCHS and not self.sign_out_epoch:
            self.sign_out_epoch = "begun"
            begin_epoch(self, "session corp")
            self.sign_out_epoch = sign_in_epoch(self, "session corp")
        super().write(kind, key, document)


def test_a_forgetting_of_credentials_does_not_undo_a_sign_out():
    store = SignedOutMeanwhile()
    forget_credentials(store, "session corp")
    assert store.sign_out_epoch == sign_in_epoch(store, "session corp") != ""


def has_credentials(home) -> bool:
    return bool(home.documents("credentials"))


def test_cache_clear_takes_the_ready_answers_too(home):
    before = home.ask().key
    assert home.run("cache", "clear", "--profile", "demo").err == b"Forgot 1 set of AWS credentials\n"
    assert home.answers() == []
    assert home.ask().key != before


def test_cache_clear_of_one_profile_leaves_another_ones_credentials_and_guest_identity(home):
    home.ask()
    guest = home.ask("guest").key
    home.run("cache", "clear", "--profile", "demo")
    assert home.ask("guest").key == guest
    home.age(seconds_left=-1)
    home.ask("guest")
    # One identity of ada and one of the guest, although demo was cleared in between.
    assert home.count("GetId") == 2


def test_with_credentials_the_identity_stays_and_without_it_is_looked_up_again(home):
    home.ask()
    home.run("cache", "clear", "--profile", "demo", "--credentials")
    home.ask()
    assert home.spent == (1, 2)
    home.run("cache", "clear", "--profile", "demo")
    home.ask()
    assert home.spent == (2, 3)


def test_after_clear_all_nothing_that_was_stored_is_used(home):
    first = {home.ask().key, home.ask("guest").key}
    home.run("cache", "clear", "--all")
    assert not first & {home.ask().key, home.ask("guest").key}


def test_forgetting_credentials_leaves_the_sign_in_and_signing_out_ends_it():
    from botocore_cognito_federation.cache.base import MemoryStore, sign_in_epoch
    from botocore_cognito_federation.cache.sessions import begin_epoch, forget_credentials

    store = MemoryStore()
    begin_epoch(store, "session corp")
    signed_in = sign_in_epoch(store, "session corp")
    forget_credentials(store, "session corp")
    forget_credentials(store)
    assert sign_in_epoch(store, "session corp") == signed_in
    begin_epoch(store, "session corp")
    assert sign_in_epoch(store, "session corp") != signed_in
