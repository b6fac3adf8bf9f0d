"""One rule for URLs, wherever they come from: https, or http to a literal loopback address without a proxy."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from botocore_cognito_federation import handlers
from botocore_cognito_federation._fast_path import CacheQuery
from botocore_cognito_federation.cli.credential_process import answer
from botocore_cognito_federation.config.keys import KEYS, BadValue
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.errors import ConfigurationError
from botocore_cognito_federation.identity_pool.aws import ask
from botocore_cognito_federation.identity_pool.client import Clients, make_client
from botocore_cognito_federation.identity_providers import resolve
from botocore_cognito_federation.user_pool import UserPool
from tests.home import Home
from tests.user_pool import wire as w

REFUSED = [
    "http://corp.example.com",
    "http://localhost.example.com",
    "http://10.0.0.7:8080",
    "http://169.254.169.254",
    "https://169.254.169.254",
    "https://[fe80::1]",
    "http://0.0.0.0:8080",
    "http://2130706433",
    "http://127.1",
    "https://user:secret@corp.example.com",
]
#: The setting of a URL -> the code that reads it.
PLACES: dict[str, Callable[[str], Any]] = {
    "cognito_endpoint_url": KEYS["endpoint_url"].read,
    "cognito_token_url": KEYS["token_url"].read,
    "cognito_issuer": KEYS["issuer"].read,
    "cognito_provider": resolve,
    "UserPool(endpoint_url)": lambda url: UserPool(w.POOL, w.CLIENT, endpoint_url=url),
    "UserPool(issuer)": lambda url: UserPool(w.POOL, w.CLIENT, issuer=url),
    "handlers.token_url": lambda url: handlers.token_url(url)(),
}
ISSUERS = ("cognito_issuer", "cognito_provider", "UserPool(issuer)")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("url", REFUSED)
def test_what_one_place_refuses_every_place_refuses(place: str, url: str) -> None:
    with pytest.raises((ConfigurationError, BadValue)) as caught:
        PLACES[place](url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ISSUERS])
def test_http_to_localhost_is_refused_with_the_address_to_write(place: str) -> None:
    with pytest.raises((ConfigurationError, BadValue), match="localhost") as caught:
        PLACES[place]("http://localhost:8080/path")
    written = caught.value.instead if isinstance(caught.value, BadValue) else caught.value.remedy
    assert "http://127.0.0.1:8080/path" in written


@pytest.mark.parametrize("place", ISSUERS)
@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"])
def test_an_issuer_may_be_called_localhost_because_its_documents_say_so(place: str, url: str) -> None:
    assert PLACES[place](url)


VARIABLES = {
    "AWS_ENDPOINT_URL": "AWS_ENDPOINT_URL, ",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY": "AWS_ENDPOINT_URL_COGNITO_IDENTITY, ",
}
KEYS_OF_BOTOCORE = {
    "endpoint_url": "endpoint_url of the profile",
    "services": r"endpoint_url in \[services local\]",
}


@pytest.mark.parametrize("url", ["http://corp.example.com", "http://localhost:4566"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_an_endpoint_in_a_variable_that_would_get_tokens_in_clear_is_refused_and_the_variable_named(
    inside: Home, monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    inside.profile("p", cognito_endpoint_url="", cognito_token_file=str(inside.token))
    monkeypatch.setenv(variable, url)
    with pytest.raises(ConfigurationError, match=f"^{VARIABLES[variable]}where calls to cognito-identity"):
        load_settings("p")
    if (variable, url) == ("AWS_ENDPOINT_URL", "http://corp.example.com"):  # a process takes the same way for each
        inside.ask("p", **{variable: url}).refused(4)
    assert answer(CacheQuery("p", os.environ))[0] == 4
    with pytest.raises(ConfigurationError, match=VARIABLES[variable]):
        make_client(botocore.session.Session(), "cognito-identity", region_name="eu-west-1")


@pytest.mark.parametrize("key", KEYS_OF_BOTOCORE)
def test_an_endpoint_in_the_config_file_that_would_get_tokens_in_clear_is_refused_and_the_key_named(
    inside: Home, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    inside.section("services local", cognito_identity="\n  endpoint_url = http://corp.example.com")
    value = {"endpoint_url": "http://corp.example.com", "services": "local"}[key]
    inside.profile("p", cognito_endpoint_url="", cognito_token_file=str(inside.token), **{key: value})
    with pytest.raises(ConfigurationError, match=KEYS_OF_BOTOCORE[key]):
        load_settings("p")
    with pytest.raises(ConfigurationError, match=KEYS_OF_BOTOCORE[key]):
        make_client(botocore.session.Session(profile="p"), "cognito-identity", region_name="eu-west-1")


@pytest.mark.parametrize("service", ["sts", "cognito-idp"])
def test_sts_and_user_pools_are_held_to_the_same_rule(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    name = {"sts": "STS", "cognito-idp": "COGNITO_IDENTITY_PROVIDER"}[service]
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", "http://corp.example.com")
    with pytest.raises(ConfigurationError, match=f"^AWS_ENDPOINT_URL_{name}, where calls to {service} would go"):
        make_client(botocore.session.Session(), service, region_name="eu-west-1")
    if service == "cognito-idp":
        with pytest.raises(ConfigurationError, match=name):
            UserPool(w.POOL, w.CLIENT).forgot_password("ada")


def test_an_endpoint_of_sts_matters_only_where_sts_is_called(inside: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://corp.example.com")
    assert load_settings("demo")
    role = "arn:aws:iam::123456789012:role/Further"
    inside.profile("further", cognito_token_file=str(inside.token), cognito_assume_role_arn=role)
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_STS"):
        load_settings("further")


def test_loopback_is_never_asked_by_proxy_by_botocore_either(inside: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert inside.federation().credentials()
    with w.serving() as wire:
        assert wire.pool(session=None).forgot_password("ada") is None
    session = botocore.session.Session()
    session.set_default_client_config(Config(proxies={"http": "http://127.0.0.1:9"}))
    clients = Clients(load_settings("demo"), lambda: session)
    assert clients.cognito_identity().get_id(IdentityPoolId=inside.world.guest_pool_id)


def test_other_hosts_use_the_proxies_of_the_session() -> None:
    session = botocore.session.Session()
    session.set_default_client_config(Config(proxies={"https": "http://127.0.0.1:9"}))
    client = make_client(session, "cognito-identity", region_name="eu-west-1")
    assert client.meta.config.proxies == {"https": "http://127.0.0.1:9"}


def test_a_request_that_leads_elsewhere_than_its_client_is_not_sent() -> None:
    """Endpoint rules, plugins and handlers of botocore's events may change the URL of each request."""
    client = make_client(botocore.session.Session(), "cognito-identity", region_name="eu-west-1")

    def turn(request: Any, **_: Any) -> None:
        request.url = "http://corp.example.com/"

    client.meta.events.register("request-created", turn)
    with pytest.raises(ConfigurationError, match="The endpoint that botocore has found is http to corp"):
        ask(client.get_id, {"IdentityPoolId": w.POOL, "Logins": {"accounts.google.com": "a" * 40}})
