"""The life of a sign-in: renewals, many processes at once, killed processes, homes that cannot be written."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.world import World
from tests.home import rewritten
from tests.servers import oidc_provider
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import LATER, Result, SignInHome, finished, later, renewals
from tests.stopping import stop

pytestmark = pytest.mark.thorough

_HOUR = 3600


def credentials_later(home: SignInHome, ahead: float) -> Result:
    return later(home, ahead, "export")


@pytest.fixture
def own_provider(world: World) -> Iterator[OidcProvider]:
    """A provider whose journal no other test uses."""
    with oidc_provider.running() as server:
        world.trust_issuer(server.issuer, ["native"])
        yield server


@pytest.fixture
def own_home(own_provider: OidcProvider, home: SignInHome) -> SignInHome:
    home.provider = own_provider
    issuer = own_provider.issuer
    return home.write(cognito_provider=issuer.removeprefix("http://"), cognito_issuer=issuer)


def test_an_hour_later_the_sign_in_renews_itself(home: SignInHome, provider: OidcProvider) -> None:
    home.login()
    before, first = renewals(provider), home.session_document()
    done = credentials_later(home, _HOUR + 10)
    assert done.code == 0, done.err
    assert json.loads(done.out)["SessionToken"]
    assert renewals(provider) == before + 1
    assert home.session_document()["refresh_token"] != first["refresh_token"]
    assert credentials_later(home, 2 * _HOUR + 20).code == 0


def test_a_provider_that_fails_for_a_second_does_not_fail_the_caller(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    own_provider.fault("/token", 503, times=2)
    done = credentials_later(own_home, _HOUR + 10)
    assert done.code == 0, done.err


def test_a_renewal_uses_the_token_until_shortly_before_its_end(home: SignInHome, provider: OidcProvider) -> None:
    home.login()
    before = renewals(provider)
    assert later(home, _HOUR - 200, "token").code == 0
    assert renewals(provider) == before
    assert later(home, _HOUR - 100, "token").code == 0
    assert renewals(provider) == before + 1


@pytest.mark.parametrize(("point", "command"), [("sessions.replaced", "token"), ("exchange.done", "export")])
def test_a_process_killed_after_the_rotated_token_was_stored_loses_nothing(
    own_home: SignInHome, own_provider: OidcProvider, point: str, command: str
) -> None:
    own_home.login()
    first = own_home.session_document()
    killed = later(own_home, _HOUR + 10, command, **stop(point, "kill"))
    assert killed.code == -9, killed
    cached = own_home.session_document()
    assert cached["refresh_token"] != first["refresh_token"]
    next_one = later(own_home, 2 * _HOUR + 20, "export")
    assert next_one.code == 0, next_one.err
    assert own_provider.journal("refused") == []


def test_a_full_disk_is_found_before_the_refresh_token_is_spent(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    done = later(own_home, _HOUR + 10, "token", **stop("write.begun", "ENOSPC"))
    assert done.code == 8, done.err
    assert renewals(own_provider) == 0
    assert later(own_home, _HOUR + 20, "token").code == 0


def heeding_modes() -> None:
    """In a child: without CAP_DAC_OVERRIDE (capabilities(7)) root too can write only if the mode allows it."""
    drop_from_bounding_set, override = 24, 1
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(drop_from_bounding_set, override, 0, 0, 0) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="modes are dropped for root by Linux's capabilities")
def test_a_read_only_home_does_not_spend_the_refresh_token(own_home: SignInHome, own_provider: OidcProvider) -> None:
    own_home.login()
    directories = [own_home.cache, *(path for path in own_home.cache.rglob("*") if path.is_dir())]
    for path in directories:
        path.chmod(0o500)
    own_home.world.clock_offset = _HOUR + 10
    own_provider.set_clock(_HOUR + 10)
    try:
        done = finished(own_home.python(LATER, str(_HOUR + 10), "token", preexec_fn=heeding_modes))
    finally:
        for path in directories:
            path.chmod(0o700)
    assert done.code == 8, done
    assert "cannot be" in done.err
    assert renewals(own_provider) == 0


def test_a_home_whose_sessions_cannot_be_written_does_not_spend_the_refresh_token(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    (path,) = (own_home.cache / "sessions").glob("*.json")
    content = path.read_bytes()
    elsewhere = own_home.path / "sessions"
    (own_home.cache / "sessions").rename(elsewhere)
    (own_home.cache / "sessions").symlink_to("/proc/self/fd")  # no user, not even root, can create a file there
    try:
        done = later(own_home, _HOUR + 10, "token")
    finally:
        (own_home.cache / "sessions").unlink()
        elsewhere.rename(own_home.cache / "sessions")
    assert done.code in (3, 8), done
    assert renewals(own_provider) == 0
    assert path.read_bytes() == content


def test_credentials_stay_usable_after_the_session_that_loaded_them(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    first = json.loads(later(own_home, 2500, "export").out)["AccessKeyId"]
    (path,) = (own_home.cache / "sessions").glob("*.json")
    rewritten(path, refresh_token="revoked")
    for ahead in (5000, 5100, 5900):  # renewals are due, and each finds the session ended
        assert json.loads(later(own_home, ahead, "export").out)["AccessKeyId"] == first
    assert len(own_provider.journal("refused")) == 1
    ended = later(own_home, 6200, "export")
    assert (ended.code, ended.out) == (3, "")
    assert "cognito-federation login --profile dev" in ended.err


def test_a_renewal_that_is_refused_without_a_reason_names_the_command_of_this_profile(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    own_provider.fault("/token", 404)
    done = later(own_home, _HOUR + 10, "token")
    assert done.code == 5
    assert done.err.endswith("Run: cognito-federation login --profile dev\n")
    assert later(own_home, _HOUR + 10, "token").code == 0


def test_logout_forgets_revokes_and_says_what_stays_valid(own_home: SignInHome, own_provider: OidcProvider) -> None:
    own_home.login()
    refresh_token = own_home.session_document()["refresh_token"]
    done = own_home.run("logout")
    assert done.code == 0
    assert "session corp: signed out ada@example.com" in done.err
    assert "AWS credentials that programs already have are valid until" in done.err
    assert own_provider.journal("grant revoked")
    assert refresh_token not in own_home.texts()
    assert own_home.run("credential-process").code == 3
    assert "no user was signed in" in own_home.run("logout", "--session", "corp").err


LOGOUT_AFTER_A_RENEWAL = """
import sys
from botocore_cognito_federation.sign_in import logout
take_away = logout.take_away
logout.take_away = lambda *places: take_away(*places) and None  # a renewal in flight has been quicker
sys.argv[1:] = ["logout"]
from botocore_cognito_federation.__main__ import main
main()
"""


def test_a_logout_revokes_the_token_although_a_renewal_has_removed_the_session_first(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    process = subprocess.run(
        [sys.executable, "-c", LOGOUT_AFTER_A_RENEWAL], env=own_home.environment(), capture_output=True, check=True
    )
    assert b"signed out" in process.stderr
    assert own_provider.journal("grant revoked")


def test_a_revocation_that_fails_still_forgets(own_home: SignInHome, own_provider: OidcProvider) -> None:
    own_home.login()
    own_provider.fault("/token/revocation", 503)
    done = own_home.run("logout")
    assert done.code == 0
    assert "forgotten here but not revoked" in done.err
    assert not list((own_home.cache / "sessions").glob("*.json"))


def test_no_revoke_leaves_the_grant_alone_and_all_takes_every_scope(
    own_home: SignInHome, own_provider: OidcProvider
) -> None:
    own_home.login()
    done = own_home.run("logout", "--all", "--no-revoke")
    assert "signed out ada@example.com" in done.err
    assert own_provider.journal("grant revoked") == []
    assert own_home.run("token").code == 3


def test_a_logout_wins_over_a_renewal_in_flight(
    own_home: SignInHome, own_provider: OidcProvider, tmp_path: Path
) -> None:
    own_home.login()
    go = tmp_path / "go"
    own_home.world.clock_offset = _HOUR + 10
    own_provider.set_clock(_HOUR + 10)
    held = stop("sessions.replaced", f"hold={go}")
    refreshing = own_home.python(LATER, str(_HOUR + 10), "export", variables=held)
    while renewals(own_provider) == 0:
        assert refreshing.poll() is None
        time.sleep(0.05)
    leaving = own_home.start("logout")
    epochs = own_home.cache / "generations"
    while not (epochs.is_dir() and list(epochs.glob("*.json"))):
        assert leaving.poll() is None
        time.sleep(0.05)
    go.touch()
    renewed, left = finished(refreshing), finished(leaving)
    assert left.code == 0, left.err
    assert renewed.code == 3, renewed
    assert renewed.out == ""
    assert "signed out" in renewed.err
    assert own_provider.journal("grant revoked"), left.err
    assert not list((own_home.cache / "sessions").glob("*.json"))


def cached_credentials(home: SignInHome) -> list[str]:
    return [path.read_text() for path in (home.cache / "credentials").glob("*.json")]


def let_ten_minutes_be_left(home: SignInHome) -> None:
    """Make the cached credentials usable, but due for renewal."""
    (path,) = (home.cache / "credentials").glob("*.json")
    rewritten(path, expires_at=time.time() + 600, issued_at=time.time() - 3000)


@pytest.mark.parametrize("usable_but_due", [False, True])
@pytest.mark.parametrize("point", ["exchange.done", "credentials.stored"])
def test_a_logout_wins_over_an_exchange_in_flight_and_over_the_processes_that_wait_for_it(
    own_home: SignInHome, world: World, tmp_path: Path, point: str, usable_but_due: bool
) -> None:
    own_home.login()
    if usable_but_due:
        let_ten_minutes_be_left(own_home)
    else:
        own_home.run("cache", "clear", "--credentials")
    begun, cached = len(world.calls("GetCredentialsForIdentity")), cached_credentials(own_home)
    go = tmp_path / "go"
    held = stop(point, f"hold={go}")
    waiting = own_home.start("credential-process", variables=held)
    while len(world.calls("GetCredentialsForIdentity")) == begun or (
        point == "credentials.stored" and cached_credentials(own_home) == cached
    ):
        assert waiting.poll() is None
        time.sleep(0.05)
    assert own_home.run("logout").code == 0
    go.touch()
    done = finished(waiting)
    assert (done.code, done.out) == (3, ""), done
    assert "Not signed in. Run: cognito-federation login --profile dev" in done.err
    assert cached_credentials(own_home) == []
    assert "SecretAccessKey" not in own_home.texts()


@pytest.mark.parametrize("options", [(), ("--credentials",), ("--all",)])
def test_clearing_the_cache_leaves_the_sign_in_so_that_no_refresh_token_is_lost_unrevoked(
    home: SignInHome, options: tuple[str, ...]
) -> None:
    home.login()
    before = home.run("credential-process").out
    done = home.run("cache", "clear", *options)
    assert (done.code, done.out) == (0, "")
    assert "The sign-in stays. To end it, run: cognito-federation logout" in done.err
    after = home.run("credential-process")
    assert after.code == 0
    assert after.out != before
