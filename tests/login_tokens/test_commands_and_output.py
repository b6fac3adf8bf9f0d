"""The output of commands and other sources: read completely, in time, and never quoted."""

from __future__ import annotations

import base64
import glob
import json
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation.errors import TemporaryError, TokenRefreshError
from botocore_cognito_federation.login_token import MOST_CHARACTERS, LoginToken, parse_output, unverified_claims
from botocore_cognito_federation.login_tokens.base import RefreshContext
from botocore_cognito_federation.login_tokens.local import CommandTokenProvider, variables_of

#: Seconds after which a call counts as hanging, well under the 60 that the commands below would take.
LIMIT = 30.0


def run(command: str, limit: float = 30.0) -> LoginToken:
    source = CommandTokenProvider(
        command, field=None, environ=lambda: dict(os.environ), clock=time.time, time_limit=limit
    )
    return source.fetch(RefreshContext())


@pytest.mark.parametrize("command", ["sleep 60", "sh -c 'exec >&-; sleep 60'", "sh -c 'sleep 60 & echo token; wait'"])
def test_a_command_that_hangs_is_ended_with_all_that_it_started(command):
    before = children()
    with pytest.raises(TemporaryError, match=r"within 0.3 s"):
        run(command, 0.3)
    deadline = time.monotonic() + LIMIT
    while not children() <= before:  # the kernel takes a moment to end what was killed
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.thorough
def test_a_grandchild_that_holds_the_pipe_open_delays_nothing():
    with pytest.raises(TemporaryError, match=r"within 0.5 s"):
        run("sh -c 'sleep 60 & echo token'", 0.5)
    threads = {thread.name for thread in threading.enumerate()}
    with pytest.raises(TemporaryError):
        run("setsid sh -c 'sleep 2 & echo token'", 0.3)
    assert threads  # a separate session cannot be ended from here; its reader is a daemon and ends with it


def children() -> set[str]:
    """Return the processes of the commands above; Linux only, elsewhere none."""
    return {path for path in glob.glob("/proc/[0-9]*/cmdline") if words_of(path) == b"sleep\x0060\x00"}


def words_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_the_whole_of_a_long_output_is_read_and_a_token_in_json_is_found():
    assert run("printf 'a%.0s' " + " ".join(["x"] * 3000)).value == "a" * 3000
    assert run("""echo '{"token": "abc", "expires_at": 1900000000, "identity_id": "i"}'""").identity_id == "i"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_claims_that_are_not_plain_utf_8_are_no_claims(encoding):
    def token(text, coding):
        parts = (json.dumps(part).encode(coding) for part in ({"alg": "RS256"}, text))
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".c2ln"

    good = token({"sub": "ada"}, "utf-8")
    assert unverified_claims(good) == {"sub": "ada"}
    assert unverified_claims(token({"sub": "ada"}, encoding)) is None
    head, claims, signature = good.split(".")
    assert unverified_claims(f"{head}.{claims}=.{signature}") is None


@given(st.text() | st.text('{}":, token0123456789eE.\\u', max_size=60))
def test_whatever_a_source_says_it_is_a_usable_token_or_a_clear_error(text):
    try:
        token = parse_output(text, source="The source", field=None, now=1.8e9)
    except TokenRefreshError as error:
        line = error.line
    else:
        line = "The source"
        assert 0 < len(token.value) <= MOST_CHARACTERS
        assert token.value.isascii()
        assert " " not in token.value
    assert "The source" in line
    assert "\n" not in line


@given(st.binary(max_size=200))
def test_an_error_about_output_never_quotes_it(raw):
    text = "hunter2 \x00" + raw.decode("latin-1")
    with pytest.raises(TokenRefreshError) as error:
        parse_output(text, source="S", field=None, now=1.8e9)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/run/token", ()),
        ("$A/${B}/$A", ("A", "B")),
        ("~/x", ("HOME",)),
        ("~/$HOME", ("HOME",)),
        ("/a$", ()),
        ("/a/~", ()),
    ],
)
def test_the_variables_of_a_path_are_those_that_expanding_it_reads(path, names):
    assert set(variables_of(path)) == set(names)
