from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.identity_providers import _NAMED, derive_login_key, resolve
from tests.home import ROOT

PAGE, PROVIDERS = ROOT / "docs" / "configuration.md", ROOT / "docs" / "providers" / "index.md"


@pytest.mark.parametrize(
    ("alias", "domain", "key", "token"),
    [
        ("google", "accounts.google.com", "accounts.google.com", "id_token"),
        ("facebook", "graph.facebook.com", "graph.facebook.com", "access_token"),
        ("amazon", "www.amazon.com", "www.amazon.com", "access_token"),
        ("apple", "appleid.apple.com", "appleid.apple.com", "id_token"),
        ("twitter", "api.twitter.com", "api.twitter.com", "access_token"),
        ("developer", "cognito-identity.amazonaws.com", None, "id_token"),
    ],
)
def test_an_alias_and_its_domain_are_one_provider(alias: str, domain: str, key: str | None, token: str) -> None:
    provider = resolve(alias)
    assert resolve(domain) == resolve(f"https://{domain}") == resolve(alias.upper()) == provider
    assert (provider.login_key, provider.token_kind) == (key, token)


@pytest.mark.parametrize("name", sorted(_NAMED))
def test_every_named_provider_is_found_by_its_name_and_stands_on_the_pages(name: str) -> None:
    assert resolve(name).name == name
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `cognito_provider`")
    )
    assert f"`{name}`" in row, "name the provider in the row of cognito_provider"
    page = PROVIDERS.read_text(encoding="utf-8")
    table = page[page.index("## Is my provider supported?") :].partition("\n## ")[0]
    assert f"`{name}`" in table, "give the provider a row in the table of providers"


@pytest.mark.parametrize(
    ("provider", "issuer", "key"),
    [
        ("corp.eu.auth0.com", "https://corp.eu.auth0.com", "corp.eu.auth0.com"),
        ("https://corp.eu.auth0.com/", "https://corp.eu.auth0.com/", "corp.eu.auth0.com"),
        ("sso.Example.com/realms/Dev", "https://sso.Example.com/realms/Dev", "sso.Example.com/realms/Dev"),
        ("sso.example.com:8443/realms/x/", "https://sso.example.com:8443/realms/x/", "sso.example.com:8443/realms/x"),
        ("http://127.0.0.1:3000/op", "http://127.0.0.1:3000/op", "127.0.0.1:3000/op"),
        ("http://[::1]:3000", "http://[::1]:3000", "[::1]:3000"),
    ],
)
def test_any_domain_or_issuer_is_a_provider_and_its_key_has_the_same_path_case_and_port(
    provider: str, issuer: str, key: str
) -> None:
    found = resolve(provider)
    assert (found.kind, found.issuer, found.login_key) == ("oidc", issuer, key)
    assert not found.issuer_is_exact


@given(st.text("abcXYZ09./:-", max_size=30))
def test_a_derived_key_loses_the_scheme_and_one_slash_and_nothing_else(rest: str) -> None:
    assert derive_login_key(f"https://{rest}/") == rest
    assert derive_login_key(f"https://{rest}") == rest.removesuffix("/")


def test_a_configured_issuer_is_exact_and_decides_the_key() -> None:
    found = resolve("127.0.0.1:3000", issuer="http://127.0.0.1:3000")
    assert (found.issuer, found.issuer_is_exact, found.login_key) == ("http://127.0.0.1:3000", True, "127.0.0.1:3000")


def test_a_configured_key_wins() -> None:
    assert resolve("corp.auth0.com", login_key="corp.auth0.com/").login_key == "corp.auth0.com/"


@pytest.mark.parametrize(
    ("pool", "issuer"),
    [
        ("eu-west-1_AbC", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC"),
        ("us-gov-west-1_AbC", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbC"),
        ("cn-north-1_AbC", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbC"),
    ],
)
def test_a_user_pool_has_its_issuer_and_key_from_its_id(pool: str, issuer: str) -> None:
    found = resolve("user-pool", user_pool_id=pool)
    assert (found.issuer, found.login_key) == (issuer, issuer.removeprefix("https://"))
    assert "offline_access" not in found.scopes
    assert resolve(issuer) == found


@pytest.mark.parametrize("pool", [None, "", "local_abc", "eu-west-1:x", "eu-west-1_", "eu-west-1_x/../y"])
def test_a_user_pool_without_a_proper_id_is_refused(pool: str | None) -> None:
    with pytest.raises(ConfigurationError, match="cognito_user_pool_id"):
        resolve("user-pool", user_pool_id=pool)


def test_saml_goes_by_the_arn_of_the_provider() -> None:
    arn = "arn:aws:iam::123456789012:saml-provider/Corp"
    assert resolve(arn) == resolve("saml", login_key=arn)
    assert resolve(arn).login_key == arn
    with pytest.raises(ConfigurationError, match="cognito_login_key"):
        resolve("saml")


def test_the_arn_of_an_oidc_provider_is_answered_with_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"Set cognito_provider = sso\.example\.com/realms/x"):
        resolve("arn:aws:iam::123456789012:oidc-provider/sso.example.com/realms/x")


@pytest.mark.parametrize(
    "provider",
    [
        "",
        "gogle",
        "http://sso.example.com",
        "https://x.example.com?a=b",
        "https://a@b.example",
        "x.example.com#f",
        "ftp://x.example.com",
        "x .example.com",
        "x.example.com/" + "y" * 128,
        "https://",
    ],
)
def test_what_is_no_provider_is_refused_with_a_remedy(provider: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(provider)
    assert caught.value.remedy


def test_an_issuer_for_a_provider_that_has_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no meaning"):
        resolve("facebook", issuer="https://facebook.example.com")


@pytest.mark.parametrize(
    "provider", ["apple", "twitter", "developer", "guest", "arn:aws:iam::123456789012:saml-provider/C"]
)
def test_where_sign_in_is_impossible_the_reason_is_said(provider: str) -> None:
    assert resolve(provider).no_sign_in_reason


def test_google_takes_an_ephemeral_port_and_offline_access_its_own_way() -> None:
    google = resolve("google")
    assert google.redirect_ports == (0,)
    assert google.authorization_parameters == (("access_type", "offline"),)
    assert google.accepted_issuers == ("https://accounts.google.com", "accounts.google.com")
    assert resolve("corp.auth0.com").redirect_ports == (8400, 18400)


def test_the_module_imports_nothing_heavy() -> None:
    program = (
        "import sys, botocore_cognito_federation.identity_providers as m; m.resolve('google');"
        "assert not {'requests', 'jwt', 'botocore', 'http.client'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
