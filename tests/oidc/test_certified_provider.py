"""Against the OpenID-certified oidc-provider, with a scripted browser that fills in its pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from botocore_cognito_federation._util.concurrency import Clock
from botocore_cognito_federation.errors import ConfigurationError, SignInFailedError, TemporaryError
from botocore_cognito_federation.oidc.authorization import Redirect, loopback_redirect
from botocore_cognito_federation.oidc.client import AuthenticationResult, OIDCClient, SignInPrompt
from botocore_cognito_federation.oidc.flows import sign_in_with_device, sign_in_with_paste
from botocore_cognito_federation.oidc.tokens import GrantEndedError, refresh_tokens, revoke
from tests.oidc.person import Person
from tests.oidc.person import sign_in as sign_in_at
from tests.servers import oidc_provider
from tests.servers.oidc_provider import OidcProvider
from tests.servers.oidc_provider.browser import ScriptedBrowser

pytestmark = pytest.mark.thorough

EPHEMERAL = Redirect("127.0.0.1", "/callback", (0,))
SECRET = "s3cret with spaces & signs/+%"
MakeClient = Callable[..., OIDCClient]


def ada() -> Person:
    return Person(ScriptedBrowser())


def sign_in(oidc_client: OIDCClient, person: Person, redirect: Redirect = EPHEMERAL) -> AuthenticationResult:
    return sign_in_at(oidc_client, person, redirect)


@pytest.fixture
def signed_in(certified: OidcProvider, make_client: MakeClient) -> tuple[OIDCClient, AuthenticationResult]:
    oidc_client = make_client(certified.issuer, "native")
    return oidc_client, sign_in(oidc_client, ada())


def test_code_and_pkce_sign_in_with_a_refresh_token_in_one_tab(
    certified: OidcProvider, make_client: MakeClient
) -> None:
    person = ada()
    found = sign_in(make_client(certified.issuer, "native"), person)
    assert (found.subject, found.claims["email"]) == ("ada", "ada@example.com")
    assert found.refresh_token
    assert "Signed in as <strong>Ada (ada@example.com)</strong>" in person.page()
    assert [url for url in person.browser.visited if "/start/" in url] == person.browser.visited[:1]


@pytest.mark.parametrize("uri", ["http://localhost", "http://localhost/callback", "http://[::1]/callback"])
def test_other_loopback_redirects_work(certified: OidcProvider, make_client: MakeClient, uri: str) -> None:
    try:
        found = sign_in(make_client(certified.issuer, "native"), ada(), loopback_redirect(uri, (0,)))
    except SignInFailedError as failure:
        if "::1" in uri and "cannot be listened on" in str(failure):
            pytest.skip("this machine has no IPv6 loopback")
        raise
    assert found.subject == "ada"


def test_refreshes_rotate_and_each_is_verified(signed_in: tuple[OIDCClient, AuthenticationResult]) -> None:
    oidc_client, current = signed_in
    seen = {current.refresh_token}
    for _ in range(5):
        current = refresh_tokens(oidc_client, current.refresh_token or "", subject="ada")
        assert current.rotated
        assert current.id_token
        assert current.refresh_token not in seen
        seen.add(current.refresh_token)


def test_a_refresh_token_used_twice_ends_the_whole_grant(signed_in: tuple[OIDCClient, AuthenticationResult]) -> None:
    oidc_client, first = signed_in
    second = refresh_tokens(oidc_client, first.refresh_token or "")
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(GrantEndedError, match="invalid_grant") as caught:
            refresh_tokens(oidc_client, token or "")
        assert caught.value.error_code == "invalid_grant"


def test_a_provider_that_fails_once_leaves_the_refresh_token_valid(
    certified: OidcProvider, signed_in: tuple[OIDCClient, AuthenticationResult]
) -> None:
    oidc_client, current = signed_in
    certified.fault("/token", 503, retry_after=3)
    with pytest.raises(TemporaryError, match="asks to wait 3 seconds"):
        refresh_tokens(oidc_client, current.refresh_token or "")
    assert refresh_tokens(oidc_client, current.refresh_token or "").subject == "ada"


def test_revocation_ends_the_grant(certified: OidcProvider, signed_in: tuple[OIDCClient, AuthenticationResult]) -> None:
    oidc_client, current = signed_in
    assert revoke(oidc_client, current.refresh_token or "").revoked
    with pytest.raises(GrantEndedError):
        refresh_tokens(oidc_client, current.refresh_token or "")
    assert revoke(oidc_client, current.refresh_token or "").revoked  # RFC 7009: an unknown token is revoked already


def test_cancelling_at_the_provider_is_a_failed_sign_in_with_its_page(
    certified: OidcProvider, make_client: MakeClient
) -> None:
    person = Person(ScriptedBrowser(cancels=True))
    with pytest.raises(SignInFailedError, match="access_denied"):
        sign_in(make_client(certified.issuer, "native"), person)
    assert "access_denied" in person.page()


def test_a_confidential_client_signs_in_and_a_wrong_secret_is_a_configuration_error(
    certified: OidcProvider, make_client: MakeClient
) -> None:
    assert sign_in(make_client(certified.issuer, "confidential", SECRET), ada()).subject == "ada"
    person = ada()
    with pytest.raises(ConfigurationError, match="invalid_client"):
        sign_in(make_client(certified.issuer, "confidential", "wrong"), person)
    assert "does not take this client" in person.page()


def test_pasting_the_redirected_address_signs_in_with_a_refresh_token(
    certified: OidcProvider, make_client: MakeClient
) -> None:
    def ask(prompt: SignInPrompt) -> str:
        browser = ScriptedBrowser()
        with pytest.raises(requests.ConnectionError):  # nothing listens there: that is the purpose of --remote
            browser.open(prompt.url)
        return browser.visited[-1]

    found = sign_in_with_paste(make_client(certified.issuer, "native"), "http://127.0.0.1:9/callback", ask=ask)
    assert found.subject == "ada"
    assert found.refresh_token


@pytest.mark.parametrize(("client", "secret"), [("native", None), ("confidential", SECRET)])
def test_a_device_signs_in_once_the_code_is_entered(
    certified: OidcProvider, make_client: MakeClient, patient: Clock, client: str, secret: str | None
) -> None:
    def enter(prompt: SignInPrompt) -> None:
        assert prompt.complete_url is not None
        assert prompt.user_code is not None
        assert ScriptedBrowser(login="grace").open(prompt.complete_url).status_code == 200

    oidc_client = make_client(certified.issuer, client, secret, clock=patient)
    found = sign_in_with_device(oidc_client, announce=enter)
    assert found.subject == "grace"
    assert refresh_tokens(oidc_client, found.refresh_token or "", subject="grace").rotated


def test_an_unconfirmed_device_is_polled_until_the_limit(
    certified: OidcProvider, make_client: MakeClient, patient: Clock
) -> None:
    with pytest.raises(SignInFailedError, match="The code was not entered within 21 seconds"):
        sign_in_with_device(
            make_client(certified.issuer, "native", clock=patient), announce=lambda prompt: None, timeout=21
        )


def test_a_realm_with_a_path_and_without_rotation_works_too(make_client: MakeClient) -> None:
    with oidc_provider.running(OP_PREFIX="/realms/x", OP_ROTATE="false") as realm:
        oidc_client = make_client(realm.issuer, "native")
        assert oidc_client.provider.login_key == realm.issuer.removeprefix("http://")
        found = sign_in(oidc_client, ada())
        renewed = refresh_tokens(oidc_client, found.refresh_token or "", subject="ada")
        assert (renewed.refresh_token, renewed.rotated) == (found.refresh_token, False)
