"""``status --check``: answers from the cache without botocore, and the same as the full path."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from botocore_cognito_federation.cache.base import SESSIONS
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.demo.serve import find_executable
from tests.home import Home, finished

pytestmark = pytest.mark.thorough


def check(home: Home, profile: str = "demo", **variables: str) -> tuple[int, bool]:
    """Return the exit code of ``status --check``, and whether it needed more than the cache."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", find_executable(), "status", "--check", "--profile", profile],
        env=home.environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home.path,
    )
    done = finished(process)
    assert done.out == b""
    imported = set(re.findall(r"^import time: .*\| +(\S+)$", done.err.decode(), re.MULTILINE))
    long = "click" in imported
    if not long:
        assert imported.isdisjoint({"botocore", "configparser", "botocore_cognito_federation.errors"})
    return done.code, long


@pytest.fixture
def asking(inside: Home) -> Home:
    """A home with a profile for interactive sign-in, whose user is not signed in."""
    inside.profile("people", cognito_client_id="c")
    inside.cache.mkdir(mode=0o700)
    return inside


def sign_in(home: Home, *, refresh_token: str | None = None, lifetime: float = 3600) -> None:
    settings, store = load_settings("people"), FileStore(str(home.cache))
    sessions = Sessions(settings, store)
    sessions.write(
        Session(
            sign_in_id="1",
            subject="ada",
            user={},
            login_token=home.world.provider.issue("ada"),
            token_expires_at=time.time() + lifetime,
            refresh_token=refresh_token,
            device_key=None,
            signed_in_at=time.time(),
            sign_out_epoch=sessions.sign_out_epoch(),
        )
    )


def test_usable_credentials_are_the_answer(home: Home) -> None:
    assert check(home) == (0, True)
    home.ask()
    assert check(home) == (0, False)
    assert check(home, AWS_CONFIG_FILE=os.devnull) == (4, True)


def test_while_the_user_is_not_signed_in_the_second_check_is_quick(asking: Home) -> None:
    assert check(asking, "people") == (3, True)
    assert check(asking, "people") == (3, False)
    sign_in(asking)
    assert check(asking, "people") == (0, True)
    assert check(asking, "people") == (0, False)
    assert asking.run("logout", "--profile", "people").code == 0
    assert check(asking, "people") == (3, True)
    assert check(asking, "people") == (3, False)


def test_a_sign_in_that_ends_is_not_taken_for_one_afterwards(asking: Home) -> None:
    sign_in(asking, lifetime=1.5)
    first = check(asking, "people")
    while first[0] == 0 and check(asking, "people")[0] == 0:
        time.sleep(0.1)
    assert check(asking, "people")[0] == 3


def test_a_changed_configuration_is_a_reason_to_look(asking: Home) -> None:
    sign_in(asking, refresh_token="r")
    assert [check(asking, "people"), check(asking, "people")] == [(0, True), (0, False)]
    asking.config.write_text(asking.config.read_text().replace("cognito_client_id = c", "cognito_client_id = d"))
    assert check(asking, "people")[1]


def test_where_nothing_is_cached_nothing_is_created(home: Home) -> None:
    home.profile("people", cognito_client_id="c")
    assert check(home, "people") == (3, True)
    assert not home.cache.exists()


@pytest.mark.parametrize("content", [b"", b"\xff" * 99, b"botocore-cognito-federation answer 3\n0\n"])
def test_a_damaged_file_is_a_reason_to_look(asking: Home, content: bytes) -> None:
    check(asking, "people")
    (path,) = Path(asking.cache / "answers").glob("*.check")
    path.write_bytes(content)
    assert check(asking, "people") == (3, True)
    assert check(asking, "people") == (3, False)
    assert (asking.cache / SESSIONS).exists() is False
