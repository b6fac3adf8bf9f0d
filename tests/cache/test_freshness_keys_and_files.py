"""Freshness, keys and private files, by themselves."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation._util.files import read_private, write_private
from botocore_cognito_federation.cache.base import cache_key, credentials_key, identity_key
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.credentials import FederatedCredentials, is_fresh, is_usable, refresh_at, usable_until
from botocore_cognito_federation.login_token import Login, LoginToken

POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"


@given(
    issued=st.floats(1e9, 2e9),
    lifetime=st.floats(1, 43200),
    window=st.none() | st.integers(0, 43200),
    at=st.floats(0, 2),
)
def test_fresh_implies_usable_except_in_the_last_minute_and_nothing_is_usable_after_its_end(
    issued, lifetime, window, at
):
    credentials = FederatedCredentials("a", "b", "c", issued + lifetime, issued, "i")
    now = issued + lifetime * at
    assert usable_until(credentials) < credentials.expires_at
    assert refresh_at(credentials, None) <= usable_until(credentials)
    if is_fresh(credentials, window, now) or is_usable(credentials, now):
        assert now < credentials.expires_at
    if is_fresh(credentials, None, now):
        assert is_usable(credentials, now)
    assert is_fresh(credentials, window, issued + lifetime / 11), "no window makes each request an exchange"


PARTS = st.dictionaries(
    st.text(max_size=8), st.none() | st.text(max_size=8) | st.integers() | st.booleans(), max_size=4
)


@pytest.mark.thorough
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


@given(st.binary(max_size=5000))
def test_a_private_file_gives_back_what_was_written(tmp_path_factory, content):
    path = str(tmp_path_factory.mktemp("private") / "file")
    write_private(path, b"before")
    write_private(path, content)
    assert read_private(path, pytest.fail) == content
    assert os.listdir(os.path.dirname(path)) == ["file"]
