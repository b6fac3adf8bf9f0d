"""Writes the cache directory of this version: ``python -m tests.upgrade.make``.

It runs the command line as real processes against `stand_ins`, at a constant time, and puts the resulting home
directory under ``written_by/VERSION``. Run it once for each version that was released or changed the format of a file,
with the code of that version, and never again: the result is what users have. ``0.1.0`` was written by commit 9551216.
"""

from __future__ import annotations

import datetime
import json
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from botocore_cognito_federation import __version__
from tests.upgrade.old_home import BROWSER, HERE, WRITTEN, Done, OldHome, place_of
from tests.upgrade.stand_ins import CLIENT_SECRET, FAILING_POOL, POOL, REGION, StandIns, answering

MOMENT = datetime.datetime(2026, 11, 28, 12, 0, tzinfo=datetime.timezone.utc).timestamp()
CONFIG = f"""\
[profile dev]
region = {REGION}
cognito_session = corp
cognito_logins = partner

[profile partner]
region = {REGION}
cognito_session = partner

[profile left]
region = {REGION}
cognito_session = left

[profile failing]
region = {REGION}
cognito_session = corp
cognito_identity_pool_id = {FAILING_POOL}

[cognito-session corp]
cognito_identity_pool_id = {POOL}
cognito_provider = login.corp.example
cognito_client_id = corp-client
cognito_redirect_ports = 0
cognito_cache = {{cache}}

[cognito-session partner]
cognito_identity_pool_id = {POOL}
cognito_provider = login.partner.example
cognito_client_id = partner-client
cognito_redirect_ports = 0
cognito_cache = {{cache}}

[cognito-session left]
cognito_identity_pool_id = {POOL}
cognito_provider = login.partner.example
cognito_client_id = partner-client
cognito_redirect_ports = 0
cognito_cache = {{cache}}
"""


def succeeded(done: Done) -> Done:
    assert done.code == 0, done
    return done


def live_in(home: OldHome, cache: str, stand_ins: StandIns) -> dict[str, str]:
    """Sign in, link, sign out and fail, like a user; return the access key of each profile."""
    config = home.path / ".aws" / "config"
    config.parent.mkdir(mode=0o700, parents=True)
    config.write_text(CONFIG.format(cache=cache))
    browser = ("--browser-command", f"{shlex.join([sys.executable, '-c', BROWSER])} %s")
    succeeded(home.run("configure", "--profile", "dev", "--client-secret-stdin", stdin=CLIENT_SECRET + "\n"))
    # Without the path of this machine's command, which `configure` has written.
    config.write_text(CONFIG.format(cache=cache))
    for profile in ("left", "partner", "dev"):
        succeeded(home.run("login", "--profile", profile, *browser))
        if profile == "left":
            undone = {path: path.read_bytes() for path in (home.cache / "sessions").glob("*.json")}
            succeeded(home.run("logout", "--profile", "left"))
            # As after a renewal that is killed right after a sign-out has overtaken it.
            for path, content in undone.items():
                path.write_bytes(content)
    stand_ins.revoked.clear()
    succeeded(home.run("link", "--profile", "dev", "--yes"))
    # A note reports files that were open to others.
    for path in home.cache.rglob("*.json"):
        path.chmod(0o644)
    keys = {profile: home.credentials(profile)["AccessKeyId"] for profile in ("dev", "partner", "dev", "partner")}
    failed = home.run("credential-process", "--profile", "failing")
    assert failed.code == 7, failed
    return keys


def write_down(home: OldHome, cache: str, stand_ins: StandIns, keys: dict[str, str]) -> None:
    target = WRITTEN / __version__ / cache
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(home.path, target / "home", ignore=shutil.ignore_patterns("*.lock", "certificates"))
    for path in (target / "home").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(os.fsencode(home.path), HERE.encode()))
    facts = {
        "version": __version__,
        "moment": MOMENT,
        "place": place_of(home.cache),
        "refresh_tokens": stand_ins.refresh_tokens,
        "keys": stand_ins.keys(),
        "access_keys": keys,
    }
    (target / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")


def make(cache: str) -> None:
    stand_ins = StandIns(MOMENT)
    with tempfile.TemporaryDirectory() as folder, answering(stand_ins, Path(folder) / "certificates") as variables:
        home = OldHome(Path(folder), MOMENT, variables)
        write_down(home, cache, stand_ins, live_in(home, cache, stand_ins))


if __name__ == "__main__":
    for name in ("file", "keyring"):
        make(name)
