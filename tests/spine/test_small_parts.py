"""The small parts by themselves: commands, freshness, diagnosis, keys, precedence, private files."""

from __future__ import annotations

import glob
import json
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation._util.files import read_private, write_private
from botocore_cognito_federation.cache.base import cache_key, credentials_key, identity_key
from botocore_cognito_federation.config.precedence import Layers, resolve
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.credentials import FederatedCredentials, is_fresh, is_usable, refresh_at, usable_until
from botocore_cognito_federation.errors import CognitoFederationError, Retry, TemporaryError, TokenRefreshError
from botocore_cognito_federation.identity_pool import errors as diagnosis
from botocore_cognito_federation.identity_pool.client import Login
from botocore_cognito_federation.login_token import MOST_CHARACTERS, LoginToken, unverified_claims
from botocore_cognito_federation.login_tokens.base import RefreshContext, parse_output
from botocore_cognito_federation.login_tokens.local import CommandTokenProvider, variables_of

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"


#: Seconds after which something counts as hanging, well under the 60 the commands below would take.
LIMIT = 30.0

# Token commands


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


def test_a_grandchild_that_holds_the_pipe_open_holds_nobody_up():
    with pytest.raises(TemporaryError, match=r"within 0.5 s"):
        run("sh -c 'sleep 60 & echo token'", 0.5)
    threads = {thread.name for thread in threading.enumerate()}
    with pytest.raises(TemporaryError):
        run("setsid sh -c 'sleep 2 & echo token'", 0.3)
    assert threads  # a session of its own cannot be ended by us; its reader is a daemon and ends with it


def children() -> set[str]:
    """The processes of the commands above; Linux only, elsewhere none is looked for."""
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


# Freshness


@given(
    issued=st.floats(1e9, 2e9),
    lifetime=st.floats(1, 43200),
    window=st.none() | st.integers(0, 43200),
    at=st.floats(0, 2),
)
def test_fresh_implies_alive_but_for_the_last_minute_and_nothing_lives_after_its_end(issued, lifetime, window, at):
    credentials = FederatedCredentials("a", "b", "c", issued + lifetime, issued, "i")
    now = issued + lifetime * at
    assert usable_until(credentials) < credentials.expires_at
    assert refresh_at(credentials, None) <= usable_until(credentials)
    if is_fresh(credentials, window, now) or is_usable(credentials, now):
        assert now < credentials.expires_at
    if is_fresh(credentials, None, now):
        assert is_usable(credentials, now)


# Diagnosis

FACTS = diagnosis.CallContext(
    pool=POOL,
    profile="p",
    login_key="idp",
    claims={"iss": "https://idp", "aud": "a", "exp": 5},
    identity_id="i",
    now=9.0,
)


@pytest.mark.parametrize("rule", diagnosis._RULES, ids=lambda rule: f"{rule.code}-{rule.part}"[:50])
def test_every_rule_is_reached_with_either_apostrophe_and_in_any_case(rule):
    code = rule.code or "AnyException"
    for apostrophe in ("'", "\N{RIGHT SINGLE QUOTATION MARK}"):
        message = f"Well: {rule.part}".upper().replace("'", apostrophe)
        found = diagnosis.explain(code, message, 400, FACTS)
        assert found.retry is rule.retry
        assert "{" not in found.cause + found.remedy
        if "expired" not in rule.part and rule.code != "ExpiredToken":
            assert found.cause == rule.cause.format_map(FACTS.words())


@pytest.mark.parametrize("end", [10**400, float("inf"), float("nan"), -1, True, "soon", None, [1]])
def test_an_expiry_that_is_no_time_is_survived(end):
    from dataclasses import replace

    facts = replace(FACTS, claims={"exp": end}, server_time=1_800_000_000.0)
    found = diagnosis.explain("NotAuthorizedException", "Invalid login token. Token is expired.", 400, facts)
    assert found.retry is Retry.TOKEN
    assert "expired" in found.cause


@given(code=st.text(), message=st.text(max_size=400), status=st.integers(0, 999))
def test_whatever_a_service_says_there_is_one_printable_line(code, message, status):
    found = diagnosis.explain(code, message, status, FACTS)
    line = CognitoFederationError(found.cause, remedy=found.remedy).line
    assert "\n" not in line
    assert "\x1b" not in diagnosis.explain("Odd", message, status, FACTS).cause


# What token sources say


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_claims_that_are_not_plain_utf_8_are_no_claims(encoding):
    import base64

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


# Keys

PARTS = st.dictionaries(
    st.text(max_size=8), st.none() | st.text(max_size=8) | st.integers() | st.booleans(), max_size=4
)


@given(PARTS, PARTS)
def test_different_parts_have_different_keys(one, other):
    def plain(parts):
        return {name: "" if value is None else str(value) for name, value in parts.items()}

    assert (cache_key(one) == cache_key(other)) == (plain(one) == plain(other))


CHANGES = {
    "identity_pool_id": "eu-west-1:2",
    "endpoint": "http://127.0.0.1:1",
    "fips": True,
    "dual_stack": True,
    "account_id": "123456789012",
    "role_arn": "arn:aws:iam::123456789012:role/x",
    "flow": "basic",
    "duration_seconds": 900,
    "role_session_name": "me",
    "assume_role_arn": "arn:aws:iam::123456789012:role/y",
    "identity_id": "eu-west-1:3",
}


@pytest.mark.parametrize("name", CHANGES)
def test_everything_that_shapes_credentials_is_in_their_key(name):
    login = Login("idp", LoginToken("t", claims={"sub": "ada"}))
    plain, changed = Settings(POOL), Settings(**{"identity_pool_id": POOL, name: CHANGES[name]})
    assert credentials_key(plain, login) != credentials_key(changed, login)


@pytest.mark.parametrize(
    ("more", "matters"),
    [({}, False), ({"flow": "basic"}, True), ({"assume_role_arn": "arn:aws:iam::123456789012:role/y"}, True)],
    ids=["enhanced", "basic", "assumed role"],
)
def test_the_endpoint_of_sts_is_in_the_key_where_sts_is_asked(more, matters):
    here, there = (Settings(POOL, sts_endpoint=url, **more) for url in (None, "http://127.0.0.1:1"))
    assert (credentials_key(here, None) != credentials_key(there, None)) is matters


def test_logins_with_different_keys_subjects_or_opaque_tokens_have_different_keys():
    logins = [
        None,
        Login("idp", LoginToken("t", claims={"sub": "ada"})),
        Login("idp", LoginToken("t", claims={"sub": "bob"})),
        Login("idp2", LoginToken("t", claims={"sub": "ada"})),
        Login("idp", LoginToken("opaque-1")),
        Login("idp", LoginToken("opaque-2")),
    ]
    for key in (credentials_key, identity_key):
        assert len({key(Settings(POOL), login) for login in logins}) == len(logins)
    assert credentials_key(Settings(POOL), None) != identity_key(Settings(POOL), None)


# Precedence

LAYERS = ("flags", "environ", "profile", "session")


@given(st.sets(st.sampled_from(LAYERS), min_size=1), st.sampled_from(["client_id", "username", "login_key"]))
def test_flag_before_variable_before_profile_before_session(present, name):
    full_config = {
        "profiles": {"p": {"cognito_session": "s", "cognito_identity_pool_id": POOL, "cognito_provider": "google"}},
        "cognito-session s": {},
    }
    if "profile" in present:
        full_config["profiles"]["p"][f"cognito_{name}"] = "of-profile"
    if "session" in present:
        full_config["cognito-session s"][f"cognito_{name}"] = "of-session"
    layers = Layers(
        profile="p",
        full_config=full_config,
        config_file="config",
        environ={f"COGNITO_FEDERATION_{name.upper()}": "of-environ"} if "environ" in present else {},
        flags={name: "of-flags"} if "flags" in present else {},
    )
    first = next(layer for layer in LAYERS if layer in present)
    settings = resolve(layers)
    value = settings.provider.login_key if name == "login_key" else getattr(settings, name)
    assert value == f"of-{first}"
    assert settings.origin(name).layer == {"flags": "flag", "environ": "environment"}.get(first, first)


# Private files


@given(st.binary(max_size=5000))
def test_a_private_file_gives_back_what_was_written(tmp_path_factory, content):
    path = str(tmp_path_factory.mktemp("private") / "file")
    write_private(path, b"before")
    write_private(path, content)
    assert read_private(path, pytest.fail) == content
    assert os.listdir(os.path.dirname(path)) == ["file"]
