"""Two issuers with one redirect URI, of which one could present the other's answer as its own."""

from __future__ import annotations

import re

import pytest
from pytest_httpserver import HTTPServer

from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.oidc.authorization import loopback_redirect, redirect_uri_of_its_own
from tests.sign_in.home import SignInHome

pytestmark = pytest.mark.thorough


def add_other(home: SignInHome, issuer: str, **keys: str) -> None:
    """Add a second sign-in to the configuration, with the same default redirect URI."""
    section = {
        "cognito_identity_pool_id": home.world.pool_id,
        "cognito_provider": issuer.removeprefix("http://"),
        "cognito_issuer": issuer,
        "cognito_client_id": "other",
        **keys,
    }
    lines = ["[cognito-session other]", *(f"{key} = {value}" for key, value in section.items()), ""]
    home.config.write_text("\n".join([home.config.read_text(), *lines]))


@pytest.fixture
def other_issuer(httpserver: HTTPServer) -> str:
    """A provider that does not say whether it names itself in its answers."""
    issuer = httpserver.url_for("").removesuffix("/").replace("localhost", "127.0.0.1")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    document = {"issuer": issuer, **{name: f"{issuer}/{name}" for name in names}}
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_json(document)
    return issuer


def test_a_redirect_uri_shared_with_a_provider_that_does_not_name_itself_is_refused_with_the_one_to_register(
    home: SignInHome, other_issuer: str
) -> None:
    add_other(home, other_issuer)
    for refused in (
        home.login(),
        home.run("login", "--session", "other", "--no-browser"),
        home.run("login", "--remote"),
    ):
        assert refused.code == 4, refused
        assert f"{other_issuer} does not promise to name itself in its answers (RFC 9207)" in refused.err
        assert "/start/" not in refused.err
    named = re.search(r"and set cognito_redirect_uri = (\S+)", home.login().err)
    assert named is not None
    assert named[1] == redirect_uri_of_its_own(resolve(home.provider.issuer))
    home.write(cognito_redirect_uri=named[1])
    add_other(home, other_issuer)
    assert home.login().code == 0


@pytest.mark.parametrize(
    "keys",
    [
        {"cognito_redirect_uri": "http://localhost"},
        {"cognito_redirect_uri": "http://127.0.0.1/callback/other"},
        {"cognito_grant": "remote", "cognito_redirect_uri": "https://example.com/callback"},
    ],
)
def test_a_redirect_uri_that_is_not_shared_is_no_trouble(
    home: SignInHome, other_issuer: str, keys: dict[str, str]
) -> None:
    add_other(home, other_issuer, **keys)
    assert home.login().code == 0


def test_the_same_issuer_twice_and_one_that_cannot_be_asked_or_read_are_no_trouble(home: SignInHome) -> None:
    add_other(home, home.provider.issuer)
    home.config.write_text(home.config.read_text().replace("session other]", "session same]"))
    add_other(home, "http://127.0.0.1:9")
    home.config.write_text(f"{home.config.read_text()}\n[profile broken]\ncognito_nonsense = 1\n")
    assert home.login().code == 0


def test_a_digest_is_short_permanent_and_another_for_each_issuer() -> None:
    found = redirect_uri_of_its_own(resolve("corp.eu.auth0.com"))
    assert found == "http://127.0.0.1/callback/8417adacd912"
    assert redirect_uri_of_its_own(resolve("corp.eu.auth0.com", issuer="https://corp.eu.auth0.com/")) == found
    others = ["google", "facebook", "amazon", "corp2.eu.auth0.com", "login.microsoftonline.com/t/v2.0"]
    assert len({redirect_uri_of_its_own(resolve(name)) for name in others} | {found}) == 6
    assert loopback_redirect(found, (8400,)).uri(8400) == found.replace("/callback", ":8400/callback")
