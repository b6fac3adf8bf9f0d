"""Renewals on a full or nearly full disk: the refresh token is used only if there is space for its successor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import LATER, Result, SignInHome, later, renewals
from tests.stopping import stop

pytestmark = pytest.mark.thorough

_HOUR = 3600
#: Mounts a small disk over the cache, fills it except for a number of blocks, runs a command, and saves what the disk
#: holds.
_ON_A_SMALL_DISK = """
cache=$1 beside=$2 free=$3; shift 3
cp -a "$cache/." "$beside/" && mount -t tmpfs -o size=512k,mode=700 none "$cache" || exit 99
cp -a "$beside/." "$cache/" || exit 98
dd if=/dev/zero of="$cache/filling" bs=4096 2>/dev/null
blocks=$(( $(stat -c %s "$cache/filling") / 4096 ))
truncate -s $(( (blocks - free) * 4096 )) "$cache/filling" || exit 99
"$@"; code=$?
rm "$cache/filling"; rm -rf "$beside"; mkdir -m 700 "$beside"; cp -a "$cache/." "$beside/"
exit $code
"""


def on_a_small_disk(home: SignInHome, tmp_path: Path, free: int, ahead: float, *words: str) -> Result:
    """Run `later` with a number of free blocks in the cache."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can mount a small disk, in a mount namespace (unshare)")
    home.world.clock_offset = ahead
    home.provider.set_clock(ahead)
    saved = tmp_path / "beside"
    shutil.rmtree(saved, ignore_errors=True)
    saved.mkdir(mode=0o700)
    command = [sys.executable, "-c", LATER, str(ahead), *words]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", _ON_A_SMALL_DISK, "sh", str(home.cache), str(saved), str(free), *command],
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 99:
        pytest.skip("nothing may be mounted here")
    shutil.rmtree(home.cache)
    saved.rename(home.cache)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a small disk is mounted as Linux does it")
def test_with_any_number_of_free_blocks_the_sign_in_survives_a_renewal(
    home: SignInHome, provider: OidcProvider, tmp_path: Path
) -> None:
    home.login()
    ahead, spent, codes = _HOUR + 10, renewals(provider), []
    for free in (0, 1, 2, 3, 4, 5, 7, 10):
        # The discovery documents have expired too, and need their own space.
        shutil.rmtree(home.cache / "documents", ignore_errors=True)
        done = on_a_small_disk(home, tmp_path, free, ahead, "token")
        codes.append(done.code)
        assert "Traceback" not in done.err
        if done.code:
            assert renewals(provider) == spent, (free, done)
        assert not list((home.cache / "sessions").glob("*.tmp-*"))
        spent = renewals(provider)
        ahead += _HOUR + 10
        assert later(home, ahead, "token").code == 0, free  # the session from the disk can be renewed
        spent = renewals(provider)
        ahead += _HOUR + 10
    assert codes[0] == 8
    assert codes[-1] == 0


@pytest.mark.parametrize("failure", ["ENOSPC", "EDQUOT", "EROFS", "EIO"])
def test_a_disk_that_refuses_is_said_and_spends_nothing(home: SignInHome, provider: OidcProvider, failure: str) -> None:
    home.login()
    before = renewals(provider)
    done = later(home, _HOUR + 10, "token", **stop("write.begun", failure))
    assert done.code == 8, done
    assert os.strerror(getattr(__import__("errno"), failure)) in done.err
    assert renewals(provider) == before
    assert later(home, _HOUR + 20, "token").code == 0


def test_what_a_killed_write_has_left_of_a_sign_in_goes_with_the_logout(home: SignInHome) -> None:
    home.login()
    killed = later(home, _HOUR + 10, "token", **stop("sessions.replaced", "kill"))
    assert killed.code == -9
    (session,) = (home.cache / "sessions").glob("*.json")
    leftover = session.with_name(f"{session.name}.tmp-0123456789ab")
    leftover.write_text("TOPSECRET")
    leftover.chmod(0o600)
    assert home.run("logout").code == 0
    assert "TOPSECRET" not in home.texts()


def test_after_logout_all_nothing_is_left_of_a_sign_in_that_is_damaged(home: SignInHome) -> None:
    home.login()
    (session,) = (home.cache / "sessions").glob("*.json")
    session.write_bytes(session.read_bytes()[:-10])
    refresh_token = session.read_text().partition('"refresh_token":"')[2].partition('"')[0]
    assert refresh_token
    assert home.run("logout", "--all").code == 0
    assert refresh_token not in home.texts()
