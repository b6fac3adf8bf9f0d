"""One sign-in, clicked through in a real browser, that is enough for clients for weeks; all clocks move together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.servers import oidc_provider
from tests.servers.moved_clock import MovedClock
from tests.servers.oidc_provider import OidcProvider
from tests.sign_in.home import Result, SignInHome, finished, renewals

pytestmark = pytest.mark.slow

_CLICK_THROUGH = Path(__file__).with_name("click_through.py")
_HOUR = 3600
_DAY = 86_400
#: The lifetime of an ID token and of AWS credentials in seconds: forty times this is less than a day (see
#: `MovedClock`).
_LIFE = 1800
#: Lists the buckets once for each line it reads, and prints its key.
_CLIENT = """
import json, sys, boto3
if sys.argv[1] == "natively":
    import botocore_cognito_federation
    botocore_cognito_federation.install()
session = boto3.Session()
s3 = session.client("s3")
for _ in sys.stdin:
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    credentials = session.get_credentials()
    print(json.dumps([credentials.method, credentials.get_frozen_credentials().access_key, names]), flush=True)
"""


@pytest.fixture
def provider(world: World) -> Iterator[OidcProvider]:
    """A provider with rotation and reuse detection; refresh tokens are valid for 30 days, grants for a year."""
    lives = {"OP_TTL_ID": _LIFE, "OP_TTL_RT": 30 * _DAY, "OP_TTL_GRANT": 365 * _DAY}
    with oidc_provider.running(**{name: str(life) for name, life in lives.items()}) as server:
        world.trust_issuer(server.issuer, ["native"])
        world.credential_lifetime = _LIFE
        yield server
        world.credential_lifetime = 3600


@pytest.fixture
def clock(home: SignInHome, tmp_path: Path) -> MovedClock:
    """The variables of every process of the home; its profile also has a ``credential_process``."""
    clock = MovedClock(tmp_path / "ahead")
    home.environ |= clock.environment()
    home.profile_keys = {"credential_process": helper("dev")}
    home.write()
    return clock


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The directory for the browser's pictures; with PICTURES it is not deleted."""
    folder = Path(os.environ.get("PICTURES") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.txt").unlink(missing_ok=True)
    return folder


def let_pass(home: SignInHome, clock: MovedClock, seconds: float) -> None:
    """Move the clock for every process of the home, the provider and AWS."""
    ahead = clock.advance(seconds)
    home.world.clock_offset = ahead
    home.provider.set_clock(ahead)


def click_through(home: SignInHome, pictures: Path, name: str, title: str, *options: str, user: str = "ada") -> Result:
    """Run `login` with Chromium as the browser."""
    browser = f"{sys.executable} {_CLICK_THROUGH} {pictures} {user} {name} '{title}' %s"
    return finished(home.start("login", "--browser-command", browser, *options, variables={"LD_PRELOAD": ""}))


def last_page(pictures: Path) -> str:
    """Return the browser's last page; the browser closes after the command."""
    for _ in range(600):
        if (pictures / "page.txt").exists():
            return (pictures / "page.txt").read_text()
        time.sleep(0.1)
    raise AssertionError("the browser did not come to its last page")


def client(home: SignInHome, how: str, profile: str = "dev") -> subprocess.Popen[str]:
    return home.python(_CLIENT, how, stdin=subprocess.PIPE, variables={"AWS_PROFILE": profile})


def helper(profile: str) -> str:
    return f"{find_executable()} credential-process --profile {profile}"


def ask(*clients: subprocess.Popen[str]) -> list[tuple[str, str]]:
    """Make the clients list the buckets, all at once; return how each got its credentials, and which."""
    for one in clients:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    found = []
    for one in clients:
        assert one.stdout is not None
        line = one.stdout.readline()
        assert line, finished(one)
        method, key, names = json.loads(line)
        assert names, "no bucket"
        found.append((method, key))
    return found


def test_from_a_click_in_the_browser_to_list_buckets_and_an_hour_later_and_three_weeks_later(
    home: SignInHome, provider: OidcProvider, clock: MovedClock, pictures: Path, world: World
) -> None:
    done = click_through(home, pictures, "login-success", "You are signed in")
    assert done.code == 0, done.err
    assert "Signed in as Ada (ada@example.com), session corp" in done.err
    assert "Signed in as Ada (ada@example.com)." in last_page(pictures)
    keys = set()
    for number, seconds in enumerate((0, _HOUR + 10, 21 * _DAY)):
        let_pass(home, clock, seconds)
        with client(home, "by process") as one:
            keys |= {ask(one)[0][1]}
            one.communicate()
        assert renewals(provider) == number
    assert len(keys) == 3
    assert len(world.calls("GetCredentialsForIdentity")) == 3
    assert len(world.calls("GetId")) == 1


def test_another_user_who_clicks_through_reads_why_they_are_not_signed_in(
    home: SignInHome, provider: OidcProvider, clock: MovedClock, pictures: Path
) -> None:
    assert home.login().code == 0
    done = click_through(home, pictures, "login-failure", "The sign-in did not finish", user="grace")
    assert done.code == 5
    refusal = "Grace (grace@example.com) signed in, but ada@example.com is signed in here (session corp)"
    assert refusal in done.err
    page = last_page(pictures)
    assert refusal in page
    assert "add --force" in page
    assert home.session_document()["subject"] == "ada"


def test_forty_expiries_met_by_eight_processes_at_once_spend_one_refresh_token_each(
    home: SignInHome, provider: OidcProvider, clock: MovedClock, world: World
) -> None:
    # Two profiles share the sign-in but not the pool: two exchanges at once, each waiting for the same ID token.
    other = [
        f"cognito_identity_pool_id = {world.add_pool(authenticated_role=world.authenticated_role_arn)}",
        f"credential_process = {helper('other')}",
    ]
    lines = ["[profile other]", "region = eu-west-1", "cognito_session = corp", *other, ""]
    home.config.write_text("\n".join([home.config.read_text(), *lines]))
    assert home.login().code == 0
    with ExitStack() as stack:
        clients = []
        for profile in ("dev", "other"):
            for how in ("natively", "natively", "natively", "by process"):
                clients.append(client(home, how, profile))
                stack.enter_context(clients[-1])
                stack.callback(clients[-1].kill)
        first = ask(*clients)
        assert {method for method, _ in first} == {"cognito-federation", "custom-process"}
        keys = {key for _, key in first}
        for number in range(1, 41):
            let_pass(home, clock, _LIFE + 10)
            keys |= {key for _, key in ask(*clients)}
            assert renewals(provider) == number
            assert len(keys) == 2 * (number + 1)
    assert len(world.calls("GetCredentialsForIdentity")) == 2 * 41
    assert provider.journal("refused") == []
    assert provider.journal("grant revoked") == []
    let_pass(home, clock, _LIFE + 10)
    assert home.run("token").code == 0
    assert renewals(provider) == 41
